"""Our statement of the message model: what is accepted, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.edxl.schemas import MOST_ITEMS, UNREAD
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
    assert validate(document) == [SchemaIssue(name, "is missing but it is required", part="header")]


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


@pytest.mark.parametrize("more", [{}, {"createCases": {}}])
def test_a_message_without_a_known_content_is_refused(more: dict[str, Any]) -> None:
    document = envelope({**HEADER, **more})
    (issue,) = validate(document)
    assert (issue.path, issue.root) == ("", MESSAGE)
    assert issue.text.startswith("holds no known content (one of appointment, reference, error or ")
    assert cause(validate(document)).startswith(f"Issues found on the {MESSAGE} content: - {MESSAGE}: ")


@pytest.mark.parametrize("name", UNREAD)
def test_the_content_of_another_use_case_is_not_looked_into_but_its_envelope_and_header_are(name: str) -> None:
    document = envelope({**HEADER, name: {"anything": ["at", "all"]}})
    assert validate(document) == []
    del at(document, "sentAt")["sentAt"]
    has_header = name not in {"technicalNoreq", "customContent"}
    assert [(issue.path, issue.part) for issue in validate(document)] == [("sentAt", "header")] * has_header
    del document["senderID"]
    assert SchemaIssue("senderID", "is missing but it is required", "$") in validate(document)


def test_faults_of_envelope_header_and_content_are_told_apart_each_under_its_line() -> None:
    document = appointment()
    del document["senderID"]
    at(document, "sentAt").update(sentAt="hier", kind="Fax")
    at(document, "appointment", "x").update(status="gone")
    lines = cause(validate(document)).split("\n")
    assert [line.partition(": - ")[0] for line in lines] == [
        "Issues found on the $ content",
        f"Issues found on the {MESSAGE} header",
        f"Issues found on the {MESSAGE} content",
    ]
    assert " - kind: does not have a value in the enumeration [Report, Update, Cancel, Ack, Error]" in lines[1]


@pytest.mark.parametrize("content", [{}, {"unheardOf": 1}])
def test_a_missing_or_unknown_content_does_not_hide_the_faults_of_the_header(content: dict[str, Any]) -> None:
    header = {name: value for name, value in HEADER.items() if name != "sender"}
    header_line, content_line = cause(validate(envelope({**header, **content}))).split("\n")
    assert header_line == f"Issues found on the {MESSAGE} header: - sender: is missing but it is required"
    assert content_line.startswith(f"Issues found on the {MESSAGE} content: - {MESSAGE}: holds no known content")


@pytest.mark.parametrize("holder", ["content", "jsonContent", "embeddedJsonContent", "message"])
def test_an_envelope_that_ends_early_is_judged_as_far_as_it_goes(holder: str) -> None:
    document: dict[str, Any] = envelope({})
    place: Any = document
    for step in ("content", 0, "jsonContent", "embeddedJsonContent", "message"):
        if step == holder:
            place[step] = "nothing"
            break
        place = place[step]
    assert [issue.root for issue in validate(document)] == ["$"]


def test_a_message_with_two_contents_is_refused() -> None:
    document = appointment()
    at(document, "reference")["reference"] = {"distributionID": "x"}
    (issue,) = validate(document)
    assert "2 known contents (appointment, reference)" in issue.text


def test_each_message_of_an_envelope_is_judged() -> None:
    document = appointment()
    document["content"] += reference()["content"]
    assert validate(document) == []
    at(document, "recipient")["recipient"] = []
    document["content"] += error()["content"]
    del document["content"][2]["jsonContent"]["embeddedJsonContent"]["message"]["error"]["errorCause"]
    third = MESSAGE.replace("[0]", "[2]")
    assert validate(document) == [
        SchemaIssue("recipient", "must have a minimum of 1 items in the array", part="header"),
        SchemaIssue("error.errorCause", "is missing but it is required", third),
    ]


@pytest.mark.parametrize("name", ["content", "recipient"])
def test_an_array_has_a_maximum(name: str) -> None:
    document = appointment()
    holder = document if name == "content" else at(document, name)
    holder[name] *= MOST_ITEMS
    assert validate(document) == []
    holder[name] *= 2
    assert [(issue.path, issue.text) for issue in validate(document)] == [
        (name, f"must have a maximum of {MOST_ITEMS} items in the array")
    ]


def test_nothing_is_judged_beyond_the_fiftieth_issue_and_the_cause_says_so() -> None:
    document = appointment()
    document["content"] = [{} for _ in range(MOST_ITEMS)]
    text = cause(validate(document))
    assert text.count(": is missing but it is required") == MOST_ISSUES
    assert text.endswith("These are the first 50 issues: nothing was judged beyond them.")


def test_names_of_any_length_make_no_cause_of_any_length() -> None:
    document = appointment() | {"x" * 100_000: 1}
    assert len(cause(validate(document))) < 1_000


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
    assert [issue.text for issue in validate(document)] == ["is not of the expected type string"]
