"""The values of a multi-valued attribute while a PATCH changes them. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.errors import InvalidValue, TooLarge
from gateway.scim.documents import fold, one_form, truth
from gateway.scim.grammar import CompareOperator, Comparison, Filter, leaves
from gateway.scim.jsontext import (
    MAX_BODY,
    MAX_ELEMENTS,
    MAX_NAMES,
    MAX_VALUES,
    count_values,
    dump,
    refuse_many,
)
from gateway.scim.names import COMPANIONS, EMPTY, UNKNOWN, Attribute, get, key_of
from gateway.scim.predicate import element_predicate, equal

MAX_LOOKS: Final = 200_000  # comparisons of elements by one PATCH: some tenths of a second


def merged(present: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with fresh values laid over it, under the names it has; raises InvalidValue."""
    names = {name.casefold(): name for name in present}
    result = {**present, **{names.get(name.casefold(), name): value for name, value in fresh.items()}}
    refuse_growth(len(present), result)
    return result


def refuse_growth(before: int, after: Mapping[str, Any]) -> None:
    """Raise InvalidValue where an object of `before` attributes is larger now than a body may have it."""
    if len(after) > max(MAX_NAMES, before):
        raise InvalidValue(f"no object can have more than {MAX_NAMES} attributes")


def refuse_larger(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise TooLarge where a resource has become larger than a body may have it."""
    text = dump(after)
    if len(text) > MAX_ELEMENTS:
        there = dump(before)
        if len(text) > max(MAX_BODY, len(there)):
            raise TooLarge(f"the resource would be larger than {MAX_BODY} bytes")
        refuse_many(text, max(MAX_VALUES, count_values(there)))
        _refuse_longer(before, after)


def _refuse_longer(before: Any, after: Mapping[str, Any]) -> None:
    """Raise InvalidValue where a list, of the core or of an extension, has become longer than it may be."""
    for name, value in after.items():
        present = before.get(name) if isinstance(before, dict) else None
        if isinstance(value, dict):
            _refuse_longer(present, value)
        elif isinstance(value, list):
            most = len(present) if isinstance(present, list) else 0
            if len(value) > max(MAX_ELEMENTS, most):
                raise InvalidValue(f"{name} has more than {MAX_ELEMENTS} elements")


class Looks:
    """What one PATCH may still compare, in all of its lists."""

    def __init__(self) -> None:
        self._left = MAX_LOOKS

    def take(self, comparisons: int) -> None:
        """Count comparisons that are about to be made; raises InvalidValue where they are too many."""
        self._left -= comparisons
        if self._left < 0:
            raise InvalidValue(
                f"more than {MAX_LOOKS} comparisons with elements: send fewer operations at once"
            )


class Elements:
    """Keeps the order, leaves its input alone, and finds an element by its `value` without a search.

    Elements are known by their places: numbers that stay while others come and go.
    """

    def __init__(self, source: Any, known: Attribute, looks: Looks | None = None) -> None:
        self._source = source
        self._is_changed = False
        self.known = known
        self._elements: dict[int, Any] = dict(enumerate(_as_list(source)))
        self._next = len(self._elements)
        self._places: dict[str | None, list[int]] | None = None  # by folded value; made when first needed
        self._looks = looks or Looks()

    def __getitem__(self, place: int) -> Any:
        return self._elements[place]

    def plain(self) -> Any:
        """Return the elements in order, or None for none; the source itself where nothing changed."""
        return (
            one_form(list(self._elements.values()), self.known) or None if self._is_changed else self._source
        )

    def select(self, filter: Filter | None) -> list[int]:
        """Return the places of the elements a filter picks; None picks all."""
        if filter is None:
            return list(self._elements)
        test = element_predicate(filter, self.known)
        candidates = self._candidates(_value_in(filter), sum(1 for _ in leaves(filter)))
        return [place for place in candidates if test(self._elements[place])]

    def alike(self, part: Any) -> list[int]:
        """Return the places of the elements that have every value of `part`; text stands for a `value`."""
        candidates = self._candidates(_value_of(part), len(part) if isinstance(part, dict) else 1)
        return [place for place in candidates if self._has(self._elements[place], part)]

    def add(self, element: Any) -> int:
        """Add an element, or lay it over the one that has its value and no other type; return its place."""
        place = self._place_for(element)
        if place is None:
            place, self._next = self._next, self._next + 1
        elif isinstance(element, dict):
            element = merged(as_element(self._elements[place]), element)
        else:
            return place
        self.put(place, element)
        return place

    def put(self, place: int, element: Any) -> None:
        """Set the element at a place."""
        before = self._elements.get(place)
        if before == element:
            return
        self._elements[place] = element
        self._is_changed = True
        if self._places is not None and (before is None or _value_of(before) != _value_of(element)):
            self._places.setdefault(_value_of(element), []).append(place)

    def drop(self, place: int) -> None:
        """Take an element away."""
        del self._elements[place]
        self._is_changed = True

    def drop_sub(self, place: int, sub: str) -> None:
        """Take a sub-attribute away, and the element where no more than its companions is left."""
        element = self._elements.get(place)
        if not isinstance(element, dict) or (key := key_of(element, sub)) is None:
            return
        left = {name: value for name, value in element.items() if name != key}
        if left and (key in COMPANIONS or set(left) - COMPANIONS):
            self.put(place, left)
        else:
            self.drop(place)

    def demote_others(self, places: Iterable[int]) -> None:
        """Leave one primary, the last of these places that is; none of them primary changes nothing."""
        primary = [place for place in places if place in self._elements and self._is_primary(place)]
        for place in self._candidates(None) if primary else ():
            if place != primary[-1] and self._is_primary(place):
                self.put(place, merged(self._elements[place], {"primary": False}))

    def _is_primary(self, place: int) -> bool:
        element = self._elements[place]
        return isinstance(element, dict) and equal(get(element, "primary"), True)

    def _place_for(self, element: Any) -> int | None:
        if not isinstance(element, dict) or get(element, "value") is None:
            return next(iter(self.alike(element)), None)
        same = self.alike({"value": get(element, "value")})
        return next((place for place in same if self._is_same_type(self._elements[place], element)), None)

    def _is_same_type(self, present: Any, fresh: Mapping[str, Any]) -> bool:
        types = [kind for kind in (get(as_element(present), "type"), get(fresh, "type")) if kind is not None]
        return len(types) < 2 or equal(types[0], types[1])

    def _has(self, element: Any, part: Any) -> bool:
        if isinstance(part, dict):
            own = as_element(element)
            return all(
                equal(get(own, name), value, exact=self._is_exact(name)) for name, value in part.items()
            )
        return equal(get(element, "value") if isinstance(element, dict) else element, part, exact=True)

    def _is_exact(self, name: str) -> bool:
        return (self.known.find(name) or UNKNOWN).case_exact

    def _candidates(self, value: str | None, comparisons: int = 1) -> list[int]:
        """Return the places that may have a value; None: all. Each is compared so many times."""
        found = list(self._elements) if value is None else self._by_value(value)
        self._looks.take(comparisons * (len(found) if value is None else max(0, len(found) - 1)))
        return found

    def _by_value(self, value: str) -> list[int]:
        if self._places is None:
            self._places = {}
            for place, element in self._elements.items():
                self._places.setdefault(_value_of(element), []).append(place)
        places = dict.fromkeys(self._places.get(value, ()))  # outdated ones are left in, and none is twice
        return [place for place in places if place in self._elements]


def as_element(element: Any) -> Mapping[str, Any]:
    """Return an element as an object: a text, or another plain value, is its own `value`."""
    return element if isinstance(element, dict) else {"value": element}


def _as_list(source: Any) -> list[Any]:
    if source in EMPTY:
        return []
    return source if isinstance(source, list) else [source]


def _value_of(element: Any) -> str | None:
    value = get(element, "value") if isinstance(element, dict) else element
    return fold(value) if isinstance(value, str) else None


def _value_in(filter: Filter) -> str | None:
    """Return the folded value that a filter asks for and nothing else, or None."""
    if not isinstance(filter, Comparison) or filter.op is not CompareOperator.eq:
        return None
    path, literal = filter.attr_path, filter.value
    if path.attr.casefold() != "value" or path.sub_attr or path.uri or not isinstance(literal, str):
        return None
    return None if isinstance(truth(literal), bool) else fold(literal)
