"""Runs with the same seed and instant answer identical bytes: other processes, other hashes, either mode.

Run one after the other on the same ports, so that nothing needs to be made alike: only `Date` is the wall clock's.
"""

from __future__ import annotations

import http.client
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from load.ports import free_base
from sandbox.config import load_settings
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import Flow
from sandbox.population.load import load_population
from tests.support.sandboxes import command, endpoints

AS_OF = datetime(2026, 3, 27, 12, tzinfo=PARIS)  # the clocks change within the window
FLAGS = ("--preset", "national", "--seed", "42", "--as-of", "2026-03-27T12:00:00", "--freeze")
FORM = {"content-type": "application/x-www-form-urlencoded"}


def requests() -> list[tuple[str, str, str]]:
    """(method, path, form) of searches and reads at every editor."""
    population = load_population(load_settings({"preset": "national", "seed": 42}, {}))
    window = (AS_OF, AS_OF + timedelta(days=3))
    found: list[tuple[str, str, str]] = []
    for slug, editor in population.editors.items():
        base = f"/{slug}/fhir"
        found.append(("GET", f"{base}/metadata", ""))
        people = population.of_editor(slug)
        if people:
            cpts = editor.speaks(Flow.INT_R04)
            ids = [person.id for person in (*people[:3], *people[-7:])]
            query = slot_query(ids, *window, cpts=cpts)
            found += [("GET", f"{base}/Slot?{query}", ""), ("POST", f"{base}/Slot/_search", query)]
            found.append(("GET", f"{base}/Practitioner/{ids[0]}", ""))
            found.append(("GET", f"{base}/Slot?{query.replace('_count=1000', '_count=7')}", ""))
        if editor.speaks(Flow.SOS):
            sirets = [sos.siret for sos in population.sos.values() if sos.editor == slug]
            found.append(("GET", f"{base}/Schedule?{schedule_query(sirets[:10], *window)}", ""))
        found.append(("GET", f"{base}/Slot?foo=bar&status=busy", ""))
    return found


def answers(
    document: dict[str, Any], asked: list[tuple[str, str, str]]
) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Status, headers less Date, and body of each answer."""
    tls = ssl.create_default_context(cafile=document["tls"]["ca"])
    tls.load_cert_chain(document["tls"]["clients"]["sas"]["cert"], document["tls"]["clients"]["sas"]["key"])
    host, _, port = document["editors"][0]["fhir"].removeprefix("https://").partition("/")[0].partition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=tls, timeout=20)
    found = []
    for method, path, form in asked:
        connection.request(method, path, form or None, FORM if form else {})
        answer = connection.getresponse()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() != "date"]
        found.append((answer.status, headers, answer.read()))
    connection.close()
    return found


def test_same_seed_and_instant_give_identical_answers_in_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, asked, runs = free_base(), requests(), []
    for hashes, mode in (("1", ()), ("2", ()), ("3", ("--processes",))):
        monkeypatch.setenv("PYTHONHASHSEED", hashes)
        with command(tmp_path / hashes, *FLAGS, *mode, base=base) as running:
            runs.append(answers(endpoints(running.data), asked))
    assert runs[0] == runs[1] == runs[2]
    bodies = [body for _, _, body in runs[0]]
    assert sum(body.count(b'"resourceType":"Slot"') for body in bodies) > 5_000
    assert {status for status, _, _ in runs[0]} == {200, 400, 404}
