"""The shape of the persona files, one Struct per row: what a single value may be. `personas.py` checks them together.

`territories.yaml`, `towns.yaml`, `editors.yaml`, `agendas.yaml`, `cpts.yaml`, `structures.yaml`, `practitioners.yaml`,
`sos.yaml`, `regulators.yaml` and `communities.yaml` (which may be absent) are lists of these rows, `examples.yaml` is
one mapping.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sandbox.kernel.flows import Flow
from sandbox.partners import Finess, Format, Ou, Person, Rpps, Siret, Slug, Structure, System, Text

FhirId = Annotated[  # 64 less `.` and the instant of a slot id
    str,
    Meta(pattern=r"^[A-Za-z0-9.-]{1,47}$", description="an id of 1 to 47 letters, digits, '.' or '-'"),
]
Insee = Annotated[
    str, Meta(pattern=r"^[0-9][0-9AB][0-9]{3}$", description="the INSEE code of a town, five characters such as 33063")
]
PostalCode = Annotated[str, Meta(pattern=r"^[0-9]{5}$", description="a postal code of 5 digits")]
Department = Annotated[
    str,
    Meta(pattern=r"^[0-9][0-9AB][0-9]?$", description="the code of a département such as 33, 2A or 974"),
]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", description="an e-mail address")]
Colour = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$", description="a colour such as #1f5fa8")]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="a time of day such as 09:00")]
Share = Annotated[float, Meta(ge=0, le=1)]
Day = Annotated[int, Meta(ge=0, le=6)]
Visibility = Literal["PUBLIC", "PRO", "SNP", "CPTS"]


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a persona file: an unknown field is refused."""


class TerritoryRow(Row, frozen=True):
    """A SAS territory and its SAMU."""

    code: Annotated[str, Meta(pattern=r"^SAS-[0-9A-Z]+$", description="the code of a territory such as SAS-33")]
    name: Text
    department: Department
    samu: Annotated[
        str,
        Meta(
            pattern=r"^fr\.health(\.[a-z0-9-]+)+$",
            description="a client id of the hub in lower case such as fr.health.samu330",
        ),
    ]
    origin: Text
    format: Format = "json"


class TownRow(Row, frozen=True):
    """A town; `inhabitants` weighs how many procedural practitioners settle there."""

    insee: Insee
    name: Text
    postal_code: PostalCode
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    inhabitants: Annotated[int, Meta(ge=1)]


class QuirkRow(Row, frozen=True):
    """A quirk that only shows with some practitioners or associations, by prefixed id."""

    name: Text
    practitioners: Annotated[tuple[Text, ...], Meta(min_length=1)]


class DelayRow(Row, frozen=True):
    """Log-normal latency in milliseconds."""

    median_ms: float
    p95_ms: float


class EditorRow(Row, frozen=True):
    """A vendor of agendas; `quirks`, `latency` (per flow) and `page_size` are its character (kernel.character).

    `stores`: how it keeps national ids; not said: prefixed, bare and mixed in turn, by the order in the file.
    """

    slug: Slug
    name: Text
    system: System
    ou: Ou
    flows: Annotated[tuple[Flow, ...], Meta(min_length=1)]
    colour: Colour = "#335577"
    quirks: tuple[Text | QuirkRow, ...] = ()
    latency: dict[Flow, DelayRow] = {}
    page_size: int | None = None
    stores: Literal["prefixed", "bare", "mixed"] | None = None


class HoursRow(Row, frozen=True):
    """Opening hours on some days; `closes` 00:00 is the end of the day."""

    days: Annotated[tuple[Day, ...], Meta(min_length=1)]
    opens: TimeOfDay
    closes: TimeOfDay


class RangeRow(HoursRow, frozen=True):
    """A further opening range: a half day, an evening on call, or one of evenings of or before a day without school."""

    without_school: bool = False


class AgendaRow(Row, frozen=True):
    """A named week (kernel.model.AgendaTemplate says what the fields mean).

    `procedural`, `typed`: the weights with which places of procedural practitioners get it: of those whose agenda an
    editor holds, and of those of the SAS agenda.
    """

    name: Slug
    procedural: Annotated[int, Meta(ge=0)] = 0
    typed: Annotated[int, Meta(ge=0)] = 0
    days: tuple[Day, ...] = (0, 1, 2, 3, 4)
    opens: TimeOfDay = "09:00"
    closes: TimeOfDay = "19:00"
    lunch: tuple[TimeOfDay, TimeOfDay] | None = None
    slot_minutes: Annotated[int, Meta(ge=5, le=240)] = 15
    visibilities: Annotated[tuple[Annotated[tuple[Visibility, ...], Meta(min_length=1)], ...], Meta(min_length=1)] = (
        ("PUBLIC",),
    )
    types: Annotated[tuple[Literal["AMB", "HH", "VR"], ...], Meta(min_length=1)] = ("AMB",)
    reasons: tuple[Text, ...] = ()
    walkin: Share = 0.0
    occupation: Annotated[float, Meta(ge=0, le=0.95)] = 0.6
    own_patients: Annotated[float, Meta(ge=0, le=0.95)] = 0.1
    ranges: tuple[RangeRow, ...] = ()
    holidays: Literal["closed", "sunday"] = "closed"
    leave: Annotated[int, Meta(ge=0, le=6)] = 0
    patients: Annotated[int, Meta(ge=1, le=20)] = 1


