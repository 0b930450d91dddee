"""The JSON Schema of the persona files, made from their types: what `docs/personas.schema.json` publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from sandbox.population.personas.schema import (
    AgendaRow,
    CommunityRow,
    CptsRow,
    EditorRow,
    ExamplesRow,
    PractitionerRow,
    RegulatorRow,
    SosRow,
    StructureRow,
    TerritoryRow,
    TownRow,
)

FILES: dict[str, Any] = {
    "agendas": list[AgendaRow],
    "communities": list[CommunityRow],
    "cpts": list[CptsRow],
    "editors": list[EditorRow],
    "examples": ExamplesRow,
    "practitioners": list[PractitionerRow],
    "regulators": list[RegulatorRow],
    "sos": list[SosRow],
    "structures": list[StructureRow],
    "territories": list[TerritoryRow],
    "towns": list[TownRow],
}


def personas_schema() -> dict[str, Any]:
    """One document (draft 2020-12); `#/$defs/<file>` is the schema of `<file>.yaml`."""
    schemas, rows = msgspec.json.schema_components(FILES.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Persona files of sas-sandbox",
        "description": "A persona file `<name>.yaml` is described by `#/$defs/<name>`.",
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{name}"} for name in FILES},
        "additionalProperties": False,
        "$defs": dict(zip(FILES, schemas, strict=True)) | rows,
    }


def write(path: Path) -> None:
    """Publish it."""
    path.write_text(json.dumps(personas_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
