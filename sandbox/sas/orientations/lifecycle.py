"""The state machine of an appointment that INT_R03 creates or changes, its category and its versions. Pure.

             ┌────────────► cancelled ◄─┐
pending ─────┤                          │      a terminal status changes only by an explicit
             └──► booked ───────────────┤      correction: accepted, and the record is flagged
                                        ├─► fulfilled
                                        └─► noshow
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sandbox.kernel.errors import Issue, RequestError, TransitionError, refused
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Practitioner, Structure
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.records import AppointmentRecord, Details, Ending

PENDING, BOOKED, FULFILLED, NOSHOW, CANCELLED = AppointmentStatus
TERMINAL = frozenset({FULFILLED, NOSHOW, CANCELLED})

# (present, wanted) -> whether it is a correction. The same status again changes other elements (e.g. the time).
TRANSITIONS: dict[tuple[AppointmentStatus, AppointmentStatus], bool] = {
    (PENDING, PENDING): False,
    (PENDING, BOOKED): False,
    (PENDING, CANCELLED): False,
    (BOOKED, BOOKED): False,
    (BOOKED, FULFILLED): False,
    (BOOKED, NOSHOW): False,
    (BOOKED, CANCELLED): False,
    **{(terminal, wanted): True for terminal in TERMINAL for wanted in AppointmentStatus},
}

ENDED_HERE = frozenset({Ending.WITHDRAWN, Ending.UNANSWERED})  # no report of an editor opens such a request again

_IDS = uuid.UUID("5a5b0c5e-93a5-4c0e-8f0b-4d6f1f6c7a33")


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of a request. `record`: the present version; `changed`: the request made it; `created`: it is new."""

    record: AppointmentRecord
    created: bool
    changed: bool


def appointment_id(identifier: Identifier) -> str:
    """The SAS core's own UUID of an appointment: always the same for the same identifier of the editor's.

    Derived (RFC 4122, version 5), so that no index from one to the other has to be kept or recovered.
    """
    return str(uuid.uuid5(_IDS, identifier.key))


def is_correction(present: AppointmentStatus, wanted: AppointmentStatus) -> bool:
    """Whether the step changes a terminal status. Raises TransitionError when the table has no such step."""
    try:
        return TRANSITIONS[present, wanted]
    except KeyError:
        raise TransitionError(f"an appointment that is {present} cannot become {wanted}") from None


def category_of(
    appointment: Appointment, practitioner: Practitioner | None, *, sos_editor: bool = False
) -> OrientationCategory:
    """The category of an appointment, by the first of these that applies: the sender's extension; the profile of SOS or
    of the marketplace; how the practitioner takes part (through a CPTS, in a MSP or CDS, or for an association when the
    editor only holds agendas of associations, `sos_editor`); else PS."""
    if appointment.category is not None:
        return appointment.category
    if appointment.sos or appointment.marketplace:
        return OrientationCategory.SOS if appointment.sos else OrientationCategory.PDM
    found = category_by_participation(practitioner) if practitioner is not None else OrientationCategory.PS
    return OrientationCategory.SOS if sos_editor and found is OrientationCategory.PS else found


def category_by_participation(practitioner: Practitioner) -> OrientationCategory:
    """The category of an appointment that a practitioner gives: how he takes part in the SAS."""
    if practitioner.cpts:
        return OrientationCategory.CPTS
    group = only_group(practitioner)
    return OrientationCategory(group.kind) if group is not None else OrientationCategory.PS


def only_group(practitioner: Practitioner) -> Structure | None:
    """The MSP or CDS of a practitioner whose places are all in it."""
    groups = {place.group for place in practitioner.places}
    return groups.pop() if len(groups) == 1 else None


def organization_of(
    category: OrientationCategory, practitioner: Practitioner | None, association: str | None = None
) -> str | None:
    """The organisation that agrees with a category; prefixed IDNST, None when it is not known.

    PS: the structure of the practitioner's only place, never a CPTS; CPTS: the first that he is a member of; MSP, CDS:
    the one that he is in; SOS: the `association` (SIRET); PDM: the CPTS, association or structure through which he
    takes part.
    """
    if practitioner is None:
        return association if category in (OrientationCategory.SOS, OrientationCategory.PDM) else None
    cpts = practitioner.cpts[0] if practitioner.cpts else None
    structures = {place.structure for place in practitioner.places}
    only = structures.pop() if len(structures) == 1 else None
    match category:
        case OrientationCategory.PS:
            return only
        case OrientationCategory.CPTS:
            return cpts
        case OrientationCategory.SOS:
            return association
        case OrientationCategory.PDM:
            return cpts or association or only
        case _:
            groups = {place.group for place in practitioner.places if place.group and place.group.kind == category}
            return groups.pop().finess if len(groups) == 1 else None


