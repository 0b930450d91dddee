"""The SAS core as it is built for real: sockets, mutual TLS, its own store; nobody answers at the hub."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.errors import StoreLocked
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.net.context import Context
from sandbox.pki.authority import Credentials, Pki, ensure_pki
from sandbox.pki.subjects import editor_subject, hub_client_subject, sas_subject
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.sas.app import build
from tests.support.contexts import bound_sockets, make_context

BAD = ["wrong_cn", "wrong_ou", "revoked", "expired", "not_yet_valid", "self_signed", "other_ca"]
JSON = {"Content-Type": "application/fhir+json"}


@dataclass(frozen=True)
class Running:
    """A started core and the ports that it really has."""

    context: Context
    ports: Mapping[int, int]


@pytest.fixture(scope="module")
def population() -> Population:
    return load_population(Settings(practitioners=0))


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory, population: Population) -> Pki:
    clients = {editor.slug: editor_subject(editor) for editor in population.editors.values()}
    clients |= {"sas": sas_subject(), "fr.health.test.ptfsas": hub_client_subject("fr.health.test.ptfsas")}
    someone = next(iter(population.editors.values()))
    directory = tmp_path_factory.mktemp("pki")
    now = datetime.fromtimestamp(time.time(), UTC)
    return ensure_pki(directory, hosts=("127.0.0.1",), clients=clients, now=now, bad_like=editor_subject(someone))


@contextlib.contextmanager
def surroundings(directory: Path, pki: Pki, population: Population) -> Iterator[Context]:
    """A context whose ports are free ones of 127.0.0.1."""
    settings = Settings(data_dir=str(directory), port_base=40_000)
    with bound_sockets(SAS_UI, SAS_FHIR) as sockets:
        yield make_context(settings, population=population, sockets=sockets, pki=pki)


@pytest.fixture
async def core(tmp_path: Path, pki: Pki, population: Population) -> AsyncIterator[Running]:
    with surroundings(tmp_path, pki, population) as context:
        service = build(context)
        ports = {offset: each.getsockname()[1] for offset, each in context.sockets.items()}
        await service.start()
        try:
            assert service.health()["hub_connected"] is False
            yield Running(context, ports)
        finally:
            await service.stop()


def fhir(core: Running, pki: Pki, credentials: Credentials | None) -> httpx.AsyncClient:
    tls = ssl.create_default_context(cafile=str(pki.ca))
    if credentials is not None:
        tls.load_cert_chain(credentials.cert, credentials.key)
    return httpx.AsyncClient(verify=tls, base_url=f"https://127.0.0.1:{core.ports[SAS_FHIR]}/sas/fhir")


def body(population: Population) -> bytes:
    now = datetime.now(UTC)
    return render_appointment(
        Appointment(
            identifier=Identifier("urn:oid:1.2.250.1.999.1", "b6e39355-8a61-4556-b340-36f7b95fec6a"),
            operator=population.regulators[0].identifier,
            status=AppointmentStatus.BOOKED,
            start=now,
            end=now.replace(year=now.year + 1),
            practitioner="810100050075",
        )
    )


async def test_an_editors_certificate_is_let_in_and_its_appointment_taken(
    core: Running, pki: Pki, population: Population
) -> None:
    async with fhir(core, pki, pki.client("agenda-azur")) as editor:
        created = await editor.post("/Appointment", content=body(population), headers=JSON)
        assert created.status_code == 201
        id = created.headers["location"].rpartition("/")[2]
        assert (await editor.get(f"/Appointment/{id}")).status_code == 200
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{core.ports[SAS_UI]}") as pages:
        shown = (await pages.get(f"/api/appointments/{id}")).json()
        assert (await pages.get("/")).status_code == 200
    assert shown["editor"] == "agenda-azur"
    assert [message["state"] for message in shown["l02"]] == ["due"]


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_certificate_is_refused(core: Running, pki: Pki, population: Population, kind: str) -> None:
    async with fhir(core, pki, pki.bad[kind]) as stranger:
        try:
            answer = await stranger.post("/Appointment", content=body(population), headers=JSON)
        except (httpx.TransportError, ssl.SSLError):
            assert kind not in ("wrong_cn", "wrong_ou")
        else:
            assert kind in ("wrong_cn", "wrong_ou")
            assert answer.status_code == 403
            assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("name", [None, "sas", "fr.health.test.ptfsas"])
async def test_nobody_but_an_editor_may_write(
    core: Running, pki: Pki, population: Population, name: str | None
) -> None:
    async with fhir(core, pki, pki.client(name) if name else None) as stranger:
        answer = await stranger.post("/Appointment", content=body(population), headers=JSON)
    assert answer.status_code == 403
    assert answer.json()["issue"][0]["code"] == "forbidden"


async def test_two_cores_cannot_share_a_directory(core: Running, pki: Pki, population: Population) -> None:
    with surroundings(core.context.settings.data, pki, population) as second, pytest.raises(StoreLocked):
        build(second)
