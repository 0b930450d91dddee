"""Who may ask Pro Santé Connect for an identity: the SAS core and each editor, with their registered addresses."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config import EDITORS_UI, SAS_UI

if TYPE_CHECKING:
    from sandbox.net.context import Context


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. Addresses are compared character by character (OpenID Connect Core 1.0, 3.1.2.1)."""

    id: str
    name: str
    secret: str
    redirect_uris: tuple[str, ...]
    logout_uris: tuple[str, ...] = ()

    def knows(self, secret: str) -> bool:
        """Compare a secret in constant time."""
        return hmac.compare_digest(self.secret.encode(), secret.encode())


def registered_clients(context: Context) -> Mapping[str, Client]:
    """The sandbox's own clients by client id: `sas` and every editor's slug."""
    settings = context.settings
    clients = [_client(context, "sas", "Plateforme numérique SAS", settings.http(SAS_UI))]
    for slug, editor in context.population.editors.items():
        clients.append(_client(context, slug, editor.name, settings.http(EDITORS_UI, f"/{slug}")))
    return {client.id: client for client in clients}


def _client(context: Context, client_id: str, name: str, root: str) -> Client:
    return Client(
        id=client_id,
        name=name,
        secret=context.secret(f"psc-client:{client_id}"),
        redirect_uris=(f"{root}/oidc/callback",),
        logout_uris=(root, f"{root}/"),
    )
