"""The structures that the SAS API answers with, beside those of `sas.search` (cards, events) that it shows as they are.

Their docstrings and `msgspec.Meta` are the descriptions in `openapi.json`. Instants are texts, ISO 8601 with offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.sas.directory.origins import Origin
from sandbox.sas.offers.found import Offers, StructureOffer
from sandbox.sas.orientations.l02.states import MessageState
from sandbox.sas.orientations.records import AppointmentRecord, Ending
from sandbox.sas.orientations.steps import Action, possible
from sandbox.sas.regulators.accounts import Account, Change, Right
from sandbox.sas.search.cards import Card
from sandbox.sas.search.criteria import DISTANCE, SHUFFLED, Criteria
from sandbox.sas.search.events import Done, Found, Results, SourceAnswer, SourceState

Instant: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Kilometres: TypeAlias = Annotated[float, Meta(description="kilometres")]


# ---- login


class RegulatorName(msgspec.Struct):
    """The regulator who is logged in."""

    identifier: Annotated[str, Meta(description="`system|value`")]
    family: str
    given: str
    territory: str


class PractitionerName(msgspec.Struct):
    """The practitioner of the SAS agenda who is logged in."""

    identifier: Annotated[str, Meta(description="national id with its prefix")]
    family: str
    given: str


class Token(msgspec.Struct):
    """A Bearer token: of a regulator, or of a practitioner."""

    token: str
    token_type: Literal["Bearer"]
    expires_at: Annotated[
        str,
        Meta(
            description="real time, whatever the clock of the sandbox shows", extra_json_schema={"format": "date-time"}
        ),
    ]
    regulator: RegulatorName | UnsetType = UNSET
    practitioner: PractitionerName | UnsetType = UNSET


# ---- search


class SearchedSpecialty(msgspec.Struct):
    """The specialty that is looked for: its code of TRE_R38, or the words of practitioners who have none."""

    code: str
    label: str


class SearchedPlace(msgspec.Struct, omit_defaults=True):
    """The place as it was understood."""

    kind: Annotated[str, Meta(extra_json_schema={"enum": ["address", "town", "department"]})]
    label: str
    others: Annotated[tuple[str, ...], Meta(description="what else the text may mean, when it does not say which")] = ()


class SearchedTown(msgspec.Struct):
    """The town of the place."""

    insee: str
    name: str
    postal_code: str


class _Searched(msgspec.Struct):
    specialty: SearchedSpecialty
    place: SearchedPlace
    town: SearchedTown
    order: Annotated[str, Meta(extra_json_schema={"enum": [DISTANCE, SHUFFLED]})]
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")
    page: Count


class Searched(_Searched, tag_field="event", tag="search"):
    """The first line of a search that is answered line by line: what is searched, as it was understood."""


class Page(_Searched):
    """One page of cards, and what is searched, as it was understood."""

    radius_km: Annotated[
        float, Meta(description="kilometres; more than the place's own when nothing was found in those")
    ]
    next: Annotated[int | None, Meta(description="number of the next page; null on the last one")]
    partial: Annotated[bool, Meta(description="an editor failed, or time ran out")]
    complete: Annotated[bool, Meta(description="false: time ran out")]
    cards: list[Card]
    without_slots: Annotated[list[Card], Meta(description="asked about, and nothing free; on the first page")]
    sources: list[SourceState] = msgspec.field(name="editors")
    offers: Annotated[Offers | UnsetType, Meta(description="with `offers=true`")] = UNSET


class Offered(msgspec.Struct, frozen=True, tag_field="event", tag="offers"):
    """The offers beside free slots, with `offers=true`; the second line."""

    offers: Offers


SearchLine: TypeAlias = Annotated[
    Searched | Offered | SourceAnswer | Found | Done,
    Meta(description="One line. The first repeats what is searched, the last says that it is over."),
]


class StructureList(msgspec.Struct):
    """The MSP and CDS around a place, the nearest first, at most 100."""

    place: SearchedPlace
    town: SearchedTown
    structures: list[StructureOffer]


def searched(criteria: Criteria, labels: Mapping[str, str]) -> Searched:
    """What is searched; `labels`: name of each specialty by its code."""
    return Searched(**_searched(criteria, labels))


def page(results: Results, labels: Mapping[str, str], offers: Offers | None = None) -> Page:
    """The page that a search ended with, and the `offers` beside it."""
    return Page(
        **_searched(results.criteria, labels),
        radius_km=results.area.radius_km,
        next=results.next,
        partial=results.partial,
        complete=results.complete,
        cards=results.cards,
        without_slots=results.without_slots,
        sources=results.sources,
        offers=offers if offers is not None else UNSET,
    )


def structure_list(criteria: Criteria, found: list[StructureOffer]) -> StructureList:
    """The structures around the place of a search."""
    return StructureList(**_where(criteria), structures=found)


def _searched(criteria: Criteria, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "specialty": SearchedSpecialty(criteria.specialty, labels.get(criteria.specialty, criteria.specialty)),
        **_where(criteria),
        "order": criteria.order,
        "start": criteria.start.isoformat(),
        "end": criteria.end.isoformat(),
        "page": criteria.page,
    }


def _where(criteria: Criteria) -> dict[str, Any]:
    place, town = criteria.place, criteria.town
    return {
        "place": SearchedPlace(place.kind, place.label, tuple(place.others)),
        "town": SearchedTown(town.insee, town.name, town.postal_code),
    }


# ---- L02 messages


class MessageEvent(msgspec.Struct, omit_defaults=True):
    """What happened to a message; `code` and `cause` of the error that refused it."""

    state: MessageState
    at: Instant
    code: int | None = None
    cause: str | None = None
    step: Annotated[str | None, Meta(description="of the acknowledgement, as INTEGRE")] = None


class Message(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of one L02 message; `code` and `cause` are those of the present state."""

    distribution_id: str = msgspec.field(name="distributionID")
    appointment_id: str | None
    state: MessageState
    code: int | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    events: list[MessageEvent]
    recipient: Annotated[str | UnsetType, Meta(description="the LRM's client id; where messages are listed")] = UNSET
    again: Annotated[bool | UnsetType, Meta(description="may be sent again by hand; where messages are listed")] = UNSET


