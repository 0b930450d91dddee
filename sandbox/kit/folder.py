"""A directory that a command writes, and writes again: its files are listed in it, anybody else's are left alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from sandbox.kernel.errors import UsageError
from sandbox.pki.manifest import write_private

LIST = ".sas-sandbox-kit.json"


class Folder:
    """The directory `path` of a kind (`preset`, `collection`). Raises UsageError when it is somebody else's."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self._kind = path, kind
        self._before = self._listed()

    def _listed(self) -> list[str]:
        """Names of the files of last time. An empty directory may be taken."""
        try:
            if not any(self.path.iterdir()):
                return []
            made = json.loads((self.path / LIST).read_text("utf-8"))
            files = [name for name in made["files"] if not Path(name).is_absolute() and ".." not in Path(name).parts]
            if made["kind"] == self._kind:
                return files
        except FileNotFoundError:
            if not self.path.exists():
                return []
        except NotADirectoryError:
            raise UsageError(f"kit: {self.path} is no directory (give another --out)") from None
        except OSError as error:
            raise UsageError(f"kit: {error.filename or self.path}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError):
            pass
        raise UsageError(
            f"kit: {self.path} is not empty, and no {self._kind} of this command: nothing is written there"
        )

    def write(self, files: Mapping[str, str | bytes], made: tuple[str, ...] = ()) -> None:
        """Write the files (`/` in their names); those of last time that are no more are removed. `made`: names of
        files that somebody else has just written here. Text is readable by all, octets (keys) by the owner only."""
        try:
            for name, content in files.items():
                path = self.path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    write_private(path, content)
                else:
                    path.write_text(content, "utf-8")
            now = sorted({*files, *made})
            for name in set(self._before) - set(now):
                (self.path / name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # not empty: something of somebody else is in it
                    (self.path / name).parent.rmdir()
            listed = json.dumps({"kind": self._kind, "files": now}, indent=2)
            (self.path / LIST).write_text(listed + "\n", "utf-8")
        except OSError as error:
            raise UsageError(f"kit: {error.filename or self.path}: {error.strerror}") from None
