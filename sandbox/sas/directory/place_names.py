"""Names of towns as people and systems write them, with postal codes, arrondissements and départements. Pure.

L’Haÿ‑les‑Roses · Bouscat (Le) · Villefranche s/ Saône     the name, in any spelling
33800 Bordeaux · 33076 Bordeaux Cedex 9                    one of its postal codes, or that of a CEDEX
33 000 Bordeaux                                             a postal code with a space in it
Lyon 3e arrondissement · Paris 16 · Paris XVIe arr. · Lyon troisième     an arrondissement: its city is searched
Vienne (38) · Vienne Isère · Saint-Denis, La Réunion · Ajaccio 2A        the département: tells namesakes apart
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Town
from sandbox.kernel.text.words import folded
from sandbox.population.geography.departments import DEPARTMENTS, department

# The arrondissements of three cities: how many there are, their first INSEE code and their first postal code.
_CITIES = {"75056": (20, 75101, 75001), "69123": (9, 69381, 69001), "13055": (16, 13201, 13001)}
CITY_OF = {str(first + at): city for city, (number, first, _) in _CITIES.items() for at in range(number)}
CITY_CODES = {str(first + at): city for city, (number, _, first) in _CITIES.items() for at in range(-1, number)}

DEPARTMENT_NAMES: Mapping[str, str] = {
    name: each.code
    for each in DEPARTMENTS.values()
    for name in (folded(each.name), folded(each.name).removeprefix("la "))
}

_SHORT = {"lez": "les", "s": "sur"}
_LAST = re.compile(r"(.+?)[(,]([^(),]+)\)?\s*")  # text in brackets or after a comma at the end
_SUFFIXES = ("er", "re", "e", "eme", "nd", "nde")
_ORDINAL = re.compile(f"([0-9]{{1,2}})(?:{'|'.join(_SUFFIXES)})")
_NUMERALS = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx"
_ROMAN = {numeral: at for at, numeral in enumerate(_NUMERALS.split(), 1)}
_ROMAN_ORDINAL = re.compile(r"([ivx]+)(?:er|e|eme)?")
_WORDS = (
    *("premier", "deuxieme", "troisieme", "quatrieme", "cinquieme", "sixieme", "septieme", "huitieme", "neuvieme"),
    *("dixieme", "onzieme", "douzieme", "treizieme", "quatorzieme", "quinzieme", "seizieme"),
    *("dix septieme", "dix huitieme", "dix neuvieme", "vingtieme"),
)
_IN_WORDS = {words: at for at, words in enumerate(_WORDS, 1)}
_APART = re.compile(r"(?<![0-9])([0-9]{2})[ \u00a0\u202f]([0-9]{3})(?![0-9])")
_LINKS = frozenset({"de", "du", "en", "dans"})  # before the name of a département
_DISTRICT = frozenset({"arrondissement", "arrdt", "ardt", "arr"})
_ARTICLES = frozenset({"le", "la", "les", "l"})


class Contradiction(RequestError):
    """400: the parts of a text about a place contradict each other. `detail` in English, `french` for people."""

    def __init__(self, detail: str, french: str, expression: str = "http.place") -> None:
        super().__init__(400, Issue("conflict", detail, expression))
        self.detail, self.french = detail, french


@dataclass(frozen=True, slots=True)
class TownName:
    """A text about a town, taken apart. `name`: its words, folded; `codes`: the postal codes, INSEE codes and
    départements in the text; `district`: number of the arrondissement; `cedex`: the postal code is that of a CEDEX."""

    name: str
    codes: tuple[str, ...] = ()
    district: int | None = None
    cedex: bool = False

    @property
    def letters(self) -> str:
        """The name without its spaces: `L'Haÿ`, `L Hay` and `LHay` are one."""
        return letters_of(self.name)

    def apart(self) -> TownName | None:
        """The same with the département as a code, when the name ends with that of one (`Vienne Isère`); else None."""
        words = self.name.split()
        for at in range(1, len(words)):  # the département with the longest name first
            code = DEPARTMENT_NAMES.get(" ".join(words[at:]))
            if code is not None:
                end = at - 1 if at > 1 and words[at - 1] in _LINKS else at
                return replace(self, name=" ".join(words[:end]), codes=(*self.codes, code.lower()))
        return None


def letters_of(words: str) -> str:
    """A folded name without its spaces; `lez` is written `les`, `s` is written `sur`."""
    return "".join(_SHORT.get(word, word) for word in words.split())


def read_town(text: str) -> TownName:
    """Split a text about a town into its parts; the town need not exist."""
    body, code = _with_department(joined(text))
    words = folded(body).split()
    cedex = "cedex" in words
    if cedex:
        words = _without_cedex(words)
    words, district = _district(words)
    codes = tuple(word for word in words if word[0].isdigit())
    name = " ".join(word for word in words if not word[0].isdigit())
    return TownName(name, (*codes, *((code,) if code else ())), district, cedex)


def joined(text: str) -> str:
    """The text with postal codes written without a space: `33 000 Bordeaux` becomes `33000 Bordeaux`."""
    return _APART.sub(r"\1\2", text)


def _with_department(text: str) -> tuple[str, str]:
    """The text without the name of a département at its end, and the code of that département. An article at the end is
    put before the text (`Bouscat (Le)`)."""
    last = _LAST.fullmatch(text)
    end = folded(last[2]) if last else ""
    if last is None:
        return text, ""
    if end in _ARTICLES:
        return f"{end} {last[1]}", ""
    code = DEPARTMENT_NAMES.get(end, "")
    return (last[1], code.lower()) if code else (text, "")


def _without_cedex(words: list[str]) -> list[str]:
    """The words without `cedex` and without its number (`Cedex 9`)."""
    at = words.index("cedex")
    after = words[at + 1 :]
    return words[:at] + (after[1:] if after and re.fullmatch(r"[0-9]{1,2}", after[0]) else after)


def _district(words: list[str]) -> tuple[list[str], int | None]:
    """The words without the arrondissement, and its number: an ordinal, or the number before `arrondissement`."""
    words = _ordinals(words)
    for at, word in enumerate(words):
        if word in _DISTRICT:
            begins = at - 2 if words[at - 1] in _SUFFIXES else at - 1  # `16 e arrondissement`
            number = _number(words[begins]) if begins > 0 else None
            if number is not None:
                return words[:begins] + words[at + 1 :], number
    for at, word in enumerate(words):
        if at and (match := _ORDINAL.fullmatch(word)):
            return words[:at] + words[at + 1 :], int(match[1])
    return words, None


def _ordinals(words: list[str]) -> list[str]:
    """The words with digits in place of ordinals in words (`troisième` becomes `3e`), except at the beginning."""
    found: list[str] = []
    for word in words:
        two = f"{found[-1]} {word}" if len(found) > 1 else ""
        if two in _IN_WORDS:
            found[-1:] = [f"{_IN_WORDS[two]}e"]
        else:
            found.append(f"{_IN_WORDS[word]}e" if found and word in _IN_WORDS else word)
    return found


def _number(word: str) -> int | None:
    match = _ORDINAL.fullmatch(word) or re.fullmatch(r"([0-9]{1,2})", word)
    if match:
        return int(match[1])
    roman = _ROMAN_ORDINAL.fullmatch(word)
    return _ROMAN.get(roman[1]) if roman else None


def has_district(town: Town, number: int) -> bool:
    """True when the city has an arrondissement with that number."""
    return 1 <= number <= _CITIES.get(town.insee, (0,))[0]


def fits(town: Town, said: TownName, codes: Collection[str]) -> bool:
    """True when the codes and the arrondissement of the text are those of the town. `codes`: its postal codes."""
    if said.district is not None and not has_district(town, said.district):
        return False
    return all(code in codes or _is_of(town, code) for code in said.codes)


def _is_of(town: Town, code: str) -> bool:
    """True for the code of the town's département, its INSEE code, and those of its arrondissements."""
    if code in (town.department.lower(), town.insee.lower()) or CITY_OF.get(code) == town.insee:
        return True
    return len(code) < 3 and has_district(town, int_of(code))


