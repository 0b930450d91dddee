"""OpenID Connect relying party: how a console lets people log in at Pro Santé Connect.

Authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636 S256). The session keeps `state` and where to
return to; the nonce and the code verifier are derived from `state` with a secret of the sandbox, so that the cookie
(signed, but readable) stays small and does not hold them. Times in tokens are real time, whatever the sandbox's clock
shows, and are checked against real time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import jwt
import msgspec
from starlette.requests import Request

from sandbox.config import PSC_UI, SSO_REALM
from sandbox.kernel.errors import Issue, JsonError, PeerError, PeerRefused, RequestError, malformed
from sandbox.kernel.flows import Flow
from sandbox.kernel.text.json_input import read_as, read_json
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.web.session import local_path

PEER = "psc"
T = TypeVar("T")

ALGORITHMS = ("RS256", "ES256")
ATTEMPTS = 3  # logins that one session may have begun (several tabs)
RETURN_LIMIT = 700  # characters of a path to return to: three of them still fit into the cookie
LEEWAY_S = 30
LAST_DATE = 1 << 53  # seconds since 1970; integers from there on are no exact numbers of JSON (RFC 8259, 6)
_UNUSABLE = (ValueError, TypeError, KeyError, AttributeError)  # raised by PyJWT for a malformed key
TIMEOUT_S = 5.0


class Provider(msgspec.Struct, frozen=True):
    """What we use of the discovery document (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class _Identity(msgspec.Struct, frozen=True):
    SubjectNameID: str  # as Pro Santé Connect names the claim
    family_name: str
    given_name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who has logged in (`national_id`: identifier value of the regulator) and the path to go on to."""

    national_id: str
    family: str
    given: str
    email: str
    return_to: str


@dataclass(frozen=True, slots=True)
class Client:
    """A client's id and the purpose of its secret, the issuer of its provider (a path), the scope."""

    id: str
    purpose: str
    issuer: str
    scope: str


def at_psc(client_id: str) -> Client:
    """A client of Pro Santé Connect."""
    return Client(client_id, f"psc-client:{client_id}", "/psc", "openid scope_all")


# The platform's own realm, where editors send regulators: one client for all of them.
AT_PLATFORM = Client("sas", "psc-realm-client:sas", SSO_REALM, "openid email profile pro_sante_connect")


class RelyingParty:
    """A client of the provider. `redirect_uri` is registered there and leads to `callback`."""

    def __init__(self, context: Context, client: Client, redirect_uri: str, http: HttpClient) -> None:
        self._context = context
        self._client_id = client.id
        self._client = client
        self._redirect_uri = redirect_uri
        self._http = http
        self._issuer = context.settings.http(PSC_UI, client.issuer)
        self._provider: Provider | None = None
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._lock = asyncio.Lock()

    async def authorize_url(self, request: Request, return_to: str) -> str:
        """Where to send the browser; a new attempt is kept in the session. `return_to`: a path of this site.

        A browser that came under another name of ours (localhost) is first sent to the public one: the session's
        cookie would not follow it back from the provider. Raises RequestError (path too long) and PeerError.
        """
        path = local_path(return_to)
        if len(path) > RETURN_LIMIT:
            raise malformed(f"L'adresse de retour dépasse {RETURN_LIMIT} caractères.")
        if not _same_site(str(request.url), self._redirect_uri):
            public = urlsplit(self._redirect_uri)
            return f"{public.scheme}://{public.netloc}{path}"
        provider = await self._discover()
        state = self._context.entropy.token(16)
        attempts = [*request.session.get("oidc", {}).items(), (state, path)]
        request.session["oidc"] = dict(attempts[-ATTEMPTS:])
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._client.scope,
            "state": state,
            "nonce": self._derived("nonce", state),
            "code_challenge": challenge(self._derived("verifier", state)),
            "code_challenge_method": "S256",
            "acr_values": "eidas1",
        }
        return f"{provider.authorization_endpoint}?{urlencode(query)}"

    async def callback(self, request: Request) -> Claims:
        """The identity behind a redirect from the provider.

        Raises RequestError 400 (no such attempt in this session, a parameter twice, another issuer) or 403 (the
        provider refused), and PeerError.
        """
        state = request.query_params.get("state", "")
        attempts: dict[str, str] = dict(request.session.get("oidc", {}))
        return_to = attempts.pop(state, None)
        if return_to is None:
            raise malformed("Cette connexion n'a pas été commencée dans ce navigateur, ou elle a expiré.")
        request.session["oidc"] = attempts
        self._check_answer(request)
        if error := request.query_params.get("error"):
            detail = f"Pro Santé Connect a refusé la connexion ({error[:60]})."
            raise RequestError(403, Issue("forbidden", detail))
        code = request.query_params.get("code")
        if not code:
            raise malformed("Pro Santé Connect n'a pas transmis de code.", "http.code")
        token = await self._redeem(code, self._derived("verifier", state))
        claims = await self._verified(token, self._derived("nonce", state))
        try:
            person = msgspec.convert(claims, _Identity)
        except msgspec.ValidationError as error:
            raise PeerError(PEER, f"id_token: {error}") from None
        names = (person.family_name, person.given_name, person.email)
        return Claims(person.SubjectNameID, *names, return_to)

    def _check_answer(self, request: Request) -> None:
        """No parameter twice (RFC 6749, 3.1); `iss` is our provider (RFC 9207: a mix-up of providers is seen)."""
        names = [name for name, _ in request.query_params.multi_items()]
        if len(names) != len({*names}):
            raise malformed("La réponse de Pro Santé Connect répète un paramètre.")
        if request.query_params.get("iss") != self._issuer:
            raise malformed("La réponse ne vient pas du fournisseur d'identité attendu.", "http.iss")

    async def logout_url(self, return_to: str) -> str:
        """Where to send the browser to end the provider's session too; it comes back to the absolute `return_to`."""
        provider = await self._discover()
        query = urlencode({"client_id": self._client_id, "post_logout_redirect_uri": return_to})
        return f"{provider.end_session_endpoint}?{query}"

    def _derived(self, purpose: str, state: str) -> str:
        return self._context.secret(f"oidc-{purpose}:{self._client_id}:{state}")

    async def _discover(self) -> Provider:
        async with self._lock:
            if self._provider is None:
                body = await self._get(f"{self._issuer}/.well-known/openid-configuration")
                provider = _decode(body, Provider)
                if provider.issuer != self._issuer:
                    raise PeerError(PEER, f"issuer is {provider.issuer}, expected {self._issuer}")
                self._provider = provider
        return self._provider

    async def _redeem(self, code: str, verifier: str) -> str:
        provider = await self._discover()
        secret = self._context.secret(self._client.purpose)
        headers = {
            "authorization": basic_authorization(self._client_id, secret),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        body = await self._call("POST", provider.token_endpoint, headers, urlencode(form).encode())
        return _decode(body, _Tokens).id_token

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        kid = key_id(token)
        if kid not in self._keys:  # the provider's key may be new
            provider = await self._discover()
            self._keys = read_keys(await self._get(provider.jwks_uri))
        key = self._keys.get(kid)
        if key is None:
            raise PeerError(PEER, "id_token: signed with a key that is not published")
        now = datetime.fromtimestamp(self._context.clock.real(), UTC)
        return verify_id_token(token, key, issuer=self._issuer, audience=self._client_id, nonce=nonce, now=now)

    async def _get(self, url: str) -> bytes:
        return await self._call("GET", url, {"accept": "application/json"}, None)

    async def _call(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> bytes:
        callee = Callee(PEER, Flow.PSC)
        reply = await self._http.request(method, url, callee=callee, headers=headers, body=body, timeout=TIMEOUT_S)
        if reply.status != 200:
            raise PeerRefused(PEER, reply.status, reply.body)
        return bytes(reply.body)


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def basic_authorization(client_id: str, secret: str) -> str:
    """The Authorization header of a client (RFC 6749, 2.3.1: both parts form-encoded first)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")


def read_keys(body: bytes) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS document by key id. Raises PeerError."""
    document = _decode(body, dict[str, Any])
    try:
        return {key.key_id or "": key for key in jwt.PyJWKSet.from_dict(document).keys}
    except (jwt.PyJWTError, *_UNUSABLE) as error:
        raise PeerError(PEER, f"jwks: {error}") from None


def key_id(token: str) -> str:
    """The key id in a token's header, "" for none. Raises PeerError when it is no token."""
    _check_parts(token)
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.PyJWTError as error:
        raise PeerError(PEER, f"id_token: {error}") from None


def verify_id_token(
    token: str, key: jwt.PyJWK, *, issuer: str, audience: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """The claims of an id_token (OpenID Connect Core 1.0, 3.1.3.7). Raises PeerError saying which rule it breaks.

    `token`: one whose header `key_id` has already read. PyJWT would read the wall clock itself; it is given here
    (`now`), so times are compared here.
    """
    options: Any = {
        "require": ["exp", "iat", "sub", "nonce"],
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
    }
    try:
        claims = jwt.decode(token, key, algorithms=list(ALGORITHMS), issuer=issuer, audience=audience, options=options)
    except (jwt.PyJWTError, *_UNUSABLE) as error:
        raise PeerError(PEER, f"id_token: {error}") from None
    if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise PeerError(PEER, "id_token: nonce is not that of the request")
    instant = now.timestamp()
    if not _number(claims["exp"]) + LEEWAY_S > instant:
        raise PeerError(PEER, "id_token: expired")
    if not _number(claims["iat"]) - LEEWAY_S <= instant:
        raise PeerError(PEER, "id_token: issued in the future")
    return dict(claims)


def _check_parts(token: str) -> None:
    """Raise PeerError unless header and claims are JSON within our limits: PyJWT reads them without any."""
    try:
        for part in token.split(".")[:2]:
            read_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (JsonError, ValueError) as error:
        raise PeerError(PEER, f"id_token: {error}") from None


def _number(value: object) -> float:
    """A NumericDate; any other value gives NaN, which compares false with everything."""
    usable = isinstance(value, int | float) and abs(value) < LAST_DATE
    return float(value) if usable else float("nan")  # type: ignore[arg-type]


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return read_as(body, shape)
    except JsonError as error:
        raise PeerError(PEER, f"unreadable answer: {error}") from None


def _same_site(url: str, other: str) -> bool:
    one, two = urlsplit(url), urlsplit(other)
    return (one.hostname, one.port or 80) == (two.hostname, two.port or 80)
