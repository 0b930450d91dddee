"""The kinds of faults that exist, and the check of a fault before it enters the World."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from sandbox.faults.base import EdgeKind, FaultKind
from sandbox.faults.hub import HUB_KINDS
from sandbox.faults.latency import Latency
from sandbox.faults.lrm import LRM_KINDS
from sandbox.faults.status import Status
from sandbox.kernel.errors import malformed, refused
from sandbox.kernel.flows import Flow
from sandbox.kernel.world import Fault

_EDGE: tuple[EdgeKind, ...] = (Latency(), Status())
EDGE_KINDS: Mapping[str, EdgeKind] = MappingProxyType({kind.name: kind for kind in _EDGE})
KINDS: Mapping[str, FaultKind] = MappingProxyType(
    {**EDGE_KINDS, **{kind.name: kind for kind in HUB_KINDS}, **{kind.name: kind for kind in LRM_KINDS}}
)

MOST_HITS = 1_000_000_000

_TARGET = re.compile(r"sas|hub|psc|editor:[a-z0-9-]+|lrm:[a-z0-9._-]+")


def validate_fault(fault: Fault) -> None:
    """Raise RequestError, with the culprit as `faults.<field>`: 400 malformed, 422 refused by a rule."""
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise refused(f"unknown kind '{fault.kind}' (known: {', '.join(KINDS)})", "faults.kind", code="not-supported")
    if not _TARGET.fullmatch(fault.target):
        raise refused(
            f"'{fault.target}' is no actor (expected sas, hub, psc, editor:<slug> or lrm:<client id>)",
            "faults.target",
            code="value",
        )
    if (fault.target == "hub") is not (kind.place == "hub"):
        wanted = "hub" if kind.place == "hub" else "another actor than hub"
        raise refused(f"'{fault.kind}' needs as its target: {wanted}", "faults.target", code="value")
    if kind.place == "lrm" and not fault.target.startswith("lrm:"):
        raise refused(f"'{fault.kind}' needs as its target: an LRM (lrm:<client id>)", "faults.target", code="value")
    if fault.flow is not None and fault.flow not in [*Flow]:
        raise refused(f"unknown flow '{fault.flow}' (known: {', '.join(Flow)})", "faults.flow", code="value")
    if not 0 < fault.probability <= 1:
        raise refused("'probability' must be over 0, at most 1", "faults.probability", code="value")
    if fault.count is not None and not 1 <= fault.count <= MOST_HITS:
        raise refused(f"'count' must be 1 to {MOST_HITS}", "faults.count", code="value")
    for name in fault.params:
        if name not in kind.params:
            raise malformed(
                f"'{fault.kind}' has no parameter '{name}' (known: {', '.join(kind.params)})",
                f"faults.params.{name}",
                code="not-supported",
            )
    kind.validate(fault.params)
