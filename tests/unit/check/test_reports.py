"""The reports of an examination: what they say of each outcome, and that they are valid whatever a server sends."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from sandbox.check.evidence import Exchange
from sandbox.check.reports import document, junit, page, terminal
from sandbox.check.requirements import EDITOR
from sandbox.check.verdicts import Fault, Observed, Passed, Report, Skipped, Text, Verdicts

HOSTILE = "<script>alert(1)</script>\x00\x1b[31m ]]> &amp; é"


def exchange(body: bytes = b'{"resourceType": "Bundle", "entry": []}', **more: object) -> Exchange:
    sent = {"Accept": "application/json+fhir", "Authorization": "Bearer very-secret"}
    answered = {
        "status": 200,
        "headers": {"Content-Type": "application/fhir+json", "Set-Cookie": "very-secret"},
        **more,
    }
    return Exchange(
        "GET", "https://127.0.0.1:9443/fhir/Slot?status=free", "sas", sent, b"", body=body, ms=12.3, **answered
    )  # type: ignore[arg-type]


def fault(requirement: str = "R01-45", **more: object) -> Fault:
    values = {
        "path": "Slot/abc.start",
        "text": Text("un créneau n'a pas de millisecondes", "a slot has no milliseconds"),
        "found": "2026-11-23T09:00:00+01:00",
        "expected": "2026-11-23T09:00:00.000+01:00",
        "exchange": exchange(),
    }
    return Fault(requirement, **{**values, **more})  # type: ignore[arg-type]


def report_of(*observed: Observed, ids: tuple[str, ...] = ("R01-8", "R01-45", "R01-P", "TLS-5")) -> Report:
    found = Verdicts()
    for each in observed:
        found.add(each)
    return Report(
        kind="editor",
        name="mon-agenda",
        url="https://127.0.0.1:9443/fhir",
        began="2026-11-23T09:00:00+01:00",
        seconds=12.34,
        verdicts=found.all(EDITOR[id] for id in ids),
        ig="1.2.0",
        requests=214,
    )


ONE_OF_EACH = (
    Passed("R01-8", exchange(), Text("le corps est vide", "the body is empty")),
    *[fault()] * 106,
    fault("R01-P", tolerated=True, text=Text("la réponse est lente", "the answer is slow")),
    Skipped("TLS-5", Text("le fichier ne donne pas de certificat révoqué", "the file has no revoked certificate")),
)


def shown(report: Report) -> str:
    out = io.StringIO()
    terminal.write(report, out)
    return out.getvalue()


def test_the_terminal_says_each_outcome_and_where_the_fault_is():
    text = shown(report_of(*ONE_OF_EACH))
    assert "mon-agenda, guide 1.2.0 : https://127.0.0.1:9443/fhir" in text
    assert "✔ R01-8" in text
    assert "✘ R01-45" in text
    assert "un créneau n'a pas de millisecondes (106 fois, la première ci-dessous)" in text
    assert "où : Slot/abc.start" in text
    assert "attendu : 2026-11-23T09:00:00.000+01:00" in text
    assert "≈ R01-P" in text
    assert "– TLS-5" in text
    assert "le fichier ne donne pas de certificat révoqué" in text
    assert "le corps est vide" in text
    assert (
        "4 exigences : 1 satisfaite, 1 non satisfaite, 1 tolérée, 1 non vérifiée. 214 requêtes en 12,3 s."
        in text.splitlines()[-1]
    )


def test_what_was_skipped_for_one_reason_is_said_once():
    reason = Text("l'éditeur ne déclare pas SOS", "the editor does not declare SOS")
    ids = tuple(f"SOS-{number}" for number in range(1, 12))
    report = report_of(*(Skipped(id, reason) for id in ids), ids=("R01-8", *ids))
    text = shown(report)
    assert text.count(reason.fr) == 1
    assert "– 11 exigences non vérifiées" in text
    assert "SOS-1, SOS-2" in text
    content = page.render(report).decode()
    assert content.count("éditeur ne déclare pas SOS") == 1
    assert all(f'id="{id}"' in content for id in ids)
    assert ET.fromstring(junit.render(report)).get("skipped") == "12"


def test_colours_are_for_terminals_only():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    terminal.write(report_of(*ONE_OF_EACH), out)
    assert "\x1b[1;31m" in out.getvalue()
    assert "\x1b" not in shown(report_of(*ONE_OF_EACH))


def test_what_a_server_sends_does_not_steer_the_terminal():
    text = shown(report_of(fault(found=HOSTILE + "x" * 10_000)))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 400


def test_junit_has_a_case_per_requirement_with_its_outcome():
    root = ET.fromstring(junit.render(report_of(*ONE_OF_EACH)))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    cases = {case.attrib["name"].split()[0]: case for case in root.iter("testcase")}
    assert list(cases) == ["R01-8", "R01-45", "R01-P", "TLS-5"]
    failure = cases["R01-45"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("Slot/abc.start : un créneau n'a pas de millisecondes (106 fois")
    assert "a slot has no milliseconds" in (failure.text or "")
    assert cases["TLS-5"].find("skipped") is not None
    assert cases["R01-P"].find("failure") is None
    assert "la réponse est lente" in (cases["R01-P"].findtext("system-out") or "")


@pytest.mark.parametrize("hostile", [HOSTILE, "\ud800", "\ufffe", "\U0001f600"])
def test_every_form_is_valid_whatever_a_server_sends(hostile: str):
    bad = exchange(why=hostile, failure="tls", status=0, headers={"Server": hostile})
    report = report_of(fault(found=hostile, path=hostile, text=Text(hostile, hostile), exchange=bad))
    assert ET.fromstring(junit.render(report)).get("failures") == "1"
    assert json.loads(document.render(report))["exit_code"] == 1
    assert page.render(report).decode().count("<script") == 0
    assert all(line.isprintable() for line in shown(report).splitlines())


def test_json_has_everything_in_both_languages_and_no_secret():
    content = document.render(report_of(*ONE_OF_EACH))
    found = json.loads(content)
    assert found["summary"] == {"passed": 1, "failed": 1, "tolerated": 1, "skipped": 1}
    assert found["exit_code"] == 1
    assert found["target"] == {"name": "mon-agenda", "url": "https://127.0.0.1:9443/fhir", "ig": "1.2.0"}
    passed, failed, tolerated, skipped = found["requirements"]
    assert passed["evidence"][0]["answer"]["status"] == 200
    assert failed["findings"][0]["count"] == 106
    assert failed["findings"][0]["text"]["en"] == "a slot has no milliseconds"
    assert tolerated["findings"][0]["tolerated"] is True
    assert skipped["reasons"][0]["fr"].startswith("le fichier")
    assert b"very-secret" not in content


class Tags(HTMLParser):
    """The tags that are open and the attributes that load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_no_other_file_and_shows_the_evidence():
    content = page.render(report_of(*ONE_OF_EACH, fault("R01-8", found=HOSTILE))).decode()
    tags = Tags()
    tags.feed(content)
    assert tags.open == []
    assert all(target.startswith("#") for target in tags.loads)
    assert not re.search(r"@import|url\(", content)
    assert {"R01-8", "R01-45", "R01-P", "TLS-5"} < set(tags.ids)
    assert len(tags.ids) == len(set(tags.ids))
    assert '<html lang="fr">' in content
    assert "<script" not in content
    assert "very-secret" not in content
    assert "Authorization: ***" in content


