"""The requirements by which an editor's server or an LRM is judged, as data.

Ids and texts: the requirement list of the acceptance kit (R01, R04, R02), then those that its other suites and the
guide ask for (SOS, SSO, TLS, CAP), then ours (ROB: what a server does with requests that are wrong).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

# group -> its French and English name; in the order of the report
GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "TLS": ("Sécurisation des échanges (TLS mutuel)", "Mutual TLS"),
        "CAP": ("Déclaration de capacité", "Capability statement"),
        "INT_R01": ("Créneaux des professionnels (INT_R01)", "Practitioners' slots (INT_R01)"),
        "INT_R04": ("Créneaux des CPTS (INT_R04)", "CPTS slots (INT_R04)"),
        "SOS": ("Créneaux de SOS Médecins", "SOS Médecins slots"),
        "INT_R02": ("Comptes des régulateurs (INT_R02)", "Regulators' accounts (INT_R02)"),
        "SSO": ("Délégation d'authentification", "Single sign-on"),
        "ROB": ("Robustesse", "Robustness"),
        "INT_L02": ("Rendez-vous transmis au LRM (INT_L02)", "Appointments sent to the LRM (INT_L02)"),
    }
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """`group`: of GROUPS; `fr`, `en`: what is required, in one sentence; `source`: where it is written."""

    id: str
    group: str
    fr: str
    en: str
    source: str


_SEARCH = "Guide SAS, « Recherche de créneaux »"
_IDS = "Guide SAS, « Identifiants »"
_CPTS = "Guide SAS, « Recherche de créneaux CPTS »"
_SOS = "Guide SAS, « Recherche de créneaux SOS Médecins »"
_ACCOUNTS = "Guide SAS, « Gestion des comptes régulateurs »"
_SSO = "Guide SAS, « Délégation d'authentification »"
_TLS = "Guide SAS, « Sécurisation des échanges »"
_ERRORS = "Guide SAS, « Gestion des erreurs »"
_MESSAGES = "Guide SAS, « Transmission des rendez-vous au LRM » (INT_L02)"
_CAPABILITY = "FHIR R4, « CapabilityStatement »"

_Row = tuple[str, str, str]  # id, French, English


def _rows(group: str, source: str, *rows: _Row) -> list[Requirement]:
    return [Requirement(id, group, fr, en, source) for id, fr, en in rows]


_ALL: Iterable[Requirement] = [
    *_rows(
        "TLS",
        _TLS,
        ("TLS-1", "Une version de TLS inférieure à 1.2 est refusée.", "A version of TLS below 1.2 is refused."),
        ("TLS-2", "Le bon certificat est accepté.", "The good certificate is accepted."),
        ("TLS-3", "Un certificat dont le CN est mauvais est refusé.", "A certificate with a wrong CN is refused."),
        ("TLS-4", "Un certificat dont l'OU est mauvaise est refusé.", "A certificate with a wrong OU is refused."),
        ("TLS-5", "Un certificat révoqué est refusé.", "A revoked certificate is refused."),
        ("TLS-6", "Un certificat expiré est refusé.", "An expired certificate is refused."),
        ("TLS-7", "Une requête sans certificat est refusée.", "A request without a certificate is refused."),
    ),
    *_rows(
        "CAP",
        _CAPABILITY,
        (
            "CAP-1",
            "GET /metadata donne un CapabilityStatement (kind instance, fhirVersion 4.0.1) qui déclare les recherches.",
            "GET /metadata gives a CapabilityStatement (kind instance, fhirVersion 4.0.1) that states the searches.",
        ),
    ),
    *_rows(
        "INT_R01",
        _TLS,
        ("R01-1", "La recherche exige le TLS mutuel.", "The search requires mutual TLS."),
        ("R01-2", "La recherche vérifie le CN de l'appelant.", "The search checks the caller's CN."),
        ("R01-3", "La recherche vérifie l'OU de l'appelant.", "The search checks the caller's OU."),
    ),
    *_rows(
        "INT_R01",
        _SEARCH,
        ("R01-4", "La recherche par GET Slot est servie.", "The search by GET Slot is served."),
        (
            "R01-5",
            "Aucun créneau avant le début demandé, ni déjà passé.",
            "No slot before the window, none in the past.",
        ),
        ("R01-6", "Aucun créneau après la fin demandée.", "No slot after the end of the window."),
        ("R01-7", "Tous les créneaux libres de la période sont rendus.", "All free slots of the window are sent."),
        (
            "R01-8",
            "Sans créneau libre, ou pour un professionnel inconnu : 200 et un Bundle vide (total 0, sans entry).",
            "Nothing free, or an unknown practitioner: 200 and an empty Bundle (total 0, no entry).",
        ),
        ("R01-9", "Les Slot respectent leur profil.", "Slots meet their profile."),
        ("R01-10", "Le statut des créneaux est free.", "The status of slots is free."),
        ("R01-11", "Chaque créneau a un début et une fin, dans cet ordre.", "A slot has a start and an end, in order."),
        (
            "R01-12",
            "Chaque créneau renvoie à un Schedule de la réponse.",
            "Each slot refers to a Schedule of the answer.",
        ),
        ("R01-13", "Le Bundle respecte son profil.", "The Bundle meets its profile."),
        ("R01-14", "Le type du Bundle est searchset.", "The type of the Bundle is searchset."),
        ("R01-15", "La réponse contient le Practitioner.", "The answer holds the Practitioner."),
        (
            "R01-16",
            "Le Practitioner porte l'identifiant du professionnel demandé.",
            "The Practitioner has the identifier of the practitioner who was asked for.",
        ),
        (
            "R01-17",
            "Cet identifiant est un identifiant national (système et type).",
            "That identifier is a national one (system and type).",
        ),
        (
            "R01-18",
            "Cet identifiant est préfixé, quelle que soit l'écriture de la requête ou de l'agenda.",
            "That identifier is prefixed, however the request or the agenda writes it.",
        ),
        ("R01-19", "La réponse contient le PractitionerRole.", "The answer holds the PractitionerRole."),
        (
            "R01-20",
            "PractitionerRole.organization.identifier est un FINESS, un SIRET ou un RPPS rang préfixé.",
            "PractitionerRole.organization.identifier is a prefixed FINESS, SIRET or RPPS rang.",
        ),
        ("R01-21", "Le PractitionerRole renvoie au Practitioner.", "The PractitionerRole refers to the Practitioner."),
        ("R01-22", "Le PractitionerRole contient sa Location.", "The PractitionerRole contains its Location."),
        ("R01-23", "La visibilité est dans Slot.meta.security.", "The visibility is in Slot.meta.security."),
        (
            "R01-24",
            "Les types de consultation sont des codes de Slot.serviceType.",
            "Consultation types are codes of Slot.serviceType.",
        ),
        (
            "R01-25",
            "Un créneau réservable porte l'URL de réservation dans comment.",
            "A bookable slot has its booking URL in comment.",
        ),
        ("R01-26", "Le paramètre start (ge, le) est pris en charge.", "The parameter start (ge, le) is supported."),
        ("R01-27", "Le paramètre status est pris en charge.", "The parameter status is supported."),
        ("R01-28", "Le paramètre _include est pris en charge.", "The parameter _include is supported."),
        (
            "R01-29",
            "schedule.actor:Practitioner.identifier est pris en charge, préfixé ou non.",
            "schedule.actor:Practitioner.identifier is supported, prefixed or not.",
        ),
        (
            "R01-30",
            "_include:iterate est pris en charge ; rien n'est inclus sans être demandé.",
            "_include:iterate is supported; nothing is included that was not asked for.",
        ),
        ("R01-31", "Les PractitionerRole respectent leur profil.", "PractitionerRoles meet their profile."),
        ("R01-32", "Les Practitioner respectent leur profil.", "Practitioners meet their profile."),
        (
            "R01-33",
            "Le nom et le prénom sont rendus quand ils sont connus.",
            "Family and given name are sent when known.",
        ),
        ("R01-34", "Le téléphone est rendu quand il est connu.", "The phone is sent when it is known."),
        (
            "R01-35",
            "Le téléphone a la forme +33… et le system phone.",
            "The phone has the form +33… and the system phone.",
        ),
        ("R01-36", "Sans téléphone connu, telecom est absent.", "When no phone is known, telecom is absent."),
        ("R01-37", "La Location respecte son profil.", "The Location meets its profile."),
        ("R01-38", "L'adresse a une ligne.", "The address has a line."),
        ("R01-39", "L'adresse a une ville.", "The address has a city."),
        ("R01-40", "L'adresse a un code postal de cinq chiffres.", "The address has a postal code of five digits."),
        (
            "R01-41",
            "Motifs en texte dans serviceType ; spécialité par son code ou son libellé.",
            "Reasons as text in serviceType; the specialty by its code or its name.",
        ),
        (
            "R01-42",
            "Un Schedule et un PractitionerRole par lieu de consultation.",
            "One Schedule and one PractitionerRole for each place.",
        ),
        (
            "R01-43",
            "Chaque référence mène à une ressource de la réponse, celle du bon lieu.",
            "Each reference leads to a resource of the answer, that of the right place.",
        ),
        (
            "R01-44",
            "Plusieurs professionnels : à chacun ses créneaux.",
            "Several practitioners: each has his own slots.",
        ),
        (
            "R01-45",
            "Dates au format YYYY-MM-DDThh:mm:ss.sss+hh:mm, décalage local.",
            "Dates as YYYY-MM-DDThh:mm:ss.sss+hh:mm, with the local offset.",
        ),
        ("R01-46", "Visibilités : PUBLIC, PRO, SNP, CPTS.", "Visibilities: PUBLIC, PRO, SNP, CPTS."),
        (
            "R01-47",
            "Aucune indisponibilité, aucun créneau qui en recouvre un autre.",
            "No unavailability, no slot that overlaps another.",
        ),
        ("R01-48", "Types de consultation : AMB, HH, VR.", "Consultation types: AMB, HH, VR."),
        ("R01-49", "appointmentType : ROUTINE ou WALKIN.", "appointmentType: ROUTINE or WALKIN."),
        (
            "R01-P",
            "La réponse vient en moins d'une seconde (7 s au plus).",
            "The answer takes less than a second (7 s at most).",
        ),
        ("R01-L", "Le lien self répète la requête.", "The link self repeats the query."),
    ),
    *_rows(
        "INT_R04",
        _CPTS,
        (
            "R04-1",
            "Le Bundle d'une recherche CPTS respecte son profil.",
            "The Bundle of a CPTS search meets its profile.",
        ),
        (
            "R04-2",
            "Un créneau visible par des CPTS porte le code CPTS et nomme le HealthcareService de chacune.",
            "A slot for CPTS has the code CPTS and names the HealthcareService of each.",
        ),
        (
            "R04-3",
            "Créneau, HealthcareService, Organization : les références se suivent, un service par Organization.",
            "Slot, HealthcareService, Organization: references follow, one service for each Organization.",
        ),
        ("R04-4", "L'Organization d'une CPTS a son FINESS préfixé.", "The Organization of a CPTS has its FINESS."),
        ("R04-5", "Un créneau dans deux CPTS nomme les deux.", "A slot in two CPTS names both."),
        ("R04-6", "Deux créneaux dans deux CPTS : à chacun la sienne.", "Two slots in two CPTS: each has its own."),
    ),
    *_rows(
        "SOS",
        _SOS,
        (
            "SOS-1",
            "La recherche par GET Schedule et ses paramètres sont servis.",
            "The search by GET Schedule is served with its parameters.",
        ),
        ("SOS-2", "Les créneaux sont dans la période demandée.", "Slots are in the window."),
        (
            "SOS-3",
            "Le Bundle et ses ressources respectent leurs profils.",
            "The Bundle and its resources meet their profiles.",
        ),
        ("SOS-4", "Un Schedule par lieu de consultation.", "One Schedule for each consultation site."),
        (
            "SOS-5",
            "Chaque Location a un nom, un téléphone, une adresse et des horaires valides.",
            "Each Location has a name, a phone, an address and valid opening hours.",
        ),
        ("SOS-6", "L'Organization a son SIRET préfixé et son nom.", "The Organization has its prefixed SIRET."),
        ("SOS-7", "Visibilités : PUBLIC et SNP seulement.", "Visibilities: PUBLIC and SNP only."),
        ("SOS-8", "Une association à plusieurs lieux : un Schedule chacun.", "An association with several sites."),
        ("SOS-9", "Plusieurs associations dans une recherche.", "Several associations in one search."),
        (
            "SOS-10",
            "Sans créneau, ou pour une association inconnue : 200 et un Bundle vide.",
            "Nothing free, or an unknown association: 200 and an empty Bundle.",
        ),
        (
            "SOS-11",
            "Suite SOS du kit : types AMB et VR, identifiant de site 1…, 3… ou 4… sauf INTRN.",
            "The kit's SOS suite: types AMB and VR, site identifiers 1…, 3… or 4… unless INTRN.",
        ),
    ),
    *_rows(
        "INT_R02",
        _ACCOUNTS,
        (
            "R02-1",
            "Un POST conforme au profil crée le compte, durablement : 201 et Location.",
            "A POST that meets the profile creates the account, durably: 201 and Location.",
        ),
        (
            "R02-2",
            "Un second POST de la même personne (identifiant ou e-mail) est refusé et ne change rien.",
            "A second POST of the same person (identifier or e-mail) is refused and changes nothing.",
        ),
        (
            "R02-3",
            "Un élément absent, vide ou inadapté est refusé, au POST comme au PUT, en création comme en mise à jour.",
            "What is missing, empty or does not fit is refused, by POST and by PUT, creation and update alike.",
        ),
        (
            "R02-4",
            "Un PUT met à jour n'importe quel élément et garde le compte : 200 et Location.",
            "A PUT updates any element and keeps the account: 200 and Location.",
        ),
        (
            "R02-5",
            "Un PUT change aussi l'identifiant : technique vers national, autre national, et retour.",
            "A PUT changes the identifier too: technical to national, another national one, and back.",
        ),
        (
            "R02-6",
            "La personne est trouvée par l'identifiant de la requête, puis du corps, puis par l'e-mail.",
            "The person is found by the identifier of the query, then of the body, then by the e-mail.",
        ),
        (
            "R02-7",
            "Un PUT d'une personne inconnue crée le compte, même inactif ; répété, il ne change rien.",
            "A PUT of an unknown person creates the account, even inactive; repeated, it changes nothing.",
        ),
        (
            "R02-8",
            "Un identifiant national libéré par un compte inactif peut être donné à un autre.",
            "A national id released by an inactive account may be given to another.",
        ),
        (
            "R02-9",
            "Un identifiant national tenu par un compte actif ne peut pas l'être (422).",
            "A national id held by an active account may not (422).",
        ),
        (
            "R02-10",
            "L'identité est le couple système et valeur.",
            "Identity is the pair of system and value.",
        ),
        (
            "R02-11",
            "Un identifiant technique est libre de forme, meta.source peut manquer, application/json convient.",
            "A technical id has any form, meta.source may be missing, application/json will do.",
        ),
        (
            "R02-12",
            "Le retrait est un PUT active=false : le compte n'entre plus, et peut revenir.",
            "The right is withdrawn by PUT active=false: the account no longer enters, and may come back.",
        ),
        (
            "R02-13",
            "L'id du corps n'est qu'un indice.",
            "The id inside a body is only a hint.",
        ),
        (
            "R02-14",
            "Aucun e-mail de confirmation ; mot de passe généré, et « mot de passe oublié ».",
            "No e-mail of confirmation; the password is generated, and « mot de passe oublié » resets it.",
        ),
        (
            "R02-15",
            "Les droits de régulateur n'existent que dans une session venue du SAS.",
            "The rights of a regulator exist only in a session that came through the SAS.",
        ),
        (
            "R02-16",
            "Les CGU sont acceptées une fois.",
            "The terms of use are accepted once.",
        ),
    ),
    *_rows(
        "SSO",
        _SSO,
        (
            "SSO-1",
            "Sans origin : la page de connexion ordinaire, sans droit de régulateur.",
            "Without origin: the ordinary login page, no regulator's right.",
        ),
        (
            "SSO-2",
            "Avec origin, sans session : le navigateur est envoyé au fournisseur d'identité.",
            "With origin, without session: the browser is sent to the identity provider.",
        ),
        (
            "SSO-3",
            "Avec origin et une session : l'agenda s'ouvre sans nouvelle connexion.",
            "With origin and a session: the agenda opens without another login.",
        ),
        (
            "SSO-4",
            "Avec origin, compte inconnu ou inactif : une page d'erreur, 403.",
            "With origin, unknown or inactive account: an error page, 403.",
        ),
    ),
    *_rows(
        "ROB",
        _ERRORS,
        (
            "ROB-1",
            "Une date illisible, ou un paramètre obligatoire absent, est refusé par 4xx et un OperationOutcome.",
            "An unreadable date, or a missing mandatory parameter, is refused with 4xx and an OperationOutcome.",
        ),
        (
            "ROB-2",
            "Un paramètre ou une valeur non pris en charge est refusé, ou ignoré et absent du lien self.",
            "An unsupported parameter or value is refused, or ignored and absent from the link self.",
        ),
        (
            "ROB-3",
            "Une requête démesurée est refusée par 4xx, sans erreur interne.",
            "An oversized request is refused with 4xx, without an internal error.",
        ),
        (
            "ROB-4",
            "Un corps d'un autre type, ou illisible, est refusé par 4xx et un OperationOutcome.",
            "A body of another type, or unreadable, is refused with 4xx and an OperationOutcome.",
        ),
        (
            "ROB-5",
            "Une ressource ou un chemin inconnus donnent 404 et un OperationOutcome.",
            "An unknown resource or path gives 404 and an OperationOutcome.",
        ),
        (
            "ROB-6",
            "Les réponses sont en application/fhir+json (UTF-8).",
            "Answers are application/fhir+json (UTF-8).",
        ),
        ("ROB-7", "Chaque fullUrl se résout.", "Each fullUrl resolves."),
        (
            "ROB-8",
            "Les écritures admises d'une requête donnent la même réponse (ordre, encodage, POST _search).",
            "The admitted spellings of a request give the same answer (order, encoding, POST _search).",
        ),
    ),
]

EDITOR: Mapping[str, Requirement] = MappingProxyType({each.id: each for each in _ALL})

LRM: Mapping[str, Requirement] = MappingProxyType(
    {
        each.id: each
        for each in _rows(
            "INT_L02",
            _MESSAGES,
            (
                "L02-1",
                "Le LRM ne déclare ni file ni échange (déclaration passive seulement).",
                "The LRM declares no queue and no exchange (passive declare only).",
            ),
            (
                "L02-2",
                "Le LRM lit sa file `.message` et prend chaque sorte de message du modèle.",
                "The LRM reads its queue `.message` and takes each kind of message of the model.",
            ),
            (
                "L02-3",
                "Le LRM enregistre le message, puis acquitte la livraison AMQP.",
                "The LRM stores the message, then acks the AMQP delivery.",
            ),
            (
                "L02-4",
                "L'acquittement final est une enveloppe Ack (EDXL-DE, RC-DE), à son identifiant, pour l'émetteur.",
                "The final acknowledgement is an envelope Ack (EDXL-DE, RC-DE) with its own id, for the sender.",
            ),
            (
                "L02-5",
                "L'acquittement nomme le message acquitté (reference.distributionID).",
                "The acknowledgement names the message that it acknowledges (reference.distributionID).",
            ),
            (
                "L02-6",
                "Le même distributionID reçu de nouveau est acquitté de nouveau.",
                "The same distributionID received again is acknowledged again.",
            ),
            (
                "L02-7",
                "La création d'un rendez-vous déjà connu donne l'erreur 409 CONFLICT.",
                "The creation of an appointment that is known already gives the error 409 CONFLICT.",
            ),
            (
                "L02-8",
                "La mise à jour d'un rendez-vous inconnu vaut création.",
                "The update of an unknown appointment is taken as its creation.",
            ),
            (
                "L02-9",
                "L'annulation (mise à jour, statut cancelled) est prise.",
                "The cancellation (an update with status cancelled) is taken.",
            ),
            (
                "L02-10",
                "Un contenu invalide donne une erreur à l'émetteur, et la suite est traitée.",
                "Invalid content gives an error to the sender, and what follows is handled.",
            ),
            (
                "L02-11",
                "Les messages d'un rendez-vous sont traités dans leur ordre.",
                "The messages of an appointment are handled in their order.",
            ),
            (
                "L02-12",
                "Après une coupure, le LRM se reconnecte et reprend sa file.",
                "After a broken connection the LRM connects again and goes on with its queue.",
            ),
            (
                "L02-13",
                "Le LRM garde l'historique des messages reçus et de leur traitement.",
                "The LRM keeps a history of the messages received and of what became of each.",
            ),
            (
                "L02-14",
                "Le LRM inscrit pour XML prend les messages en XML.",
                "An LRM that is registered for XML takes messages in XML.",
            ),
        )
    }
)
