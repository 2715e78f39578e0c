"""JSON bytes to a document and back, with every bound that keeps the inside safe. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from gateway.errors import InvalidSyntax, InvalidValue, TooLarge

MAX_DEPTH: Final = 32  # objects and lists within each other
MAX_NAMES: Final = 1000  # attributes in one object: names are looked up in any case, one by one
MAX_BODY: Final = 1024 * 1024  # bytes of a resource, without a group's members
MAX_VALUES: Final = 10_000  # in a resource, without a group's members: each costs its share of every walk
MAX_ELEMENTS: Final = 1000  # in one list of a resource, but of a group's members
_SHOWN: Final = 64  # characters of a key in an error
_LONG_NUMBER: Final = re.compile(rb"\d{19}")
_NUL: Final = b"\\u0000"  # orjson refuses it unescaped
_WHITE: Final = b" \t\r\n"  # RFC 8259 section 2
_LEAST, _MOST = -(2**63), 2**64 - 1  # beyond these orjson makes floats of whole numbers, in silence


def parse_json(body: bytes, *, max_depth: int = MAX_DEPTH, refuse_duplicates: bool) -> dict[str, Any]:
    """Return the JSON object in a body; raises InvalidSyntax or InvalidValue, which never quote a value."""
    document = load(body, max_depth)
    if body.count(b"{") + body.count(b"[") > max_depth or body.count(b":") > MAX_NAMES:
        check_shape(document, max_depth)
    if refuse_duplicates or _LONG_NUMBER.search(body):
        _check_text(body, refuse_duplicates)
    if _NUL in body:
        _check_nul(document)
    return document


def load(body: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return the JSON object in a body as it is, within no other bound than orjson's own of depth.

    For who walks it anyway, minds depth, sizes and large floats on the way, and then asks `may_hide`.
    """
    document = _loads(body, max_depth)
    if not isinstance(document, dict):
        raise InvalidSyntax("the body is not a JSON object")
    return document


def may_hide(body: bytes, names: int) -> bool:
    """Say whether a body may hold a NUL, or a name given twice, if its objects have so many `names` together.

    Without white space each name ends in `":`, which a text may hold, too: so there are never fewer of it.
    """
    return _NUL in body or body.translate(None, _WHITE).count(b'":') != names


def refuse_many(body: bytes, most: int) -> None:
    """Raise TooLarge for a body of more values than that, before it costs to make them."""
    if len(body) > most and count_values(body) > most:
        raise TooLarge(f"more than {most} values in one body or resource")


def count_values(body: bytes) -> int:
    """Return how many values JSON bytes hold at the most.

    Each stands behind a comma, or opens an object or a list; commas in texts are counted as well.
    """
    return body.count(b",") + body.count(b"{") + body.count(b"[")


def dump(document: Any) -> bytes:
    """Return a document as JSON bytes."""
    return orjson.dumps(document)


def _loads(body: bytes, max_depth: int) -> Any:
    if not body.strip():
        raise InvalidSyntax("the body is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidSyntax(_reason(body, error, max_depth)) from None  # its `doc` is the whole body


def _reason(body: bytes, error: orjson.JSONDecodeError, max_depth: int) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as broken:
        return f"the body is not UTF-8: wrong byte at position {broken.start}"
    if "depth" in error.msg:
        return _too_deep(max_depth)
    return f"the body is not JSON: error at line {error.lineno}, column {error.colno}"


def _too_deep(max_depth: int) -> str:
    return f"the body is nested deeper than {max_depth} levels"


def check_shape(document: Any, max_depth: int) -> None:
    """Raise InvalidSyntax for what nests deeper, or has an object of more than `MAX_NAMES` attributes.

    It goes down level by level, so that depth costs no stack.
    """
    level: list[Any] = [document] if isinstance(document, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise InvalidSyntax(_too_deep(max_depth))
        if any(isinstance(holder, dict) and len(holder) > MAX_NAMES for holder in level):
            raise InvalidSyntax(f"the body has an object of more than {MAX_NAMES} attributes")
        level = [
            inner
            for holder in level
            for inner in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(inner, dict | list)
        ]


def _check_text(body: bytes, refuse_duplicates: bool) -> None:
    """Read the body again with the standard library, which can show what orjson hides."""
    json.loads(
        body.decode(),
        object_pairs_hook=_refuse_duplicates if refuse_duplicates else None,
        parse_int=_check_number,
    )


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name.casefold() in seen:
            raise InvalidSyntax(f"the body has the attribute {name[:_SHOWN]!r} twice in one object")
        seen.add(name.casefold())


def _check_number(digits: str) -> None:
    if len(digits) > 20 or not _LEAST <= int(digits) <= _MOST:
        raise InvalidValue("a number has more than 64 bits: send it as a string")


def _check_nul(document: dict[str, Any]) -> None:
    for path, text in _strings("", document):
        if "\0" in text:
            raise InvalidValue(f"{path[:_SHOWN]!r} contains a NUL character")


def _strings(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every string with its path, names of attributes as well; depth is bounded by now."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            yield here, name
            yield from _strings(here, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(path, inner)
