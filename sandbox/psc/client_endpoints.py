"""The endpoints that clients call without a browser: documents of a realm, token and userinfo."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.kernel.errors import RequestError
from sandbox.net.context import Context
from sandbox.psc import flow
from sandbox.psc.flow import Grant, TokenError
from sandbox.psc.identities import Person
from sandbox.psc.people import People
from sandbox.psc.realms import Realm
from sandbox.psc.tokens import Signer, id_token_claims, person_claims
from sandbox.web.session import read_form

_NOT_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}


class ClientEndpoints:
    """Discovery, keys, token and userinfo of every realm. Refusals are raised as TokenError."""

    def __init__(self, context: Context, signer: Signer, people: People) -> None:
        self._context, self._signer, self._people = context, signer, people

    async def discovery(self, realm: Realm, request: Request) -> Response:
        """The discovery document of the realm."""
        return JSONResponse(realm.document())

    async def jwks(self, realm: Realm, request: Request) -> Response:
        """The key that verifies our tokens."""
        return JSONResponse(self._signer.jwks())

    async def token(self, realm: Realm, request: Request) -> Response:
        """Exchange a code for an id_token and an access token (OpenID Connect Core 1.0, 3.1.3)."""
        form = await _token_form(request)
        client = flow.authenticate_client(request.headers.get("authorization", ""), form, realm.clients)
        if form.get("grant_type") != "authorization_code":
            raise TokenError(400, "unsupported_grant_type", "only authorization_code")
        access_token = self._context.entropy.token()
        grant = realm.grants.redeem(
            form.get("code", ""),
            client,
            form.get("redirect_uri", ""),
            form.get("code_verifier", ""),
            access_token,
            asyncio.get_running_loop().time(),
        )
        claims = id_token_claims(
            self._grantee(grant),
            grant,
            access_token,
            issuer=realm.issuer,
            now=int(self._context.clock.real()),
            token_id=self._context.entropy.uuid(),
        )
        answer = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(flow.TOKEN_LIFETIME_S),
            "id_token": self._signer.sign(claims),
            "scope": " ".join(grant.scope),
        }
        return JSONResponse(answer, headers=_NOT_KEPT)

    async def userinfo(self, realm: Realm, request: Request) -> Response:
        """The claims about the person (OpenID Connect Core 1.0, 5.3)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenError(401, "invalid_token", "a Bearer token is expected")
        grant = realm.grants.of_token(token.strip(), asyncio.get_running_loop().time())
        return JSONResponse(person_claims(self._grantee(grant)), headers=_NOT_KEPT)

    def _grantee(self, grant: Grant) -> Person:
        person = self._people.identities.by_key(grant.subject)
        if person is None:
            raise TokenError(400, "invalid_grant", "this person no longer exists")
        return person


async def _token_form(request: Request) -> dict[str, str]:
    """The form of a token request; its faults are TokenErrors, as OAuth 2.0 wants (RFC 6749, 5.2)."""
    try:
        form = await read_form(request)
    except RequestError as error:
        raise TokenError(400, "invalid_request", str(error)) from None
    values, repeated = flow.read_parameters((name, str(value)) for name, value in form.multi_items())
    if repeated:
        raise TokenError(400, "invalid_request", f"a parameter is repeated: {min(repeated)}")
    return values


def token_error(request: Request, error: TokenError) -> Response:
    """The JSON of a refusal (RFC 6749, 5.2); for 401 with the challenge of RFC 6750, 3."""
    headers = dict(_NOT_KEPT)
    if error.status == 401:
        scheme = "Bearer" if error.code == "invalid_token" else "Basic"
        headers["www-authenticate"] = f'{scheme} realm="psc", error="{error.code}"'
    return JSONResponse({"error": error.code, "error_description": error.description}, error.status, headers=headers)
