"""The persona files read again while the sandbox runs: `POST __admin/reload`, and the button of the page.

The files are checked as a whole, then kept in the directory of the control plane under the digest of their content. The
World names that digest, so that every role, also one that is restarted later, takes the very same people. What is wrong
is refused with file and line, and then nothing changes: 422 for an invalid file, 409 for what needs a restart
(`population.changes`).
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from sandbox.control.observability import endpoints
from sandbox.control.world.worlds import Worlds
from sandbox.kernel.character import with_character
from sandbox.kernel.errors import ConfigError, Issue, RequestError, UsageError
from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.population.changes import needing_restart
from sandbox.population.load import kept_personas, kept_population, personas_directory
from sandbox.population.people import Population


class Reloaded(msgspec.Struct):
    """What there is after a reload. `changed`: the files differ from those that all roles had."""

    revision: int
    changed: bool
    practitioners: int
    cpts: int
    sos: int
    regulators: int
    towns: int


class Reload:
    """Reads the files of the setting `personas` again. One reload at a time. `announce` writes endpoints.json."""

    def __init__(self, context: Context, worlds: Worlds, announce: Callable[[], None]) -> None:
        self._context, self._worlds, self._write = context, worlds, announce
        self._root = kept_personas(context.settings, "")
        self._reading = asyncio.Lock()
        self._forget_all_but(worlds.world.population)

    async def __call__(self) -> Reloaded:
        """Read the files and distribute their content to all roles. Raises RequestError 409, 422, Laggards."""
        async with self._reading:
            former = self._worlds.world.population
            name = await asyncio.to_thread(_keep, personas_directory(self._context.settings), self._root)
            population = await asyncio.to_thread(self._checked, name)
            if name != former:
                try:
                    await self._push(name, population)
                finally:  # also when some roles are late: the World already contains the change
                    self._announce()
            self._forget_all_but(name, former)
        return Reloaded(
            revision=self._worlds.world.revision,
            changed=name != former,
            practitioners=len(population),
            cpts=len(population.cpts),
            sos=len(population.sos),
            regulators=len(population.regulators),
            towns=len(population.towns),
        )

    def _checked(self, name: str) -> Population:
        """The population of the kept files. Raises RequestError 409, 422, which name the original files, not the kept
        copies."""
        settings = self._context.settings
        named = partial(_of, personas_directory(settings), self._root / name)
        try:
            population = kept_population(settings, name)
        except ConfigError as error:
            raise _refusal(422, "invalid", named(error)) from None
        except UsageError as error:
            raise _refusal(422, "invalid", error) from None
        problems = needing_restart(self._context.population.current, population, self._root / name)
        if problems:
            raise _refusal(409, "conflict", *map(named, problems))
        return population

    async def _push(self, name: str, population: Population) -> None:
        """Make the next World: these people, and new characters for the editors whose rows changed."""
        before = self._context.population.current.editors
        changed = [each for slug, each in population.editors.items() if each.character != before[slug].character]

        def revised(world: World) -> World:
            switches = world.switches
            for editor in changed:
                switches = with_character(switches, editor.slug, editor.character)
            return msgspec.structs.replace(world, population=name, switches=switches)

        await self._worlds.revise(revised)

    def _announce(self) -> None:
        """Write endpoints.json again, since it contains the examples; it does not exist before everything is ready."""
        if (self._context.settings.data / endpoints.FILE).exists():
            self._write()

    def _forget_all_but(self, *names: str) -> None:
        """Remove all kept files but these; a late role may still read the previous ones."""
        for directory in self._root.iterdir() if self._root.is_dir() else ():
            if directory.name not in names:
                shutil.rmtree(directory, ignore_errors=True)


def _keep(source: Path, root: Path) -> str:
    """Copy the persona files below `root` to a directory named after the digest of their content. Raises RequestError
    422."""
    try:
        files = {path.name: path.read_bytes() for path in sorted(source.glob("*.yaml"))}
    except OSError as error:
        raise _refusal(422, "invalid", UsageError(f"{error.filename}: {error.strerror}")) from None
    digest = hashlib.blake2b(repr(files).encode(), digest_size=12).hexdigest()
    kept, fresh = root / digest, root / f"{digest}.new"
    if not kept.is_dir():
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        fresh.rename(kept)
    return digest


def _of(source: Path, kept: Path, error: ConfigError) -> ConfigError:
    """The error with the name of the original file instead of the copy. An error in the configuration file stays as it
    is."""
    file = Path(error.file)
    return ConfigError(str(source / file.name), error.line, error.problem) if file.parent == kept else error


def _refusal(status: int, code: str, *errors: UsageError) -> RequestError:
    return RequestError(
        status,
        *(
            Issue(code, str(error), f"{error.file}:{error.line}" if isinstance(error, ConfigError) else None)
            for error in errors
        ),
    )
