"""Wheels of libraries that do not exist, and newer releases of those that do.

    python -m tests.support.releases DIRECTORY LOCK…

writes, for every package that the lock files pin, a release that is newer than anything there is and that asks for
what nobody has. With PIP_FIND_LINKS=DIRECTORY pip sees them beside the real ones: whatever it chooses by itself
instead of by the lock is then the wrong release, and cannot be installed.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

NEWER = "9999.0"
OTHER_WISHES = (
    "Requires-Dist: nobody-has-this>=1",
    "Provides-Extra: other",
    "Requires-Dist: nor-this; extra == 'other'",
)


def wheel(directory: Path, name: str, version: str, headers: Iterable[str] = (), content: str = "") -> Path:
    """A pure wheel with one module; `headers`: more lines of its metadata (Requires-Dist, Provides-Extra)."""
    module = re.sub(r"[-.]+", "_", name)
    info = f"{module}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *headers]
    files = {
        f"{module}.py": content,
        f"{info}/METADATA": "\n".join([*metadata, ""]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = directory / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
    return path


def locked(path: Path) -> str:
    """The line of a lock file for this wheel."""
    name, version = path.name.split("-")[:2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{digest}\n"


def newer_than(lock: Path, directory: Path) -> int:
    """A newer release, with other extras, of all that the lock pins; how many."""
    names = re.findall(r"^([\w.-]+)==", lock.read_text("utf-8"), re.MULTILINE)
    for name in names:
        wheel(directory, name, NEWER, OTHER_WISHES)
    return len(names)


if __name__ == "__main__":
    where, *locks = map(Path, sys.argv[1:])
    where.mkdir(parents=True, exist_ok=True)
    for each in locks:
        newer_than(each, where)
