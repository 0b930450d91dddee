"""A program: adds the flow INT_X99 to the table of flows, and prints as JSON what the sandbox then knows of it.

The flow exists in this process only: `sandbox.kernel.flows` is loaded from its own source with one entry more, before
anything imports it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

ENTRY = """
    INT_X99 = (
        "INT_X99",
        ("editors",),
        (Endpoint("sas", "pages", "/imaginary", ("POST",)), Endpoint("editors", "fhir", "/Imaginary")),
        True,
    )
"""
BEFORE = "    # pages for people\n"


def add_the_flow() -> None:
    """Load the table with the entry in it."""
    kernel = importlib.import_module("sandbox.kernel")
    source = (Path(kernel.__path__[0]) / "flows.py").read_text("utf-8")
    if source.count(BEFORE) != 1:
        raise AssertionError(f"the table has no line {BEFORE!r} before which the entry could go")
    module = sys.modules["sandbox.kernel.flows"] = ModuleType("sandbox.kernel.flows")
    exec(compile(source.replace(BEFORE, ENTRY + BEFORE), "flows.py", "exec"), module.__dict__)


def what_is_known() -> dict[str, Any]:
    """What the modules that depend on a flow say of the new one. They know the table only."""
    from sandbox.faults.check import validate_fault
    from sandbox.kernel.world import Fault
    from sandbox.partners import ExternalEditor
    from sandbox.population.personas.published import personas_schema

    validate_fault(Fault("f", "status", "sas", "INT_X99", params={"code": 503}))
    return {
        **_requests(),
        **_characters(),
        "external editors": "INT_X99" in _schema(ExternalEditor),
        "personas": "INT_X99" in personas_schema()["$defs"]["Flow"]["enum"],
    }


def _schema(shape: type) -> str:
    import msgspec

    return json.dumps(msgspec.json.schema(shape))


def _characters() -> dict[str, Any]:
    from sandbox.kernel.character import Character, Delay, character_of, problems, switches_of
    from sandbox.kernel.flows import Flow

    flow = Flow("INT_X99")
    slow = Character(latency={flow: Delay(1, 2)})
    return {
        "latency": switches_of("a", slow),
        "latency comes back": character_of("a", switches_of("a", slow)) == slow,
        "of an editor without it": list(problems(slow, lambda _: False, lambda _: True)),
        "of an editor with it": list(problems(slow, lambda _: True, lambda _: True)),
    }


def _requests() -> dict[str, Any]:
    from sandbox.control.observability.journal import JournalView
    from sandbox.control.observability.metrics import Metrics
    from sandbox.editor.fhir.identify import identify_fhir
    from sandbox.net.http.edge import Edge
    from sandbox.sas.app import identify_page

    context = _context()
    asyncio.run(_post(Edge(_refuses, context, identify_page), "/imaginary"))
    refused = asyncio.run(_post(Edge(_refuses, context, identify_fhir({})), "/a/fhir/Imaginary"))
    told = context.journal.take()
    journal = JournalView()
    journal.take("sas", told)
    metrics = Metrics(cast(Any, SimpleNamespace(lines={})), journal, lambda: None, dict).text().decode()
    found, _ = journal.since(flow="INT_X99")
    return {
        "journal": [[each.actor, each.flow, each.action] for each in told],
        "journal filtered": len(found),
        "metrics": [line for line in metrics.splitlines() if 'actor="sas"' in line and 'flow="INT_X99"' in line],
        "error as FHIR": b"OperationOutcome" in refused,
    }


def _context() -> Any:
    from sandbox.kernel.journal import Journal
    from sandbox.kernel.world import WorldView

    return SimpleNamespace(
        journal=Journal(), clock=SimpleNamespace(time=lambda: 0.0), world=WorldView(), chance=lambda _: lambda: 0.5
    )


async def _refuses(*_: object) -> None:
    from sandbox.kernel.errors import Issue, RequestError

    raise RequestError(422, Issue("value", "no"))


async def _post(app: Any, path: str) -> bytes:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "scheme": "http",
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await app(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


if __name__ == "__main__":
    add_the_flow()
    json.dump(what_is_known(), sys.stdout)
