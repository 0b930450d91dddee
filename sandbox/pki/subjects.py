"""Who a certificate names: CN, OU and O, by the rules of IGC-Santé.

CN is a host name or a hub client id, OU the national id of the structure with its prefix: `3` + SIRET or
`1` + FINESS (guide, « Sécurisation des échanges »). Every id made here is fictitious and ends with its Luhn digit.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from sandbox.kernel.identifiers import luhn_digit
from sandbox.kernel.model import Editor

DOMAIN = "bac-a-sable.invalid"  # RFC 2606: can never resolve
LONGEST = 64  # X.520 upper bounds of CN, OU and O

BAD_KINDS = ("wrong_cn", "wrong_ou", "revoked", "expired", "not_yet_valid", "self_signed", "other_ca")


@dataclass(frozen=True, slots=True)
class Subject:
    """Common name, organizational unit and organization of a certificate; 1 to 64 characters each."""

    cn: str
    ou: str
    o: str

    def __post_init__(self) -> None:
        for name, value in (("CN", self.cn), ("OU", self.ou), ("O", self.o)):
            if not 0 < len(value) <= LONGEST:
                raise ValueError(f"{name} '{value}' of a certificate must have 1 to {LONGEST} characters")
            if not value.isprintable():
                raise ValueError(f"{name} {value!r} of a certificate must have no control characters")


def sas_subject() -> Subject:
    """The SAS core as a client of the editors."""
    return Subject(f"ptfsas.{DOMAIN}", fictitious_siret(DOMAIN), "Plateforme SAS (bac à sable)")


def editor_subject(editor: Editor) -> Subject:
    """An editor as a client of the SAS core; an external one as a server too."""
    return Subject(editor.cn or f"{editor.slug}.{DOMAIN}", editor.ou, editor.name[:LONGEST])


def agreed_server(editor: Editor) -> Subject | None:
    """The subject of an editor's server certificate; None for the sandbox's own editors, which share a listener."""
    return editor_subject(editor) if editor.external else None


def hub_client_subject(client_id: str) -> Subject:
    """A client of Hub Santé: the broker knows it by its CN (SASL EXTERNAL)."""
    return Subject(client_id, fictitious_finess(client_id), f"Client Hub Santé {client_id}"[:LONGEST])


def server_subject(host: str) -> Subject:
    """What the sandbox's own listeners show. A host name too long for a CN is cut: clients read the SAN."""
    return Subject(host[:LONGEST], fictitious_siret(DOMAIN), "Bac à sable SAS")


def fictitious_siret(name: str) -> str:
    """`3` + 14 digits derived from `name`, under a SIREN that begins with 999."""
    digits = f"999{zlib.crc32(name.encode()) % 10**10:010}"
    return "3" + digits + luhn_digit(digits)


def fictitious_finess(name: str) -> str:
    """`1` + 9 digits derived from `name`, in the département 99 that does not exist."""
    digits = f"99{zlib.crc32(name.encode()) % 10**6:06}"
    return "1" + digits + luhn_digit(digits)
