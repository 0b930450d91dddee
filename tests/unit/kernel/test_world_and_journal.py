from __future__ import annotations

import pytest

from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy, seeded
from sandbox.kernel.errors import ConfigError, Issue, PeerRefused, RequestError, malformed, refused
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import ActorJournal, Exchange, Journal
from sandbox.kernel.model import Cpts, Editor, SosAssociation, Territory
from sandbox.kernel.world import World, WorldView


def test_a_watcher_sees_the_present_world_at_once_and_every_later_one() -> None:
    view, seen = WorldView(World(revision=1)), []
    view.watch(lambda world: seen.append(world.revision))
    assert view.apply(World(revision=2))
    assert seen == [1, 2]


def test_an_older_revision_is_ignored_unless_its_epoch_is_higher() -> None:
    view = WorldView(World(revision=5))
    assert not view.apply(World(revision=4))
    assert view.apply(World(revision=1, epoch=1))
    assert view.world.epoch == 1


def _exchange(number: int) -> Exchange:
    return Exchange(at=float(number), actor="sas", flow="UI", direction="in", action="GET /")


def test_an_actor_journals_its_name_the_direction_and_the_sandbox_time() -> None:
    journal = Journal()
    of_sas = ActorJournal(journal, Clock(lambda: 12.5), "sas")
    of_sas.received(Flow.INT_L02, "consume sas.ack", "fr.health.samu330", note="INTEGRE", ref="sas_1.1")
    of_sas.sent(Flow.INT_R02, "POST Practitioner", "agenda-azur", status=201, ms=3.0, size=7)
    assert journal.take() == [
        Exchange(12.5, "sas", "INT_L02", "in", "consume sas.ack", "fr.health.samu330", note="INTEGRE", ref="sas_1.1"),
        Exchange(12.5, "sas", "INT_R02", "out", "POST Practitioner", "agenda-azur", status=201, ms=3.0, size=7),
    ]


def test_a_full_journal_counts_what_it_drops_and_keeps_the_oldest() -> None:
    journal, calls = Journal(capacity=2), []
    journal.on_put = lambda: calls.append(1)
    for number in range(3):
        journal.put(_exchange(number))
    assert (journal.dropped, journal.waiting, len(calls)) == (1, 2, 2)
    assert [exchange.at for exchange in journal.take(1)] == [0.0]
    assert [exchange.at for exchange in journal.take()] == [1.0]
    assert journal.take() == []


def test_a_journal_without_a_listener_just_keeps() -> None:
    journal = Journal()
    journal.put(_exchange(1))
    assert journal.waiting == 1


def test_seeded_entropy_is_reproducible_and_its_uuids_are_version_4() -> None:
    first, second = seeded(1), seeded(1)
    assert first.uuid() == second.uuid()
    assert first.uuid()[14] == "4"
    assert first.token(4) != first.token(4)
    assert 0 <= first.chance() < 1


def test_chance_spans_the_unit_interval() -> None:
    assert Entropy(lambda size: b"\x00" * size).chance() == 0
    assert 0.999 < Entropy(lambda size: b"\xff" * size).chance() < 1


def test_errors_carry_what_their_renderers_need() -> None:
    assert (malformed("x", "a.b").status, refused("y").status) == (400, 422)
    assert RequestError(409, Issue("conflict", "one"), Issue("conflict", "two")).args == ("one; two",)
    assert str(ConfigError("f.yaml", 3, "bad")) == "f.yaml:3: bad"
    error = PeerRefused("agenda-azur", 503, b"{}")
    assert (str(error), error.body) == ("agenda-azur: answered 503", b"{}")


def test_people_with_malformed_national_ids_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="FINESS"):
        Cpts("950047225", "CPTS", None, ())
    with pytest.raises(ValueError, match="SIRET"):
        SosAssociation("1", "SOS", "garde-plus", ())


def test_editors_and_territories_know_what_they_are_asked() -> None:
    editor = Editor("a", "A", "urn:oid:1", (Flow.INT_R01,), "3000")
    assert editor.speaks(Flow.INT_R01)
    assert not editor.speaks(Flow.SOS)
    assert Territory("SAS-33", "Gironde", "33", "fr.health.samu330", "urn:oid:1").lrm_slug == "samu330"
