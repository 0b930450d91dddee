"""Stores contents of messages that need not be in memory in files.

The files have no name, so that nothing is left of them after a crash (the log has every persistent message too), and a
file is closed with the last message that it holds.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from sandbox.files import read_at, write_at

SEGMENT = 32 * 1024 * 1024  # octets of a file

_log = logging.getLogger(__name__)


class Segment:
    """One file, written from its beginning; closed when no reference to it is left."""

    __slots__ = ("_descriptor", "_file", "size")

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(buffering=0, dir=directory)  # noqa: SIM115 - closed with the segment
        self._descriptor = self._file.fileno()
        self.size = 0

    def append(self, *parts: bytes) -> int:
        """Append octets. Returns their offset. Raises OSError."""
        offset = self.size
        written = write_at(self._descriptor, parts, offset)
        if written != sum(map(len, parts)):
            raise OSError(f"only {written} octets written")
        self.size += written
        return offset

    def read(self, size: int, offset: int) -> bytes:
        """Octets from an offset. Raises OSError."""
        octets = read_at(self._descriptor, size, offset)
        if len(octets) != size:
            raise OSError(f"{len(octets)} of {size} octets read")
        return octets

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


class Paged:
    """One message's properties and body (a Page of `amqp.broker.message`)."""

    __slots__ = ("_offset", "_properties", "_segment", "size")

    def __init__(self, segment: Segment, offset: int, properties: int, size: int) -> None:
        self._segment, self._offset, self._properties, self.size = segment, offset, properties, size

    def read(self) -> tuple[bytes, bytes]:
        """Properties and body. Raises OSError."""
        octets = self._segment.read(self._properties + self.size, self._offset)
        return octets[: self._properties], octets[self._properties :]


class Paging:
    """The files of one broker."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._segment: Segment | None = None
        self._warned = False

    def write(self, properties: bytes, body: bytes) -> Paged | None:
        """Write a message's content to the present file. Returns None when the disk refuses; the message then stays in
        memory."""
        try:
            if self._segment is None or self._segment.size >= SEGMENT:
                self._segment = Segment(self._directory)
            offset = self._segment.append(properties, body)
        except OSError as error:
            if not self._warned:
                _log.warning("hub: messages cannot be put aside, they stay in memory: %s", error.strerror or error)
            self._warned = True
            return None
        self._warned = False
        return Paged(self._segment, offset, len(properties), len(body))
