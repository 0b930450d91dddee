"""External editors: they join the population, and what is wrong with them is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.config import Settings, load_settings
from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.kernel.flows import Flow
from sandbox.pki.subjects import agreed_server, editor_subject
from sandbox.population.load import load_population
from sandbox.population.procedural import id_of
from sandbox.sas.directory.places import Places

CONFIG = """preset: minimal
external_editors:
  - slug: mon-agenda
    name: Mon Agenda
    system: "urn:oid:1.2.250.1.999.77"
    base_url: https://agenda.exemple:9443/fhir/
    ou: "399900100000093"
    flows: [INT_R01, INT_R04, SOS, INT_R02, INT_R03]
    practitioners:
      - id: "819800007700"
        family: EXTERNE
        given: Ada
        cpts: ["1339900011"]
        places:
          - {structure: "1339907700", line: 1 rue du Dehors, town: "33063"}
          - {structure: "399900200007700", line: 2 rue du Dehors, town: "33281"}
      - id: "819800007718"
        family: EXTERNE
        given: Bob
        specialty: SM26
        places:
          - {structure: "1339907718", line: 3 rue du Dehors, town: "33063"}
    sos:
      - siret: "399900300007700"
        name: SOS Dehors
        sites:
          - {name: Centre Dehors, line: 4 rue du Dehors, town: "33063"}
        doctors:
          - {id: "819800007726", family: EXTERNE, given: Chloé}
      - siret: "399900300007718"
        name: SOS Plus Loin
        sites:
          - {name: Centre Plus Loin, line: 5 rue du Dehors, town: "33281"}
"""


COMMUNITIES = """    communities:
      - id: entraide-dehors
        kind: CPTS
        name: Entraide Dehors
        organization: "1339900011"
        zone: ["33063", "33281"]
        members: ["819800007700", "819800000010", "819800007726"]
        phone: "05 36 49 77 00"
      - {id: cabinets-dehors, kind: group, name: Cabinets Dehors, zone: ["33063"]}
