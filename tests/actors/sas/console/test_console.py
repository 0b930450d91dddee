from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.flows import Flow
from sandbox.net.http.client import Reply
from sandbox.web.ended_sessions import EndedSessions
from sandbox.web.oidc import Claims, RelyingParty
from tests.actors.sas.browsing import at_psc, logged_in
from tests.actors.sas.sas_core import Core, session_cookie

JSON = {"Content-Type": "application/fhir+json"}


async def test_every_page_carries_the_banner(core: Core) -> None:
    async with core.browser() as stranger, logged_in(core) as browser:
        pages = [await stranger.get("/"), await browser.get("/"), await browser.get("/sas/orientations")]
        pages.append(await browser.get("/sas/editeurs"))
        pages.append(await browser.get("/sas/recherche?city=Nulle-Part"))
    for page in pages:
        assert "BAC À SABLE — données fictives" in page.text
        assert 'lang="fr"' in page.text


async def test_without_a_session_the_login_is_offered(core: Core) -> None:
    async with core.browser() as browser:
        page = await browser.get("/")
    assert "Pro Santé Connect" in page.text
    assert 'href="/connexion"' in page.text
    assert "/sas/recherche" not in page.text


@pytest.mark.parametrize("path", ["/sas/recherche?city=Bordeaux&specialty=SM54", "/sas/orientations"])
async def test_who_is_not_logged_in_goes_through_psc_first(core: Core, path: str) -> None:
    at_psc(core)
    async with core.browser() as browser:
        answer = await browser.get(path)
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    query = parse_qs(target.query)
    assert target.path == "/psc/auth"
    assert query["client_id"] == ["sas"]
    assert query["redirect_uri"] == ["http://127.0.0.1:8000/oidc/callback"]


async def test_a_login_never_leads_elsewhere(core: Core) -> None:
    at_psc(core)
    async with core.browser() as browser:
        answer = await browser.get("/connexion?return_to=https://evil.example/")
    assert "evil" not in answer.headers["location"]


async def test_a_callback_that_nobody_began_is_refused(core: Core) -> None:
    async with core.browser() as browser:
        answer = await browser.get("/oidc/callback?state=x&code=y")
    assert answer.status_code == 400
    assert "n'a pas été commencée" in answer.text.replace("&#39;", "'")


def claims_of(core: Core, monkeypatch: pytest.MonkeyPatch, national_id: str) -> None:
    """Pro Santé Connect says that this person has logged in, on the way to the orientations."""

    async def callback(*_: object) -> Claims:
        return Claims(national_id, "X", "Y", "x@y.example", "/sas/orientations")

    monkeypatch.setattr(RelyingParty, "callback", callback)


