"""The slots of one day of an agenda as domain values, for comparison with what a server answers."""

from __future__ import annotations

from datetime import date, datetime

from sandbox.kernel.model import AgendaTemplate, Slot
from sandbox.population.agendas.agenda import as_slot, day_plan
from sandbox.population.agendas.calendar import Region


def day_slots(
    seed: int, schedule_id: str, day: date, template: AgendaTemplate, region: Region
) -> tuple[tuple[Slot, datetime | None], ...]:
    """The slots that a schedule offers on a local date, each with the instant at which it is taken (None: never)."""
    return tuple(
        (
            as_slot(schedule_id, planned, region.zone),
            None if planned.taken is None else datetime.fromtimestamp(planned.taken, region.zone),
        )
        for planned in day_plan(seed, schedule_id, day, template, region)
    )
