"""`sas-sandbox kit`: what others' tools need to examine or call an editor: ANS's acceptance kit, and Bruno.

Each command writes a directory of its own, with a page in French that says what to do with it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.commands.options import Commands
from sandbox.commands.pki import certificate_service
from sandbox.kernel.errors import UsageError

if TYPE_CHECKING:
    from sandbox.kit.known import Known
    from sandbox.kit.preset import Launch

SHEET, CERTIFICATES = "LISEZMOI.md", "certificats"


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.add_parser("kit", help="write what others' tools need").add_subparsers(required=True)
    _command(group, "preset", _preset, "for ANS's acceptance kit: preset, scripts, certificates, expected results")
    _command(group, "collection", _collection, "for Bruno: the calls of every flow, with certificates and examples")


def _command(
    group: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--target", type=Path, metavar="FILE", help="YAML or JSON file that describes the server")
    source.add_argument("--endpoints", type=Path, metavar="PATH", help="endpoints.json of a running sandbox")
    parser.add_argument("--editor", metavar="SLUG", help="only this editor of the file (all of them)")
    out = Path(f"kit-{name}")
    parser.add_argument("--out", type=Path, metavar="DIR", default=out, help="where the files go (%(default)s)")
    parser.set_defaults(run=run)
    return parser


def _preset(options: argparse.Namespace) -> int:
    from sandbox.kit import preset
    from sandbox.kit.folder import Folder

    known, now = _known(options)
    folder = Folder(options.out, "preset")
    launches = preset.launches_of(known)
    asyncio.run(_complete(launches, now))
    certificates, why = _certificates(known, launches, options.out / CERTIFICATES)
    missing = [*preset.unanswered(launches), *(f"certificats : {why}" for _ in [1] if why)]
    missing += [f"{launch.option.title} : {line}" for launch in launches for line in launch.missing]
    sheet = _render(
        "preset.md", launches=launches, title=preset.title_of(launches), script=preset.script_name,
        expected=preset.expected_name, certificates=certificates, missing=missing,
        why_no_certificates=why or "le serveur répond en HTTP simple",
    )  # fmt: skip
    folder.write({**preset.files_of(launches), SHEET: sheet}, tuple(certificates))
    return _told(options.out, missing)


async def _complete(launches: list[Launch], now: datetime) -> None:
    from sandbox.kit.observed import Seen, see
    from sandbox.kit.preset import CPTS, complete

    for launch in launches:
        person = launch.inputs["practitioner_id"]
        seen = Seen(why="il faut `practitioner_id`")
        if person:
            seen = await see(launch.editor.target, person, now, cpts=launch.option is CPTS)
        complete(launch, seen, now)


def _certificates(known: Known, launches: list[Launch], out: Path) -> tuple[list[str], str]:
    """Write the certificates of the kit. Their names from the directory of the preset, and in French why there are
    none ("" where none is needed)."""
    from sandbox.pki.kit import export_kit
    from sandbox.pki.manifest import FILE
    from sandbox.pki.subjects import sas_subject

    if not any(launch.editor.target.mutual for launch in launches):
        return [], ""
    if known.pki is None or known.pki.name != "pki" or not (known.pki / FILE).is_file():
        return [], "`tls.ca` ne désigne pas l'autorité d'un bac à sable"
    with certificate_service(argparse.Namespace(data_dir=str(known.pki.parent), config=None), make=False) as service:
        return [f"{out.name}/{name}" for name in export_kit(service, out, sas_subject())], ""


def _collection(options: argparse.Namespace) -> int:
    from sandbox.kit.collection import TITLES, collection_of, files_of
    from sandbox.kit.folder import Folder

    known, now = _known(options)
    folder = Folder(options.out, "collection")
    made = collection_of(known, now)
    title = "SAS : " + (known.editors[0].slug if len(known.editors) == 1 else "bac à sable")
    environment = "bac-a-sable" if known.sandbox else "cible"
    requests = [(TITLES[name], len(found)) for name, found in made.folders.items() if found]
    docs = _render(
        "collection.md", title=title, environment=environment, certificates=made.certificates, requests=requests,
        missing=made.missing,
    )  # fmt: skip
    folder.write({**files_of(made, title, environment, docs), SHEET: docs})
    return _told(options.out, made.missing)


def _known(options: argparse.Namespace) -> tuple[Known, datetime]:
    """What the file says, and its time: a sandbox's own, which may be shifted."""
    from sandbox.kit.known import read_known
    from sandbox.kit.observed import server_time

    known = read_known(options.target or options.endpoints, options.editor)
    if options.endpoints is not None and not known.sandbox:
        raise UsageError(f"kit: {options.endpoints} is no endpoints.json of a sandbox (a target file: --target)")
    return known, asyncio.run(server_time(known.editors[0].target, datetime.now(UTC)))


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    import sandbox.kit

    folder = Path(sandbox.kit.__file__).with_name("templates")
    made = Environment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    return str(made.get_template(template).render(values))


def _told(out: Path, missing: list[str]) -> int:
    print(f"{out / SHEET} dit comment s'en servir")
    for line in missing:
        print(f"manque : {line}")
    return 0
