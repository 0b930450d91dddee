"""Names of the exchanges and queues of a hub (guide, « Hub Santé »)."""

from __future__ import annotations

HUBSANTE, DISTRIBUTION, DEAD_LETTER = "hubsante", "distribution", "distribution.dlx"
DISPATCH, DISPATCH_DLQ = "dispatch", "dispatch.dlq"
SUFFIXES = (".message", ".ack", ".info")


def client_queues(client_id: str) -> tuple[str, ...]:
    """The three queues of a client: business messages, acknowledgements, errors and information."""
    return tuple(client_id + suffix for suffix in SUFFIXES)
