"""The set-up by `make`, with libraries that do not exist: what is installed, what is printed, and the state after a
failure."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.releases import locked, newer_than, wheel
from tools.install import HANDLED, explain

ROOT = Path(__file__).resolve().parents[3]
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "sas-sandbox"
version = "1"
"""
BACKEND = """
from pathlib import Path
from tests.support.releases import wheel


def build_editable(directory, *_):
    return wheel(Path(directory), "sas-sandbox", "1", ["Requires-Dist: base[more]", "Requires-Dist: more"]).name
"""


class Checkout:
    """A checkout of two locked libraries, `base` and `more`, and a directory of wheels as the only index."""

    def __init__(self, at: Path) -> None:
        self.at, self.wheels = at, at / "wheels"
        self.wheels.mkdir()
        shutil.copy(ROOT / "Makefile", at)
        shutil.copytree(ROOT / "tools", at / "tools")
        (at / "pyproject.toml").write_text(PROJECT)
        (at / "backend.py").write_text(BACKEND)
        headers = ["Provides-Extra: more", "Requires-Dist: more>=1; extra == 'more'"]
        self.base = wheel(self.wheels, "base", "1.0", headers)
        self.more = wheel(self.wheels, "more", "1.0")
        self.lock(locked(self.base), locked(self.more))

    def lock(self, *lines: str) -> None:
        """Write the lock file of the runtime."""
        (self.at / "requirements.lock").write_text("".join(lines))

    def make(self) -> tuple[int, str, str]:
        """`make` for the runtime: exit code, standard output, standard error without make's own line."""
        kept = ("PIP_", "COV", "MAKE", "MFLAGS")  # `make test` is a make of its own
        environ = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
        environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        environ |= {"PYTHONPATH": str(ROOT)}
        command = ["make", f"PYTHON={sys.executable}", ".venv/.runtime"]
        done = subprocess.run(
            command, cwd=self.at, env=environ, capture_output=True, text=True, timeout=100, check=False
        )
        return done.returncode, done.stdout, re.sub(r"^make: .*\n", "", done.stderr, flags=re.MULTILINE)

    def installed(self) -> set[str]:
        """The releases of its environment."""
        return {path.stem for path in self.at.glob(".venv/lib/*/site-packages/*.dist-info")} - self.bundled

    @property
    def bundled(self) -> set[str]:
        """The packages of a new environment."""
        return {path.stem for name in ("pip", "setuptools") for path in self.at.rglob(f"{name}-*.dist-info")}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_what_is_locked_is_installed_although_everything_has_a_newer_release_and_a_failure_leaves_nothing(
    checkout: Checkout,
) -> None:
    newer_than(checkout.at / "requirements.lock", checkout.wheels)

    checkout.lock(locked(checkout.base), "absent==2.5 --hash=sha256:" + "0" * 64 + "\n")
    for made in (True, False):  # the next make goes on with the environment, but does not believe that it is complete
        code, out, err = checkout.make()
        assert (code, f"an environment with Python {platform.python_version()} in .venv" in out) == (2, made)
        first, *others = err.splitlines()
        assert first == "sas-sandbox: absent==2.5 could not be installed"
        assert others[1].startswith("  the package index has no file of it for Python 3.")
        assert "make PYTHON=" in others[2]
        assert others[-1] == "  all that pip said: .venv/install.log"
        assert "Traceback" not in out + err

    checkout.lock(locked(checkout.base))
    code, out, err = checkout.make()
    assert (code, err.splitlines()[:2]) == (
        2,
        ["sas-sandbox: the packages do not fit together", "  sas-sandbox 1 requires more, which is not installed."],
    )

    checkout.lock(locked(checkout.base), locked(checkout.more))
    code, out, err = checkout.make()
    assert (code, err) == (0, "")
    assert re.sub(r"\d+ s", "…", out).splitlines() == [
        "setting up sas-sandbox, once:",
        "  requirements.lock: 2 packages, …",
        "  sas-sandbox itself: …",
    ]
    assert checkout.installed() == {"base-1.0", "more-1.0", "sas_sandbox-1"}
    assert checkout.make() == (0, "make: '.venv/.runtime' is up to date.\n", "")


def test_a_directory_that_is_no_environment_is_left_alone(checkout: Checkout) -> None:
    (checkout.at / ".venv").mkdir()
    (checkout.at / ".venv" / "letter.txt").write_text("dear")
    code, _, err = checkout.make()
    assert code == 2
    assert err.startswith("sas-sandbox: .venv has no Python with pip\n  remove it (make clean), then run make again\n")
    assert (checkout.at / ".venv" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("Collecting aio-pika==10.2.1 (from -r requirements.lock (line 1))", "aio-pika"),
        (
            "Processing /opt/wheels/pydantic_core-2.46.4-cp311-cp311-linux_x86_64.whl (from -r x (line 2))",
            "pydantic_core",
        ),
        ("Requirement already satisfied: fhir.resources==8.2.0 in ./.venv/lib (from -r x (line 2))", "fhir.resources"),
        ("Ignoring uvloop: markers 'sys_platform != \"win32\"' don't match your environment", "uvloop"),
    ],
)
def test_progress_counts_each_package_however_pip_speaks_of_it(line: str, package: str) -> None:
    match = HANDLED.match(line)
    assert match is not None
    assert match[2] == package


SAID = {
    "hashes": (
        "Collecting orjson==3.11.4\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you\n"
        "    orjson==3.11.4 from https://index.example/orjson.whl (from -r requirements.lock (line 5)):\n"
        "        Expected sha256 00\n             Got        11\n",
        "orjson==3.11.4",
        "another file than the one that was locked",
    ),
    "compiler": (
        "Collecting httptools==0.7.1\nCollecting jinja2==3.1.6\nBuilding wheels for collected packages: httptools\n"
        "  Building wheel for httptools (pyproject.toml): finished with status 'error'\n"
        "  error: subprocess-exited-with-error\n  ERROR: Failed building wheel for httptools\n"
        "ERROR: Could not build wheels for httptools, which is required to install pyproject.toml-based projects\n",
        "httptools",
        "install a C compiler",
    ),
    "metadata": (
        "Collecting msgspec==0.20.0\n  Getting requirements to build wheel: finished with status 'error'\n"
        "  error: subprocess-exited-with-error\nERROR: Failed to build 'msgspec' when getting requirements\n",
        "msgspec==0.20.0",
        "install a C compiler",
    ),
    "network": (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError': /simple/aiohttp/\n"
        "ERROR: Could not find a version that satisfies the requirement aiohttp==3.13.2 (from versions: none)\n"
        "ERROR: No matching distribution found for aiohttp==3.13.2\n",
        "aiohttp==3.13.2",
        "the package index did not answer",
    ),
    "cut short": (
        "Collecting cryptography==46.0.3\nERROR: Exception:\nReadTimeoutError: Read timed out.\n",
        "cryptography==46.0.3",
        "the package index did not answer",
    ),
    "disk": (
        "Collecting ruff==0.14.0\nERROR: Could not install packages due to an OSError: [Errno 28] No space left on "
        "device\n",
        "ruff==0.14.0",
        "the disk is full",
    ),
    "something else": ("ERROR: it did not work\n", "a package", "see what pip said"),
}


@pytest.mark.parametrize("case", SAID)
def test_a_failure_names_the_package_and_says_what_to_try(case: str) -> None:
    said, package, advice = SAID[case]
    failure = explain("WARNING: Location 'file:///elsewhere' is ignored\n" + said)
    assert failure.what == f"{package} could not be installed"
    assert advice in failure.advice[-1]
    assert all("WARNING" not in line for line in failure.advice)
