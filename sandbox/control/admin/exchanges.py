"""The journal of all roles, read with a cursor."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import READS
from sandbox.control.admin.resource import Resource
from sandbox.kernel.errors import malformed
from sandbox.kernel.journal import Exchange
from sandbox.kernel.text.numbers import whole_number
from sandbox.web.openapi import Endpoint, Parameter

MOST = 5_000  # exchanges of one answer
_COUNT = {"type": "integer", "minimum": 0}


class ExchangePage(msgspec.Struct):
    """`next`: the cursor to ask with next; `last`: the number of the newest exchange; `exchanges`: oldest first."""

    next: int
    last: int
    exchanges: list[Exchange]


class ExchangeApi(Resource):
    """Endpoints."""

    @Endpoint(
        "GET",
        "/__admin/exchanges",
        answer=ExchangePage,
        parameters=(
            Parameter("since", "cursor: exchanges after this number; 0 when absent", _COUNT),
            Parameter("flow", "only this flow (`INT_R01`)"),
            Parameter("actor", "only this actor (`editor:agenda-azur`)"),
            Parameter("ref", "only this correlation (distributionID, appointment identifier)"),
            Parameter("most", f"at most so many, up to {MOST}; 500 when absent", _COUNT),
        ),
        failures=(*READS, 400),
    )
    async def exchanges(self, request: Request) -> ExchangePage:
        """The exchanges after a cursor that match."""
        query = request.query_params
        found, cursor = self._plane.journal.since(
            _number(query.get("since", "0"), "since"),
            flow=query.get("flow"),
            actor=query.get("actor"),
            ref=query.get("ref"),
            most=min(_number(query.get("most", "500"), "most"), MOST),
        )
        return ExchangePage(cursor, self._plane.journal.last, found)


def _number(text: str, name: str) -> int:
    number = whole_number(text)
    if number is None:
        raise malformed(f"'{text[:40]}' is not a whole number of at most 15 digits", name, code="value")
    return number
