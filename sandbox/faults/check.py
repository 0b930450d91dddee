"""The check of a fault before it enters the World."""

from __future__ import annotations

import re

from sandbox.faults.kinds import KINDS, FaultKind, with_parameters
from sandbox.kernel.errors import malformed, refused
from sandbox.kernel.flows import Flow
from sandbox.kernel.world import Fault

MOST_HITS = 1_000_000_000

_TARGET = re.compile(r"sas|hub|psc|editor:[a-z0-9-]+|lrm:[a-z0-9._-]+")


def validate_fault(fault: Fault) -> None:
    """Raise RequestError, with the culprit as `faults.<field>`: 400 malformed, 422 refused by a rule."""
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise refused(f"unknown kind '{fault.kind}' (known: {', '.join(KINDS)})", "faults.kind", code="not-supported")
    _check_target(fault, kind)
    if fault.flow is not None and fault.flow not in [*Flow]:
        raise refused(f"unknown flow '{fault.flow}' (known: {', '.join(Flow)})", "faults.flow", code="value")
    if not 0 < fault.probability <= 1:
        raise refused("'probability' must be over 0, at most 1", "faults.probability", code="value")
    if fault.count is not None and not 1 <= fault.count <= MOST_HITS:
        raise refused(f"'count' must be 1 to {MOST_HITS}", "faults.count", code="value")
    _check_names(fault, kind)
    with_parameters(kind, fault.params)


def _check_target(fault: Fault, kind: type[FaultKind]) -> None:
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


def _check_names(fault: Fault, kind: type[FaultKind]) -> None:
    known = kind.texts()
    for name in fault.params:
        if name not in known:
            raise malformed(
                f"'{fault.kind}' has no parameter '{name}' (known: {', '.join(known)})",
                f"faults.params.{name}",
                code="not-supported",
            )
