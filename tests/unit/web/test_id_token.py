"""What makes an id_token unacceptable."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.kernel.errors import PeerError
from sandbox.web.oidc import basic_authorization, key_id, read_keys, verify_id_token

NOW = datetime(2027, 1, 1, tzinfo=UTC)
STAMP = int(NOW.timestamp())
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = jwt.PyJWK(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "ES256")
CLAIMS = {"iss": "i", "aud": "a", "sub": "s", "nonce": "n", "iat": STAMP, "exp": STAMP + 300}


def verify(token: str) -> dict[str, Any]:
    return verify_id_token(token, PUBLIC, issuer="i", audience="a", nonce="n", now=NOW)


def signed(**changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode(claims, KEY, "ES256")


def test_good_token_gives_its_claims() -> None:
    assert verify(signed(extra=1))["extra"] == 1


def test_a_little_clock_difference_is_forgiven() -> None:
    assert verify(signed(iat=STAMP + 20, exp=STAMP - 20))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "j"}, "issuer"),
        ({"aud": "b"}, "udience"),
        ({"nonce": "m"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": STAMP - 60}, "expired"),
        ({"exp": "soon"}, "id_token"),
        ({"iat": STAMP + 60}, "future"),
        ({"exp": int("9" * 400)}, "expired"),
        ({"iat": 1e300}, "future"),
        ({"sub": None}, "sub"),
    ],
)
def test_wrong_claims_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PeerError, match=words):
        verify(signed(**changes))


def test_other_key_and_unsigned_tokens_are_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(PeerError):
        verify(jwt.encode(CLAIMS, other, "ES256"))
    with pytest.raises(PeerError):
        verify(jwt.encode(CLAIMS, None, "none"))
    with pytest.raises(PeerError):
        verify(jwt.encode(CLAIMS, "x" * 64, "HS256"))


def test_key_of_another_algorithm_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(PeerError):
        verify(jwt.encode(CLAIMS, key, "RS256"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"kty": "XX"}]}',
        b'{"keys":5}',
        b'{"keys":[5]}',
        b'{"keys":[{"kty":"RSA","n":7,"e":"AQAB"}]}',
        b"\xff",
        b"[" * 2000,
    ],
)
def test_unusable_key_sets_are_refused(body: bytes) -> None:
    with pytest.raises(PeerError):
        read_keys(body)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (b"x", b"{}"),
        (b'{"kid":' + b"[" * 5000 + b"]" * 5000 + b"}", b"{}"),
        (b'{"kid":"1"}', b'{"exp":' + b"9" * 400 + b"}"),
        (b'{"kid":"1"}', b'{"exp":1e99999}'),
        (b'{"kid":"1"}', b"\xe9"),
    ],
)
def test_a_token_whose_parts_cannot_be_read_is_refused(header: bytes, claims: bytes) -> None:
    token = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims, b"x"))
    with pytest.raises(PeerError, match="id_token"):
        key_id(token.decode())


def test_text_that_is_no_token_is_refused() -> None:
    for text in ("x", "é.é.é", ""):
        with pytest.raises(PeerError):
            key_id(text)


def test_client_credentials_are_form_encoded_first() -> None:
    assert basic_authorization("a:b", "c d") == "Basic YSUzQWI6YyUyMGQ="
