"""A RabbitMQ node of our own for tests and measurements: private ports, directories and Erlang port mapper.

`start(directory, pki, …)` gives a running node with the hub's topology and users imported (`definitions`), TLS with
client certificates and SASL EXTERNAL of our PKI, or plain TCP with SASL PLAIN when `pki` is None. It runs as whoever
calls, needs Debian's packages `rabbitmq-server` and `erlang`, and ends with `stop`. `missing()` says why it cannot run.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.kernel.hub.queues import DEAD_LETTER, DISPATCH, DISPATCH_DLQ, DISTRIBUTION, HUBSANTE, client_queues
from sandbox.pki.authority import Pki

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the package's wrapper only runs as root or as its own user
START_S, STOP_S = 90.0, 20.0
Definitions = dict[str, list[dict[str, Any]]]


def missing() -> str | None:
    """Why no node can be started here, None when one can."""
    if not SERVER.exists() or shutil.which("erl") is None:
        return "rabbitmq-server is not installed"
    return None if shutil.which("epmd") else "epmd is not installed"


def definitions(
    vhosts: Iterable[str],
    clients: Sequence[str],
    *,
    ttl_ms: int,
    dispatcher: str | None = None,
    password: str | None = None,
    limited: Mapping[str, Mapping[str, Any]] | None = None,
) -> Definitions:
    """The hub as RabbitMQ imports it. `dispatcher`: the user that it is, if it is a client; `password`: the users'
    (None: they have certificates only); `limited`: further arguments of clients' queues, by name."""
    found: Definitions = {
        name: [] for name in ("users", "vhosts", "permissions", "topic_permissions", "exchanges", "queues", "bindings")
    }
    names = [*clients, *([dispatcher] if dispatcher else [])]
    found["users"] = [{"name": name, "password": password or os.urandom(16).hex(), "tags": ""} for name in names]
    for vhost in vhosts:
        found["vhosts"].append({"name": vhost})
        _topology(found, vhost, clients, ttl_ms, limited or {})
        for client in clients:
            _rights(found, vhost, client)
        if dispatcher:
            configure = r"\.(message|ack|info)$"  # it deletes queues
            rights = {"configure": configure, "write": f"^{DISTRIBUTION}$", "read": r"^dispatch(\.dlq)?$"}
            found["permissions"].append({"user": dispatcher, "vhost": vhost, **rights})
    return found


def _topology(
    found: Definitions, vhost: str, clients: Iterable[str], ttl_ms: int, limited: Mapping[str, Mapping[str, Any]]
) -> None:
    kinds = ((HUBSANTE, "topic"), (DISTRIBUTION, "direct"), (DEAD_LETTER, "fanout"))
    for name, kind in kinds:
        found["exchanges"].append({"name": name, "vhost": vhost, "type": kind, **_LASTING, "internal": False})
    own = {"x-message-ttl": ttl_ms, "x-dead-letter-exchange": DEAD_LETTER}
    places: list[tuple[str, str, str, Mapping[str, Any]]] = [
        (DISPATCH, HUBSANTE, "#", {}),
        (DISPATCH_DLQ, DEAD_LETTER, "", {}),
        *(
            (queue, DISTRIBUTION, queue, {**own, **limited.get(queue, {})})
            for client in clients
            for queue in client_queues(client)
        ),
    ]
    for queue, exchange, key, arguments in places:
        found["queues"].append({"name": queue, "vhost": vhost, **_LASTING, "arguments": dict(arguments)})
        target = {"destination": queue, "destination_type": "queue", "routing_key": key, "arguments": {}}
        found["bindings"].append({"source": exchange, "vhost": vhost, **target})


_LASTING: dict[str, Any] = {"durable": True, "auto_delete": False, "arguments": {}}


