"""Transforms that put something else in a value's place: a template over the person, a constant. Pure."""

import re
from copy import deepcopy
from typing import Any, Final

from gateway.errors import InvalidPath
from gateway.mapping.rules import choose
from gateway.mapping.specs import BadTransform, Offices, Options
from gateway.mapping.text import trim
from gateway.mapping.values import Person, Transform
from gateway.scim.paths import Place, place, select

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_SPACES: Final = re.compile(" {2,}")


def template(options: Options, offices: Offices) -> Transform:
    """Build a text with `{path}` in it, filled from the person as the provider sent them."""
    pieces = _PLACEHOLDER.split(options["text"])  # literal, path, literal, …
    if any("{" in literal or "}" in literal for literal in pieces[::2]):
        raise BadTransform("text", "has a brace without its partner")
    places = [_place(text) for text in pieces[1::2]]

    def apply(value: Any, person: Person) -> str:
        filled = [_text_at(where, person) for where in places]
        text = pieces[0] + "".join(map("".join, zip(filled, pieces[2::2], strict=True)))
        return trim(_SPACES.sub(" ", text))

    return Transform("template", apply)


def constant(options: Options, offices: Offices) -> Transform:
    """Build the same value for everybody."""
    value = options["value"]
    return Transform("constant", lambda _, person: deepcopy(value))


def _place(text: str) -> Place:
    try:
        return place(text.strip())
    except InvalidPath as error:
        raise BadTransform("text", f"{{{text}}} is no path ({error})") from error


def _text_at(where: Place, person: Person) -> str:
    """Return the text at a place, of several the primary, else the first; "" where there is none."""
    found = [(at, text) for at, value in select(person.original, where) if (text := _text(value))]
    return found[choose(found, person.original, where)][1] if found else ""


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case {"value": inner} if not isinstance(inner, dict | list):
            return _text(inner)
        case [first, *_] if not isinstance(first, list):
            return _text(first)
        case _:
            return ""
