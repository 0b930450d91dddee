"""What `console` gives every actor's pages: errors, sessions, forms, static files, host names, headers."""

from __future__ import annotations

import asyncio
import errno
import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp

from sandbox.config import Settings
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import PeerError, PeerRefused, PeerTimeout, PeerUnreachable, StoreError, malformed
from sandbox.net.context import Context
from sandbox.web.console import console
from sandbox.web.pages import Pages
from sandbox.web.session import checked_form, csrf_field, flash, sign_in
from tests.support.contexts import make_context

ORIGIN = "http://sandbox.example:8000"


@pytest.fixture
def context() -> Context:
    population: Any = SimpleNamespace()
    settings = Settings(public_host="sandbox.example", host="192.0.2.1")
    return make_context(settings, clock=Clock(lambda: 0.0), entropy=seeded(1), population=population)


@pytest.fixture
def pages() -> Pages:
    return Pages("sandbox.web", app_name="Essai", banner=lambda: "EXERCICE", colour="#ffcc00", static_url="/static")


ERRORS = {
    "request": malformed("Le paramètre x manque.", "http.x"),
    "unreachable": PeerUnreachable("agenda-azur", "refused"),
    "timeout": PeerTimeout("agenda-azur", "7 s"),
    "refused": PeerRefused("agenda-azur", 418, b"secret body"),
    "peer": PeerError("agenda-azur", "secret detail"),
    "store": StoreError("cannot write '/secret/log': No space left on device"),
    "disk": OSError(errno.ENOSPC, "No space left on device", "/secret/file"),
    "system": OSError(errno.EBADF, "secret detail"),
    "bug": ZeroDivisionError("secret detail"),
}


def application(context: Context, pages: Pages) -> ASGIApp:
    async def fail(request: Request) -> Response:
        raise ERRORS[request.path_params["kind"]]

    async def form(request: Request) -> Response:
        if request.method == "POST":
            fields = await checked_form(request)
            flash(request, f"reçu : {fields['name']}")
            return pages.redirect("/form")
        return pages.render(
            request,
            "error.html",
            error_status="",
            what=csrf_field(request),
            remedy=request.session.get("who", ""),
            details=(),
        )

    async def enter(request: Request) -> Response:
        await checked_form(request)
        await sign_in(request, who="léa")
        return pages.redirect("/form")

    routes = [
        Route("/fail/{kind}", fail),
        Route("/form", form, methods=["GET", "POST"]),
        Route("/enter", enter, methods=["POST"]),
    ]
    return console(context, pages, routes, role="editor-agenda-azur")


@pytest.fixture
async def client(context: Context, pages: Pages) -> Any:
    transport = httpx.ASGITransport(application(context, pages), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]*)"', page.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("request", 400, "Le paramètre x manque."),
        ("unreachable", 503, "La connexion à « agenda-azur » a échoué."),
        ("timeout", 504, "« agenda-azur » n&#39;a pas répondu dans le délai."),
        ("refused", 502, "« agenda-azur » a répondu 418."),
        ("peer", 502, "n&#39;est pas exploitable"),
        ("store", 503, "Motif donné par le système : No space left on device."),
        ("disk", 503, "Le disque du bac à sable refuse les écritures."),
        ("system", 500, "Erreur interne"),
        ("bug", 500, "Erreur interne"),
        ("../nowhere", 404, "Page introuvable"),
    ],
)
async def test_errors_become_french_pages(client: httpx.AsyncClient, kind: str, status: int, words: str) -> None:
    answer = await client.get(f"/fail/{kind}")
    assert answer.status_code == status
    assert words in answer.text
    assert "Que faire" in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_wrong_method_says_which_are_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/form")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


async def test_rare_status_still_has_a_page(client: httpx.AsyncClient) -> None:
    ERRORS["teapot"] = type(ERRORS["request"])(418)
    assert "Erreur 418" in (await client.get("/fail/teapot")).text


async def test_banner_and_name_are_on_the_page(client: httpx.AsyncClient) -> None:
    page = (await client.get("/form")).text
    assert "EXERCICE" in page
    assert "Essai" in page
    assert 'href="#contenu"' in page


