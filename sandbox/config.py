"""Frozen settings: flags > SAS_SANDBOX_* variables > YAML file > preset. Ports and URLs follow from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.errors import UsageError
from sandbox.kernel.flows import IG_VERSIONS
from sandbox.kernel.hub.clients import usable_client_id
from sandbox.kernel.text.shapes import explained, meant
from sandbox.partners import ExternalEditor, ExternalLrm, OidcClient
from sandbox.yaml_file import load_yaml

if TYPE_CHECKING:
    from sandbox.kernel.model import Editor, Territory

ENV_PREFIX = "SAS_SANDBOX_"

# What each port offset from --port-base serves: the public interface of endpoints.json.
SAS_UI, EDITORS_UI, LRM_UI, PSC_UI, CONTROL_UI = 0, 1, 2, 3, 10
EDITORS_FHIR, SAS_FHIR, AMQPS, AMQP = 43, 44, 71, 72

SSO_REALM = "/realms/sas"  # on the port PSC_UI: the platform's own identity provider, where editors send regulators

EMBEDDED = "embedded"  # the broker inside the role `hub`

MOST_TAKE_OVER_S = 86_400

ROLES = ("control", "psc", "hub", "lrm", "sas", "editors")  # in the order in which they start


_LARGEST = 2**53 - 1  # the largest integer that every JSON reader represents exactly
_VHOST = re.compile(r"/|[A-Za-z0-9._-]{1,100}")
_ORIGIN = re.compile(r"sas(?:-[A-Za-z0-9_-]{1,40})?")
_TOKEN = re.compile(r"[!-~]{16,200}")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is decided before the start. Field names are the flags with `_` for `-`."""

    port_base: int = 8000
    host: str = "127.0.0.1"
    public_host: str = "127.0.0.1"
    data_dir: str = ".sandbox"
    seed: int = 20260101
    as_of: str | None = None
    freeze: bool = False
    preset: str = "demo"
    processes: bool = False
    mtls: bool = True
    ready_file: str | None = None
    personas: str | None = None  # a directory; None: those of the package
    practitioners: int = 0  # procedural practitioners beside the hand-made ones
    scope: str = "territories"  # where everybody lives: the persona files' `territories`, or all of `france`
    vhost: str = "15-15_v2.0"
    platform_client_id: str = "fr.health.test.ptfsas"
    platform_format: str = "json"  # format of messages between the SAS core and the hub: json or xml
    spare_clients: tuple[str, ...] = ("fr.health.samu999", "fr.health.samu998")
    message_ttl_s: int = 86_400
    queue_limit: int = 0  # messages waiting in a client's queue; above it the oldest dies (500). 0: any number
    ack_timeout_s: float = 1800.0  # for the acknowledgement of a delivery; then the hub closes the channel (406)
    message_limit_mib: int = 16  # the largest message that the hub takes; for a larger one it closes the channel (406)
    client_connections: int = 200  # open connections of one client of the hub; it refuses the next one (530)
    hub_strict: bool = False  # refuse what the published message model does not know: an LRM's 409
    hub_broker: str = EMBEDDED  # or the URL of a RabbitMQ: amqps://host[:port], amqp://… with --no-mtls
    hub_topology: str = "declare"  # at a RabbitMQ: declare what is missing, or `assume` that all exists and check
    ig_version: str = IG_VERSIONS[0]  # of the guide: what is sent is valid by it; what any version admits is accepted
    sos_take_over_s: float = 20.0  # until an SOS association names the doctor, sandbox time; 0: known when booked
    editor_timeout_s: float = 7.0  # time that an editor has for one lot of a search
    search_timeout_s: float | None = None  # time of a whole search; None: three times editor_timeout_s, 21 s
    editor_concurrency: int = 20  # requests under way at one editor
    editor_answer_mib: int = 8  # the largest answer that is read
    breaker_failures: int = 5  # failures in a row, after which an editor is not asked any more
    breaker_pause_s: float = 10.0  # for how long it is then not asked
    session_hours: float = 12.0
    sas_origin: str = "sas"  # value of `origin` that the SAS core appends to booking URLs
    no_certificate: str = "403"  # FHIR ports, a client without certificate: `403` or `refuse` (in the handshake)
    oidc_clients: tuple[OidcClient, ...] = ()  # further clients of Pro Santé Connect
    external_editors: tuple[ExternalEditor, ...] = ()  # vendors' real servers that take part
    external_lrms: tuple[ExternalLrm, ...] = ()  # vendors' LRMs: queues and certificate only
    admin_token: str | None = None  # asked for at the control port; None: a derived one where `host` is not loopback
    config: str | None = None  # the YAML file that these settings come from

    def __post_init__(self) -> None:
        _require(1 <= self.port_base <= 65_436, "port_base", self.port_base, "1 to 65436")
        _require(0 <= self.practitioners <= 9_000_000, "practitioners", self.practitioners, "0 to 9000000")
        _require(self.scope in ("territories", "france"), "scope", self.scope, "territories or france")
        _require(self.preset in PRESETS, "preset", self.preset, " or ".join(PRESETS))
        _require(self.no_certificate in ("403", "refuse"), "no_certificate", self.no_certificate, "403 or refuse")
        _require(0 < self.editor_timeout_s <= 60, "editor_timeout_s", self.editor_timeout_s, "over 0, at most 60")
        _require(self.ig_version in IG_VERSIONS, "ig_version", self.ig_version, " or ".join(IG_VERSIONS))
        most = MOST_TAKE_OVER_S
        _require(0 <= self.sos_take_over_s <= most, "sos_take_over_s", self.sos_take_over_s, f"0 to {most}")
        longest = self.search_timeout_s
        good = longest is None or self.editor_timeout_s <= longest <= 300
        _require(good, "search_timeout_s", longest, "editor_timeout_s to 300")
        _require(1 <= self.editor_concurrency <= 1000, "editor_concurrency", self.editor_concurrency, "1 to 1000")
        _require(1 <= self.editor_answer_mib <= 64, "editor_answer_mib", self.editor_answer_mib, "1 to 64")
        _require(1 <= self.breaker_failures <= 1000, "breaker_failures", self.breaker_failures, "1 to 1000")
        _require(0 < self.breaker_pause_s <= 3600, "breaker_pause_s", self.breaker_pause_s, "over 0, at most 3600")
        _require(
            self.as_of is None or _is_datetime(self.as_of),
            "as_of",
            self.as_of,
            "YYYY-MM-DDThh:mm:ss[+hh:mm], 2000 to 2098",
        )
        _require(self.mtls or not self.external_editors, "mtls", self.mtls, "true with external_editors")
        expected = "embedded, or amqps://host[:port], or amqp://host[:port] with --no-mtls; the vhost is `vhost`"
        _require(self.hub_broker == EMBEDDED or _is_broker(self.hub_broker, self.mtls), "hub_broker",
                 self.hub_broker, expected)  # fmt: skip
        _require(0 <= self.queue_limit <= 10_000_000, "queue_limit", self.queue_limit, "0 to 10000000")
        _require(1 <= self.ack_timeout_s <= 604_800, "ack_timeout_s", self.ack_timeout_s, "1 to 604800")
        _require(1 <= self.message_limit_mib <= 64, "message_limit_mib", self.message_limit_mib, "1 to 64")
        _require(1 <= self.client_connections <= 1000, "client_connections", self.client_connections, "1 to 1000")
        _require(self.hub_topology in ("declare", "assume"), "hub_topology", self.hub_topology, "declare or assume")
        _require(self.platform_format in ("json", "xml"), "platform_format", self.platform_format, "json or xml")
        vendors = [row.client_id for row in self.external_lrms]
        _require(self.platform_client_id not in vendors and len(vendors) == len({*vendors}), "external_lrms",
                 vendors, "other client ids than the platform's, each once")  # fmt: skip
        self._check_names()
        self._check_numbers()
        _require(not self.freeze or self.as_of is not None, "freeze", self.freeze, "as_of beside it")

    def _check_names(self) -> None:
        """Check that hosts, files and ids have only what a URL, a file name or a protocol can carry."""
        for name in self.__struct_fields__:
            text = getattr(self, name)
            if isinstance(text, str) and name != "admin_token":
                _require(text.isprintable() and text.strip() != "", name, text, "a text without control characters")
        for name in ("host", "public_host"):
            _require(_is_host(getattr(self, name)), name, getattr(self, name), "a host name or an IP address")
        _require(_VHOST.fullmatch(self.vhost), "vhost", self.vhost, "/, or letters, digits, '.', '_' and '-'")
        _require(_ORIGIN.fullmatch(self.sas_origin), "sas_origin", self.sas_origin, "sas, or sas-<name>")
        for name, ids in (("platform_client_id", (self.platform_client_id,)), ("spare_clients", self.spare_clients)):
            for client_id in ids:
                _require(usable_client_id(client_id), name, client_id, "fr.health.<name>, not the hub's own")
        _require(self.platform_client_id not in self.spare_clients, "spare_clients", self.platform_client_id,
                 "other client ids than the platform's")  # fmt: skip
        token = self.admin_token
        _require(token is None or _TOKEN.fullmatch(token), "admin_token", "(not shown)",
                 "16 to 200 visible ASCII characters without spaces")  # fmt: skip

    def _check_numbers(self) -> None:
        _require(-_LARGEST <= self.seed <= _LARGEST, "seed", self.seed, f"-{_LARGEST} to {_LARGEST}")
        _require(1 <= self.message_ttl_s <= 4_000_000, "message_ttl_s", self.message_ttl_s, "1 to 4000000")
        _require(0 < self.session_hours <= 8_760, "session_hours", self.session_hours, "over 0, at most 8760")

    def port(self, offset: int) -> int:
        """The port of one of the offsets above."""
        return self.port_base + offset

    def http(self, offset: int, path: str = "") -> str:
        """Public URL of a page or API port (never TLS: loopback by default)."""
        return f"http://{self.public_name}:{self.port(offset)}{path}"

    def fhir(self, offset: int, path: str = "") -> str:
        """Public URL of a FHIR port: https, or http with `--no-mtls`."""
        return f"{'https' if self.mtls else 'http'}://{self.public_name}:{self.port(offset)}{path}"

    @property
    def public_name(self) -> str:
        """The public host as a URL writes it: an IPv6 address in brackets."""
        return f"[{self.public_host}]" if ":" in self.public_host else self.public_host

    @property
    def exposed(self) -> bool:
        """True when the ports listen to other machines than this one."""
        return not is_loopback(self.host)

    @property
    def hub(self) -> tuple[str, int]:
        """Host and port of the hub's broker, as its clients use them."""
        if self.hub_broker == EMBEDDED:
            return self.public_host, self.port(AMQPS if self.mtls else AMQP)
        url = urlsplit(self.hub_broker)
        return url.hostname or "", url.port or (5671 if self.mtls else 5672)

    @property
    def external_lrm_ids(self) -> frozenset[str]:
        """Client ids of vendors' LRMs; the sandbox runs no LRM under them."""
        return frozenset(row.client_id for row in self.external_lrms)

    def editor_fhir(self, editor: Editor) -> str:
        """Public URL of an editor's FHIR base, without a slash at its end: here, or the vendor's own."""
        return editor.base_url or self.fhir(EDITORS_FHIR, f"/{editor.slug}/fhir")

    def editor_ui(self, editor: Editor) -> str:
        """Public URL of an editor's pages."""
        return editor.ui or self.http(EDITORS_UI, f"/{editor.slug}")

    def lrm_ui(self, territory: Territory) -> str:
        """Public URL of a LRM's pages: a vendor's own when they are declared, else the sandbox's."""
        declared = (row.ui for row in self.external_lrms if row.client_id == territory.samu and row.ui)
        return next(declared, self.http(LRM_UI, f"/{territory.lrm_slug}"))

    def error(self, path: str, problem: str) -> UsageError:
        """What is wrong with the value at `path` (`$.oidc_clients[0].id`): with file and line when it has any."""
        if self.config is None:
            return UsageError(f"settings: {problem} (at {path})")
        return load_yaml(Path(self.config), dict[str, Any]).error(path, problem)

    @property
    def data(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data_dir).absolute()


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "minimal": {"practitioners": 0},
    "demo": {"practitioners": 2_000},
    "national": {"practitioners": 100_000, "scope": "france"},
}


