"""The OpenAPI document of `__admin`: valid, complete, and as strict about faults as the control plane itself."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema_rs
import openapi_spec_validator
import pytest

from sandbox.control.app import Control
from sandbox.faults import KINDS
from tests.actors.control.described import described, judge, operations_of


async def test_the_document_is_served_and_valid(control: Control, admin: httpx.AsyncClient) -> None:
    document = (await admin.get("/__admin/openapi.json")).json()
    openapi_spec_validator.validate(document)
    assert document["servers"] == [{"url": str(admin.base_url).rstrip("/")}]
    assert document["paths"] == json.loads(json.dumps(described()["paths"]))


async def test_every_path_and_method_is_described(admin: httpx.AsyncClient) -> None:
    paths: dict[str, list[str]] = (await admin.get("/__admin")).json()["paths"]
    served = {(path, method) for path, methods in paths.items() for method in methods}
    found = {(path, method.upper()) for path, methods in described()["paths"].items() for method in methods}
    assert served == found - {("/__admin", "GET"), ("/metrics", "GET")}
    assert all(operation["summary"] for methods in described()["paths"].values() for operation in methods.values())


def test_a_path_with_a_name_is_told_from_one_with_a_parameter() -> None:
    assert operations_of("/__admin/hub/clients") is described()["paths"]["/__admin/hub/clients"]
    assert operations_of("/__admin/lrms/x") is described()["paths"]["/__admin/lrms/{client_id}"]
    assert operations_of("/__admin/nothing") is None


FAULTS: list[tuple[dict[str, Any], bool]] = [
    ({"kind": "latency", "params": {"ms": 1}}, True),
    ({"kind": "latency"}, False),
    ({"kind": "latency", "params": {"ms": -1}}, False),
    ({"kind": "latency", "params": {"ms": "1"}}, False),
    ({"kind": "latency", "params": {"ms": 1, "colour": "red"}}, False),
    ({"kind": "status", "params": {"code": 200}}, False),
    ({"kind": "status", "params": {"code": 503}}, True),
    ({"kind": "drop", "target": "hub"}, True),
    ({"kind": "earthquake"}, False),
]


@pytest.mark.parametrize(("fault", "usable"), FAULTS)
async def test_the_schema_of_a_fault_says_what_the_control_plane_says(
    admin: httpx.AsyncClient, fault: dict[str, Any], usable: bool
) -> None:
    wanted = {"target": "sas", **fault}
    assert judge({"$ref": "#/components/schemas/FaultRequest"}).is_valid(wanted) is usable
    assert ((await admin.post("/__admin/faults", json=wanted)).status_code == 201) is usable


def test_the_rules_of_an_lrm_have_their_own_kinds() -> None:
    rule = judge({"$ref": "#/components/schemas/RuleRequest"})
    assert rule.is_valid({"kind": "ack-refused", "params": {"code": 300, "message": "create"}})
    assert not rule.is_valid({"kind": "ack-refused", "params": {"code": 303}})
    assert not rule.is_valid({"kind": "latency", "params": {"ms": 1}})


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_parameter_is_explained(name: str) -> None:
    schema = described()["components"]["schemas"][f"fault-{name}"]
    assert all(each["description"] for each in schema["properties"].values())
    assert {*schema["properties"]} == {*KINDS[name].texts()}


def test_the_judge_sees_what_is_wrong() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        judge({"$ref": "#/components/schemas/ClockState"}).validate({"now": "x", "offset": 1.0})
