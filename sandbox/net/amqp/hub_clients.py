"""The clients of the hub that follow from the configuration."""

from __future__ import annotations

from sandbox.config import Settings
from sandbox.population.people import Population


def client_ids(settings: Settings, population: Population) -> tuple[str, ...]:
    """Client ids of the SAS platform, the SAMU of every territory, vendors' LRMs and the spare clients; each once."""
    samus = (territory.samu for territory in population.territories.values())
    vendors = (row.client_id for row in settings.external_lrms)
    return tuple(dict.fromkeys((settings.platform_client_id, *samus, *vendors, *settings.spare_clients)))
