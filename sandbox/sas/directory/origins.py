"""Where a slot, a card or an orientation comes from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """Kind of source: an editor's agenda; slots typed into the SAS platform itself; a practitioner who takes a patient
    outside the agenda; a community that is asked to take the patient; a structure without agenda."""

    EDITOR = "editor"
    SAS_AGENDA = "sas-agenda"
    EXTRA = "extra"
    MARKETPLACE = "marketplace"
    STRUCTURE = "structure"


@dataclass(frozen=True, slots=True)
class SourceName:
    """One source of slots, as the search and its results name it.

    `slug` for programs (that of an editor is its own), `name` for people. `external`: the directory does not know the
    source's Schedules, as those of a vendor's real server. `precedence`: where two sources have slots of one person at
    one place, those of the lower number are shown; editors have 0.
    """

    slug: str
    name: str
    origin: Origin = Origin.EDITOR
    external: bool = False
    precedence: int = 0
