"""Whatever a client sends, it gets a protocol error or an answer; the broker neither fails nor miscounts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import commands, frame

from sandbox.amqp.encoding import properties as props
from sandbox.amqp.encoding.codec import FrameReader
from sandbox.amqp.encoding.codec import frame as make_frame
from sandbox.amqp.errors import FrameError
from sandbox.amqp.session.states import ConnectionState

ANYTHING = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
METHODS = sorted(commands.INDEX_MAPPING)
QUEUES = ["", "dispatch", "fr.health.test.ptfsas.message", "x"]

octets = st.binary(max_size=200)
short = st.sampled_from(QUEUES).map(lambda text: bytes((len(text),)) + text.encode())
arguments = st.lists(st.one_of(short, st.binary(max_size=6)), max_size=6).map(b"".join)
method = st.tuples(st.sampled_from(METHODS).map(lambda index: index.to_bytes(4, "big")), arguments).map(b"".join)
content = st.tuples(
    st.just(b"\x00\x3c\x00\x00"), st.integers(0, 9).map(lambda size: size.to_bytes(8, "big")), st.binary(max_size=40)
).map(b"".join)
some_frame = st.one_of(
    st.builds(make_frame, st.just(1), st.integers(0, 3), method),
    st.builds(make_frame, st.just(2), st.integers(0, 2), content),
    st.builds(make_frame, st.just(3), st.integers(0, 2), st.binary(max_size=5)),
    st.builds(make_frame, st.integers(0, 9), st.integers(0, 2), octets),
    st.just(frame.marshal(commands.Channel.Open(), 1)),
    st.just(frame.marshal(commands.Basic.Publish(0, "hubsante", "fr.health.test.ptfsas"), 1)),
    st.just(frame.marshal(commands.Basic.Consume(queue="fr.health.test.ptfsas.message"), 1)),
    octets,
)


def check(broker, wire):
    """What must hold whatever happened: everything sent is readable, and all counts are right."""
    wire.read()
    wire.session.lost(wire.now)
    for vhost in broker.vhosts.values():
        for queue in vhost.queues.values():
            assert (queue.unacked, len(queue.consumers)) == (0, 0)
    held = sum(
        len(entry.message.body)
        for vhost in broker.vhosts.values()
        for queue in vhost.queues.values()
        for entry in queue.ready
    )
    assert broker.load.octets == held


@ANYTHING
@given(st.lists(octets, max_size=5))
def test_strangers(broker, stranger, chunks):
    wire = stranger()
    for chunk in chunks:
        wire.raw(chunk)
    check(broker, wire)


@ANYTHING
@given(st.lists(octets, max_size=5))
def test_strangers_who_know_the_header(broker, stranger, chunks):
    wire = stranger().raw(b"AMQP\x00\x00\x09\x01")
    for chunk in chunks:
        wire.raw(chunk)
    check(broker, wire)


@ANYTHING
@given(st.lists(some_frame, max_size=12), st.integers(1, 50))
def test_frames_in_any_order_cut_anywhere(broker, connect, stock, frames, step):
    stock("fr.health.test.ptfsas.message", b"a", b"b")
    wire = connect()
    stream = b"".join(frames)
    for at in range(0, len(stream), step):
        wire.raw(stream[at : at + step])
    check(broker, wire)


@ANYTHING
@given(st.lists(st.tuples(st.integers(0, 3), octets), max_size=6), st.integers(1, 40))
def test_reader_gives_the_same_frames_however_the_stream_is_cut(pieces, step):
    frames = [(3, number, payload) for number, payload in pieces]
    stream = b"".join(make_frame(*parts) for parts in frames)
    reader = FrameReader()
    found = [parts for at in range(0, len(stream), step) for parts in reader.feed(stream[at : at + step])]
    assert found == frames


@ANYTHING
@given(octets)
def test_properties_are_read_or_refused(raw):
    try:
        fields = props.split(raw)
        table = fields.get(props.HEADERS)
        if table is not None:
            assert props.join_table(props.table_fields(table))[:4] is not None
        props.headers(fields)
    except FrameError:
        return
    assert props.split(props.join(fields)) == fields


def test_deeply_nested_tables_are_harmless(connect, broker):
    value = b"V"
    for _ in range(15_000):
        value = b"A" + len(value).to_bytes(4, "big") + value
    table = b"\x01a" + value
    raw = b"\x20\x00" + len(table).to_bytes(4, "big") + table
    wire = connect()
    wire.send(commands.Basic.Publish(0, "hubsante", "fr.health.test.ptfsas"))
    wire.raw(make_frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + raw))
    assert wire.read() == []
    entry = broker.vhosts["15-15_v2.0"].queues["dispatch"].ready[0]
    assert props.headers(props.split(entry.message.properties)) == {"a": None}
    arguments = b"\x00\x3c\x00\x14\x00\x00\x01x\x01t\x00" + len(table).to_bytes(4, "big") + table
    assert wire.raw(make_frame(1, 1, arguments)).one(commands.Connection.Close).reply_code == 501


def test_a_large_frame_octet_by_octet_costs_no_more_than_its_size():
    payload = bytes(100_000)
    stream = make_frame(3, 1, payload)
    reader = FrameReader(131_072)
    found = [parts for at in range(len(stream)) for parts in reader.feed(stream[at : at + 1])]
    assert found == [(3, 1, payload)]


@pytest.mark.parametrize("size", [0, 1, 5])
def test_after_the_end_octets_are_ignored(stranger, size):
    wire = stranger().raw(b"HTTP/1.1")
    wire.read()
    assert wire.session.state is ConnectionState.ENDED
    assert wire.raw(bytes(size)).read() == []


@pytest.mark.parametrize("table", [b"\x00\x00\x00\x09", b"\x00\x00\x00\x07\x01aS\x00\x00\x00\x09"])
def test_table_that_is_shorter_than_it_says_is_refused(table):
    with pytest.raises(FrameError):
        props.table_fields(table)
