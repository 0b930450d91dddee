"""The services of the SAS core that its API and its pages use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient
from sandbox.sas.agenda.agendas import Agendas
from sandbox.sas.directory.directory import Directory
from sandbox.sas.offers.extra import ExtraOrientations
from sandbox.sas.offers.structures import StructureOrientations
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.own import OwnAppointments
from sandbox.sas.orientations.typed_booking import TypedBooking
from sandbox.sas.orientations.typed_changes import AgendaChanges
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.editors import EditorSources
from sandbox.store.protocol import Store
from sandbox.web.sse import Channel


@dataclass(frozen=True)
class Services:
    """`http`: the client with the platform's certificate; `labels`: name of each specialty by its code; `changes`:
    announces by topic what was written to the store."""

    context: Context
    store: Store
    http: HttpClient
    directory: Directory
    aggregator: Aggregator
    editors: EditorSources
    accounts: AccountSync
    appointments: Appointments
    own: OwnAppointments
    agendas: Agendas
    booking: TypedBooking
    agenda_changes: AgendaChanges
    extra: ExtraOrientations
    structures: StructureOrientations
    l02: L02
    labels: Mapping[str, str]
    changes: Channel
