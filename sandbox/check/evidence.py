"""What a verdict rests on: the exchanges with the server that was examined, secrets masked, bodies cut. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kernel.text.json_input import shortened

EXCERPT = 4096  # characters of a body that evidence shows
LONGEST_URL = 2000  # characters of a URL that evidence shows
_SECRET = re.compile(r"(?i)^(authorization|cookie|set-cookie|proxy-authorization|x-api-key)$")
MASK = "***"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, or why there was none.

    `identity`: the certificate that was shown: `sas`, a kind of bad certificate (`wrong_cn`, …), "" for none.
    `status`: 0 without an answer; `failure` is then `tls`, `unreachable`, `timeout`, `closed` or `too-large`, and `why`
    says it in the words of the network. `sent`, `headers`: header fields; `ms`: until the whole answer was read;
    `word`: the answer in a word where the protocol has no status (`Ack`, `409 CONFLICT`).
    """

    method: str
    url: str
    identity: str
    sent: Mapping[str, str] = field(default_factory=dict)
    request_body: bytes = field(default=b"", repr=False)
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    ms: float = 0.0
    failure: str = ""
    why: str = ""
    word: str = ""

    @property
    def answered(self) -> bool:
        """True when the server gave an answer, whatever its status."""
        return self.status > 0 or self.word != ""

    @property
    def media_type(self) -> str:
        """Media type of the answer without its parameters, in lower case; "" when it has none."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def header(self, name: str) -> str:
        """A header of the answer, "" without it."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")

    @property
    def summary(self) -> str:
        """`GET https://…/Slot?… → 200 (12 ms)`."""
        end = (self.word or f"{self.status}") if self.answered else f"{self.failure}: {self.why}"
        return f"{self.method} {shortened(self.url, LONGEST_URL)} → {end} ({self.ms:.0f} ms)"


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Header fields as they are shown: secrets replaced."""
    return {name: MASK if _SECRET.match(name) else value for name, value in headers.items()}


def excerpt(body: bytes, place: str = "") -> str:
    """At most EXCERPT characters of a body, around the first occurrence of `place` when there is one."""
    text = body.decode("utf-8", "replace")
    if len(text) <= EXCERPT:
        return text
    at = text.find(place) if place else 0
    start = max(0, min(at - EXCERPT // 4, len(text) - EXCERPT))
    cut = text[start : start + EXCERPT - 2]
    return f"{'…' * (start > 0)}{cut}{'…' * (start + len(cut) < len(text))}"


def as_data(exchange: Exchange, place: str = "") -> dict[str, Any]:
    """An exchange as a report shows it: nothing secret, nothing large."""
    return {
        "method": exchange.method,
        "url": shortened(exchange.url, LONGEST_URL),
        "identity": exchange.identity or None,
        "headers": masked(exchange.sent),
        "body": excerpt(exchange.request_body),
        "answer": {
            "status": exchange.status or exchange.word or None,
            "headers": masked(exchange.headers),
            "excerpt": excerpt(exchange.body, place),
            "octets": len(exchange.body),
            "ms": round(exchange.ms, 1),
            "failure": f"{exchange.failure}: {exchange.why}" if exchange.failure else None,
        },
    }
