"""The deliberately bad certificates: what every side of the ecosystem must refuse, one order per kind.

All carry both usages and the listeners' names, so that a vendor can meet them as a client and as a server.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.pki.issuing import LEAF_LIFE, SKEW, Order
from sandbox.pki.subjects import DOMAIN, Subject, fictitious_siret

_INTRUDER = f"intrus.{DOMAIN}"
_AHEAD = timedelta(days=365)


def bad_order(kind: str, like: Subject, hosts: tuple[str, ...], now: datetime) -> Order:
    """The order for one of BAD_KINDS: the subject is `like` and everything is good, except for what makes it bad."""
    good = Order(like, "both", hosts, now - SKEW, now + LEAF_LIFE)
    if kind == "wrong_cn":
        return replace(good, subject=Subject(_INTRUDER, like.ou, like.o))
    if kind == "wrong_ou":
        return replace(good, subject=Subject(like.cn, fictitious_siret(_INTRUDER), like.o))
    if kind == "expired":
        return replace(good, since=now - LEAF_LIFE, until=now - SKEW)
    if kind == "not_yet_valid":
        return replace(good, since=now + _AHEAD, until=now + _AHEAD + LEAF_LIFE)
    return good
