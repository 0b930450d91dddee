"""Reads on an editor's FHIR server: `GET <type>/<id>` of every resource that its answers refer to. Pure but for the
clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.editor.fhir.server import FhirServer
from sandbox.fhir.resources import (
    cpts_resource,
    practitioner_resource,
    role_resource,
    schedule_resource,
    service_resource,
    site_resource,
    site_schedule_resource,
    sos_resource,
)
from sandbox.fhir.slots import R01, R04, SOS
from sandbox.population.agendas.agenda import PlannedSlot, split_slot_id


def read(server: FhirServer, resource_type: str, key: str) -> bytes | None:
    """`GET <type>/<id>`: every `fullUrl` and reference of our answers resolves. None: no such resource here (404).

    A Slot can be read as long as it is offered; one that has started or was taken is gone.
    """
    reader = _READERS.get(resource_type)
    return None if reader is None else reader(server, key)


def _read_slot(server: FhirServer, key: str) -> bytes | None:
    split = split_slot_id(key)
    week = server.agenda.week(split[0]) if split is not None else None
    found = server.agenda.find(key) if server.agenda.is_free(key, server.clock.now()) else None
    if split is None or week is None or found is None:
        return None
    planned = PlannedSlot.of(found)
    placed = server.population.place(week.schedule)
    if placed is None:
        return server.renderer.slot(SOS, week.schedule, (None, None), week.zone, planned)
    specialty = (placed[0].specialty, placed[0].specialty_text)
    form = R04 if planned.kind.cpts else R01
    return server.renderer.slot(form, week.schedule, specialty, week.zone, planned)


def _read_schedule(server: FhirServer, key: str) -> bytes | None:
    if placed := server.own_place(key):
        return schedule_resource(*placed)
    found = server.own_site(key)
    return site_schedule_resource(found[1]) if found else None


def _read_practitioner(server: FhirServer, key: str) -> bytes | None:
    person = server.population.practitioner(key)
    own = person is not None and person.id == key and person.editor == server.editor.slug
    return practitioner_resource(person) if own and person is not None else None


def _read_role(server: FhirServer, key: str) -> bytes | None:
    placed = server.own_place(key)
    return role_resource(*placed, server.editor.system) if placed else None


def _read_service(server: FhirServer, key: str) -> bytes | None:
    cpts = server.population.cpts.get(key)
    return service_resource(cpts) if cpts is not None and server.offers_cpts else None


def _read_location(server: FhirServer, key: str) -> bytes | None:
    found = server.own_site(key)
    return site_resource(*found, server.editor.system) if found else None


def _read_organization(server: FhirServer, key: str) -> bytes | None:
    sos = server.population.sos.get(key)
    if sos is not None and sos.editor == server.editor.slug:
        return sos_resource(sos)
    cpts = server.population.cpts.get(key)
    return cpts_resource(cpts, server.ig) if cpts is not None and server.offers_cpts else None


_READERS: Mapping[str, Callable[[FhirServer, str], bytes | None]] = {
    "Slot": _read_slot,
    "Schedule": _read_schedule,
    "Practitioner": _read_practitioner,
    "PractitionerRole": _read_role,
    "HealthcareService": _read_service,
    "Location": _read_location,
    "Organization": _read_organization,
}
READABLE = frozenset(_READERS)
