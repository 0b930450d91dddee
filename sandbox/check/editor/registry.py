"""The groups of checks of an editor, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.check.editor import accounts, capability, cpts, practitioners, robustness, sos, sso, tls
from sandbox.check.group import Group
from sandbox.check.target import Target
from sandbox.check.verdicts import Text


def _nothing(_: Target) -> Text | None:
    return None


@dataclass(frozen=True, slots=True)
class Registered:
    """A group: its French name, the requirements that it examines, and why it cannot run on a target (None: it can)."""

    name: str
    ids: frozenset[str]
    check: Group
    missing: Callable[[Target], Text | None] = _nothing


GROUPS: tuple[Registered, ...] = (
    Registered("TLS mutuel", tls.IDS, tls.check, tls.missing),
    Registered("Déclaration de capacité", capability.IDS, capability.check),
    Registered("Créneaux des professionnels", practitioners.IDS, practitioners.check, practitioners.missing),
    Registered("Créneaux des CPTS", cpts.IDS, cpts.check, cpts.missing),
    Registered("Créneaux de SOS Médecins", sos.IDS, sos.check, sos.missing),
    Registered("Comptes des régulateurs (INT_R02)", accounts.IDS, accounts.check, accounts.missing),
    Registered("Délégation d'authentification", sso.IDS, sso.check),
    Registered("Robustesse", robustness.IDS, robustness.check, robustness.missing),
)
