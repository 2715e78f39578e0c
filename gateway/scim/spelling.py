"""A filter in the standard's spelling: names match in any case here, but not at every target. Pure."""

from dataclasses import replace

from gateway.scim.grammar import AttrPath, Comparison, Filter, LogicalExpr, Not, Present, ValuePath
from gateway.scim.names import Attribute
from gateway.scim.predicate import attribute_of


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
