"""An agenda as a vendor writes it: FHIR behind mutual TLS, pages behind Pro Santé Connect, appointments by INT_R03.

Standard library alone, nothing of the sandbox. `python agenda.py SETTINGS.json` serves until it is ended and prints
`ready`, then a line per request: method, path, CN of the caller (`-` for a browser). `Settings` says what it is told.
"""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import json
import secrets
import ssl
import sys
import threading
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

SAS = "http://sas.fr/fhir/StructureDefinition/"
NOS = "https://mos.esante.gouv.fr/NOS/"
TYPES = "http://interopsante.org/fhir/CodeSystem/"
PERSON, STRUCTURE = "urn:oid:1.2.250.1.71.4.2.1", "urn:oid:1.2.250.1.71.4.2.2"
FROM_SAS = "urn:oid:1.2.250.1.213.3.6"
SECURITY = f"{NOS}TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
SPECIALTY = f"{NOS}TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
IDENTIFIERS = "schedule.actor:Practitioner.identifier"
PARAMETERS = {"start", "status", "_include", "_include:iterate", IDENTIFIERS, "_count", "_format"}
FHIR = "application/fhir+json"
PARIS = ZoneInfo("Europe/Paris")
TIMEOUT_S = 10.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """`port` of everything; `server`, `client`: {"cert", "key"}; `ca`, `crl`: files; `platform`: {"cn", "ou"} of the
    caller; `sas_fhir`: where appointments go; `system`: of their identifiers; `doctor`: {"id", "family", "given",
    "structure", "line", "postal_code", "city"}; `psc`: {"issuer", "client_id", "secret"}.
    """

    port: int
    server: Mapping[str, str]
    client: Mapping[str, str]
    ca: str
    crl: str
    platform: Mapping[str, str]
    sas_fhir: str
    system: str
    doctor: Mapping[str, str]
    psc: Mapping[str, str]

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.port}"


class Refused(Exception):
    """The caller is at fault: `status`, and what to say."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


# FHIR


def identifier(system: str, value: str, code: str, types: str = "fr-v2-0203") -> Json:
    return {"type": {"coding": [{"system": TYPES + types, "code": code}]}, "system": system, "value": value}


def resource(kind: str, id: str, profile: str, **rest: Any) -> Json:
    return {"resourceType": kind, "id": id, "meta": {"profile": [SAS + profile]}, **rest}


def outcome(text: str, code: str = "invalid") -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": text}]}


def instant(text: str) -> datetime:
    """A dateTime of a query; without offset it is Paris, and a `+` may have come as a space."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Refused(400, f"'{text}' is no dateTime") from None
    return found if found.tzinfo else found.replace(tzinfo=PARIS)


def who_holds(doctor: Mapping[str, str], system: str) -> list[Json]:
    """Schedule, Practitioner and PractitionerRole of the one doctor at his one place."""
    place = resource(
        "Location",
        "lieu",
        "FrLocationAgregateur",
        identifier=[identifier(system, "lieu", "INTRN", "fr-location-identifier-type")],
        address={"line": [doctor["line"]], "city": doctor["city"], "postalCode": doctor["postal_code"]},
    )
    person = resource(
        "Practitioner",
        "medecin",
        "FrPractitionerAgregateur",
        identifier=[identifier(PERSON, doctor["id"], "IDNPS")],
        name=[{"family": doctor["family"], "given": [doctor["given"]]}],
    )
    role = resource(
        "PractitionerRole",
        "exercice",
        "FrPractitionerRoleExerciceAgregateur",
        contained=[place],
        practitioner={"reference": "Practitioner/medecin"},
        organization={"identifier": identifier(STRUCTURE, doctor["structure"], "IDNST")},
        location=[{"reference": "#lieu"}],
    )
    actors = [{"reference": "Practitioner/medecin"}, {"reference": "PractitionerRole/exercice"}]
    return [resource("Schedule", "agenda", "FrScheduleAgregateur", actor=actors), person, role]


