"""The table of flows: which flow a request belongs to, and what follows from one more entry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.kernel.flows import Flow, Party, Port, ServedFlows

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("role", "port", "method", "path", "query", "flow"),
    [
        ("sas", "fhir", "PUT", "/fhir/Appointment", b"", Flow.INT_R03),
        ("sas", "fhir", "GET", "/", b"", Flow.INT_R03),
        ("sas", "pages", "GET", "/sas/recherche", b"origin=x", Flow.INT_L01),
        ("sas", "pages", "GET", "/sas/recherche", b"", Flow.UI),
        ("sas", "pages", "GET", "/sas/recherche/suite", b"origin=x", Flow.UI),
        ("sas", "pages", "GET", "/api", b"", Flow.API),
        ("sas", "pages", "POST", "/api/login", b"origin=x", Flow.API),
        ("sas", "pages", "GET", "/", b"", Flow.UI),
        ("lrm", "pages", "GET", "/api", b"", Flow.API),
        ("lrm", "pages", "GET", "/api/orientations/1", b"", Flow.API),
        ("lrm", "pages", "GET", "/apia", b"", Flow.UI),
        ("lrm", "pages", "GET", "/", b"", Flow.UI),
        ("psc", "pages", "GET", "/psc/authorize", b"", Flow.PSC),
        ("editors", "pages", "GET", "/rdv", b"", Flow.UI),
    ],
)
def test_a_request_belongs_to_the_flow_that_describes_it_most_narrowly(
    role: Party, port: Port, method: str, path: str, query: bytes, flow: Flow
) -> None:
    assert ServedFlows(role, port).at(method, path, query) is flow


@pytest.mark.parametrize(
    ("method", "path", "flows"),
    [
        ("GET", "/Slot", (Flow.INT_R01, Flow.INT_R04, Flow.SOS)),
        ("GET", "/Schedule", (Flow.SOS, Flow.INT_R01, Flow.INT_R04)),
        ("GET", "/Location", (Flow.SOS, Flow.INT_R01)),
        ("GET", "/HealthcareService", (Flow.INT_R04,)),
        ("GET", "/Organization", (Flow.INT_R04, Flow.SOS)),
        ("GET", "/Practitioner", (Flow.INT_R01, Flow.INT_R04, Flow.SOS)),
        ("POST", "/Practitioner", (Flow.INT_R02,)),
        ("PUT", "/Practitioner", (Flow.INT_R02,)),
        ("GET", "/", (Flow.INT_R01, Flow.INT_R04, Flow.SOS)),
    ],
)
def test_flows_that_share_a_type_of_resource_at_an_editor_come_in_order(
    method: str, path: str, flows: tuple[Flow, ...]
) -> None:
    assert ServedFlows("editors", "fhir").of(method, path, lambda _: False) == flows


def test_the_include_of_cpts_makes_a_search_of_slots_their_flow_and_no_other_request() -> None:
    served = ServedFlows("editors", "fhir")
    assert served.queries == ("service-type-reference",)
    assert served.of("GET", "/Slot", "service-type-reference".__eq__) == (Flow.INT_R04,)
    assert served.of("GET", "/Schedule", "service-type-reference".__eq__)[0] is Flow.SOS


def test_a_port_that_nobody_serves_knows_no_flow() -> None:
    assert ServedFlows("psc", "fhir").of("GET", "/", lambda _: True) == ()


def test_what_follows_from_a_flow_is_in_the_table() -> None:
    assert [flow for flow in Flow if flow.fhir] == [
        Flow.INT_R01, Flow.INT_R02, Flow.INT_R03, Flow.INT_R04, Flow.SOS, Flow.PDM,
    ]  # fmt: skip
    assert [flow for flow in Flow if flow.interfaced] == [flow for flow in Flow if flow.fhir]
    assert [flow for flow in Flow if flow.answered_by_editors] == [
        Flow.INT_R01, Flow.INT_R02, Flow.INT_R04, Flow.SOS, Flow.PDM, Flow.UI,
    ]  # fmt: skip
    assert [flow for flow in Flow if not flow.endpoints or not flow.callers] == []
    assert [Flow(flow.value) for flow in Flow] == [*Flow]


def test_a_new_flow_is_one_entry_of_the_table() -> None:
    program = [sys.executable, "-m", "tests.unit.kernel.new_flow"]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "journal": [["sas", "INT_X99", "POST /imaginary"], ["editor:", "INT_X99", "POST /a/fhir/Imaginary"]],
        "journal filtered": 2,
        "metrics": ['sas_sandbox_exchanges_total{actor="sas",direction="in",flow="INT_X99",status="422"} 1.0'],
        "error as FHIR": True,
        "latency": {"editor:a:latency:INT_X99": "1/2"},
        "latency comes back": True,
        "of an editor without it": [["latency.INT_X99", "this editor does not answer INT_X99"]],
        "of an editor with it": [],
        "external editors": True,
        "personas": True,
    }
