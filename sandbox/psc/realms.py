"""The authorization servers of this provider: Pro Santé Connect itself, and the platform's own realm `sas`.

In production editors use the latter: a Keycloak (hence its paths) where people log in with a password or through Pro
Santé Connect. Both share the people, the session and the signing key here; each has its issuer, its discovery document,
its clients and its codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.config import PSC_UI, SSO_REALM, Settings
from sandbox.psc import flow
from sandbox.psc.clients import Client, realm_clients
from sandbox.psc.flow import AuthorizeRequest, Grants
from sandbox.psc.tokens import ACR, ALGORITHM, CLAIMS

PREFIX = "/psc"
SCOPES = ("openid", "scope_all", "profile", "email", "identity")  # of Pro Santé Connect
_KEYCLOAK = f"{SSO_REALM}/protocol/openid-connect"


@dataclass(frozen=True)
class Realm:
    """One authorization server. `issuer` and `origin`: URLs; the others are paths of its endpoints."""

    origin: str
    root: str
    authorize: str
    token: str
    userinfo: str
    logout: str
    keys: str
    login: str
    scopes: tuple[str, ...]
    clients: Mapping[str, Client]
    grants: Grants = field(default_factory=Grants)

    @property
    def issuer(self) -> str:
        """The issuer of its tokens."""
        return self.origin + self.root

    @property
    def configuration(self) -> str:
        """The path of the discovery document (OpenID Connect Discovery 1.0, 4)."""
        return f"{self.root}/.well-known/openid-configuration"

    def service(self, asked: AuthorizeRequest) -> str:
        """Name of the service that asks; where several share a client it is found by its address."""
        owners = (client for client in self.clients.values() if client.id != asked.client.id)
        named = next((client.name for client in owners if asked.redirect_uri in client.redirect_uris), "")
        return named or asked.client.name

    def document(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, 3; `iss` in authorization responses: RFC 9207."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.origin + self.authorize,
            "token_endpoint": self.origin + self.token,
            "userinfo_endpoint": self.origin + self.userinfo,
            "end_session_endpoint": self.origin + self.logout,
            "jwks_uri": self.origin + self.keys,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": list(self.scopes),
            "acr_values_supported": [ACR],
            "prompt_values_supported": sorted(flow.PROMPTS),
            "claims_supported": list(CLAIMS),
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "authorization_response_iss_parameter_supported": True,
        }


def realms(settings: Settings, clients: Mapping[str, Client], secret: Callable[[str], str]) -> tuple[Realm, Realm]:
    """Pro Santé Connect, then the platform's realm. `secret` derives the secret of a purpose."""
    origin = settings.http(PSC_UI)
    psc = Realm(
        origin=origin,
        root=PREFIX,
        authorize=f"{PREFIX}/authorize",
        token=f"{PREFIX}/token",
        userinfo=f"{PREFIX}/userinfo",
        logout=f"{PREFIX}/logout",
        keys=f"{PREFIX}/jwks",
        login=f"{PREFIX}/login",
        scopes=SCOPES,
        clients=clients,
    )
    platform = Realm(
        origin=origin,
        root=SSO_REALM,
        authorize=f"{_KEYCLOAK}/auth",
        token=f"{_KEYCLOAK}/token",
        userinfo=f"{_KEYCLOAK}/userinfo",
        logout=f"{_KEYCLOAK}/logout",
        keys=f"{_KEYCLOAK}/certs",
        login=f"{SSO_REALM}/login-actions/authenticate",
        scopes=("openid", "email", "profile", "pro_sante_connect"),
        clients=realm_clients(clients, secret),
    )
    return psc, platform
