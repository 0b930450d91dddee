"""A LRM as a vendor writes it, on pika; nothing of the sandbox: `lrm.py CLIENT HOST PORT VHOST CA CERT KEY [STORE]`.

It keeps every appointment (in the file STORE, if given, before it acknowledges anything), answers as the guide wants
and prints `ready`, then a line per message: `<method> <status> <appointmentId> <answer>`.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pika

EXCHANGE = "hubsante"
CONFLICT = (409, "CONFLICT")

Json = dict[str, Any]


def stamp(hours: int = 0) -> str:
    return (datetime.now().astimezone() + timedelta(hours=hours)).isoformat(timespec="seconds")


def content_of(message: Json) -> Json:
    found: Json = message["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    return found


@dataclass
class Lrm:
    """What it holds, and what it says to a message. `client`: its client id; `store`: a file, one line a message."""

    client: str
    store: Path | None = None
    appointments: dict[str, Json] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # distributionIDs

    def answer(self, message: Json) -> tuple[Json, str]:
        """The answer to a message, which is kept first, and the word for it."""
        appointment = content_of(message)["appointment"]
        key, id = message["distributionID"], appointment["appointmentId"]
        creates = appointment["method"] == "CreateAppointment"
        if creates and id in self.appointments and key not in self.seen:
            return self.error(message, *CONFLICT, "this appointment exists"), "409"
        if key not in self.seen:
            self.keep(message)
            self.appointments[id] = appointment
            self.seen.add(key)
        return self.acknowledgement(message), "INTEGRE"

    def keep(self, message: Json) -> None:
        """Durable, before anything is acknowledged."""
        if self.store is not None:
            with self.store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(message) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def acknowledgement(self, message: Json) -> Json:
        """RC-REF: the final acknowledgement."""
        key = self.new_id()
        header = {
            "messageId": key,
            "sender": party(self.client),
            "sentAt": stamp(),
            "kind": "Ack",
            "status": "Actual",
            "recipient": [party(message["senderID"])],
        }
        reference = {"distributionID": message["distributionID"], "step": "INTEGRE"}
        return self.envelope(key, "Ack", message["senderID"], {**header, "reference": reference})

    def error(self, message: Json, code: int, name: str, cause: str) -> Json:
        """RS-ERROR: why a message is refused."""
        error = {
            "errorCode": {"statusCode": code, "statusString": name},
            "errorCause": cause,
            "referencedDistributionID": message["distributionID"],
            "sourceMessage": message,
        }
        return self.envelope(self.new_id(), "Error", message["senderID"], {"error": error})

    def new_id(self) -> str:
        return f"{self.client}_{uuid.uuid4()}"

    def envelope(self, key: str, kind: str, to: str, message: Json) -> Json:
        address = {"explicitAddressScheme": "hubex", "explicitAddressValue": to}
        return {
            "distributionID": key,
            "senderID": self.client,
            "dateTimeSent": stamp(),
            "dateTimeExpires": stamp(24),
            "distributionStatus": "Actual",
            "distributionKind": kind,
            "descriptor": {"language": "fr-FR", "explicitAddress": address},
            "content": [{"jsonContent": {"embeddedJsonContent": {"message": message}}}],
        }


def party(client: str) -> Json:
    return {"name": client, "URI": f"hubex:{client}"}


def connected(client: str, host: str, port: str, vhost: str, ca: str, cert: str, key: str) -> Any:
    """A channel of a connection to the hub: AMQPS, SASL EXTERNAL. `client` is the CN of the certificate."""
    tls = ssl.create_default_context(cafile=ca)
    tls.load_cert_chain(cert, key)
    where = pika.ConnectionParameters(
        host,
        int(port),
        vhost,
        pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(tls, host),
        client_properties={"product": client},
    )
    channel = pika.BlockingConnection(where).channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=10)
    return channel


def consume(channel: Any, lrm: Lrm) -> None:
    """Take messages until the connection ends: keep, acknowledge to the broker, then answer."""

    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        message = json.loads(body)
        answer, word = lrm.answer(message)
        channel.basic_ack(method.delivery_tag)
        persistent = pika.BasicProperties(content_type="application/json", delivery_mode=2, priority=0)
        channel.basic_publish(EXCHANGE, lrm.client, json.dumps(answer), persistent)
        appointment = content_of(message)["appointment"]
        say(f"{appointment['method']} {appointment['status']} {appointment['appointmentId']} {word}")

    channel.basic_consume(f"{lrm.client}.message", on_message)
    say("ready")
    channel.start_consuming()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    own, *store = sys.argv[1:8], *sys.argv[8:9]
    consume(connected(*own), Lrm(own[0], Path(store[0]) if store else None))
