"""Searches, the results page and the API answer to the byte as they did when they were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recorded_searches import RECORDED, Answer, played, recorded
from tests.support.searches import RECORDINGS

MOST_TOLD = 20


@pytest.mark.timeout(600)  # half a minute where nothing else runs and nothing is traced
@pytest.mark.parametrize("name", RECORDINGS)
async def test_searches_are_answered_as_they_were_recorded(name: str, tmp_path: Path) -> None:
    now, then = await played(name, tmp_path), recorded(name)
    assert [*now] == [*then], "other requests than recorded: python -m tests.support.recorded_searches"
    different = [_told(request, then[request], now[request]) for request in then if now[request] != then[request]]
    assert not different, f"{len(different)} of {len(then)} differ\n" + "\n".join(different[:MOST_TOLD])


def _told(request: str, then: Answer, now: Answer) -> str:
    return f"{request}\n  recorded: {then}\n  now:      {now}"


def test_there_are_enough_of_them() -> None:
    requests = [f"{name} {request}" for name in RECORDINGS for request in recorded(name)]
    assert len([request for request in requests if "ORIENTATIONS" not in request and "LIST" not in request]) >= 200
    assert len([request for request in requests if "PAGE " in request]) >= 30
    assert {path.stem for path in RECORDED.glob("*.json")} == {*RECORDINGS}