def slot(id: str, start: datetime, comment: str) -> Json:
    act, booking = "http://terminology.hl7.org/CodeSystem/v3-ActCode", "http://terminology.hl7.org/CodeSystem/v2-0276"
    found = resource(
        "Slot",
        id,
        "FrSlotAgregateur",
        serviceType=[{"coding": [{"system": act, "code": "AMB"}]}],
        specialty=[{"coding": [{"system": SPECIALTY, "code": "SM54"}]}],
        appointmentType={"coding": [{"system": booking, "code": "ROUTINE"}]},
        schedule={"reference": "Schedule/agenda"},
        status="free",
        start=start.isoformat(timespec="milliseconds"),
        end=(start + timedelta(minutes=15)).isoformat(timespec="milliseconds"),
        comment=comment,
    )
    found["meta"]["security"] = [{"system": SECURITY, "code": "PUBLIC"}]
    return found


def bundle(base: str, query: str, slots: list[Json], included: list[Json]) -> Json:
    found = [(one, "match") for one in slots] + [(one, "include") for one in included]
    content: Json = {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{SAS}BundleAgregateur"]},
        "type": "searchset",
        "total": len(slots),
        "link": [{"relation": "self", "url": f"{base}/Slot?{query.replace('+', '%2B')}"}],
    }
    if found:
        content["entry"] = [
            {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": mode}}
            for one, mode in found
        ]
    return content


def capabilities(base: str) -> Json:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "implementation": {"description": "Agenda", "url": base},
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {"type": "Slot", "interaction": [{"code": "search-type"}, {"code": "read"}]},
                    {"type": "Practitioner", "interaction": [{"code": "create"}, {"code": "update"}, {"code": "read"}]},
                ],
            }
        ],
    }


# What the agenda knows


@dataclass
class Account:
    """A regulator's account (INT_R02). `terms`: whether the terms of use were accepted."""

    id: str
    person: Json
    terms: bool = False

    @property
    def keys(self) -> set[str]:
        """Its identifiers, `system|value`."""
        return {f"{each['system']}|{each['value']}" for each in self.person["identifier"]}

    @property
    def active(self) -> bool:
        return bool(self.person["active"])

    @property
    def email(self) -> str:
        return str(self.person["telecom"][0]["value"]).lower()

    def holds(self, keys: set[str]) -> bool:
        """Does it keep one of these from others: an inactive account gives its national identifiers away."""
        return any(self.active or not key.startswith(f"{PERSON}|") for key in self.keys & keys)


def check_person(person: Json) -> None:
    """What INT_R02 asks of every body. Raises Refused."""
    codes = {PERSON: "IDNPS", FROM_SAS: "INTRN"}
    rows = [(each["system"], each["type"]["coding"][0]["code"]) for each in person.get("identifier", [])]
    name, telecom = (person.get(each, [{}])[0] for each in ("name", "telecom"))
    if not rows or any(codes.get(system) != code for system, code in rows):
        raise Refused(400, "an identifier of a system and of its type is expected")
    if not name.get("family") or not name.get("given") or not isinstance(person.get("active"), bool):
        raise Refused(400, "active and a name with family and given are expected")
    if telecom.get("system") != "email" or "@" not in telecom.get("value", ""):
        raise Refused(400, "an e-mail is expected")


@dataclass
class Booking:
    """An appointment of the agenda; `regulator`: the identifier that INT_R02 gave."""

    id: str
    start: datetime
    regulator: Json
    status: str = "booked"


