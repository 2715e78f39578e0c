"""In which order a query wants what it finds (RFC 7644 section 3.4.2.3). Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import InvalidPath, InvalidValue
from gateway.scim.documents import fold, truth
from gateway.scim.grammar import AttrPath, parse_path
from gateway.scim.names import get, resource
from gateway.scim.predicate import filled, is_exact, simple, sub_of

_DESCENDING: Final = {"": False, "ascending": False, "descending": True}
Rank = tuple[bool, bool, float | str]  # what is absent is the greatest, so it comes last or first


@dataclass(frozen=True, slots=True)
class Sort:
    """The attribute by whose value entries are ordered, and which way."""

    by: AttrPath
    descending: bool = False


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
