"""A filter as it is about one type of resource (RFC 7644 section 3.4.2.1). Pure."""

from collections.abc import Callable
from typing import Any, Final

from gateway.scim.documents import truth
from gateway.scim.grammar import (
    AttrPath,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from gateway.scim.names import CORE_URNS, UNKNOWN, Attribute, is_standard, resource
from gateway.scim.predicate import attribute_of, predicate

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
