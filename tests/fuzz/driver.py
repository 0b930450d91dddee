"""Runs Hypothesis for a time instead of a number of examples, alternating between the entrances; failing inputs are
kept.

A failing input is made as small as Hypothesis can, written to the corpus (one folder per entrance, named by its digest)
and told. The corpus is tried first by every run, and by the test suite.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.inputs.seeds import octets

CORPUS = Path(__file__).resolve().parent / "corpus"
EXAMPLES = 50  # seconds for one entrance before the next has its turn
Try = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that fails. `text`: how; `file`: where it is kept."""

    entrance: str
    sent: bytes
    text: str
    file: Path

    def __str__(self) -> str:
        shown = repr(self.sent[:200]) + ("…" if len(self.sent) > 200 else "")
        return f"{self.entrance}: {self.text}\n  octets: {shown}\n  kept in: {self.file}"


def folder_of(corpus: Path, entrance: str) -> Path:
    """Where the inputs of an entrance are kept."""
    return corpus / re.sub(r"\W+", "-", entrance.lower()).strip("-")


def kept(corpus: Path, entrance: str) -> list[Path]:
    """The inputs of an entrance that once failed, or that are always worth trying."""
    folder = folder_of(corpus, entrance)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def write(line: str) -> None:
    """A line for the person who started the run, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fuzz(
    entrances: Mapping[str, Try],
    right: Mapping[str, Sequence[bytes]],
    *,
    seconds: float,
    first: int = 0,
    corpus: Path = CORPUS,
    say: Callable[[str], None] = write,
) -> list[Failure]:
    """Try the corpus, then octets made from the seeds `first`, `first` + 1, … until the time is over.

    `right`: octets that each entrance is meant to read. An entrance that failed is not tried again.
    """
    ends, failures, tried = time.monotonic() + seconds, list[Failure](), dict.fromkeys(entrances, 0)
    for failure in _replayed(entrances, corpus):
        say(str(failure))
        failures.append(failure)
    for number in count(first):
        left = [name for name in entrances if name not in {each.entrance for each in failures}]
        if not left or time.monotonic() >= ends:
            break
        for name in left:
            if time.monotonic() >= ends:
                break
            found = _turn(name, entrances[name], right[name], number, corpus)
            tried[name] += EXAMPLES
            if found is not None:
                say(f"seed {number}: {found}")
                failures.append(found)
    say("tried: " + ", ".join(f"{name} × {times}" for name, times in tried.items()))
    return failures


def _replayed(entrances: Mapping[str, Try], corpus: Path) -> Iterator[Failure]:
    for name, entrance in entrances.items():
        for file in kept(corpus, name):
            text = _failure(entrance, file.read_bytes())
            if text:
                yield Failure(name, file.read_bytes(), text, file)


def _failure(entrance: Try, sent: bytes) -> str:
    """How an input fails; "" when it does not."""
    try:
        entrance(sent)
    except Exception as error:  # noqa: BLE001 - whatever it is, it was found
        return _told(error)
    return ""


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


def _turn(name: str, entrance: Try, right: Sequence[bytes], number: int, corpus: Path) -> Failure | None:
    last = b""

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate, Phase.shrink],
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(octets(right))
    def tried(sent: bytes) -> None:
        nonlocal last
        last = sent
        entrance(sent)

    try:
        tried()
    except Exception as error:  # noqa: BLE001 - whatever it is: the smallest input was tried last
        return _keep(name, last, _told(error), corpus)
    return None


def _keep(name: str, sent: bytes, text: str, corpus: Path) -> Failure:
    folder = folder_of(corpus, name)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(sent).hexdigest()[:16]}.bin"
    file.write_bytes(sent)
    return Failure(name, sent, text, file)
