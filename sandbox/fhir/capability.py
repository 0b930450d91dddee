"""An editor's CapabilityStatement (CAP-1): exactly the searches, includes, reads and accounts that it serves. Pure.

The searches are those that the parser accepts (`offers`). Everything else is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from sandbox.fhir import nos
from sandbox.fhir.queries.offers import SCHEDULE_OFFER, Offer, slot_offer
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
        "format": FORMATS,
        "rest": [{"mode": "server", "documentation": _HANDLING, "security": _SECURITY, "resource": _resources(editor)}],
    }
    return orjson.dumps(document)


FORMATS = ["application/fhir+json", "application/json+fhir", "application/json", "text/json", "json"]
_HANDLING = (
    "Recherches par GET et par POST _search. Un paramètre, un modificateur ou un _include absent de cette déclaration "
    "est refusé (400, OperationOutcome), avec Prefer: handling=strict comme sans préférence. Avec "
    "Prefer: handling=lenient, un paramètre ou un _include absent est ignoré et manque dans le lien self, qui liste ce "
    "qui a été traité ; une valeur, un préfixe ou un modificateur non pris en charge reste refusé."
)
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
    if editor.speaks(Flow.PDM):
        found.append(_service_request())
    if cpts:
        found.append(_resource("HealthcareService", [nos.CPTS_SERVICE_PROFILE]))
    if cpts or sos:
        profiles = [nos.CPTS_ORGANIZATION_PROFILE] * cpts + [nos.SOS_ORGANIZATION_PROFILE] * sos
        found.append(_resource("Organization", profiles))
    return sorted(found, key=lambda resource: str(resource["type"]))


def _slot(cpts: bool) -> dict[str, Any]:
    profiles = [nos.SLOT_PROFILE] + [nos.CPTS_SLOT_PROFILE] * cpts
    return _resource("Slot", profiles, ("read", "search-type"), **_search(slot_offer(cpts)))


def _schedule(individual: bool, sos: bool) -> dict[str, Any]:
    profiles = [nos.SCHEDULE_PROFILE] * individual + [nos.SOS_SCHEDULE_PROFILE] * sos
    if not sos:
        return _resource("Schedule", profiles)
    return _resource("Schedule", profiles, ("read", "search-type"), **_search(SCHEDULE_OFFER))


def _practitioner(editor: Editor, individual: bool) -> dict[str, Any]:
    profiles = [nos.PRACTITIONER_PROFILE] * individual
    if not editor.speaks(Flow.INT_R02):
        return _resource("Practitioner", profiles)
    held = _resource(
        "Practitioner", [*profiles, nos.REGULATOR_PROFILE], ("read", "create", "update"),
        conditionalUpdate=True, updateCreate=False,
    )  # fmt: skip
    held["interaction"][2]["documentation"] = _CONDITIONAL
    return held


def _service_request() -> dict[str, Any]:
    """Requests to communities (marketplace): the sandbox's own flow, so no profile of the guide."""
    kinds = ("read", "create", "update")
    held = _resource("ServiceRequest", [], kinds, conditionalUpdate=True, updateCreate=False)
    del held["supportedProfile"]
    held["interaction"][2]["documentation"] = _WITHDRAWAL
    return held


_WITHDRAWAL = (
    "Seulement conditionnelle, pour un retrait : PUT ServiceRequest?identifier=<system>|<valeur>, status revoked"
)

_CONDITIONAL = (
    "Seulement conditionnelle : PUT Practitioner?identifier=<system>|<valeur> ; une personne inconnue est créée, "
    "sous un id que le serveur choisit"
)


def _search(offer: Offer) -> dict[str, Any]:
    found: dict[str, Any] = {"searchInclude": offer.includes}
    if offer.revincludes:
        found["searchRevInclude"] = offer.revincludes
    found["searchParam"] = [
        {"name": name, "type": kind, "documentation": note} for name, kind, note in offer.parameters
    ]
    return found


def _resource(kind: str, profiles: list[str], interactions: tuple[str, ...] = ("read",), **more: Any) -> dict[str, Any]:
    """One resource type: its base, the profiles it meets, what can be done with it."""
    return {
        "type": kind,
        "supportedProfile": profiles,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "no-version",
        "conditionalRead": "not-match",
        **more,
    }
