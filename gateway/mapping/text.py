"""Transforms of text, and those that put a template or a constant in a value's place. Pure."""

import re
import unicodedata
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from gateway.errors import InvalidPath
from gateway.mapping.rules import choose
from gateway.mapping.specs import (
    BadTransform,
    Build,
    Offices,
    Options,
    Person,
    Transform,
    Unusable,
    each,
    each_text,
)
from gateway.scim.paths import Place, place, select

# White_Space of Unicode, then what has no width or only turns the direction of writing.
# The soft hyphen stays: it is no space.
_SPACES: Final = r"\s\x85\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_ANY_SPACE: Final = re.compile(f"[{_SPACES}]+")
_EDGES: Final = re.compile(f"^[{_SPACES}]+|[{_SPACES}]+$")
_GROUP: Final = re.compile(r"\\([0-9\\])")
_TRUTH: Final = {"true": True, "false": False, "1": True, "0": False}


def plain(name: str, change: Callable[[str], str]) -> Build:
    """Return how to build a transform that has no options and changes every text by itself."""
    transform = Transform(name, each_text(change))
    return lambda options, offices: transform


def strip_spaces(text: str) -> str:
    """Take away every space, zero-width character and bidi mark."""
    return _ANY_SPACE.sub("", text)


def trim(text: str) -> str:
    """Take away the same at both ends."""
    return text.strip() if text.isascii() else _EDGES.sub("", text)


def nfkc(text: str) -> str:
    """Return Unicode's compatible composed form: full-width digits become plain ones."""
    return unicodedata.normalize("NFKC", text)


def digits(text: str) -> str:
    """Keep the digits of any script, as ASCII."""
    return "".join(str(unicodedata.decimal(char)) for char in nfkc(text) if char.isdecimal())


def truncate(options: Options, offices: Offices) -> Transform:
    """Build the cut to a number of characters."""
    length: int = options["length"]
    return Transform("truncate", each_text(lambda text: text[:length]))


def match(options: Options, offices: Offices) -> Transform:
    """Build the check that a whole text fits a pattern."""
    pattern = _compiled(options["pattern"])

    def check(text: str) -> str:
        if pattern.fullmatch(_encodable(text)) is None:
            raise Unusable("does not match the pattern of its rule")
        return text

    return Transform("match", each_text(check))


def replace(options: Options, offices: Offices) -> Transform:
    """Build the replacement of all that fits a pattern; `\\1` is the pattern's first group."""
    pattern = _compiled(options["pattern"])
    pieces = _GROUP.split(options["by"])  # literal, group, literal, …
    highest = max((int(group) for group in pieces[1::2] if group != "\\"), default=0)
    if highest > pattern.groups:
        raise BadTransform("by", f"names group {highest}, and the pattern has {pattern.groups}")

    def expand(found: Any) -> str:
        groups = ["\\" if group == "\\" else found[int(group)] or "" for group in pieces[1::2]]
        return pieces[0] + "".join(map("".join, zip(groups, pieces[2::2], strict=True)))

    return Transform("replace", each_text(lambda text: str(pattern.sub(expand, _encodable(text)))))


def boolean(options: Options, offices: Offices) -> Transform:
    """Build the reading of true, false, 1 and 0, in any case, as text or not."""
    return Transform("boolean", each(_truth))


def _truth(value: Any, person: Person) -> bool:
    known = _TRUTH.get(trim(str(value)).casefold()) if isinstance(value, str | int) else None
    if known is None:
        raise Unusable("is not true or false")
    return known


def _compiled(pattern: str) -> Any:
    import re2  # 2 MiB, and few rules have a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0]
        reason = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        raise BadTransform("pattern", f"is not an RE2 pattern: {reason}") from error
    except UnicodeEncodeError as error:
        raise BadTransform("pattern", "is not Unicode text") from error


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise Unusable("is not Unicode text") from error
    return text


_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_GAPS: Final = re.compile(" {2,}")


def template(options: Options, offices: Offices) -> Transform:
    """Build a text with `{path}` in it, filled from the person as the provider sent them."""
    pieces = _PLACEHOLDER.split(options["text"])  # literal, path, literal, …
    if any("{" in literal or "}" in literal for literal in pieces[::2]):
        raise BadTransform("text", "has a brace without its partner")
    places = [_place(text) for text in pieces[1::2]]

    def apply(value: Any, person: Person) -> str:
        filled = [_text_at(where, person) for where in places]
        text = pieces[0] + "".join(map("".join, zip(filled, pieces[2::2], strict=True)))
        return trim(_GAPS.sub(" ", text))

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
