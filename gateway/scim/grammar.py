"""Filter and path texts to syntax trees (RFC 7644 sections 3.4.2.2 and 3.5.2). Pure.

The grammar is scim2-models'; the few forms that providers send all day are read here without it.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from scim2_models.exceptions import InvalidFilterException, InvalidPathException
from scim2_models.path.expressions import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    PathNode,
    Present,
    ValuePath,
)
from scim2_models.path.grammar import _parse_filter, _parse_path

from gateway.errors import InvalidFilter, InvalidPath

__all__ = [
    "AttrPath",
    "CompareOperator",
    "Comparison",
    "Filter",
    "LogicalExpr",
    "LogicalOperator",
    "Not",
    "Path",
    "Present",
    "ValuePath",
    "leaves",
    "parse_filter",
    "parse_path",
]

Filter = FilterNode
Path = PathNode

MAX_LENGTH: Final = 2048  # characters of a filter or path
MAX_TERMS: Final = 16

_NAME: Final = r"[A-Za-z][A-Za-z0-9_-]*"
_TEXT: Final = r'"([^"\\\x00-\x1f]*)"'
_SIMPLE: Final = re.compile(rf"({_NAME}) (?i:eq) {_TEXT}")
_SIMPLE_PATH: Final = re.compile(rf"({_NAME})(?:\[({_NAME}) (?i:eq) {_TEXT}\])?(?:\.({_NAME}))?")
_OKTA_FILTER: Final = re.compile(r"\.\^\[([\w$-]+)\s*==\s*('[^']*'|\"[^\"]*\"|\w+)\]")
_WORDS: Final = {"true": "true", "false": "false"}


def parse_filter(text: str) -> Filter:
    """Return the tree of a filter; raises InvalidFilter, which says where it is wrong."""
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(f"filter is longer than {MAX_LENGTH} characters")
    try:
        tree = _simple_filter(text) or _parse_filter(text)
    except InvalidFilterException as error:
        raise InvalidFilter(f"filter: {error.detail}") from error
    if terms(tree) > MAX_TERMS:
        raise InvalidFilter(f"filter has more than {MAX_TERMS} terms")
    if not is_storable(tree):
        raise InvalidFilter("filter: a value contains a NUL character or half a surrogate pair")
    return tree


def parse_path(text: str) -> Path:
    """Return the tree of a path in RFC notation or Okta's (`phoneNumbers.^[type=='work'].value`)."""
    if len(text) > MAX_LENGTH:
        raise InvalidPath(f"path is longer than {MAX_LENGTH} characters")
    try:
        path = _simple_path(text) or _parse_path(rfc_notation(text))
    except InvalidPathException as error:
        raise InvalidPath(f"path: {error.detail}") from error
    if not isinstance(path, AttrPath) and not is_storable(path):
        raise InvalidPath("path: a value contains a NUL character or half a surrogate pair")
    return path


def rfc_notation(text: str) -> str:
    """Return Okta's external-name form of a path as RFC 7644 writes it; anything else as it is."""
    return _OKTA_FILTER.sub(lambda found: f"[{found[1]} eq {_literal(found[2])}]", text)


def leaves(tree: Filter) -> Iterator[Comparison | Present]:
    """Yield the comparisons and presence tests of a filter, in its order."""
    match tree:
        case LogicalExpr():
            for term in tree.terms:
                yield from leaves(term)
        case Not():
            yield from leaves(tree.expr)
        case ValuePath():
            yield from leaves(tree.val_filter)
        case Comparison() | Present():
            yield tree


def terms(tree: Filter) -> int:
    """Count the comparisons of a filter."""
    return sum(1 for _ in leaves(tree))


def is_storable(tree: Filter) -> bool:
    """Say whether every literal can be kept in a database and sent on."""
    texts = (leaf.value for leaf in leaves(tree) if isinstance(leaf, Comparison))
    return all(_is_storable_text(text) for text in texts if isinstance(text, str))


def _is_storable_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _simple_filter(text: str) -> Filter | None:
    found = _SIMPLE.fullmatch(text)
    return Comparison(AttrPath(found[1]), CompareOperator.eq, found[2]) if found else None


def _simple_path(text: str) -> Path | None:
    found = _SIMPLE_PATH.fullmatch(text)
    if found is None:
        return None
    name, where, literal, sub = found.groups()
    if where is None:
        return AttrPath(name, sub)
    return ValuePath(AttrPath(name), Comparison(AttrPath(where), CompareOperator.eq, literal), sub)


def _literal(text: str) -> str:
    bare = text.strip("'\"")
    return _WORDS.get(bare.casefold()) or json.dumps(bare, ensure_ascii=False)
