"""Transforms that look a text up: in the rule's table, among the target's offices, in a list. Pure."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from gateway.mapping.specs import (
    Office,
    Offices,
    Options,
    Transform,
    Unusable,
    each_back,
    each_text,
    listed,
)

Otherwise = Callable[[str], Any]


def map_(options: Options, offices: Offices) -> Transform:
    """Build the look-up in the rule's own table."""
    table: Mapping[str, Any] = options["table"]
    ignore_case: bool = options["ignore_case"]
    back = _first_stays((value, key) for key, value in table.items() if isinstance(value, str))
    otherwise = _otherwise(options["otherwise"], f"is not one of {listed(table)}")
    return Transform(
        "map",
        each_text(_lookup(table, ignore_case, otherwise)),
        each_back(_lookup(back, ignore_case, _keep)),
    )


def allow(options: Options, offices: Offices) -> Transform:
    """Build the check that every text is one of those listed; it is written as the list has it."""
    values = {value: value for value in options["values"]}
    otherwise = _otherwise(options["otherwise"], f"is not one of {listed(values)}")
    return Transform("allow", each_text(_lookup(values, options["ignore_case"], otherwise)))


def office(options: Options, offices: Offices) -> Transform:
    """Build the look-up among the target's offices, by the provider's name or the target's."""
    back = _first_stays((known.name, key) for key, known in offices.items())
    reason = f"is not an office of this target: {listed(offices) or 'it has none'}"

    def name_of(text: str) -> str:
        found = find_office(text, offices)
        if found is None:
            raise Unusable(reason)
        return found.name

    return Transform("office", each_text(name_of), each_back(lambda text: back.get(text, text)))


def find_office(text: str, offices: Offices) -> Office | None:
    """Return the office of that key or name: as written first, then in any case and width."""
    if text in offices:
        return offices[text]
    folded = fold_width(text)
    tests: tuple[Callable[[str, Office], bool], ...] = (
        lambda key, known: known.name == text,
        lambda key, known: fold_width(key) == folded,
        lambda key, known: fold_width(known.name) == folded,
    )
    found = (known for test in tests for key, known in offices.items() if test(key, known))
    return next(found, None)


@lru_cache(maxsize=4096)
def fold_width(text: str) -> str:
    """Return a text as it is compared where case and width do not count."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _folded(table: Mapping[str, Any]) -> dict[str, Any]:
    return _first_stays((fold_width(key), value) for key, value in table.items())


def _first_stays(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    table: dict[Any, Any] = {}
    for key, value in pairs:
        table.setdefault(key, value)
    return table


def _lookup(table: Mapping[str, Any], ignore_case: bool, otherwise: Otherwise) -> Callable[[str], Any]:
    folded = _folded(table) if ignore_case else {}

    def look_up(text: str) -> Any:
        if text in table:
            return table[text]
        key = fold_width(text) if ignore_case else None
        return folded[key] if key in folded else otherwise(text)

    return look_up


def _keep(text: str) -> Any:
    return text


def _otherwise(word: str, reason: str) -> Otherwise:
    def reject(text: str) -> Any:
        raise Unusable(reason)

    return {"keep": _keep, "drop": lambda text: None, "reject": reject}[word]
