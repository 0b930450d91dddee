"""The Bruno collection: the calls of every flow that the editors of a file speak, with their examples filled in."""

from __future__ import annotations

import json
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from sandbox.fhir.appointment import render_appointment
from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.clock import PARIS, fhir_instant
from sandbox.kernel.identifiers import SYSTEM_SAS, Identifier
from sandbox.kit import bru
from sandbox.kit.appointment import appointment_of, lacking, later
from sandbox.kit.bru import Request
from sandbox.kit.known import Editor, Known

DAYS = 3
CERTIFICATES = "certificats"
ACCEPT = (("Accept", "application/json+fhir"),)
SENT = (*ACCEPT, ("Content-Type", "application/fhir+json"))
TITLES = {
    "metadata": "Capacités (metadata)",
    "int-r01": "Créneaux des professionnels (INT_R01)",
    "int-r04": "Créneaux des CPTS (INT_R04)",
    "sos": "Créneaux de SOS Médecins",
    "int-r02": "Comptes des régulateurs (INT_R02)",
    "int-r03": "Rendez-vous (INT_R03)",
    "api-sas": "API de la plateforme SAS",
}
_FOLDERS = {
    "metadata": "Ce que chaque éditeur déclare savoir faire.",
    "int-r01": "La plateforme SAS cherche les créneaux libres de professionnels : vous jouez la plateforme.",
    "int-r04": "La même recherche, avec les CPTS (`HealthcareService` et `Organization`).",
    "sos": "La plateforme SAS cherche les créneaux d'associations SOS Médecins.",
    "int-r02": "La plateforme SAS crée un régulateur chez l'éditeur, le modifie, puis lui retire son droit. La "
    "personne est inventée. Jouez les requêtes dans l'ordre.",
    "int-r03": "L'éditeur envoie un rendez-vous à la plateforme SAS : vous jouez l'éditeur, avec son certificat. Jouez "
    "les requêtes dans l'ordre ; la dernière remet le rendez-vous comme au début, la suite peut donc être rejouée.",
    "api-sas": "L'API par laquelle un LRM interroge la plateforme. La connexion garde le jeton pour la recherche.",
}  # fmt: skip
# Example of a file -> what the request is called, and its docs.
_PRACTITIONERS = {
    "practitioner_one_site": ("Un lieu", "Un professionnel qui consulte dans un lieu : un `Schedule`."),
    "practitioner_two_sites": ("Deux lieux", "Un professionnel qui consulte dans deux lieux : un `Schedule` par lieu."),
    "practitioner_pair": ("Deux professionnels", "Deux professionnels dans une même recherche."),
}
_CPTS = {
    "practitioner_cpts": ("Une CPTS", "Des créneaux ouverts à une CPTS."),
    "practitioner_two_cpts_one_slot": ("Un créneau, deux CPTS", "Un même créneau ouvert à deux CPTS."),
    "practitioner_two_cpts_two_slots": ("Deux créneaux, deux CPTS", "Deux créneaux, chacun ouvert à une autre CPTS."),
}
_SOS = {
    "sos_one_site": ("Un site", "Une association d'un site : un `Schedule`."),
    "sos_two_sites": ("Deux sites", "Une association de deux sites : un `Schedule` par site."),
    "sos_associations": ("Deux associations", "Deux associations dans une même recherche."),
}


@dataclass(slots=True)
class Collection:
    """Requests by folder, variables, certificates by the beginning of the URLs, and what could not be made (French)."""

    folders: dict[str, list[Request]] = field(default_factory=lambda: {name: [] for name in TITLES})
    variables: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def collection_of(known: Known, now: datetime) -> Collection:
    """Everything that can be called with what the file says."""
    start = now.astimezone(PARIS).replace(microsecond=0)
    made = Collection(variables={"debut": _plain(start), "fin": _plain(start + timedelta(days=DAYS))})
    for editor in known.editors:
        made.variables[_base(editor)] = editor.target.fhir
        _show_certificate(made, editor.target.fhir, "sas", _sas_files(editor))
        url = f"{{{{{_base(editor)}}}}}/metadata"
        made.folders["metadata"].append(Request(editor.slug, "get", url, "Son CapabilityStatement.", headers=ACCEPT))
    _searches(made, known, start)
    _accounts(made, known)
    _appointments(made, known, now)
    _api(made, known)
    if known.pki is not None and (ca := known.editors[0].target.ca) is not None:
        made.files[f"{CERTIFICATES}/ca.pem"] = ca.read_bytes()
    return made


