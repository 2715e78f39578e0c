"""What a query asks, as it is about one type: its filter in the standard's spelling, and its order. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.errors import InvalidFilter, InvalidPath, InvalidValue
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
    Sort,
    ValuePath,
    leaves,
    parse_path,
)
from gateway.scim.names import CORE_URNS, UNKNOWN, Attribute, get, is_standard, resource
from gateway.scim.predicate import attribute_of, attributes_named, filled, is_exact, predicate, simple, sub_of

_CORE: Final = frozenset(urn.casefold() for urn in CORE_URNS.values())


def for_type(
    filter: Filter, kind: str, knows: Callable[[AttrPath], bool] = lambda path: True
) -> Filter | bool:
    """Return what is left to be asked of one type, True for all and False for none of it.

    What it does not know, or only another type has, is absent; each has its own `meta.resourceType`.
    """
    match filter:
        case LogicalExpr():
            return _joined(filter.op, [for_type(term, kind, knows) for term in filter.terms])
        case Not():
            inner = for_type(filter.expr, kind, knows)
            return not inner if isinstance(inner, bool) else Not(inner)
        case Comparison() | Present() | ValuePath():
            if knows(filter.attr_path) and not _is_settled(filter.attr_path, kind):
                return filter
            return bool(predicate(filter, kind)({"meta": {"resourceType": kind}}))
    return filter  # pragma: no cover - the grammar is closed


def refuse_unordered(filter: Filter) -> None:
    """Raise InvalidFilter where true and false are to be in an order (RFC 7644 section 3.4.2.2)."""
    for leaf, path in zip(leaves(filter), attributes_named(filter), strict=True):
        if isinstance(leaf, Comparison) and leaf.op in _ORDERS:
            known = [attribute_of(path, resource(kind)) for kind in CORE_URNS]
            subs = [one.find(path.sub_attr or "value") or UNKNOWN if one.sub else one for one in known]
            if isinstance(leaf.value, bool) or any(one.boolean for one in subs):
                raise InvalidFilter(f"filter: {path} {leaf.op} …: true and false have no order")


_ORDERS: Final = frozenset({CompareOperator.gt, CompareOperator.ge, CompareOperator.lt, CompareOperator.le})


def boolean_literals(filter: Filter, known: Attribute) -> Filter:
    """Return the filter with "True" and "false" as booleans where the attribute is one."""
    match filter:
        case LogicalExpr(op, terms):
            return LogicalExpr(op, tuple(boolean_literals(term, known) for term in terms))
        case Not(inner):
            return Not(boolean_literals(inner, known))
        case ValuePath(path, inner, sub):
            return ValuePath(path, boolean_literals(inner, attribute_of(path, known)), sub)
        case Comparison(path, op, value):
            return Comparison(path, op, _literal(value, path, known))
    return filter


def _literal(value: Any, path: AttrPath, known: Attribute) -> Any:
    attribute = attribute_of(path, known)
    if attribute.sub:
        attribute = attribute.find(path.sub_attr or "value") or UNKNOWN
    return truth(value) if attribute.boolean else value


def _is_settled(path: AttrPath, kind: str) -> bool:
    """Say whether the type of a resource alone tells what a test of this attribute comes to."""
    if (path.attr.casefold(), (path.sub_attr or "").casefold()) == ("meta", "resourcetype"):
        return True
    urn = (path.uri or CORE_URNS[kind]).casefold()
    if urn in _CORE and urn != CORE_URNS[kind].casefold():
        return True
    is_own = attribute_of(path, resource(kind)) is not UNKNOWN
    return not is_own and is_standard(path.uri, path.attr)


def _joined(op: LogicalOperator, terms: list[Filter | bool]) -> Filter | bool:
    decides = op is LogicalOperator.or_  # one True decides an `or`, one False an `and`
    if decides in [term for term in terms if isinstance(term, bool)]:
        return decides
    left = tuple(term for term in terms if not isinstance(term, bool))
    if not left:
        return not decides
    return left[0] if len(left) == 1 else LogicalExpr(op, left)


def spelled(filter: Filter, known: Attribute) -> Filter:
    """Return the filter with every attribute that `known` has under its right name."""
    match filter:
        case LogicalExpr():
            return replace(filter, terms=tuple(spelled(term, known) for term in filter.terms))
        case Not():
            return replace(filter, expr=spelled(filter.expr, known))
        case ValuePath():
            path = _path(filter.attr_path, known)
            inner = spelled(filter.val_filter, attribute_of(path, known))
            return replace(filter, attr_path=path, val_filter=inner)
        case Comparison() | Present():
            return replace(filter, attr_path=_path(filter.attr_path, known))
    return filter  # pragma: no cover - the grammar is closed


def _path(path: AttrPath, known: Attribute) -> AttrPath:
    attribute, urn = attribute_of(path, known), path.uri and known.find(path.uri)
    sub = path.sub_attr and attribute.find(path.sub_attr)
    return AttrPath(
        attribute.name or path.attr,
        sub.name if sub else path.sub_attr,
        urn.name if urn else path.uri,
    )


_DESCENDING: Final = {"": False, "ascending": False, "descending": True}
Rank = tuple[bool, bool, float | str]  # what is absent is the greatest, so it comes last or first


def parse_sort(by: str, order: str) -> Sort:
    """Return the order that `sortBy` and `sortOrder` ask for; raises InvalidPath and InvalidValue."""
    path = parse_path(by)
    if not isinstance(path, AttrPath):
        raise InvalidPath("sortBy: name an attribute, such as userName or name.familyName")
    if order.casefold() not in _DESCENDING:
        raise InvalidValue("sortOrder is neither ascending nor descending")
    return Sort(path, _DESCENDING[order.casefold()])


def sort_value(path: AttrPath, kind: str) -> Callable[[Mapping[str, Any]], float | str | None]:
    """Return what gives the value a document is ordered by: a number, folded text, or None where absent.

    Of a multi-valued attribute it is the primary value, else the first.
    """
    exact = is_exact(path, resource(kind))

    def value(document: Mapping[str, Any]) -> float | str | None:
        found = list(filled(document, path))
        if not found:
            return None
        chosen = next((element for element in found if _is_primary(element)), found[0])
        return _ordered(simple(chosen if path.sub_attr is None else sub_of(chosen, path.sub_attr)), exact)

    return value


def rank(sort: Sort, kind: str) -> Callable[[Mapping[str, Any]], Rank]:
    """Return what documents are compared by, ascending: numbers, then texts, then those without a value."""
    value_of = sort_value(sort.by, kind)

    def rank_of(document: Mapping[str, Any]) -> Rank:
        value = value_of(document)
        return value is None, isinstance(value, str), 0.0 if value is None else value

    return rank_of


def _ordered(value: Any, exact: bool) -> float | str | None:
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str) or not value:
        return None
    return value if exact else fold(value)


def _is_primary(element: Any) -> bool:
    return isinstance(element, dict) and truth(get(element, "primary")) is True
