"""The domain: towns, practitioners, editors, slots, appointments. Frozen, validated when made; `fhir` and `edxl` have
their forms on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Literal, NamedTuple

from sandbox.kernel.character import PLAIN, Character
from sandbox.kernel.flows import AppointmentStatus, Flow, OrientationCategory
from sandbox.kernel.identifiers import FINESS, SIRET, Identifier


@dataclass(frozen=True, slots=True)
class Town:
    """A town of the dataset. `insee`: 5 characters; `lat`, `lon` in degrees."""

    insee: str
    name: str
    postal_code: str
    department: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class OpenRange:
    """A further opening range of a week: a half day, an evening on call. `days`: 0 = Monday … 6; local times.

    `without_school`: only on evenings of days without school, and on their eves.
    """

    days: tuple[int, ...]
    opens: time
    closes: time
    without_school: bool = False


@dataclass(frozen=True, slots=True)
class AgendaTemplate:
    """One place's week. `days`: 0 = Monday … 6; times are local; `slot_minutes` is the length of a slot.

    `visibilities`: combinations drawn per slot, each a tuple of R314 codes; `types` v3-ActCode codes;
    `reasons` free texts; `walkin` share of slots without booking, `occupation` share of slots that end up taken,
    `own_patients` share reserved for the practitioner's own patients (never sent); all in [0, 1]. `closes` at 00:00 is
    the end of the day. `cpts`: groups of FINESS; the slots that CPTS see are given to the groups in turn.
    `ranges`: opening ranges beside these, that overlap none of them; lunch is kept in all of them. On public holidays
    the agenda is `closed`, or open like on a `sunday`; `leave`: weeks a year in which the practitioner is away.
    `patients`: how many patients a slot of the SAS agenda takes; editors' slots take one.
    """

    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens: time = time(9)
    closes: time = time(19)
    lunch: tuple[time, time] | None = (time(12, 30), time(14))
    slot_minutes: int = 15
    visibilities: tuple[tuple[str, ...], ...] = (("PUBLIC",),)
    types: tuple[str, ...] = ("AMB",)
    reasons: tuple[str, ...] = ()
    walkin: float = 0.0
    occupation: float = 0.6
    own_patients: float = 0.1
    cpts: tuple[tuple[str, ...], ...] = ()
    ranges: tuple[OpenRange, ...] = ()
    holidays: Literal["closed", "sunday"] = "closed"
    leave: int = 0
    patients: int = 1

    def __hash__(self) -> int:
        """Hash of a few fields, in which few templates are equal: templates are keys on hot paths."""
        return hash((self.slot_minutes, self.days, self.own_patients, self.cpts))


@dataclass(frozen=True, slots=True)
class Structure:
    """Where several practitioners consult at one address: a `MSP` (maison de santé) or a `CDS` (centre de santé).

    `finess`: prefixed IDNST, that its practitioners' places carry as their `structure`.
    """

    finess: str
    kind: Literal["MSP", "CDS"]
    name: str
    line: str
    postal_code: str
    city: str
    insee: str
    lat: float
    lon: float
    phone: str | None = None

    @property
    def code(self) -> str:
        """Its category in TRE_R66."""
        return "603" if self.kind == "MSP" else "124"


@dataclass(frozen=True, slots=True)
class Place:
    """A place where a practitioner consults: one Schedule, one PractitionerRole. `id` is the Schedule id."""

    id: str
    structure: str  # prefixed IDNST (FINESS, SIRET or RPPS rang)
    line: str
    postal_code: str
    city: str
    insee: str
    lat: float
    lon: float
    agenda: AgendaTemplate = field(default_factory=AgendaTemplate)
    local_id: str = "1"  # the editor's own id of the location (INTRN)
    group: Structure | None = None  # the MSP or CDS that it is in


@dataclass(frozen=True, slots=True)
class Practitioner:
    """An individual practitioner. `id`: prefixed national id; `stored_id`, `phone`: as the agenda stores them.

    `editor`: slug of the editor that holds the agenda; "" for those who type their slots in the SAS agenda: the agendas
    of their places are what they have typed when a run begins. `password`: of the demonstration account with which such
    a practitioner logs in; "" for people without one. `extra`: takes patients beyond the agenda; None: by the seed.
    """

    id: str
    family: str
    given: str
    editor: str
    places: tuple[Place, ...]
    specialty: str | None = "SM54"  # TRE_R38 code; None when only `specialty_text` is known
    specialty_text: str | None = None
    phone: str | None = None
    stored_id: str = ""
    cpts: tuple[str, ...] = ()  # FINESS of the CPTS that its slots are visible to
    password: str = ""
    extra: bool | None = None


@dataclass(frozen=True, slots=True)
class Community:
    """Practitioners who are asked together to take a patient (marketplace): a CPTS, an SOS association, or a group of
    practices (`group`).

    `id`: the name of the sandbox for it; `editor`: slug of the editor (flow PDM) that asks its members;
    `organization`: prefixed IDNST, None for a group without one; `zone`: INSEE codes of the towns that it serves;
    `members`: prefixed national ids, in the order in which they are asked.
    """

    id: str
    kind: Literal["CPTS", "SOS", "group"]
    name: str
    phone: str | None
    editor: str
    organization: str | None
    zone: tuple[str, ...]
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cpts:
    """A CPTS: FINESS with prefix, and the INSEE codes of its zone of intervention."""

    finess: str
    name: str
    phone: str | None
    zone: tuple[str, ...]

    def __post_init__(self) -> None:
        if not FINESS.fullmatch(self.finess):
            raise ValueError(f"FINESS '{self.finess}' is not 1 followed by 9 digits")


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """`days`: 0 = Monday … 6; local times."""

    days: tuple[int, ...]
    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class ConsultationSite:
    """A consultation site (LFC, PFG) of an SOS association. `id`: Schedule id and the editor's own Location id."""

    id: str
    name: str
    phone: str | None
    line: str
    postal_code: str
    city: str
    insee: str
    lat: float
    lon: float
    hours: tuple[OpeningHours, ...]
    agenda: AgendaTemplate