def _rights(found: Definitions, vhost: str, client: str) -> None:
    escaped = client.replace(".", "\\.")
    queues = f"^{escaped}\\.(message|ack|info)$"
    user = {"user": client, "vhost": vhost}
    found["permissions"].append({**user, "configure": "^$", "write": "^hubsante$", "read": queues})
    found["topic_permissions"].append({**user, "exchange": HUBSANTE, "write": f"^{escaped}$", "read": ""})


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Node:
    """A node. `port`: AMQPS, or AMQP without PKI."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    mapper: subprocess.Popen[bytes]
    environment: Mapping[str, str] = field(repr=False)

    def kill(self) -> None:
        """kill -9 of the node; its port mapper stays for a restart."""
        _signal(self.process, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Suspend the node, so that it does not disturb a measurement."""
        _signal(self.process, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(self.process, signal.SIGCONT)

    def restart(self) -> None:
        """Start again on the same directory; returns when the port answers."""
        self.process = _launch(self.directory, self.environment)
        _await_port(self)

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl`; what it prints. Raises CalledProcessError."""
        command = (str(SERVER.with_name("rabbitmqctl")), "-n", self.environment["RABBITMQ_NODENAME"], *arguments)
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def limit(self, ack_s: float, octets: int) -> None:
        """Seconds for acknowledgements, looked at five times a second, and octets of a message, for new channels."""
        wanted = {"consumer_timeout": round(ack_s * 1000), "channel_tick_interval": 200, "max_message_size": octets}
        calls = [f"application:set_env(rabbit, {name}, {value})" for name, value in wanted.items()]
        self.control("eval", ", ".join(calls) + ".")

    def stop(self) -> None:
        """End node and port mapper; the directory stays."""
        for process in (self.process, self.mapper):
            _signal(process, signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()


def start(
    directory: Path, pki: Pki | None, imported: Definitions, *, core: int | None = None, settings: Iterable[str] = ()
) -> Node:
    """A node that answers. `core`: the only one it may use; `settings`: further lines of rabbitmq.conf.

    Raises RuntimeError with the end of its log when it does not come up within 90 s.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port, mapper_port = free_port(), free_port()
    (directory / "definitions.json").write_text(json.dumps({"rabbitmq_version": "3.10.8", **imported}))
    (directory / "rabbitmq.conf").write_text("\n".join([*_configuration(directory, port, pki), *settings, ""]))
    (directory / "advanced.config").write_text("[].\n")
    (directory / "plugins").write_text("[rabbitmq_auth_mechanism_ssl].\n")
    environment = _environment(directory, mapper_port, core)
    command = (shutil.which("epmd") or "epmd", "-port", str(mapper_port), "-address", "127.0.0.1")
    mapper = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    node = Node(directory, port, _launch(directory, environment), mapper, environment)
    try:
        _await_port(node)
    except BaseException:
        node.stop()
        raise
    return node


def _configuration(directory: Path, port: int, pki: Pki | None) -> list[str]:
    common = [
        f"load_definitions = {directory / 'definitions.json'}",
        "log.console = false",
        "log.file.level = warning",
        "disk_free_limit.absolute = 10MB",
    ]
    if pki is None:
        return [*common, f"listeners.tcp.1 = 127.0.0.1:{port}", "auth_mechanisms.1 = PLAIN"]
    return [
        *common,
        "listeners.tcp = none",
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {pki.ca}",
        f"ssl_options.certfile = {pki.server.cert}",
        f"ssl_options.keyfile = {pki.server.key}",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = true",
        "auth_mechanisms.1 = EXTERNAL",
        "ssl_cert_login_from = common_name",
    ]


def _environment(directory: Path, mapper_port: int, core: int | None) -> dict[str, str]:
    name = f"hub{mapper_port}"
    found = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(directory),
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_NODENAME": f"{name}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
    }
    if core is not None:  # one scheduler, as many cores as it may use
        found["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "+S 1:1 +SDcpu 1:1 +SDio 1"
        found["HUB_CORE"] = str(core)
    return found


def _launch(directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    core = environment.get("HUB_CORE")
    pinned = () if core is None else ("taskset", "-c", core)
    with (directory / "output").open("ab") as output:
        return subprocess.Popen(
            (*pinned, str(SERVER)), env=dict(environment), stdout=output, stderr=output, start_new_session=True
        )


def _await_port(node: Node) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and node.process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", node.port), 1):
            return
        time.sleep(0.1)
    log = (node.directory / "output").read_text(errors="replace")[-2000:]
    raise RuntimeError(f"RabbitMQ did not start: {log}")


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the whole session that was started for the node, because the node has helper processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
