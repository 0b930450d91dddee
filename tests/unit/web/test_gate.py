"""Access where a password is asked for."""

from __future__ import annotations

import base64

import pytest

from sandbox.web.gate import brings

PASSWORD = "k" * 32


def carries(authorization: str | None) -> bool:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("utf-8"))]
    return brings({"type": "http", "headers": headers}, (PASSWORD, "other" * 5))


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {PASSWORD}",
        f"bearer   {PASSWORD}",
        f"Basic {basic(f'anybody:{PASSWORD}')}",
        f"basic {basic(f':{PASSWORD}')}",
        f"Bearer {'other' * 5}",
    ],
)
def test_a_password_is_taken_in_either_form(authorization: str) -> None:
    assert carries(authorization)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {PASSWORD}x",
        f"Bearer {PASSWORD[:-1]}",
        PASSWORD,
        f"Digest {PASSWORD}",
        f"Basic {PASSWORD}!",
        f"Basic {basic(PASSWORD)}",
        f"Basic {basic(f'{PASSWORD}:')}",
        f"Basic {base64.b64encode(bytes([255, 58])).decode()}",
        "Bearer é",
    ],
)
def test_nothing_else_is(authorization: str | None) -> None:
    assert not carries(authorization)


def test_without_passwords_nobody_brings_one() -> None:
    assert not brings({"type": "http", "headers": [(b"authorization", b"Bearer ")]}, ())
