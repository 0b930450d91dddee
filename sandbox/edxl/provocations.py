"""Messages that provoke each error of Hub Santé: one per cause, sent by a client of the hub to itself.

Codes 100 to 501 and 600 are the hub's answer to the message; 301, 409 and 700 to 704 are those that only a client
sends: there the message is such an error, which the hub carries to its recipient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import orjson

from sandbox.edxl import build, xml
from sandbox.edxl.codes import JSON, NO_DISTRIBUTION_ID, XML, HubCode
from sandbox.edxl.trials import Correspondents, trial
from sandbox.kernel.clock import l02_datetime

SHORT_LIFE = timedelta(seconds=2)  # expiry of a message that is never read: dates have no fractions of a second
NOBODY, STRANGER = "fr.health.inconnu", "fr.fire.nexsis"


@dataclass(frozen=True, slots=True)
class Shot:
    """A message to publish. The report names `referenced`: its distributionID, where the hub can read that."""

    body: bytes
    referenced: str
    content_type: str | None = JSON
    persistent: bool = True


@dataclass(frozen=True, slots=True)
class Provocation:
    """`name` in URLs; `cause`: what is wrong with it, in French; `by_hub` False: a client's own error."""

    name: str
    code: HubCode
    cause: str
    make: Callable[[Correspondents], Shot]
    by_hub: bool = True


MEANINGS: Mapping[HubCode, str] = {
    HubCode.DELIVERY_MODE_INCONSISTENCY: "Le message n'est pas persistant : il ne survivrait pas au hub.",
    HubCode.NOT_ALLOWED_CONTENT_TYPE: "Le type de contenu n'est exactement ni application/json ni application/xml.",
    HubCode.UNRECOGNIZED_MESSAGE_FORMAT: "Le corps du message n'est ni du JSON ni du XML, selon le type annoncé.",
    HubCode.SENDER_INCONSISTENCY: "L'expéditeur écrit dans le message n'est pas le client qui l'a publié.",
    HubCode.INVALID_MESSAGE: "Le message ne suit pas le modèle ; la cause nomme chaque écart et son chemin.",
    HubCode.SCHEMA_NOT_FOUND: "Pas de schéma pour ce contenu. Le hub répond ici 102, comme le guide le veut.",
    HubCode.EXPIRED_MESSAGE_BEFORE_ROUTING: "Le message était périmé avant d'être distribué.",
    HubCode.CONFLICT: "Le LRM a déjà le rendez-vous à créer. Un hub strict refuse ce code, par 102.",
    HubCode.DEAD_LETTER_QUEUED: "Personne n'a lu le message à temps, ou son destinataire l'a rejeté.",
    HubCode.UNROUTABLE_MESSAGE: "Le destinataire n'a pas de file, ou personne n'est du domaine de la santé.",
    HubCode.MESSAGE_CONVERSION_ERROR: "Le message ne peut pas être réécrit dans la forme de son destinataire.",
    HubCode.INTERNAL_CLIENT_ERROR: "Le client a eu un problème en traitant le message.",
    HubCode.CASE_ALREADY_EXISTS: "Le client a déjà ce dossier.",
    HubCode.WRONG_MESSAGE_SEQUENCE: "Le message arrive avant celui qu'il suppose.",
    HubCode.UNKNOWN_SENDER: "Le client ne connaît pas l'expéditeur.",
    HubCode.INSUFFICIENT_DATA: "Il manque au client de quoi traiter le message.",
}


def _good(between: Correspondents) -> dict[str, Any]:
    """The document of a creation without errors."""
    found: dict[str, Any] = orjson.loads(trial("create", between)[0].body)
    return found


def _shot(document: Mapping[str, Any]) -> Shot:
    return Shot(orjson.dumps(document), str(document["distributionID"]))


