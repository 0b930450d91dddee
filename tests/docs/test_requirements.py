"""Every requirement has a test, every mark names a requirement, and docs/conformite.md says where."""

from __future__ import annotations

import re

from tests.requirements import PAGE, Place, families, marks, page, requirements

ROWS = re.findall(r"^\| ([A-Z0-9]+-\w+) \| (.+?) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
COUNTS = {"R01": 51, "R04": 6, "SOS": 11, "R02": 16, "SSO": 4, "CAP": 1, "TLS": 7, "R03": 13, "L02": 14, "L01": 1}


def test_the_list_is_whole() -> None:
    assert {family: len(wordings) for family, (_, wordings) in families().items()} == COUNTS


def test_every_requirement_has_a_test() -> None:
    assert [id for id in requirements() if id not in marks()] == []


def test_every_mark_names_a_requirement() -> None:
    assert marks().keys() - requirements().keys() == set()


def test_the_page_has_each_requirement_once_in_its_wording() -> None:
    assert [(id, text) for id, text, _ in ROWS] == list(requirements().items())


def test_every_test_that_the_page_names_is_marked_with_that_requirement() -> None:
    marked = marks()
    for id, _, places in ROWS:
        named = [
            Place(file, test)
            for file, tests in re.findall(r"\]\(\.\./([^)]+)\) ((?:`\w+`(?:, )?)+)", places)
            for test in re.findall(r"`(\w+)`", tests)
        ]
        assert named, id
        assert set(named) <= set(marked[id]), id


def test_the_page_that_would_be_written_is_read_by_these_tests() -> None:
    assert re.findall(r"^\| ([A-Z0-9]+-\w+) \| .+ \| \[.+\]\(.+\) `\w+`", page(), re.MULTILINE) == list(requirements())
