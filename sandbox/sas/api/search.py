"""`GET search` of the SAS API: one page of cards, whole or line by line as editors answer; `GET structures`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox.kernel.errors import malformed
from sandbox.sas.api.answers import Offered, Page, SearchLine, StructureList, page, searched, structure_list
from sandbox.sas.api.callers import BEARER, Callers
from sandbox.sas.offers.found import offers_of, structures_of
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.search.criteria import DISTANCE, MOST_PAGES, SHUFFLED, WITH, WITHOUT
from sandbox.sas.search.run import Criteria, Event, Found, flattened, read_criteria, run, whole
from sandbox.sas.services import Services
from sandbox.web.openapi import Endpoint, Parameter, json_answer

NDJSON = "application/x-ndjson"
SLOTS_PER_TURN = 500  # slots of cards that are drawn before other tasks have a turn

_NUMBER = {"type": "number"}
_PARAMETERS = (
    Parameter("specialty", "TRE_R38 code (SM54), `<system>|<code>` or label; default general medicine"),
    Parameter("insee", "INSEE code of the town; stronger than `town`"),
    Parameter("town", "Name of the town, also `33000 Bordeaux`"),
    Parameter("from", "Date or dateTime; default now"),
    Parameter("to", "Date (included) or dateTime; default the end of the day after tomorrow"),
    Parameter("streetname", "With `streetnumber`: the place is that address of the town, nearest first"),
    Parameter("streetnumber", "`12`, `12 bis`; only beside `streetname`"),
    Parameter("lat", "With `lon`: the place is an address, nearest first", _NUMBER),
    Parameter("lon", "Degrees east", _NUMBER),
    Parameter("shuffle", "Seed of the order when there is no address"),
    Parameter("place", "Instead of them: `12 rue du Modèle, 33000 Bordeaux`, a town, postal code or département"),
    Parameter("order", "Default: by distance for an address", {"enum": [DISTANCE, SHUFFLED]}),
    Parameter("radius", "Instead of the département's, in km", _NUMBER),
    Parameter("reason", "Only slots for this reason"),
    Parameter("preferred", "National id of the doctor whose card comes first"),
    Parameter("visibility", "Only slots that one of these sees: PUBLIC, PRO, SNP, CPTS; comma-separated"),
    Parameter("type", "Only AMB, HH or VR; comma-separated"),
    Parameter("booking", "Only slots with or without booking", {"enum": [WITH, WITHOUT]}),
    Parameter("within", "Only places within so many km", _NUMBER),
    Parameter("kind", "Only cpts, sos, cds or msp; comma-separated"),
    Parameter("offers", "`true`: also the offers beside free slots, for which nobody is called", {"type": "boolean"}),
    Parameter("page", "From 1; five cards each", {"type": "integer", "minimum": 1, "maximum": MOST_PAGES}),
)


_OF_PLACES = ("insee", "town", "streetname", "streetnumber", "lat", "lon", "place", "radius", "within")
_STRUCTURE_KIND = Parameter("kind", "Only cds or msp; comma-separated")


class SearchApi:
    """Searches for those who may orient patients."""

    def __init__(self, callers: Callers, services: Services) -> None:
        self._callers, self._clock = callers, services.context.clock
        self._directory, self._aggregator, self._labels = services.directory, services.aggregator, services.labels

    @Endpoint(
        "GET",
        "/search",
        parameters=_PARAMETERS,
        answer=Page,
        also={NDJSON: SearchLine},
        meaning="The page; as NDJSON the events of the search, one a line, as editors answer",
        failures=(400, 401, 403, 503),
        security=BEARER,
    )
    async def search(self, request: Request) -> Response:
        """One page of cards with free slots."""
        self._callers.with_right(request, Right.ORIENTATION)
        values = flattened(request.query_params.multi_items())
        criteria = self._criteria(values)
        offers = offers_of(criteria, self._directory, self._labels) if _with_offers(values) else None
        if NDJSON not in request.headers.get("accept", ""):
            return json_answer(page(await whole(criteria, self._aggregator), self._labels, offers))
        events = run(criteria, self._aggregator)
        first = await anext(events)  # a refusal is answered by a status, before the first line
        head = [searched(criteria, self._labels), *([Offered(offers)] if offers is not None else []), first]
        return StreamingResponse(_lines(head, events), media_type=NDJSON)

    @Endpoint(
        "GET",
        "/structures",
        parameters=[each for each in _PARAMETERS if each.name in _OF_PLACES] + [_STRUCTURE_KIND],
        answer=StructureList,
        failures=(400, 401, 403),
        security=BEARER,
    )
    async def structures(self, request: Request) -> StructureList:
        """MSP and CDS around a place; no editor is called."""
        self._callers.with_right(request, Right.ORIENTATION)
        values = flattened(request.query_params.multi_items())
        unfit = [kind for kind in values.get("kind", "").split(",") if kind.strip() not in ("", "cds", "msp")]
        if unfit:
            raise malformed(f"`kind` '{unfit[0]}' is no kind of structure: expected cds or msp", "http.kind")
        asked = {name: text for name, text in values.items() if name in (*_OF_PLACES, "kind")}
        criteria = self._criteria(asked)
        return structure_list(criteria, structures_of(criteria, self._directory))

    def _criteria(self, values: Mapping[str, str]) -> Criteria:
        return read_criteria(values, self._directory, self._labels, self._clock.now())


def _with_offers(values: Mapping[str, str]) -> bool:
    text = values.get("offers", "").strip().lower()
    if text not in ("", "true", "false"):
        raise malformed(f"`offers` '{text}' is unknown: expected true or false", "http.offers")
    return text == "true"


_encoder = msgspec.json.Encoder(enc_hook=list)  # sequences of cards that are drawn when they are read


async def _lines(head: Sequence[msgspec.Struct], events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    """One JSON object a line: those of `head`, then the events."""
    async with contextlib.aclosing(events):
        for line in head:
            yield _encoder.encode(line) + b"\n"
        async for event in events:
            yield _encoder.encode(await _drawn(event)) + b"\n"


async def _drawn(event: Event) -> Event:
    """The event with its cards drawn; after each SLOTS_PER_TURN slots other tasks have a turn."""
    if not isinstance(event, Found):
        return event
    cards, slots = [], 0
    for card in event.cards:
        cards.append(card)
        slots += sum(len(place.slots) for place in card.places)
        if slots > SLOTS_PER_TURN:
            slots = 0
            await asyncio.sleep(0)
    return msgspec.structs.replace(event, cards=cards)
