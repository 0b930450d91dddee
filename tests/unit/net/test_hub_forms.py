"""Which clients of the hub speak XML, and how a message of our own leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from sandbox.config import Settings
from sandbox.edxl.codes import FORMS, JSON
from sandbox.edxl.message import read
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.hub_forms import xml_clients
from sandbox.partners import ExternalLrm
from tests.support.two_territories import POPULATION, SAMU, SAS, make_context
from tests.unit.edxl.corpus import appointment, envelope

NEW = "fr.health.samu750"


class Territories:
    """A population in which the LRM of the Gironde speaks a form."""

    def __init__(self, form: str) -> None:
        self.territories = {"SAS-33": replace(POPULATION.territories["SAS-33"], format=form)}


@pytest.mark.parametrize(
    ("form", "settings", "expected"),
    [
        ("json", {}, set()),
        ("xml", {}, {SAMU}),
        ("json", {"platform_format": "xml"}, {SAS}),
        ("json", {"external_lrms": (ExternalLrm(NEW, format="xml"),)}, {NEW}),
        ("xml", {"external_lrms": (ExternalLrm(SAMU),)}, set()),
        ("json", {"external_lrms": (ExternalLrm(SAMU, format="xml"),)}, {SAMU}),
    ],
)
def test_who_speaks_xml_follows_from_the_configuration(form: str, settings: dict[str, Any], expected: set[str]) -> None:
    population: Any = Territories(form)
    assert xml_clients(Settings(**settings), population) == expected


class Exchange:
    """Keeps what is published to it."""

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.is_closed = False

    async def publish(self, message: Any, **_: Any) -> None:
        self.published.append(message)


@pytest.mark.requirement("L02-14")
@pytest.mark.parametrize("form", ["json", "xml"])
async def test_a_client_publishes_in_its_own_form(tmp_path: Any, form: str) -> None:
    context = make_context(tmp_path)
    context = replace(context, settings=Settings(data_dir=str(tmp_path), platform_format=form))
    client, exchange = AmqpClient(context, "sas", SAS), Exchange()
    client._publishing = (exchange, exchange)  # type: ignore[assignment]
    client._up.set()
    await client.publish(orjson.dumps(appointment()))
    await client.publish(orjson.dumps(envelope({"customContent": {}})))
    (first, second) = exchange.published
    assert first.content_type == FORMS[form]
    assert read(first.body, first.content_type).document == appointment()
    assert second.content_type == JSON, "what XML cannot say here stays JSON"
