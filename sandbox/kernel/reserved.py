"""Slugs that the sandbox uses itself: an external editor may not have one of them.

`sas` is the name of the SAS core's certificate and of its client of Pro Santé Connect; the others are names of roles,
or paths of pages and files that stand beside those of the editors.
"""

from __future__ import annotations

SLUGS = frozenset(
    {
        *("sas", "psc", "hub", "lrm", "lrms", "control", "editor", "editors", "admin", "metrics", "sandbox"),
        *("static", "api", "fhir", "realms", "oidc"),
        *("ca", "crl", "server", "manifest", "bad", "authority", "issued", "kit"),
    }
)


def why_reserved(slug: str) -> str | None:
    """Why an editor cannot have that slug; None when it can."""
    return f"'{slug}' belongs to the sandbox: choose another slug" if slug.lower() in SLUGS else None