async def test_form_with_the_session_s_token_is_taken_and_told(client: httpx.AsyncClient) -> None:
    token = token_of(await client.get("/form"))
    answer = await client.post("/form", data={"csrf": token, "name": "<b>é"}, follow_redirects=True)
    assert "reçu : &lt;b&gt;é" in answer.text
    assert "reçu" not in (await client.get("/form")).text


@pytest.mark.parametrize("token", [None, "", "forged", "é"])
async def test_form_without_the_right_token_is_refused(client: httpx.AsyncClient, token: str | None) -> None:
    await client.get("/form")
    answer = await client.post("/form", data={"name": "x"} | ({} if token is None else {"csrf": token}))
    assert answer.status_code == 403


async def test_form_without_a_session_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/form", data={"csrf": "", "name": "x"})).status_code == 403


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        ("{}", "application/json", 415),
        ("x=" + "y" * 70_000, "application/x-www-form-urlencoded", 413),
        ("&".join(f"a{i}=1" for i in range(300)), "application/x-www-form-urlencoded", 400),
        (b"a=\xff", "application/x-www-form-urlencoded; charset=utf-8", 400),
        ("a=%ff", "application/x-www-form-urlencoded", 400),
    ],
)
async def test_unreadable_forms_are_refused(
    client: httpx.AsyncClient, content: str | bytes, content_type: str, status: int
) -> None:
    answer = await client.post("/form", content=content, headers={"content-type": content_type})
    assert answer.status_code == status


async def test_login_starts_a_session_with_another_token(client: httpx.AsyncClient) -> None:
    token = token_of(await client.get("/form"))
    page = await client.post("/enter", data={"csrf": token}, follow_redirects=True)
    assert "léa" in page.text
    assert token_of(page) != token


async def test_cookie_names_the_sandbox_and_the_role_and_is_for_the_server_only(client: httpx.AsyncClient) -> None:
    cookie = (await client.get("/form")).headers["set-cookie"]
    assert cookie.startswith("sas_sandbox_8000_editor_agenda_azur=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "Max-Age=43200" in cookie


async def test_forged_cookie_is_no_session(client: httpx.AsyncClient) -> None:
    client.cookies.set("sas_sandbox_8000_editor_agenda_azur", "eyJ3aG8iOiAibMOpYSJ9.x.y")
    assert "léa" not in (await client.get("/form")).text


async def test_static_files_may_be_kept_for_ever_under_their_digest(client: httpx.AsyncClient, pages: Pages) -> None:
    for name in ("site.css", "theme.css", "icon.svg"):
        answer = await client.get(pages.static(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert "set-cookie" not in answer.headers
    old = await client.get("/static/000000000000/site.css")
    assert old.headers["cache-control"] == "no-store"
    assert (await client.get("/static/x/nothing.css")).status_code == 404


@pytest.mark.parametrize(
    "host", ["sandbox.example:8000", "192.0.2.1", "localhost:1", "127.0.0.1", "[::1]:8000", "SANDBOX.example"]
)
async def test_our_own_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/form", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(("host", "status"), [("evil.invalid", 421), ("127.0.0.1.evil.invalid", 421), ("", 400)])
async def test_other_names_are_refused(client: httpx.AsyncClient, host: str, status: int) -> None:
    answer = await client.get("/form", headers={"host": host})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")


async def test_forms_may_be_redirected_within_the_sandbox_only(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/form")).headers["content-security-policy"]
    ports = [8000, 8001, 8002, 8003, 8010]
    origins = " ".join(f"http://sandbox.example:{port}" for port in ports)
    assert f"form-action 'self' {origins};" in policy


async def test_mounted_console_finds_its_static_files(context: Context) -> None:
    pages = Pages("sandbox.web", app_name="Azur", banner="", colour="#335577", static_url="/azur/static")
    app = Router([Mount("/azur", console(context, pages, [], role="editor-azur"))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        assert (await client.get(pages.static("theme.css"))).status_code == 200
        missing = await client.get("/azur/x")
    assert "banner" not in missing.text
    assert "/azur/static/" in missing.text


async def test_other_protocols_pass_through(context: Context, pages: Pages) -> None:
    seen = asyncio.Event()

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.shutdown" if seen.is_set() else "lifespan.startup"}

    async def send(message: Any) -> None:
        assert message["type"].endswith(".complete")
        seen.set()

    await application(context, pages)({"type": "lifespan", "app": None}, receive, send)
    assert seen.is_set()
