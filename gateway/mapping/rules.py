"""One rule of a target's mapping: where a value comes from, what is done to it, where it goes. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.mapping.values import Person, Transform, Unusable
from gateway.scim.names import is_multi_valued
from gateway.scim.paths import Place, place, put, select, take

MADE: Final = frozenset({"template", "constant"})  # these write the same whatever the value is
ABSENT: Final[tuple[Any, ...]] = (None, "", [], {})


class OnInvalid(StrEnum):
    """What becomes of a value that a rule cannot use."""

    REJECT = "reject"  # the change is refused, with the reason
    DROP = "drop"  # the target is left without it
    KEEP = "keep"  # it is sent as it came


@dataclass(frozen=True, slots=True)
class Step:
    """One transform at work, for `explain`."""

    to: str
    source: str
    transform: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be sent: its path at the provider, the rule, and why; never the value."""

    path: str
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} (rule {self.rule})"


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule (DESIGN section 5)."""

    to: Place
    sources: tuple[Place, ...]
    via: tuple[Transform, ...]
    when: Callable[[Mapping[str, Any]], bool] | None
    default: Any
    on_invalid: OnInvalid
    label: str  # its origin and target path: dialpad@1:title

    @property
    def in_place(self) -> bool:
        """Where source and target are one path, every element is handled by itself."""
        return len(self.sources) == 1 and _same_place(self.sources[0], self.to)

    def source(self, original: Mapping[str, Any]) -> tuple[Place, list[tuple[int | None, Any]]]:
        """Return the first source that is present and all it points to, else the first one and []."""
        for candidate in self.sources:
            if found := [(at, value) for at, value in select(original, candidate) if value not in ABSENT]:
                return candidate, found
        return self.sources[0], []

    def apply(self, value: Any, source: str, person: Person, steps: list[Step] | None) -> Any:
        """Return the value after all transforms, None for absent; raises Unusable."""
        for transform in self.via:
            before, value = value, transform.apply(value, person)
            if steps is not None:
                steps.append(Step(self.to.text, source, transform.name, before, value))
            if value in ABSENT:
                return None
        return value

    def invert(self, value: Any) -> Any:
        """Return a target's value as the provider would have sent it, as far as that is possible."""
        for transform in reversed(self.via):
            if transform.invert is not None and value is not None:
                value = transform.invert(value)
        return value

    def normal(self, value: Any, person: Person) -> Any:
        """Return a value as this rule would write it, to compare what a target shows with what it showed."""
        if any(transform.name in MADE for transform in self.via):
            return value
        try:
            return self.apply(value, "", person, None) if value not in ABSENT else None
        except Unusable:
            return value

    def unwrite(self, entry: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document with this rule's value as the entry has it, under the provider's name."""
        found = [value for _, value in select(entry, self.to)]
        at = next((source for source in self.sources if any(select(document, source))), self.sources[0])
        result = take(document, at)
        if self.in_place and len(found) > 1:
            return _unwrite_elements(entry, result, self)
        if found and (value := self.invert(found[0])) not in ABSENT:
            result = put(result, at, value, many=is_many(at))
        return result


def make_rule(
    to: str,
    sources: Sequence[str] = (),
    via: Sequence[Transform] = (),
    when: Callable[[Mapping[str, Any]], bool] | None = None,
    default: Any = None,
    on_invalid: str = "reject",
    origin: str = "config",
) -> Rule:
    """Compile a rule; raises InvalidPath."""
    return Rule(
        to=place(to),
        sources=tuple(place(source) for source in sources or (to,)),
        via=tuple(via),
        when=when,
        default=default,
        on_invalid=OnInvalid(on_invalid),
        label=f"{origin}:{to}",
    )


def is_many(where: Place) -> bool:
    """Say whether a place stands in a multi-valued attribute."""
    return where.where is not None or is_multi_valued(where.attribute)


def choose(found: Sequence[tuple[int | None, Any]], original: Mapping[str, Any], source: Place) -> int:
    """Return which of several values is taken where there is room for one: the primary, else the first."""
    if len(found) == 1:
        return 0
    primaries = {at for at, value in select(original, _primary_of(source)) if value in (True, "true", "True")}
    return next((n for n, (at, _) in enumerate(found) if at in primaries), 0)


def element_path(where: Place, at: int | None, element: Any) -> str:
    """Name one element's value as an administrator would: phoneNumbers[type eq "work"].value."""
    if at is None or where.where is not None:
        return where.text
    head, _, _ = where.text.rpartition(".") if where.sub else (where.text, "", "")
    kind = element.get("type") if isinstance(element, dict) else None
    pick = f'[type eq "{kind}"]' if kind else f"[{at + 1}]"
    return f"{head}{pick}.{where.sub}" if where.sub else f"{head}{pick}"


def _unwrite_elements(entry: Mapping[str, Any], document: dict[str, Any], rule: Rule) -> dict[str, Any]:
    whole = Place(rule.to.attribute, rule.to.urn, rule.to.attribute, None, None)
    elements = [element for _, value in select(entry, whole) for element in _each(value)]
    sub = rule.to.sub or "value"
    inverted = [
        {**e, sub: rule.invert(e[sub])} if isinstance(e, dict) and sub in e else e for e in elements
    ]
    return put(document, whole, inverted, many=False)


def _each(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list) else [value]


def _primary_of(source: Place) -> Place:
    return Place(source.text, source.urn, source.attribute, source.where, "primary")


def _same_place(left: Place, right: Place) -> bool:
    return (left.urn, left.attribute.casefold(), left.where, (left.sub or "").casefold()) == (
        right.urn,
        right.attribute.casefold(),
        right.where,
        (right.sub or "").casefold(),
    )
