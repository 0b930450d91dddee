"""`make bench`: the hot paths against their limits, as ratios measured in one run (`ARGS="r01 search"`: some of them).

Each measurement runs its variants alternately, several rounds, server and client in processes of their own (each on a
core of its own where there are two); the ratio is that of the medians. Exit code 1 when a limit is missed, 2 for a
measurement that does not exist.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from load.bench.amqp import Skipped
from load.bench.measurements import MEASUREMENTS, Measurement

ROUNDS = 3


def main(arguments: Sequence[str]) -> int:
    """Measure what is named, or everything that does not take long; print and judge. Returns the exit code."""
    wanted = _parser().parse_args(arguments).name
    known = [measurement.key for measurement in MEASUREMENTS]
    if strange := [key for key in wanted if key not in known]:
        print(f"unknown: {', '.join(strange)} (known: {', '.join(known)})", file=sys.stderr)
        return 2
    chosen = [each for each in MEASUREMENTS if (each.key in wanted if wanted else not each.only_when_named)]
    return 1 if sum(map(_missed, chosen)) else 0


def _parser() -> argparse.ArgumentParser:
    rows = [f"  {each.key:<12} {each.title}{' (only when named)' * each.only_when_named}" for each in MEASUREMENTS]
    parser = argparse.ArgumentParser(
        prog="python -m load.bench",
        description="Measure the hot paths against their limits, as ratios in one run.",
        epilog="\n".join(["measurements:", *rows]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="*", help="a measurement; without: all that do not take long")
    return parser


def _missed(measurement: Measurement) -> int:
    """Run one measurement and print its figures and limits; returns how many limits are missed."""
    print(f"\n{measurement.title}")
    try:
        measured = measurement.measure(ROUNDS)
    except Skipped as reason:
        print(f"  skipped: {reason}")
        return 0
    figures = {name: measurement.of_rounds(found) for name, found in measured.items()}
    for name, figure in figures.items():
        print(f"  {name:<22} {figure:>12,.{0 if measurement.unit == '/s' else 2}f} {measurement.unit}")
    judged = [limit.judge(figures) for limit in measurement.limits]
    for good, said in judged:
        print(f"  {'ok  ' if good else 'MISS'} {said}")
    return sum(not good for good, _ in judged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
