"""The whole country around the hand-made people: editors, CPTS, SOS associations, territories, regulators. Pure.

The content of the persona files is kept; this module adds to it, over all départements, until there are as many as
the constants below say. Nothing depends on the seed: an association is the same in every run. Identifiers are visibly
fictitious, and names are not those of real products.
"""

from __future__ import annotations

import colorsys
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heapreplace

from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier, luhn_digit
from sandbox.kernel.model import ConsultationSite, Cpts, Editor, Regulator, SosAssociation, Territory, Town
from sandbox.population.geography.departments import COLLECTIVITIES, DEPARTMENTS, Department, department, phone_of
from sandbox.population.geography.gazetteer import french_towns
from sandbox.population.names import family_names, given_names
from sandbox.population.people import Personas
from sandbox.population.procedural import STORED_FORMS, Recipe, speaking, stored_forms, zones

EDITORS, ASSOCIATIONS, CPTS = 25, 60, 800  # editors that hold agendas: others serve communities only
# (sites, associations): how many associations have so many sites, those of the largest towns first. With the hand-made
# ones there are about 150 sites.
_SITES = ((6, 3), (5, 5), (4, 7), (3, 10), (2, 12), (1, 20))
_CITIES = 700  # the largest towns, where associations are
# Squared degrees, 15 km: the least distance of two associations, and the most from an association to its sites.
_APART = 0.135**2

_AGENDAS = ("Aubier", "Boréal", "Corail", "Dune", "Écume", "Falaise", "Garrigue", "Houle", "Isatis", "Jonquille",
          "Kiosque", "Lagune", "Mistral", "Nacre", "Ocre", "Pinède", "Quartz", "Rivage", "Sarment")  # fmt: skip
_HOME_VISIT = "HH"  # a consultation type that ANS's acceptance kit refuses at SOS Médecins
_GUARDS = ("Uranie", "Vigie", "Zénith")
_WITH_COMMUNITIES = ("Garde Vigie", "Agenda Aubier")  # ask communities for their members too
_AGENDA_FLOWS = (Flow.INT_R01, Flow.INT_R04, Flow.SOS)
_BOTH = (Flow.INT_R02, Flow.INT_R03)

# Territories with regulators, in addition to those of the persona files. Each has an LRM of its own. The other
# territories have none until a persona file has a regulator there: a hundred LRMs that nobody uses would take memory.
REGULATED = ("13", "59", "75", "971", "972", "973", "974", "976")
_REGULATORS_EACH = 2


def territories() -> dict[str, Territory]:
    """The SAS territory of every département and collectivity, by code."""
    return {each.territory: _territory(each) for each in DEPARTMENTS.values()}


def _territory(of: Department) -> Territory:
    number = of.code.lower()
    return Territory(of.territory, of.name, of.code, f"fr.health.samu{number}0", f"urn:oid:1.2.250.1.999.9.{_arc(of)}")


def _arc(of: Department) -> str:
    """A number for its OID, in which letters and leading zeros are not allowed."""
    return {"2A": "201", "2B": "202"}.get(of.code) or str(int(of.code))


def whole_country(personas: Personas, recipe: Recipe) -> tuple[Personas, Recipe]:
    """The hand-made people and the rest of the country. `personas` must know the towns of the dataset already."""
    towns = [(personas.towns[town.insee], inhabitants) for town, inhabitants in french_towns()]
    known = {town.insee for town, _ in towns}
    towns += [(town, inhabitants) for town, inhabitants in recipe.towns if town.insee not in known]
    editors = {**personas.editors, **_editors(personas.editors)}
    sos = {**personas.sos, **_associations(personas, editors, towns)}
    cpts = {**personas.cpts, **_all_cpts(CPTS - len(personas.cpts), towns)}
    regulators = (*personas.regulators, *_regulators())
    everywhere = territories()
    served = {
        each.territory: everywhere[each.territory] for each in regulators if each.territory not in personas.territories
    }
    return replace(
        personas,
        editors=editors,
        sos=sos,
        cpts=cpts,
        regulators=regulators,
        territories={**personas.territories, **served},
    ), replace(
        recipe,
        towns=towns,
        editors=speaking(editors.values(), Flow.INT_R01),
        cpts_editors=frozenset(speaking(editors.values(), Flow.INT_R04)),
        cpts=zones(cpts.values()),
        stored_forms=stored_forms(editors.values()),
        community_editors=speaking(editors.values(), Flow.PDM),
    )


