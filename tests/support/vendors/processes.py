"""A vendor's agenda and a vendor's LRM, each a process of its own that is ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
DOCTOR = {"family": "EXTERNE", "given": "Ada", "line": "1 rue du Dehors", "postal_code": "33000", "city": "Bordeaux"}


def agenda_settings(document: Mapping[str, Any], slug: str, secret: str, **doctor: str) -> dict[str, Any]:
    """What the stand-in agenda needs, from endpoints.json (absolute paths).

    `secret`: of its client at Pro Santé Connect; `doctor`: `id` and `structure` at least.
    """
    tls = document["tls"]
    entry = next(each for each in document["editors"] if each["slug"] == slug)
    return {
        "port": urlsplit(entry["fhir"]).port,
        "server": _files(tls["servers"][slug]),
        "client": _files(tls["clients"][slug]),
        "ca": tls["ca"],
        "crl": tls["crl"],
        "platform": {name: tls["clients"]["sas"][name] for name in ("cn", "ou")},
        "sas_fhir": document["sas"]["fhir"],
        "system": entry["system"],
        "doctor": {**DOCTOR, **doctor},
        "psc": {"issuer": document["psc"]["issuer"], "client_id": slug, "secret": secret},
    }


def _files(entry: Mapping[str, str]) -> dict[str, str]:
    return {name: entry[name] for name in ("cert", "key")}


def lrm_arguments(document: Mapping[str, Any], client: str) -> list[str]:
    """What the LRM of the guide, and the stand-in, are called with."""
    found = re.fullmatch(r"amqps://(.+):(\d+)/(.+)", document["hub"]["amqp"])
    assert found is not None
    files = document["tls"]["clients"][client]
    return [client, *found.groups(), document["tls"]["ca"], files["cert"], files["key"]]


@contextlib.contextmanager
def agenda(settings: Mapping[str, Any], file: Path) -> Iterator[list[str]]:
    """The stand-in agenda, its settings written to `file`; yields the lines that it prints, as they come."""
    file.write_text(json.dumps(settings), "utf-8")
    with _running(str(HERE / "agenda.py"), str(file)) as lines:
        yield lines


@contextlib.contextmanager
def lrm(arguments: list[str], directory: Path | None = None) -> Iterator[list[str]]:
    """The stand-in LRM, started in `directory`; yields the lines that it prints, as they come."""
    with _running(str(HERE / "lrm.py"), *arguments, directory=directory) as lines:
        yield lines


@contextlib.contextmanager
def _running(*command: str, directory: Path | None = None) -> Iterator[list[str]]:
    lines: list[str] = []
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=directory)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    reader = threading.Thread(target=lambda: lines.extend(line.strip() for line in process.stdout or ()))
    reader.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
