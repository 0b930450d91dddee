"""The clients that may ask for an identity, with their registered addresses: the SAS core, each editor, and the clients
that the configuration declares. At Pro Santé Connect each has an id of its own; in the platform's realm the client
`sas` stands for all of them, as in production.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sandbox.config import EDITORS_UI, SAS_UI, Settings
from sandbox.kernel.model import Editor

Secret: TypeAlias = Callable[[str], str]
REALM_CLIENT = "sas"
REALM_PURPOSE = "psc-realm-client:sas"  # purpose of its secret; `psc-client:sas` is that of the SAS core itself


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


def registered_clients(settings: Settings, editors: Iterable[Editor], secret: Secret) -> Mapping[str, Client]:
    """All clients by client id: `sas`, the slug of every editor of the sandbox, and those of the configuration.

    `secret` derives the secret of a purpose. Raises UsageError (with file and line): an id that is taken.
    """
    clients = {"sas": _client("sas", "Plateforme numérique SAS", settings.http(SAS_UI), secret)}
    for editor in (editor for editor in editors if not editor.external):
        clients[editor.slug] = _client(editor.slug, editor.name, settings.http(EDITORS_UI, f"/{editor.slug}"), secret)
    for at, client in enumerate(declared_clients(settings, secret)):
        if client.id in clients:
            raise settings.error(f"$.oidc_clients[{at}].id", f"there is another client with the id '{client.id}'")
        clients[client.id] = client
    return clients


def realm_clients(clients: Mapping[str, Client], secret: Secret) -> Mapping[str, Client]:
    """The clients of the platform's realm: the same, but `sas` with a secret of its own and the addresses of all."""
    everybody = Client(
        id=REALM_CLIENT,
        name="Plateforme numérique SAS",
        secret=secret(REALM_PURPOSE),
        redirect_uris=tuple(uri for client in clients.values() for uri in client.redirect_uris),
        logout_uris=tuple(uri for client in clients.values() for uri in client.logout_uris),
    )
    return {**clients, REALM_CLIENT: everybody}


def declared_clients(settings: Settings, secret: Secret) -> list[Client]:
    """The clients of the configuration, in its order; those without a secret are given a derived one."""
    return [
        Client(row.id, row.name, row.secret or secret(_purpose(row.id)), row.redirect_uris, row.logout_uris)
        for row in settings.oidc_clients
    ]


def _purpose(client_id: str) -> str:
    return f"psc-client:{client_id}"


def _client(client_id: str, name: str, root: str, secret: Secret) -> Client:
    return Client(
        id=client_id,
        name=name,
        secret=secret(_purpose(client_id)),
        redirect_uris=(f"{root}/oidc/callback",),
        logout_uris=(root, f"{root}/", f"{root}/connexion"),
    )
