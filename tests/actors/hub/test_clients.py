"""The hub's clients and their rights."""

from __future__ import annotations

import pytest

from sandbox.amqp.broker.permissions import Rights
from sandbox.amqp.errors import ProtocolError
from sandbox.config import Settings
from sandbox.hub.clients import Clients, virtual_hosts
from sandbox.net.amqp.hub_clients import client_ids


def test_platform_samus_and_spares_are_clients_once(stage):
    settings = Settings(spare_clients=("fr.health.samu330", "fr.health.samu999"))
    ids = client_ids(settings, stage.context.population)
    assert ids == ("fr.health.test.ptfsas", "fr.health.samu330", "fr.health.samu999")


def test_the_default_virtual_host_is_reachable_too():
    assert virtual_hosts(Settings(vhost="v")) == ("v", "/")
    assert virtual_hosts(Settings(vhost="/")) == ("/",)


def test_strangers_have_no_rights():
    assert Clients(["a"], ["/"]).rights("b") is None


def test_virtual_host_that_is_not_ones_own_is_530():
    with pytest.raises(ProtocolError, match="access to vhost 'v' refused for user 'a'") as caught:
        Rights("a", frozenset(("/",))).enter("v", known=True)
    assert caught.value.code == 530
