"""The timeline of a scenario: one line per exchange as the journal has it, one per step verified or failed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TextIO

from sandbox.kernel.clock import PARIS


class Report:
    """Prints each line at once; `failures` counts the failed steps."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.failures = 0

    def line(self, text: str = "") -> None:
        """Print one line at once."""
        print(text, file=self._out, flush=True)

    def step(self, number: int, title: str) -> None:
        """Print the heading of a step."""
        self.line(f"\n{number:>2}. {title}")

    def exchange(self, exchange: dict[str, Any]) -> None:
        """Print one exchange of the journal."""
        at = datetime.fromtimestamp(exchange["at"], PARIS).strftime("%H:%M:%S.%f")[:-3]
        arrow = "->" if exchange["direction"] == "out" else "<-"
        status = exchange.get("status", 0) or "-"
        who = f"{exchange['actor']} {arrow} {exchange.get('peer', '') or '?'}"
        detail = f"{exchange.get('size', 0)} o, {exchange.get('ms', 0.0):.1f} ms"
        note = f"  {exchange['note']}" if exchange.get("note") else ""
        self.line(f"    {at}  {exchange['flow']:<8} {who:<52} {exchange['action']:<58} {status:>4}  {detail}{note}")

    def good(self, text: str) -> None:
        """Print a verified fact."""
        self.line(f"    ✔ {text}")

    def bad(self, text: str) -> None:
        """Print a fact that does not hold, and count the failure."""
        self.failures += 1
        self.line(f"    ✘ {text}")
