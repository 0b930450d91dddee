"""The comparison with other servers measures what it says."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from load.bench import side_by_side
from load.peers.mockoon import environment
from sandbox.fhir.queries.search import parse_slot_query


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "WARM_UP_S", 0.05)
    monkeypatch.setattr(side_by_side, "MEASURED_S", 0.3)


def test_the_raw_server_and_the_whole_sandbox_are_asked_the_same(tmp_path: Path) -> None:
    queries, body = side_by_side._queries(), tmp_path / "body.json"
    with side_by_side.sandbox(tmp_path) as (_, base):
        body.write_bytes(side_by_side._answer(base, next(queries)))
    assert body.read_bytes().startswith(b'{"resourceType":"Bundle"')
    rates = [side_by_side._measured(name, tmp_path, body, queries) for name in ("raw", "sandbox")]
    assert rates[0] > rates[1] > 0


def test_no_two_queries_are_the_same_and_each_asks_for_a_full_lot() -> None:
    asked = list(islice(side_by_side._queries(), 40))
    assert len({*asked}) == 40
    assert {len(parse_slot_query(each).practitioners) for each in asked} == {side_by_side.LOT}


def test_mockoon_answers_one_route_without_templating() -> None:
    document = environment(1234, "{}")
    assert document["port"] == 1234
    assert '"disableTemplating": True' in str(document).replace("'", '"')
