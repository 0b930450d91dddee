"""The OpenAPI document of `__admin`: made from its endpoints, with the parameters of every kind of fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox import __version__
from sandbox.control.admin.problems import MEANINGS
from sandbox.faults.kinds import KINDS, FaultKind, kinds_at
from sandbox.faults.parameters import schema
from sandbox.net.http.problems import AdminProblem
from sandbox.web.openapi import Description, Failures

_TOKEN = "file admin-token of the data directory; needed once the sandbox listens to other machines"
_REFERENCE = "#/components/schemas/"


def document(apis: Sequence[type], server: str) -> dict[str, Any]:
    """The document of these classes of endpoints; `server`: the URL of the control port."""
    found = Description(
        info={
            "title": "SAS sandbox control plane",
            "version": __version__,
            "description": "The World of the sandbox: clock, faults, editors, communities, LRMs, hub, journal.",
        },
        apis=apis,
        failures=Failures(AdminProblem, MEANINGS),
        security_schemes={"token": {"type": "http", "scheme": "bearer", "description": _TOKEN}},
    ).document(server)
    found["security"] = [{"token": []}, {}]
    _not_ready(found["paths"]["/__admin/health"]["get"]["responses"])
    schemas: dict[str, Any] = found["components"]["schemas"]
    for name in ("Fault", "FaultRequest"):
        _parameters_by_kind(schemas[name], KINDS)
    for name in ("Rule", "RuleRequest"):
        _parameters_by_kind(schemas[name], kinds_at("lrm"))
    schemas.update({_component(name): schema(kind) for name, kind in KINDS.items()})
    return found


def _not_ready(answers: dict[str, Any]) -> None:
    """`health` answers 503 with the same document."""
    answers["503"] = {**answers["200"], "description": "A role is missing or not ready"}


def _component(kind: str) -> str:
    return f"fault-{kind}"


def _parameters_by_kind(shown: dict[str, Any], kinds: Mapping[str, type[FaultKind]]) -> None:
    """Say of the structure of a fault which parameters each kind has."""
    shown["properties"]["kind"] = {"enum": [*kinds]}
    shown["allOf"] = [{"if": {"properties": {"kind": {"const": name}}}, "then": _then(name)} for name in kinds]


def _then(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"properties": {"params": {"$ref": _REFERENCE + _component(kind)}}}
    if schema(KINDS[kind]).get("required"):
        found["required"] = ["params"]
    return found
