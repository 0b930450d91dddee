"""The départements and overseas collectivities: their names, and fictitious telephone numbers. Pure data.

The phones of metropolitan France lie in the ranges that ARCEP keeps for fiction (one per geographic zone). Overseas
départements have no such range: there the subscriber's part begins with 000, which no subscriber has. The guide does
not allow the country codes of Saint-Pierre-et-Miquelon and the Pacific in slots: people there have a number of Paris.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_TABLE = """
01 Ain|02 Aisne|03 Allier|04 Alpes-de-Haute-Provence|05 Hautes-Alpes|06 Alpes-Maritimes|07 Ardèche|08 Ardennes|09 Ariège
10 Aube|11 Aude|12 Aveyron|13 Bouches-du-Rhône|14 Calvados|15 Cantal|16 Charente|17 Charente-Maritime|18 Cher|19 Corrèze
2A Corse-du-Sud|2B Haute-Corse|21 Côte-d'Or|22 Côtes-d'Armor|23 Creuse|24 Dordogne|25 Doubs|26 Drôme|27 Eure
28 Eure-et-Loir|29 Finistère|30 Gard|31 Haute-Garonne|32 Gers|33 Gironde|34 Hérault|35 Ille-et-Vilaine|36 Indre
37 Indre-et-Loire|38 Isère|39 Jura|40 Landes|41 Loir-et-Cher|42 Loire|43 Haute-Loire|44 Loire-Atlantique|45 Loiret
46 Lot|47 Lot-et-Garonne|48 Lozère|49 Maine-et-Loire|50 Manche|51 Marne|52 Haute-Marne|53 Mayenne
54 Meurthe-et-Moselle|55 Meuse|56 Morbihan|57 Moselle|58 Nièvre|59 Nord|60 Oise|61 Orne|62 Pas-de-Calais
63 Puy-de-Dôme|64 Pyrénées-Atlantiques|65 Hautes-Pyrénées|66 Pyrénées-Orientales|67 Bas-Rhin|68 Haut-Rhin|69 Rhône
70 Haute-Saône|71 Saône-et-Loire|72 Sarthe|73 Savoie|74 Haute-Savoie|75 Paris|76 Seine-Maritime|77 Seine-et-Marne
78 Yvelines|79 Deux-Sèvres|80 Somme|81 Tarn|82 Tarn-et-Garonne|83 Var|84 Vaucluse|85 Vendée|86 Vienne|87 Haute-Vienne
88 Vosges|89 Yonne|90 Territoire de Belfort|91 Essonne|92 Hauts-de-Seine|93 Seine-Saint-Denis|94 Val-de-Marne
95 Val-d'Oise|971 Guadeloupe|972 Martinique|973 Guyane|974 La Réunion|975 Saint-Pierre-et-Miquelon|976 Mayotte
977 Saint-Barthélemy|978 Saint-Martin|986 Wallis-et-Futuna|987 Polynésie française|988 Nouvelle-Calédonie
"""
_HEADS = {
    "0261910": "14 18 22 27 28 29 35 36 37 41 44 45 49 50 53 56 61 72 76 85",
    "0353010": "02 08 10 21 25 39 51 52 54 55 57 58 59 60 62 67 68 70 71 80 88 89 90",
    "0465710": "01 03 04 05 06 07 11 13 15 2A 2B 26 30 34 38 42 43 48 63 66 69 73 74 83 84",
    "0536490": "09 12 16 17 19 23 24 31 32 33 40 46 47 64 65 79 81 82 86 87",
    "0590000": "971 977 978", "0596000": "972", "0594000": "973", "0262000": "974", "0269000": "976",
    "0199000": "75 77 78 91 92 93 94 95 975 986 987 988",
}  # fmt: skip
_PHONE_HEADS = {code: head for head, codes in _HEADS.items() for code in codes.split()}
COLLECTIVITIES = frozenset({"975", "977", "978", "986", "987", "988"})  # overseas territories that are not départements
_CORSICA = {"2A": "20A", "2B": "20B"}  # as the SAS writes them in the codes of territories


@dataclass(frozen=True, slots=True)
class Department:
    """A département. `code`: `33`, `2A`, `974`; `phone_head`: the first seven of the ten digits of a number there."""

    code: str
    name: str
    phone_head: str

    @property
    def territory(self) -> str:
        """Code of its SAS territory: `SAS-33`, `SAS-20A`, `SAS-974`."""
        return f"SAS-{_CORSICA.get(self.code, self.code)}"

    @property
    def digits(self) -> str:
        """The two digits that its structures' FINESS begin with: Corsica's letters are no digits."""
        return "20" if self.code in _CORSICA else self.code[:2]


def _read() -> dict[str, Department]:
    rows = (row.partition(" ") for row in _TABLE.strip().replace("\n", "|").split("|"))
    return {code: Department(code, name, _PHONE_HEADS[code]) for code, _, name in rows}


DEPARTMENTS: Mapping[str, Department] = _read()


def department_of(insee: str) -> str:
    """Code of the département of an INSEE code: `33`, `2A`, `974`."""
    return insee[:3] if insee[:2] in ("97", "98") else insee[:2]


def department(code: str) -> Department:
    """The département with that code; an unknown one has its code for a name."""
    return DEPARTMENTS.get(code) or Department(code, code, "0199000")


def phone_of(code: str, number: int) -> str:
    """The ten digits of a fictitious telephone number in that département; `number` from 0 to 999.

    >>> phone_of("974", 7)
    '0262000007'
    """
    return f"{department(code).phone_head}{number % 1000:03d}"
