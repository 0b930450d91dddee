"""The hub's own clients refuse a hub whose certificate was revoked while they were running."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime

from sandbox.net.amqp.client import AmqpClient
from sandbox.pki.authority import ensure_pki
from sandbox.pki.subjects import hub_client_subject

ID = "fr.health.samu330"


def test_next_connection_reads_a_revocation_list_that_was_replaced(stage, tmp_path):
    pki = ensure_pki(
        tmp_path,
        hosts=("127.0.0.1",),
        clients={ID: hub_client_subject(ID)},
        now=datetime.now(UTC),
        bad_like=hub_client_subject(ID),
    )
    _, contexts = AmqpClient(replace(stage.context, pki=pki), "lrm", ID)._secrets
    first = contexts()
    assert contexts() is first
    replaced = pki.crl.with_suffix(".new")
    replaced.write_bytes(pki.crl.read_bytes())
    os.replace(replaced, pki.crl)
    assert contexts() is not first