@dataclass
class Agenda:
    """One doctor's slots, the regulators' accounts, the appointments. Methods may be called by several threads."""

    settings: Settings
    accounts: dict[str, Account] = field(default_factory=dict)  # by id
    bookings: dict[str, Booking] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        first = datetime.now(PARIS).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        self.starts = {f"creneau-{hour}": first + timedelta(hours=hour) for hour in range(0, 48, 3)}
        self.base = f"{self.settings.origin}/fhir"

    def search(self, query: str) -> Json:
        """The answer to INT_R01."""
        values = parse_qs(query, keep_blank_values=True)
        if unknown := values.keys() - PARAMETERS:
            raise Refused(400, f"unknown: {', '.join(sorted(unknown))}")
        asked = ",".join(values.get(IDENTIFIERS, []))
        wanted = {each.strip().rpartition("|")[2][-11:] for each in asked.split(",") if each.strip()}
        after = [instant(each[2:]) for each in values.get("start", []) if each.startswith("ge")]
        before = [instant(each[2:]) for each in values.get("start", []) if each.startswith("le")]
        if not wanted or len(wanted) > 25 or len(after) != 1 or len(before) != 1 or values.get("status") != ["free"]:
            raise Refused(400, "1 to 25 practitioners, start=ge…, start=le… and status=free are expected")
        if self.settings.doctor["id"][-11:] not in wanted:
            return bundle(self.base, query, [], [])
        slots = [
            self.slot(id) for id, start in self.free().items() if max(after[0], datetime.now(UTC)) <= start <= before[0]
        ]
        schedule, *people = who_holds(self.settings.doctor, self.settings.system)
        included = [schedule] if slots and "Slot:schedule" in values.get("_include", []) else []
        if included and "Schedule:actor" in values.get("_include:iterate", []):
            included += people
        return bundle(self.base, query, slots, included)

    def slot(self, id: str) -> Json:
        return slot(id, self.starts[id], f"{self.settings.origin}/rdv?slot={id}")

    def read(self, kind: str, id: str) -> Json:
        """One resource. Raises Refused."""
        held = {
            (each["resourceType"], each["id"]): each for each in who_holds(self.settings.doctor, self.settings.system)
        }
        if kind == "Slot" and id in self.free():
            return self.slot(id)
        if kind == "Practitioner" and id in self.accounts:
            return {**self.accounts[id].person, "id": id}
        if (kind, id) not in held:
            raise Refused(404, f"no {kind} {id}")
        return held[kind, id]

    def free(self) -> dict[str, datetime]:
        with self.lock:
            taken = {each.start for each in self.bookings.values() if each.status == "booked"}
        return {id: start for id, start in self.starts.items() if start not in taken}

    def account(self, method: str, query: str, person: Json) -> tuple[int, Account]:
        """INT_R02: the status of the answer, and the account. Raises Refused."""
        check_person(person)
        meant = Account(str(uuid.uuid4()), {name: value for name, value in person.items() if name != "id"})
        with self.lock:
            known = None if method == "POST" else self._meant(query, meant)
            others = [each for each in self.accounts.values() if each is not known]
            if any(each.holds(meant.keys) for each in others):
                raise Refused(409 if method == "POST" else 422, "somebody else has this identifier")
            if any(each.email == meant.email and (each.active or method == "POST") for each in others):
                raise Refused(409 if method == "POST" else 422, "somebody else has this e-mail")
            if known is None:
                self.accounts[meant.id] = meant
                return 201, meant
            known.person = meant.person
            return 200, known

    def _meant(self, query: str, meant: Account) -> Account | None:
        """Whom a PUT is for: by the identifier of the query, then of the body, then by the e-mail."""
        named = set(parse_qs(query).get("identifier", []))
        for keys in (named, meant.keys):
            for each in self.accounts.values():
                if each.keys & keys and (each.active or each.email == meant.email):
                    return each
        return next((each for each in self.accounts.values() if each.email == meant.email), None)

    def regulator(self, claims: Mapping[str, str]) -> Account:
        """The active account that somebody logged in for, by national id, else by e-mail."""
        with self.lock:
            active = [each for each in self.accounts.values() if each.active]
        for each in active:
            if any(one["value"] == claims.get("SubjectNameID") for one in each.person["identifier"]):
                return each
        for each in active:
            if each.email == claims.get("email", "").lower():
                return each
        raise Refused(403, "Vous n'avez pas de compte actif ici.")

    def book(self, slot_id: str, regulator: Json) -> Booking:
        start = self.free().get(slot_id)
        if start is None:
            raise Refused(409, "Ce créneau n'est plus libre.")
        made = Booking(str(uuid.uuid4()), start, regulator)
        with self.lock:
            self.bookings[made.id] = made
        return made

    def appointment(self, made: Booking) -> Json:
        """INT_R03 of a booking as it is now."""
        operator = {
            "url": "http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator",
            "valueReference": {"identifier": made.regulator},
        }
        doctor = {"identifier": identifier(PERSON, self.settings.doctor["id"], "IDNPS")}
        return {
            "resourceType": "Appointment",
            "meta": {"profile": [f"{SAS}FrAppointmentSAS"]},
            "extension": [operator],
            "identifier": [{"system": self.settings.system, "value": made.id}],
            "status": made.status,
            "start": made.start.isoformat(),
            "end": (made.start + timedelta(minutes=15)).isoformat(),
            "created": datetime.now(PARIS).isoformat(timespec="seconds"),
            "participant": [{"actor": doctor, "status": "accepted"}],
        }


