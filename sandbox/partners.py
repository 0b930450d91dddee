"""Software of others that takes part, as the configuration file declares it: clients of Pro Santé Connect.

Shapes only; what refers to something else (a taken id) is checked where that is known.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=200)]
ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^/?#\s@]+(/[^#\s]*)?$", max_length=500)]
Secret = Annotated[str, Meta(pattern=r"^[!-~]{8,200}$")]


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the configuration file declares: an unknown field is refused."""


class OidcClient(Declared, frozen=True):
    """A further client of Pro Santé Connect. Without `secret` one is derived, which `psc clients` shows."""

    id: ClientId
    name: Text
    redirect_uris: Annotated[tuple[Url, ...], Meta(min_length=1)]
    logout_uris: tuple[Url, ...] = ()
    secret: Secret | None = None
