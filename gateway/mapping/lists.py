"""Transforms between a text, a list of texts, and a list of objects with a `value`. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.mapping.specs import Offices, Options, Person, Transform, Unusable, kind_of, text_of
from gateway.mapping.text import trim
from gateway.scim.names import EMPTY

MAX_DEPTH: Final = 8  # of lists, objects and JSON texts in one another
PRIMARY: Final = (True, "true", "True")  # as providers write it
_JSON_BEGINS: Final = re.compile(r'[\[{"]')
_LITERALS: Final[Mapping[str, tuple[Any, Any]]] = {"boolean": (True, False), "string": ("true", "false")}


def split(options: Options, offices: Offices) -> Transform:
    """Build the way from one text to a list; a list is flattened, JSON in a text is read."""
    on: str = options["on"]
    parts = _splitter(on)
    return Transform("split", lambda value, person: parts(value), lambda value: _joined_if_list(value, on[0]))


def join(options: Options, offices: Offices) -> Transform:
    """Build the way from a list to one text."""
    on: str = options["on"]
    parts = _splitter(on) if on else None

    def invert(value: Any) -> Any:
        return parts(value) if parts and isinstance(value, str) else value

    return Transform("join", lambda value, person: _joined(value, on), invert)


def objects(options: Options, offices: Offices) -> Transform:
    """Build the way from texts to objects with a `value`, and back."""

    def apply(value: Any, person: Person) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        return [
            item if isinstance(item, dict) else {"value": text_of(item)}
            for item in items
            if item not in EMPTY
        ]

    def invert(value: Any) -> Any:
        items = value if isinstance(value, list) else []
        return [item.get("value", item) if isinstance(item, dict) else item for item in items] or value

    return Transform("objects", apply, invert)


def primary(options: Options, offices: Offices) -> Transform:
    """Build the choice of the one primary element."""
    mode: str = options["mode"]
    yes, no = _LITERALS[options["literal"]]

    def apply(value: Any, person: Person) -> Any:
        elements = _elements(value)
        if mode == "keep" or not elements:
            return value
        at = next((n for n, element in enumerate(elements) if element.get("primary") in PRIMARY), 0)
        if mode == "only":
            return [{**elements[at], "primary": yes}]
        return [_marked(element, yes, no, chosen=n == at) for n, element in enumerate(elements)]

    return Transform("primary", apply)


def _marked(element: dict[str, Any], yes: Any, no: Any, *, chosen: bool) -> dict[str, Any]:
    if chosen:
        return {**element, "primary": yes}
    return {**element, "primary": no} if "primary" in element else element


def _elements(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unusable(f"is not a list of objects, but {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    if not isinstance(value, list):
        return kind_of(value)
    return f"has {next(kind_of(item) for item in value if not isinstance(item, dict))} in it"


def _splitter(on: str) -> Any:
    separator = re.compile(f"[{re.escape(on)}]")

    def parts(value: Any) -> list[str]:
        if isinstance(value, str) and not _JSON_BEGINS.search(value):
            return list(dict.fromkeys(filter(None, map(trim, separator.split(value)))))
        return list(dict.fromkeys(_texts(value, separator, MAX_DEPTH)))

    return parts


def _texts(value: Any, separator: re.Pattern[str], depth: int) -> Iterator[str]:
    """Yield the trimmed texts in a value; Entra sends JSON in the `value` of an object."""
    if depth == 0:
        raise Unusable("is nested too deeply")
    match value:
        case str():
            text = trim(value)
            inner = _inner(text, separator)
            yield from inner if inner == [text] else _texts(inner, separator, depth - 1)
        case list():
            for item in value:
                yield from _texts(item, separator, depth - 1)
        case dict():
            yield from _texts(value.get("value"), separator, depth - 1)
        case None:
            return
        case _:
            raise Unusable(f"is not text, but {kind_of(value)}")


def _inner(text: str, separator: re.Pattern[str]) -> list[Any]:
    """Return what a text holds: what its JSON says, else its parts; the text alone where it is neither."""
    if _JSON_BEGINS.match(text):
        try:
            return [orjson.loads(text)]
        except orjson.JSONDecodeError:
            pass
    return [part for part in map(trim, separator.split(text)) if part]


def _joined(value: Any, on: str) -> str:
    items = value if isinstance(value, list) else [value]
    texts = [item.get("value") if isinstance(item, dict) else item for item in items]
    return on.join(text_of(text) for text in texts if text not in EMPTY)


def _joined_if_list(value: Any, on: str) -> Any:
    try:
        return _joined(value, on) if isinstance(value, list) else value
    except Unusable:
        return value
