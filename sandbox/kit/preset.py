"""The preset of ANS's acceptance kit, with its headless scripts, for the editors of a file.

What the file does not say stays empty and is named (`Launch.missing`, French); questions that only the vendor can
answer are answered for the sandbox's own editors alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import yaml

from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.errors import UsageError
from sandbox.kit.appointment import appointment_of, lacking
from sandbox.kit.known import Editor, Known
from sandbox.kit.observed import Seen
from sandbox.kit.outcomes import SUITE, Group, expected, known, outcome

PRESET = "preset.json"
QUESTIONS = ("gestion_rpps", "gestion_rpps_obligatoire", "gestion_idnst")
PER_OPTION = (
    "base_url", "practitioner_id", "practitioner_id2", "practitioner_id3", "practitioner_id4", "type_slot",
    "type_consultation", "appointment",
)  # fmt: skip
_WHO = {
    "practitioner_id": "un lieu de consultation",
    "practitioner_id2": "deux lieux de consultation",
    "practitioner_id3": "premier de la paire",
    "practitioner_id4": "second de la paire",
}


@dataclass(frozen=True, slots=True)
class Option:
    """A value of the suite's option `launch_version`. `examples`: input -> example of a file, and its place there."""

    value: str
    name: str
    title: str
    flow: str
    examples: dict[str, tuple[str, int]]


PS = Option(
    "ig_launch_1", "ps", "professionnels (PS)", "INT_R01",
    {
        "practitioner_id": ("practitioner_one_site", 0),
        "practitioner_id2": ("practitioner_two_sites", 0),
        "practitioner_id3": ("practitioner_pair", 0),
        "practitioner_id4": ("practitioner_pair", 1),
    },
)  # fmt: skip
CPTS = Option(
    "ig_launch_2", "cpts", "CPTS", "INT_R04",
    {
        "practitioner_id": ("practitioner_cpts", 0),
        "practitioner_id3": ("practitioner_cpts", 0),
        "practitioner_id4": ("practitioner_two_cpts_one_slot", 0),
    },
)  # fmt: skip


@dataclass(slots=True)
class Launch:
    """One way to launch the suite: an option, the editor that is examined so, and its inputs."""

    option: Option
    editor: Editor
    inputs: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def there(self) -> set[str]:
        """Inputs that have a value, flows, and `mTLS` when it is used."""
        target = self.editor.target
        mutual = {"mTLS"} if target.mutual else set[str]()
        return {name for name, value in self.inputs.items() if value} | set(target.flows) | mutual

    @property
    def groups(self) -> tuple[Group, ...]:
        """Those of the suite whose tests are known."""
        return known(cpts=self.option is CPTS)


def launches_of(known: Known) -> list[Launch]:
    """Practitioners and CPTS, each with the editor whose examples fit. Raises UsageError when there is neither."""
    found = []
    for option in (PS, CPTS):
        editor = known.with_example(option.flow, *(example for example, _ in option.examples.values()))
        if editor is not None:
            found.append(_launch(option, editor))
    if not found:
        named = "no editor has INT_R01 or INT_R04 among its `flows`"
        raise UsageError(f"kit preset: {known.path}: {named} (the inputs of the kit's suite `sos` are not known)")
    return found


def _launch(option: Option, editor: Editor) -> Launch:
    launch = Launch(option, editor, {"base_url": editor.target.fhir + "/"})
    for name, who in _WHO.items():
        example, place = option.examples.get(name, ("", 0))
        ids = editor.target.example(example)
        launch.inputs[name] = ids[place] if place < len(ids) else ""
        if not launch.inputs[name]:
            source = f"exemple `{example}`" if example else "aucun exemple ne convient"
            launch.missing.append(f"`{name}` ({who}) : {source}")
    return launch


def complete(launch: Launch, seen: Seen, now: datetime) -> None:
    """Add what was seen of the slots, and the appointment."""
    for name, codes in (("type_slot", seen.slots), ("type_consultation", seen.consultations)):
        launch.inputs[name] = json.dumps(codes) if codes else ""
        if not codes:
            launch.missing.append(f"`{name}` : {seen.why or 'aucun code connu dans les créneaux trouvés'}")
    launch.inputs["appointment"] = ""
    if lack := lacking(launch.editor):
        launch.missing.append(f"`appointment` : {', '.join(lack)}")
    else:
        launch.inputs["appointment"] = render_appointment(appointment_of(launch.editor, now)).decode()


