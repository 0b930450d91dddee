"""The character of an editor (quirks, latency, page size) and the switches of the World in which it is kept.

    editor:<slug>:quirk:<name>     `on`, or the practitioners (associations) concerned: prefixed ids, comma-separated
    editor:<slug>:latency:<flow>   `<median>/<p95>` in milliseconds
    editor:<slug>:page_size        slots on one page of an INT_R01 answer

A switch that is absent is off. The persona files say how a run begins, `__admin/editors` changes it while it runs.
Quirks are ANS's list of what real editors get wrong; `sandbox.editor.fhir.quirks` plays them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from types import MappingProxyType

from sandbox.kernel.flows import Flow

# name -> what it does, in the French words of the control page and of docs/integrateurs.md
QUIRKS: Mapping[str, str] = MappingProxyType(
    {
        "unfound-by-prefix": "Un professionnel n'est trouvé que si son identifiant est écrit comme l'agenda le "
        "stocke, avec ou sans préfixe ; une association, que sans préfixe.",
        "past-slots": "Un créneau déjà passé est ajouté à chaque agenda.",
        "outside-window": "Un créneau postérieur à la période demandée est ajouté à chaque agenda.",
        "busy-slots": "Un créneau occupé est ajouté à chaque agenda qui en a la place.",
        "unprefixed-ids": "Les identifiants nationaux de la réponse sont sans préfixe.",
        "bad-phone": "Les téléphones sont écrits « 05 36 49 00 01 » et non « +33536490001 ».",
        "no-visibility": "Les créneaux n'ont aucun code de visibilité.",
        "types-as-text": "Les types de consultation sont envoyés en texte et non en code.",
        "reasons-as-codes": "Les motifs sont envoyés en code et non en texte.",
        "no-specialty": "Les spécialités manquent.",
        "no-offset": "Les dates des créneaux n'ont pas de décalage horaire.",
        "empty-elements": 'Des éléments vides (« "" », « [] », « {} ») sont envoyés.',
        "cpts-without-service": "Les HealthcareService des créneaux CPTS manquent.",
        "cpts-without-organization": "Les Organization des créneaux CPTS manquent.",
        "merged-places": "Les lieux d'un même professionnel sont réunis dans un seul Schedule.",
        "wrong-practitioner": "Quand la réponse concerne plusieurs professionnels, les créneaux sont rattachés "
        "à l'un d'eux qui n'est pas le bon.",
        "not-found-if-empty": "Une réponse sans créneau est une erreur 404 et non un Bundle vide.",
        "error-if-empty": "Une réponse sans créneau est une erreur 500 et non un Bundle vide.",
    }
)
INBOUND = tuple(flow for flow in Flow if flow.answered_by_editors)
LONGEST_MS = 120_000  # far over every time-out of the guide
LARGEST_PAGE = 1000  # what the SAS core asks for
EVERYBODY: frozenset[str] = frozenset()

_ON = "on"
_Z95 = NormalDist().inv_cdf(0.95)
_RAREST = 2.0**-53  # used in place of a chance of 0, for which the inverse of the distribution is infinite


def log_normal(median: float, p95: float, chance: float) -> float:
    """A value of the log-normal distribution with that median and 95th percentile; `chance` in [0, 1) is drawn."""
    sigma = math.log(p95 / median) / _Z95
    return median * math.exp(sigma * NormalDist().inv_cdf(max(chance, _RAREST)))


@dataclass(frozen=True, slots=True)
class Delay:
    """How long an editor takes before it answers, in milliseconds: log-normal, half of it within `median_ms`."""

    median_ms: float
    p95_ms: float

    def drawn(self, chance: float) -> float:
        """Seconds, at most LONGEST_MS; `chance` in [0, 1)."""
        return min(log_normal(self.median_ms, self.p95_ms, chance), LONGEST_MS) / 1000


@dataclass(frozen=True, slots=True)
class Character:
    """How one editor behaves. `quirks`: name -> prefixed ids of those concerned (none: EVERYBODY), in no order.

    `page_size`: the most slots on a page of INT_R01; None: what was asked for.
    """

    quirks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    latency: Mapping[Flow, Delay] = field(default_factory=dict)
    page_size: int | None = None


PLAIN = Character()  # follows the guide, without delay


def problems(
    character: Character, speaks: Callable[[Flow], bool], holds: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """The problems of a character: (field, text). `holds`: whether the agenda of a prefixed id is at this editor."""
    for name, ids in character.quirks.items():
        if name not in QUIRKS:
            yield f"quirks.{name}", f"unknown quirk '{name}' (known: {', '.join(QUIRKS)})"
        strangers = sorted(each for each in ids if not holds(each))
        if strangers:
            yield f"quirks.{name}", f"no practitioner or association of this editor: {', '.join(strangers)}"
    for flow, delay in character.latency.items():
        if flow not in INBOUND or (flow.interfaced and not speaks(flow)):
            yield f"latency.{flow}", f"this editor does not answer {flow}"
        if not 0 < delay.median_ms <= delay.p95_ms <= LONGEST_MS:
            yield f"latency.{flow}", f"expected 0 < median_ms <= p95_ms <= {LONGEST_MS}"
    if character.page_size is not None and not 1 <= character.page_size <= LARGEST_PAGE:
        yield "page_size", f"'page_size' must be 1 to {LARGEST_PAGE}, not {character.page_size}"


def switches_of(slug: str, character: Character) -> dict[str, str]:
    """A character as switches of the World."""
    prefix = _prefix(slug)
    found = {f"{prefix}quirk:{name}": ",".join(sorted(ids)) or _ON for name, ids in character.quirks.items()}
    for flow, delay in character.latency.items():
        found[prefix + flow.latency_key] = f"{delay.median_ms:g}/{delay.p95_ms:g}"
    if character.page_size is not None:
        found[f"{prefix}page_size"] = str(character.page_size)
    return found


def character_of(slug: str, switches: Mapping[str, str]) -> Character:
    """The character of an editor by these switches; quirks that this process does not have are left out."""
    prefix = _prefix(slug)
    own = {key.removeprefix(prefix): value for key, value in switches.items() if key.startswith(prefix)}
    size = own.get("page_size")
    return Character(
        quirks={name: _concerned(own[f"quirk:{name}"]) for name in QUIRKS if f"quirk:{name}" in own},
        latency={flow: _delay(own[flow.latency_key]) for flow in INBOUND if flow.latency_key in own},
        page_size=None if size is None else int(size),
    )


def with_character(switches: Mapping[str, str], slug: str, character: Character) -> dict[str, str]:
    """The same switches, but for the character of this editor."""
    prefix = _prefix(slug)
    others = {key: value for key, value in switches.items() if not key.startswith(prefix)}
    return {**others, **switches_of(slug, character)}


def latencies(switches: Mapping[str, str]) -> dict[str, dict[str, Delay]]:
    """The latencies of all editors: actor (`editor:<slug>`) -> flow -> Delay."""
    found: dict[str, dict[str, Delay]] = {}
    for key, value in switches.items():
        actor, mark, flow = key.rpartition(":latency:")
        if mark:
            found.setdefault(actor, {})[flow] = _delay(value)
    return found


def _prefix(slug: str) -> str:
    return f"editor:{slug}:"


def _concerned(value: str) -> frozenset[str]:
    return EVERYBODY if value == _ON else frozenset(value.split(","))


def _delay(value: str) -> Delay:
    median, _, p95 = value.partition("/")
    return Delay(float(median), float(p95))
