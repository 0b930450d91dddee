"""Which ids a client of the hub may have."""

from __future__ import annotations

import pytest

from sandbox.kernel.hub.clients import usable_client_id, why_not


@pytest.mark.parametrize("client_id", ["fr.health.samu750", "fr.health.test.ptfsas", "fr.health.hub.essai"])
def test_ids_of_the_health_domain(client_id: str) -> None:
    assert usable_client_id(client_id)


@pytest.mark.parametrize(
    ("client_id", "reason"),
    [
        ("fr.health.hub", "belongs to the hub itself"),
        ("fr.health.HUB", "belongs to the hub itself"),
        ("fr.fire.nexsis", "is no client id"),
        ("fr.health.samu750\n", "is no client id"),
        ("fr.health.\x00", "is no client id"),
        ("fr.health.é", "is no client id"),
        ("", "is no client id"),
    ],
)
def test_any_other_is_refused_with_its_reason(client_id: str, reason: str) -> None:
    assert not usable_client_id(client_id)
    assert reason in why_not(client_id)
    assert why_not(client_id).isprintable()