# What the agenda asks of others


class Platform:
    """The SAS platform as a server: INT_R03."""

    def __init__(self, settings: Settings) -> None:
        self._tls = ssl.create_default_context(cafile=settings.ca)
        self._tls.load_cert_chain(settings.client["cert"], settings.client["key"])
        self._base = urlsplit(settings.sas_fhir)

    def send(self, method: str, appointment: Json) -> int:
        """Status of the answer."""
        key = appointment["identifier"][0]
        query = "?" + urlencode({"identifier": f"{key['system']}|{key['value']}"}) if method == "PUT" else ""
        line = http.client.HTTPSConnection(self._base.netloc, context=self._tls, timeout=TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/fhir+json"}
            line.request(method, f"{self._base.path}/Appointment{query}", json.dumps(appointment), headers)
            return line.getresponse().status
        finally:
            line.close()


class Login:
    """Pro Santé Connect: authorization code with PKCE. `waiting`: by state, the verifier and where the person goes."""

    def __init__(self, settings: Settings) -> None:
        self._psc, self._back = settings.psc, f"{settings.origin}/psc/retour"
        self.waiting: dict[str, tuple[str, str]] = {}

    def begin(self, target: str) -> str:
        """Where the browser is sent, to come back and end at `target`."""
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        self.waiting[state] = verifier, target
        asked = {
            "response_type": "code",
            "client_id": self._psc["client_id"],
            "redirect_uri": self._back,
            "scope": "openid scope_all",
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self._endpoints()['authorization_endpoint']}?{urlencode(asked)}"

    def end(self, values: Mapping[str, str]) -> tuple[Json, str]:
        """Who it is (userinfo), and where they were going."""
        if values.get("state") not in self.waiting or "code" not in values:
            raise Refused(400, "La connexion a échoué.")
        verifier, target = self.waiting.pop(values["state"])
        form = {
            "grant_type": "authorization_code",
            "code": values["code"],
            "redirect_uri": self._back,
            "code_verifier": verifier,
            "client_id": self._psc["client_id"],
            "client_secret": self._psc["secret"],
        }
        endpoints = self._endpoints()
        token = _json_of(urllib.request.Request(endpoints["token_endpoint"], urlencode(form).encode()))
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        return _json_of(urllib.request.Request(endpoints["userinfo_endpoint"], headers=bearer)), target

    def _endpoints(self) -> Json:
        return _json_of(urllib.request.Request(f"{self._psc['issuer']}/.well-known/openid-configuration"))


def _json_of(request: urllib.request.Request) -> Json:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        found: Json = json.loads(answer.read())
    return found


# HTTP

LOGIN = (
    '<h1>Connexion</h1><form method="post" action="/connexion"><label>E-mail <input name="email" type="email"></label>'
    '<label>Mot de passe <input name="password" type="password"></label><button>Se connecter</button></form>'
    "<p>Mot de passe oublié ? Demandez-en un autre.</p>"
)


@dataclass
class Session:
    """A logged in browser; `token` stands in its forms."""

    account: Account
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))


