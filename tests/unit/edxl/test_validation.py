"""Our statement of the message model: what is accepted, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.edxl.validation import MESSAGE, MOST_ISSUES, SchemaIssue, cause, validate
from tests.unit.edxl.corpus import APPOINTMENT, HEADER, appointment, envelope, error, parent, places, reference

PREFIX = ("content", 0, "jsonContent", "embeddedJsonContent", "message")


def at(document: dict[str, Any], *path: str | int) -> Any:
    return parent(document, (*PREFIX, *path))


@pytest.mark.parametrize("make", [appointment, reference, error])
def test_a_message_of_each_content_is_valid(make: Any) -> None:
    assert validate(make()) == []


@pytest.mark.parametrize("scheme", ["hubex", "Hubex"])
def test_both_spellings_of_the_address_scheme_are_accepted(scheme: str) -> None:
    document = appointment()
    document["descriptor"]["explicitAddress"]["explicitAddressScheme"] = scheme
    assert validate(document) == []


@pytest.mark.parametrize("name", sorted(envelope({})))
def test_every_property_of_the_envelope_is_required(name: str) -> None:
    document = appointment()
    del document[name]
    assert validate(document) == [SchemaIssue(name, "is missing but it is required", "$")]


@pytest.mark.parametrize("name", sorted(HEADER))
def test_every_property_of_the_header_is_required_beside_an_appointment(name: str) -> None:
    document = appointment()
    del at(document, name)[name]
    assert validate(document) == [SchemaIssue(name, "is missing but it is required")]


@pytest.mark.parametrize("name", sorted(HEADER))
def test_no_property_of_the_header_is_required_beside_an_error(name: str) -> None:
    document = error()
    at(document, name)[name] = 42
    assert validate(document) == []


@pytest.mark.parametrize("name", sorted(APPOINTMENT))
def test_the_mandatory_properties_of_an_appointment_are_exactly_those_of_the_model(name: str) -> None:
    document = appointment()
    del at(document, "appointment", name)[name]
    optional = name in {"end", "orientationCategory", "practitioner", "organization"}
    expected = [] if optional else [SchemaIssue(f"appointment.{name}", "is missing but it is required")]
    assert validate(document) == expected


@pytest.mark.parametrize(
    ("path", "optional"),
    [
        (("practitioner", "rppsId"), False),
        (("practitioner", "lastName"), False),
        (("practitioner", "firstName"), False),
        (("practitioner", "specialityCode"), True),
        (("practitioner", "specialityUrl"), True),
        (("practitioner", "professionCode"), True),
        (("practitioner", "professionUrl"), True),
        (("organization", "organizationId"), False),
        (("organization", "name"), False),
        (("regulator", "regulatorId"), True),
        (("regulator", "regulatorName"), False),
        (("regulator", "regulatorFirstname"), False),
        (("regulator", "regulatorEmail"), False),
    ],
)
def test_the_mandatory_properties_of_its_parties_too(path: tuple[str, str], optional: bool) -> None:
    document = appointment()
    del at(document, "appointment", *path)[path[-1]]
    assert bool(validate(document)) is not optional


def test_no_closed_object_admits_a_property_that_it_does_not_name() -> None:
    model = appointment()
    objects = [path for path in places(model) if isinstance(parent(model, (*path, "")), dict)]
    admits = {PREFIX, PREFIX[:-1]}  # RC-DE and the container of the message are open
    for path in [(), *objects]:
        document = appointment()
        parent(document, (*path, "unknown"))["unknown"] = 1
        assert (validate(document) == []) is (path in admits), path


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.000+01:00",
        "2026-11-22T10:00+01:00",
        "2026-13-01T10:00:00+01:00",
    ],
)
@pytest.mark.parametrize("name", ["created", "start", "end"])
def test_a_date_of_an_appointment_has_an_offset_and_no_decimals(name: str, text: str) -> None:
    document = appointment()
    at(document, "appointment", name)[name] = text
    assert validate(document)


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00Z", "2026-11-22t10:00:00.5z"])
def test_a_date_of_the_envelope_may_be_any_rfc_3339_instant(text: str) -> None:
    document = appointment()
    document["dateTimeExpires"] = text
    assert validate(document) == []


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "2016-12-31T23:59:60Z"])
def test_an_expiry_that_no_calendar_holds_is_an_issue(text: str) -> None:
    document = appointment()
    document["dateTimeExpires"] = text
    (issue,) = validate(document)
    assert (issue.path, issue.root) == ("dateTimeExpires", "$")


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01T00:00:00+00:00",
        "2016-12-31T23:59:60+00:00",
        "9999-12-31T23:59:59+00:00",
        "0001-01-01T00:00:00+01:00",
    ],
)
@pytest.mark.parametrize("name", ["created", "start", "end"])
def test_an_appointment_that_no_calendar_holds_is_an_issue(name: str, text: str) -> None:
    document = appointment()
    at(document, "appointment", name)[name] = text
    assert [issue.path for issue in validate(document)] == [f"appointment.{name}"]


def test_an_expiry_may_be_the_end_of_time() -> None:
    document = appointment()
    document["dateTimeExpires"] = "9999-12-31T23:59:59Z"
    assert validate(document) == []


@pytest.mark.parametrize("value", ["010000000001", "8100000000001", "820000000001", "81000000000x"])
def test_a_practitioner_is_known_by_an_rpps_id_only(value: str) -> None:
    document = appointment()
    at(document, "appointment", "practitioner", "rppsId")["rppsId"] = value
    assert validate(document) == [
        SchemaIssue("appointment.practitioner.rppsId", "does not match the regex pattern ^81[0-9]{10}$")
    ]


def test_the_cause_names_where_and_what() -> None:
    document = appointment()
    at(document, "appointment", "orientationCategory")["orientationCategory"] = "GARDE"
    assert cause(validate(document)) == (
        "Issues found on the $.content[0].jsonContent.embeddedJsonContent.message content: - "
        "appointment.orientationCategory: does not have a value in the enumeration [CPTS, MSP, CDS, SOS, PS, PDM]"
    )


def test_the_cause_lists_every_issue() -> None:
    document = appointment()
    at(document, "appointment", "x").update(status="gone", method="createAppointment", more=1)
    text = cause(validate(document))
    assert text.count(" - appointment.") == 3


def test_a_message_without_a_known_content_is_refused() -> None:
    document = envelope({**HEADER, "createCase": {}})
    assert validate(document) == [
        SchemaIssue("", "holds no known content (one of appointment, reference, error is expected)")
    ]
    assert cause(validate(document)).startswith(f"Issues found on the {MESSAGE} content: - {MESSAGE}: ")


def test_a_message_with_two_contents_is_refused() -> None:
    document = appointment()
    at(document, "reference")["reference"] = {"distributionID": "x"}
    (issue,) = validate(document)
    assert "2 known contents (appointment, reference)" in issue.text


def test_two_messages_in_one_envelope_are_refused() -> None:
    document = appointment()
    document["content"] *= 2
    assert validate(document) == [SchemaIssue("content", "must have a maximum of 1 items in the array", "$")]


@pytest.mark.parametrize("document", [None, 1, "x", [], {}, [{}]])
def test_anything_but_an_envelope_is_refused(document: object) -> None:
    assert validate(document)


def test_the_list_of_issues_is_bounded() -> None:
    document = appointment() | {f"unknown{number}": 1 for number in range(1000)}
    assert len(validate(document)) == MOST_ISSUES


def test_a_message_may_be_nested_very_deep_where_anything_is_admitted_but_not_in_place_of_a_value() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = {"a": deep}
    document = appointment()
    at(document, "anything")["anything"] = deep
    assert validate(document) == []
    at(document, "appointment", "status")["status"] = deep
    assert [issue.text for issue in validate(document)] == ["holds a value that is nested too deep to be judged"]