@dataclass(frozen=True, slots=True)
class SosAssociation:
    """An association of SOS Médecins: SIRET with prefix, its sites, and the editor that holds its agendas.

    `doctors`: those on duty at its sites in turn, without agendas of their own (`population.duty` decides the turns,
    and makes doctors up where there are none).
    """

    siret: str
    name: str
    editor: str
    sites: tuple[ConsultationSite, ...]
    doctors: tuple[Practitioner, ...] = ()

    def __post_init__(self) -> None:
        if not SIRET.fullmatch(self.siret):
            raise ValueError(f"SIRET '{self.siret}' is not 3 followed by 14 digits")


@dataclass(frozen=True, slots=True)
class Regulator:
    """A regulator (or OSNP) of a territory. `password` is that of the demonstration account at PSC."""

    identifier: Identifier
    family: str
    given: str
    email: str
    territory: str
    password: str


@dataclass(frozen=True, slots=True)
class Territory:
    """A SAS territory: code (`SAS-33`), département, and the hub client id of its SAMU."""

    code: str
    name: str
    department: str
    samu: str
    origin: str  # the LRM's assigning authority in INT_L01
    format: str = "json"  # in which form its LRM speaks to the hub and is spoken to: json or xml

    @property
    def lrm_slug(self) -> str:
        """Path of the LRM's pages: `samu330`."""
        return self.samu.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Editor:
    """A vendor of agendas: one FHIR endpoint. `system` is its OID, `ou` the OU of its certificates.

    `character`: how it behaves when a run begins; the World says how it behaves now. `stores`: whether it keeps
    national ids with their prefix, without (`bare`), or some of them so (`mixed`).

    An external one runs elsewhere: `base_url` is its FHIR base, `ui` its pages, `cn` the CN of its certificates; the
    editors of the sandbox leave them empty.
    """

    slug: str
    name: str
    system: str
    flows: tuple[Flow, ...]
    ou: str
    colour: str = "#335577"
    character: Character = field(default=PLAIN, hash=False)
    cn: str = ""
    base_url: str = ""
    ui: str = ""
    stores: Literal["prefixed", "bare", "mixed"] = "prefixed"

    @property
    def external(self) -> bool:
        """True when the vendor's real server answers, not the sandbox."""
        return bool(self.base_url)

    def speaks(self, flow: Flow) -> bool:
        """True when the editor is interfaced for that flow."""
        return flow in self.flows


class SlotKind(NamedTuple):
    """What slots of a schedule have in common but for their time; fields as in Slot."""

    visibilities: tuple[str, ...]
    types: tuple[str, ...]
    reason: str | None
    walkin: bool
    cpts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """The kinds that slots of one week may have. Compared by identity, so that it is a fast key of caches."""

    kinds: tuple[SlotKind, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a schedule as generated. `start`, `end` aware, in the place's zone."""

    schedule: str
    start: datetime
    end: datetime
    visibilities: tuple[str, ...]
    types: tuple[str, ...]
    reason: str | None
    walkin: bool
    cpts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment as INT_R03 carries it.

    `identifier` is the editor's; `operator` the regulator as INT_R02 gave him; `practitioner` prefixed national id,
    None while one is still sought; `category` from the extension `sas-categorie-orientation`, None when absent;
    `sos`, `marketplace`: the profile was that of SOS Médecins, that of the marketplace.
    """

    identifier: Identifier
    operator: Identifier
    status: AppointmentStatus
    start: datetime
    end: datetime
    created: datetime | None = None
    practitioner: str | None = None
    category: OrientationCategory | None = None
    sos: bool = False
    participant_status: str = "accepted"
    marketplace: bool = False
