"""The groups of checks of an editor, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.check.editor import accounts, capability, sso
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
    Registered("Déclaration de capacité", capability.IDS, capability.check),
    Registered("Comptes des régulateurs (INT_R02)", accounts.IDS, accounts.check, accounts.missing),
    Registered("Délégation d'authentification", sso.IDS, sso.check),
)