class FailureCause(msgspec.Struct):
    """How many of the latest messages were refused or expired with one code, and the latest words for it."""

    code: int | None
    state: MessageState
    count: Count
    cause: str


class Durations(msgspec.Struct):
    """Seconds from the sending to the acknowledgement, of the latest messages; null without any."""

    median: float | None
    p95: float | None


class L02Statistics(msgspec.Struct, rename="camel"):
    """The L02 messages in numbers, and the latest that failed."""

    states: Annotated[dict[str, Count], Meta(description="how many messages are in each state")]
    open: Annotated[int, Meta(ge=0, description="messages that nobody has answered yet")]
    oldest: Annotated[float | None, Meta(description="age of the oldest of them, seconds")]
    last_hour: Annotated[dict[str, Count], Meta(description="how many messages ended in each state")]
    seconds: Durations
    causes: list[FailureCause]
    waiting: Annotated[int, Meta(ge=0, description="messages that the hub has not confirmed yet")]
    connected: Annotated[bool, Meta(description="is the hub connected")]
    troubles: list[Message]


def message(state: Mapping[str, Any]) -> Message:
    """The message of what the L02 emitter says of it."""
    return msgspec.convert(state, Message)


def statistics(numbers: Mapping[str, Any], troubles: Iterable[Mapping[str, Any]]) -> L02Statistics:
    """The numbers of the L02 emitter and the messages that failed."""
    return msgspec.convert({**numbers, "troubles": [*troubles]}, L02Statistics)


# ---- appointments


class IdentifierPair(msgspec.Struct):
    """An identifier, as FHIR has it."""

    system: str
    value: str

    @classmethod
    def of(cls, identifier: Identifier) -> IdentifierPair:
        """The system and the value of an identifier."""
        return cls(identifier.system, identifier.value)


