"""Software of others that takes part, as the configuration file declares it: editors, clients of Pro Santé Connect.

Shapes only; what refers to something else (a taken id, an unknown town) is checked where that is known.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=200)]
ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^/?#\s@]+(/[^#\s]*)?$", max_length=500)]
Secret = Annotated[str, Meta(pattern=r"^[!-~]{8,200}$")]


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
SecureUrl = Annotated[str, Meta(pattern=rf"^https://{_HOST}(:[0-9]{{1,5}})?(/[^?#\s]*)?$", max_length=500)]
HubClientId = Annotated[str, Meta(pattern=r"^fr\.health(\.[A-Za-z0-9-]{1,40}){1,4}$")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]  # of a certificate
System = Annotated[str, Meta(pattern=r"^(urn:oid:[0-9.]+|https?://\S+)$", max_length=200)]
Insee = Annotated[str, Meta(pattern=r"^[0-9][0-9AB][0-9]{3}$")]
Person = Annotated[str, Meta(pattern=r"^(8[0-9]{11}|0[0-9A-Za-z]{9})$")]  # RPPS or ADELI
Rpps = Annotated[str, Meta(pattern=r"^8[0-9]{11}$")]
Structure = Annotated[str, Meta(pattern=r"^(1[0-9]{9}|3[0-9]{14}|4[0-9]{14})$")]  # FINESS, SIRET, RPPS rang
Finess = Annotated[str, Meta(pattern=r"^1[0-9]{9}$")]
Siret = Annotated[str, Meta(pattern=r"^3[0-9]{14}$")]
Specialty = Annotated[str, Meta(pattern=r"^[A-Z]{1,4}[0-9]{1,3}$")]
Spoken = Literal["INT_R01", "INT_R04", "SOS", "INT_R02", "INT_R03"]


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

    `client_id`: that of a territory's SAMU, whose orientations it then receives, or a new one.
    """

    client_id: HubClientId
    software: Annotated[str, Meta(max_length=80)] = ""


class ExternalPlace(Declared, frozen=True):
    """A place where a practitioner consults. `structure`: prefixed national id; `town`: INSEE code."""

    structure: Structure
    line: Text
    town: Insee


class ExternalPractitioner(Declared, frozen=True):
    """A practitioner whose agenda the editor holds. `id`: RPPS or ADELI with its prefix; `cpts`: FINESS."""

    id: Person
    family: Text
    given: Text
    places: Annotated[tuple[ExternalPlace, ...], Meta(min_length=1)]
    specialty: Specialty = "SM54"
    cpts: tuple[Finess, ...] = ()


class ExternalSite(Declared, frozen=True):
    """A consultation site of an SOS association; `name` as the editor's Location gives it."""

    name: Text
    line: Text
    town: Insee


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


class ExternalEditor(Declared, frozen=True):
    """A vendor's real server. `base_url`: its FHIR base; `ui`: its pages (the origin of `base_url` without).

    `cn` (the host of `base_url` without) and `ou`: of the certificates that the sandbox issues for it.
    """

    slug: Slug
    name: Text
    system: System
    base_url: SecureUrl
    ou: Name
    flows: Annotated[tuple[Spoken, ...], Meta(min_length=1)]
    cn: Name | None = None
    ui: Url | None = None
    practitioners: tuple[ExternalPractitioner, ...] = ()
    sos: tuple[ExternalAssociation, ...] = ()

    def __post_init__(self) -> None:
        _ = urlsplit(self.base_url).port  # raises ValueError for a port or an address that is none

    @property
    def host(self) -> str:
        """The host of `base_url`, without brackets."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def origin(self) -> str:
        """Scheme, host and port of `base_url`."""
        return f"https://{urlsplit(self.base_url).netloc}"
