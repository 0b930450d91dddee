"""The methods a client may call on the connection itself (channel 0), one function each; a table says which method is
allowed in which state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pamqp import base, commands

from sandbox.amqp.encoding import codec
from sandbox.amqp.errors import ProtocolError
from sandbox.amqp.session.session import CHANNEL_MAX, Session
from sandbox.amqp.session.states import ConnectionState, connection_step

FRAME_MAX, HEARTBEAT = 131_072, 60

SERVER_PROPERTIES: dict[str, Any] = {
    "product": "SAS Sandbox Hub",
    "version": "3.10.8",  # of RabbitMQ, whose behaviour this follows: some clients compare the version
    "platform": "Python",
    "copyright": "Apache-2.0",
    "information": "Embedded AMQP 0-9-1 broker of sas-sandbox",
    "cluster_name": "sas-sandbox",
    "capabilities": dict.fromkeys(
        (
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ),
        True,
    ),
}


def start(session: Session) -> None:
    """Answer the protocol header with connection.start."""
    session.state = connection_step(session.state, "header")
    mechanisms = session.authenticator.mechanisms
    session.send_method(commands.Connection.Start(0, 9, SERVER_PROPERTIES, mechanisms, "en_US"))


def handle(session: Session, frame: base.Frame) -> None:
    """Carry out `frame`. Raises ProtocolError, 504 for a method that is not allowed in the present state."""
    handler = _HANDLERS.get((session.state, frame.index))
    if handler is None:
        raise ProtocolError(504, f"unexpected method in connection state {_NAMES[session.state]}")
    handler(session, frame)


def _start_ok(session: Session, frame: Any) -> None:
    if frame.mechanism not in session.authenticator.mechanisms.split():
        session.lost(session.now)
        return
    session.client_properties = frame.client_properties or {}
    response = frame.response.encode() if isinstance(frame.response, str) else bytes(frame.response)
    rights = session.authenticator.login(response)
    if rights is not None:
        session.rights, session.user = rights, rights.user
        session.state = connection_step(session.state, "start-ok")
        session.send_method(commands.Connection.Tune(CHANNEL_MAX, FRAME_MAX, HEARTBEAT))
        return
    if not session.is_able("authentication_failure_close"):
        session.lost(session.now)
        return
    detail = f"Login was refused using authentication mechanism {frame.mechanism}. For details see the broker logfile."
    session.close(ProtocolError(403, detail), (0, 0))
    session.state = connection_step(session.state, "refuse")


def _tune_ok(session: Session, frame: Any) -> None:
    if not (0 < frame.channel_max <= CHANNEL_MAX and codec.FRAME_MIN_SIZE <= frame.frame_max <= FRAME_MAX):
        session.lost(session.now)
        return
    session.channel_max, session.heartbeat = frame.channel_max, frame.heartbeat
    session.frame_max = frame.frame_max
    session.state = connection_step(session.state, "tune-ok")


def _open(session: Session, frame: Any) -> None:
    name = frame.virtual_host
    vhost = session.broker.find_vhost(name)
    session.rights.enter(name, vhost is not None)
    assert vhost is not None
    session.enter(vhost)
    session.state = connection_step(session.state, "open")
    session.send_method(commands.Connection.OpenOk())


def _update_secret(session: Session, frame: Any) -> None:
    session.send_method(commands.Connection.UpdateSecretOk())


def _close(session: Session, frame: Any) -> None:
    session.release()
    session.send_method(commands.Connection.CloseOk())
    session.state = connection_step(session.state, "close")


_NAMES = {  # as RabbitMQ does
    ConnectionState.START_OK: "starting",
    ConnectionState.TUNE_OK: "tuning",
    ConnectionState.OPEN: "opening",
    ConnectionState.RUNNING: "running",
}

_HANDLERS: Mapping[tuple[ConnectionState, int], Callable[[Session, Any], None]] = {
    (ConnectionState.START_OK, commands.Connection.StartOk.index): _start_ok,
    (ConnectionState.TUNE_OK, commands.Connection.TuneOk.index): _tune_ok,
    (ConnectionState.OPEN, commands.Connection.Open.index): _open,
    (ConnectionState.RUNNING, commands.Connection.Close.index): _close,
    (ConnectionState.RUNNING, commands.Connection.UpdateSecret.index): _update_secret,
}
