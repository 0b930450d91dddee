"""The state of a running scenario: the endpoints of a sandbox, the APIs over the network, and what was learnt so
far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import msgspec

from sandbox.kernel.errors import JsonError, PeerError, PeerRefused, PeerTimeout, PeerUnreachable
from sandbox.kernel.text.json_input import Limits, read_json
from sandbox.runner.browser import TIMEOUT_S, Browser, password_of

ANSWER = Limits(octets=64 << 20, elements=1_000_000)


class Failed(Exception):
    """A step failed; the text says what was seen and what was expected."""


class Unreachable(Exception):
    """No server answers at the addresses of endpoints.json, or there is no endpoints.json."""


@dataclass
class Booked:
    """An appointment that the scenario made. At an editor: its slug, and its identifier there. In the SAS platform
    itself: no editor, the appointmentId, and of an appointment in the SAS agenda whose agenda that is (prefixed id)."""

    editor: str
    identifier: str
    practitioner: str = ""


@dataclass
class Typed:
    """A slot that a practitioner has typed in the SAS agenda: his prefixed id, and the id of its first occurrence."""

    practitioner: str
    id: str


@dataclass
class Learnt:
    """What the steps have learnt so far."""

    regulator: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    search: dict[str, str] = field(default_factory=dict)
    cards: list[dict[str, Any]] = field(default_factory=list)
    next_page: int | None = None
    taken: set[str] = field(default_factory=set)
    booked: dict[str, Booked] = field(default_factory=dict)
    typed: dict[str, Typed] = field(default_factory=dict)


class RefusedPart(msgspec.Struct):
    """One entry of `errors` in a problem document of the SAS API."""

    code: str = ""
    detail: str = ""
    pointer: str | None = None


class Problem(msgspec.Struct):
    """What a program is told of a refused call; the control plane says it all in `title`."""

    title: str = ""
    detail: str = ""
    errors: tuple[RefusedPart, ...] = ()


def problem(error: PeerRefused) -> Problem:
    """The problem document of a refusal; an empty one when the body is something else."""
    try:
        return msgspec.json.decode(error.body, type=Problem)
    except msgspec.MsgspecError:
        return Problem()


def reason(error: Exception) -> str:
    """What an error says; of a call that was refused, what the answer says too."""
    told = problem(error) if isinstance(error, PeerRefused) else Problem()
    return ": ".join(filter(None, (str(error), told.detail or told.title)))


class Stage:
    """The endpoints, a browser, the APIs."""

    def __init__(self, endpoints: dict[str, Any]) -> None:
        self.endpoints = endpoints
        self.browser = Browser(passwords(endpoints))
        self.learnt = Learnt()
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        self._cursor = 0

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.browser.__aexit__(kind, error, trace)
        await self._session.close()

    async def call(
        self, method: str, url: str, *, params: dict[str, str] | None = None, json: Any = None, token: str = ""
    ) -> Any:
        """One call of a JSON API. Raises PeerRefused (outside 2xx), PeerUnreachable, PeerTimeout, PeerError."""
        token = token or password_of(url, passwords(self.endpoints))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._session.request(method, url, params=params, json=json, headers=headers) as answer:
                body = await answer.read()
        except TimeoutError:
            raise PeerTimeout(url, f"no answer within {TIMEOUT_S:.0f} s") from None
        except aiohttp.ClientError as error:
            raise PeerUnreachable(url, str(error) or type(error).__name__) from None
        if not answer.ok:
            raise PeerRefused(url, answer.status, body)
        try:
            return read_json(body, ANSWER) if body else None
        except JsonError as error:
            raise PeerError(url, f"the answer cannot be read: {error}") from None

    async def sas(self, path: str, **params: str) -> Any:
        """GET on the SAS API as the regulator who is logged in."""
        return await self.call("GET", f"{self.endpoints['sas']['api']}/{path}", params=params, token=self.learnt.token)

    def editor(self, slug: str) -> dict[str, Any]:
        """An editor's entry."""
        return next(editor for editor in self.endpoints["editors"] if editor["slug"] == slug)

    def hosted(self) -> list[dict[str, Any]]:
        """The editors that run in the sandbox."""
        return [editor for editor in self.endpoints["editors"] if not editor.get("external")]

    def lrm(self) -> dict[str, Any]:
        """The LRM of the regulator's territory."""
        territory = self.learnt.regulator["territory"]
        return next(lrm for lrm in self.endpoints["lrms"] if lrm["territory"] == territory)

    async def skip_exchanges(self) -> None:
        """Skip earlier exchanges: the timeline begins now. Raises Unreachable."""
        try:
            answer = await self.call("GET", f"{self.endpoints['control']['api']}/exchanges?most=1")
        except PeerError as error:
            raise Unreachable(str(error)) from None
        self._cursor = answer["last"]

    async def new_exchanges(self) -> list[dict[str, Any]]:
        """The exchanges that the journal received since the last call, by time."""
        found: list[dict[str, Any]] = []
        while True:
            url = f"{self.endpoints['control']['api']}/exchanges"
            answer = await self.call("GET", url, params={"since": str(self._cursor)})
            self._cursor = answer["next"]
            found += answer["exchanges"]
            if answer["next"] >= answer["last"]:
                return sorted(found, key=lambda exchange: float(exchange["at"]))


def passwords(endpoints: dict[str, Any]) -> dict[str, str]:
    """The passwords of the control plane, the LRMs and the communities' pages, by the beginning of their URLs; none on
    loopback."""
    control = endpoints["control"]
    found = {lrm["ui"]: lrm.get("password") for lrm in endpoints.get("lrms", ())}
    found |= {f"{editor['ui']}/demandes": control.get("token") for editor in endpoints.get("editors", ())}
    found[control["api"]] = control.get("token")
    return {start: word for start, word in found.items() if word}


def read_endpoints(path: Path) -> dict[str, Any]:
    """endpoints.json. Raises Unreachable."""
    try:
        document: dict[str, Any] = read_json(path.read_bytes(), ANSWER)
    except OSError as error:
        raise Unreachable(f"{path}: {error.strerror} (is the sandbox running?)") from None
    except JsonError as error:
        raise Unreachable(f"{path}: {error}") from None
    if not isinstance(document, dict) or "sas" not in document or "control" not in document:
        raise Unreachable(f"{path}: not an endpoints.json")
    return document
