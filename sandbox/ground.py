"""What must be prepared before any actor starts: directory, lock, ports, certificates, population.

Everything that can be wrong with a start is found here, so that nothing is ever half-started: each fault raises
UsageError (one line, exit code 2) and leaves no listener, no process and no file behind but the data directory.
"""

from __future__ import annotations

import errno
import os
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sandbox.config import (
    AMQP,
    AMQPS,
    CONTROL_UI,
    EDITORS_FHIR,
    EDITORS_UI,
    EMBEDDED,
    LRM_UI,
    PSC_UI,
    SAS_FHIR,
    SAS_UI,
    Settings,
    is_unspecified,
)
from sandbox.control.observability import endpoints
from sandbox.data_stores import require_readable
from sandbox.files import POSIX, read_at, try_lock, write_at
from sandbox.kernel.clock import as_of, parse_datetime
from sandbox.kernel.errors import UsageError
from sandbox.kernel.hub.clients import HUB_ID, usable_client_id, why_not
from sandbox.kernel.world import ClockSetting
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.context import admin_token
from sandbox.pki.authority import ALWAYS, Pki, ensure_pki
from sandbox.pki.subjects import Subject, editor_subject, hub_client_subject, sas_subject
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.psc.clients import registered_clients

PORT_NAMES = {
    SAS_UI: "SAS pages and API",
    EDITORS_UI: "editors' pages",
    LRM_UI: "LRM pages",
    PSC_UI: "Pro Santé Connect",
    CONTROL_UI: "control",
    EDITORS_FHIR: "editors' FHIR",
    SAS_FHIR: "SAS FHIR",
    AMQPS: "Hub Santé, AMQPS",
    AMQP: "Hub Santé, AMQP",
}
LOCK_PATIENCE_S = 4.0  # orphans of a killed supervisor end within 2 s
TOKEN_FILE = "admin-token"
SOCKET_PATH_LIMIT = 100  # sun_path is 104 octets on some systems


@dataclass
class Ground:
    """A claimed data directory and everything the roles need from it."""

    settings: Settings
    population: Population
    pki: Pki | None
    master_secret: bytes
    clock: ClockSetting
    run_id: str
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    lines: socket.socket | None = None
    lines_path: Path | None = None
    lock: int = -1

    def close(self) -> None:
        """Release ports and lock."""
        for sock in self.sockets.values():
            sock.close()
        if self.lines is not None:
            self.lines.close()
        if self.lines_path is not None:
            self.lines_path.unlink(missing_ok=True)
            if self.lines_path.parent != self.settings.data:
                with suppress(OSError):
                    self.lines_path.parent.rmdir()
        os.close(self.lock)


def prepare(settings: Settings, wall: Callable[[], float]) -> Ground:
    """Claim and make everything. Raises UsageError (ConfigError for a persona file)."""
    if settings.processes and not POSIX:
        raise UsageError("--processes needs a POSIX system (Linux, macOS): start without it, all roles in one process")
    clock = _clock(settings, wall)
    _check_ready_file(settings)
    population = load_population(settings)
    registered_clients(settings, population.editors.values(), str)  # raises UsageError for wrong ones
    tell_apart(settings, population)
    data = settings.data
    lock = _claim(data)
    try:
        require_readable(data)
    except UsageError:
        os.close(lock)
        raise
    endpoints.remove(data, settings.ready_file)  # left by a killed sandbox: commands must not use it
    try:
        sockets = _bind_all(settings)
    except UsageError:
        os.close(lock)
        raise
    try:
        master = master_secret(data)
        write_token(data, admin_token(settings, master))
        return Ground(
            settings=settings,
            population=population,
            pki=make_pki(settings, population, wall) if settings.mtls else None,
            master_secret=master,
            clock=clock,
            run_id=os.urandom(8).hex(),
            sockets=sockets,
            lock=lock,
        )
    except (OSError, UsageError) as error:
        for sock in sockets.values():
            sock.close()
        os.close(lock)
        if isinstance(error, OSError):
            raise UsageError(f"data directory {data}: {error.strerror or error}") from None
        raise


def _check_ready_file(settings: Settings) -> None:
    """Raises UsageError when `--ready-file` cannot be written, before anything is started."""
    if settings.ready_file is None:
        return
    path = Path(settings.ready_file).absolute()
    if path.is_dir():
        raise UsageError(f"ready file {path} is a directory: give the path of a file")
    if not path.parent.is_dir():
        raise UsageError(f"ready file {path}: {path.parent} is no directory: make it first, or choose another")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"ready file {path}: {path.parent} cannot be written")


