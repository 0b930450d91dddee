"""Contexts that follow the revocation list."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.net.revocation import Following, listener_contexts
from sandbox.net.tls import server_context
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.certificate_service import CertificateService
from sandbox.pki.subjects import sas_subject


@pytest.fixture
def own(tmp_path: Path) -> Pki:
    now, clients = datetime.now(UTC), {"sas": sas_subject()}
    return ensure_pki(tmp_path / "pki", hosts=("127.0.0.1",), clients=clients, now=now, bad_like=sas_subject())


def following(pki: Pki) -> Following:
    return Following(pki, lambda: server_context(pki, client_certificate="required"))


def test_context_is_kept_while_the_list_is_the_same_and_made_again_once_when_it_is_not(own: Pki) -> None:
    contexts = following(own)
    first = contexts()
    assert contexts() is first
    CertificateService(own.directory, datetime.now(UTC)).revoke("sas")
    second = contexts()
    assert second is not first
    assert contexts() is second


def test_context_of_before_serves_while_the_list_cannot_be_read(own: Pki, caplog: pytest.LogCaptureFixture) -> None:
    contexts = following(own)
    first, whole = contexts(), own.crl.read_bytes()
    with caplog.at_level(logging.WARNING):
        own.crl.unlink()
        assert contexts() is first
        own.crl.write_bytes(b"not a list")
        assert contexts() is first
    assert len(caplog.records) == 2
    own.crl.write_bytes(whole)
    assert contexts() is not first


def test_plain_listener_has_no_contexts() -> None:
    assert listener_contexts(None, client_certificate="optional") is None