@dataclass(frozen=True, slots=True)
class Reception:
    """What the SAS core adds to an appointment that it receives. `id`: its own; `at`: when it was received; `editor`:
    slug of the sender, `sos_editor`: whether this editor only holds agendas of associations; `practitioner` as the
    directory knows him, `association`: SIRET of his association, or of the only one that the sender serves;
    `account`: id of the regulator's account, with its `territory`.
    """

    id: str
    editor: str
    at: datetime
    practitioner: Practitioner | None = None
    association: str | None = None
    account: str = ""
    territory: str = ""
    sos_editor: bool = False


def first_version(wanted: Appointment, reception: Reception) -> AppointmentRecord:
    """The record of a creation. When `created` is missing, the time of reception is used, because it is mandatory in
    L02."""
    practitioner = reception.practitioner
    category = category_of(wanted, practitioner, sos_editor=reception.sos_editor)
    return AppointmentRecord(
        id=reception.id,
        version=1,
        editor=reception.editor,
        sender=wanted.identifier,
        regulator=wanted.operator,
        status=wanted.status,
        start=wanted.start,
        end=wanted.end,
        created=wanted.created or reception.at,
        category=category,
        received=reception.at,
        practitioner=wanted.practitioner,
        organization=organization_of(category, practitioner, reception.association),
        sos=wanted.sos,
        participant_status=wanted.participant_status,
        created_given=wanted.created is not None,
        category_given=wanted.category is not None,
        account=reception.account,
        territory=reception.territory,
        marketplace=wanted.marketplace,
    )


def next_version(present: AppointmentRecord, new: AppointmentRecord) -> AppointmentRecord:
    """`new` (made by `first_version` from the changed appointment) as the version after `present`.

    A change without `created` keeps the previous value. Raises RequestError 422 for a step that the automaton does not
    have.
    """
    try:
        correction = is_correction(present.status, new.status)
    except TransitionError as error:
        raise refused(str(error), "Appointment.status") from None
    return AppointmentRecord(
        id=present.id,
        version=present.version + 1,
        origin=present.origin,
        details=_details(present, new),
        editor=present.editor or new.editor,
        sender=present.sender,
        regulator=new.regulator,
        status=new.status,
        start=new.start,
        end=new.end,
        created=new.created if new.created_given else present.created,
        category=new.category,
        received=new.received,
        practitioner=new.practitioner,
        organization=new.organization,
        sos=new.sos,
        participant_status=new.participant_status,
        created_given=new.created_given,
        category_given=new.category_given,
        flagged=present.flagged or correction,
        account=new.account,
        territory=present.territory if new.account == present.account else new.territory,
        marketplace=new.marketplace,
    )


def _as_report(present: AppointmentRecord, new: AppointmentRecord) -> AppointmentRecord:
    """What an editor says about a request to its community: when it was made, its category and the organisation are
    those of the request."""
    return msgspec.structs.replace(
        new,
        created=present.created,
        created_given=present.created_given,
        category=present.category,
        category_given=present.category_given,
        organization=present.organization,
    )


def _details(present: AppointmentRecord, new: AppointmentRecord) -> Details:
    """Those of the next version: a request to a community that ends without a doctor was refused, or not answered in
    time."""
    if present.origin is not Origin.MARKETPLACE or present.status is not PENDING or new.status is not CANCELLED:
        return present.details
    ending = Ending.UNANSWERED if new.received >= present.end else Ending.REFUSED
    return msgspec.structs.replace(present.details, ending=ending)


def decide(present: AppointmentRecord | None, new: AppointmentRecord, *, update: bool) -> Decision:
    """Create, change, or recognise a repetition.

    The same content again (POST or PUT) makes no version. Other content by POST is a conflict: RequestError 409,
    the editor should have used PUT. The first report about a request to a community is a POST too. What the platform
    itself has ended (`Ending`) stays ended: RequestError 409.
    """
    if present is None:
        return Decision(new, created=True, changed=True)
    asked = present.origin is Origin.MARKETPLACE
    if asked:
        new = _as_report(present, new)
    if present.appointment() == new.appointment():
        return Decision(present, created=False, changed=False)
    if present.details.ending in ENDED_HERE:
        if new.status is CANCELLED:  # both sides have ended it
            return Decision(present, created=False, changed=False)
        detail = f"the request to the community has ended ({present.details.ending})"
        raise RequestError(409, Issue("conflict", detail, "Appointment.status"))
    if not update and not (asked and present.version == 1):
        detail = (
            f"an appointment with identifier {present.sender.key} exists with other content: "
            "change it by PUT [base]/Appointment?identifier=<system>|<value>"
        )
        raise RequestError(409, Issue("conflict", detail, "Appointment.identifier"))
    return Decision(next_version(present, new), created=False, changed=True)
