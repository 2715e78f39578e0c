"""A rule of a target's mapping, forward and backward, and which rule a difference belongs to. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from gateway.mapping.specs import Person, Transform, Unusable, each_back
from gateway.scim.difference import Difference, Selector, Step
from gateway.scim.grammar import Filter
from gateway.scim.names import CORE_USER, EMPTY, is_multi_valued, is_standard, is_urn, key_of
from gateway.scim.paths import ANYWHERE, Place, Terms, is_match, put, select, take
from gateway.values import frozen

_TRIMMED: Final = each_back(str.strip)
MADE: Final = frozenset({"template", "constant"})  # these write the same whatever the value is


class OnInvalid(StrEnum):
    """What becomes of a value that a rule cannot use."""

    REJECT = "reject"  # the change is refused, with the reason
    DROP = "drop"  # the target is left without it
    KEEP = "keep"  # it is sent as it came


class Unlisted(StrEnum):
    """What becomes of what no rule names."""

    SEND = "send"
    HOLD = "hold"  # kept and returned, never sent
    DROP = "drop"  # forgotten


@frozen
class TransformStep:
    """One transform at work, for `explain`."""

    to: str
    source: str
    transform: str
    before: Any
    after: Any


@frozen
class Problem:
    """A value that cannot be sent: its path at the provider, the rule, and why; never the value."""

    path: str
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} (rule {self.rule})"


@frozen
class Rule:
    """A rule as it was read: its paths and transforms compiled."""

    to: Place
    sources: tuple[Place, ...]
    via: tuple[Transform, ...]
    when: Callable[[Mapping[str, Any]], bool] | None
    default: Any
    on_invalid: OnInvalid
    label: str  # its origin and target path: dialpad@1:title
    in_directory: bool = False  # it writes what LDAP takes: several values, none with blanks around it
    condition: Filter | None = None  # what `when` tests
    is_own: bool = True  # of the configuration, not of a preset
    excuses: bool = False  # for whom it holds, what the preset requires there is not required

    in_place: bool = field(init=False)  # source and target are one path: every element is handled by itself

    def __post_init__(self) -> None:
        in_place = len(self.sources) == 1 and _same_place(self.sources[0], self.to)
        object.__setattr__(self, "in_place", in_place)

    @property
    def is_sole(self) -> bool:
        """Where one path alone can give the target what the rule writes."""
        return len(self.sources) == 1 and self.when is None and self.default in EMPTY

    @property
    def writes_one_of_several(self) -> bool:
        """Where a directory may have values beside the one that the rule writes."""
        is_whole = self.to.urn is None and self.to.where is None and self.to.sub is None
        return self.in_directory and is_whole and not any(step.name == "split" for step in self.via)

    def source(self, original: Mapping[str, Any]) -> tuple[Place, list[tuple[int | None, Any]]]:
        """Return the first source that is present and all it points to, else the first one and []."""
        for candidate in self.sources:
            for spot in _spots(original, candidate):
                if found := [(at, value) for at, value in select(original, spot) if value not in EMPTY]:
                    return spot, found
        return self.sources[0], []

    def apply(self, value: Any, source: str, person: Person, steps: list[TransformStep] | None) -> Any:
        """Return the value after all transforms, None for absent; raises Unusable."""
        if self.in_directory and (value := _TRIMMED(value)) in EMPTY:
            return None
        for transform in self.via:
            before, value = value, transform.apply(value, person)
            if steps is not None:
                steps.append(TransformStep(self.to.text, source, transform.name, before, value))
            if not value and value in EMPTY:
                return None
        if self.in_directory and (value := _TRIMMED(value)) in EMPTY:
            return None
        return value

    def invert(self, value: Any, known: Any = None) -> Any:
        """Return a target's value as the provider would have sent it, as far as that is possible.

        Where the provider has a list, or objects, as in `known`, they are not made one text.
        """
        for transform in reversed(self.via):
            if transform.invert is not None and value is not None and not _is_shape(transform.name, known):
                value = transform.invert(value)
        return value

    def normal(self, value: Any, person: Person) -> Any:
        """Return a value as this rule would write it, to compare what a target shows with what it showed."""
        if any(transform.name in MADE for transform in self.via):
            return value
        try:
            return self.apply(value, "", person, None) if value not in EMPTY else None
        except Unusable:
            return value

    def undone(self, difference: Difference) -> Difference | None:
        """Return a difference at the target as one at the provider; None where that has no such path.

        Elements are found by their type: their value may be written in two ways.
        """
        steps, sub, after = difference.steps, self.to.sub, difference.after
        if not self.in_place or any(isinstance(step, Selector) and step.name != "type" for step in steps):
            return None
        if isinstance(after, dict) and isinstance(steps[-1], Selector):
            key = key_of(after, sub or "value")
            return replace(difference, after=after if key is None else after | {key: self.invert(after[key])})
        if isinstance(after, list) and sub is not None:
            return None
        return replace(difference, after=self.invert(after))

    def unwrite(self, entry: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document with this rule's value as the entry has it, under the provider's name."""
        found = list(select(entry, self.to))
        if self.in_place and any(at is not None for at, _ in found):
            return _unwrite_elements(entry, document, self)
        at, known = next(_present(document, self.sources), (self.sources[0], None))
        if found and (value := self.invert(found[0][1], known)) not in EMPTY:
            return put(document, _spot(document, at), value, many=is_many(at))
        return take(document, at)

    def said(self, document: Mapping[str, Any]) -> list[Any]:
        """Return all values of which this rule takes one; whether they are primary picks it, and no more."""
        found = [value for _, value in select(document, _unpicked(self.source(document)[0]))]
        return [one for value in found for one in (value if isinstance(value, list) else [value])]

    def beside(self, document: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
        """Return the document with further values of the target, as elements; one value has room for none."""
        at = _unpicked(self.source(document)[0])
        result, sub = dict(document), at.sub
        if is_many(at) and sub is not None:
            for value in map(self.invert, values):
                where = (*(at.where or ()), (sub, value))
                result = put(result, replace(at, where=where), value, many=True)
        elif sub is None and not is_standard(at.urn, at.attribute, None):
            known = [value for _, value in select(document, at)]
            result = put(result, at, [*known, *map(self.invert, values)], many=False)
        return result


def is_many(where: Place) -> bool:
    """Say whether a place stands in a multi-valued attribute."""
    return where.where is not None or is_multi_valued(where.attribute)


def choose(found: Sequence[tuple[int | None, Any]], original: Mapping[str, Any], source: Place) -> int:
    """Return which of several values is taken where there is room for one: the primary, else the first."""
    if len(found) == 1:
        return 0
    primaries = {at for at, value in select(original, _primary_of(source)) if value in (True, "true", "True")}
    return next((n for n, (at, _) in enumerate(found) if at in primaries), 0)


def _present(document: Mapping[str, Any], sources: Sequence[Place]) -> Iterator[tuple[Place, Any]]:
    """Yield the sources that a document has something at, with it."""
    for source in sources:
        yield from ((source, value) for _, value in select(document, source) if value not in EMPTY)


def _is_shape(name: str, known: Any) -> bool:
    """Say whether a transform only made the shape that a value has at the provider, too."""
    if not isinstance(known, list):
        return False
    return name == "split" or (name == "objects" and any(isinstance(item, dict) for item in known))


def _unwrite_elements(entry: Mapping[str, Any], document: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    """Return the document with every element that a rule names as the entry has it; the others stay."""
    whole, terms = replace(rule.to, where=None, sub=None), rule.to.where
    there = _elements(document, whole)
    old = [element for element in there if _is_named(element, terms)]
    fresh = [_inverted(element, rule) for element in _elements(entry, whole) if _is_named(element, terms)]
    if terms is not None:
        fresh = [known | new for known, new in zip(old, fresh, strict=False)] + fresh[len(old) :]
    left = iter(fresh)
    kept = [next(left, None) if _is_named(element, terms) else element for element in there]
    return put(document, whole, [element for element in (*kept, *left) if element is not None], many=False)


def _elements(document: Mapping[str, Any], whole: Place) -> list[Any]:
    return [
        element
        for _, value in select(document, whole)
        for element in (value if isinstance(value, list) else [value])
    ]


def _is_named(element: Any, terms: Terms | None) -> bool:
    return terms is None or is_match(element, terms)


def _inverted(element: Any, rule: Rule) -> Any:
    """Return an element of the entry as the provider would have sent it: as much as the rule names."""
    if not isinstance(element, dict):
        return rule.invert(element)
    key = key_of(element, rule.to.sub or "value")
    value = {} if key is None else {key: rule.invert(element[key])}
    if rule.to.where is None:
        return element | value
    terms = {name.casefold() for name, _ in rule.to.where}
    return {name: inner for name, inner in element.items() if name.casefold() in terms} | value


def _spots(document: Mapping[str, Any], at: Place) -> Iterator[Place]:
    """Yield the places that a source may mean: of "anywhere" the core level, then each extension."""
    if at.urn == ANYWHERE:
        yield from (_in(at, urn) for urn in (None, *filter(is_urn, document)))
    else:
        yield at


@lru_cache(maxsize=1024)
def _in(at: Place, urn: str | None) -> Place:
    name = at.text.removeprefix(f"{ANYWHERE}:")
    return replace(at, urn=urn, text=name if urn is None else f"{urn}:{name}")


def _spot(document: Mapping[str, Any], at: Place) -> Place:
    """Return the one place, of those that a source may mean, where a value is written back."""
    spots = list(_spots(document, at))
    at = next((spot for spot in spots if any(select(document, spot))), spots[0])
    found = list(select(document, at))
    if at.where is None and at.sub is not None and len(found) > 1:
        return replace(at, where=((at.sub, found[choose(found, document, at)][1]),))
    return at


def _unpicked(source: Place) -> Place:
    """Return a source without the term that picks the primary of its elements."""
    if source.where is None:
        return source
    return replace(source, where=tuple(term for term in source.where if term[0].casefold() != "primary"))


def _primary_of(source: Place) -> Place:
    return Place(source.text, source.urn, source.attribute, source.where, "primary")


def _same_place(left: Place, right: Place) -> bool:
    return (left.urn, left.attribute.casefold(), left.where, (left.sub or "").casefold()) == (
        right.urn,
        right.attribute.casefold(),
        right.where,
        (right.sub or "").casefold(),
    )


def covers(where: Place, difference: Difference) -> bool:
    """Say whether a place points into what a difference changes."""
    steps = difference.steps
    if where.urn is not None and where.urn != CORE_USER:
        if not _is(steps[0], where.urn):
            return False
        steps = steps[1:]
    if not steps:
        return True
    if not _is(steps[0], where.attribute):
        return False
    return (where.where is None and where.sub is None) or _covers_rest(where, steps[1:], difference)


def _covers_rest(where: Place, rest: tuple[Step, ...], difference: Difference) -> bool:
    if rest and isinstance(rest[0], Selector):
        if not _picks(where, rest[0], difference if len(rest) == 1 else None):
            return False
        rest = rest[1:]
    return not rest or where.sub is None or _is(rest[0], where.sub)


def _picks(where: Place, selector: Selector, element: Difference | None) -> bool:
    if where.where is None:
        return True
    if element is not None:
        return any(is_match(side, where.where) for side in (element.before, element.after))
    named = [value for name, value in where.where if name.casefold() == selector.name.casefold()]
    return not named or is_match({selector.name: selector.value}, ((selector.name, named[0]),))


def _is(step: Any, name: str) -> bool:
    return step == name or (isinstance(step, str) and step.casefold() == name.casefold())
