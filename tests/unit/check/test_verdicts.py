"""From observations to verdicts: what fails, what is tolerated, what is only skipped; one cause, one fault."""

from __future__ import annotations

from sandbox.check.evidence import EXCERPT, Exchange, as_data, excerpt
from sandbox.check.requirements import EDITOR, GROUPS
from sandbox.check.verdicts import (
    NOT_EXAMINED,
    Fault,
    Observed,
    Outcome,
    Passed,
    Report,
    Skipped,
    Text,
    Verdict,
    Verdicts,
)

ID = "R01-45"
WRONG, REASON = Text("faux", "wrong"), Text("rien", "nothing")
EXCHANGE = Exchange("GET", "https://x.invalid/Slot", "sas", status=200, body=b"{}")


def verdict(*observed: Observed) -> Verdict:
    verdicts = Verdicts()
    for each in observed:
        verdicts.add(each)
    return verdicts.verdict(EDITOR[ID])


def report(*verdicts: Verdict) -> Report:
    return Report("editor", "x", "https://x.invalid", "2026-01-01T00:00:00+01:00", 1.0, verdicts)


def test_what_was_not_examined_is_skipped_and_never_passed() -> None:
    assert verdict().outcome is Outcome.SKIPPED
    assert verdict().reasons == (NOT_EXAMINED,)
    assert verdict(Skipped(ID, REASON)).reasons == (REASON,)
    assert verdict(Skipped("R01-46", REASON)).reasons == (NOT_EXAMINED,)


def test_outcomes() -> None:
    soft = Fault(ID, "a", WRONG, tolerated=True)
    assert verdict(Passed(ID, EXCHANGE)).outcome is Outcome.PASSED
    assert verdict(Passed(ID), soft).outcome is Outcome.TOLERATED
    assert verdict(Passed(ID), soft, Fault(ID, "b", Text("autre", "other"))).outcome is Outcome.FAILED
    assert verdict(Passed(ID, note=REASON)).notes == (REASON,)
    assert verdict(Passed(ID, EXCHANGE), Passed(ID, EXCHANGE)).exchanges == (EXCHANGE,)
    assert report(verdict(soft)).exit_code == 0
    assert report(verdict(Fault(ID, "b", WRONG))).exit_code == 1


def test_one_cause_is_one_fault_with_its_first_place() -> None:
    (fault,) = verdict(*(Fault(ID, f"Slot/{number}.start", WRONG) for number in range(106))).faults
    assert (fault.path, fault.count) == ("Slot/0.start", 106)
    assert len(verdict(*(Fault(ID, "a", Text(f"{n}", f"{n}")) for n in range(200))).faults) == 50


def test_a_group_that_cannot_run_says_why_unless_another_examined_the_requirement() -> None:
    verdicts = Verdicts()
    verdicts.add(Passed(ID))
    for id in (ID, "R01-46"):
        verdicts.absent(id, REASON)
    assert verdicts.verdict(EDITOR[ID]).reasons == ()
    assert verdicts.verdict(EDITOR["R01-46"]).reasons == (REASON,)


def test_evidence_masks_secrets_and_cuts_bodies_around_the_place() -> None:
    body = b"x" * 20_000 + b'"abc-42"' + b"y" * 20_000
    assert '"abc-42"' in excerpt(body, '"abc-42"')
    assert len(excerpt(body, '"abc-42"')) <= EXCERPT
    sent = Exchange(
        "GET", "https://x.invalid", "", {"Authorization": "Bearer secret", "Accept": "json"}, status=200, body=body
    )
    data = as_data(sent)
    assert "secret" not in str(data)
    assert data["headers"]["Accept"] == "json"


def test_every_requirement_has_a_group_and_both_languages() -> None:
    for id, each in EDITOR.items():
        assert each.id == id
        assert each.group in GROUPS
        assert all((each.fr, each.en, each.source))
