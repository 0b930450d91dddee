"""The persona files: what is shipped is sound, and what is wrong is refused with file, line and reason."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sandbox.config import Settings
from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import has_luhn, national_phone, prefixed_person
from sandbox.population.load import load_population, personas_directory

SHIPPED = personas_directory(Settings())
BOUNDS = {"33": (44.1, 45.7, -1.3, 0.4), "35": (47.6, 48.8, -2.3, -0.9), "69": (45.4, 46.4, 4.2, 5.2)}


@pytest.fixture(scope="module")
def population():
    return load_population(Settings())


def test_three_territories_have_an_lrm_and_two_regulators_each(population):
    assert {code: (each.samu, each.origin) for code, each in population.territories.items()} == {
        f"SAS-{dep}": (f"fr.health.samu{dep}0", f"urn:oid:1.2.250.1.999.9.{dep}") for dep in ("33", "35", "69")
    }
    assert population.territories["SAS-33"].lrm_slug == "samu330"
    for code in population.territories:
        assert len([each for each in population.regulators if each.territory == code]) >= 2


def test_one_regulator_has_a_technical_identifier_of_the_sas_core(population):
    (technical,) = [each for each in population.regulators if each.identifier.type == "INTRN"]
    assert technical.identifier.system == "urn:oid:1.2.250.1.213.3.6"
    assert re.fullmatch(r"[0-9a-f-]{36}", technical.identifier.value)


def test_people_use_reserved_domains_and_phone_numbers_kept_for_fiction(population):
    assert all(each.email.endswith((".example", ".invalid")) for each in population.regulators)
    phones = [national_phone(each.phone) for each in population.practitioners() if each.phone]
    assert phones
    assert all(re.match(r"\+33(53649|26191|46571)0", str(phone)) for phone in phones)


def test_towns_lie_in_their_departement(population):
    assert len(population.towns) >= 40
    for town in population.towns.values():
        south, north, west, east = BOUNDS[town.department]
        assert south < town.lat < north, town
        assert west < town.lon < east, town
        assert town.postal_code[:2] == town.department == town.insee[:2]


def test_identifiers_honour_their_luhn_digit(population):
    for person in population.practitioners():
        assert re.fullmatch("8[0-9]{11}|0[0-9A-Za-z]{9}", person.id)
        assert prefixed_person(person.stored_id) == person.id
        if person.id.startswith("8"):
            assert has_luhn(person.id[1:]), person.id
        for place in person.places:
            assert not place.structure.startswith("3") or has_luhn(place.structure[1:]), place
    assert all(has_luhn(siret[1:]) for siret in population.sos)


def test_some_agendas_store_bad_forms_that_answers_must_correct(population):
    people = list(population.practitioners())
    assert any(person.stored_id != person.id for person in people)
    assert any(person.phone and not person.phone.startswith("+33") for person in people)


def test_every_example_is_someone_of_the_right_kind(population):
    examples = population.examples
    assert {name for name in examples if name != "regulators"} == {
        "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "practitioner_adeli",
        "practitioner_no_phone", "practitioner_no_slots", "practitioner_cpts", "practitioner_two_cpts_one_slot",
        "practitioner_two_cpts_two_slots", "sos_associations", "sos_two_sites", "sos_one_site", "sos_home_visits",
        "practitioners_sas_agenda", "practitioner_extra", "marketplaces", "structure_cds", "structure_msp", "cpts",
    }  # fmt: skip
    people = {
        name: value["id"] for name, value in examples.items() if name.startswith("practitioner_") and "id" in value
    }
    person = {name: population.practitioner(id) for name, id in people.items()}
    assert all(person[name].editor == examples[name]["editor"] for name in person)
    assert len(person["practitioner_one_site"].places) == 1
    assert len(person["practitioner_two_sites"].places) == 2
    assert person["practitioner_adeli"].id.startswith("0")
    assert person["practitioner_no_phone"].phone is None
    several = ("practitioner_two_cpts_one_slot", "practitioner_two_cpts_two_slots")
    assert len(person["practitioner_cpts"].cpts) == 1
    assert [len(person[name].cpts) for name in several] == [2, 2]
    assert len(population.sos[examples["sos_two_sites"]["id"]].sites) == 2
    assert len(population.sos[examples["sos_one_site"]["id"]].sites) == 1
    assert len(examples["sos_associations"]["ids"]) >= 2
    first = examples["regulators"][0]
    assert (first["identifier"], first["territory"]) == ("3456780581/11242343", "SAS-33")
    assert set(first) == {"identifier", "email", "territory", "password"}


def test_every_example_without_an_editor_says_who_and_where(population):
    examples = population.examples
    for account in examples["practitioners_sas_agenda"]:
        person = population.practitioner(account["identifier"])
        assert (person.editor, person.password) == ("", account["password"])
        assert account["name"] == f"{person.given} {person.family}"
        assert account["insee"] == person.places[0].insee
    kinds = set()
    for asked in examples["marketplaces"]:
        community = population.community(asked["id"])
        assert (community.editor, community.name) == (asked["editor"], asked["name"])
        assert population.editors[community.editor].speaks(Flow.PDM)
        assert asked["insee"] in community.zone
        assert community in population.communities_of(asked["insee"])
        assert all(population.doctor(member) is not None for member in community.members)
        kinds.add(community.kind)
    assert kinds == {"CPTS", "SOS", "group"}
    for kind in ("CDS", "MSP"):
        structure = population.structure(examples[f"structure_{kind.lower()}"]["id"])
        assert (structure.kind, structure.name) == (kind, examples[f"structure_{kind.lower()}"]["name"])
        assert structure.insee == examples[f"structure_{kind.lower()}"]["insee"]
    cpts = population.cpts[examples["cpts"]["id"]]
    assert (cpts.name, cpts.zone[0]) == (examples["cpts"]["name"], examples["cpts"]["insee"])


def test_editors_are_of_four_kinds(population):
    flows = {slug: set(editor.flows) for slug, editor in population.editors.items()}
    assert flows["agenda-azur"] == {Flow.INT_R01, Flow.INT_R02, Flow.INT_R03}
    assert flows["rdv-commune"] == {Flow.INT_R01, Flow.INT_R04, Flow.INT_R02, Flow.INT_R03}
    assert flows["garde-plus"] == {Flow.SOS, Flow.INT_R02, Flow.INT_R03}
    assert flows["entraide-commune"] == {Flow.PDM, Flow.INT_R02, Flow.INT_R03}


def test_regulator_is_found_by_token_by_value_and_by_email_in_any_case(population):
    regulator = population.regulators[0]
    for key in (regulator.identifier.key, regulator.identifier.value, regulator.email.upper()):
        assert population.regulator(key) is regulator
    assert population.regulator("nobody") is None


def test_practitioner_is_found_with_and_without_prefix(population):
    for key in ("819800000010", "19800000010"):
        assert population.practitioner(key).family == "DUVALLON"
    assert population.practitioner("339900015").id == "0339900015"
    assert population.practitioner("810000000000") is None
    assert population.practitioner("") is None


def test_schedule_is_found_at_its_place_or_site(population):
    person, place = population.place("kerbrieuc-bruz")
    assert (person.family, place.city) == ("KERBRIEUC", "Bruz")
    association, site = population.site("sos-bordeaux-merignac")
    assert (association.siret, site.city) == ("399900300000018", "Mérignac")
    assert population.place("nowhere") is None
    assert population.site("nowhere") is None
    assert population.association("99900300000018") is association


def test_structures_give_their_places_one_address(population):
    rennes = population.structure("1359900109")
    assert (rennes.kind, rennes.code, rennes.line) == ("MSP", "603", "3 rue de la Maquette")
    there = [place for person in population.practitioners() for place in person.places if place.group == rennes]
    assert {place.id for place in there} == {"kerbrieuc-rennes", "legoastellec-rennes", "kerguelen-rennes"}
    assert {(place.structure, place.line, place.city) for place in there} == {(rennes.finess, rennes.line, "Rennes")}
    assert population.place("boisgontier-merignac")[1].group.kind == "CDS"
    assert population.structure("1339900102") is None


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    """A copy of the shipped files that a test may spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "personas"))


