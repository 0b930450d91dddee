"""The authorization code flow as pure rules: what a request may ask, which codes are valid. No I/O; times are passed as
arguments.

Sources: RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), OpenID Connect Core 1.0. Errors of this package:

- RequestError: the client or its redirect address is not registered; a page, never a redirect (RFC 6749, 4.1.2.1)
- AuthorizeError: any other fault of an authorization request; reported to the client by redirect
- TokenError: the token or userinfo endpoint refuses (RFC 6749, 5.2; RFC 6750, 3.1)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlencode

from sandbox.kernel.errors import SandboxError, malformed
from sandbox.psc.clients import Client

CODE_LIFETIME_S = 60.0
TOKEN_LIFETIME_S = 300.0
CAPACITY = 10_000  # codes, and access tokens, that are kept at most: the oldest go first
LONGEST_TOLD = 200  # characters of a wrong parameter that an error repeats
PROMPTS = frozenset({"none", "login", "consent", "select_account"})

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256, no padding
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class AuthorizeError(SandboxError):
    """A wrong authorization request whose client gets the error. `location`: where the browser is sent."""

    def __init__(self, code: str, description: str, request: AuthorizeRequest) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.location = request.answer(error=code, error_description=description)


class TokenError(SandboxError):
    """A refused token or userinfo request: `status`, and `code` and `description` for the JSON body."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.status, self.code, self.description = status, code, description


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """A valid authorization request to `issuer`. `challenge` "" without PKCE; `max_age` in seconds, None for any."""

    issuer: str
    client: Client
    redirect_uri: str
    scope: tuple[str, ...]
    state: str
    nonce: str
    challenge: str
    prompt: frozenset[str]
    max_age: int | None

    def error(self, code: str, description: str) -> AuthorizeError:
        """An error for this request's client."""
        return AuthorizeError(code, description, self)

    def answer(self, **values: str) -> str:
        """The address that carries `values` back to the client, with `state` and the issuer (RFC 9207)."""
        return with_query(self.redirect_uri, {**values, "state": self.state, "iss": self.issuer})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person (`subject`: identifier key) granted to a client, and when they logged in (epoch seconds)."""

    client_id: str
    redirect_uri: str
    subject: str
    nonce: str
    challenge: str
    scope: tuple[str, ...]
    auth_time: int
    session: str


def with_query(url: str, values: Mapping[str, str]) -> str:
    """`url` with the values that are not empty added to its query."""
    query = urlencode({key: value for key, value in values.items() if value})
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def read_authorize(pairs: Sequence[tuple[str, str]], clients: Mapping[str, Client], issuer: str) -> AuthorizeRequest:
    """Check an authorization request. A parameter without a value is as if absent, none is repeated (RFC 6749, 3.1).

    Raises RequestError 400 (unknown client or address) or AuthorizeError.
    """
    values, repeated = read_parameters(pairs)
    client = clients.get(values.get("client_id", ""))
    if client is None or "client_id" in repeated:
        asked = values.get("client_id", "")[:LONGEST_TOLD]
        raise malformed(
            f"Le service « {asked} » n'est pas enregistré auprès de Pro Santé Connect. Déclarez-le dans le fichier de "
            "configuration du bac à sable (--config), sous oidc_clients (id, name, redirect_uris), puis redémarrez. "
            f"Services enregistrés : {', '.join(clients)}.",
            "http.client_id",
        )
    redirect_uri = values.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris or "redirect_uri" in repeated:
        raise malformed(
            f"L'adresse de retour « {redirect_uri[:LONGEST_TOLD]} » n'est pas enregistrée pour le service "
            f"« {client.name} ». Elle doit être, au caractère près, une de celles de redirect_uris sous oidc_clients : "
            f"{', '.join(client.redirect_uris)}.",
            "http.redirect_uri",
        )
    request = AuthorizeRequest(
        issuer=issuer,
        client=client,
        redirect_uri=redirect_uri,
        scope=tuple(values.get("scope", "").split()),
        state="" if "state" in repeated else values.get("state", ""),
        nonce=values.get("nonce", ""),
        challenge=values.get("code_challenge", ""),
        prompt=frozenset(values.get("prompt", "").split()),
        max_age=_max_age(values.get("max_age", "")),
    )
    if fault := _fault(request, values, repeated):
        raise request.error(*fault)
    return request


def _max_age(text: str) -> int | None:
    """Seconds; -1 marks a value that cannot be read."""
    if not text:
        return None
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1


def _fault(request: AuthorizeRequest, values: Mapping[str, str], repeated: frozenset[str]) -> tuple[str, str] | None:
    """The first rule that the request breaks: error code and description."""
    kind = values.get("response_type", "")
    rules = (
        (not repeated, "invalid_request", "a parameter is repeated"),
        (bool(kind), "invalid_request", "response_type is missing"),
        (kind == "code", "unsupported_response_type", "only code is supported"),
        (values.get("response_mode", "query") == "query", "invalid_request", "only response_mode query"),
        ("request" not in values, "request_not_supported", "request objects are not supported"),
        ("request_uri" not in values, "request_uri_not_supported", "request objects are not supported"),
        ("openid" in request.scope, "invalid_scope", "scope must contain openid"),
        (request.prompt <= PROMPTS, "invalid_request", "unknown prompt"),
        ("none" not in request.prompt or len(request.prompt) == 1, "invalid_request", "prompt none stands alone"),
        (request.max_age != -1, "invalid_request", "max_age is not a number of seconds"),
        (_good_challenge(request.challenge, values), "invalid_request", "PKCE: an S256 code_challenge is expected"),
        (len(request.state) <= 2000 and len(request.nonce) <= 500, "invalid_request", "state or nonce too long"),
    )
    return next(((code, text) for good, code, text in rules if not good), None)


def _good_challenge(challenge: str, values: Mapping[str, str]) -> bool:
    """PKCE is optional for clients with a secret; where it is used, only S256 (never `plain`) is accepted."""
    if not challenge:
        return "code_challenge_method" not in values
    return bool(_CHALLENGE.fullmatch(challenge)) and values.get("code_challenge_method") == "S256"


def read_parameters(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], frozenset[str]]:
    """The parameters that have a value, and the names of those that came more than once (RFC 6749, 3.1 and 3.2)."""
    present = [(name, value) for name, value in pairs if value]
    counts = Counter(name for name, _ in present)
    return dict(present), frozenset(name for name, count in counts.items() if count > 1)


def needs_login(request: AuthorizeRequest, auth_time: int | None, now: int) -> bool:
    """True when the person must log in (again). `auth_time`: of the present session, None without one."""
    if auth_time is None or request.prompt & {"login", "select_account"}:
        return True
    return request.max_age is not None and now - auth_time > request.max_age


class Grants:
    """Codes and access tokens: bounded tables, forgotten at restart. Times are monotonic seconds."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._codes: OrderedDict[str, _Issued] = OrderedDict()
        self._tokens: OrderedDict[str, _Issued] = OrderedDict()
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._codes)

    def clear(self) -> None:
        """Forget every code and token."""
        self._codes.clear()
        self._tokens.clear()

    def end(self, session: str) -> None:
        """Forget the codes and tokens of a session that was ended."""
        for table in (self._codes, self._tokens):
            for key in [key for key, issued in table.items() if issued.grant.session == session]:
                del table[key]

    def issue(self, code: str, grant: Grant, now: float) -> None:
        """Keep a fresh code for 60 s."""
        _keep(self._codes, code, _Issued(grant, now + CODE_LIFETIME_S), now, self._capacity)

    def redeem(self, code: str, client: Client, redirect_uri: str, verifier: str, token: str, now: float) -> Grant:
        """Exchange a code, once, for its grant and for `token`, which is valid for 300 s from now.

        When a code is used a second time, its access token is revoked (RFC 6749, 4.1.2).
        Raises TokenError `invalid_grant`.
        """
        issued = self._codes.get(code)
        if issued is None or issued.expires <= now or issued.grant.client_id != client.id:
            raise TokenError(400, "invalid_grant", "unknown or expired code")
        if issued.token:
            self._tokens.pop(issued.token, None)
            raise TokenError(400, "invalid_grant", "code already used")
        if issued.grant.redirect_uri != redirect_uri:
            raise TokenError(400, "invalid_grant", "redirect_uri is not that of the authorization request")
        if not verifies(issued.grant.challenge, verifier):
            raise TokenError(400, "invalid_grant", "code_verifier does not fit the code_challenge")
        self._codes[code] = _Issued(issued.grant, issued.expires, token)
        _keep(self._tokens, token, _Issued(issued.grant, now + TOKEN_LIFETIME_S), now, self._capacity)
        return issued.grant

    def of_token(self, token: str, now: float) -> Grant:
        """The grant behind an access token. Raises TokenError `invalid_token`."""
        issued = self._tokens.get(token)
        if issued is None or issued.expires <= now:
            raise TokenError(401, "invalid_token", "unknown or expired access token")
        return issued.grant


