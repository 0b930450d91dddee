"""`__admin/communities` and the pages of the communities: what they tell, what they change, what they refuse."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from sandbox.control.app import Control
from sandbox.faults.communities import DEFAULT, Answer, behaviour_of

ID, MEMBERS = "cpts-rive-gauche", ["819800000077", "819800000085"]
URL, PAGE = f"/__admin/communities/{ID}/behaviour", f"/communautes/{ID}"
FIRST = {"answer": "accept", "after_s": 10.0, "p95_s": None, "practitioner": None, "probability": 1.0}


def switched(control: Control) -> Any:
    return behaviour_of(ID, control.context.world.world.switches)


async def submit(admin: httpx.AsyncClient, action: str = PAGE, **fields: str) -> httpx.Response:
    page = await admin.get(PAGE)
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert token is not None
    form = {"answer": "accept", "after_s": "10", "p95_s": "", "practitioner": "", "percent": "100", **fields}
    return await admin.post(action, data={"csrf": token[1], **form})


async def test_every_community_with_its_members_and_its_behaviour(admin: httpx.AsyncClient) -> None:
    listed = (await admin.get("/__admin/communities")).json()["communities"]
    assert [each["id"] for each in listed][:3] == [ID, "sos-bordeaux", "cabinets-rennes"]
    assert [member["id"] for member in listed[0]["members"]] == MEMBERS
    assert listed[0]["behaviour"] == FIRST == (await admin.get(URL)).json()


async def test_a_behaviour_is_changed_while_running_and_reset(control: Control, admin: httpx.AsyncClient) -> None:
    wanted = {"answer": "refuse", "after_s": 60, "p95_s": 600, "practitioner": MEMBERS[1][1:], "probability": 0.5}
    answer = await admin.put(URL, json=wanted)
    assert answer.json() == {**wanted, "practitioner": MEMBERS[1]}
    assert (switched(control).answer, switched(control).p95_s) == (Answer.REFUSE, 600)
    assert (await admin.put(URL, json={"answer": "by-hand"})).json() == {**FIRST, "answer": "by-hand"}
    assert (await admin.delete(URL)).json() == FIRST
    assert switched(control) == DEFAULT


@pytest.mark.parametrize(
    ("wanted", "status", "where"),
    [
        ({"answer": "accept", "after_s": -1}, 422, "after_s"),
        ({"answer": "accept", "after_s": 10, "p95_s": 5}, 422, "p95_s"),
        ({"answer": "accept", "practitioner": "819800000010"}, 422, "practitioner"),
        ({"answer": "accept", "probability": 0}, 422, "probability"),
        ({"answer": "maybe"}, 400, "answer"),
        ({"after_s": 3}, 400, "answer"),
        ({"answer": "accept", "delay": 3}, 400, "delay"),
    ],
)
async def test_what_is_wrong_is_a_problem(
    control: Control, admin: httpx.AsyncClient, wanted: dict[str, Any], status: int, where: str
) -> None:
    answer = await admin.put(URL, json=wanted)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert where in answer.text
    assert switched(control) == DEFAULT


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_unknown_community(admin: httpx.AsyncClient, method: str) -> None:
    body = {"json": {"answer": "accept"}} if method == "PUT" else {}
    answer = await admin.request(method, "/__admin/communities/nobody/behaviour", **body)
    assert answer.status_code == 404


async def test_the_pages_change_it_too(control: Control, admin: httpx.AsyncClient) -> None:
    assert f'href="{PAGE}"' in (await admin.get("/communautes")).text
    fields = {"answer": "accept", "after_s": "1,5", "p95_s": "30", "practitioner": "any", "percent": "70"}
    assert (await submit(admin, **fields)).status_code == 303
    found = switched(control)
    assert (found.after_s, found.p95_s, found.practitioner, found.probability) == (1.5, 30, "any", 0.7)
    page = (await admin.get(PAGE)).text
    assert "un membre accepte (tiré au sort), en moyenne après 1 s, 70 fois sur 100 (sinon tous refusent)" in page
    assert 'value="1.5"' in page
    assert (await submit(admin, f"{PAGE}/retablir")).status_code == 303
    assert switched(control) == DEFAULT
    assert (await admin.get("/communautes/nobody")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"after_s": "abc"}, "Le délai de réponse va de 0"),
        ({"after_s": "99999999"}, "Le délai de réponse va de 0"),
        ({"p95_s": "1"}, "Le délai de 95 réponses"),
        ({"practitioner": "819800000010"}, "n'est pas membre"),
        ({"percent": "0"}, "La part des demandes"),
        ({"percent": "x"}, "n'est pas un nombre"),
        ({"answer": "peut-être"}, "Choisissez une réponse"),
    ],
)
async def test_what_is_wrong_is_said_on_the_page(
    control: Control, admin: httpx.AsyncClient, fields: dict[str, str], problem: str
) -> None:
    answer = await submit(admin, **fields)
    assert answer.status_code == 422
    assert problem in unescape(answer.text)
    assert switched(control) == DEFAULT
