"""The `examples` of endpoints.json: who plays which part, from `examples.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.kernel.model import Practitioner
from sandbox.population.people import Personas
from sandbox.population.personas.schema import ExamplesRow
from sandbox.yaml_file import YamlFile, load_yaml

# Which of the people and organisations an entry names, by the beginning of its name; any other: the practitioners.
_KINDS = ("sos", "marketplace", "structure", "cpts")


def read_examples(path: Path, personas: Personas) -> dict[str, object]:
    """Each entry of the file with what a program needs to use it, and the demonstration accounts of the regulators.

    An entry whose people have an editor is `{editor, id}` or `{editor, ids}`. Raises ConfigError.
    """
    file: YamlFile[ExamplesRow] = load_yaml(path, ExamplesRow)
    known: dict[str, Mapping[str, Any]] = {
        "sos": personas.sos,
        "marketplace": personas.communities,
        "structure": personas.structures,
        "cpts": personas.cpts,
        "": {person.id: person for person in personas.practitioners},
    }
    found: dict[str, object] = {}
    for name in ExamplesRow.__struct_fields__:
        value = getattr(file.value, name)
        if value is None or value == ():
            continue
        among = known[next((kind for kind in _KINDS if name.startswith(kind)), "")]
        ids = [value] if isinstance(value, str) else list(value)
        for key in ids:
            if key not in among:
                raise file.error(f"$.{name}", f"unknown id '{key}'")
        found[name] = _entry(file, name, value, [among[key] for key in ids])
    found["regulators"] = [
        {"identifier": r.identifier.value, "email": r.email, "territory": r.territory, "password": r.password}
        for r in personas.regulators
    ]
    return found


def _entry(file: YamlFile[ExamplesRow], name: str, value: Any, people: Sequence[Any]) -> object:
    if name == "practitioners_sas_agenda":
        return [_account(file, person) for person in people]
    if name == "marketplaces":
        return [{"editor": each.editor, "id": each.id, "name": each.name, "insee": each.zone[0]} for each in people]
    if name.startswith(("structure", "cpts")):
        insee = people[0].zone[0] if name == "cpts" else people[0].insee
        return {"id": value, "name": people[0].name, "insee": insee}
    if name == "practitioner_extra":
        return {"editor": people[0].editor, "id": value, "insee": people[0].places[0].insee}
    slugs = {each.editor for each in people}
    if len(slugs) != 1:
        raise file.error(f"$.{name}", f"the ids belong to several editors ({', '.join(sorted(slugs))})")
    return {"editor": slugs.pop(), **({"id": value} if isinstance(value, str) else {"ids": list(value)})}


def _account(file: YamlFile[ExamplesRow], person: Practitioner) -> dict[str, str]:
    if person.editor or not person.password:
        raise file.error("$.practitioners_sas_agenda", f"'{person.id}' has no demonstration account of the SAS agenda")
    return {
        "identifier": person.id,
        "password": person.password,
        "name": f"{person.given} {person.family}",
        "insee": person.places[0].insee,
    }
