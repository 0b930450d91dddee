"""Where a login may return to."""

from __future__ import annotations

import pytest

from sandbox.web.headers import content_policy, host_name
from sandbox.web.session import local_path


@pytest.mark.parametrize("path", ["/", "/agenda-azur/rdv?slot=1.2&origin=sas", "/a//b", "/é"])
def test_paths_of_this_site_are_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path", [None, "", "x", "//evil.invalid", "/\\evil.invalid", "http://evil.invalid/", "/a\nb", "/a b"]
)
def test_anything_else_becomes_the_default(path: str | None) -> None:
    assert local_path(path, "/home") == "/home"


@pytest.mark.parametrize(
    ("header", "name"),
    [("A.fr:80", "a.fr"), ("[::1]:8000", "::1"), ("[::1]", "::1"), ("localhost.", "localhost"), ("", "")],
)
def test_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name


def test_policy_names_each_form_target_once() -> None:
    policy = content_policy(["http://a", "http://a"])
    assert "form-action 'self' http://a;" in policy
    assert "default-src 'none'" in policy
