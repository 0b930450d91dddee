"""An editor's CapabilityStatement (CAP-1): exactly the searches, includes, reads and accounts that it serves. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from sandbox.fhir import nos
from sandbox.fhir.search import (
    ACTOR,
    SCHEDULE,
    SERVICE,
    SERVICE_ORGANIZATION,
    SITE,
    SITE_ORGANIZATION,
)
from sandbox.kernel.clock import fhir_instant
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor

VERSION = "4.0.1"


def statement(editor: Editor, *, base: str, now: datetime) -> bytes:
    """The statement of this editor at `base`; `now` is its date."""
    document = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": fhir_instant(now),
        "publisher": editor.name,
        "kind": "instance",
        "software": {"name": editor.name},
        "implementation": {"description": f"Agenda de {editor.name} (bac à sable SAS)", "url": base},
        "fhirVersion": VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [{"mode": "server", "security": _SECURITY, "resource": _resources(editor)}],
    }
    return orjson.dumps(document)


_SECURITY = {"description": "TLS mutuel, certificats de l'IGC-Santé (bac à sable) ; CN et OU vérifiés"}


def _resources(editor: Editor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    individual = editor.speaks(Flow.INT_R01) or editor.speaks(Flow.INT_R04)
    cpts, sos = editor.speaks(Flow.INT_R04), editor.speaks(Flow.SOS)
    if individual:
        found.append(_slot(cpts))
        found.append(_resource("PractitionerRole", [nos.ROLE_PROFILE]))
    if individual or editor.speaks(Flow.INT_R02):
        found.append(_practitioner(editor, individual))
    if individual or sos:
        found.append(_schedule(individual, sos))
    if sos:
        if not individual:
            found.append(_resource("Slot", [nos.SOS_SLOT_PROFILE]))
        found.append(_resource("Location", [nos.SOS_LOCATION_PROFILE]))
    if cpts:
        found.append(_resource("HealthcareService", [nos.CPTS_SERVICE_PROFILE]))
    if cpts or sos:
        profiles = [nos.CPTS_ORGANIZATION_PROFILE] * cpts + [nos.SOS_ORGANIZATION_PROFILE] * sos
        found.append(_resource("Organization", profiles))
    return sorted(found, key=lambda resource: str(resource["type"]))


def _slot(cpts: bool) -> dict[str, Any]:
    includes = [SCHEDULE, ACTOR, *([SERVICE, SERVICE_ORGANIZATION] if cpts else [])]
    parameters = (
        ("start", "date", "ge et le, un de chaque"),
        ("status", "token", "free"),
        ("schedule.actor:Practitioner.identifier", "token", "1 à 25 identifiants nationaux"),
        ("_count", "number", "taille de page, 1000 au plus"),
    )
    profiles = [nos.SLOT_PROFILE] + [nos.CPTS_SLOT_PROFILE] * cpts
    return _resource("Slot", profiles, ("read", "search-type"), searchInclude=includes, **_search(parameters))


def _schedule(individual: bool, sos: bool) -> dict[str, Any]:
    profiles = [nos.SCHEDULE_PROFILE] * individual + [nos.SOS_SCHEDULE_PROFILE] * sos
    if not sos:
        return _resource("Schedule", profiles)
    parameters = (
        ("_has:Slot:schedule:start", "date", "ge et le, un de chaque"),
        ("_has:Slot:schedule:status", "token", "free"),
        ("actor:Location.organization.identifier", "token", "1 à 25 SIRET"),
    )
    return _resource(
        "Schedule", profiles, ("read", "search-type"),
        searchInclude=[SITE, SITE_ORGANIZATION], searchRevInclude=[SCHEDULE], **_search(parameters),
    )  # fmt: skip


def _practitioner(editor: Editor, individual: bool) -> dict[str, Any]:
    profiles = [nos.PRACTITIONER_PROFILE] * individual
    if not editor.speaks(Flow.INT_R02):
        return _resource("Practitioner", profiles)
    return _resource(
        "Practitioner", [*profiles, nos.REGULATOR_PROFILE], ("read", "create", "update"),
        updateCreate=True, conditionalUpdate=True,
    )  # fmt: skip


def _search(parameters: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    return {"searchParam": [{"name": name, "type": kind, "documentation": text} for name, kind, text in parameters]}


def _resource(kind: str, profiles: list[str], interactions: tuple[str, ...] = ("read",), **more: Any) -> dict[str, Any]:
    """One resource type: its base, the profiles it meets, what can be done with it."""
    return {
        "type": kind,
        "supportedProfile": profiles,
        "interaction": [{"code": code} for code in interactions],
        **more,
    }
