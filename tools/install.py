"""Installs a lock file into an environment, says how far it is, and what to try when a package cannot be installed.

    python tools/install.py --venv .venv --lock requirements.lock --stamp .venv/.runtime [--project .]

Called by the Makefile; needs nothing but Python >= 3.11. Locked files are complete, so they are installed as they are,
without looking at what each package asks for; `pip check` looks at that afterwards. What pip says goes to `install.log`
in the environment. The stamp is only there while everything that it stands for is installed.

Exit codes: 0 good, 2 something could not be installed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

OURS = ".made-by-sas-sandbox"
LOG = "install.log"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
HANDLED = re.compile(
    r"^(Collecting|Processing|Requirement already satisfied:|Ignoring) (?:\S*/)?([\w.-]+?)(?=[=<>!:\s\[]|-\d|$)"
)
NETWORK = re.compile(
    r"connection broken by|NewConnectionError|Max retries|timed? ?out|name resolution|SSLError|CERTIFICATE|ProxyError"
    r"|HTTP error [45]|[45]\d\d (?:Client|Server) Error",
    re.IGNORECASE,
)


class Failure(Exception):
    """What could not be done: one line, then suggestions, a line each."""

    def __init__(self, what: str, *advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


@dataclass(frozen=True)
class Cause:
    """A known reason for a failure of pip. `pattern`: what pip prints; its group, if any, names the package."""

    pattern: re.Pattern[str]
    advice: str


PYTHONS = "try Python 3.11, 3.12 or 3.13 (make clean, then make PYTHON=/path/to/python3.12 …)"
CAUSES = (
    Cause(re.compile(r"No space left on device"), "the disk is full: make room, then run make again"),
    Cause(
        re.compile(r"DO NOT MATCH THE HASHES.*?^ +([\w.-]+==\S+) ", re.DOTALL | re.MULTILINE),
        "the index gave another file than the one that was locked: try without proxy or mirror, or pip cache purge",
    ),
    Cause(
        re.compile(r"Failed (?:building wheel for|to build) ([\w.-]+)|subprocess-exited-with-error"),
        "there is no ready file of it for {here}, and compiling it failed:\n"
        f"{PYTHONS}, or install a C compiler, Rust and the headers of Python",
    ),
    Cause(
        re.compile(r"No matching distribution found for ([\w.-]+==[^\s;]+)"),
        f"the package index has no file of it for {{here}}:\n{PYTHONS}, or another index (PIP_INDEX_URL)",
    ),
)


def explain(said: str) -> Failure:
    """The package that failed, the reason, and what to try, from the complete output of pip."""
    cause = next((cause for cause in CAUSES if cause.pattern.search(said)), None)
    found = cause.pattern.search(said) if cause else None
    named = found.group(1) if found and found.re.groups else None
    package = named or _last_handled(said) or "a package"
    here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {sysconfig.get_platform()}"
    if NETWORK.search(said) and (cause is None or cause is CAUSES[-1]):
        advice = "the package index did not answer: look at network, proxy (HTTPS_PROXY) and index (PIP_INDEX_URL)"
    else:
        advice = cause.advice.format(here=here) if cause else "see what pip said, then run make again"
    return Failure(f"{package} could not be installed", *_errors(said), *advice.splitlines())


def _last_handled(said: str) -> str | None:
    names = re.findall(r"^\s*(?:Collecting|Building wheel for) ([\w.-]+(?:==[^\s;]+)?)", said, re.MULTILINE)
    return names[-1] if names else None


def _errors(said: str) -> list[str]:
    """pip's error messages, without its warnings about the machine."""
    lines = [line.removeprefix("ERROR:").strip() for line in said.splitlines() if line.startswith("ERROR:")]
    return [f"pip: {line}" for line in lines[-1:]]


def packages_of(lock: Path) -> int:
    """The number of packages that a lock file pins, including those for other systems."""
    return len(re.findall(r"^[\w.-]+==", lock.read_text("utf-8"), re.MULTILINE))


class Installation:
    """One environment and the log of its installation."""

    def __init__(self, venv: Path) -> None:
        self._venv = venv
        self._python = venv / "bin" / "python"
        self._log = venv / LOG

    def make(self, finished: bool) -> None:
        """Make an environment with pip, or finish one that was begun by this Python. Raises Failure."""
        if (self._venv / OURS).exists() and not finished and self._version() != sys.version:
            shutil.rmtree(self._venv)
        if not self._venv.exists():
            _say(f"an environment with Python {sys.version.split()[0]} in {self._venv}")
            self._venv.mkdir(parents=True)
            (self._venv / OURS).touch()
            made = _run(sys.executable, "-m", "venv", str(self._venv))
            if made.returncode:
                said = made.stdout.strip().splitlines()[-1:]
                raise Failure(f"cannot make the environment {self._venv}", *said, "Debian: apt install python3-venv")
        if not self._version():
            raise Failure(f"{self._venv} has no Python with pip", "remove it (make clean), then run make again")

    def _version(self) -> str | None:
        """The version of the environment's Python; None when it has no pip or is not an environment."""
        if not self._python.exists():
            return None
        asked = _run(str(self._python), "-c", "import pip, sys; print(sys.version, end='')")
        return asked.stdout if asked.returncode == 0 else None

    def install(self, what: str, total: int, *arguments: str) -> None:
        """`pip install` with a line of progress; raises Failure."""
        began, handled, ignored = time.monotonic(), 0, 0
        said: list[str] = []
        with self._pip("install", "--progress-bar", "off", "--no-deps", *arguments) as pip:
            for line in pip.stdout or ():
                said.append(line)
                if match := HANDLED.match(line):
                    handled, ignored = handled + 1, ignored + (match[1] == "Ignoring")
                    _progress(f"{what}: {handled} of {total} ({match[2]})")
        _progress("")
        with self._log.open("a", encoding="utf-8") as log:
            log.writelines(said)
        if pip.returncode:
            raise explain("".join(said))
        number = f"{total - ignored} packages, " if total > 1 else ""
        _say(f"{what}: {number}{time.monotonic() - began:.0f} s")

    def _pip(self, *arguments: str) -> subprocess.Popen[str]:
        command, both = [str(self._python), *PIP, *arguments], subprocess.STDOUT
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=both, encoding="utf-8", errors="replace")

    def check(self) -> None:
        """Check whether every package has its requirements; raises Failure."""
        done = _run(str(self._python), *PIP, "check")
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() if not line.startswith("WARNING")]
            raise Failure(
                "the packages do not fit together", *lines, "remove the environment (make clean) and try again"
            )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _progress(line: str) -> None:
    """Rewrite one line on a terminal."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {line}" if line else "\r\x1b[K", end="", flush=True)


def main() -> int:
    """Install the lock file that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--venv", "--lock", "--stamp"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--project", type=Path, help="install this checkout too, so that edits count at once")
    options = parser.parse_args()
    there = Installation(options.venv)
    try:
        there.make(finished=(options.venv / ".runtime").exists())
        options.stamp.unlink(missing_ok=True)
        lock = str(options.lock)
        there.install(options.lock.name, packages_of(options.lock), "--require-hashes", "-r", lock)
        if options.project:
            there.install("sas-sandbox itself", 1, "--no-build-isolation", "-e", str(options.project))
        there.check()
        options.stamp.touch()
    except Failure as failure:
        lines = [f"sas-sandbox: {failure.what}", *failure.advice]
        if (log := options.venv / LOG).exists():
            lines.append(f"all that pip said: {log}")
        print("\n  ".join(lines), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
