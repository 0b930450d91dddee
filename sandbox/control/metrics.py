"""What `/metrics` shows in the text format of Prometheus: roles, exchanges, the editors as the SAS core sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sandbox.config import ROLES
from sandbox.net.link import Line

_ROLE = "sas_sandbox_role_ready", "gauge", "1 when the role answers."
_EXCHANGES = "sas_sandbox_exchanges_total", "counter", "Exchanges journalled."
_DROPPED = "sas_sandbox_dropped_total", "counter", "Exchanges lost by overflow."
_CIRCUIT = "sas_sandbox_editor_circuit", "gauge", "1 for the state that the SAS core's circuit of the editor is in."
_CALLS = "sas_sandbox_editor_calls_total", "counter", "Searches at the editor by how they ended; late: came afterwards."
_FINDINGS = "sas_sandbox_editor_findings_total", "counter", "Defects of the editor's answers, by requirement."

CIRCUITS = ("closed", "half-open", "open")


def rendered(lines: Mapping[str, Line], exchanges: Mapping[tuple[str, str, str, int], int]) -> str:
    """The text; `exchanges` counted by actor, flow, direction and status."""
    told = lines["sas"].health.get("editors") if "sas" in lines else None
    editors: Mapping[str, Any] = told if isinstance(told, dict) else {}
    names = ("actor", "flow", "direction", "status")
    found = [
        *_family(_ROLE, ((_labels(role=role), int(role in lines and lines[role].ready)) for role in ROLES)),
        *_family(
            _EXCHANGES, ((_labels(**dict(zip(names, key, strict=True))), n) for key, n in sorted(exchanges.items()))
        ),
        *_family(_DROPPED, ((_labels(role=role), line.dropped) for role, line in sorted(lines.items()))),
        *_family(_CIRCUIT, _circuits(editors)),
        *_family(_CALLS, _counted(editors, "calls", "outcome")),
        *_family(_FINDINGS, _counted(editors, "findings", "requirement")),
    ]
    return "\n".join(found) + "\n"


def _family(family: tuple[str, str, str], values: Iterable[tuple[str, int]]) -> Iterator[str]:
    name, kind, text = family
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        yield f"{name}{labels} {value}"


def _circuits(editors: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for slug, editor in sorted(editors.items()):
        for state in CIRCUITS:
            yield _labels(editor=slug, state=state), int(editor["circuit"] == state)


def _counted(editors: Mapping[str, Any], what: str, label: str) -> Iterator[tuple[str, int]]:
    for slug, editor in sorted(editors.items()):
        for key, count in sorted(editor[what].items()):
            yield _labels(**{"editor": slug, label: key}), count


def _labels(**values: object) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in values.items()) + "}"
