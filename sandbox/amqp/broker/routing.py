"""Exchanges: which queues a routing key reaches (AMQP 0-9-1, § 3.1.3)."""

from __future__ import annotations

from typing import Literal

from sandbox.amqp.broker.queue import Queue

ExchangeKind = Literal["topic", "direct", "fanout", "headers"]
_CACHED_KEYS = 1024


def topic_matches(pattern: str, key: str) -> bool:
    """`*` stands for one word, `#` for any number of them, words are separated by dots.

    >>> topic_matches("fr.#.samu", "fr.health.samu"), topic_matches("fr.*", "fr")
    (True, False)
    """
    words = key.split(".") if key else []
    reached = {0}
    for part in pattern.split(".") if pattern else []:
        if part == "#":
            reached = set(range(min(reached), len(words) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(words) and part in ("*", words[at])}
        if not reached:
            return False
    return len(words) in reached


class Exchange:
    """A durable exchange. Duplicate bindings deliver once."""

    def __init__(self, name: str, kind: ExchangeKind) -> None:
        self.name, self.kind = name, kind
        self._bindings: dict[tuple[str, str], Queue] = {}
        self._routes: dict[str, tuple[Queue, ...]] = {}

    def bind(self, queue: Queue, key: str = "") -> None:
        """Let `key` (a pattern for a topic exchange) reach `queue`."""
        self._bindings[key, queue.name] = queue
        self._routes.clear()

    def unbind(self, queue: Queue) -> None:
        """Remove the binding of `key` to `queue`."""
        self._bindings = {place: bound for place, bound in self._bindings.items() if bound is not queue}
        self._routes.clear()

    def route(self, key: str) -> tuple[Queue, ...]:
        """The queues that `key` reaches, each once."""
        found = self._routes.get(key)
        if found is None:
            if len(self._routes) >= _CACHED_KEYS:
                self._routes.clear()
            hits = {queue.name: queue for (pattern, _), queue in self._bindings.items() if self._hit(pattern, key)}
            found = self._routes[key] = tuple(hits.values())
        return found

    def _hit(self, pattern: str, key: str) -> bool:
        match self.kind:
            case "topic":
                return topic_matches(pattern, key)
            case "direct":
                return pattern == key
            case "fanout":
                return True
            case _:
                return False  # the only such exchange is the predeclared amq.headers, which has no bindings
