"""TLS-1..7 and R01-1..3: who may connect, and by which version of TLS.

A caller is refused when the handshake fails, or by a 4xx answer.
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from sandbox.check.editor.searching import Searcher, served_search
from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text
from sandbox.check.wire import GOOD, NOBODY, client_context

# kind of bad certificate -> requirement at /metadata, and at the search
_BAD: Mapping[str, tuple[str, str]] = {
    "wrong_cn": ("TLS-3", "R01-2"),
    "wrong_ou": ("TLS-4", "R01-3"),
    "revoked": ("TLS-5", ""),
    "expired": ("TLS-6", ""),
    NOBODY: ("TLS-7", "R01-1"),
}
_ALSO = ("not_yet_valid", "self_signed", "other_ca")  # refused as an expired one is: by the handshake
IDS = frozenset({"TLS-1", "TLS-2", "R01-1", "R01-2", "R01-3"} | {each for each, _ in _BAD.values()})
OLD = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1)
HANDSHAKE_S = 10.0


def missing(target: Target) -> Text | None:
    """Why the group cannot run."""
    if not target.mutual:
        return Text("le serveur est en HTTP simple (--no-mtls)", "the server speaks plain HTTP (--no-mtls)")
    if target.good is None:
        return Text(
            "la cible n'a pas le certificat de la plateforme (tls.clients.sas)",
            "the target lacks the certificate of the platform (tls.clients.sas)",
        )
    return None


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """Everything about TLS."""
    good = await subject.wire.get("metadata")
    if not good.answered or good.status in (401, 403):
        text = Text("le bon certificat est refusé", "the good certificate is refused")
        yield Fault("TLS-2", "TLS", text, good.why or str(good.status), "200", good)
        for id in sorted(IDS - {"TLS-2", "TLS-1"}):
            yield Skipped(id, Text("le bon certificat est refusé aussi", "the good certificate is refused too"))
    else:
        yield Passed("TLS-2", good)
        async for observed in _bad(subject):
            yield observed
    async for observed in _versions(subject):
        yield observed


async def _bad(subject: Subject) -> AsyncIterator[Observed]:
    search = _search(subject)
    for kind, (at_metadata, at_search) in _BAD.items():
        if kind != NOBODY and kind not in subject.target.bad:
            for id in filter(None, (at_metadata, at_search)):
                yield Skipped(id, Text(f"pas de certificat tls.bad.{kind}", f"no certificate tls.bad.{kind}"))
            continue
        yield _judged(at_metadata, kind, await subject.wire.get("metadata", kind))
        if at_search and search is not None:
            yield _judged(at_search, kind, await subject.wire.get(search, kind))
    for kind in _ALSO:
        if kind in subject.target.bad:
            yield _judged("TLS-6", kind, await subject.wire.get("metadata", kind))


def _search(subject: Subject) -> str | None:
    """A search of slots that the target serves."""
    served = served_search(subject.target)
    if served is None:
        return None
    searcher = Searcher(subject, served[0])
    return f"{searcher.kind}?{searcher.asked([served[1]], *searcher.window()).query}"


_NAMES = {
    "wrong_cn": "CN faux", "wrong_ou": "OU fausse", "revoked": "révoqué", "expired": "expiré", NOBODY: "aucun",
    "not_yet_valid": "pas encore valide", "self_signed": "autosigné", "other_ca": "d'une autre autorité",
}  # fmt: skip


def _judged(id: str, kind: str, exchange: Exchange) -> Observed:
    if exchange.failure in ("tls", "closed") or 400 <= exchange.status < 500:
        return Passed(id, exchange)
    text = Text(f"certificat accepté : {_NAMES[kind]}", f"certificate accepted: {kind or 'none'}")
    return Fault(id, "TLS", text, exchange.why or str(exchange.status), "refus (alerte TLS ou 4xx)", exchange)


async def _versions(subject: Subject) -> AsyncIterator[Observed]:
    """A handshake that offers only old versions fails."""
    url = urlsplit(subject.target.fhir)
    for version in OLD:
        context = _old_context(subject, version)
        if context is None:
            fr, en = "OpenSSL d'ici n'offre plus ces versions", "the OpenSSL here no longer offers these versions"
            yield Skipped("TLS-1", Text(fr, en))
            return
        refusal = await _handshake(url.hostname or "", url.port or 443, context)
        exchange = Exchange("CONNECT", f"{url.hostname}:{url.port or 443}", GOOD, failure="tls", why=refusal)
        if refusal:
            yield Passed("TLS-1", exchange)
        else:
            text = Text(f"{version.name} est accepté", f"{version.name} is accepted")
            yield Fault("TLS-1", "TLS", text, version.name, "TLS 1.2 ou 1.3")


def _old_context(subject: Subject, version: ssl.TLSVersion) -> ssl.SSLContext | None:
    """TLS of a caller that offers this version only; None where OpenSSL cannot."""
    context = client_context(subject.target.ca, subject.target.good)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
    except (ssl.SSLError, ValueError):
        return None
    return context


async def _handshake(host: str, port: int, context: ssl.SSLContext) -> str:
    """Why the handshake failed; "" when it did not."""
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except (OSError, TimeoutError) as error:
        return str(error) or type(error).__name__
    writer.close()
    return ""
