"""The definitions file that makes a RabbitMQ this hub.

An AMQP client cannot create users, rights and the policy of the client queues; virtual hosts, exchanges, queues and
bindings are in the file too, so that a broker that has imported it is complete. The same input gives the same octets.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from sandbox.hub.topology import EXCHANGES, bindings
from sandbox.kernel.hub.clients import HUB_ID
from sandbox.kernel.hub.queues import DEAD_LETTER, HUBSANTE, SUFFIXES, client_queues

_HASHING = "rabbit_password_hashing_sha256"
_NOTHING, _ALL = "^$", ".*"


def definitions(
    clients: Sequence[str], vhosts: Sequence[str], *, ttl_ms: int, password: str | None, most: int = 0
) -> bytes:
    """JSON for `rabbitmqctl import_definitions` or `definitions.import_backend`.

    `ttl_ms`: how long a message waits in a client's queue, `most`: how many may (0: any number); `password`: that of
    all users with SASL PLAIN, None when they come with certificates (SASL EXTERNAL with
    `ssl_cert_login_from = common_name`).
    """
    users = (HUB_ID, *clients)
    document = {
        "users": [_user(name, password) for name in users],
        "vhosts": [{"name": name} for name in vhosts],
        "permissions": [right for vhost in vhosts for right in _permissions(vhost, clients)],
        "topic_permissions": [_topic(vhost, client) for vhost in vhosts for client in clients],
        "policies": [_policy(vhost, ttl_ms, most) for vhost in vhosts],
        "exchanges": [_exchange(vhost, name, kind) for vhost in vhosts for name, kind in EXCHANGES.items()],
        "queues": [_queue(vhost, queue) for vhost in vhosts for queue, _, _ in bindings(clients)],
        "bindings": [_binding(vhost, *binding) for vhost in vhosts for binding in bindings(clients)],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _user(name: str, password: str | None) -> dict[str, Any]:
    hashed = "" if password is None else _hashed(name, password)
    return {"name": name, "password_hash": hashed, "hashing_algorithm": _HASHING, "tags": []}


def _hashed(name: str, password: str) -> str:
    """RabbitMQ's salted SHA-256; the salt follows from the name, so that the file is the same every time."""
    salt = hashlib.sha256(name.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _permissions(vhost: str, clients: Iterable[str]) -> Iterable[dict[str, str]]:
    """The dispatcher may do everything; a client publishes to `hubsante` and reads its own three queues."""
    yield {"user": HUB_ID, "vhost": vhost, "configure": _ALL, "write": _ALL, "read": _ALL}
    for client in clients:
        own = "|".join(re.escape(queue) for queue in client_queues(client))
        yield {"user": client, "vhost": vhost, "configure": _NOTHING, "write": f"^{HUBSANTE}$", "read": f"^({own})$"}


def _topic(vhost: str, client: str) -> dict[str, str]:
    """A client publishes with its own routing key only."""
    return {"user": client, "vhost": vhost, "exchange": HUBSANTE, "write": f"^{re.escape(client)}$", "read": _NOTHING}


def _policy(vhost: str, ttl_ms: int, most: int) -> dict[str, Any]:
    limited = {"max-length": most} if most else {}
    suffixes = "|".join(suffix.removeprefix(".") for suffix in SUFFIXES)
    return {
        "vhost": vhost,
        "name": "client-queues",
        "pattern": f"\\.({suffixes})$",
        "apply-to": "queues",
        "definition": {"message-ttl": ttl_ms, "dead-letter-exchange": DEAD_LETTER, **limited},
        "priority": 0,
    }


def _exchange(vhost: str, name: str, kind: str) -> dict[str, Any]:
    rest = {"durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return {"name": name, "vhost": vhost, "type": kind, **rest}


def _queue(vhost: str, name: str) -> dict[str, Any]:
    return {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}


def _binding(vhost: str, queue: str, exchange: str, key: str) -> dict[str, Any]:
    return {
        "source": exchange, "vhost": vhost, "destination": queue, "destination_type": "queue", "routing_key": key,
        "arguments": {},
    }  # fmt: skip
