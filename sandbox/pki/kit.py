"""The certificates that ANS's acceptance kit shows to an agenda, under the names under which it reads them.

The kit plays the SAS core: one good certificate, three that must be refused. It reads each certificate and each key
from a file of its own, and RSA keys only; it sends the leaf alone, so the agenda must know the intermediate (it is in
`ca.pem`).
"""

from __future__ import annotations

from pathlib import Path

from sandbox.pki.bad_certificates import bad_order
from sandbox.pki.directory import NEAR, PkiDirectory
from sandbox.pki.issuing import LEAF_LIFE, SKEW, Order, issue
from sandbox.pki.manifest import write_private
from sandbox.pki.subjects import Subject

GOOD = "inferno-prePROD"

# Certificate and key of what the agenda must refuse -> its kind among the bad certificates.
REFUSED = {
    ("invalid_bad_cname_certificate", "invalid_bad_cname"): "wrong_cn",
    ("invalid_bad_ou_certificate", "invalid_bad_ou"): "wrong_ou",
    ("invalid_revoked_certificate", "invalid_revoked_certificate"): "revoked",
}
_END = ".key.crt.ca.pem"


def export_kit(pki: PkiDirectory, target: Path, like: Subject) -> list[str]:
    """Write the set into `target` and return the names of the files. The same set every time while it holds.

    Raises OSError when a directory cannot be written.
    """
    hosts = (like.cn,)
    good = Order(like, "client", hosts, pki.now - SKEW, pki.now + LEAF_LIFE)
    written = {**_pair(pki, GOOD, GOOD, ".pem", good)}
    for (cert, key), kind in REFUSED.items():
        written |= _pair(pki, cert, key, _END, bad_order(kind, like, hosts, pki.now))
    pki.save()
    for name in ("ca.pem", "crl.pem"):
        written[name] = (pki.directory / name).read_bytes()
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in written.items():
        write_private(target / name, content)
    return sorted(written)


def _pair(pki: PkiDirectory, cert: str, key: str, end: str, order: Order) -> dict[str, bytes]:
    """Certificate and key, kept in the PKI's directory as `kit/<certificate>`, made when they do not hold."""
    entry = f"kit/{cert}"
    wanted = pki.wanted("kit", order)
    if not pki.holds(entry, wanted) or pki.is_revoked(entry):
        pair = issue(_with_rsa(order), pki.issuer)
        files = {f"{entry}.pem": pair.pem, f"{entry}.key": pair.old_key_pem}
        pki.manifest.write(pki.directory, entry, wanted, (order.since, order.until - NEAR), files)
    leaf, private = ((pki.directory / f"{entry}{suffix}").read_bytes() for suffix in (".pem", ".key"))
    chain = leaf + pki.issuer.pem
    return {f"{cert}{end}": chain if end == ".pem" else private + chain + pki.root.pem, f"{key}.key": private}


def _with_rsa(order: Order) -> Order:
    return Order(order.subject, order.usage, order.hosts, order.since, order.until, rsa=True)