def write_token(data: Path, token: str) -> None:
    """Keep the token of the control plane in `admin-token`, for its owner alone; without one there is no file."""
    path = data / TOKEN_FILE
    if not token:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_name(f"{TOKEN_FILE}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="\n") as file:
        file.write(token + "\n")
    temporary.replace(path)


def tell_apart(settings: Settings, population: Population) -> None:
    """Check that certificates distinguish callers: an external editor needs a CN and OU of its own. Raises
    UsageError."""
    _tell_clients_apart(settings, population)
    rows = {row.slug: f"$.external_editors[{at}].ou" for at, row in enumerate(settings.external_editors)}
    taken = {(sas_subject().cn, sas_subject().ou): "sas"}
    for slug, editor in population.editors.items():  # the external ones come last
        subject = editor_subject(editor)
        other = taken.setdefault((subject.cn, subject.ou), slug)
        if other != slug and slug in rows:
            raise settings.error(rows[slug], f"'{other}' has the same CN '{subject.cn}' and OU '{subject.ou}'")


def _tell_clients_apart(settings: Settings, population: Population) -> None:
    """Check that no client id stands for two clients, because queues belong to client ids. Raises UsageError."""
    for at, row in enumerate(settings.external_lrms):
        if not usable_client_id(row.client_id):
            raise settings.error(f"$.external_lrms[{at}].client_id", why_not(row.client_id))
    for territory in population.territories.values():
        lrm = f"'{territory.samu}' is the LRM of territory {territory.code} in the persona files"
        if territory.samu == settings.platform_client_id:
            raise settings.error("$.platform_client_id", lrm)
        if territory.samu in settings.spare_clients:
            raise settings.error("$.spare_clients", lrm)


def _clock(settings: Settings, wall: Callable[[], float]) -> ClockSetting:
    if settings.as_of is None:
        return ClockSetting()
    try:
        return as_of(parse_datetime(settings.as_of), wall(), freeze=settings.freeze)
    except ValueError as error:
        raise UsageError(f"--as-of: {error}") from None


def _claim(data: Path) -> int:
    """Make and lock the data directory; the descriptor holds the lock."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(f"data directory {data} cannot be used: {error.strerror}") from None
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            try_lock(descriptor)
            break
        except OSError:
            owner = read_at(descriptor, 20, 0).decode("ascii", "replace").strip()
            if _alive(owner) or time.monotonic() > deadline:
                os.close(descriptor)
                who = f"in use by process {owner or 'unknown'}"
                raise UsageError(f"data directory {data} is {who}: stop it, or choose another --data-dir") from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    write_at(descriptor, [str(os.getpid()).encode()], 0)
    return descriptor


def _alive(pid: str) -> bool:
    if not POSIX:
        return True  # Windows has no signal 0 (os.kill would send Ctrl-C) and no orphans of ours
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _bind_all(settings: Settings) -> dict[int, socket.socket]:
    """All ports, bound at once: no other program gets one, and early clients wait instead of failing."""
    unused = {AMQP if settings.mtls else AMQPS} if settings.hub_broker == EMBEDDED else {AMQP, AMQPS}
    offsets = [offset for offset in PORT_NAMES if offset not in unused]
    bound: dict[int, socket.socket] = {}
    try:
        for offset in offsets:
            bound[offset] = _bind(settings, offset)
    except UsageError:
        for sock in bound.values():
            sock.close()
        raise
    return bound


def _bind(settings: Settings, offset: int) -> socket.socket:
    port = settings.port(offset)
    sock = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    if POSIX:  # on Windows this would take a port on which another program listens
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6 and is_unspecified(settings.host):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # all addresses: those of IPv4 too
    try:
        sock.bind((settings.host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} ({PORT_NAMES[offset]}) on {settings.host} is already taken: choose another --port-base"
            ) from None
        raise UsageError(f"cannot listen on {settings.host} port {port}: {error.strerror or error}") from None
    return sock


def make_pki(settings: Settings, population: Population, wall: Callable[[], float]) -> Pki:
    """The certificates of this sandbox in its data directory, made where need be. Raises UsageError."""
    hub_clients = client_ids(settings, population)
    if settings.hub_broker != EMBEDDED:
        hub_clients += (HUB_ID,)  # with a RabbitMQ the dispatcher is a client too
    clients: dict[str, Subject] = {"sas": sas_subject()}
    clients |= {slug: editor_subject(editor) for slug, editor in population.editors.items()}
    clients |= {client_id: hub_client_subject(client_id) for client_id in hub_clients}
    hosts = tuple(dict.fromkeys((settings.public_host, settings.host)))
    now = datetime.fromtimestamp(wall(), UTC)
    servers = {
        row.slug: (editor_subject(population.editors[row.slug]), (row.host, *ALWAYS))
        for row in settings.external_editors
    }
    return ensure_pki(
        settings.data / "pki", hosts=hosts, clients=clients, now=now, bad_like=sas_subject(), servers=servers
    )


def master_secret(data: Path) -> bytes:
    """What every secret of this sandbox is derived from, made at the first start. Raises OSError, UsageError when the
    file is damaged: passwords and sessions would silently be worth nothing."""
    path = data / "secret"
    if path.exists():
        if len(kept := path.read_bytes()) == 32:
            return kept
        raise UsageError(f"'{path}' is damaged: remove it to begin with new passwords and sessions")
    secret = os.urandom(32)
    temporary = path.with_name("secret.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return secret


def open_lines(ground: Ground) -> None:
    """Bind the Unix socket of the link, for roles in processes of their own."""
    if not POSIX:
        raise AssertionError("`prepare` has refused")
    path = ground.settings.data / "control.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        path = Path(tempfile.mkdtemp(prefix="sas-sandbox-")) / "control.sock"
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(0o600)
    sock.listen(64)
    sock.setblocking(False)
    ground.lines, ground.lines_path = sock, path