def _is_host(text: str) -> bool:
    """An IP address (no zone: URLs cannot carry it), or a host name."""
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        labels = text.removesuffix(".").split(".")
        return len(text) <= 253 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def is_unspecified(host: str) -> bool:
    """True for an address that means all addresses of this machine: `0.0.0.0`, `::`."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """True for a name or address that means this machine alone: `localhost`, `127.…`, `::1`, `::ffff:127.…`."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class FieldError(ValueError):
    """A setting's value is not usable; carries the field so that the caller can say where it came from."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: {value!r} is not usable (expected {expected})")
        self.field = field


def _require(good: object, field: str, value: object, expected: str) -> None:
    if not good:
        raise FieldError(field, value, expected)


def _is_broker(text: str, mtls: bool) -> bool:
    try:
        url = urlsplit(text)
        bare = url.path in ("", "/") and not (url.query or url.fragment or url.username or url.password)
        return url.scheme == ("amqps" if mtls else "amqp") and bool(url.hostname) and bare and url.port != 0
    except ValueError:
        return False


def _is_datetime(text: str) -> bool:
    try:
        parse_datetime(text)
    except ValueError:
        return False
    return True


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Settings from all four sources, the strongest first. Raises UsageError or ConfigError."""
    layers: dict[str, Any] = {}
    origin: dict[str, str] = {}
    document = load_yaml(file, dict[str, Any]) if file is not None else None
    if document is not None and "config" in document.value:
        raise document.error("$.config", "a configuration file cannot name another one")
    for name, values in (
        (str(file), document.value if document else {}),
        ("environment", _from_environment(environ)),
        ("command line", {key: value for key, value in flags.items() if value is not None}),
    ):
        layers |= values
        origin |= dict.fromkeys(values, name)
    preset = layers.get("preset", "demo")
    values = {**PRESETS.get(preset, {}), **layers} if isinstance(preset, str) else layers
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except (msgspec.ValidationError, FieldError) as error:
        raise _explain(error, values, origin, document) from None
    if "public_host" not in layers and not is_unspecified(settings.host):
        settings = msgspec.structs.replace(settings, public_host=settings.host)
    return msgspec.structs.replace(settings, config=str(file) if file is not None else None)


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    known = Settings.__struct_fields__
    found = {}
    for name, value in environ.items():
        field = name.removeprefix(ENV_PREFIX).lower()
        if name.startswith(ENV_PREFIX) and field != "config":
            if field not in known:
                names = {ENV_PREFIX + each.upper(): "" for each in known}
                raise UsageError(f"environment: {name} is no setting{meant(name, names)}")
            found[field] = value
    return found


def _explain(
    error: msgspec.ValidationError | FieldError, values: Mapping[str, Any], origin: Mapping[str, str], document: Any
) -> UsageError:
    """Say which source held the bad value; for YAML with file and line."""
    cause = error if isinstance(error, FieldError) else error.__cause__
    if isinstance(cause, FieldError):
        where, problem = f"$.{cause.field}", str(cause)
    else:
        assert isinstance(error, msgspec.ValidationError)
        where, problem = explained(error, Settings, values)
    field = where.removeprefix("$.").partition(".")[0].partition("[")[0]
    if document is not None and origin.get(field) == document.file:
        return document.error(where, problem)  # type: ignore[no-any-return]
    return UsageError(f"{origin.get(field, 'settings')}: {problem}")