class CptsRow(Row, frozen=True):
    """A CPTS and its zone of intervention."""

    finess: Finess
    name: Text
    zone: tuple[Insee, ...]
    phone: Text | None = None


class StructureRow(Row, frozen=True):
    """A MSP or CDS: the places that name its FINESS as their structure have its address."""

    finess: Finess
    kind: Literal["MSP", "CDS"]
    name: Text
    line: Text
    town: Insee
    phone: Text | None = None


class CommunityRow(Row, frozen=True):
    """A community that is asked to take patients (marketplace); `organization`: FINESS of a CPTS, SIRET of an
    association, or the structure of a group of practices."""

    id: Slug
    kind: Literal["CPTS", "SOS", "group"]
    name: Text
    editor: Slug
    zone: Annotated[tuple[Insee, ...], Meta(min_length=1)]
    members: Annotated[tuple[Person, ...], Meta(min_length=1)]
    organization: Structure | None = None
    phone: Text | None = None


class PlaceRow(Row, frozen=True):
    """A place of consultation: one Schedule. `line` and `town` are those of its MSP or CDS when it is in one."""

    id: FhirId
    structure: Structure
    agenda: Slug
    line: Text | None = None
    town: Insee | None = None
    local_id: FhirId | None = None


class PractitionerRow(Row, frozen=True):
    """A hand-made practitioner. Without `editor` his slots are in the SAS agenda: the weeks of his places are what he
    has typed when a run begins, and `password` that of his demonstration account. `extra`: whether he takes a patient
    outside the agenda (nobody does who is in a MSP or CDS only); without it this is drawn."""

    id: Person
    family: Text
    given: Text
    places: Annotated[tuple[PlaceRow, ...], Meta(min_length=1)]
    specialty: Text | None = "SM54"
    specialty_text: Text | None = None
    phone: Text | None = None
    stored_id: Text | None = None
    editor: Slug | None = None
    password: Text | None = None
    extra: bool | None = None
    cpts: tuple[Annotated[tuple[Finess, ...], Meta(min_length=1)], ...] = ()


class SiteRow(Row, frozen=True):
    """A consultation site of an SOS association: one Schedule."""

    id: FhirId
    name: Text
    line: Text
    town: Insee
    agenda: Slug
    hours: Annotated[tuple[HoursRow, ...], Meta(min_length=1)]
    phone: Text | None = None


class DoctorRow(Row, frozen=True):
    """A doctor of an SOS association, without an agenda of his own."""

    id: Rpps
    family: Text
    given: Text


class SosRow(Row, frozen=True):
    """An association of SOS Médecins. `doctors` take turns at its sites; without any, some are invented."""

    siret: Siret
    name: Text
    editor: Slug
    sites: Annotated[tuple[SiteRow, ...], Meta(min_length=1)]
    doctors: tuple[DoctorRow, ...] = ()


class RegulatorRow(Row, frozen=True):
    """A regulator: `type` decides the identifier's system."""

    type: Literal["IDNPS", "INTRN"]
    value: Text
    family: Text
    given: Text
    email: Email
    territory: Text
    password: Text


class ExamplesRow(Row, frozen=True):
    """Who plays which entry of `examples` in endpoints.json."""

    practitioner_one_site: Person
    practitioner_two_sites: Person
    practitioner_pair: tuple[Person, Person]
    practitioner_adeli: Person
    practitioner_no_phone: Person
    practitioner_no_slots: Person
    practitioner_cpts: Person
    practitioner_two_cpts_one_slot: Person
    practitioner_two_cpts_two_slots: Person
    sos_associations: Annotated[tuple[Siret, ...], Meta(min_length=2)]
    sos_two_sites: Siret
    sos_one_site: Siret | None = None
    sos_home_visits: Siret | None = None
    practitioners_sas_agenda: tuple[Person, ...] = ()
    practitioner_extra: Person | None = None
    marketplaces: tuple[Slug, ...] = ()
    structure_cds: Finess | None = None
    structure_msp: Finess | None = None
    cpts: Finess | None = None
