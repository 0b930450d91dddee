"""What is wrong with a value, in words: where, what stands there, what was expected."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from sandbox.config import Settings
from sandbox.kernel.text.shapes import explained, meant
from sandbox.population.personas.published import FILES
from sandbox.runner.loader import Scenario


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Cat(msgspec.Struct, tag="cat", tag_field="kind", forbid_unknown_fields=True):
    lives: Annotated[int, Meta(ge=1, le=9)] = 9


class Dog(msgspec.Struct, tag="dog", tag_field="kind"):
    name: str


class Home(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, Meta(pattern="^[a-z]$", description="one lower-case letter")]
    note: Annotated[str, Meta(min_length=1, max_length=3)] | None = None
    least: Annotated[float, Meta(ge=0)] = 0
    most: Annotated[str, Meta(max_length=2)] = ""
    pets: tuple[Cat | Dog, ...] = ()
    walls: dict[Colour, Annotated[int, Meta(le=4)]] = {}
    size: Literal["small", "large"] = "small"
    pairs: tuple[int, int] = (0, 0)
    secret: Annotated[str, Meta(min_length=8)] = "12345678"
    open: bool = True
    raw: bytes = b""
    mixed: tuple[str | Dog, ...] = ()

    def __post_init__(self) -> None:
        if self.note == "no":
            raise ValueError("a note cannot say no")


CASES: list[tuple[Any, str, str]] = [
    ({"code": "A"}, "$.code", "code: 'A' is not usable (expected one lower-case letter)"),
    ({"code": 7}, "$.code", "code: 7 is not usable (expected one lower-case letter, in quotes)"),
    ({"code": None}, "$.code", "code: not usable (expected one lower-case letter)"),
    ({"code": ["a"]}, "$.code", "code: ['a'] is not usable (expected one lower-case letter)"),
    ({"code": "a" * 99}, "$.code", f"code: '{'a' * 79}… is not usable (expected one lower-case letter)"),
    ({}, "$", "the field `code` is missing: one lower-case letter"),
    ({"cod": "a"}, "$.cod", "unknown field `cod`: did you mean code?"),
    ({"code": "a", "note": ""}, "$.note", "note: '' is not usable (expected a text of 1 to 3 characters)"),
    ({"code": "a", "note": 7}, "$.note", "note: 7 is not usable (expected a text of 1 to 3 characters, in quotes)"),
    ({"code": "a", "note": "no"}, "$", "a note cannot say no"),
    ({"code": "a", "least": -1}, "$.least", "least: -1 is not usable (expected a number of at least 0)"),
    ({"code": "a", "most": "abc"}, "$.most", "most: 'abc' is not usable (expected a text of at most 2 characters)"),
    ({"code": "a", "size": "xl"}, "$.size", "size: 'xl' is not usable (expected large or small)"),
    ({"code": "a", "open": 3}, "$.open", "open: 3 is not usable (expected true or false)"),
    ({"code": "a", "pets": 3}, "$.pets", "pets: 3 is not usable (expected a list)"),
    ({"code": "a", "pets": [3]}, "$.pets[0]", "pets[0]: 3 is not usable (expected a mapping)"),
    ({"code": "a", "pets": [{"kind": "cow"}]}, "$.pets[0].kind", "pets[0].kind: 'cow' is not usable (expected cat or "),
    (
        {"code": "a", "pets": [{"kind": "cat", "lives": 10}]},
        "$.pets[0].lives",
        "pets[0].lives: 10 is not usable (expected a whole number of 1 to 9)",
    ),
    ({"code": "a", "walls": {"green": 1}}, "$.walls", "walls: 'green' is no usable key (expected red or blue)"),
    ({"code": "a", "walls": {"red": 5}}, "$.walls[...]", "walls[...]: not usable (expected a whole number of at"),
    ({"code": "a", "pairs": [1, "x"]}, "$.pairs[1]", "pairs[1]: Expected `int`, got `str`"),
    ({"code": "a", "secret": "short"}, "$.secret", "secret: this value is not usable (expected a text of at least 8"),
    ({"code": "a", "mixed": [{"kind": "dog"}]}, "$.mixed[0]", "mixed[0]: the field `name` is missing: a text"),
    ({"code": "a", "mixed": [{"kind": "dog", "name": 1}]}, "$.mixed[0].name", "mixed[0].name: 1 is not usable ("),
    ({"code": "a", "raw": 1}, "$.raw", "raw: Expected `bytes`, got `int`"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "path", "sentence"), CASES, ids=[case[2] for case in CASES])
def test_where_and_what_was_expected(value: Any, path: str, sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Home)
    where, told = explained(caught.value, Home, value)
    assert where == path
    assert told.startswith(sentence)


def test_a_value_of_a_mapping_or_list_alone() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert([{"red": 9}], list[dict[str, Annotated[int, Meta(le=4)]]])
    assert explained(caught.value, list[dict[str, Annotated[int, Meta(le=4)]]], [{"red": 9}]) == (
        "$[0][...]",
        "[0][...]: not usable (expected a whole number of at most 4)",
    )


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("bordeaux", {"33063": "Bordeaux"}, ": did you mean 33063 (Bordeaux)?"),
        ("Saint-Étiene", {"42218": "Saint-Étienne"}, ": did you mean 42218 (Saint-Étienne)?"),
        ("rdv-comune", {"rdv-commune": ""}, ": did you mean rdv-commune?"),
        ("x", {"a": "", "b": "B"}, " (known: a, b)"),
        ("x", {}, ""),
        ("x", {str(number): "" for number in range(99)}, ""),
    ],
)
def test_what_somebody_may_have_meant(word: str, known: dict[str, str], expected: str) -> None:
    assert meant(word, known) == expected


@pytest.mark.parametrize("kind", [Settings, Scenario, *FILES.values()], ids=str)
def test_every_pattern_of_a_file_has_words(kind: Any) -> None:
    (_, rows) = msgspec.json.schema_components([kind])
    assert [*undescribed(rows)] == []


def undescribed(node: Any) -> Any:
    """The patterns of a JSON Schema that say nothing for people."""
    if isinstance(node, dict):
        if "pattern" in node and "description" not in node:
            yield node["pattern"]
        for each in node.values():
            yield from undescribed(each)
    elif isinstance(node, list):
        for each in node:
            yield from undescribed(each)
