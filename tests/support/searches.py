"""What the recorded searches ask for: per recording the settings of its sandbox and its requests, in their order.

A request is one line: a verb and the query as people read it, not percent-encoded.

    GET     `GET /api/search`
    STREAM  the same as `application/x-ndjson`
    PAGE    the results page, complete (`affichage=complet`)
    SHELL   the results page that waits for its script
    LIVE    the stream that fills that page
    LIST    `GET /api/appointments`
    ORIENTATIONS  the page that lists them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Call = tuple[str, str, Any]  # method, path below `/__admin`, JSON body

ALWAYS: Mapping[str, Any] = {
    "as_of": "2026-11-23T10:00:00+01:00",
    "freeze": True,
    "mtls": False,
    "seed": 20260101,
    "breaker_failures": 1000,  # an editor that failed before is asked all the same
    "editor_timeout_s": 60,  # the longest: no answer comes too late, however slow the machine
    "search_timeout_s": 300,
}


@dataclass(frozen=True)
class Part:
    """Requests under one condition. `calls` to the control plane make it and are undone after the last request;
    `books`: kinds of slots (PS, CPTS, SOS) that are booked around Bordeaux before the first one."""

    condition: str
    requests: Sequence[str]
    calls: Sequence[Call] = ()
    books: Sequence[str] = ()


@dataclass(frozen=True)
class Recording:
    """A sandbox and what it is asked. `flags` over ALWAYS."""

    flags: Mapping[str, Any]
    parts: Sequence[Part] = field(default_factory=tuple)


def _disabled(slug: str) -> Call:
    return "PUT", f"interfaces/{slug}", {"enabled": False}


def _quirk(slug: str, *names: str) -> Call:
    return "PUT", f"editors/{slug}", {"quirks": dict.fromkeys(names, True)}


def _status(slug: str, code: int, **more: Any) -> Call:
    return "POST", "faults", {"kind": "status", "target": f"editor:{slug}", "params": {"code": code}, **more}


def _latency(slug: str, ms: int, **more: Any) -> Call:
    return "POST", "faults", {"kind": "latency", "target": f"editor:{slug}", "params": {"ms": ms}, **more}


def _calls_off(client_id: str) -> Call:
    return "PUT", f"lrms/{client_id}", {"contextual_call": False}


WRONG = (
    "GET ",
    "GET place=Nulle-Part",
    "GET town=Nulle-Part",
    "GET insee=99999",
    "GET insee=33063&specialty=SM99",
    "GET insee=33063&specialty=urn:oid:1.2.250.1.213.2.28|NOPE",
    "GET insee=33063&preferred=819999999999",
    "GET insee=33063&page=0",
    "GET insee=33063&page=41",
    "GET insee=33063&page=deux",
    "GET insee=33063&from=hier",
    "GET insee=33063&to=2026-11-22",
    "GET insee=33063&from=2026-11-23&to=2026-12-31",
    "GET insee=33063&order=prix",
    "GET insee=33063&visibility=TOUS",
    "GET insee=33063&type=AMB,XX",
    "GET insee=33063&kind=ehpad",
    "GET insee=33063&booking=perhaps",
    "GET insee=33063&within=0",
    "GET insee=33063&radius=201",
    "GET insee=33063&lat=44.8",
    "GET insee=33063&lat=91&lon=0",
    "GET insee=33063&streetnumber=12",
    "GET place=33000 Lyon",
    "STREAM place=Nulle-Part",
    "PAGE place=Nulle-Part",
    "PAGE ",
    "PAGE inseecode=33063&streetnumber=12",
    "PAGE inseecode=33063&from=2026-11-23&to=2026-12-31",
    "PAGE origin=urn:oid:1.2.250.1.999.9.33&city=Nulle-Part",
)

EXAMPLES = (
    "GET insee=33063",
    "GET town=Bordeaux",
    "GET place=Bordeaux&page=2",
    "GET place=12 rue du Modèle, 33000 Bordeaux",
    "GET place=Gironde",
    "GET place=33",
    "GET place=33800",
    "GET insee=33281&kind=cds",
    "GET insee=33243",
    "GET insee=33318&kind=cpts",
    "GET insee=33063&kind=sos",
    "GET insee=33063&kind=cpts,sos",
    "GET insee=33063&visibility=SNP",
    "GET insee=33063&visibility=PUBLIC",
    "GET insee=33063&visibility=CPTS",
    "GET insee=33063&visibility=PRO&visibility=SNP",
    "GET insee=33063&type=VR",
    "GET insee=33063&type=HH",
    "GET insee=33063&booking=without",
    "GET insee=33063&booking=with&type=AMB",
    "GET insee=33063&reason=Visite de contrôle",
    "GET insee=33063&reason=médecine générale",
    "GET insee=33063&preferred=819800000051",
    "GET insee=33063&preferred=819800000028",
    "GET insee=33063&order=distance",
    "GET insee=33063&shuffle=1",
    "GET insee=33063&shuffle=2",
    "GET insee=33063&within=2",
    "GET insee=33063&radius=60",
    "GET insee=33063&lat=44.9&lon=-0.3",
    "GET insee=33063&from=2026-11-25",
    "GET insee=33063&from=2026-11-24T12:00:00+01:00&to=2026-11-24T14:00:00+01:00",
    "GET insee=33009",
    "GET insee=33227",
    "GET insee=35238",
    "GET insee=35238&to=2026-11-30",
    "GET insee=35238&kind=msp",
    "GET insee=35047&order=distance",
    "GET insee=35051",
    "GET insee=35288",
    "GET insee=35288&specialty=Médecine polyvalente d'urgence",
    "GET insee=35236",
    "GET insee=69123",
    "GET insee=69123&type=HH",
    "GET insee=69123&kind=sos&from=2026-11-28&to=2026-11-29",
    "GET insee=69266&specialty=SM53",
    "GET insee=69091",
    "GET insee=69091&within=5",
    "GET insee=69123&specialty=SM40",
    "GET insee=69243",
    "STREAM insee=33063",
    "STREAM insee=35238&order=distance",
    "STREAM insee=69123&kind=cpts",
    "STREAM insee=33009",
    "STREAM insee=69123&specialty=SM40",
)

PAGES = (
    "PAGE inseecode=33063",
    "PAGE inseecode=33063&specialty=SM54&page=2",
    "PAGE place=12 rue du Modèle, 33000 Bordeaux",
    "PAGE place=Gironde",
    "PAGE place=Rennes&specialty=Visite de contrôle",
    "PAGE place=Rennes&specialty=n'importe quoi",
    "PAGE place=Lyon&practitioner=819800000036",
    "PAGE place=Lyon&practitioner=Dr Montalban-Roux",
    "PAGE place=Lyon&practitioner=Personne",
    "PAGE place=Lyon&kind=sos&type=HH",
    "PAGE place=Bordeaux&visibility=SNP&visibility=PRO&booking=with&within=10&order=distance",
    "PAGE place=Arcachon",
    "PAGE place=Lyon&specialty=Pédiatrie",
    "SHELL place=Bordeaux",
    "SHELL place=Lyon&kind=msp",
    "LIVE inseecode=33063",
    "LIVE place=Rennes&order=distance",
    "LIVE place=Lyon&specialty=SM40",
)

CONTEXTUAL = (
    "PAGE origin=urn:oid:1.2.250.1.999.9.33&specialty=urn:oid:1.2.250.1.213.2.28|SM54"
    "&practitioner=urn:oid:1.2.250.1.71.4.2.1|819800000010&streetnumber=12&streetname=cours de l'Exemple"
    "&inseecode=33063&city=Bordeaux",
    "PAGE origin=urn:oid:1.2.250.1.999.9.35&specialty=urn:oid:1.2.250.1.213.2.28|SM54&inseecode=35238",
    "PAGE origin=1.2.250.1.999.9.69&city=Lyon&practitioner=Tessonier",
    "PAGE origin=fr.health.samu690&city=Lyon&practitioner=urn:oid:1.2.250.1.71.4.2.1|0339900015",
    "PAGE origin=SAS-33&inseecode=33063&specialty=urn:oid:1.2.250.1.213.2.28|INF",
    "PAGE origin=TEST-SAMU000&inseecode=33063",
    "PAGE origin=urn:oid:1.2.3&inseecode=33063",
    "SHELL origin=urn:oid:1.2.250.1.999.9.33&inseecode=33063&practitioner=819800000010",
)

AFTER_BOOKING = (
    "GET insee=33063",
    "GET insee=33063&order=distance",
    "STREAM insee=33063",
    "PAGE inseecode=33063",
    "LIST ",
    "ORIENTATIONS ",
)
BOOKED = Part("after bookings", AFTER_BOOKING, books=("PS", "CPTS", "SOS"))

ONE = ("GET insee=33063", "STREAM insee=33063")
SHORT = ("GET insee=33063&to=2026-11-23", "GET insee=35051&to=2026-11-23")

MINIMAL = Recording(
    {"preset": "minimal"},
    (
        Part("", EXAMPLES),
        Part("", WRONG),
        Part("", PAGES),
        Part("", CONTEXTUAL),
        Part("agenda-azur disabled", (*ONE, "PAGE inseecode=33063"), (_disabled("agenda-azur"),)),
        Part("only agenda-azur", ONE, (_disabled("rdv-commune"), _disabled("garde-plus"))),
        Part(
            "all disabled",
            ("GET insee=33063", "PAGE inseecode=33063"),
            (_disabled("agenda-azur"), _disabled("rdv-commune"), _disabled("garde-plus")),
        ),
        Part("calls of samu330 off", CONTEXTUAL[:1], (_calls_off("fr.health.samu330"),)),
        *(
            Part(f"{slug} has {name}", SHORT if slug == "rdv-commune" else SHORT[:1], (_quirk(slug, name),))
            for slug, names in {
                "agenda-azur": (
                    "unfound-by-prefix", "past-slots", "outside-window", "busy-slots", "unprefixed-ids", "bad-phone",
                    "no-visibility", "types-as-text", "reasons-as-codes", "no-specialty", "no-offset",
                    "empty-elements", "merged-places", "wrong-practitioner",
                ),
                "rdv-commune": ("cpts-without-service", "cpts-without-organization", "empty-elements"),
                "garde-plus": ("bad-phone", "unprefixed-ids", "outside-window"),
            }.items()
            for name in names
        ),
        Part(
            "agenda-azur has several quirks",
            ("PAGE inseecode=33063", *ONE),
            (_quirk("agenda-azur", "bad-phone", "no-offset", "past-slots", "types-as-text"),),
        ),
        Part(
            "agenda-azur answers in pages of 20 slots",
            ONE,
            (("PUT", "editors/agenda-azur", {"page_size": 20}),),
        ),
        BOOKED,
    ),
)  # fmt: skip

# An editor has five seconds here. Two failures in a row end the calls to it for the rest of the run: before the last
# but one part no editor fails twice without an answer between.
FAILING = Recording(
    {"preset": "minimal", "editor_timeout_s": 5, "breaker_failures": 2, "breaker_pause_s": 3600},
    (
        Part("agenda-azur answers 503", ("PAGE inseecode=33063",), (_status("agenda-azur", 503),)),
        Part("", ONE),
        Part("agenda-azur answers 404", (*ONE, "PAGE inseecode=33063"), (_status("agenda-azur", 404),)),
        Part("agenda-azur answers 500 once", ONE, (_status("agenda-azur", 500, count=1),)),
        Part("rdv-commune answers 400", ONE, (_status("rdv-commune", 400),)),
        Part("SOS answers 502", ("GET insee=33063", "GET insee=69243"), (_status("garde-plus", 502, flow="SOS"),)),
        Part("SOS answers again", ONE),
        Part("agenda-azur takes 200 ms", ONE, (_latency("agenda-azur", 200),)),
        Part(
            "agenda-azur finds nobody by prefix and says 404",
            ("GET insee=33063", "PAGE inseecode=33063", "GET insee=69091"),
            (_quirk("agenda-azur", "unfound-by-prefix", "not-found-if-empty"),),
        ),
        Part(
            "garde-plus fails where nothing is free",
            ("PAGE inseecode=35238",),
            (_quirk("garde-plus", "unfound-by-prefix", "error-if-empty"),),
        ),
        Part("agenda-azur hangs", ("GET insee=33063",), (_latency("agenda-azur", 60_000),)),
        Part("agenda-azur hangs no more", ("GET insee=33063",)),
        Part("agenda-azur answers 503 again", ("GET insee=33063", "GET insee=33281"), (_status("agenda-azur", 503),)),
        Part("agenda-azur is not called any more", (*ONE, "PAGE inseecode=33063", "LIVE inseecode=33063")),
    ),
)

DEMO = Recording(
    {"preset": "demo"},
    (
        Part(
            "",
            (
                *(f"GET insee=33063&page={page}" for page in range(1, 6)),
                *(f"GET insee=69123&order=distance&page={page}" for page in range(1, 4)),
                *(f"GET insee=35238&specialty={code}" for code in ("SM26", "SM40", "SM04", "SM15", "SM38", "SM42")),
                *(f"GET insee=69123&specialty={code}" for code in ("SM20", "SM24", "SM32", "SM48", "SM16", "SM59")),
                *(f"GET insee={insee}" for insee in ("33009", "33227", "33243", "35236", "35085", "69243", "69027")),
                "GET insee=33063&specialty=Pédiatrie",
                "GET insee=33063&specialty=urn:oid:1.2.250.1.213.2.28|SM41",
                "GET insee=33063&specialty=Allergologie",
                "GET insee=69123&specialty=Homéopathie",
                "GET insee=33063&specialty=médecine du sport&radius=100",
                "GET place=Saint-Malo",
                "GET place=ille et vilaine",
                "GET place=69",
                "GET place=35000",
                "GET place=5 quai du Simulacre, 69002 Lyon",
                "GET place=Lyon 3e",
                "GET city=Villeurbanne&streetname=allée du Prototype&streetnumber=5",
                "GET inseecode=35288&streetname=chaussée du Trompe-l'œil&streetnumber=15",
                "GET insee=33063&visibility=SNP&order=distance",
                "GET insee=33063&visibility=PRO,CPTS",
                "GET insee=33063&type=VR&reason=Consultation non programmée",
                "GET insee=33063&type=HH&to=2026-11-27",
                "GET insee=35238&reason=Fièvre de l'enfant",
                "GET insee=35238&reason=avis",
                "GET insee=35238&booking=without",
                "GET insee=35238&kind=msp",
                "GET insee=33063&kind=cds",
                "GET insee=69123&kind=cpts",
                "GET insee=69123&kind=cpts&page=2",
                "GET insee=69123&kind=msp,cds&order=distance&within=5",
                "GET insee=69123&kind=sos",
                "GET insee=33063&preferred=819900006032",
                "GET insee=33063&preferred=819800000036&page=2",
                "GET insee=33063&preferred=0339900015",
                "GET insee=33063&shuffle=demo",
                "GET insee=33063&shuffle=",
                "GET insee=33529&radius=5",
                "GET insee=33529&within=50&order=distance",
                "GET insee=33063&lat=44.80&lon=-0.60",
                "GET insee=33063&from=2026-11-28&to=2026-11-29",
                "GET insee=33063&from=2026-12-24&to=2026-12-26",
                "GET insee=35238&to=2026-12-23",
                "GET insee=69123&from=2027-03-27&to=2027-03-29",
                "GET insee=69123&to=2026-11-23T12:00:00+01:00",
                "GET insee=69123&page=40",
                "STREAM insee=33063",
                "STREAM insee=33063&page=3",
                "STREAM insee=35238&specialty=SM40",
                "STREAM place=ille et vilaine",
                "STREAM insee=69123&kind=cpts",
                "STREAM insee=35085&specialty=SM48",
                "PAGE inseecode=33063&specialty=SM54",
                "PAGE inseecode=33063&specialty=SM54&page=2",
                "PAGE inseecode=33063&specialty=SM54&page=3&shuffle=demo",
                "PAGE place=Rennes&specialty=Cardiologie et Maladies vasculaires",
                "PAGE place=Rennes&specialty=Avis spécialisé",
                "PAGE place=ille et vilaine",
                "PAGE place=5 quai du Simulacre, 69002 Lyon&kind=msp",
                "PAGE place=Lyon&practitioner=Duvallon&from=2026-11-28&to=2026-11-30",
                "PAGE place=Arcachon&type=VR",
                "LIVE place=Lyon",
                "LIVE place=Rennes&specialty=SM26&page=2",
            ),
        ),
        Part("", CONTEXTUAL[:5]),
        Part("agenda-azur disabled", (*ONE, "PAGE inseecode=33063&page=2"), (_disabled("agenda-azur"),)),
        Part("only rdv-commune", ONE, (_disabled("agenda-azur"), _disabled("garde-plus"))),
        Part("rdv-commune answers 503", (*ONE, "PAGE inseecode=33063"), (_status("rdv-commune", 503),)),
        Part("agenda-azur answers in pages of 10 slots", ONE, (("PUT", "editors/agenda-azur", {"page_size": 10}),)),
        *(
            Part(f"agenda-azur has {name}", ("GET insee=33063&to=2026-11-24",), (_quirk("agenda-azur", name),))
            for name in ("unfound-by-prefix", "merged-places", "wrong-practitioner", "outside-window", "no-offset")
        ),
        BOOKED,
    ),
)

_CITIES = ("Paris", "Marseille", "Toulouse", "Nice", "Nantes", "Strasbourg", "Montpellier", "Lille", "Ajaccio", "Brest")
_SMALL = ("48061", "23030", "05170", "48009", "2A362")
_OVERSEAS = (
    "97411", "97209", "97302", "97611", "97120", "97353", "97701", "97801", "98818", "98735", "98613", "98714", "97502",
)  # fmt: skip

NATIONAL = Recording(
    {"preset": "national"},
    (
        Part(
            "",
            (
                *(f"GET place={city}" for city in _CITIES),
                *(f"GET insee={insee}" for insee in _SMALL),
                *(f"GET insee={insee}" for insee in _OVERSEAS),
                "GET insee=97411&kind=sos",
                "GET insee=97411&from=2026-11-25&to=2026-11-26",
                "GET insee=98818&page=2",
                "GET place=Saint-Denis",
                "GET place=Saint-Denis (93)",
                "GET place=Saint-Pierre",
                "GET place=Vienne",
                "GET place=Vienne (86)",
                "GET place=Lozère",
                "GET place=2B",
                "GET place=974",
                "GET place=75014",
                "GET place=Paris 14e",
                "GET place=Marseille 8e arrondissement",
                "GET insee=75114&order=distance",
                "GET insee=75056&page=3",
                "GET insee=75056&specialty=SM40&visibility=SNP",
                "GET insee=75056&specialty=SM42&type=VR",
                "GET insee=75056&kind=cds&order=distance",
                "GET insee=63113&kind=sos",
                "GET insee=75056&lat=48.8530&lon=2.3499&within=2&order=distance",
                "GET place=10 rue de l'Exemple, 59000 Lille",
                "GET insee=13055&specialty=SM04&from=2026-11-26&to=2026-11-27",
                "GET insee=31555&reason=avis",
                "GET insee=31555&booking=without",
                "GET insee=06088&specialty=SM16&radius=50",
                "GET insee=44109&kind=msp",
                "GET insee=33063&kind=cpts",
                "GET insee=33063&page=2",
                "GET insee=35238&preferred=819900852575",
                "GET insee=33063&specialty=SM15",
                "GET insee=48095&specialty=SM48",
                "GET insee=48095&specialty=SM48&radius=150",
                "GET place=33000 Lille",
                "GET place=Saint-Denis (75)",
                "STREAM place=Paris",
                "STREAM insee=97411",
                "STREAM insee=48061",
                "STREAM place=Strasbourg&specialty=SM38",
                "STREAM place=Creuse",
                "PAGE place=Paris",
                "PAGE place=Paris&page=2&order=distance",
                "PAGE place=Saint-Denis",
                "PAGE inseecode=97209",
                "PAGE inseecode=98735&specialty=SM54",
                "PAGE place=Lozère&specialty=Rhumatologie",
                "PAGE place=10 rue de l'Exemple, 59000 Lille&kind=msp",
                "PAGE place=Nantes&practitioner=Loiseau",
                "PAGE place=Marseille 8e arrondissement&type=HH",
                "LIVE place=Toulouse",
                "LIVE inseecode=97611",
            ),
        ),
        Part("", CONTEXTUAL[:1]),
        Part(
            "agenda-dune disabled, agenda-boreal answers 500",
            (*ONE, "PAGE inseecode=33063"),
            (_disabled("agenda-dune"), _status("agenda-boreal", 500)),
        ),
        Part("agenda-nacre takes 300 ms", ONE, (_latency("agenda-nacre", 300),)),
        Part(
            "agenda-lagune has quirks",
            ("GET insee=33063&to=2026-11-24", "PAGE inseecode=33063"),
            (_quirk("agenda-lagune", "unprefixed-ids", "busy-slots", "reasons-as-codes"),),
        ),
        BOOKED,
    ),
)

RECORDINGS: Mapping[str, Recording] = {
    "minimal": MINIMAL,
    "minimal-failing": FAILING,
    "demo": DEMO,
    "national": NATIONAL,
}