DAMAGED = [
    ("practitioners", 'id: "819800000028"', 'id: "819800000010"', "duplicate id '819800000010'"),
    ("practitioners", 'id: "819800000028"', 'id: "12345"', "'12345' is not usable (expected a national id"),
    ("practitioners", 'id: "819800000028"', 'id: "819900000027"', "procedural"),
    ("practitioners", 'stored_id: "19800000028"', 'stored_id: "19800000029"', "is not '819800000028'"),
    ("practitioners", "editor: rdv-commune", "editor: nobody", "'nobody' (known: agenda-azur,"),
    ("practitioners", "editor: rdv-commune", "editor: garde-plus", "does not speak INT_R01"),
    ("practitioners", "editor: rdv-commune", "editor: agenda-azur", "does not speak INT_R04"),
    ("practitioners", 'cpts: [["1339900011"]]', 'cpts: [["1999999999"]]', "unknown CPTS '1999999999'"),
    ("practitioners", 'cpts: [["1339900011"]]', "cpts: []", "has no CPTS"),
    ("practitioners", 'town: "35047"', 'town: "75056"', "unknown town '75056'"),
    ("practitioners", 'town: "35047"', 'town: "35048"', "unknown town '35048': did you mean 35"),
    ("practitioners", "editor: rdv-commune", "editor: rdv-comune", "did you mean rdv-commune (RDV C"),
    ("practitioners", "given: Hugues", "specialty: SM999\n  given: Hugues", "unknown specialty 'SM999'"),
    ("practitioners", "given: Hugues", "phone: '12'\n  given: Hugues", "'12' is no telephone number (exp"),
    ("cpts", "zone: [", "phone: '12', x: [", "`phone` is given twice"),
    ("sos", 'phone: "', 'phone: "9', "is no telephone number"),
    ("editors", 'ou: "399900100000010"', 'ou: "99900100000010"', "the OU of a certificate: 3 and"),
    ("editors", 'ou: "399900100000010"', "ou: 399900100000010", "or 1 and the 9 digits of a FINESS, in quotes)"),
    ("territories", 'department: "35"', 'department: "99"', "unknown département '99'"),
    ("practitioners", "id: kerbrieuc-bruz", "id: kerbrieuc-rennes", "duplicate id 'kerbrieuc-rennes'"),
    ("practitioners", "agenda: sans-creneau", "agenda: nulle", "unknown agenda 'nulle'"),
    ("practitioners", "given: Hugues", "givn: Hugues", "unknown field `givn`: did you mean given?"),
    ("practitioners", 'structure: "1339900102"', 'structure: "0339900102"', "is not usable (expected a structure"),
    ("practitioners", ', town: "35047"', "", "`line` and `town` are needed"),
    ("practitioners", 'structure: "1359900109"', 'structure: "1359900109", town: "35238"', "`town` out"),
    ("structures", 'finess: "1339900110"', 'finess: "1359900109"', "duplicate finess"),
    ("structures", 'town: "35238"', 'town: "75056"', "unknown town '75056'"),
    ("structures", "kind: CDS", "kind: EHPAD", "'EHPAD' is not usable (expected CDS or MSP)"),
    ("editors", "stores: bare", "stores: nothing", "'nothing' is not usable (expected bare or mixed or prefixed)"),
    ("towns", 'insee: "33281"', 'insee: "33063"', "duplicate insee '33063'"),
    ("towns", "lat: 44.8422", "lat: 144.8422", "lat: 144.8422 is not usable (expected a number of -90 to 90)"),
    ("editors", "slug: garde-plus", "slug: agenda-azur", "duplicate slug"),
    ("editors", "urn:oid:1.2.250.1.999.3", "urn:oid:1.2.250.1.999.1", "duplicate system"),
    ("editors", "[SOS, INT_R02, INT_R03]", "[SOS, INT_R9]", "'INT_R9' is not usable (expected INT_R01 or"),
    ("agendas", 'closes: "19:00"', 'closes: "08:00"', "not after it opens"),
    ("agendas", 'lunch: ["12:30", "14:00"]', 'lunch: ["06:30", "07:00"]', "lunch does not lie within"),
    ("agendas", 'opens: "10:00"', "opens: 10:00", "a time of day such as 09:00, in quotes)"),
    ("agendas", 'opens: "20:00", closes: "22:00"', 'opens: "19:45", closes: "22:00"', "overlaps another"),
    ("agendas", 'opens: "20:00", closes: "22:00"', 'opens: "22:00", closes: "20:00"', "not after it opens"),
    ("agendas", 'days: [5], opens: "09:00"', 'days: [7], opens: "09:00"', "7 is not usable (expected a"),
    ("agendas", "holidays: sunday", "holidays: open", "'open' is not usable (expected closed or sunday)"),
    ("agendas", "leave: 6", "leave: 60", "60 is not usable (expected a whole number of 0 to 6)"),
    ("cpts", 'phone: "', 'phone: "9', "is no telephone number"),
    ("cpts", 'finess: "1339900029"', 'finess: "1339900011"', "duplicate finess"),
    ("cpts", '"33318", "33522"', '"33318", "99999"', "unknown town '99999'"),
    ("sos", "id: sos-bordeaux-merignac", "id: sos-bordeaux-bastide", "duplicate id"),
    ("sos", "agenda: sos-nuit-et-jour", "agenda: cabinet", "PUBLIC or SNP only"),
    ("sos", "agenda: sos-nuit-et-jour", "agenda: temps-partiel", "a consultation site takes none"),
    ("sos", 'closes: "23:30"}]', 'closes: "22:00"}]', "slots outside these opening hours"),
    ("sos", 'opens: "08:00", closes: "23:30"}]', 'opens: "08:00", closes: "07:00"}]', "not after it opens"),
    ("sos", "editor: garde-plus", "editor: rdv-commune", "does not speak SOS"),
    ("sos", '"819800000309"', '"819900000027"', "procedural"),
    ("sos", '"819800000309"', '"819800000317"', "there is a doctor '819800000317' already"),
    ("sos", '"819800000309"', '"819800000010"', "there is a practitioner '819800000010' already"),
    ("sos", '"819800000309"', '"0339900015"', "(expected 8 and the 11 digits of a RPPS)"),
    ("regulators", "karim.berthomieu@samu33.example", "claire.fontanel@samu33.example", "duplicate email"),
    ("regulators", "territory: SAS-35", "territory: SAS-29", "unknown territory 'SAS-29': did you mean SAS-"),
    ("territories", "fr.health.samu350", "fr.health.samu330", "duplicate samu"),
    ("territories", "fr.health.samu350", "fr.health.samu350, format: yaml", "(expected json or xml)"),
    ("examples", 'practitioner_cpts: "819800000077"', 'practitioner_cpts: "819800000999"', "unknown id"),
    ("examples", '["819800000036", "819800000044"]', '["819800000036", "819800000077"]', "several editors"),
    ("examples", '["819800000127", ', '["819800000010", ', "has no demonstration account of the SAS agenda"),
    ("examples", "[cpts-rive-gauche, ", "[cpts-rive-droite, ", "unknown id 'cpts-rive-droite'"),
    ("examples", 'structure_cds: "1339900110"', 'structure_cds: "1339900111"', "unknown id '1339900111'"),
    ("examples", '\ncpts: "1339900011"', '\ncpts: "1339900012"', "unknown id '1339900012'"),
    ("practitioners", "editor: rdv-commune", "editor: rdv-commune\n  password: x", "only practitioners of the SAS"),
    ("communities", "editor: entraide-commune", "editor: garde-plus", "does not speak PDM"),
    ("communities", 'organization: "1339900011"', 'organization: "1339900012"', "unknown CPTS '1339900012'"),
    ("communities", 'organization: "1359900109"', 'organization: "1359900108"', "unknown group '1359900108'"),
    ("communities", '  organization: "399900300000018"\n', "", "a community of kind SOS needs its `organization`"),
    ("communities", '["33063", "33281", "33318", "33522"]', '["33063", "75056"]', "unknown town '75056'"),
    ("communities", '["819800000077", "819800000085"]', '["819800000999"]', "unknown practitioner '819800000999'"),
    ("communities", '["819800000077", "819800000085"]', "[]", "a list of at least 1 entries"),
    ("communities", "id: sos-bordeaux", "id: cpts-rive-gauche", "duplicate id 'cpts-rive-gauche'"),
    ("communities", 'phone: "', 'phone: "9', "is no telephone number"),
    ("agendas", "patients: 2", "patients: 0", "0 is not usable (expected a whole number of 1 to 20)"),
    ("examples", "practitioner_cpts:", "practitioner_other:", "unknown field `practitioner_other`"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "good", "bad", "reason"), DAMAGED, ids=[f"{s[0]}: {s[3]}" for s in DAMAGED])
