"""A provider's filter in the target's names and values, where that can be said. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.mapping.program import SERVER_OWNED
from gateway.mapping.rules import Rule
from gateway.mapping.specs import Person, Unusable
from gateway.mapping.target import TargetMapping
from gateway.scim.documents import truth
from gateway.scim.filters import spelled
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
)
from gateway.scim.names import EMPTY, resource
from gateway.scim.paths import Place, compiled

_INVENT: Final = frozenset({"constant", "template"})  # transforms that do not look at the value


def translate(filter: Filter, mapping: TargetMapping) -> Filter | None:
    """Return the filter as the target must be asked, None where its pages have to be searched here."""
    return _translated(spelled(filter, resource(mapping.kind)), mapping)


def equals(filter: Filter) -> dict[str, Any]:
    """Return what every match must equal, by attribute: the `eq` terms that are and-ed at the top."""
    if isinstance(filter, LogicalExpr) and filter.op == LogicalOperator.and_:
        return {name: value for term in filter.terms for name, value in equals(term).items()}
    if isinstance(filter, Comparison) and filter.op == CompareOperator.eq and isinstance(filter.value, str):
        where = compiled(filter.attr_path)
        is_whole = where.urn is None and (where.sub or "value").casefold() == "value"
        return {where.attribute.casefold(): filter.value} if is_whole else {}
    if isinstance(filter, ValuePath) and filter.attr_path.attr.casefold() == "emails":
        inner = equals(filter.val_filter)
        return {"emails": inner["value"]} if "value" in inner else {}
    return {}


def asks_for_inactive(filter: Filter) -> bool:
    """Say whether every match must be inactive: by a term that is and-ed at the top."""
    if isinstance(filter, LogicalExpr) and filter.op == LogicalOperator.and_:
        return any(map(asks_for_inactive, filter.terms))
    if not isinstance(filter, Comparison) or filter.op != CompareOperator.eq:
        return False
    where = compiled(filter.attr_path)
    is_active = where.attribute.casefold() == "active" and where.sub is None
    return is_active and truth(filter.value) is False


def is_shown_as_it_is(path: AttrPath, mapping: TargetMapping) -> bool:
    """Say whether the target has the same values of an attribute as we show."""
    return _is_untouched(mapping, compiled(path))


def _translated(filter: Filter, mapping: TargetMapping) -> Filter | None:
    return _TRANSLATIONS[type(filter)](filter, mapping)


def _comparison(filter: Comparison, mapping: TargetMapping) -> Filter | None:
    where = compiled(filter.attr_path)
    rule = mapping.rule_for_source(where)
    if rule is None:
        return filter if _is_untouched(mapping, where) else None
    if filter.op != CompareOperator.eq or not _is_plain(rule) or mapping.precedence.has_rivals(rule):
        return None
    try:
        value = rule.apply(filter.value, "", Person(), None)  # of no country: everybody has their own
    except Unusable:
        return None
    return None if value in EMPTY or isinstance(value, (dict, list)) else _asked(rule, where, value)


def _is_plain(rule: Rule) -> bool:
    """Say whether a rule makes the same of the same value for everybody, and of no other."""
    is_for_all = rule.when is None and len(rule.sources) == 1 and rule.default in EMPTY
    return is_for_all and not any(transform.name in _INVENT for transform in rule.via)


def _is_untouched(mapping: TargetMapping, where: Place) -> bool:
    """Say whether a target has an attribute as we show it; ids, times and groups are our own."""
    return where.attribute.casefold() not in SERVER_OWNED and mapping.is_untouched(where)


def _asked(rule: Rule, where: Place, value: Any) -> Filter:
    to = rule.to
    sub = to.sub or (where.sub if to.where is not None else None)
    if to.where is None:
        return Comparison(AttrPath(to.attribute, to.sub, to.urn), CompareOperator.eq, value)
    terms = [Comparison(AttrPath(name), CompareOperator.eq, wanted) for name, wanted in to.where]
    terms.append(Comparison(AttrPath(sub or "value"), CompareOperator.eq, value))
    return ValuePath(AttrPath(to.attribute, None, to.urn), LogicalExpr(LogicalOperator.and_, tuple(terms)))


def _present(filter: Present, mapping: TargetMapping) -> Filter | None:
    return filter if _is_untouched(mapping, compiled(filter.attr_path)) else None


def _not(filter: Not, mapping: TargetMapping) -> Filter | None:
    inner = _translated(filter.expr, mapping)
    return None if inner is None else Not(inner)


def _logical(filter: LogicalExpr, mapping: TargetMapping) -> Filter | None:
    terms = [translated for term in filter.terms if (translated := _translated(term, mapping)) is not None]
    return LogicalExpr(filter.op, tuple(terms)) if len(terms) == len(filter.terms) else None


def _value_path(filter: ValuePath, mapping: TargetMapping) -> Filter | None:
    return filter if _is_untouched(mapping, compiled(filter.attr_path)) else None


_TRANSLATIONS: Final[Mapping[type, Callable[[Any, TargetMapping], Filter | None]]] = {
    Comparison: _comparison,
    Present: _present,
    Not: _not,
    LogicalExpr: _logical,
    ValuePath: _value_path,
}
