"""What the PKI's directory should hold: one entry per certificate, with the digest of each of its files.

The manifest is the last file written. An entry holds as long as it is what is wanted, the present is within its
window, and its files are there as they were written; otherwise the entry is made again. Besides the entries it lists
what was issued to vendors, wherever those files are, and what was revoked. Whoever writes must hold the lock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from sandbox.files import lock
from sandbox.kernel.errors import UsageError

FILE, LOCK = "manifest.json", "manifest.lock"
VERSION = 1  # raised when certificates are made differently: everything is then made again


class Entry(msgspec.Struct, frozen=True):
    """One thing that was made. `since` and `until` bound when it may be kept; `files`: name -> SHA-256."""

    wanted: str
    since: datetime
    until: datetime
    files: dict[str, str]


class Issued(msgspec.Struct, frozen=True):
    """A certificate that somebody asked for. `serial`, `authority` (that of its issuer): hexadecimal."""

    name: str
    serial: str
    authority: str
    cn: str
    ou: str
    since: datetime
    until: datetime


class Revocation(msgspec.Struct, frozen=True):
    """Revoked `at`; forgotten after `until`, when the certificate has ended by itself."""

    at: datetime
    until: datetime


class Manifest(msgspec.Struct):
    """Everything that was made, by name (`authority`, `server`, `bad/expired`, …), and which are clients or servers.

    `revoked`: by serial, hexadecimal. `crl_number`: that of the last revocation lists.
    """

    version: int = VERSION
    clients: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    issued: list[Issued] = msgspec.field(default_factory=list)
    revoked: dict[str, Revocation] = msgspec.field(default_factory=dict)
    crl_number: int = 0

    def holds(self, directory: Path, name: str, wanted: str, now: datetime) -> bool:
        """True when `name` may be kept."""
        entry = self.entries.get(name)
        if entry is None or entry.wanted != wanted or not entry.since <= now < entry.until:
            return False
        return all(_digest(directory / file) == digest for file, digest in entry.files.items())

    def damaged(self, directory: Path, name: str, now: datetime) -> Path | None:
        """A file of an entry within its window that is not as it was written; None: there is none. A file that is gone
        was taken away on purpose."""
        entry = self.entries.get(name)
        if entry is None or not entry.since <= now < entry.until:
            return None
        wrong = (file for file, digest in entry.files.items() if _digest(directory / file) not in (None, digest))
        return next((directory / file for file in wrong), None)

    def write(
        self, directory: Path, name: str, wanted: str, window: tuple[datetime, datetime], files: Mapping[str, bytes]
    ) -> None:
        """Write the files of `name` and remember them."""
        for file, content in files.items():
            write_private(directory / file, content)
        digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
        self.entries[name] = Entry(wanted, *window, digests)

    def save(self, directory: Path) -> None:
        """Write the manifest itself; the files that it names are valid from now on."""
        write_private(directory / FILE, msgspec.json.format(msgspec.json.encode(self), indent=2))


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest, or None when there is none, or one of another version. Raises UsageError when it is damaged: what
    was issued and revoked is recorded nowhere else."""
    path = directory / FILE
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"'{path}' is damaged ({error}): remove '{directory}' to have all certificates made anew"
        ) from None
    return manifest if manifest.version == VERSION else None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other writers of the directory out: a starting sandbox and a command may meet. Raises OSError."""
    private_folder(directory)
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def private_folder(folder: Path) -> None:
    """Make a folder, with those above it, that only its owner may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, never visible half-written (a new file renamed over the old)."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
