"""The stand-in LRM of `tests.support.vendors.lrm`, in a thread, with defects that are switched on one at a time."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pika

from tests.support.vendors.lrm import EXCHANGE, Json, Lrm, connected, content_of, stamp

Channel = Any
PERSISTENT = pika.BasicProperties(content_type="application/json", delivery_mode=2, priority=0)
TRANSIENT = pika.BasicProperties(content_type="application/json", delivery_mode=1, priority=0)
HELD_S = 0.2  # s in which the one that turns the order round gathers messages


@dataclass
class StandIn(Lrm):
    """A correct one: also an error for what has no appointment, and again for what was refused."""

    properties = PERSISTENT
    comes_back = True

    def answers(self, message: Json) -> list[Json]:
        """What it says to a message."""
        if "appointment" not in content_of(message):
            return [self.error(message, 300, "INVALID_MESSAGE", "no appointment")]
        return [self.answer(message)[0]]

    def begin(self, channel: Channel) -> Channel:
        """Before it consumes."""
        return channel

    def settle(self, channel: Channel, tag: int) -> None:
        """What becomes of a delivery."""
        channel.basic_ack(tag)

    def on_delivery(self, channel: Channel, tag: int, message: Json) -> None:
        """A delivery: answer, settle."""
        answers = self.answers(message)
        self.settle(channel, tag)
        for answer in answers:
            channel.basic_publish(EXCHANGE, self.client, json.dumps(answer), self.properties)


def header(answer: Json) -> Json:
    """RC-DE header and content of an answer."""
    return content_of(answer)


class Edited(StandIn):
    """One whose acknowledgements are edited."""

    def edit(self, answer: Json) -> None:
        """Spoil an acknowledgement."""

    def acknowledgement(self, message: Json) -> Json:
        answer = super().acknowledgement(message)
        self.edit(answer)
        return answer


def edited(edit: Callable[[Json], object]) -> type[StandIn]:
    """A stand-in whose acknowledgements are spoiled by `edit`."""
    return type("Edited", (Edited,), {"edit": staticmethod(edit)})


class Declares(StandIn):
    """It declares its queue; the hub closes the channel, it opens another."""

    def begin(self, channel: Channel) -> Channel:
        with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
            channel.queue_declare(f"{self.client}.message", durable=True)
        again = channel.connection.channel()
        again.confirm_delivery()
        return again


class NeverAcks(StandIn):
    """It never acks a delivery."""

    def begin(self, channel: Channel) -> Channel:
        channel.basic_qos(prefetch_count=0)
        return channel

    def settle(self, channel: Channel, tag: int) -> None:
        pass


class Rejects(StandIn):
    """It rejects what it has taken."""

    def settle(self, channel: Channel, tag: int) -> None:
        channel.basic_reject(tag, requeue=False)


class Refusing(StandIn):
    """It refuses some appointments with an error."""

    code, name = 700, "INTERNAL_CLIENT_ERROR"

    def refuses(self, appointment: Json) -> bool:
        """Which."""
        raise NotImplementedError

    def answers(self, message: Json) -> list[Json]:
        if self.refuses(content_of(message).get("appointment", {})):
            return [self.error(message, self.code, self.name, "not wanted")]
        return super().answers(message)


class NoStructures(Refusing):
    """It takes no orientation to a structure."""

    def refuses(self, appointment: Json) -> bool:
        return bool(appointment) and "practitioner" not in appointment and appointment["status"] != "pending"


class NoPending(Refusing):
    """It takes nothing that is pending."""

    def refuses(self, appointment: Json) -> bool:
        return appointment.get("status") == "pending"


class NoCancelling(Refusing):
    """It cancels nothing; its errors do not disturb the order of bursts, in which it gathers nothing."""

    def refuses(self, appointment: Json) -> bool:
        return appointment.get("status") == "cancelled"


class NoUnknown(Refusing):
    """It takes no update of what it does not know."""

    code, name = 704, "INSUFFICIENT_DATA"

    def refuses(self, appointment: Json) -> bool:
        return (
            appointment.get("method") == "UpdateAppointment" and appointment["appointmentId"] not in self.appointments
        )


class ForgetsUnknown(StandIn):
    """It acknowledges updates of what it does not know, and forgets them."""

    def answers(self, message: Json) -> list[Json]:
        appointment = content_of(message).get("appointment", {})
        unknown = appointment.get("appointmentId") not in self.appointments
        found = super().answers(message)
        if unknown and appointment.get("method") == "UpdateAppointment":
            del self.appointments[appointment["appointmentId"]]
        return found


class Silent(StandIn):
    """It answers nothing."""

    def answers(self, message: Json) -> list[Json]:
        return []


class Transient(StandIn):
    """Its answers are not persistent: the hub refuses them."""

    properties = TRANSIENT


class IgnoresRepeated(StandIn):
    """It says nothing to what it has had before."""

    def answers(self, message: Json) -> list[Json]:
        return [] if message["distributionID"] in self.seen else super().answers(message)


class RefusesRepeated(StandIn):
    """It takes a redelivery for a conflict."""

    def answers(self, message: Json) -> list[Json]:
        if message["distributionID"] in self.seen:
            return [self.error(message, 409, "CONFLICT", "again")]
        return super().answers(message)


class TakesDuplicates(StandIn):
    """It acknowledges a second creation."""

    def answers(self, message: Json) -> list[Json]:
        if "appointment" not in content_of(message):
            return super().answers(message)
        self.seen.add(message["distributionID"])
        return [self.acknowledgement(message)]


class OtherError(StandIn):
    """A conflict has another code or name, or names another message."""

    def spoil(self, error: Json) -> None:
        """Spoil the content of the error."""

    def answers(self, message: Json) -> list[Json]:
        found = super().answers(message)
        error = header(found[0]).get("error")
        if error is not None and error["errorCode"]["statusCode"] == 409:
            self.spoil(error)
        return found


def other_error(**values: Any) -> type[StandIn]:
    """A stand-in whose conflicts are errors with these values."""
    return type("Other", (OtherError,), {"spoil": staticmethod(lambda error: error.update(values))})


class TakesAnything(StandIn):
    """It acknowledges what has no appointment."""

    def answers(self, message: Json) -> list[Json]:
        if "appointment" not in content_of(message):
            return [self.acknowledgement(message)]
        return super().answers(message)


class SilentOnInvalid(StandIn):
    """It says nothing to what has no appointment."""

    def answers(self, message: Json) -> list[Json]:
        return super().answers(message) if "appointment" in content_of(message) else []


class TurnsRound(StandIn):
    """It gathers messages for a moment and handles the last one first."""

    def begin(self, channel: Channel) -> Channel:
        self.gathered: list[tuple[int, Json]] = []
        return channel

    def on_delivery(self, channel: Channel, tag: int, message: Json) -> None:
        if not self.gathered:
            channel.connection.call_later(HELD_S, lambda: self.handle(channel))
        self.gathered.append((tag, message))

    def handle(self, channel: Channel) -> None:
        """The last one first."""
        while self.gathered:
            tag, message = self.gathered.pop()
            super().on_delivery(channel, tag, message)


class StaysAway(StandIn):
    """It does not connect again."""

    comes_back = False


FIXED = "fixed"
# name -> the stand-in, the requirement that finds it
DEFECTS: dict[str, tuple[type[StandIn], str]] = {
    "declares": (Declares, "L02-1"),
    "no structures": (NoStructures, "L02-2"),
    "no pending": (NoPending, "L02-2"),
    "never acks": (NeverAcks, "L02-3"),
    "rejects": (Rejects, "L02-3"),
    "silent": (Silent, "L02-4"),
    "transient": (Transient, "L02-4"),
    "header kind": (edited(lambda each: header(each).update(kind="Report")), "L02-4"),
    "envelope kind": (edited(lambda each: each.update(distributionKind="Report")), "L02-4"),
    "message id": (edited(lambda each: header(each).update(messageId=FIXED)), "L02-4"),
    "recipient": (edited(lambda each: header(each).update(recipient=[header(each)["sender"]])), "L02-4"),
    "sender": (edited(lambda each: header(each).update(sender=header(each)["recipient"][0])), "L02-4"),
    "same id": (
        edited(
            lambda each: (
                each.update(distributionID=f"{each['senderID']}_{FIXED}"),
                header(each).update(messageId=each["distributionID"]),
            )
        ),
        "L02-4",
    ),
    "exercise": (edited(lambda each: each.update(distributionStatus="Exercise")), "L02-4"),
    "milliseconds": (edited(lambda each: each.update(dateTimeSent=stamp().replace("+", ".123+"))), "L02-4"),
    "own reference": (edited(lambda each: header(each)["reference"].update(distributionID=FIXED)), "L02-5"),
    "refused": (
        edited(lambda each: header(each)["reference"].update(refused=True, errorDistributionID=FIXED)),
        "L02-5",
    ),
    "ignores repeated": (IgnoresRepeated, "L02-6"),
    "refuses repeated": (RefusesRepeated, "L02-6"),
    "takes duplicates": (TakesDuplicates, "L02-7"),
    "other code": (other_error(errorCode={"statusCode": 701, "statusString": "CASE_ALREADY_EXISTS"}), "L02-7"),
    "other name": (other_error(errorCode={"statusCode": 409, "statusString": "DUPLICATE"}), "L02-7"),
    "no unknown": (NoUnknown, "L02-8"),
    "forgets unknown": (ForgetsUnknown, "L02-8"),
    "no cancelling": (NoCancelling, "L02-9"),
    "takes anything": (TakesAnything, "L02-10"),
    "silent on invalid": (SilentOnInvalid, "L02-10"),
    "turns round": (TurnsRound, "L02-11"),
    "stays away": (StaysAway, "L02-12"),
}


@contextlib.contextmanager
def running(arguments: list[str], kind: type[StandIn] = StandIn) -> Iterator[StandIn]:
    """One in a thread; `arguments` of `connected`. It ends with the context."""
    lrm, stop, ready = kind(arguments[0]), threading.Event(), threading.Event()

    def live() -> None:
        while not stop.is_set():
            with contextlib.suppress(pika.exceptions.AMQPError, OSError):
                _consume(lrm, lrm.begin(connected(*arguments)), stop, ready)
            if not lrm.comes_back:
                return
            time.sleep(0.1)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield lrm
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def _consume(lrm: StandIn, channel: Channel, stop: threading.Event, ready: threading.Event) -> None:
    def on_message(channel: Channel, method: Any, properties: Any, body: bytes) -> None:
        lrm.on_delivery(channel, method.delivery_tag, json.loads(body))

    channel.basic_consume(f"{lrm.client}.message", on_message)
    ready.set()
    while not stop.is_set():
        channel.connection.process_data_events(time_limit=0.1)
    channel.connection.close()
