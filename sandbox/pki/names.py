"""What may name a certificate's files, and what may stand in its SAN."""

from __future__ import annotations

import ipaddress
import re

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_RESERVED = ("ca", "crl", "server", "manifest", "bad", "authority", "issued", "kit")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def usable_name(name: str) -> bool:
    """True for lower case letters, digits, `.`, `_`, `-`, and no name of the directory's own."""
    return _NAME.fullmatch(name) is not None and name not in _RESERVED


def usable_host(host: str) -> bool:
    """True for an IP address or a host name (RFC 1123; other scripts by IDNA; a leading `*.` is allowed)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return True
    try:
        ascii_name = host.lower().encode("idna").decode()
    except UnicodeError:
        return False
    labels = ascii_name.removeprefix("*.").split(".")
    return len(ascii_name) <= 253 and all(map(_LABEL.fullmatch, labels))
