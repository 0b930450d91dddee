"""The only durable state: an append-only log with group commit, tables over it, outboxes over the tables."""