def _appointment(document: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["appointment"]
    return found


def _transient(between: Correspondents) -> Shot:
    return replace(_shot(_good(between)), persistent=False)


def _typed(content_type: str | None, between: Correspondents) -> Shot:
    return replace(_shot(_good(between)), content_type=content_type)


def _xml(between: Correspondents, old: bytes, new: bytes) -> Shot:
    """A creation in XML in which a part is replaced."""
    document = _good(between)
    return Shot(xml.write(document).replace(old, new, 1), str(document["distributionID"]), XML)


def _no_json(between: Correspondents) -> Shot:
    return Shot(b"{bonjour", NO_DISTRIBUTION_ID)


def _in_anothers_name(between: Correspondents) -> Shot:
    return _shot({**_good(between), "senderID": NOBODY})


def _changed(values: Mapping[str, Any], between: Correspondents) -> Shot:
    document = _good(between)
    _appointment(document).update(values)
    return _shot(document)


def _without(name: str, between: Correspondents) -> Shot:
    document = _good(between)
    del _appointment(document)[name]
    return _shot(document)


def _no_envelope(between: Correspondents) -> Shot:
    document = _good(between)
    del document["descriptor"]
    return _shot(document)


def _foreign_id(between: Correspondents) -> Shot:
    return _shot({**_good(between), "distributionID": f"{NOBODY}_{between.new_id()}"})


def _late(between: Correspondents) -> Shot:
    past = l02_datetime(between.now - timedelta(minutes=1))
    return _shot({**_good(between), "dateTimeExpires": past})


def _unread(between: Correspondents) -> Shot:
    return _shot({**_good(between), "dateTimeExpires": l02_datetime(between.now + SHORT_LIFE)})


def _addressed(sender: str | None, recipient: str, between: Correspondents) -> Shot:
    document = _good(between)
    if sender is not None:
        document["senderID"], document["distributionID"] = sender, f"{sender}_{between.new_id()}"
    document["descriptor"]["explicitAddress"]["explicitAddressValue"] = recipient
    return _shot(document)


def _clients_error(code: HubCode, between: Correspondents) -> Shot:
    document = _good(between)
    address = build.error_address(between.sender, between.new_id(), between.recipient, between.now)
    referenced = document["distributionID"]
    body = build.error(address, code, "Erreur provoquée pour voir", source=document, referenced=referenced)
    return Shot(body, referenced)


_FREE = {"champInconnu": "x"}
_CLIENTS_OWN = (
    HubCode.SCHEMA_NOT_FOUND,
    HubCode.CONFLICT,
    HubCode.MESSAGE_CONVERSION_ERROR,
    HubCode.INTERNAL_CLIENT_ERROR,
    HubCode.CASE_ALREADY_EXISTS,
    HubCode.WRONG_MESSAGE_SEQUENCE,
    HubCode.UNKNOWN_SENDER,
    HubCode.INSUFFICIENT_DATA,
)

PROVOCATIONS: tuple[Provocation, ...] = (
    Provocation("transient", HubCode.DELIVERY_MODE_INCONSISTENCY, "publié en mode non persistant", _transient),
    Provocation("text", HubCode.NOT_ALLOWED_CONTENT_TYPE, "type text/plain", partial(_typed, "text/plain")),
    Provocation(
        "charset",
        HubCode.NOT_ALLOWED_CONTENT_TYPE,
        "type application/json; charset=utf-8",
        partial(_typed, "application/json; charset=utf-8"),
    ),
    Provocation("untyped", HubCode.NOT_ALLOWED_CONTENT_TYPE, "sans type de contenu", partial(_typed, None)),
    Provocation("no-json", HubCode.UNRECOGNIZED_MESSAGE_FORMAT, "un corps qui n'est pas du JSON", _no_json),
    Provocation(
        "no-xml",
        HubCode.UNRECOGNIZED_MESSAGE_FORMAT,
        "un document XML dont une balise n'est pas fermée",
        partial(_xml, old=b"</senderID>", new=b""),
    ),
    Provocation(
        "doctype",
        HubCode.UNRECOGNIZED_MESSAGE_FORMAT,
        "un document XML avec une déclaration DOCTYPE",
        partial(_xml, old=b"<edxlDistribution", new=b"<!DOCTYPE edxlDistribution []><edxlDistribution"),
    ),
    Provocation("impostor", HubCode.SENDER_INCONSISTENCY, "senderID d'un autre client", _in_anothers_name),
    Provocation(
        "value",
        HubCode.INVALID_MESSAGE,
        "orientationCategory hors de la liste",
        partial(_changed, {"orientationCategory": "XYZ"}),
    ),
    Provocation("missing", HubCode.INVALID_MESSAGE, "sans regulator", partial(_without, "regulator")),
    Provocation("extra", HubCode.INVALID_MESSAGE, "une propriété inconnue", partial(_changed, _FREE)),
    Provocation(
        "several",
        HubCode.INVALID_MESSAGE,
        "trois écarts dans un message",
        partial(_changed, {"status": "parti", "created": "hier", **_FREE}),
    ),
    Provocation(
        "xml",
        HubCode.INVALID_MESSAGE,
        "un message XML dont un élément n'est pas du modèle",
        partial(_xml, old=b"<status>booked", new=b"<statut>booked</statut><status>booked"),
    ),
    Provocation("envelope", HubCode.INVALID_MESSAGE, "une enveloppe sans descriptor", _no_envelope),
    Provocation("foreign-id", HubCode.INVALID_MESSAGE, "distributionID d'un autre client", _foreign_id),
    Provocation("late", HubCode.EXPIRED_MESSAGE_BEFORE_ROUTING, "dateTimeExpires déjà passé", _late),
    Provocation("unread", HubCode.DEAD_LETTER_QUEUED, "un message que personne ne lit en 2 s", _unread),
    Provocation("nobody", HubCode.UNROUTABLE_MESSAGE, "un destinataire sans file", partial(_addressed, None, NOBODY)),
    Provocation(
        "strangers",
        HubCode.UNROUTABLE_MESSAGE,
        "ni expéditeur ni destinataire de la santé",
        partial(_addressed, STRANGER, STRANGER),
    ),
    Provocation(
        "conversion",
        HubCode.MESSAGE_CONVERSION_ERROR,
        "un message XML au statut Test, que le JSON ne connaît pas",
        partial(_xml, old=b"<distributionStatus>Actual", new=b"<distributionStatus>Test"),
    ),
    *(
        Provocation(
            f"client-{code:d}", code, "un client envoie cette erreur", partial(_clients_error, code), by_hub=False
        )
        for code in _CLIENTS_OWN
    ),
)
BY_NAME: Mapping[str, Provocation] = {each.name: each for each in PROVOCATIONS}
