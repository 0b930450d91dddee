"""Property lists as octets: what the hub writes is read back unchanged, and cached reads equal first reads."""

from __future__ import annotations

import pytest

from sandbox.amqp.encoding import properties as props
from sandbox.amqp.errors import FrameError

LONG = "x" * 300


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sender": "fr.health.test.ptfsas"},
        {"sender": "santé"},
        {"sender": LONG},
        {"count": 3},
        {"flag": True},
        {"sender": "a", "count": 3, "nested": {"list": ["b", 4]}},
    ],
)
@pytest.mark.parametrize("expiration", [None, 1, 86_400_000])
def test_headers_and_expiration_read_back(headers, expiration):
    fields = props.split(props.build(content_type="application/json", headers=headers, expiration_ms=expiration))
    assert props.headers(fields) == headers
    assert props.text(fields, props.CONTENT_TYPE) == "application/json"
    assert props.text(fields, props.EXPIRATION) == (None if expiration is None else str(expiration))
    assert fields[props.DELIVERY_MODE] == b"\x02"


def test_equal_values_of_different_types_are_not_taken_for_each_other():
    built = [props.build(content_type="a", headers={"value": value}) for value in (1, True, "1")]
    assert [props.headers(props.split(raw))["value"] for raw in built] == [1, True, "1"]
    assert props.headers(props.split(built[1]))["value"] is True


@pytest.mark.parametrize("headers", [{"torn": "\ud800"}, {"k" * 256: "v"}, {"torn": "\ud800", "object": object()}])
def test_header_that_cannot_be_written_is_left_out(headers):
    assert props.headers(props.split(props.build(content_type="a", headers=headers))) == {}


@pytest.mark.parametrize("filler", ["", LONG])
def test_reading_is_splitting_whatever_the_length(filler):
    raw = props.build(content_type="application/json", headers={"a": filler, "b": 1}, expiration_ms=5)
    assert props.read(raw) == props.read(raw) == props.split(raw)


@pytest.mark.parametrize("read", [props.read, props.split])
@pytest.mark.parametrize("filler", ["", LONG])
def test_octets_beyond_the_properties_are_refused(read, filler):
    raw = props.build(content_type="a", headers={"a": filler})
    with pytest.raises(FrameError, match="more than its properties"):
        read(raw + b"\x00")
