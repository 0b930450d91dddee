"""The persona files read again while the sandbox runs: `POST __admin/reload`, and the button of the page.

What is read is checked whole, then kept in control's directory under the digest of its content; the World names it
there, so that every role takes the very same people, a role that comes back later too. Refused with file and line, and
then nothing changes: 422 for an invalid file, 409 for what only a restart brings (`population.changes`).
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
        """Everybody takes what the files say now. Raises RequestError 409, 422, Laggards."""
        async with self._reading:
            former = self._worlds.world.population
            name = await asyncio.to_thread(_keep, personas_directory(self._context.settings), self._root)
            population = await asyncio.to_thread(self._checked, name)
            if name != former:
                try:
                    await self._push(name, population)
                finally:  # laggards or not, this is what the World says
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
        """The population of the kept files. Raises RequestError 409, 422, told as of the files themselves."""
        settings = self._context.settings
        told = partial(_of, personas_directory(settings), self._root / name)
        try:
            population = kept_population(settings, name)
        except ConfigError as error:
            raise _refusal(422, "invalid", told(error)) from None
        except UsageError as error:
            raise _refusal(422, "invalid", error) from None
        problems = needing_restart(self._context.population.current, population, self._root / name)
        if problems:
            raise _refusal(409, "conflict", *map(told, problems))
        return population

    async def _push(self, name: str, population: Population) -> None:
        """The next World: these people; and the character of those editors whose rows say another one than before."""
        before = self._context.population.current.editors
        changed = [each for slug, each in population.editors.items() if each.character != before[slug].character]

        def revised(world: World) -> World:
            switches = world.switches
            for editor in changed:
                switches = with_character(switches, editor.slug, editor.character)
            return msgspec.structs.replace(world, population=name, switches=switches)

        await self._worlds.revise(revised)

    def _announce(self) -> None:
        """endpoints.json names the examples; it exists once everybody answers."""
        if (self._context.settings.data / endpoints.FILE).exists():
            self._write()

    def _forget_all_but(self, *names: str) -> None:
        """What no World names any more goes; a role that is late may still read the former."""
        for directory in self._root.iterdir() if self._root.is_dir() else ():
            if directory.name not in names:
                shutil.rmtree(directory, ignore_errors=True)


def _keep(source: Path, root: Path) -> str:
    """Copy the persona files below `root`, into a directory named by their content. Raises RequestError 422."""
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
    """The same, told of the file that people edit. One of the configuration file stays as it is."""
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