class Appointment(msgspec.Struct, kw_only=True):
    """An appointment as the SAS core has it, with the L02 messages that were sent of it."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    version: Annotated[int, Meta(ge=1)]
    origin: Annotated[Origin, Meta(description="where it was made; all but `editor` in the SAS platform itself")]
    editor: Annotated[str, Meta(description="slug of the editor that sends it; empty when none does")]
    identifier: IdentifierPair
    regulator: IdentifierPair
    practitioner: str | None
    organization: str | None
    status: AppointmentStatus
    start: Instant
    end: Instant
    created: Instant
    received: Instant
    orientation_category: OrientationCategory = msgspec.field(name="orientationCategory")
    category: Annotated[OrientationCategory, Meta(description="the same as `orientationCategory`")]
    flagged: Annotated[bool, Meta(description="a terminal status was corrected")]
    place: Annotated[str | UnsetType, Meta(description="id of the place of consultation; made here only")] = UNSET
    all_day: Annotated[bool | UnsetType, Meta(description="no hour was agreed, only the day of `start`")] = UNSET
    community: Annotated[str | UnsetType, Meta(description="id of the community that was asked")] = UNSET
    ending: Annotated[Ending | UnsetType, Meta(description="why a request to a community was cancelled")] = UNSET
    actions: Annotated[tuple[Action, ...], Meta(description="what `POST orientations/<id>/…` takes now")] = ()
    l02: list[Message]


class AppointmentList(msgspec.Struct):
    """Appointments, the newest first."""

    appointments: list[Appointment]


def appointment(record: AppointmentRecord, messages: list[Message]) -> Appointment:
    """The appointment of a record and its L02 messages."""
    return Appointment(
        id=record.id,
        version=record.version,
        origin=record.origin,
        editor=record.editor,
        identifier=IdentifierPair.of(record.sender),
        regulator=IdentifierPair.of(record.regulator),
        practitioner=record.practitioner,
        organization=record.organization,
        status=record.status,
        start=record.start.isoformat(),
        end=record.end.isoformat(),
        created=record.created.isoformat(),
        received=record.received.isoformat(),
        orientation_category=record.category,
        category=record.category,
        flagged=record.flagged,
        place=record.details.place or UNSET,
        all_day=record.details.all_day or UNSET,
        community=record.details.community or UNSET,
        ending=record.details.ending or UNSET,
        actions=possible(record.origin, record.status),
        l02=messages,
    )


class MadeOrientation(msgspec.Struct, kw_only=True):
    """What has become of an orientation; `GET appointments/<id>` has the rest."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    status: AppointmentStatus
    category: OrientationCategory
    version: Annotated[int, Meta(ge=1)]
    actions: Annotated[tuple[Action, ...], Meta(description="what `POST orientations/<id>/…` takes now")] = ()


def made_orientation(record: AppointmentRecord) -> MadeOrientation:
    """The answer about the present version of an appointment that was made in the SAS platform itself."""
    return MadeOrientation(
        id=record.id,
        status=record.status,
        category=record.category,
        version=record.version,
        actions=possible(record.origin, record.status),
    )


# ---- regulators' accounts


class AccountAtEditor(msgspec.Struct, kw_only=True):
    """What one editor is known to have of an account (INT_R02). `at`: of the last attempt, `error`: of that one."""

    editor: Annotated[str, Meta(description="slug")]
    name: str
    state: Literal["known", "due", "failed", "withdrawn", "withdrawing", "unknown"]
    attempts: Count
    error: str | UnsetType = UNSET
    at: Instant | UnsetType = UNSET


class OwnAccount(msgspec.Struct):
    """The caller's account at the editors."""

    regulator: Annotated[str, Meta(description="`system|value`")]
    accounts: list[AccountAtEditor]


class Regulator(msgspec.Struct, kw_only=True):
    """One account of a regulator. `password` only when it is new, `history` where one account is read."""

    id: str
    type: Annotated[str, Meta(extra_json_schema={"enum": ["IDNPS", "INTRN"]})]
    system: str
    value: str
    family: str
    given: str
    email: Annotated[str, Meta(extra_json_schema={"format": "email"})]
    territory: str
    rights: tuple[Right, ...]
    active: bool
    editors: list[AccountAtEditor]
    password: Annotated[str | UnsetType, Meta(description="of the demonstration account at Pro Santé Connect")] = UNSET
    history: list[Change] | UnsetType = UNSET


def accounts_at_editors(states: Iterable[Mapping[str, object]]) -> list[AccountAtEditor]:
    """What the editors know of one account."""
    return msgspec.convert([*states], list[AccountAtEditor])


class RegulatorList(msgspec.Struct):
    """All accounts that are not deleted, by territory and name."""

    regulators: list[Regulator]


def regulator(account: Account, editors: list[AccountAtEditor]) -> Regulator:
    """The account as administrators see it, and what the editors know of it."""
    return Regulator(
        id=account.id,
        type=account.identifier.type,
        system=account.identifier.system,
        value=account.identifier.value,
        family=account.family,
        given=account.given,
        email=account.email,
        territory=account.territory,
        rights=account.rights,
        active=account.active,
        editors=editors,
    )