def nearly_fits(town: Town, said: TownName, codes: Collection[str], known: Mapping[str, object]) -> bool:
    """As `fits`, but the postal code of a CEDEX, or one that no town has, only has to belong to the town's region.
    `known`: the postal codes of all towns."""
    regions = {region_of(code) for code in codes}
    strange = [
        code
        for code in said.codes
        if len(code) == 5 and code.isdigit() and (said.cedex or code not in known) and region_of(code) in regions
    ]
    rest = TownName(said.name, tuple(code for code in said.codes if code not in strange), said.district)
    return fits(town, rest, codes)


def int_of(code: str) -> int:
    """A code of digits as a number; 0 for any other code (`2a`)."""
    return int(code) if code.isdigit() else 0


def region_of(postal_code: str) -> str:
    """The first two digits of a postal code, overseas three."""
    return postal_code[:3] if postal_code[:2] in ("97", "98") else postal_code[:2]


def contradiction(town: Town, said: TownName, owner: str) -> Contradiction:
    """The error for a text that does not fit the town of that name. `owner`: name of the town that has the postal code,
    "" if there is none."""
    home = department(town.department)
    where = f"{home.name} ({home.code})"
    if said.district is not None and not has_district(town, said.district):
        return Contradiction(
            f"{town.name} has no arrondissement {said.district}",
            f"{town.name} n'a pas de {said.district}{'er' if said.district == 1 else 'e'} arrondissement.",
        )
    named = ", ".join(_label(code) for code in said.codes)
    belongs = f" ; ce code postal est celui de {owner}" if owner else ""
    return Contradiction(
        f"'{named}' is not {town.name}, which lies in {where}" + (f": it belongs to {owner}" if owner else ""),
        f"Le lieu se contredit : {town.name} est dans le département {where}, le texte dit « {named} »{belongs}.",
    )


def _label(code: str) -> str:
    found = DEPARTMENTS.get(code.upper())
    return f"{found.name} ({found.code})" if found is not None else code
