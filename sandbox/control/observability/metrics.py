"""`GET /metrics` in Prometheus' text format: roles, exchanges, the editors as the SAS core sees them, the hub.

The hub's figures have the names that Hub Santé's own dispatcher uses, so that a dashboard made for it works here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.config import ROLES
from sandbox.control.observability.journal import JournalView
from sandbox.kernel.hub.counts import BOUNDS_S, UNKNOWN, Counts
from sandbox.kernel.hub.report import HubReport, RefusalState
from sandbox.net.link import Switchboard

CIRCUITS = ("closed", "half-open", "open")


class Metrics(Collector):
    """`hub`: the hub's last report; `software`: name of the software of each client of the hub."""

    def __init__(
        self,
        switchboard: Switchboard,
        journal: JournalView,
        hub: Callable[[], HubReport | None],
        software: Callable[[], Mapping[str, str]],
    ) -> None:
        self._switchboard, self._journal, self._hub, self._software = switchboard, journal, hub, software
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Returns nothing: without this method the registry would call `collect` when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield from self._roles()
        exchanges = CounterMetricFamily(
            "sas_sandbox_exchanges", "Exchanges journalled.", labels=["actor", "flow", "direction", "status"]
        )
        for (actor, flow, direction, status), count in sorted(self._journal.counts.items()):
            exchanges.add_metric([actor, flow, direction, str(status)], count)
        yield exchanges
        yield from self._editors()
        report = self._hub()
        if report is not None:
            yield from _dispatcher(report.counts, self._software())
            yield _closed(report.refusals)

    def _roles(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("sas_sandbox_role_ready", "1 when the role answers.", labels=["role"])
        dropped = CounterMetricFamily("sas_sandbox_dropped", "Exchanges lost by overflow.", labels=["role"])
        lines = self._switchboard.lines
        for role in ROLES:
            ready.add_metric([role], int(role in lines and lines[role].ready))
        for role, line in sorted(lines.items()):
            dropped.add_metric([role], line.dropped)
        yield from (ready, dropped)

    def _editors(self) -> Iterator[Metric]:
        """The SAS core's view of each editor: circuit, calls and findings, which are part of its health."""
        circuits, calls, findings = _editor_families()
        for slug, editor in sorted(self._reported("editors").items()):
            for state in CIRCUITS:
                circuits.add_metric([slug, state], int(editor["circuit"] == state))
            _add_counts(calls, slug, editor["calls"])
            _add_counts(findings, slug, editor["findings"])
        for slug, counts in sorted(self._reported("r03_findings").items()):
            _add_counts(findings, slug, counts)
        yield from (circuits, calls, findings)

    def _reported(self, name: str) -> Mapping[str, Any]:
        """A part of the health of the SAS core, by editor."""
        line = self._switchboard.lines.get("sas")
        found = line.health.get(name) if line is not None else None
        return found if isinstance(found, dict) else {}


def _editor_families() -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
    circuits = GaugeMetricFamily(
        "sas_sandbox_editor_circuit",
        "1 for the state that the SAS core's circuit of the editor is in.",
        labels=["editor", "state"],
    )
    calls = CounterMetricFamily(
        "sas_sandbox_editor_calls",
        "Searches at the editor by how they ended; late: came afterwards.",
        labels=["editor", "outcome"],
    )
    findings = CounterMetricFamily(
        "sas_sandbox_editor_findings",
        "Defects of the editor's answers and appointments, by requirement.",
        labels=["editor", "requirement"],
    )
    return circuits, calls, findings


def _add_counts(family: CounterMetricFamily, slug: str, counts: Mapping[str, int]) -> None:
    for label, count in sorted(counts.items()):
        family.add_metric([slug, label], count)


def _closed(refusals: Iterable[RefusalState]) -> Metric:
    closed = CounterMetricFamily(
        "sas_sandbox_hub_closed", "Channels and connections that the hub closed.", labels=["client", "code"]
    )
    for each in refusals:
        closed.add_metric([each.client, str(each.code)], each.count)
    return closed


def _dispatcher(counts: Counts, software: Mapping[str, str]) -> Iterator[Metric]:
    yield CounterMetricFamily("dispatch_message", "Messages that the dispatcher took.", value=counts.messages)
    errors = CounterMetricFamily(
        "dispatch_error", "Messages that led to an error.", labels=["reason", "sender", "vhost", "editor"]
    )
    for each in counts.errors:
        editor = software.get(each.sender) or UNKNOWN
        errors.add_metric([each.reason, each.sender, each.vhost, editor], each.count)
    yield errors
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    yield HistogramMetricFamily(
        "overall_dispatch_time_seconds",
        "From reading a message until what it led to is published.",
        buckets=list(zip(bounds, accumulate(counts.buckets), strict=True)),
        sum_value=counts.seconds,
    )
