"""Whatever an answer holds, the judges say what is wrong with it and never fail themselves."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.check.editor.searching import Searcher
from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.judging.answer import Asked
from sandbox.check.judging.judge import judge
from sandbox.check.judging.sites import kit_suite
from sandbox.check.verdicts import Fault
from tests.support.checked.stand_in import BOTH, NOW, SOS_TWO, TWO, StandIn, target

JUNK = st.sampled_from([None, "", "x", 0, -1.5, True, [], {}, [None], [[]], [{}], ["x"], {"x": None}, {"reference": 3}])
IDS = {"INT_R01": TWO, "INT_R04": BOTH, "SOS": SOS_TWO}


async def answered(flow: str) -> tuple[Exchange, Asked]:
    server = StandIn(target())
    searcher = Searcher(Subject(server.target, server, NOW, frozenset(), 1), flow)
    made = await searcher.usual([IDS[flow]])
    return made.exchange, made.asked


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a document: its container and its key."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        node = waiting.pop()
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            found.append((node, key))
            waiting.append(node[key])
    return found


@pytest.mark.parametrize("flow", IDS)
async def test_any_element_may_be_anything(flow: str) -> None:
    exchange, asked = await answered(flow)
    document = json.loads(exchange.body)

    @settings(max_examples=150)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        broken = copy.deepcopy(document)
        for _ in range(data.draw(st.integers(1, 4))):
            container, key = data.draw(st.sampled_from(nodes(broken)))
            container[key] = copy.deepcopy(data.draw(JUNK))
        answer, observed = judge(_with(exchange, json.dumps(broken).encode()), asked, None)
        if answer is not None:
            list(kit_suite(answer))
        assert all(each.path and all(each.text) for each in observed if isinstance(each, Fault))

    run()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"resourceType":"Bundle"}', b"\xff", b"[" * 5000])
async def test_any_body(body: bytes) -> None:
    exchange, asked = await answered("INT_R01")
    _, observed = judge(_with(exchange, body), asked, "1.1.0")
    assert any(isinstance(each, Fault) for each in observed)


def _with(exchange: Exchange, body: bytes) -> Exchange:
    return Exchange("GET", exchange.url, "sas", {}, b"", 200, exchange.headers, body, 3.0)


@pytest.mark.parametrize("type_", ["", None, [], 3])
@pytest.mark.parametrize("flow", IDS)
async def test_a_resource_without_type_and_id_is_named_all_the_same(flow: str, type_: object) -> None:
    exchange, asked = await answered(flow)
    document = json.loads(exchange.body)
    for number in range(len(document["entry"])):
        broken = copy.deepcopy(document)
        broken["entry"][number]["resource"] |= {"resourceType": type_, "id": None}
        _, observed = judge(_with(exchange, json.dumps(broken).encode()), asked, None)
        assert all(each.path and all(each.text) for each in observed if isinstance(each, Fault))
