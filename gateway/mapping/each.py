"""A change of one text, made on all a rule may find: a text, an object with a `value`, a list. Pure."""

from collections.abc import Callable
from typing import Any, Final

from gateway.mapping.values import Person, Unusable

ABSENT: Final[tuple[Any, ...]] = (None, "", [], {})

Apply = Callable[[Any, Person], Any]
Invert = Callable[[Any], Any]


def each(change: Apply) -> Apply:
    """Return `change` made on every item; items that become absent leave the list."""

    def apply(value: Any, person: Person) -> Any:
        if not isinstance(value, list):
            return _change_item(change, value, person)
        changed = [_change_item(change, item, person) for item in value if item not in ABSENT]
        return [item for item in changed if item not in ABSENT]

    return apply


def each_text(change: Callable[[str], Any]) -> Apply:
    """Return `change` made on every text; anything else is unusable."""
    return each(lambda value, person: change(text_of(value)))


def each_back(change: Callable[[str], Any]) -> Invert:
    """Return `change` made on every text a target may show, leaving all else as it is."""

    def invert(value: Any) -> Any:
        match value:
            case str():
                return change(value)
            case list():
                return [invert(item) for item in value]
            case {"value": str() as text}:
                return {**value, "value": change(text)}
            case _:
                return value

    return invert


def text_of(value: Any) -> str:
    """Return a value that is text; raises Unusable."""
    if not isinstance(value, str):
        raise Unusable("is not text")
    return value


def _change_item(change: Apply, item: Any, person: Person) -> Any:
    if not isinstance(item, dict):
        return change(item, person)
    if item.get("value") in ABSENT:
        return None
    after = change(item["value"], person)
    return None if after in ABSENT else {**item, "value": after}