def _editors(own: Mapping[str, Editor]) -> dict[str, Editor]:
    """As many editors as are missing to 25: some serve SOS Médecins; of the others every third speaks INT_R04 too. Two
    of them serve communities besides."""
    names = [f"Garde {name}" for name in _GUARDS] + [f"Agenda {name}" for name in _AGENDAS]
    made = [_editor(name, number) for number, name in enumerate(names)]
    fresh = [editor for editor in made if editor.slug not in own]
    held = sum(any(each.speaks(flow) for flow in _AGENDA_FLOWS) for each in own.values())
    return {editor.slug: editor for editor in fresh[: max(0, EDITORS - held)]}


def _editor(name: str, number: int) -> Editor:
    if name.startswith("Garde"):
        flows: tuple[Flow, ...] = (Flow.SOS, *_BOTH)
    else:
        flows = (Flow.INT_R01, *((Flow.INT_R04,) if number % 3 == 0 else ()), *_BOTH)
    if name in _WITH_COMMUNITIES:
        flows = (*flows, Flow.PDM)
    siret = f"99900100{101 + number:05d}"
    rgb = colorsys.hls_to_rgb(number * 0.618 % 1, 0.32, 0.5)
    return Editor(
        slug=plain(name).replace(" ", "-"),
        name=name,
        system=f"urn:oid:1.2.250.1.999.{101 + number}",
        flows=flows,
        ou=f"3{siret}{luhn_digit(siret)}",
        stores=STORED_FORMS[number % len(STORED_FORMS)],
        colour="#" + "".join(f"{round(part * 255):02x}" for part in rgb),
    )


