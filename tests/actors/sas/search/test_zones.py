"""« Mes orientations » in a territory overseas: every time is that of the territory, and says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import orjson
import pytest

from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.identifiers import Identifier
from tests.actors.sas.browsing import logged_in
from tests.actors.sas.sas_core import Core

JSON = {"Content-Type": "application/fhir+json"}
WRITTEN = [
    ("2026-11-24T07:00:00Z", "11:00"),
    ("2026-11-24T09:00:00+01:00", "12:00"),
    ("2026-11-24T10:00:00+04:00", "10:00"),
]


@pytest.fixture
def overseas(core: Core) -> Core:
    """The regulator's territory lies in La Réunion."""
    held = core.population.territories
    code = core.regulator.territory
    core.population.territories = {**held, code: replace(held[code], department="974")}
    return core


async def booked(core: Core, start: str, value: str) -> str:
    body = render_appointment(
        core.appointment(
            identifier=Identifier(core.editor().system, value),
            start=datetime.fromisoformat(start.replace("Z", "+00:00")),
            end=datetime.fromisoformat("2026-11-24T23:00:00+00:00"),
        )
    )
    if start.endswith("Z"):
        written = datetime.fromisoformat(start.replace("Z", "+00:00")).isoformat(timespec="milliseconds")
        assert written.encode() in body
        body = body.replace(written.encode(), start.encode())
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=body, headers=JSON)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].rpartition("/")[2]


@pytest.mark.parametrize(("start", "shown"), WRITTEN)
async def test_an_appointment_overseas_is_shown_in_its_territory_s_time(overseas: Core, start: str, shown: str) -> None:
    id = await booked(overseas, start, "6f1c0c57-8d3f-4d38-9a2a-3a0b3c7f9a01")
    async with logged_in(overseas) as browser:
        page = (await browser.get(f"/sas/orientations/{id}")).text
        assert f"mardi 24 novembre 2026 à {shown} (heure de La Réunion), jusqu&#39;à 03:00" in page.replace(
            "'", "&#39;"
        )
        assert f"{shown} (heure de La Réunion)" in (await browser.get("/sas/orientations")).text
        assert "(heure de La Réunion)" in page


@pytest.mark.parametrize("year", ["0001", "1969", "2100", "9999"])
@pytest.mark.parametrize("name", ["start", "end", "created"])
async def test_a_date_that_no_page_could_show_is_refused_at_the_door(core: Core, year: str, name: str) -> None:
    document = orjson.loads(core.body())
    document[name] = f"{year}-06-01T10:00:00+02:00"
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=orjson.dumps(document), headers=JSON)
    assert answer.status_code == 400
    (issue,) = [each for each in answer.json()["issue"] if each["expression"] == [f"Appointment.{name}"]]
    assert "is not between 1970-01-01 and 2099-12-31" in issue["details"]["text"]
