"""A small country for tests: two territories with a regulator each, three practitioners, a CPTS and SOS Médecins."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sandbox.config import Settings
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.kernel.journal import Exchange
from sandbox.kernel.model import Cpts, Practitioner, Regulator, SosAssociation, Territory, Town
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.population.people import Personas, Population
from sandbox.population.procedural import Recipe
from tests.support import contexts

NOW = datetime(2026, 11, 22, 10, tzinfo=PARIS)
SAS, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
LUC = Regulator(Identifier(SYSTEM_PERSON, "3330000001/42", "IDNPS"), "Dorval", "Luc", "luc@example.org", "SAS-33", "x")
ANA = Regulator(Identifier(SYSTEM_SAS, "b5c4", "INTRN"), "Sorel", "Ana", "ana@example.org", "SAS-35", "x")
DOCTOR = Practitioner("810000000001", "Marchal", "Inès", "agenda-azur", (), "SM54")
OLD_DOCTOR = Practitioner("0331234567", "Vial", "Max", "agenda-azur", (), None)
UNTITLED = Practitioner("810000000002", "Roux", "Léo", "agenda-azur", (), None, "Homéopathie")
CPTS = Cpts("1330000001", "CPTS des Rives", None, ())
SOS = SosAssociation("333333333300001", "SOS Rives", "sos-agenda", ())


def territory(number: str) -> Territory:
    return Territory(f"SAS-{number}", f"Territoire {number}", number, f"fr.health.samu{number}0", "urn:oid:1")


POPULATION = Population(
    7,
    Personas(
        territories={"SAS-33": territory("33"), "SAS-35": territory("35")},
        towns={"33063": Town("33063", "Bordeaux", "33000", "33", 44.8, -0.6)},
        editors={},
        practitioners=(DOCTOR, OLD_DOCTOR, UNTITLED),
        cpts={CPTS.finess: CPTS},
        sos={SOS.siret: SOS},
        regulators=(LUC, ANA),
        examples={},
    ),
    Recipe((), (), ()),
)


def make_context(directory: Any, sockets: Any = MappingProxyType({})) -> Context:
    """The surroundings of one role in a test: a stopped clock, predictable ids, a store directory."""
    clock = Clock(lambda: 0.0, ClockSetting(frozen=NOW.astimezone(UTC).timestamp()))
    settings = Settings(data_dir=str(directory))
    return contexts.make_context(settings, clock=clock, entropy=seeded(1), population=POPULATION, sockets=sockets)


def exchanges(context: Context) -> list[Exchange]:
    """What was journalled since the last time."""
    return context.journal.take()