"""
SPEAKS_PDM = ("INT_R03]", "INT_R03, PDM]")


def settings(path: Path, *changes: tuple[str, str]) -> Settings:
    text = CONFIG
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path.write_text(text, encoding="utf-8")
    return load_settings({}, {}, path)


def test_external_editor_and_those_whose_agendas_it_holds_live_among_the_others(tmp_path: Path) -> None:
    population = load_population(settings(tmp_path / "c.yaml"))
    editor = population.editors["mon-agenda"]
    assert editor.external
    assert editor.base_url == "https://agenda.exemple:9443/fhir"
    assert editor.ui == "https://agenda.exemple:9443"
    assert editor.flows == (Flow.INT_R01, Flow.INT_R04, Flow.SOS, Flow.INT_R02, Flow.INT_R03)
    ada, bob = population.of_editor("mon-agenda")
    assert [place.structure for place in ada.places] == ["1339907700", "399900200007700"]
    assert ada.places[1].city == population.towns["33281"].name
    place = Places(population.towns).locality(f"{ada.places[1].line}, {ada.places[1].city}")
    assert place is not None
    assert place.point == (ada.places[1].lat, ada.places[1].lon)  # a search at the address looks just there
    assert (ada.cpts, ada.specialty, bob.specialty) == (("1339900011",), "SM54", "SM26")
    assert population.practitioner("19800007700") == ada
    assert population.association("99900300007700") == population.sos["399900300007700"]
    assert population.sos["399900300007700"].sites[0].name == "Centre Dehors"
    doctor = population.doctor("819800007726")
    assert doctor is not None
    assert (doctor.given, doctor.editor, doctor.places) == ("Chloé", "mon-agenda", ())
    assert not population.editors["agenda-azur"].external


def with_communities(path: Path, *changes: tuple[str, str]) -> Settings:
    return settings(path, (CONFIG, CONFIG + COMMUNITIES), *changes)


def test_external_editor_serves_communities(tmp_path: Path) -> None:
    population = load_population(with_communities(tmp_path / "c.yaml", SPEAKS_PDM))
    asked, group = population.communities["entraide-dehors"], population.communities["cabinets-dehors"]
    assert (asked.editor, asked.kind, asked.organization) == ("mon-agenda", "CPTS", "1339900011")
    assert asked.members == ("819800007700", "819800000010", "819800007726")
    assert (group.organization, group.members, group.phone) == (None, (), None)
    assert {asked, group} <= {*population.communities_of("33063")}


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("INT_R03, PDM]", "INT_R03]", 8, "an editor that serves communities speaks PDM"),
        ("id: entraide-dehors", "id: cpts-rive-gauche", 35, "there is another community 'cpts-rive-gauche'"),
        ("id: cabinets-dehors", "id: entraide-dehors", 42, "there is another community 'entraide-dehors'"),
        ('organization: "1339900011"', 'organization: "1339900012"', 38, "unknown CPTS '1339900012': did you mean"),
        ('        organization: "1339900011"\n', "", 35, "a community of kind CPTS needs its `organization`"),
        ('"33063", "33281"]', '"33063", "99999"]', 39, "unknown town '99999'"),
        ('["819800007700", ', '["819800007799", ', 40, "unknown practitioner '819800007799'"),
        ("05 36 49 77 00", "12", 41, "'12' is no telephone number"),
    ],
)
def test_a_community_that_does_not_fit_is_refused_with_file_and_line(
    tmp_path: Path, before: str, after: str, line: int, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_population(with_communities(tmp_path / "c.yaml", SPEAKS_PDM, (before, after)))
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/c.yaml:{line}: ")


def test_procedural_practitioners_are_never_an_external_editors(tmp_path: Path) -> None:
    population = load_population(settings(tmp_path / "c.yaml", ("preset: minimal", "practitioners: 200")))
    assert len(population.of_editor("mon-agenda")) == 2


def test_certificates_name_the_host_unless_a_cn_is_given(tmp_path: Path) -> None:
    editor = load_population(settings(tmp_path / "c.yaml")).editors["mon-agenda"]
    subject = editor_subject(editor)
    assert (subject.cn, subject.ou, subject.o) == ("agenda.exemple", "399900100000093", "Mon Agenda")
    assert agreed_server(editor) == subject
    named = settings(tmp_path / "d.yaml", ("    ou:", "    ui: http://pages.exemple/rdv/\n    cn: autre.nom\n    ou:"))
    population = load_population(named)
    assert editor_subject(population.editors["mon-agenda"]).cn == "autre.nom"
    assert population.editors["mon-agenda"].ui == "http://pages.exemple/rdv"
    assert agreed_server(population.editors["agenda-azur"]) is None


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("slug: mon-agenda", "slug: agenda-azur", 3, "there is another editor 'agenda-azur'"),
        ("999.77", "999.1", 5, "urn:oid:1.2.250.1.999.1 is the system of editor 'agenda-azur'"),
        ("[INT_R01, INT_R04, SOS, INT_R02, INT_R03]", "[SOS]", 8, "holds practitioners speaks INT_R01 or INT_R04"),
        ("INT_R04, SOS", "SOS", 13, "an editor with slots of CPTS speaks INT_R04"),
        ('cpts: ["1339900011"]', 'cpts: ["1000000000"]', 13, "unknown CPTS '1000000000'"),
        ("819800007700", "819800000010", 10, "there is another practitioner '819800000010'"),
        ("819800007718", "819800007700", 17, "there is another practitioner '819800007700'"),
        ("819800007700", id_of(1), 10, "belongs to the procedural practitioners"),
        (
            'town: "33063"',
            'town: "99999"',
            15,
            "unknown town '99999' (expected the INSEE code of a town of towns.yaml, su",
        ),
        ('town: "33063"', "town: Bordeaux", 15, "unknown town 'Bordeaux': did you mean 33063 (Bordeaux)?"),
        ('town: "33063"', "town: bordaux", 15, "unknown town 'bordaux': did you mean 33063 (Bordeaux)?"),
        ('town: "33063"', 'town: "33000"', 15, "unknown town '33000': did you mean 33063 (Bordeaux)?"),
        ("specialty: SM26", "specialty: SM999", 20, "unknown specialty 'SM999'"),
        (
            "specialty: SM26",
            "specialty: pédiatrie",
            20,
            "unknown specialty 'pédiatrie': did you mean SM40 (Pédiatrie)?",
        ),
        ("INT_R04, SOS", "INT_R04", 8, "an editor that serves SOS associations speaks SOS"),
        ("399900300007700", "399900300000018", 24, "there is another association '399900300000018'"),
        ("819800007726", "819800007700", 29, "there is another practitioner or doctor '819800007700'"),
        ("819800007726", "819800000309", 29, "there is another practitioner or doctor '819800000309'"),
        ("819800007726", id_of(1), 29, "belongs to the procedural practitioners"),
        ("399900300007718", "399900300007700", 30, "there is another association '399900300007700'"),
    ],
)
def test_what_does_not_fit_the_population_is_refused_with_file_and_line(
    tmp_path: Path, before: str, after: str, line: int, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_population(settings(tmp_path / "c.yaml", (before, after)))
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/c.yaml:{line}: ")


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("https://agenda.exemple:9443/fhir/", "http://agenda.exemple/fhir", 6),
        ("https://agenda.exemple:9443/fhir/", "https://agenda..exemple/fhir", 6),
        ("https://agenda.exemple:9443/fhir/", "https://agenda.exemple/fhir?x=1", 6),
        ("https://agenda.exemple:9443/fhir/", "https://agenda.exemple:99999/fhir", 3),
        ("INT_R04, SOS", "INT_L02", 8),
        ('structure: "1339907700"', 'structure: "X"', 15),
        ("family: EXTERNE", "famille: EXTERNE", 11),
        ('ou: "399900100000093"', 'ou: "99900100000093"', 7),
        ('ou: "399900100000093"', "ou: 399900100000093", 7),
    ],
)
def test_badly_written_external_editor_is_refused_with_file_and_line(
    tmp_path: Path, before: str, after: str, line: int
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path / "c.yaml", (before, after))
    assert str(caught.value).startswith(f"{tmp_path}/c.yaml:{line}: ")


def test_without_certificates_there_are_no_external_editors(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG, "utf-8")
    with pytest.raises(UsageError, match="mtls: False is not usable"):
        load_settings({"mtls": False}, {}, tmp_path / "c.yaml")