def preset_of(launches: list[Launch]) -> dict[str, Any]:
    """The preset's document."""
    editor = launches[0].editor
    inputs: list[dict[str, Any]] = [
        _per_option("base_url", launches),
        {"name": "mTLS", "value": "true" if editor.target.mutual else "false"},
    ]
    for name, (value, note) in _answers(editor).items():
        inputs += [{"name": name, "value": value}, {"name": f"{name}_notes", "value": note}]
    inputs += [_per_option(name, launches) for name in PER_OPTION[1:]]
    return {"title": title_of(launches), "id": id_of(launches), "test_suite_id": SUITE, "inputs": inputs}


def title_of(launches: list[Launch]) -> str:
    """The preset's name for people."""
    return "Bac à sable SAS : " + ", ".join(dict.fromkeys(launch.editor.slug for launch in launches))


def id_of(launches: list[Launch]) -> str:
    """The preset's id, which the scripts name."""
    return "sas-sandbox-" + "-".join(dict.fromkeys(launch.editor.slug for launch in launches))


def _per_option(name: str, launches: list[Launch]) -> dict[str, Any]:
    values = [
        {"options": [{"name": "launch_version", "value": launch.option.value}], "value": launch.inputs[name]}
        for launch in launches
    ]
    return {"name": name, "value": "", "value_for_options": values}


def _answers(editor: Editor) -> dict[str, tuple[str, str | None]]:
    """Of the questions to the vendor: those of the sandbox's editors only."""
    if not editor.ours:
        return dict.fromkeys(QUESTIONS, ("", None))
    everybody = not editor.target.example("practitioner_adeli")
    return {
        "gestion_rpps": ("true", None),
        "gestion_rpps_obligatoire": (
            ("true", None) if everybody else ("false", "Quelques professionnels du bac à sable n'ont qu'un ADELI.")
        ),
        "gestion_idnst": ("true", None),
    }


def unanswered(launches: list[Launch]) -> list[str]:
    """The questions that the preset leaves to the vendor."""
    answers = _answers(launches[0].editor)
    return [f"`{name}` : à vous de répondre" for name, (value, _) in answers.items() if not value]


def script_name(launch: Launch) -> str:
    """The headless script of an option."""
    return f"{SUITE}_{launch.option.name}.yaml"


def expected_name(launch: Launch) -> str:
    """Its expected results."""
    return f"{SUITE}_{launch.option.name}_attendus.json"


def script_of(launch: Launch, preset: str) -> str:
    """One session; each group that can be run is started when the one before is done."""
    groups = [group for group in launch.groups if outcome(group, launch.there) == "pass"]
    mutual = "true" if launch.editor.target.mutual else "false"
    steps: list[dict[str, Any]] = []
    for before, group in zip([None, *groups], groups, strict=False):
        step = {"state_description": "session créée", "status": "created"} if before is None else _done(before)
        run = {"runnable": group.short, "inputs": {"mTLS": mutual}}
        steps.append({**step, "start_run": run, "action_description": f"groupe {group.short}, {group.title}"})
    steps.append({**_done(groups[-1]), "action": "END_SCRIPT"})
    document = {
        "sessions": [
            {"suite": SUITE, "preset": preset, "suite_options": {"launch_version": launch.option.value}},
        ],
        "comparison_config": {"expected_results_file": expected_name(launch)},
        "steps": steps,
    }
    return str(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120))


def _done(group: Group) -> dict[str, Any]:
    return {"state_description": f"groupe {group.short} terminé", "status": "done", "last_completed": group.short}


def files_of(launches: list[Launch]) -> dict[str, str]:
    """Preset, scripts and expected results, by name."""
    files = {PRESET: _json(preset_of(launches))}
    for launch in launches:
        files[script_name(launch)] = script_of(launch, id_of(launches))
        files[expected_name(launch)] = _json(expected(launch.groups, launch.there))
    return files


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
