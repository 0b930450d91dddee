"""`make bench`: the hot paths against their limits, as ratios measured in one run.

Each measurement runs its variants by turns, several rounds, server and client in processes of their own (each on a
core of its own where there are two); the ratio is that of the medians. Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from load import lrm, r01, r03


@dataclass(frozen=True)
class Ratio:
    """The rate of `variant` over that of `base` must reach `limit`; one only `aimed` at is shown, not judged."""

    name: str
    variant: str
    base: str
    limit: float
    aimed: bool = False


@dataclass(frozen=True)
class Measurement:
    """Rates per second by variant, from rounds; and what they must relate to."""

    title: str
    measure: Callable[[int], Mapping[str, list[float]]]
    ratios: tuple[Ratio, ...]


MEASUREMENTS = (
    Measurement(
        "GET Slot (INT_R01), 25 practitioners or one, 3 days: raw ASGI, warm and cold, plain and over mTLS",
        r01.measure,
        (
            Ratio("25 practitioners, warm / raw ASGI that answers the same octets", "warm", "raw", 0.5, aimed=True),
            Ratio("25 practitioners, cold / the same raw ASGI", "cold", "raw", 0.1, aimed=True),
            Ratio("one practitioner, warm / raw ASGI", "warm one", "raw one", 0.5, aimed=True),
            Ratio("25 practitioners over mTLS, warm / raw ASGI over mTLS", "warm tls", "raw tls", 0.7, aimed=True),
            Ratio("25 practitioners over mTLS, cold / raw ASGI over mTLS", "cold tls", "raw tls", 0.2, aimed=True),
            Ratio("slot derived and rendered / rendering of its template", "slot", "template", 1 / 6, aimed=True),
        ),
    ),
    Measurement(
        "POST Appointment (INT_R03): raw ASGI, the handler without the store, the handler with it",
        r03.measure,
        (
            Ratio("durable POST / same handler without the store", "durable", "memory", 0.4),
            Ratio("handler without the store / raw ASGI that reads the body and answers 201", "memory", "raw", 0.10),
        ),
    ),
    Measurement(
        "20,000 L02 messages (INT_L02): a bare consumer with log and acknowledgement, the LRM",
        lrm.measure,
        (
            Ratio("LRM / bare consumer, by the consumer's processor time", "lrm cpu", "bare cpu", 0.5),
            Ratio("LRM / bare consumer, by the clock, behind the embedded broker", "lrm", "bare", 0.5, aimed=True),
        ),
    ),
)
ROUNDS = 3


def main() -> int:
    """Measure everything, print, judge."""
    missed = 0
    for measurement in MEASUREMENTS:
        print(f"\n{measurement.title}")
        rates = {name: statistics.median(found) for name, found in measurement.measure(ROUNDS).items()}
        for name, rate in rates.items():
            print(f"  {name:<12} {rate:>10,.0f} /s")
        for ratio in measurement.ratios:
            found = rates[ratio.variant] / rates[ratio.base]
            good = found >= ratio.limit
            missed += not good and not ratio.aimed
            verdict = "ok  " if good else "aim " if ratio.aimed else "MISS"
            print(f"  {verdict} {ratio.name}: {found:.2f} ({'aim' if ratio.aimed else 'limit'} {ratio.limit:.2f})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
