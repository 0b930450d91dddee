"""What each entrance is meant to read, from which mutated octets are made."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import strategies as st

from sandbox.edxl.trials import CASES, Correspondents, trial
from sandbox.fhir.practitioner import render_regulator
from sandbox.fhir.service_request import render_request
from tests.actors.editor.communities.test_requests import ASKED
from tests.actors.sas.sas_core import NOW
from tests.support.editors.running_editor import REGULATOR
from tests.support.inputs.entrances import BAD, SAMU, Town
from tests.unit.fhir.test_reading import BODY, SITES
from tests.unit.sas.search.bundles import practitioner_bundle

PIECES = (
    b"{}", b"[]", b"null", b'"x"', b"1e99999", b"9" * 400, b'"\xe9"', b'"\\ud800"', b"true", b"-1", b"[" * 80, b",",
    b":", b'"resourceType"', b'"0001-01-01T00:00:00Z"', b"9999-12-31T23:59:59.000-14:00", b"\x00", b"%", b"&", b"|",
)  # fmt: skip
VALUES: Sequence[Any] = (
    None, True, 0, -1, 7, 1.5, 1e308, 2**63, "", " ", "x" * 300, "\x00", "é\u2028", [], {}, [[]], [None], [{}],
    [7], ["x"], {"a": 1},
    "9999-12-31T23:59:59.000-14:00", "0001-01-01T00:00:00Z", "2026-11-23T11:00:00.000+01:00", "2026-02-30", "-1", "1e9",
    "javascript:alert(1)", "//x", "?x=1", "https://[::1/", "http://127.0.0.1:8043/", "Schedule/p-1", "urn:oid:1|2|3",
    "free",
)  # fmt: skip


def seeds(made: Town) -> Mapping[str, Sequence[bytes]]:
    """Correct octets for each entrance."""
    appointment, regulator = made.core.body(), made.core.regulator
    person = orjson.dumps({"identifier": regulator.identifier, "family": "A", "given": "B", "email": "a@b.example",
                           "territory": "SAS-33", "password": "x"})  # fmt: skip
    login = orjson.dumps({"identifier": regulator.identifier.value, "password": regulator.password})
    between = Correspondents(SAMU, "fr.health.test.ptfsas", NOW, lambda: "0")
    messages = [each.body for case in CASES for each in trial(case, between)]
    origin = made.core.population.territories[regulator.territory].origin
    call = f"origin={origin}&inseecode=33063&specialty=Cardiologie&streetname=rue&streetnumber=1".encode()
    people = made.core.population.of_editor(BAD)[:2]
    asked = practitioner_bundle(*((each, [NOW + timedelta(hours=1), NOW + timedelta(hours=26)]) for each in people))
    slots = b"status=free&start=ge2026-11-23T10:30:00.000%2B01:00&schedule.actor:Practitioner.identifier=urn:oid:1|8"
    return {
        "PDM": [render_request(ASKED)],
        "PDM again": [render_request(replace(ASKED, revoked=True))],
        "api/orientations": [
            b'{"kind":"marketplace","community":"cpts-rive-gauche","need":"toux","within_minutes":30,"town":"33063"}'
        ],
        "__admin/communities": [b'{"answer":"accept","after_s":1,"p95_s":2,"practitioner":"any","probability":0.5}'],
        "INT_R03": [appointment],
        "INT_R03 again": [appointment],
        "INT_R02": [render_regulator(REGULATOR)],
        "INT_R02 again": [render_regulator(REGULATOR)],
        "INT_R01 query": [slots, b"_id=x"],
        "INT_R01 form": [slots],
        "api/login": [login],
        "api/regulators": [
            orjson.dumps(
                {
                    "type": "INTRN",
                    "value": "x1",
                    "family": "A",
                    "given": "B",
                    "email": "a@b.example",
                    "territory": "SAS-33",
                }
            )
        ],
        "api/search query": [b"town=Bordeaux&specialty=SM54&page=1&from=2026-11-23"],
        "api/agenda/slots": [
            b'{"start":"2026-11-24T08:00:00+01:00","end":"2026-11-24T08:20","place":"rouveyran-bordeaux",'
            b'"visibility":["PUBLIC"],"type":"AMB","max_patients":2,"reasons":["x"],"weekly":{"until":"2026-12-31"}}'
        ],
        "api/agenda/closures": [b'{"from":"2026-12-24","to":"2026-12-26T12:00:00+01:00","label":"x","place":""}'],
        "api/agenda query": [b"from=2026-11-23&to=2026-12-01T12:00:00%2B01:00"],
        "api/orientations, offers": [
            b'{"kind":"extra","practitioner":"819800000036","agreed":"today"}',
            b'{"kind":"extra","practitioner":"819800000036","agreed":"2026-11-23T18:15:00+01:00","place":""}',
            b'{"kind":"structure","structure":"1339900110"}',
        ],
        "api/structures query": [b"town=Bordeaux&kind=cds&radius=5", b"place=Lyon&within=2"],
        "agenda form query": [b"creneau=819800000127-w10540.20261124&praticien=819800000127", b"creneau="],
        "INT_L01 query": [call, b"place=Lyon"],
        "booking query": [b"slot=p-1.20261123T0800Z&origin=sas"],
        "psc/people": [person],
        "psc/token": [b"grant_type=authorization_code&code=x&client_id=sas&client_secret=y"],
        "psc/authorize": [b"response_type=code&client_id=sas&scope=openid%20scope_all&redirect_uri=http://x/&nonce=1"],
        "__admin/faults": [b'{"kind":"status","target":"editor:agenda-azur","params":{"code":503}}'],
        "__admin/clock": [b"{}", b'{"as_of":"2026-03-29T01:30:00","freeze":true}', b'{"as_of":"2026-11-23T10:30:00"}'],
        "editor's answer": [BODY, SITES, asked, asked],
        "editor's answer, streamed": [BODY, SITES, asked, asked],
        "editor's answer, on the page": [BODY, SITES, asked, asked],
        "answer to INT_R03": [b'{"resourceType":"OperationOutcome","issue":[{"details":{"text":"x"}}]}'],
        "provider's answers": [b'{"keys":[{"kty":"RSA","kid":"1","n":"AQAB","e":"AQAB"}]}', b"e30.e30.e30"],
        "hub message": messages,
        "HTTP": [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PUT /__admin/clock HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        ],
        "AMQP": [b"\x01\x00\x00\x00\x00\x00\x05\x00\x0a\x00\x0b\x00\xce"],
    }


def octets(right: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Any octets; or a correct input in which some places, or one value of its JSON, are replaced."""
    ways = [st.binary(max_size=40), st.sampled_from([*PIECES]), _mutated(right)]
    return st.one_of(*ways, *([_replaced(documents)] * 2 if (documents := [*_documents(right)]) else []))


def _documents(right: Sequence[bytes]) -> Iterator[Any]:
    for body in right:
        with contextlib.suppress(ValueError):
            document = orjson.loads(body)
            if document and isinstance(document, dict | list):
                yield document


@st.composite
def _replaced(draw: st.DrawFn, documents: Sequence[Any]) -> bytes:
    document = node = copy.deepcopy(draw(st.sampled_from([*documents])))
    while True:
        key = draw(st.sampled_from([*(node if isinstance(node, dict) else range(len(node)))]))
        if not (isinstance(node[key], dict | list) and node[key] and draw(st.booleans())):
            break
        node = node[key]
    node[key] = draw(st.sampled_from([*VALUES]) | st.text(max_size=4))
    return orjson.dumps(document)


@st.composite
def _mutated(draw: st.DrawFn, right: Sequence[bytes]) -> bytes:
    found = draw(st.sampled_from([*right]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(found)))
        until = min(len(found), at + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        found = found[:at] + draw(st.one_of(st.sampled_from([*PIECES]), st.binary(max_size=3))) + found[until:]
    return found
