"""The flows of the SAS by their official codes (guide 1.2.0, « Flux »): who calls, who serves them, and where.

Everything else that depends on a flow is derived from the table in `Flow`: which flow a request belongs to in the
journal and in the metrics (label `flow`), which faults and latencies may name it, which flows an editor may declare.
A new flow is one entry here beside the code that carries it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

# Versions of the implementation guide `ans.fhir.fr.sas` by which the sandbox can answer; the first is the default.
IG_VERSIONS = ("1.1.0", "1.2.0")

Party = Literal["sas", "editors", "hub", "lrm", "psc", "browser", "software"]  # roles, people, programs of others
Port = Literal["fhir", "pages", "amqp"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a role serves a flow.

    `path`: below `/<slug>/fhir` at an editor and below `/<slug>` at an LRM, below the root elsewhere; exact, or what
    it begins with when it ends in `*`. `methods`: none for any. `query`: what the query string must hold.
    `shared`: the path belongs to another flow first, and to this one where an editor does not speak the other.
    """

    role: Party
    port: Port
    path: str = "*"
    methods: tuple[str, ...] = ()
    query: str = ""
    shared: bool = False

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """How narrowly it describes its requests; of the endpoints that match one, the highest rank counts."""
        return bool(self.methods or self.query), not self.path.endswith("*"), len(self.path)

    def serves(self, method: str, path: str, asks: Callable[[str], bool]) -> bool:
        """True for a request of this endpoint; `asks` tells whether the query holds a text."""
        start, prefix, _ = self.path.partition("*")
        return (
            (path.startswith(start) if prefix else path == start)
            and (not self.methods or method in self.methods)
            and (not self.query or asks(self.query))
        )


def _at_editors(*paths: str, shared: bool = False) -> tuple[Endpoint, ...]:
    return tuple(Endpoint("editors", "fhir", path, shared=shared) for path in paths)


class Flow(StrEnum):
    """One flow. `SOS` has no official code: the guide calls it the search of SOS Médecins slots."""

    _value_: str
    callers: tuple[Party, ...]
    endpoints: tuple[Endpoint, ...]
    fhir: bool  # whether bodies and errors are FHIR resources

    def __new__(
        cls, code: str, callers: tuple[Party, ...] = (), endpoints: tuple[Endpoint, ...] = (), fhir: bool = False
    ) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.callers, member.endpoints, member.fhir = callers, endpoints, fhir
        return member

    # slots of individual practitioners: GET Slot, POST Slot/_search, and reads of what the answers include
    INT_R01 = "INT_R01", ("sas",), (*_at_editors("*"), *_at_editors("/Schedule", "/Location", shared=True)), True
    # regulator accounts
    INT_R02 = "INT_R02", ("sas",), (Endpoint("editors", "fhir", "/Practitioner", ("POST", "PUT")),), True
    # appointments: POST and PUT Appointment
    INT_R03 = "INT_R03", ("editors",), (Endpoint("sas", "fhir"),), True
    # slots of CPTS: the requests of INT_R01 with a further include
    INT_R04 = (
        "INT_R04",
        ("sas",),
        (
            Endpoint("editors", "fhir", "/Slot", query="service-type-reference"),
            *_at_editors("/HealthcareService", "/Organization"),
            *_at_editors("/Schedule", "*", shared=True),
        ),
        True,
    )
    # slots of SOS Médecins sites: GET Schedule, POST Schedule/_search
    SOS = (
        "SOS",
        ("sas",),
        (*_at_editors("/Schedule", "/Location"), *_at_editors("/Organization", "*", shared=True)),
        True,
    )
    # a community is asked to take a patient (marketplace): POST, PUT, GET ServiceRequest. The guide describes the
    # reports of the community's editor (INT_R03) and no call for the request: this one is the sandbox's own.
    PDM = "PDM", ("sas",), (Endpoint("editors", "fhir", "/ServiceRequest", ("POST", "PUT", "GET")),), True
    # contextual call of an LRM, in the regulator's browser
    INT_L01 = "INT_L01", ("browser",), (Endpoint("sas", "pages", "/sas/recherche", query="origin="),)
    # appointment messages to the LRM, and its acknowledgements and errors
    INT_L02 = "INT_L02", ("sas", "lrm"), (Endpoint("hub", "amqp"),)
    # OpenID Connect of Pro Santé Connect: the browser, and the relying parties
    PSC = "PSC", ("browser", "sas", "editors"), (Endpoint("psc", "pages"),)
    # pages for people
    UI = "UI", ("browser",), (Endpoint("sas", "pages"), Endpoint("editors", "pages"), Endpoint("lrm", "pages"))
    # the JSON APIs of the SAS core and of the LRMs
    API = (
        "API",
        ("software",),
        (Endpoint("sas", "pages", "/api*"), Endpoint("lrm", "pages", "/api"), Endpoint("lrm", "pages", "/api/*")),
    )

    @property
    def interfaced(self) -> bool:
        """True when an editor is interfaced for it or not: its declaration in a file then lists it under `flows`."""
        return self.fhir and ("editors" in self.callers or self.answered_by_editors)

    @property
    def answered_by_editors(self) -> bool:
        """True when editors serve it: it may then have a latency."""
        return any(each.role == "editors" for each in self.endpoints)

    @property
    def latency_key(self) -> str:
        """The end of the name of the switch that holds an editor's latency for it (`kernel.character`)."""
        return f"latency:{self.value}"


class ServedFlows:
    """The flows that one port of a role serves, for finding out to which a request belongs."""

    def __init__(self, role: Party, port: Port) -> None:
        found = [(flow, each) for flow in Flow for each in flow.endpoints if (each.role, each.port) == (role, port)]
        self._rows = tuple(sorted(found, key=lambda row: (row[1].rank, not row[1].shared), reverse=True))
        self.queries = tuple(dict.fromkeys(each.query for _, each in self._rows if each.query))

    def of(self, method: str, path: str, asks: Callable[[str], bool]) -> tuple[Flow, ...]:
        """The flows whose endpoints describe a request most narrowly, those of their own path first; () for none."""
        matching = [(flow, each.rank) for flow, each in self._rows if each.serves(method, path, asks)]
        return tuple(flow for flow, rank in matching if rank == matching[0][1])

    def at(self, method: str, path: str, query: bytes) -> Flow:
        """The flow of a request. Raises IndexError when no endpoint describes it: a port has one with `*`."""
        return self.of(method, path, lambda text: text.encode() in query)[0]


class OrientationCategory(StrEnum):
    """What kind of offer the patient was oriented to (RS-SAS-RDV `orientationCategory`)."""

    PS = "PS"
    CPTS = "CPTS"
    SOS = "SOS"
    PDM = "PDM"
    CDS = "CDS"
    MSP = "MSP"


class AppointmentStatus(StrEnum):
    """Status of an appointment, in INT_R03 and in L02 alike."""

    PENDING = "pending"
    BOOKED = "booked"
    FULFILLED = "fulfilled"
    NOSHOW = "noshow"
    CANCELLED = "cancelled"
