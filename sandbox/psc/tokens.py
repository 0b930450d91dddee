"""The provider's signing key and what it signs: id_token (RS256), JWKS, userinfo.

RS256 because every OpenID Connect library must know it (Core 1.0, 15.1) and Pro Santé Connect uses it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import UsageError
from sandbox.psc.flow import Grant
from sandbox.psc.identities import Person

ALGORITHM = "RS256"
ID_TOKEN_LIFETIME_S = 300
ACR = "eidas1"  # the only level of assurance of Pro Santé Connect
PERSON = ("sub", "SubjectNameID", "preferred_username", "family_name", "given_name", "email")
CLAIMS = (
    *("iss", "aud", "azp", "exp", "iat", "auth_time", "nonce", "jti", "typ", "acr", "sid", "at_hash"),
    *PERSON,
)  # all claims of an id_token; userinfo has those about the person, whatever the scopes
KEY_FILE = "signing-key.pem"


class Signer:
    """Signs tokens with one RSA key; `kid` is its thumbprint (RFC 7638)."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        members = {name: public[name] for name in ("e", "kty", "n")}  # in this order, nothing else
        self.kid = _base64url(hashlib.sha256(msgspec.json.encode(members)).digest())
        self._jwk = {**members, "use": "sig", "alg": ALGORITHM, "kid": self.kid}

    def jwks(self) -> dict[str, Any]:
        """The public key, as `jwks_uri` publishes it."""
        return {"keys": [self._jwk]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A signed JWT."""
        return jwt.encode(dict(claims), self._key, ALGORITHM, headers={"kid": self.kid})

    def audience(self, token: str) -> str:
        """The client that a token of ours was made for, however old (`id_token_hint`); "" for any other text."""
        options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
        try:
            claims = jwt.decode(token, self._key.public_key(), algorithms=[ALGORITHM], options=options)
        except jwt.PyJWTError:
            return ""
        return str(claims.get("aud", ""))


def person_claims(person: Person) -> dict[str, Any]:
    """What Pro Santé Connect says about a person, in id_token and userinfo alike; no `email` where there is none."""
    value = person.identifier.value
    claims = {  # PERSON
        "sub": f"f:sas-sandbox:{value}",
        "SubjectNameID": value,
        "preferred_username": value,
        "family_name": person.family,
        "given_name": person.given,
        "email": person.email,
    }
    return {name: text for name, text in claims.items() if text or name != "email"}


def id_token_claims(
    person: Person, grant: Grant, access_token: str, *, issuer: str, now: int, token_id: str
) -> dict[str, Any]:
    """The claims of an id_token (OpenID Connect Core 1.0, 2). `now`: real time, epoch seconds."""
    claims = {
        "iss": issuer,
        "aud": grant.client_id,
        "azp": grant.client_id,
        "exp": now + ID_TOKEN_LIFETIME_S,
        "iat": now,
        "auth_time": grant.auth_time,
        "jti": token_id,
        "typ": "ID",
        "acr": ACR,
        "sid": grant.session,
        "at_hash": at_hash(access_token),
        **person_claims(person),
    }
    return {**claims, "nonce": grant.nonce} if grant.nonce else claims


def at_hash(access_token: str) -> str:
    """The left half of the access token's SHA-256 (OpenID Connect Core 1.0, 3.1.3.6)."""
    return _base64url(hashlib.sha256(access_token.encode("ascii")).digest()[:16])


def load_signer(directory: Path, entropy: Entropy) -> Signer:
    """The signer of a store directory; its key is made once (file mode 0600). Raises UsageError on a broken file."""
    path = directory / KEY_FILE
    if not path.exists():
        _make_key(path, entropy)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a private key ({error}); remove it to have a new one made") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UsageError(f"{path}: not an RSA key; remove it to have a new one made")
    return Signer(key)


def _make_key(path: Path, entropy: Entropy) -> None:
    """Write a new key beside its place, then move it there: a crash leaves no half a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    fresh = path.with_name(f"{path.name}.{entropy.token(4)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
