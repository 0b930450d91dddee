"""Example searches, their answers with quirks, and how two answers differ."""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.editor.fhir.quirks.answers import search_of
from sandbox.editor.fhir.quirks.registry import apply_quirks
from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir.profiles import check
from sandbox.fhir.reader.reading import Reading, read_bundle
from sandbox.kernel.character import EVERYBODY

Json = dict[str, Any]


AZUR, COMMUNE, GARDE = "agenda-azur", "rdv-commune", "garde-plus"


ONE, TWO, PAIR, SITES = "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "sos_two_sites"


CPTS, TWO_CPTS, ASSOCIATIONS = "practitioner_cpts", "practitioner_two_cpts_one_slot", "sos_associations"


ALL = [ONE, TWO, PAIR, CPTS, TWO_CPTS, SITES, ASSOCIATIONS]


class ExampleSearch:
    """One search: its correct answer, and the same with quirks."""

    def __init__(self, editors, query: str, slug: str) -> None:
        self.editors, self.query, self.server = editors, query, editors.server(slug)
        answer = answer_schedules if slug == GARDE else answer_slots
        self.body = answer(self.server, query)

    @property
    def before(self) -> Json:
        return orjson.loads(self.body)

    def with_quirks(self, *names: str, **concerned: frozenset[str]) -> Json:
        """The answer with quirks: `names` for everybody, `concerned` (`_` for `-`) for these ids only."""
        quirks = dict.fromkeys(names, EVERYBODY) | {name.replace("_", "-"): ids for name, ids in concerned.items()}
        search = search_of(self.server.population, self.query, self.editors.now)
        answer = apply_quirks(quirks, self.body, search)
        assert answer.status == 200
        return answer.document


def resources(bundle: Json, *kinds: str) -> list[Json]:
    found = [entry["resource"] for entry in bundle.get("entry", ())]
    return [each for each in found if not kinds or each["resourceType"] in kinds]


def differences(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Paths (indexes left out) at which two documents differ, with one example of each."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in {*before, *after}:
            found |= differences(before.get(key), after.get(key), f"{path}.{key}")
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        found = {}
        for one, other in zip(before, after, strict=True):
            kind = one.get("resource", {}).get("resourceType", "") if isinstance(one, dict) else ""
            found |= differences(one, other, f"{path}[{kind}]")
        return found
    return {} if before == after else {path: (before, after)}


def understood(document: Json) -> Reading:
    return read_bundle(orjson.dumps(document))


def requirements(document: Json) -> tuple[set[str], set[str]]:
    """The requirements named by our own rules, and by what the SAS core reads."""
    ours, read = check(document), understood(document).findings
    return {each.requirement for each in ours}, {each.requirement for each in read}
