"""A control plane for tests: it listens on its own port only, and its roles are stand-ins that apply every World."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.config import CONTROL_UI, ROLES, Settings
from sandbox.control.app import Control
from sandbox.kernel.clock import Clock
from sandbox.kernel.world import ClockSetting, World, WorldView
from sandbox.net.link import Applied, Line, Report
from tests.support.contexts import make_context

WALL = 1_800_000_000.0


def make_control(tmp_path: Path, run_id: str = "r1", **fields: Any) -> Control:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    base = sock.getsockname()[1] - CONTROL_UI
    settings = Settings(data_dir=str(tmp_path), port_base=base, mtls=False, preset="minimal", **fields)
    view = WorldView()
    clock = Clock(lambda: WALL, ClockSetting())
    view.watch(lambda world: setattr(clock, "setting", world.clock))
    context = make_context(settings, world=view, clock=clock, sockets={CONTROL_UI: sock})
    return Control(context, run_id=run_id, clock=ClockSetting(), wall=lambda: WALL)


def obedient(control: Control, role: str) -> Line:
    """A connection of a role that applies every World at once."""

    def take(world: World) -> None:
        control.context.world.apply(world)
        control.switchboard.heard(line, Applied(world.revision))

    line = Line(role, 1, take)
    control.switchboard.attach(line)
    return line


def attended(tmp_path: Path, health: Mapping[str, dict[str, object]] | None = None, **fields: Any) -> Control:
    """A control plane, not started, to which all its roles are connected and have reported their health (by role)."""
    made = make_control(tmp_path, **fields)
    for role in ROLES:
        made.switchboard.heard(obedient(made, role), Report(True, (health or {}).get(role, {}), [], 0))
    return made