def test_invalid_persona_file_is_refused_with_file_and_line(personas, name, good, bad, reason):
    path = personas / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert good in text
    damaged = text.replace(good, bad, 1)
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(reason)) as caught:
        load_population(Settings(personas=str(personas)))
    assert caught.value.file == str(path)
    culprit = text[: text.index(good)].count("\n") + 1
    assert abs(caught.value.line - culprit) <= 8  # the line of the value, or of another in its row


def test_files_of_before_lack_the_doctors_the_communities_and_the_later_examples(personas):
    later = ("doctors:", "- {id:", "sos_one_site:", "sos_home_visits:", "marketplaces:")
    (personas / "communities.yaml").unlink()
    for name in ("sos", "examples"):
        path = personas / f"{name}.yaml"
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith(later)]
        path.write_text("\n".join(lines), encoding="utf-8")
    population = load_population(Settings(personas=str(personas)))
    assert {"sos_one_site", "sos_home_visits", "marketplaces"} & set(population.examples) == set()
    assert population.communities_of("33063") == []
    assert {sos.doctors for sos in population.sos.values()} == {()}


def test_a_group_of_practices_needs_no_organization(personas):
    path = personas / "communities.yaml"
    path.write_text(path.read_text("utf-8").replace('  organization: "1359900109"\n', ""), encoding="utf-8")
    (group,) = load_population(Settings(personas=str(personas))).communities_of("35238")
    assert (group.kind, group.organization) == ("group", None)


def test_duplicate_is_refused_at_its_own_line(personas):
    path = personas / "towns.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[5] = lines[5].replace(lines[5][10:15], "33063")
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_population(Settings(personas=str(personas)))
    assert caught.value.line == 6


def test_missing_directory_and_missing_file_are_told(personas, tmp_path):
    with pytest.raises(UsageError, match="is no directory"):
        load_population(Settings(personas=str(tmp_path / "none")))
    (personas / "sos.yaml").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_population(Settings(personas=str(personas)))


def test_procedural_people_need_an_agenda_to_draw_from(personas):
    path = personas / "agendas.yaml"
    path.write_text(re.sub(r"procedural: \d+", "procedural: 0", path.read_text(encoding="utf-8")), encoding="utf-8")
    assert len(load_population(Settings(personas=str(personas)))) == 15
    with pytest.raises(UsageError, match="procedural"):
        load_population(Settings(personas=str(personas), practitioners=1))
