"""The parameters of faults on forms: which fields there are, and what a posted form says.

The fields come from the declaration of a kind (`faults.parameters`); `fault_form.html` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.faults.kinds import FaultKind
from sandbox.faults.parameters import Parameter, Value, parameters
from sandbox.kernel.errors import refused
from sandbox.kernel.text.numbers import decimal_number, whole_number


def fields(kinds: Iterable[type[FaultKind]], *, filters: bool) -> list[Parameter]:
    """The parameters of these kinds, each name once: either those that limit which messages are concerned, or the
    others."""
    found = {each.name: each for kind in kinds for each in parameters(kind) if (each.name in kind.filters) is filters}
    return list(found.values())


def params_of(kind: type[FaultKind] | None, form: Mapping[str, str]) -> dict[str, Value]:
    """The parameters in a form; an empty field, and a parameter of another kind, are left out.

    Raises RequestError 422 for a text where a number is expected.
    """
    known = parameters(kind) if kind is not None else ()
    return {each.name: _value(each, form[each.name].strip()) for each in known if form.get(each.name, "").strip()}


def _value(parameter: Parameter, text: str) -> Value:
    if parameter.widget == "checkbox":
        return True
    return number_of(text, parameter.name) if parameter.widget == "number" else text


def count_of(form: Mapping[str, str]) -> int | None:
    """The number of times that a fault is to be applied; None: no limit. Raises RequestError 422."""
    text = form.get("count", "").strip()
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise refused(f"« {text[:40]} » n'est pas un nombre entier", "count", code="value")
    return number


def probability_of(form: Mapping[str, str]) -> float:
    """The probability of a form, which is given in percent. Raises RequestError 422."""
    return number_of(form.get("percent", "100"), "percent") / 100


def number_of(text: str, name: str) -> float:
    """The number in a text with a decimal point or a comma. Raises RequestError 422."""
    number = decimal_number(text.strip().replace(",", "."))
    if number is None:
        raise refused(f"« {text[:40]} » n'est pas un nombre", name, code="value")
    return number
