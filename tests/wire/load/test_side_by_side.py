"""The comparison with other servers measures what it says."""

from __future__ import annotations

import re
import sys
from itertools import islice
from pathlib import Path
from urllib.request import urlopen

import pytest

from load.bench.side_by_side import LOT, Plan, main, queries, running, until_ready
from load.peers.mockoon import environment
from load.ports import free_base
from sandbox.fhir.queries.search import parse_slot_query


def test_one_answer_and_the_rates_relative_to_the_raw_server_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Plan(rounds=1, warm_up_s=0.05, measured_s=0.5)) == 0
    out = capsys.readouterr().out
    ((slots, octets),) = re.findall(r"^one answer: (\d+) slots, ([\d,]+) octets$", out, re.MULTILINE)
    assert int(slots) > 5 * LOT
    assert int(octets.replace(",", "")) > 500 * int(slots)
    rows = re.findall(r"^  (\w+) +([\d,.]+) /s of processor time, ([\d.]+) of raw$", out, re.MULTILINE)
    rates = {name: float(rate.replace(",", "")) for name, rate, _ in rows}
    assert list(rates)[:2] == ["raw", "sandbox"]
    for name, _, ratio in rows:
        assert float(ratio) == pytest.approx(rates[name] / rates["raw"], abs=0.002)


def test_the_raw_server_answers_the_octets_that_it_was_given(tmp_path: Path) -> None:
    body, port = tmp_path / "body.json", free_base()
    body.write_bytes(b'{"resourceType":"Bundle"}')
    with running([sys.executable, "-m", "load.peers.asgi", str(port), str(body)]):
        until_ready(("127.0.0.1", port, "/Slot"))
        with urlopen(f"http://127.0.0.1:{port}/Slot?status=free") as answer:
            assert answer.read() == body.read_bytes()


def test_no_two_queries_are_the_same_and_each_asks_for_a_full_lot() -> None:
    asked = list(islice(queries(), 40))
    assert len({*asked}) == 40
    assert {len(parse_slot_query(each).practitioners) for each in asked} == {LOT}


def test_mockoon_answers_one_route_without_templating() -> None:
    document = environment(1234, "{}")
    assert document["port"] == 1234
    assert '"disableTemplating": True' in str(document).replace("'", '"')
