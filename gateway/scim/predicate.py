"""A filter as a question to one document (RFC 7644 section 3.4.2.2), on plain dicts. Pure."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from gateway.scim.documents import fold, truth
from gateway.scim.grammar import (
    AttrPath,
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
    leaves,
)
from gateway.scim.names import CORE_URNS, EMPTY, UNKNOWN, Attribute, get, resource

Test = Callable[[Any], bool]  # of a document, an element or a value

_CORE: Final = frozenset(urn.casefold() for urn in CORE_URNS.values())
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)  # RFC 7643 section 2.3.5


def predicate(filter: Filter, kind: str = "User") -> Test:
    """Return the test of a filter, for documents of a resource type; it never raises."""
    return element_predicate(filter, resource(kind))


def element_predicate(filter: Filter, known: Attribute) -> Test:
    """Return the test of a filter, for objects whose sub-attributes are those of `known`."""
    match filter:
        case LogicalExpr():
            tests = [element_predicate(term, known) for term in filter.terms]
            return _all(tests) if filter.op is LogicalOperator.and_ else _any(tests)
        case Not():
            return _not(element_predicate(filter.expr, known))
        case ValuePath():
            return _value_path(filter, known)
        case Present():
            return _present(filter.attr_path)
        case Comparison():
            return _comparison(filter, known)
    raise TypeError(
        f"no such filter node: {type(filter).__name__}"
    )  # pragma: no cover - the grammar is closed


def attributes_named(filter: Filter) -> tuple[AttrPath, ...]:
    """Return every attribute a filter names, in order; those in brackets with the attribute before them."""
    match filter:
        case LogicalExpr():
            return tuple(path for term in filter.terms for path in attributes_named(term))
        case Not():
            return attributes_named(filter.expr)
        case ValuePath():
            outer = filter.attr_path
            subs = (leaf.attr_path for leaf in leaves(filter.val_filter))
            return tuple(AttrPath(outer.attr, sub.attr, outer.uri) for sub in subs)
        case Comparison() | Present():
            return (filter.attr_path,)
    return ()  # pragma: no cover - the grammar is closed


def equal(left: Any, right: Any, *, exact: bool = False) -> bool:
    """Say whether two values are the same; texts in any case unless `exact`, true and "True" alike."""
    return _equals(right, exact)(left)


def _all(tests: list[Test]) -> Test:
    return lambda holder: all(test(holder) for test in tests)


def _any(tests: list[Test]) -> Test:
    return lambda holder: any(test(holder) for test in tests)


def _not(test: Test) -> Test:
    return lambda holder: not test(holder)


def _value_path(filter: ValuePath, known: Attribute) -> Test:
    attribute = attribute_of(filter.attr_path, known)
    test = element_predicate(filter.val_filter, attribute)
    return lambda holder: any(test(element) for element in filled(holder, filter.attr_path))


def _present(path: AttrPath) -> Test:
    return lambda holder: any(_is_present(value) for value in _values(holder, path))


def _comparison(filter: Comparison, known: Attribute) -> Test:
    path = filter.attr_path
    if filter.op is CompareOperator.ne:  # of several values none may be the same; what is absent differs
        return _not(_comparison(replace(filter, op=CompareOperator.eq), known))
    if filter.value is None:
        return _not(_present(path)) if filter.op is CompareOperator.eq else lambda holder: False
    test = _OPERATORS[filter.op](filter.value, is_exact(path, known))
    return lambda holder: any(test(simple(value)) for value in _values(holder, path))


def attribute_of(path: AttrPath, known: Attribute) -> Attribute:
    """Return what the standard says of the attribute a path begins with."""
    in_core = path.uri is None or path.uri.casefold() in _CORE
    holder = known if in_core else known.find(path.uri or "") or UNKNOWN
    return holder.find(path.attr) or UNKNOWN


def is_exact(path: AttrPath, known: Attribute) -> bool:
    """Say whether the values a path leads to are compared in their own case (`caseExact`)."""
    attribute = attribute_of(path, known)
    if attribute.sub:
        attribute = attribute.find(path.sub_attr or "value") or UNKNOWN
    return attribute.case_exact


def _elements(holder: Any, path: AttrPath) -> Iterator[Any]:
    """Yield the values of the attribute a path begins with, lists taken apart."""
    in_extension = path.uri is not None and path.uri.casefold() not in _CORE
    value = _of_extension(holder, path) if in_extension else sub_of(holder, path.attr)
    yield from value if isinstance(value, list) else (value,)


def filled(holder: Any, path: AttrPath) -> Iterator[Any]:
    """Yield the elements there are: of an attribute that is absent, none can be what brackets pick."""
    return (element for element in _elements(holder, path) if element not in EMPTY)


def _of_extension(document: Any, path: AttrPath) -> Any:
    """Return an extension's attribute; a path that is a URN and no more means the extension itself."""
    if not isinstance(document, dict) or path.uri is None:
        return None
    extension = get(document, path.uri)
    if extension is None:
        return get(document, f"{path.uri}:{path.attr}")
    return sub_of(extension, path.attr)


