"""Compiled attribute paths on plain dicts: read, put, and take away (RFC 7644 section 3.10). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.errors import InvalidPath
from gateway.scim.grammar import (
    AttrPath,
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    Path,
    ValuePath,
    parse_path,
)
from gateway.scim.names import COMPANIONS, CORE_GROUP, CORE_USER, key_of
from gateway.values import frozen

ANYWHERE: Final = "*"  # in place of a URN: the core level, or any extension

Terms = tuple[tuple[str, Any], ...]


@frozen
class Place:
    """A path made ready: where in a document it points.

    `where` holds the and-ed `eq` terms that pick elements; None picks all of them.
    """

    text: str
    urn: str | None
    attribute: str
    where: Terms | None
    sub: str | None


def place(text: str) -> Place:
    """Compile a path; `*:name` means the core level or any extension. Raises InvalidPath."""
    if text.startswith("*:"):
        return replace(compiled(parse_path(text[2:])), text=text, urn=ANYWHERE)
    return replace(compiled(parse_path(text)), text=text)


def compiled(path: Path) -> Place:
    """Return a parsed path as a place; raises InvalidPath where its filter is more than and-ed `eq` terms."""
    attr, where, sub = _parts(path)
    urn = None if attr.uri in (CORE_USER, CORE_GROUP) else attr.uri
    return Place(str(path), urn, attr.attr, where, sub or attr.sub_attr)


def is_match(element: Any, where: Terms) -> bool:
    """Say whether an element has all the values; `true`, "true" and "True" are alike."""
    if not isinstance(element, dict):
        return False
    return all(_same(element.get(key_of(element, name) or name), value) for name, value in where)


def read(document: Mapping[str, Any], path: Path | Place) -> list[Any]:
    """Return the values a path points to, in the document's order; [] where there is none."""
    where = path if isinstance(path, Place) else compiled(path)
    return [value for _, value in select(document, where)]


def select(document: Mapping[str, Any], where: Place) -> Iterator[tuple[int | None, Any]]:
    """Yield (index of the element or None, value) for all that a place points to."""
    for holder in holders(document, where):
        key = key_of(holder, where.attribute)
        if key is not None and holder[key] is not None:
            yield from select_in(holder[key], where)


def holders(document: Mapping[str, Any], where: Place) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that may hold the attribute: the document, or extensions of it."""
    if where.urn in (None, ANYWHERE):
        yield document
    if where.urn == ANYWHERE:
        yield from (value for key, value in document.items() if ":" in key and isinstance(value, dict))
    elif where.urn is not None:
        key = key_of(document, where.urn)
        if key is not None and isinstance(document[key], dict):
            yield document[key]


def put(document: Mapping[str, Any], where: Place, value: Any, *, many: bool) -> dict[str, Any]:
    """Return the document with the value at the place; `many` says that the attribute is multi-valued."""
    if where.urn not in (None, ANYWHERE):
        key = key_of(document, where.urn) or where.urn
        inner = document.get(key)
        return {**document, key: _put_in(inner if isinstance(inner, dict) else {}, where, value, many)}
    return _put_in(document, where, value, many)


def _put_in(holder: Mapping[str, Any], where: Place, value: Any, many: bool) -> dict[str, Any]:
    key = key_of(holder, where.attribute) or where.attribute
    present = holder.get(key)
    if where.where is not None or (many and where.sub is not None):
        return {**holder, key: _put_element(present, where, value)}
    if where.sub is not None:
        return {**holder, key: {**(present if isinstance(present, dict) else {}), where.sub: value}}
    return {**holder, key: value}


def _put_element(present: Any, where: Place, value: Any) -> list[Any]:
    elements = list(present) if isinstance(present, list) else []
    terms = where.where or ()
    fresh = {where.sub: value} if where.sub is not None else value
    for index, element in enumerate(elements):
        if is_match(element, terms):
            elements[index] = {**element, **fresh} if where.sub is not None else {**dict(terms), **fresh}
            return elements
    return [*elements, {**dict(terms), **fresh}]


def take(document: Mapping[str, Any], where: Place) -> dict[str, Any]:
    """Return the document without what the place points to, and without what that leaves empty."""
    if where.urn == ANYWHERE:
        result = _take_in(document, where)
        for key, value in document.items():
            if ":" in key and isinstance(value, dict):
                result = _with(result, key, _take_in(value, where))
        return result
    if where.urn is None:
        return _take_in(document, where)
    found = key_of(document, where.urn)
    if found is None or not isinstance(document[found], dict):
        return dict(document)
    return _with(document, found, _take_in(document[found], where))


def _take_in(holder: Mapping[str, Any], where: Place) -> dict[str, Any]:
    key = key_of(holder, where.attribute)
    if key is None:
        return dict(holder)
    value = holder[key]
    if where.sub is None and where.where is None:
        return _with(holder, key, None)
    if isinstance(value, list):
        left = [kept for element in value if (kept := _take_element(element, where)) is not None]
        return _with(holder, key, left)
    if isinstance(value, dict) and where.sub is not None:
        sub = key_of(value, where.sub)
        return _with(holder, key, {name: inner for name, inner in value.items() if name != sub})
    return dict(holder)


def _take_element(element: Any, where: Place) -> Any | None:
    if not isinstance(element, dict) or not is_match(element, where.where or ()):
        return element
    if where.sub is None:
        return None
    sub = key_of(element, where.sub)
    left = {name: value for name, value in element.items() if name != sub}
    return left if set(left) - COMPANIONS else None


def _with(holder: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    if value in (None, [], {}):
        return {name: inner for name, inner in holder.items() if name != key}
    return {**holder, key: value}


def select_in(value: Any, where: Place) -> Iterator[tuple[int | None, Any]]:
    if isinstance(value, list) and (where.where is not None or where.sub is not None):
        for index, element in enumerate(value):
            if where.where is not None and not is_match(element, where.where):
                continue
            if (found := _sub_of(element, where.sub)) is not None:
                yield index, found
    elif (where.where is None or is_match(value, where.where)) and (
        found := _sub_of(value, where.sub)
    ) is not None:
        yield None, found


def _sub_of(value: Any, sub: str | None) -> Any:
    if sub is None:
        return value
    if not isinstance(value, dict):
        # a plain string among objects is its own value: ["role1"] and [{"value": "role1"}] are alike
        return value if sub == "value" and isinstance(value, str) else None
    key = key_of(value, sub)
    return None if key is None else value[key]


def _same(left: Any, right: Any) -> bool:
    return bool(comparable(left) == comparable(right))


def comparable(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.casefold() if isinstance(value, str) else value


def _parts(path: Path) -> tuple[AttrPath, Terms | None, str | None]:
    if isinstance(path, AttrPath):
        return path, None, None
    if isinstance(path, ValuePath):
        return path.attr_path, tuple(_terms(path.val_filter)), path.sub_attr
    raise InvalidPath("path: a comparison is no place")


def _terms(tree: Filter) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, LogicalExpr) and tree.op == LogicalOperator.and_:
        for term in tree.terms:
            yield from _terms(term)
    elif isinstance(tree, Comparison) and tree.op == CompareOperator.eq:
        yield tree.attr_path.attr, tree.value
    else:
        raise InvalidPath("path: only `eq` terms joined by `and` can pick elements here")
