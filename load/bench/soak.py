"""Memory over time: a whole sandbox, one process per role, under steady traffic for SOAK_S after a warm-up.

Regulators search in many towns, an editor sends appointments and cancels some of them (so that messages go through the
hub to the LRM and back), agendas are asked directly. Each role's private memory is read every few seconds; what is
judged is the slope of a straight line through the figures after the warm-up, in MiB per minute.

`python -m load.bench.soak [MINUTES]` shows the figures of every minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from load.bench.r03 import template
from load.ports import free_base

WARM_UP_S = 300.0
SOAK_S = 900.0
ALLOWED_MIB_A_MINUTE = 1.0
SAMPLE_S = 5.0
SEARCHES, APPOINTMENTS, AGENDAS = 4.0, 2.0, 4.0  # a second
TOWNS = ("33063", "33281", "33318", "35238", "35288", "69123", "69266", "33039", "33119", "69256", "35047", "69029")
SPECIALTIES = ("SM54", "SM26", "SM53")

Samples = dict[str, list[tuple[float, float]]]


def measure(rounds: int) -> dict[str, list[float]]:
    """The slope of each role, and the steepest; one round, however many are asked for."""
    samples = asyncio.run(_soaked(WARM_UP_S + SOAK_S))
    found = {role: [slope(taken, WARM_UP_S)] for role, taken in samples.items()}
    return {**found, "steepest": [max(each[0] for each in found.values())], "none": [0.0]}


def slope(samples: list[tuple[float, float]], after_s: float) -> float:
    """MiB per minute of (second, MiB) samples, by least squares over those after `after_s`."""
    kept = [(at / 60, mib) for at, mib in samples if at >= after_s]
    return statistics.linear_regression(*zip(*kept, strict=True)).slope


async def _soaked(seconds: float) -> Samples:
    with _sandbox() as document:
        async with contextlib.AsyncExitStack() as stack:
            traffic = await Traffic.on(document, stack)
            tasks = [
                asyncio.create_task(_paced(rate, action))
                for rate, action in (
                    (SEARCHES, traffic.search), (APPOINTMENTS, traffic.appointment), (AGENDAS, traffic.agenda)
                )
            ]  # fmt: skip
            try:
                return await _sampled(document, seconds, traffic)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _sandbox() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="sas-soak-") as directory:
        ready = Path(directory) / "ready.json"
        arguments = ["--processes", "--data-dir", f"{directory}/data", "--ready-file", str(ready)]
        command = [sys.executable, "-m", "sandbox.cli", "up", "--port-base", str(free_base()), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the sandbox did not start")
                time.sleep(0.1)
            yield json.loads(ready.read_text("utf-8"))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


async def _sampled(document: dict[str, Any], seconds: float, traffic: Traffic) -> Samples:
    samples: Samples = {}
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        for role, pid in (await traffic.processes()).items():
            samples.setdefault(role, []).append((at, _private_mib(pid)))
        await asyncio.sleep(SAMPLE_S)
    if traffic.failed:
        raise RuntimeError(f"{traffic.failed} of {traffic.done} requests failed, the last: {traffic.last_failure}")
    return samples


def _private_mib(pid: int) -> float:
    """What the process alone holds in memory (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def _paced(rate: float, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call `action` so many times a second, one call at a time."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + 1 / rate, loop.time() - 1)  # calls that were missed for a longer time are not made up for
        await asyncio.sleep(max(0.0, due - loop.time()))
        await action()


class Traffic:
    """The requests to the sandbox. `failed` of `done` requests had a status other than the expected one."""

    def __init__(self, document: dict[str, Any], plain: aiohttp.ClientSession, tls: aiohttp.ClientSession) -> None:
        self.done = self.failed = 0
        self.last_failure = ""
        self._document, self._plain, self._tls = document, plain, tls
        self._random = random.Random(7)
        self._headers: dict[str, str] = {}
        self._template = template()
        self._numbers = itertools.count()
        self._editor = next(each for each in document["editors"] if "INT_R01" in each["flows"])

    @classmethod
    async def on(cls, document: dict[str, Any], stack: contextlib.AsyncExitStack) -> Traffic:
        """Logged in to a running sandbox."""
        tls = ssl.create_default_context(cafile=document["tls"]["ca"])
        files = document["tls"]["clients"][document["editors"][0]["slug"]]
        tls.load_cert_chain(files["cert"], files["key"])
        sas = ssl.create_default_context(cafile=document["tls"]["ca"])
        sas.load_cert_chain(document["tls"]["clients"]["sas"]["cert"], document["tls"]["clients"]["sas"]["key"])
        plain = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=sas)))
        editor = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)))
        traffic = cls(document, plain, editor)
        account = document["examples"]["regulators"][0]
        body = {"identifier": account["identifier"], "password": account["password"]}
        async with plain.post(f"{document['sas']['api']}/login", json=body) as answer:
            traffic._headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        return traffic

    async def processes(self) -> dict[str, int]:
        """Process of each role."""
        async with self._plain.get(f"{self._document['control']['api']}/health") as answer:
            return {role: state["pid"] for role, state in (await answer.json())["roles"].items()}

    async def search(self) -> None:
        """A regulator's search, each time in another place."""
        query = {"specialty": self._random.choice(SPECIALTIES), "insee": self._random.choice(TOWNS)}
        url = f"{self._document['sas']['api']}/search"
        async with self._plain.get(url, params=query, headers=self._headers) as answer:
            await self._judge(answer, 200)

    async def appointment(self) -> None:
        """An editor's appointment; every third is cancelled afterwards."""
        system, id = self._editor["system"], str(uuid.uuid4())
        body = self._template.replace(b"$ID", id.encode())
        headers = {"Content-Type": "application/fhir+json"}
        url = f"{self._document['sas']['fhir']}/Appointment"
        async with self._tls.post(url, data=body, headers=headers) as answer:
            await self._judge(answer, 201)
        if next(self._numbers) % 3 == 0:
            cancelled = body.replace(b'"booked"', b'"cancelled"')
            query = {"identifier": f"{system}|{id}"}
            async with self._tls.put(url, params=query, data=cancelled, headers=headers) as answer:
                await self._judge(answer, 200)

    async def agenda(self) -> None:
        """Slots of one practitioner, as the platform asks for them."""
        now = time.time() + self._random.random() * 3600
        at = [time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(now + shift)) for shift in (0, 86_400)]
        query = [
            ("start", f"ge{at[0]}"), ("start", f"le{at[1]}"), ("status", "free"),
            ("_include", "Slot:schedule"), ("_include:iterate", "Schedule:actor"),
            ("schedule.actor:Practitioner.identifier",
             f"urn:oid:1.2.250.1.71.4.2.1|{self._document['examples']['practitioner_one_site']['id']}"),
        ]  # fmt: skip
        async with self._plain.get(f"{self._editor['fhir']}/Slot", params=query) as answer:
            await self._judge(answer, 200)

    async def _judge(self, answer: aiohttp.ClientResponse, status: int) -> None:
        body = await answer.read()
        self.done += 1
        if answer.status != status:
            self.failed += 1
            self.last_failure = f"{answer.method} {answer.url.path}: {answer.status} {body[:300]!r}"


def main(minutes: float) -> int:
    """Print the memory of each role, minute by minute, and the slopes."""
    samples = asyncio.run(_soaked(minutes * 60))
    for role, taken in samples.items():
        by_minute = [
            statistics.median(mib for at, mib in taken if at // 60 == minute) for minute in range(int(minutes))
        ]
        sys.stdout.write(f"{role:<10} {' '.join(f'{mib:.0f}' for mib in by_minute)}\n")
        sys.stdout.write(f"{'':<10} {slope(taken, min(WARM_UP_S, minutes * 30)):+.2f} MiB/min\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else (WARM_UP_S + SOAK_S) / 60))
