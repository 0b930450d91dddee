"""The signing key and the tokens made with it."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import UsageError
from sandbox.psc.tokens import KEY_FILE, Signer, at_hash, load_signer


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "psc"


@pytest.fixture(scope="session")
def signer(directory: Path) -> Signer:
    return load_signer(directory, seeded(1))


def test_key_is_made_once_and_private(directory: Path, signer: Signer) -> None:
    assert load_signer(directory, seeded(2)).kid == signer.kid
    assert (directory / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in directory.iterdir()] == [KEY_FILE]


def test_jwks_publishes_the_public_half_only(signer: Signer) -> None:
    (key,) = signer.jwks()["keys"]
    assert set(key) == {"kty", "n", "e", "use", "alg", "kid"}


def test_signature_verifies_with_the_published_key(signer: Signer) -> None:
    token = signer.sign({"aud": "a"})
    key = jwt.PyJWK(signer.jwks()["keys"][0])
    assert jwt.decode(token, key, algorithms=["RS256"], audience="a") == {"aud": "a"}
    assert jwt.get_unverified_header(token)["kid"] == signer.kid


def test_audience_of_our_tokens_only(signer: Signer) -> None:
    token = signer.sign({"aud": "a", "exp": 1})
    assert signer.audience(token) == "a"
    assert signer.audience(token[:-4] + "AAAA") == ""
    assert signer.audience("") == ""


def test_key_id_is_the_thumbprint_of_rfc_7638(signer: Signer) -> None:
    assert len(signer.kid) == 43
    assert signer.kid.isascii()


def test_broken_key_file_is_one_line_for_the_person(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("rubbish")
    with pytest.raises(UsageError, match="remove it"):
        load_signer(tmp_path, seeded(1))


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / KEY_FILE).write_bytes(pem)
    with pytest.raises(UsageError, match="not an RSA key"):
        load_signer(tmp_path, seeded(1))


def test_at_hash_of_the_specification_s_example() -> None:
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"  # OpenID Connect Core 1.0, A.3
    assert at_hash(token) == "77QmUPtjPfzWtF2AnpK9RQ"
