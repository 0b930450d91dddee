"""Our statement of the model and the published schemas of Hub Santé give the same verdict.

Known differences, all of them stricter on purpose, and none of them on a message of this flow that the guide allows:
- more than a hundred entries in `content` or `recipient`;
- two known contents of which only one is valid (or an unknown one beside a known one that would match): the published
  `oneOf` counts valid matches, ours counts contents that are present;
- contents of other use cases (`createCase`, `technical`, …) are not read here (so this is laxer);
- dates that RFC 3339 admits and no calendar holds (leap second, year 0), appointments in year 1 or 9999.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema_rs import Draft7Validator, Validator

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.schemas import STEPS
from sandbox.edxl.validation import known_contents, validate
from sandbox.kernel.clock import PARIS
from tests.unit.edxl.corpus import APPOINTMENT, HEADER, appointment, envelope, error, mutated, places, reference

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "hub-sante"

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="../shared is absent")


def schema(name: str) -> Validator:
    return Draft7Validator(orjson.loads((REFERENCE / "schemas" / f"{name}.schema.json").read_bytes()))


class Official:
    """The published schemas, put together as the published `oneOf` does for the three contents in scope."""

    def __init__(self) -> None:
        self.envelope = schema("EDXL-DE-envelope-only")
        self.header = schema("RC-DE")
        self.contents = {
            "appointment": schema("RS-SAS-RDV"),
            "reference": schema("RC-REF"),
            "error": schema("RS-ERROR"),
        }

    def accepts(self, document: Any) -> bool:
        return self.envelope.is_valid(document) and all(
            self._one_of(item["jsonContent"]["embeddedJsonContent"]) for item in document["content"]
        )

    def _one_of(self, embedded: dict[str, Any]) -> bool:
        message = embedded.get("message")
        if not isinstance(message, dict):
            return False  # every branch matches: more than one
        matches = [
            name
            for name, content in self.contents.items()
            if name in message and content.is_valid(message[name])
            if name == "error" or self.header.is_valid(message)
        ]
        return len(matches) == 1


@pytest.fixture(scope="module")
def official() -> Official:
    return Official()


def is_known_difference(document: Any) -> bool:
    messages = [item["jsonContent"]["embeddedJsonContent"].get("message") for item in document["content"]]
    return any(len(known_contents(message)) > 1 for message in messages if isinstance(message, dict))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=mutated())
def test_both_statements_agree_on_mutated_messages(document: Any) -> None:
    official = _shared()
    ours = validate(document) == []
    if ours != official.accepts(document):
        assert not ours, "ours must never accept what the model refuses"
        assert is_known_difference(document)


_official: list[Official] = []


def _shared() -> Official:
    if not _official:
        _official.append(Official())
    return _official[0]


@pytest.mark.parametrize("make", [appointment, reference, error])
def test_both_statements_agree_on_every_single_change(official: Official, make: Any) -> None:
    model = make()
    for path in places(model):
        for value in (None, 1, "x", [], {}, "2026-11-22T10:00:00Z", ...):
            document = make()
            container = document
            for step in path[:-1]:
                container = container[step]
            if value is ...:
                del container[path[-1]]
            else:
                container[path[-1]] = value
            assert (validate(document) == []) is official.accepts(document), (path, value)


@pytest.mark.parametrize("path", sorted((REFERENCE / "examples").glob("RS-SAS-RDV*.json")), ids=lambda path: path.stem)
def test_the_published_appointments_are_valid(official: Official, path: Path) -> None:
    document = envelope({**HEADER, **orjson.loads(path.read_bytes())})
    assert official.accepts(document)
    assert validate(document) == []


def test_the_published_envelope_with_its_two_entries_of_another_use_case_is_valid() -> None:
    assert validate(orjson.loads((REFERENCE / "examples" / "EDXL-DE.json").read_bytes())) == []


def test_both_statements_agree_on_several_entries_of_content(official: Official) -> None:
    document = appointment()
    document["content"] += reference()["content"] + error()["content"]
    assert official.accepts(document)
    assert validate(document) == []
    document["content"].append({"jsonContent": {"embeddedJsonContent": {"message": {}}}})
    assert not official.accepts(document)
    assert validate(document)


def test_what_we_build_is_valid_by_the_published_model(official: Official) -> None:
    now = datetime(2026, 11, 22, 10, tzinfo=PARIS)
    at = build.Address("a_1", "a", "b", now, now + timedelta(hours=1))
    bodies = [
        build.report(at, APPOINTMENT),
        *(build.ack(at, "b_1", step=step) for step in (None, *STEPS)),
        build.ack(at, "b_1", refused_by="a_2"),
        *(build.error(at, code, "why", source={"x": 1}, referenced="") for code in HubCode),
    ]
    assert all(official.accepts(orjson.loads(body)) for body in bodies)
