"""What `sas-sandbox up` prints: the ports that it opens to the network, if any; once everything answers, who listens
where, the demonstration accounts and three commands to copy."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sandbox.config import (
    AMQP,
    AMQPS,
    CONTROL_UI,
    EDITORS_FHIR,
    EDITORS_UI,
    EMBEDDED,
    LRM_UI,
    PSC_UI,
    SAS_FHIR,
    SAS_UI,
    Settings,
    is_loopback,
)
from sandbox.files import POSIX


def memory_mib(pids: Sequence[int]) -> float | None:
    """Proportional set size of some processes, MiB; None where the system does not tell (not Linux)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def opened(settings: Settings, token_file: Path) -> list[str]:
    """What other machines can reach and what keeps them out, line by line; nothing when only this machine can reach
    it."""
    if not settings.exposed:
        return []
    certificate = "certificat client" if settings.mtls else "SANS CONTRÔLE (--no-mtls)"
    rows = [
        (SAS_UI, "plateforme SAS, pages et API", "comptes de Pro Santé Connect"),
        (EDITORS_UI, "éditeurs, pages", "comptes de Pro Santé Connect, ou mot de passe"),
        (LRM_UI, "LRM, pages et API", "mot de passe du LRM (lrms[].password de endpoints.json)"),
        (PSC_UI, "Pro Santé Connect", "mot de passe de chaque compte de démonstration"),
        (CONTROL_UI, "tour de contrôle, __admin, métriques", "jeton d'administration"),
        (EDITORS_FHIR, "éditeurs, FHIR", certificate),
        (SAS_FHIR, "plateforme SAS, FHIR", certificate),
    ]
    if settings.hub_broker == EMBEDDED:
        rows.append((AMQPS, "Hub Santé", certificate) if settings.mtls else (AMQP, "Hub Santé", "mot de passe"))
    lines = [
        f"  Ouvert au réseau : --host {settings.host} est joignable par d'autres machines.",
        *(f"    port {settings.port(offset):<6} {what:<38} {guarded}" for offset, what, guarded in rows),
        f"  Jeton d'administration : {token_file}",
        "    (Authorization: Bearer <jeton> ; dans un navigateur : n'importe quel nom, le jeton pour mot de passe)",
        "  Les pages sont en HTTP sans chiffrement : n'ouvrez ces ports qu'à un réseau de confiance.",
        "  Les mots de passe de démonstration des personnages fournis sont publics.",
    ]
    if is_loopback(settings.public_host):
        lines.append(
            f"  Les adresses publiées disent {settings.public_host} : donnez --public-host aux autres machines."
        )
    return lines


def quoted(word: str) -> str:
    """A word of a command, quoted for the shell of this system."""
    return shlex.quote(word) if POSIX else subprocess.list2cmdline([word])


@dataclass(frozen=True, slots=True)
class Measured:
    """A start in numbers: seconds, memory in MiB (None where the system does not tell), processes."""

    seconds: float
    memory: float | None
    processes: int


def banner(
    document: dict[str, Any],
    data_dir: Path,
    *,
    program: str,
    measured: Measured,
    open_to: Sequence[str] = (),
) -> str:
    """The text, from endpoints.json (absolute certificate paths). `program`: the command with which this one was
    called; `open_to`: the lines of `opened`."""
    sas, control = document["sas"], document["control"]
    used = "" if measured.memory is None else f", {measured.memory:.0f} Mio (Pss)"
    where = "un processus" if measured.processes == 1 else f"{measured.processes} processus"
    lines = [
        "",
        f"  sas-sandbox {document['version']} — prêt en {measured.seconds:.1f} s{used}, {where}",
        f"  heure du bac à sable : {document['now']}    graine : {document['seed']}",
        "",
        _row("Plateforme SAS", sas["ui"], f"FHIR {sas['fhir']}"),
        *(
            _row(_whose(editor, editor["name"]), editor["ui"], f"FHIR {editor['fhir']}")
            for editor in document["editors"]
        ),
        *(_row(_whose(lrm, f"LRM {lrm['territory']}"), lrm["ui"], lrm["client_id"]) for lrm in document["lrms"]),
        _row("Pro Santé Connect", document["psc"]["issuer"], ""),
        _row("Hub Santé", document["hub"]["amqp"], f"moniteur {control['ui']}/hub"),
        _row("Tour de contrôle", control["ui"], f"API {control['api']}"),
        "",
        "  Comptes de démonstration (Pro Santé Connect)",
        *(
            f"    {account['identifier']:<38} {account['password']:<22} {account['territory']}"
            for account in document["examples"]["regulators"]
        ),
        *(
            f"    {account['identifier']:<38} {account['password']:<22} médecin, agenda SAS"
            for account in document["examples"].get("practitioners_sas_agenda", ())
        ),
        "",
        "  À copier",
        f"    {_curl(document)}",
        f"    page à ouvrir : {sas['ui']}/",
        f"    {program} scenario run nominal --endpoints {quoted(str(data_dir / 'endpoints.json'))}",
        "",
        *([*open_to, ""] if open_to else []),
        "  Ctrl-C pour arrêter.",
        "",
    ]
    return "\n".join(lines)


def _whose(entry: dict[str, Any], name: str) -> str:
    return f"{name} (externe)" if entry["external"] else name


def _row(name: str, url: str, more: str) -> str:
    return f"    {name:<24} {url:<44} {more}".rstrip()


def _curl(document: dict[str, Any]) -> str:
    """A slot search on the first editor with the SAS core's certificate, quoted as every shell takes it."""
    example = document["examples"]["practitioner_one_site"]
    editor = next(editor for editor in document["editors"] if editor["slug"] == example["editor"])
    day = date.fromisoformat(document["now"][:10])
    query = (
        f"start=ge{day}T00:00:00&start=le{day + timedelta(days=2)}T23:59:59&status=free"
        "&_include=Slot:schedule&_include:iterate=Schedule:actor"
        f"&schedule.actor:Practitioner.identifier=urn:oid:1.2.250.1.71.4.2.1%7C{example['id']}"
    )
    tls = document["tls"]
    if not tls["clients"]:
        return f'curl "{editor["fhir"]}/Slot?{query}"'
    sas = tls["clients"]["sas"]
    files = " ".join(f"{flag} {quoted(path)}" for flag, path in _curl_files(tls["ca"], sas))
    return f'curl {files} "{editor["fhir"]}/Slot?{query}"'


def _curl_files(ca: str, credentials: dict[str, str]) -> list[tuple[str, str]]:
    return [("--cacert", ca), ("--cert", credentials["cert"]), ("--key", credentials["key"])]