async def test_a_login_opens_the_session_tells_the_editors_and_goes_on(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims_of(core, monkeypatch, core.regulator.identifier.value)
    async with core.browser() as browser:
        answer = await browser.get("/oidc/callback?state=x&code=y")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sas/orientations")
        page = await browser.get("/sas/orientations")
        editors = await browser.get("/sas/editeurs")
    assert page.status_code == 200
    assert f'data-regulator="{core.regulator.identifier.value}"' in page.text
    assert 'data-account="agenda-azur" data-state="known"' in editors.text
    assert len(core.editors.flows(Flow.INT_R02)) == 4


@pytest.mark.parametrize("who", ["3999999999/1", "an e-mail"])
async def test_who_has_no_account_is_told_so(core: Core, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    claims_of(core, monkeypatch, core.regulator.email if who == "an e-mail" else who)
    async with core.browser() as browser:
        answer = await browser.get("/oidc/callback?state=x&code=y")
        assert answer.status_code == 403
        assert "Aucun compte régulateur" in answer.text
        assert "/connexion" in (await browser.get("/")).text
    assert core.editors.calls == []


async def test_without_psc_one_is_still_logged_out_here(core: Core) -> None:
    async def down(*_: object) -> Reply:
        raise PeerUnreachable("psc", "connection refused")

    core.editors.answers["psc"] = down
    async with logged_in(core) as browser:
        page = await browser.get("/")
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        del browser.headers["Cookie"]
        answer = await browser.post("/deconnexion", data={"csrf": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert 'href="/connexion"' in (await browser.get("/")).text


async def test_home_shows_who_is_logged_in_and_the_search(core: Core) -> None:
    async with logged_in(core) as browser:
        page = (await browser.get("/")).text
    assert core.regulator.family in page
    assert 'action="/sas/recherche"' in page
    for name in ("specialty", "place", "practitioner", "visibility", "type", "kind", "booking", "within"):
        assert f'name="{name}"' in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("place=Nulle-Part", "Le lieu « Nulle-Part » n'est pas connu."),
        ("", "Indiquez un lieu"),
        ("city=Bordeaux&streetnumber=12", "un numéro est donné sans la rue"),
        ("place=Bordeaux&visibility=TOUT", "La recherche n'est pas utilisable"),
        ("city=Bordeaux&to=2020-01-01", "La période demandée n'est pas utilisable"),
        ("city=Bordeaux&page=x", "La recherche n'est pas utilisable"),
    ],
)
async def test_a_search_that_cannot_be_done_says_why_in_french(core: Core, query: str, words: str) -> None:
    async with logged_in(core) as browser:
        page = await browser.get(f"/sas/recherche?{query}")
    assert page.status_code == 400
    assert words in page.text.replace("&#39;", "'")
    assert 'role="alert"' in page.text


async def test_what_was_typed_is_escaped(core: Core) -> None:
    async with logged_in(core) as browser:
        page = await browser.get("/sas/recherche", params={"place": "<script>alert(1)</script>"})
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("path", ["/", "/sas/orientations", "/sas/recherche?place=Bordeaux"])
async def test_the_scripts_of_a_page_are_served_and_allowed(core: Core, path: str) -> None:
    async with logged_in(core) as browser:
        page = await browser.get(path)
        sources = re.findall(r'<script src="([^"]+)" defer></script>', page.text)
        scripts = [await browser.get(source) for source in sources]
    assert scripts
    assert {script.status_code for script in scripts} == {200}
    assert all("javascript" in script.headers["content-type"] for script in scripts)
    assert page.text.count("<script") == len(scripts)
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_logging_out_needs_the_form_and_ends_the_session(core: Core) -> None:
    at_psc(core)
    async with logged_in(core) as browser:
        assert (await browser.post("/deconnexion")).status_code in (403, 415)
        page = await browser.get("/")
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        del browser.headers["Cookie"]
        assert token
        answer = await browser.post("/deconnexion", data={"csrf": token})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("http://127.0.0.1:8003/psc/logout")
        assert "/sas/recherche" not in (await browser.get("/")).text


async def test_a_copied_cookie_is_worth_nothing_after_the_logout(core: Core) -> None:
    at_psc(core)
    name = EndedSessions(core.context).name()
    copied = session_cookie(core.context, regulator=core.regulator.identifier.key, session=name)
    async with core.browser() as browser:
        page = await browser.get("/", headers=copied)
        assert core.regulator.family in page.text
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        cookie = page.headers["set-cookie"].partition(";")[0]
        await browser.post("/deconnexion", data={"csrf": token}, headers={"Cookie": cookie})
        for held in (copied["Cookie"], cookie):
            browser.cookies.clear()
            page = await browser.get("/", headers={"Cookie": held})
            assert core.regulator.family not in page.text
            assert 'href="/connexion"' in page.text


async def test_the_session_of_a_deleted_account_has_ended(core: Core) -> None:
    async with core.browser() as browser:
        browser.headers.update(session_cookie(core.context, regulator="urn:x|gone"))
        assert 'href="/connexion"' in (await browser.get("/")).text


async def test_unknown_hosts_are_not_served(core: Core) -> None:
    async with core.browser() as browser:
        answer = await browser.get("/api/openapi.json", headers={"Host": "evil.example"})
    assert answer.status_code == 421