class Server(ThreadingHTTPServer):
    """Everything on one port: FHIR asks for the platform's certificate, pages need none."""

    daemon_threads = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(("127.0.0.1", settings.port), Handler)
        self.settings, self.agenda = settings, Agenda(settings)
        self.platform, self.login = Platform(settings), Login(settings)
        self.sessions: dict[str, Session] = {}
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.ca)
        self._tls.load_cert_chain(settings.server["cert"], settings.server["key"])
        self._tls.load_verify_locations(settings.crl)
        self._tls.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        self._tls.verify_mode = ssl.CERT_OPTIONAL

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        sock, address = super().get_request()
        sock.settimeout(TIMEOUT_S)  # the handshake is made by the thread of the connection
        return self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a handshake that failed, a caller who left
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    connection: ssl.SSLSocket
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        say(f"{self.command} {url.path} {self._caller().get('commonName', '-')}")
        try:
            if url.path.startswith("/fhir"):
                self._fhir(url.path.removeprefix("/fhir"), url.query, body)
            else:
                self._page(url.path, url.query, body)
        except Refused as refused:
            if url.path.startswith("/fhir"):
                self._answer(refused.status, json.dumps(outcome(str(refused))), FHIR)
            else:
                self._html(f"<p>{html.escape(str(refused))}</p>", refused.status)

    def _caller(self) -> dict[str, str]:
        """The names of the client certificate; none for a browser."""
        names = (self.connection.getpeercert() or {}).get("subject", ())
        return dict(pair for group in names for pair in group)

    def _fhir(self, path: str, query: str, body: bytes) -> None:
        caller, platform = self._caller(), self.server.settings.platform
        if (caller.get("commonName"), caller.get("organizationalUnitName")) != (platform["cn"], platform["ou"]):
            raise Refused(403, "only the SAS platform may ask")
        agenda = self.server.agenda
        if self.command == "GET" and path == "/metadata":
            self._answer(200, json.dumps(capabilities(agenda.base)), FHIR)
        elif self.command == "GET" and path == "/Slot":
            self._answer(200, json.dumps(agenda.search(query)), FHIR)
        elif self.command == "POST" and path == "/Slot/_search":
            self._answer(200, json.dumps(agenda.search(self._form(query, body))), FHIR)
        elif self.command in ("POST", "PUT") and path == "/Practitioner":
            status, account = agenda.account(self.command, query, self._json(body))
            self._answer(status, "", FHIR, {"Location": f"{agenda.base}/Practitioner/{account.id}"})
        elif self.command == "GET" and path.count("/") == 2:
            self._answer(200, json.dumps(agenda.read(*path.split("/")[1:])), FHIR)
        else:
            raise Refused(404, f"{self.command} {path} is not served here")

    def _form(self, query: str, body: bytes) -> str:
        """The parameters of a posted search."""
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            raise Refused(415, "a form is expected")
        return "&".join(each for each in (query, body.decode()) if each)

    def _json(self, body: bytes) -> Json:
        if self.headers.get_content_type() not in (FHIR, "application/json", "application/json+fhir"):
            raise Refused(415, "JSON is expected")
        try:
            person = json.loads(body)
        except ValueError:
            raise Refused(400, "the body is no JSON") from None
        if not isinstance(person, dict) or person.get("resourceType") != "Practitioner":
            raise Refused(400, "a Practitioner is expected")
        return person

    def _page(self, path: str, query: str, body: bytes) -> None:
        values = {name: texts[-1] for name, texts in parse_qs(query or body.decode()).items()}
        kind, _, key = path.strip("/").partition("/")
        if (kind, key) == ("psc", "retour"):
            self._logged_in(values)
        elif kind == "cgu" and self.command == "POST":
            self._accepted(values)
        elif kind == "rdv":
            self._booking(values)
        elif kind == "rendez-vous" and key.partition("/")[0] in self.server.agenda.bookings:
            self._follow_up(key, values)
        else:
            raise Refused(404, "Cette page n'existe pas.")

    def _logged_in(self, values: Mapping[str, str]) -> None:
        claims, target = self.server.login.end(values)
        session = Session(self.server.agenda.regulator(claims))
        key = secrets.token_urlsafe(16)
        self.server.sessions[key] = session
        cookie = f"agenda_{self.server.settings.port}={key}; Path=/; Secure; HttpOnly; SameSite=Lax"
        self._answer(303, "", "text/html", {"Location": target, "Set-Cookie": cookie})

    def _booking(self, values: Mapping[str, str]) -> None:
        session = self._session()
        if session is None:
            if values.get("origin", "").startswith("sas"):
                location = self.server.login.begin(f"/rdv?{urlencode(values)}")
                return self._answer(303, "", "text/html", {"Location": location})
            return self._html(LOGIN)
        if not session.account.terms:
            return self._html(
                '<h1>Conditions générales d\'utilisation</h1><form method="post" action="/cgu">'
                '<label><input type="checkbox" name="lu" value="oui" required> Je les accepte.</label>'
                f'<input type="hidden" name="slot" value="{html.escape(values.get("slot", ""))}">'
                f'<input type="hidden" name="csrf" value="{session.token}"><button>Continuer</button></form>'
            )
        if self.command == "GET":
            return self._html(
                f'<h1>Rendez-vous</h1><form method="post" action="/rdv" id="reserver">'
                f'<input type="hidden" name="slot" value="{html.escape(values.get("slot", ""))}">'
                f'<input type="hidden" name="csrf" value="{session.token}"><button>Réserver</button></form>'
            )
        self._check(session, values)
        made = self.server.agenda.book(values.get("slot", ""), session.account.person["identifier"][0])
        self._sent("POST", made)

    def _accepted(self, values: Mapping[str, str]) -> None:
        session = self._session()
        if session is None:
            raise Refused(403, "Connectez-vous d'abord.")
        self._check(session, values)
        session.account.terms = values.get("lu") == "oui"
        self._answer(303, "", "text/html", {"Location": f"/rdv?{urlencode({'slot': values.get('slot', '')})}"})

    def _follow_up(self, key: str, values: Mapping[str, str]) -> None:
        id, _, verb = key.partition("/")
        session = self._session()
        if session is None:
            raise Refused(403, "Connectez-vous d'abord.")
        made = self.server.agenda.bookings[id]
        if self.command == "POST" and verb == "annuler":
            self._check(session, values)
            made.status = "cancelled"
            return self._sent("PUT", made)
        self._shown(made)

    def _sent(self, method: str, made: Booking) -> None:
        status = self.server.platform.send(method, self.server.agenda.appointment(made))
        if status >= 300:
            raise Refused(502, f"La plateforme SAS a répondu {status}.")
        self._shown(made)

    def _shown(self, made: Booking) -> None:
        session = self._session()
        assert session is not None
        self._html(
            f'<p data-appointment="{made.id}" data-status="{made.status}">Rendez-vous {made.start:%d/%m à %H:%M}</p>'
            f'<form method="post" action="/rendez-vous/{made.id}/annuler">'
            f'<input type="hidden" name="csrf" value="{session.token}"><button>Annuler</button></form>'
        )

    def _check(self, session: Session, values: Mapping[str, str]) -> None:
        if not secrets.compare_digest(values.get("csrf", ""), session.token):
            raise Refused(403, "Ce formulaire n'est plus bon.")

    def _session(self) -> Session | None:
        pairs = (each.strip().partition("=") for each in self.headers.get("Cookie", "").split(";"))
        cookies = {name: value for name, _, value in pairs}
        found = self.server.sessions.get(cookies.get(f"agenda_{self.server.settings.port}", ""))
        if found is not None and not found.account.active:
            raise Refused(403, "Votre compte n'est plus actif ici.")
        return found

    def _html(self, content: str, status: int = 200) -> None:
        page = f'<!doctype html><html lang="fr"><title>Agenda</title><main>{content}</main></html>'
        self._answer(status, page, "text/html; charset=utf-8")

    def _answer(self, status: int, text: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with Server(Settings(**json.loads(Path(sys.argv[1]).read_bytes()))) as running:
        say("ready")
        running.serve_forever()
