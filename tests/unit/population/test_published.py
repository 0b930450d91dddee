"""The published JSON Schema of the persona files is that of the types, and says the same of a file as the loader."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from sandbox.config import Settings
from sandbox.population.load import personas_directory
from sandbox.population.personas.published import FILES, personas_schema, write

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "docs" / "personas.schema.json"
SHIPPED = personas_directory(Settings())


def validator(name: str):
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{name}", "$defs": personas_schema()["$defs"]})


def test_published_schema_is_up_to_date(tmp_path):
    write(tmp_path / "schema.json")
    assert PUBLISHED.read_bytes() == (tmp_path / "schema.json").read_bytes(), "`make schema` writes it again"


def test_every_persona_file_has_a_schema_and_meets_it():
    assert {path.stem for path in SHIPPED.glob("*.yaml")} == set(FILES)
    for name in FILES:
        document = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text("utf-8"))
        assert list(validator(name).iter_errors(document)) == [], name
    everything = {name: yaml.safe_load((SHIPPED / f"{name}.yaml").read_text("utf-8")) for name in FILES}
    assert jsonschema_rs.validator_for(json.loads(PUBLISHED.read_text("utf-8"))).is_valid(everything)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("towns", {"insee": "33063", "name": "Bordeaux"}),
        ("towns", {"insee": "33063", "name": "B", "postal_code": "3", "lat": 1.0, "lon": 1.0, "inhabitants": 5}),
        ("agendas", {"name": "x", "occupation": 2}),
        ("agendas", {"name": "x", "opens_at": "09:00"}),
        ("territories", {"code": "33"}),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(name, row):
    assert not validator(name).is_valid([row])
