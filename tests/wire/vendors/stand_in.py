"""A vendor's FHIR server, by itself in a process: `stand_in.py PORT CERT KEY CA PRACTITIONER STRUCTURE`.

It asks its caller for a certificate, answers every Slot search with the same two slots of its one practitioner, takes
any regulator account, and prints one line per request: method, path, CN of the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

SAS = "http://sas.fr/fhir/StructureDefinition/"
NOS = "https://mos.esante.gouv.fr/NOS/"
TYPES = "http://interopsante.org/fhir/CodeSystem/"
BOOKING = "https://127.0.0.1:9443/rdv?slot="


def identifier(system: str, value: str, code: str, types: str = "fr-v2-0203") -> dict[str, Any]:
    coding = [{"system": TYPES + types, "code": code}]
    return {"type": {"coding": coding}, "system": system, "value": value}


def resource(kind: str, id: str, profile: str, **rest: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": id, "meta": {"profile": [SAS + profile]}, **rest}


def slot(start: datetime, number: int) -> dict[str, Any]:
    found = resource(
        "Slot",
        f"creneau-{number}",
        "FrSlotAgregateur",
        serviceType=[{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}]}],
        appointmentType={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0276", "code": "ROUTINE"}]},
        schedule={"reference": "Schedule/agenda-1"},
        status="free",
        start=start.isoformat(timespec="milliseconds"),
        end=(start + timedelta(minutes=15)).isoformat(timespec="milliseconds"),
        comment=f"{BOOKING}creneau-{number}",
    )
    found["meta"]["security"] = [{"system": f"{NOS}TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau", "code": "PUBLIC"}]
    return found


def bundle(base: str, practitioner: str, structure: str) -> dict[str, Any]:
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    location = resource(
        "Location",
        "lieu",
        "FrLocationAgregateur",
        identifier=[identifier("urn:oid:1.2.250.1.999.77", "lieu", "INTRN", "fr-location-identifier-type")],
        address={"line": ["1 rue du Dehors"], "city": "Bordeaux", "postalCode": "33000"},
    )
    person = resource(
        "Practitioner",
        "medecin-1",
        "FrPractitionerAgregateur",
        identifier=[identifier("urn:oid:1.2.250.1.71.4.2.1", practitioner, "IDNPS")],
        name=[{"family": "EXTERNE", "given": ["Ada"]}],
    )
    role = resource(
        "PractitionerRole",
        "exercice-1",
        "FrPractitionerRoleExerciceAgregateur",
        contained=[location],
        practitioner={"reference": "Practitioner/medecin-1"},
        organization={"identifier": identifier("urn:oid:1.2.250.1.71.4.2.2", structure, "IDNST")},
        location=[{"reference": "#lieu"}],
    )
    actors = [{"reference": "Practitioner/medecin-1"}, {"reference": "PractitionerRole/exercice-1"}]
    schedule = resource("Schedule", "agenda-1", "FrScheduleAgregateur", actor=actors)
    slots = [slot(first + timedelta(hours=hour), hour) for hour in range(2)]
    found = [(one, "match") for one in slots] + [(one, "include") for one in (schedule, person, role)]
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{SAS}BundleAgregateur"]},
        "type": "searchset",
        "total": len(slots),
        "link": [{"relation": "self", "url": f"{base}/Slot"}],
        "entry": [
            {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": mode}}
            for one, mode in found
        ],
    }


def say(line: str) -> None:
    """One line to whoever started us."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(port: int, cert: str, key: str, ca: str, practitioner: str, structure: str) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    tls.load_cert_chain(cert, key)
    tls.verify_mode = ssl.CERT_REQUIRED

    @web.middleware
    async def told(request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        cn = dict(pair for names in subject for pair in names)["commonName"]
        say(f"{request.method} {request.path} {cn}")
        return await handler(request)

    async def search(request: web.Request) -> web.Response:
        content = bundle(f"https://127.0.0.1:{port}/fhir", practitioner, structure)
        return web.Response(text=json.dumps(content), content_type="application/fhir+json")

    async def account(request: web.Request) -> web.Response:
        return web.Response(status=201, headers={"Location": "https://127.0.0.1/fhir/Practitioner/1"})

    application = web.Application(middlewares=[told])
    application.add_routes([web.get("/fhir/Slot", search), web.post("/fhir/Practitioner", account)])

    async def serve() -> None:
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        say("ready")
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextlib.contextmanager
def stand_in(document: dict[str, Any], port: int, practitioner: str, structure: str) -> Iterator[list[str]]:
    """The server in a process of its own, with the certificate of `mon-agenda`; yields the lines that it printed."""
    files, lines = document["tls"]["servers"]["mon-agenda"], []
    command = [sys.executable, __file__, str(port), files["cert"], files["key"], document["tls"]["ca"]]
    process = subprocess.Popen([*command, practitioner, structure], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    reader = threading.Thread(target=lambda: lines.extend(line.strip() for line in process.stdout or ()))
    reader.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