def _plain(instant: datetime) -> str:
    """Without offset: the guide means Paris then."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S")


def _base(editor: Editor) -> str:
    """The variable that holds an editor's FHIR base."""
    words = editor.slug if "/" not in editor.slug else "editeur"
    return "fhir_" + "".join(each if each.isalnum() else "_" for each in words)


def _sas_files(editor: Editor) -> dict[str, bytes]:
    good = editor.target.good
    return {} if good is None else {"pem": good.cert.read_bytes(), "key": good.key.read_bytes()}


def _show_certificate(made: Collection, url: str, name: str, files: dict[str, bytes]) -> None:
    """At that server this certificate is shown; nothing over plain HTTP."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return
    if not files:
        made.missing.append(f"le certificat `{name}` (`tls.clients.{name}`), pour {parts.netloc}")
        return
    made.certificates[parts.netloc] = name
    made.files |= {f"{CERTIFICATES}/{name}.{end}": content for end, content in files.items()}


def _searches(made: Collection, known: Known, start: datetime) -> None:
    for folder, flow, cases in (
        ("int-r01", "INT_R01", _PRACTITIONERS),
        ("int-r04", "INT_R04", _CPTS),
        ("sos", "SOS", _SOS),
    ):
        speaking = [editor for editor in known.editors if editor.target.speaks(flow)]
        for example, (title, docs) in cases.items():
            found = next((editor for editor in speaking if editor.target.example(example)), None)
            if found is not None:
                url = _search_url(found, flow, found.target.example(example), start)
                made.folders[folder].append(
                    Request(title, "get", url, f"{docs} Éditeur : {found.slug}.", headers=ACCEPT)
                )
            elif speaking:
                made.missing.append(f"{TITLES[folder]}, « {title} » : exemple `{example}`")


def _search_url(editor: Editor, flow: str, ids: Iterable[str], start: datetime) -> str:
    end = start + timedelta(days=DAYS)
    if flow == "SOS":
        path = "Schedule?" + schedule_query(ids, start, end)
    else:
        path = "Slot?" + slot_query(ids, start, end, cpts=flow == "INT_R04")
    for instant, name in ((start, "debut"), (end, "fin")):
        path = path.replace(quote(fhir_instant(instant), safe=":,.-"), f"{{{{{name}}}}}")
    return f"{{{{{_base(editor)}}}}}/{path}"


def _accounts(made: Collection, known: Known) -> None:
    editor = known.speaking("INT_R02")
    if editor is None:
        return
    value = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{editor.target.fhir}/Practitioner"))
    person = RegulatorAccount(
        (Identifier(SYSTEM_SAS, value, "INTRN"),), True, "CONTROLE", ("Camille",),
        f"camille.controle.{value[:8]}@recette-sas.example",
    )  # fmt: skip
    url = f"{{{{{_base(editor)}}}}}/Practitioner"
    one = f"{url}?identifier={_token(SYSTEM_SAS, value)}"
    made.folders["int-r02"] += [
        Request(
            "Créer", "post", url,
            "Un régulateur sans carte. `409` ou `422` : la personne existe déjà, la collection a déjà été jouée.",
            (201, 409, 422), body=_document(render_regulator(person)), headers=SENT,
        ),
        Request(
            "Modifier", "put", one, "Un autre prénom.", (200, 201),
            body=_document(render_regulator(replace(person, given=("Dominique",)))), headers=SENT,
        ),
        Request(
            "Retirer le droit", "put", one, "Le guide ne prévoit pas d'effacement : `active` devient `false`.",
            (200, 201), body=_document(render_regulator(replace(person, active=False))), headers=SENT,
        ),
    ]  # fmt: skip


def _appointments(made: Collection, known: Known, now: datetime) -> None:
    fhir = known.sas.get("fhir")
    editors = [each for each in known.editors if each.target.speaks("INT_R03")]
    editor = next((each for each in editors if not lacking(each)), editors[0] if editors else None)
    if editor is None:
        return
    lack = [] if fhir else ["`sas.fhir`, l'adresse de la plateforme"]
    if lack := [*lack, *lacking(editor)]:
        made.missing.append(f"{TITLES['int-r03']} : {', '.join(lack)}")
        return
    made.variables["fhir_sas"] = str(fhir)
    client = editor.client
    files = {} if client is None else {"pem": client.cert.read_bytes(), "key": client.key.read_bytes()}
    _show_certificate(made, str(fhir), editor.slug, files)
    appointment = appointment_of(editor, now)
    identifier = appointment.identifier
    one = f"{{{{fhir_sas}}}}/Appointment?identifier={_token(identifier.system, identifier.value)}"
    first, moved = (_document(render_appointment(each)) for each in (appointment, later(appointment)))
    made.folders["int-r03"] += [
        Request(
            "Créer", "post", "{{fhir_sas}}/Appointment",
            f"Un rendez-vous pris chez {editor.slug}. `200` : la plateforme l'a déjà, identique.",
            (201, 200), SENT, first,
        ),
        Request("Déplacer", "put", one, "Un quart d'heure plus tard.", (200,), SENT, moved),
        Request("Remettre à l'heure", "put", one, "Comme au début.", (200,), SENT, first),
    ]  # fmt: skip


def _api(made: Collection, known: Known) -> None:
    api = known.sas.get("api")
    if not api:
        return
    made.variables["api_sas"] = api
    accounts = [row for row in known.editors[0].target.regulators if row.get("identifier") and row.get("password")]
    insee = next(_towns(known.examples), None)
    if not accounts:
        made.missing.append(f"{TITLES['api-sas']} : un régulateur et son mot de passe (`examples.regulators`)")
        return
    body = {"identifier": str(accounts[0]["identifier"]), "password": str(accounts[0]["password"])}
    made.folders["api-sas"].append(
        Request(
            "Connexion", "post", "{{api_sas}}/login", "Un compte de démonstration ; le jeton reçu est gardé.",
            body=body, keeps=(("jeton", "res.body.token"),),
        )
    )  # fmt: skip
    if insee is None:
        made.missing.append(f"{TITLES['api-sas']}, recherche : une commune (`insee` d'un exemple)")
        return
    made.variables["commune"] = insee
    url = "{{api_sas}}/search?insee={{commune}}&from={{debut}}&to={{fin}}"
    made.folders["api-sas"].append(Request("Recherche", "get", url, "Les créneaux d'une commune.", token="jeton"))


def _towns(examples: Any) -> Iterator[str]:
    for value in examples.values():
        for row in value if isinstance(value, list) else [value]:
            if isinstance(row, dict) and isinstance(row.get("insee"), str):
                yield row["insee"]


def _token(system: str, value: str) -> str:
    return quote(f"{system}|{value}", safe=":,.-")


def _document(content: bytes) -> Any:
    return json.loads(content)


def files_of(made: Collection, title: str, environment: str, docs: str) -> dict[str, str | bytes]:
    """The collection's files by name; folders without a request are left out."""
    certificates = [
        (domain, f"{CERTIFICATES}/{name}.pem", f"{CERTIFICATES}/{name}.key")
        for domain, name in made.certificates.items()
    ]
    files: dict[str, str | bytes] = {
        "bruno.json": bru.manifest(title, certificates),
        "collection.bru": bru.collection_file(docs),
        f"environments/{environment}.bru": bru.environment_file(made.variables),
        **made.files,
    }
    numbered = enumerate(((name, requests) for name, requests in made.folders.items() if requests), 1)
    for number, (folder, requests) in numbered:
        files[f"{folder}/folder.bru"] = bru.folder_file(TITLES[folder], number, _FOLDERS[folder])
        for place, request in enumerate(requests, 1):
            files[f"{folder}/{place:02}-{_plain_name(request.name)}.bru"] = bru.request_file(request, place)
    return files


def _plain_name(name: str) -> str:
    """A name for a file: letters without accents, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return "-".join("".join(each if each.isalnum() else " " for each in plain).split())
