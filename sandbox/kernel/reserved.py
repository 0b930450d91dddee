"""Names that belong to the sandbox: nobody else's editor may have one of them.

The SAS core's certificate and its client of Pro Santé Connect are `sas`; the others name its roles, or are paths of the
pages and files beside which an editor's would lie.
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