def test_the_page_counts_what_was_covered():
    content = page.render(report_of(*ONE_OF_EACH)).decode()
    (foot,) = re.findall(r"<tfoot>(.*?)</tfoot>", content, re.DOTALL)
    assert re.findall(r"<strong>(\d+)</strong>", foot) == ["1", "1", "1", "1"]


def test_evidence_of_a_long_answer_is_cut_around_the_place():
    body = json.dumps({"entry": [f"slot-{number}" for number in range(5000)]}).encode()
    text = page.exchange_text(exchange(body), "slot-4000")
    assert "slot-4000" in text
    assert len(text) < 5000


def test_an_answer_that_never_came_says_why():
    text = page.exchange_text(
        exchange(b"", status=0, headers={}, failure="timeout", why="no complete answer within 7 s")
    )
    assert "pas de réponse : timeout: no complete answer within 7 s" in text


def test_an_exchange_shows_the_body_that_was_sent():
    sent = Exchange("POST", "https://x/fhir/Practitioner", "sas", {}, b'{"active": true}', 409, {}, b"not json")
    assert '{\n  "active": true\n}' in page.exchange_text(sent)
    assert page.exchange_text(sent).endswith("not json")


@pytest.mark.parametrize("render", [junit.render, document.render, page.render])
def test_a_report_without_verdicts_is_a_report(render):
    assert b"mon-agenda" in render(report_of(ids=()))
    assert "0 exigence : aucune." in shown(report_of(ids=()))
