"""Bodies of the largest permitted size that are expensive to process: by name, each of about `size` octets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sandbox.kernel.model import Practitioner
from tests.actors.sas.sas_core import NOW
from tests.unit.fhir.test_reading import BODY
from tests.unit.sas.search.bundles import bundle as bundle_of
from tests.unit.sas.search.bundles import practitioner_resources, slot


def _filled(before: bytes, piece: bytes, after: bytes, size: int) -> bytes:
    """`piece`, repeated with commas between, inside the two ends."""
    return before + b",".join([piece] * max(1, (size - len(before) - len(after)) // (len(piece) + 1))) + after


def _numbered(before: bytes, piece: str, after: bytes, size: int) -> bytes:
    """The same with a number in each piece."""
    count = max(1, (size - len(before) - len(after)) // (len(piece % 0) + 6))
    return before + b",".join([(piece % at).encode() for at in range(count)]) + after


def any_json(size: int) -> dict[str, bytes]:
    """Bodies for any reader of JSON."""
    return {
        "empty objects": _filled(b"[", b"{}", b"]", size),
        "small lists": _filled(b"[", b"[[1]]", b"]", size),
        "opening brackets": b"[" * size,
        "names": _numbered(b"{", '"n%d":{"a":[1]}', b"}", size),
        "one name": _filled(b"{", b'"a":1', b"}", size),
        "digits": b'{"a":' + b"9" * size + b"}",
        "one text": b'{"a":"' + b"x" * size + b'"}',
        "escapes": b'{"a":"' + rb"\u00e9" * (size // 6) + b'"}',
        "bad octet at the end": b'{"a":"' + "é".encode() * (size // 2) + b'\xff"}',
        "spaces": b"{" + b" " * size + b"}",
    }


def resource(kind: str, *names: str) -> Callable[[int], dict[str, bytes]]:
    """Bodies for a reader of a resource of that type: many of each of these elements, and elements that the model must
    validate."""
    head = b'{"resourceType":"%s",' % kind.encode()

    def made(size: int) -> dict[str, bytes]:
        found = {
            f"{name}: {what}": _filled(head + b'"%s":[' % name.encode(), piece, b"]}", size)
            for name in names
            for what, piece in (("empty", b"{}"), ("null", b"null"), ("nested", b'{"type":{"coding":[{},{}]}}'))
        }
        found["the model's"] = _filled(head + b'"extension":[', b'{"url":"x","valueString":7}', b"]}", size)
        found["a long value"] = head + b'"%s":[{"system":"' % names[0].encode() + b"y" * size + b'","value":"z"}]}'
        return any_json(size) | found

    return made


_HEAD = b'{"resourceType":"Bundle","type":"searchset","total":1,"entry":['
_SLOT = (
    '{"resource":{"resourceType":"Slot","id":"%d","status":"free","start":"2026-11-23T11:30:00.000+01:00",'
    '"end":"2026-11-23T11:45:00.000+01:00","schedule":{"reference":"Schedule/p-1"},"comment":"http://e/"}}'
)
_REASON = _SLOT.replace('"comment"', '"serviceType":[{"text":"%%0500d"}],"comment"')


def bundle(size: int) -> dict[str, bytes]:
    """Bodies for a reader of an editor's answer."""
    entries: Mapping[str, str] = {
        "bare slots": '{"resource":{"resourceType":"Slot","id":"%d"}}',
        "good slots": _SLOT,
        "busy slots": _SLOT.replace("free", "busy"),
        "slots of an odd type": _SLOT.replace('"http://e/"', '7,"serviceType":{}'),
        "texts that differ": _REASON.replace("%%0500d", "%0500d").replace('"id":"%d"', '"id":"s"'),
        "comments that differ": _SLOT.replace('"id":"%d"', '"id":"s"').replace("http://e/", "http://e/%01900d"),
        "times that differ": _SLOT.replace('"id":"%d"', '"id":"s"').replace("11:45:00.000+01:00", "%d"),
        "schedules that differ": _SLOT.replace('"id":"%d"', '"id":"s"').replace("p-1", "%d"),
        "schedules": '{"resource":{"resourceType":"Schedule","id":"%d","actor":[{}]}}',
        "practitioners": '{"resource":{"resourceType":"Practitioner","id":"%d","identifier":[{"value":7}]}}',
        "no resources": '{"n":%d}',
    }
    found = {name: _numbered(_HEAD, piece, b"]}", size) for name, piece in entries.items()}
    found["empty entries"] = _filled(_HEAD, b"{}", b"]}", size)
    found["one entry"] = _filled(_HEAD + b'{"resource":{"resourceType":"Slot","x":[', b"[[]]", b"]}}]}", size)
    found["links"] = _filled(b'{"resourceType":"Bundle","type":"searchset","link":[', b"{}", b"]}", size)
    found["right, with spaces"] = BODY.replace(b"{", b"{" + b" " * (size // BODY.count(b"{")))
    return any_json(size) | found


def message(size: int) -> dict[str, bytes]:
    """Bodies for a reader of a message of the hub."""
    return any_json(size) | {
        "contents": _filled(b'{"content":[', b"{}", b"]}", size),
        "contents of contents": _filled(b'{"distributionID":"x","content":[', b'{"jsonContent":{}}', b"]}", size),
    }


def query(size: int) -> dict[str, bytes]:
    """Bodies for a reader of a query string."""
    return {
        "parameters": b"&".join([b"a=b"] * (size // 4)),
        "one value": b"start=" + b"x" * size,
        "commas": b"schedule.actor:Practitioner.identifier=" + b"," * size,
        "pipes": b"schedule.actor:Practitioner.identifier=" + b"|," * (size // 2),
        "percents": b"start=" + b"%41" * (size // 3),
    }


def agendas(people: Sequence[Practitioner], size: int) -> dict[str, bytes]:
    """Bodies for code that shows an editor's answer: correct except for the size. `people`: those who were asked
    about."""
    starts = [NOW + timedelta(seconds=20 * at) for at in range(size // 900)]
    whole = [each for person in people for each in practitioner_resources(person)]
    places = [place.id for person in people for place in person.places]
    owned = [(places[at % len(places)], start) for at, start in enumerate(starts)]
    other = [replace(people[0].places[0], id=f"s{at}", line=f"{at} rue") for at in range(len(starts) // 4)]
    reasons = [{"serviceType": [{"text": f"toux {at} {'x' * 150}"}]} for at in range(len(starts))]
    return {
        "many slots": bundle_of([slot(place, start) for place, start in owned], whole),
        "reasons that differ": bundle_of(
            [slot(place, start, **more) for (place, start), more in zip(owned, reasons, strict=True)], whole
        ),
        "one person, many places": bundle_of(
            [slot(place.id, start) for place, start in zip(other, starts, strict=False)],
            practitioner_resources(people[0], other),
        ),
    }


# entrance -> the bodies that are tried there, and of which size
DEAR: Mapping[str, tuple[Callable[[int], dict[str, bytes]], int]] = {
    "INT_R03": (resource("Appointment", "identifier", "extension", "participant"), (1 << 20) - 200),
    "INT_R02": (resource("Practitioner", "identifier", "name", "telecom"), (1 << 20) - 200),
    "INT_R01 query": (query, 60_000),
    "api/login": (any_json, 65_000),
    "api/regulators": (any_json, 65_000),
    "api/search query": (query, 60_000),
    "api/agenda/slots": (any_json, 65_000),
    "psc/people": (any_json, 16_000),
    "psc/token": (query, 60_000),
    "__admin/faults": (any_json, 64_000),
    "editor's answer": (bundle, (8 << 20) - 1000),
    "answer to INT_R03": (any_json, 1 << 20),
    "provider's answers": (any_json, 1 << 20),
    "hub message": (message, 1 << 20),
}