def plain(text: str) -> str:
    """Lower case letters without accents, as in slugs and e-mail addresses."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


# --- CPTS -------------------------------------------------------------------------------------------------------


def _all_cpts(wanted: int, towns: Sequence[tuple[Town, int]]) -> dict[str, Cpts]:
    """`wanted` CPTS by FINESS, in proportion to the inhabitants; every département has at least one."""
    everywhere: dict[str, list[tuple[Town, int]]] = {}
    for row in towns:
        everywhere.setdefault(row[0].department, []).append(row)
    numbers = _deal([sum(weight for _, weight in there) for there in everywhere.values()], wanted, least=1)
    return {
        each.finess: each
        for there, number in zip(everywhere.values(), numbers, strict=True)
        for each in _cpts_of(there, number)
    }


def _deal(weights: Sequence[int], seats: int, least: int = 0) -> list[int]:
    """How many of the seats each weight gets (method of D'Hondt), at least `least`."""
    given = [least] * len(weights)
    heap = [(-weight / (least + 1), at) for at, weight in enumerate(weights)]
    heapify(heap)
    for _ in range(seats - sum(given)):
        at = heap[0][1]
        given[at] += 1
        heapreplace(heap, (-weights[at] / (given[at] + 1), at))
    return given


def _cpts_of(there: Sequence[tuple[Town, int]], number: int) -> Iterable[Cpts]:
    """The CPTS of a département, each around a centre; a city is the centre of several."""
    seats = _deal([weight for _, weight in there], number)
    centres = [(town, count) for (town, _), count in zip(there, seats, strict=True) if count]
    zone = _zones([town for town, _ in there], [town for town, _ in centres])
    serial = 0
    for centre, count in centres:
        for at in range(count):
            serial += 1
            name = f"CPTS {centre.name} {at + 1}" if count > 1 else f"CPTS {centre.name}"
            finess = f"1{department(centre.department).digits}98{_cpts_serial(centre.department, serial):05d}"
            around = zone[centre.insee] if at == count - 1 else (centre.insee,)
            yield Cpts(finess, name, phone_of(centre.department, 500 + serial), around)


def _cpts_serial(code: str, serial: int) -> int:
    """A number unique among départements with the same two digits (overseas, Corsica), by their last character."""
    return serial + 1000 * (int(code[-1], 16) if len(code) == 3 or not code.isdecimal() else 0)


def _zones(towns: Iterable[Town], centres: Sequence[Town]) -> dict[str, tuple[str, ...]]:
    """INSEE codes of the towns around each centre: those nearest to it; every sixth town belongs to two centres."""
    found = {centre.insee: [centre.insee] for centre in centres}
    for at, town in enumerate(each for each in towns if each.insee not in found):
        distances = sorted((_squared_degrees(town, centre), centre.insee) for centre in centres)
        for _, insee in distances[: 2 if at % 6 == 0 else 1]:
            found[insee].append(town.insee)
    return {insee: tuple(zone) for insee, zone in found.items()}


def _squared_degrees(one: Town, other: Town) -> float:
    """Their approximate squared distance, in degrees of 111 km; one of longitude is some 80 km in France."""
    north, east = one.lat - other.lat, (one.lon - other.lon) * 0.72
    return north * north + east * east


# --- SOS Médecins -----------------------------------------------------------------------------------------------


def _associations(
    personas: Personas, editors: Mapping[str, Editor], towns: Sequence[tuple[Town, int]]
) -> dict[str, SosAssociation]:
    """As many associations as are missing to 60, in every overseas département and in the largest cities that are far
    enough from each other. Their weeks and hours are those of the hand-made sites in turn, without home visits."""
    known = [site for sos in personas.sos.values() for site in sos.sites]
    patterns = [site for site in known if _HOME_VISIT not in site.agenda.types] or known
    slugs = speaking(editors.values(), Flow.SOS)
    cities = [town for town, _ in towns[:_CITIES] if town.department not in COLLECTIVITIES]
    overseas = {town.department: town for town in reversed(cities) if len(town.department) == 3}
    settled = [personas.towns[site.insee] for site in patterns]
    homes = _apart([*overseas.values(), *cities], settled, ASSOCIATIONS - len(personas.sos))
    rank_of = {town.insee: rank for rank, town in enumerate(cities)}
    homes.sort(key=lambda town: rank_of[town.insee])
    sizes = [sites for sites, number in _SITES for _ in range(number)]
    found = {}
    for rank, home in enumerate(homes):
        near = [town for town in cities if town is not home and _squared_degrees(town, home) <= _APART]
        sites = _sites([home, *near], sizes[rank % len(sizes)], patterns, rank)
        siret = f"99904{rank:04d}0001"
        sos = SosAssociation(
            f"3{siret}{luhn_digit(siret)}", f"SOS Médecins {home.name} (bac à sable)", slugs[rank % len(slugs)], sites
        )
        found[sos.siret] = sos
    return found


def _apart(towns: Iterable[Town], settled: Iterable[Town], wanted: int) -> list[Town]:
    """At most `wanted` of the towns, none of them near another or near a settled one."""
    kept: list[Town] = []
    taken = list(settled)
    for town in towns:
        if len(kept) < wanted and all(_squared_degrees(town, other) > _APART for other in taken):
            kept.append(town)
            taken.append(town)
    return kept


def _sites(
    around: Sequence[Town], size: int, patterns: Sequence[ConsultationSite], rank: int
) -> tuple[ConsultationSite, ...]:
    """The sites of one association: one per town, its own first, then the largest around, then the same towns again."""
    return tuple(_site(around[at % len(around)], at, patterns[(rank + at) % len(patterns)]) for at in range(size))


def _site(town: Town, at: int, pattern: ConsultationSite) -> ConsultationSite:
    octets = hashlib.blake2b(f"site/{town.insee}/{at}".encode(), digest_size=4).digest()
    kind = "Point fixe de garde" if at % 2 else "Centre de consultation"
    return ConsultationSite(
        id=f"sos-{town.insee.lower()}-{at + 1}",
        name=f"{kind} {town.name} {at + 1}",
        phone=phone_of(town.department, 900 + octets[0] % 100),
        line=f"{1 + octets[1]} quai du Scénario",
        postal_code=town.postal_code,
        city=town.name,
        insee=town.insee,
        lat=round(town.lat + (octets[2] - 128) / 12_800, 5),
        lon=round(town.lon + (octets[3] - 128) / 12_800, 5),
        hours=pattern.hours,
        agenda=pattern.agenda,
    )


# --- regulators -------------------------------------------------------------------------------------------------


def _regulators() -> Iterable[Regulator]:
    """Two for each of the REGULATED territories; the passwords are for demonstration accounts of the sandbox only."""
    given, family = given_names(), family_names()
    for code in REGULATED:
        for at in range(_REGULATORS_EACH):
            octets = hashlib.blake2b(f"regulator/{code}/{at}".encode(), digest_size=4).digest()
            one = given[int.from_bytes(octets[:2], "big") % len(given)]
            two = family[int.from_bytes(octets[2:], "big") % len(family)]
            address = ".".join(re.sub(r"[^a-z]", "", plain(name)) for name in (one, two))
            yield Regulator(
                Identifier(SYSTEM_PERSON, f"3456780581/{code}{9000 + at}", "IDNPS"),
                two.upper(),
                one,
                f"{address}@samu{code}.example",
                DEPARTMENTS[code].territory,
                f"regulation-{code}",
            )
