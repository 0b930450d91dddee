"""The small JSON interface of one LRM, under `/<slug>/api`: for tests and the scenario; read only.

- `GET orientations?attached=true|false&limit=n` -> {"orientations": […], "count", "unattached"}, newest first
- `GET orientations/<appointmentId>` -> {appointmentId, appointment, sender, history, caseFile, distributionIDs}
- `GET case-files` -> {"caseFiles": […]}, newest first (synthetic people)
- `GET received?limit=n` -> {"received": [{number, at, sender, distributionID, what, done, answer, appointments}]}: the
  history of the messages received and of what became of each, newest first
- `GET notices` -> {"notices": […]}: what came to `.ack` and `.info`, and what was refused, newest first
- `GET held` -> {"held": [{id, ref, due}]}: acknowledgements that wait for their moment or for a person, oldest first
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.text.numbers import whole_number
from sandbox.lrm.ledger.ledger import Ledger
from sandbox.lrm.ledger.records import Orientation
from sandbox.lrm.messages.consumer import Consumer

MOST_LISTED, MOST_JSON = 100, 2000


class Api:
    """Routes of one LRM."""

    def __init__(self, ledger: Ledger, consumer: Consumer) -> None:
        self._ledger, self._consumer = ledger, consumer

    def routes(self) -> list[Route]:
        """Routes that are joined to those of the pages."""
        return [
            Route("/api/orientations", self.orientations),
            Route("/api/orientations/{id:path}", self.orientation),
            Route("/api/case-files", self.case_files),
            Route("/api/notices", self.notices),
            Route("/api/held", self.held),
            Route("/api/received", self.received),
        ]

    async def orientations(self, request: Request) -> Response:
        """GET /api/orientations."""
        limit = _limit(request.query_params.get("limit"))
        attached = request.query_params.get("attached")
        if attached == "false":
            found: Iterable[Orientation] = self._ledger.orientations.unattached(limit)
        else:
            found = self._ledger.orientations.all()
            if attached == "true":
                found = (one for one in found if one.case_file is not None)
        counts = self._ledger.counts()
        rows = [_document(one) for one in itertools.islice(found, limit)]
        return _json({"orientations": rows, "count": counts["orientations"], "unattached": counts["unattached"]})

    async def orientation(self, request: Request) -> Response:
        """GET /api/orientations/<appointmentId>."""
        found = self._ledger.orientations.get(request.path_params["id"])
        if found is None:
            return _json({"error": "unknown appointmentId"}, 404)
        return _json(_document(found))

    async def case_files(self, request: Request) -> Response:
        """GET /api/case-files."""
        files = self._ledger.case_files.newest(_limit(request.query_params.get("limit")))
        return _json({"caseFiles": [msgspec.to_builtins(file) for file in files]})

    async def notices(self, request: Request) -> Response:
        """GET /api/notices."""
        return _json({"notices": self._ledger.history.notices()})

    async def received(self, request: Request) -> Response:
        """GET /api/received."""
        return _json({"received": self._ledger.history.received(_limit(request.query_params.get("limit")))})

    async def held(self, request: Request) -> Response:
        """GET /api/held."""
        rows = [{"id": each.id, "ref": each.ref, "due": each.due} for each in self._consumer.answers.held()]
        return _json({"held": rows[:MOST_JSON]})


def _limit(text: str | None) -> int:
    number = whole_number(text) if text is not None else None
    return MOST_LISTED if number is None else max(1, min(number, MOST_JSON))


def _document(orientation: Orientation) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(orientation)
    ids = [change.distribution_id for change in orientation.history]
    return {**document, "distributionIDs": ids}


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")
