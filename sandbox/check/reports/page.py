"""The report of an examination as one French HTML page that needs no other file: to read, to print, to send."""

from __future__ import annotations

import orjson

from sandbox.check.evidence import Exchange, as_data
from sandbox.check.reports.words import effort, facts, gathered, group_name, label, summary, title, told
from sandbox.check.verdicts import Outcome, Report, by_group
from sandbox.web.pages import environment

_TONES = {Outcome.PASSED: "good", Outcome.FAILED: "bad", Outcome.TOLERATED: "wait", Outcome.SKIPPED: "off"}


def render(report: Report) -> bytes:
    """The page, UTF-8."""
    groups = by_group(report.verdicts)
    text = (
        environment("sandbox.check.reports")
        .get_template("report.html")
        .render(
            report=report,
            title=title(report),
            summary=summary(report),
            effort=effort(report),
            groups=[(group_name(group), group, gathered(verdicts)) for group, verdicts in groups.items()],
            coverage=[
                (group_name(group), group, [sum(each.outcome is one for each in verdicts) for one in Outcome])
                for group, verdicts in groups.items()
            ],
            totals=[report.count(one) for one in Outcome],
            outcomes=list(Outcome),
            tones=_TONES,
            label=label,
            told=told,
            facts=facts,
            exchange_text=exchange_text,
        )
    )
    return text.encode("utf-8", "replace")


def exchange_text(exchange: Exchange, place: str = "") -> str:
    """An exchange as it went over the wire, secrets masked, bodies cut."""
    seen = as_data(exchange, place)
    answer = seen["answer"]
    asked = [f"{seen['method']} {seen['url']}", *_fields(seen["headers"])]
    if seen["body"]:
        asked += ["", _readable(seen["body"])]
    if answer["failure"]:
        return "\n".join([*asked, "", f"(pas de réponse : {answer['failure']})"])
    head = f"{answer['status']} ({answer['ms']} ms, {answer['octets']} octets)"
    return "\n".join([*asked, "", head, *_fields(answer["headers"]), "", _readable(answer["excerpt"])]).rstrip()


def _fields(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def _readable(text: str) -> str:
    """A small whole JSON body on several lines; anything else as it came."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text
