"""An editor's CapabilityStatement states exactly what it serves (CAP-1)."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from sandbox.fhir import nos
from sandbox.fhir.capability import statement
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor

NOW = datetime(2026, 11, 23, 10, tzinfo=PARIS)
ACCOUNTS = (Flow.INT_R02, Flow.INT_R03)


def resources(*flows):
    editor = Editor("x", "Éditeur X", "urn:oid:1.2.3", flows, "399900100000010")
    document = json.loads(statement(editor, base="https://127.0.0.1:8043/x/fhir", now=NOW))
    CapabilityStatement.model_validate(document)
    assert (document["kind"], document["fhirVersion"]) == ("instance", "4.0.1")
    assert document["implementation"]["url"] == "https://127.0.0.1:8043/x/fhir"
    assert document["date"] == "2026-11-23T10:00:00.000+01:00"
    (rest,) = document["rest"]
    return {resource["type"]: resource for resource in rest["resource"]}


def codes(resource):
    return [each["code"] for each in resource["interaction"]]


@pytest.mark.requirement("CAP-1")
def test_individual_agendas_offer_the_slot_search_without_the_includes_of_int_r04():
    held = resources(Flow.INT_R01, *ACCOUNTS)
    assert set(held) == {"Slot", "Schedule", "Practitioner", "PractitionerRole"}
    assert codes(held["Slot"]) == ["read", "search-type"]
    assert held["Slot"]["searchInclude"] == ["Slot:schedule", "Schedule:actor"]
    assert [each["name"] for each in held["Slot"]["searchParam"]] == [
        "start", "status", "schedule.actor:Practitioner.identifier", "_count", "_after",
    ]  # fmt: skip
    assert held["Slot"]["supportedProfile"] == [nos.SLOT_PROFILE]
    assert codes(held["Schedule"]) == ["read"]
    assert held["Practitioner"]["supportedProfile"] == [nos.PRACTITIONER_PROFILE, nos.REGULATOR_PROFILE]
    assert codes(held["Practitioner"]) == ["read", "create", "update"]
    assert held["Practitioner"]["conditionalUpdate"] is True
    assert "PUT Practitioner?identifier=" in held["Practitioner"]["interaction"][2]["documentation"]


def test_int_r04_adds_its_includes_resources_and_profile():
    held = resources(Flow.INT_R01, Flow.INT_R04)
    assert {"HealthcareService", "Organization"} < set(held)
    assert held["Slot"]["searchInclude"][2:] == ["Slot:service-type-reference", "HealthcareService:organization"]
    assert held["Slot"]["supportedProfile"] == [nos.SLOT_PROFILE, nos.CPTS_SLOT_PROFILE]
    assert codes(held["Practitioner"]) == ["read"]  # no accounts without INT_R02


def test_sos_offers_the_schedule_search_and_reads_of_slots():
    held = resources(Flow.SOS, *ACCOUNTS)
    assert set(held) == {"Schedule", "Slot", "Location", "Organization", "Practitioner"}
    assert codes(held["Slot"]) == ["read"]
    assert codes(held["Schedule"]) == ["read", "search-type"]
    assert held["Schedule"]["searchInclude"] == ["Schedule:actor:Location", "Location:organization"]
    assert held["Schedule"]["searchRevInclude"] == ["Slot:schedule"]
    assert held["Practitioner"]["supportedProfile"] == [nos.REGULATOR_PROFILE]


def test_communities_take_requests_and_their_withdrawals():
    held = resources(Flow.PDM, *ACCOUNTS)
    assert set(held) == {"Practitioner", "ServiceRequest"}
    assert codes(held["ServiceRequest"]) == ["read", "create", "update"]
    assert "supportedProfile" not in held["ServiceRequest"]
    assert "revoked" in held["ServiceRequest"]["interaction"][2]["documentation"]


def test_an_editor_without_searches_still_states_its_accounts():
    assert set(resources(*ACCOUNTS)) == {"Practitioner"}
    assert resources(Flow.INT_R03) == {}


@pytest.mark.parametrize("flows", [(Flow.INT_R01, Flow.SOS), (Flow.INT_R01, Flow.INT_R04, Flow.SOS)])
def test_an_editor_may_serve_both_searches(flows):
    held = resources(*flows)
    assert codes(held["Slot"]) == codes(held["Schedule"]) == ["read", "search-type"]
    assert held["Schedule"]["supportedProfile"] == [nos.SCHEDULE_PROFILE, nos.SOS_SCHEDULE_PROFILE]
    assert nos.SOS_ORGANIZATION_PROFILE in held["Organization"]["supportedProfile"]
