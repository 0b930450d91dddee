"""Which clients of the hub use XML: the dispatcher sends XML to them, and those that the sandbox runs publish XML."""

from __future__ import annotations

from sandbox.config import Settings
from sandbox.population.people import Population


def xml_clients(settings: Settings, population: Population) -> frozenset[str]:
    """The client ids that receive XML, by the configuration: the format of a vendor's LRM wins over its territory's."""
    vendors = {row.client_id: row.format for row in settings.external_lrms}
    samus = {territory.samu: territory.format for territory in population.territories.values()}
    forms = {settings.platform_client_id: settings.platform_format, **samus, **vendors}
    return frozenset(client for client, form in forms.items() if form == "xml")
