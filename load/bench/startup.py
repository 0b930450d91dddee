"""The cost of a start: `sas-sandbox up` with the presets `minimal` and `national` (100,000 practitioners), each in a
fresh process, in a data directory that has its certificates already.

seconds of processor time until everything answers, and MiB of memory then (proportional set size).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

PRESETS = ("minimal", "national")
_READY = re.compile(r"prêt en \d+\.\d s, (\d+) Mio")
_TICKS = os.sysconf("SC_CLK_TCK")
_PORTS = 100


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds and MiB of each preset, alternately."""
    found: dict[str, list[float]] = {f"{preset} {unit}": [] for preset in PRESETS for unit in ("s", "MiB")}
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        for preset in PRESETS:
            _start(preset, Path(directory) / preset)  # makes the certificates
        for _ in range(rounds):
            for preset in PRESETS:
                seconds, mib = _start(preset, Path(directory) / preset)
                found[f"{preset} s"].append(seconds)
                found[f"{preset} MiB"].append(mib)
    return found


def _start(preset: str, data: Path) -> tuple[float, float]:
    arguments = ["up", "--preset", preset, "--data-dir", str(data), "--port-base", str(_free_base())]
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.cli", *arguments], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            memory = _memory(process)
            return _spent(process.pid), memory
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


def _memory(process: subprocess.Popen[str]) -> float:
    """MiB as the banner prints them."""
    for line in process.stdout or ():
        if told := _READY.search(line):
            return float(told[1])
    raise RuntimeError("the sandbox did not start")


def _spent(pid: int) -> float:
    """Seconds of processor time that a process has spent, threads and ended children included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def _free_base() -> int:
    """A base of ports that are probably free: the system has just assigned one of them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return min(port // _PORTS * _PORTS, 65_000)
