"""Orientations without an editor: how each kind is made, and how what was made is changed.

The kinds are listed here and nowhere else: API, its description and the pages follow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any, TypeAlias

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Regulator
from sandbox.sas.directory.origins import Origin
from sandbox.sas.offers.extra import ExtraOrientation
from sandbox.sas.offers.structures import StructureOrientation
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.steps import Action
from sandbox.sas.orientations.typed_booking import TypedOrientation
from sandbox.sas.services import Services

LONGEST_KEY = 200  # characters of the key of a request that may be repeated

Maker: TypeAlias = Callable[[Regulator, Any, str], Awaitable[AppointmentRecord]]  # what is asked for, key
Changer: TypeAlias = Callable[[str, Action], Awaitable[AppointmentRecord]]  # id of the appointment

# What is asked for, by its type (a msgspec structure with the tag `kind`), and who makes it.
MAKERS: Mapping[Any, Callable[[Services], Maker]] = {
    TypedOrientation: lambda services: services.booking.make,
    ExtraOrientation: lambda services: services.extra.make,
    StructureOrientation: lambda services: services.structures.make,
}
# Who changes appointments of these origins; those of the others are changed by `OwnAppointments.act`.
CHANGERS: Mapping[Origin, Callable[[Services], Changer]] = {}

Orientation: Any = reduce(or_, MAKERS)  # any of the kinds
_KINDS: Mapping[Any, Origin] = {kind: Origin(kind.__struct_config__.tag) for kind in MAKERS}


def is_made(origin: Origin) -> bool:
    """True when a regulator can make appointments of that origin here."""
    return origin in _KINDS.values()


class Desk:
    """Makes and changes appointments in the name of a regulator."""

    def __init__(self, services: Services) -> None:
        self._own, self._appointments = services.own, services.appointments
        self._population = services.context.population
        self._makers = {kind: maker(services) for kind, maker in MAKERS.items()}
        self._changers = {origin: changer(services) for origin, changer in CHANGERS.items()}

    async def make(self, regulator: Regulator, asked: Any, key: str = "") -> AppointmentRecord:
        """The appointment that is `asked` for (one of `Orientation`), once it is durable. The same `key` again gives
        the first one again.

        Raises RequestError 400 (key too long), 403 (no right), 409 (what was free is taken, or the key was used for
        another kind) and 422 (a rule refuses it), StoreError.
        """
        if len(key) > LONGEST_KEY:
            raise RequestError(
                400, Issue("too-long", f"a key of over {LONGEST_KEY} characters", "http.Idempotency-Key")
            )
        record = await self._makers[type(asked)](regulator, asked, key)
        if record.origin is not _KINDS[type(asked)]:
            detail = f"the key was used before, for an orientation of kind '{record.origin}'"
            raise RequestError(409, Issue("conflict", detail, "http.Idempotency-Key"))
        return record

    def of(self, regulator: Regulator, id: str) -> AppointmentRecord:
        """The regulator's own appointment with that id. Raises RequestError 403 (somebody else's), 404."""
        record = self._appointments.read(id)
        if record is None:
            raise RequestError(404, Issue("not-found", f"no appointment '{id}'", "id"))
        if not self._appointments.is_of(record, regulator.identifier):
            raise RequestError(403, Issue("forbidden", f"the appointment '{id}' is another regulator's", "id"))
        return record

    async def act(self, regulator: Regulator, id: str, action: Action) -> AppointmentRecord:
        """Take a step with the regulator's own appointment: its new version, once that is durable.

        Raises RequestError 403, 404 and 409 (no such step now, or it is taken elsewhere), StoreError.
        """
        record = self.of(regulator, id)
        if record.origin is Origin.EDITOR:
            raise RequestError(409, Issue("conflict", f"{self._elsewhere(record)}, which reports it (INT_R03)", "id"))
        changer = self._changers.get(record.origin, self._own.act)
        return await changer(id, action)

    def _elsewhere(self, record: AppointmentRecord) -> str:
        editor = self._population.editors.get(record.editor)
        name = editor.name if editor is not None else "the editor that sent it"
        return f"the appointment is changed in the agenda of {name}"
