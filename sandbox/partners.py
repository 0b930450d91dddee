"""Software of others that takes part, as the configuration file declares it: editors, clients of Pro Santé Connect.

Shapes only; what refers to something else (a taken id, an unknown town) is checked where that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from sandbox.kernel.flows import Flow

Text = Annotated[str, Meta(min_length=1, max_length=200)]
ClientId = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="at most 100 letters, digits, '.', '_' or '-', of which the first is a letter or a digit",
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^/?#\s@]+(/[^#\s]*)?$",
        max_length=500,
        description="an address such as https://agenda.exemple/retour, without '#' or a password",
    ),
]
Secret = Annotated[
    str, Meta(pattern=r"^[!-~]{8,200}$", description="8 to 200 characters of ASCII that can be seen, no spaces")
]


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
Slug = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        max_length=40,
        description="at most 40 lower-case letters, digits and single hyphens, such as mon-agenda",
    ),
]
SecureUrl = Annotated[
    str,
    Meta(
        pattern=rf"^https://{_HOST}(:[0-9]{{1,5}})?(/[^?#\s]*)?$",
        max_length=500,
        description="an https address such as https://agenda.exemple:9443/fhir, without '?' or '#'",
    ),
]
HubClientId = Annotated[
    str,
    Meta(
        pattern=r"^fr\.health(\.[A-Za-z0-9-]{1,40}){1,4}$",
        description="a client id of the hub such as fr.health.samu330",
    ),
]
CommonName = Annotated[str, Meta(min_length=1, max_length=64, description="a common name of 1 to 64 characters")]
Ou = Annotated[
    str,
    Meta(
        pattern=r"^(3[0-9]{14}|1[0-9]{9})$",
        description="the OU of a certificate: 3 and the 14 digits of a SIRET, or 1 and the 9 digits of a FINESS",
    ),
]
System = Annotated[
    str,
    Meta(
        pattern=r"^(urn:oid:[0-9.]+|https?://\S+)$",
        max_length=200,
        description="an OID or a URL such as urn:oid:1.2.250.1.999.77",
    ),
]
Person = Annotated[
    str,
    Meta(
        pattern=r"^(8[0-9]{11}|0[0-9A-Za-z]{9})$",
        description="a national id with its prefix: 8 and 11 digits (RPPS), or 0 and 9 characters (ADELI)",
    ),
]
Rpps = Annotated[str, Meta(pattern=r"^8[0-9]{11}$", description="8 and the 11 digits of a RPPS")]
Structure = Annotated[
    str,
    Meta(
        pattern=r"^(1[0-9]{9}|3[0-9]{14}|4[0-9]{14})$",
        description="a structure with its prefix: 1 and the 9 digits of a FINESS, 3 and the 14 of a SIRET, "
        "or 4 and the 14 of a RPPS rang",
    ),
]
Finess = Annotated[str, Meta(pattern=r"^1[0-9]{9}$", description="1 and the 9 digits of a FINESS")]
Siret = Annotated[str, Meta(pattern=r"^3[0-9]{14}$", description="3 and the 14 digits of a SIRET")]
Format = Literal["json", "xml"]  # of messages of the hub
if TYPE_CHECKING:
    Spoken = str
else:
    Spoken = Literal[tuple(flow.value for flow in Flow if flow.interfaced)]


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the configuration file declares: an unknown field is refused."""


class OidcClient(Declared, frozen=True):
    """A further client of Pro Santé Connect. Without `secret` one is derived, which `psc clients` shows."""

    id: ClientId
    name: Text
    redirect_uris: Annotated[tuple[Url, ...], Meta(min_length=1)]
    logout_uris: tuple[Url, ...] = ()
    secret: Secret | None = None


class ExternalLrm(Declared, frozen=True):
    """A vendor's LRM: the sandbox makes its queues and its certificate, and runs none under that client id.

    `client_id`: that of a territory's SAMU, whose orientations it then receives, or a new one; `ui`: its own pages;
    `format`: in which form it receives messages.
    """

    client_id: HubClientId
    software: Annotated[str, Meta(max_length=80)] = ""
    ui: Url | None = None
    format: Format = "json"


class ExternalPlace(Declared, frozen=True):
    """A place where a practitioner consults. `structure`: prefixed national id; `town`: INSEE code."""

    structure: Structure
    line: Text
    town: Text


class ExternalPractitioner(Declared, frozen=True):
    """A practitioner whose agenda the editor holds. `id`: RPPS or ADELI with its prefix; `cpts`: FINESS;
    `specialty`: R38 code."""

    id: Person
    family: Text
    given: Text
    places: Annotated[tuple[ExternalPlace, ...], Meta(min_length=1)]
    specialty: Text = "SM54"
    cpts: tuple[Finess, ...] = ()


class ExternalSite(Declared, frozen=True):
    """A consultation site of an SOS association; `name` as the editor's Location gives it."""

    name: Text
    line: Text
    town: Text


class ExternalDoctor(Declared, frozen=True):
    """A doctor whom an SOS association may name in its appointments. `id`: RPPS with its prefix."""

    id: Rpps
    family: Text
    given: Text


class ExternalAssociation(Declared, frozen=True):
    """An SOS association whose agendas the editor holds. `doctors`: those whose names the platform is to know."""

    siret: Siret
    name: Text
    sites: Annotated[tuple[ExternalSite, ...], Meta(min_length=1)]
    doctors: tuple[ExternalDoctor, ...] = ()


class ExternalCommunity(Declared, frozen=True):
    """A community that the editor serves: the platform asks it to find a member who takes the patient (flow PDM).

    `kind`, with its `organization`: CPTS (FINESS), SOS (SIRET of the association) or `group` (MSP or CDS, optional);
    `zone`: INSEE codes of the towns that it serves; `members`: practitioners whom the platform knows, optional.
    """

    id: Slug
    kind: Literal["CPTS", "SOS", "group"]
    name: Text
    zone: Annotated[tuple[Text, ...], Meta(min_length=1)]
    organization: Structure | None = None
    members: tuple[Person, ...] = ()
    phone: Text | None = None


class ExternalEditor(Declared, frozen=True):
    """A vendor's real server. `base_url`: its FHIR base; `ui`: its pages (the origin of `base_url` without).

    `cn` (the host of `base_url` without) and `ou`: of the certificates that the sandbox issues for it.
    """

    slug: Slug
    name: Text
    system: System
    base_url: SecureUrl
    ou: Ou
    flows: Annotated[tuple[Spoken, ...], Meta(min_length=1)]
    cn: CommonName | None = None
    ui: Url | None = None
    practitioners: tuple[ExternalPractitioner, ...] = ()
    sos: tuple[ExternalAssociation, ...] = ()
    communities: tuple[ExternalCommunity, ...] = ()

    def __post_init__(self) -> None:
        try:
            _ = urlsplit(self.base_url).port
        except ValueError as error:
            raise ValueError(f"base_url: {self.base_url!r} is not usable ({error})") from None

    @property
    def host(self) -> str:
        """The host of `base_url`, without brackets."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def origin(self) -> str:
        """Scheme, host and port of `base_url`."""
        return f"https://{urlsplit(self.base_url).netloc}"