@dataclass(frozen=True, slots=True)
class _Issued:
    grant: Grant
    expires: float
    token: str = ""  # of a used code: the access token that it was exchanged for


def _keep(table: OrderedDict[str, _Issued], key: str, issued: _Issued, now: float, capacity: int) -> None:
    """Add an entry; drop expired ones (entries are in the order of their expiry), then the oldest if there are too
    many."""
    while table and (len(table) >= capacity or next(iter(table.values())).expires <= now):
        table.popitem(last=False)
    table[key] = issued


def verifies(challenge: str, verifier: str) -> bool:
    """PKCE S256; without a challenge there must be no verifier either (a downgrade would go unnoticed)."""
    if not challenge:
        return not verifier
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode("ascii"))


def authenticate_client(authorization: str, form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The client of a token request, by `client_secret_basic` or `client_secret_post` (RFC 6749, 2.3.1).

    Raises TokenError 401 `invalid_client`, or 400 `invalid_request` when it uses both ways.
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":
        if "client_secret" in form:
            raise TokenError(400, "invalid_request", "two ways of client authentication at once")
        client_id, secret = _basic(credentials.strip())
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    client = clients.get(client_id)
    if client is None or not client.knows(secret):
        raise TokenError(401, "invalid_client", "unknown client or wrong secret")
    return client


def _basic(credentials: str) -> tuple[str, str]:
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise TokenError(401, "invalid_client", "unreadable Authorization header") from None
    return unquote_plus(client_id), unquote_plus(secret)