def _values(holder: Any, path: AttrPath) -> Iterator[Any]:
    """Yield every value a path leads to, what is absent left out."""
    for element in _elements(holder, path):
        value = element if path.sub_attr is None else sub_of(element, path.sub_attr)
        yield from (item for item in (value if isinstance(value, list) else (value,)) if item not in EMPTY)


def sub_of(holder: Any, name: str) -> Any:
    """Return a value by name; plain text is its own `value`, as in schemas or ["role1"]."""
    if isinstance(holder, dict):
        return get(holder, name)
    return holder if name.casefold() == "value" else None


def simple(value: Any) -> Any:
    """Return what stands for a complex value in a comparison: its `value`."""
    return get(value, "value") if isinstance(value, dict) else value


def _is_present(value: Any) -> bool:
    if isinstance(value, dict):
        return any(inner not in EMPTY for inner in value.values())
    return value not in EMPTY


def _equals(literal: Any, exact: bool) -> Test:
    if isinstance(truth(literal), bool):
        return _equals_boolean(literal, exact)
    if not isinstance(literal, str):
        return lambda value: not isinstance(value, bool) and value == literal
    wanted, instant = _comparable(literal, exact), moment(literal)
    if instant is not None:
        return lambda value: isinstance(value, str) and (value == literal or moment(value) == instant)
    return lambda value: isinstance(value, str) and _comparable(value, exact) == wanted


def _equals_boolean(literal: Any, exact: bool) -> Test:
    """Compare as booleans where either side is one; "true" and "TRUE" as texts otherwise."""

    def test(value: Any) -> bool:
        if isinstance(literal, str) and isinstance(value, str):
            return _comparable(value, exact) == _comparable(literal, exact)
        return truth(value) is truth(literal)

    return test


def _text_test(compare: Callable[[str, str], bool]) -> Callable[[Any, bool], Test]:
    def test_for(literal: Any, exact: bool) -> Test:
        if not isinstance(literal, str):
            return lambda value: False
        wanted = _comparable(literal, exact)
        return lambda value: isinstance(value, str) and compare(_comparable(value, exact), wanted)

    return test_for


def _order_test(compare: Callable[[Any, Any], bool]) -> Callable[[Any, bool], Test]:
    def test_for(literal: Any, exact: bool) -> Test:
        if isinstance(literal, str):
            return _text_order(compare, literal, exact)
        if isinstance(literal, bool):
            return lambda value: False  # RFC 7644: booleans have no order
        return lambda value: _is_number(value) and compare(value, literal)

    return test_for


def _text_order(compare: Callable[[Any, Any], bool], literal: str, exact: bool) -> Test:
    wanted, instant = _comparable(literal, exact), moment(literal)

    def test(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if instant is not None and (found := moment(value)) is not None:
            return compare(found, instant)
        return compare(_comparable(value, exact), wanted)

    return test


_OPERATORS: Final[Mapping[CompareOperator, Callable[[Any, bool], Test]]] = {
    CompareOperator.eq: _equals,
    CompareOperator.co: _text_test(operator.contains),
    CompareOperator.sw: _text_test(str.startswith),
    CompareOperator.ew: _text_test(str.endswith),
    CompareOperator.gt: _order_test(operator.gt),
    CompareOperator.ge: _order_test(operator.ge),
    CompareOperator.lt: _order_test(operator.lt),
    CompareOperator.le: _order_test(operator.le),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _comparable(text: str, exact: bool) -> str:
    return text if exact else fold(text)


def moment(text: str) -> datetime | None:
    """Return a date-time as an instant, UTC where it names no zone; None for any other text."""
    if not _DATE_TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
