"""Which of the rules with one `to` runs for somebody: an exception before the general rule. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from gateway.mapping.rules import Rule
from gateway.scim.paths import Place, comparable, compiled
from gateway.scim.predicate import attributes_named
from gateway.values import frozen

Rivals = tuple[Rule, ...]  # rules with one `to`, in the order in which they are asked
TargetKey = tuple[str | None, str, tuple[tuple[str, Any], ...] | None, str]


@frozen
class Overruled:
    """A rule that does not run for somebody, and the one that does instead; None: its own condition fails."""

    rule: Rule
    by: Rule | None

    @property
    def reason(self) -> str:
        if self.by is None:
            return "its condition does not hold"
        first = " and comes first" if self.rule.when is not None else ""
        return f"{self.by.label} holds{first}: {self.by.condition or 'it has a condition'}"


class Precedence:
    """Rules by their `to`: exceptions come first, the first whose condition holds runs, the others do not."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rivals = _rivals_of(rules)
        self.rules = tuple(chain.from_iterable(self._rivals))
        self.is_contested = len(self._rivals) < len(self.rules)
        self.conditional = tuple(rule for rule in self.rules if rule.when is not None)

    def running(self, hold: Iterable[bool]) -> list[Rule]:
        """Return the rules that run where of the conditional ones those hold."""
        held = {id(rule) for rule, holds in zip(self.conditional, hold, strict=True) if holds}
        return [rule for rivals in self._rivals for rule in _chosen(rivals, lambda one: id(one) in held)]

    def overruled(self, original: Mapping[str, Any]) -> Iterator[Overruled]:
        """Yield the rules that do not run for somebody, each with the one that does."""
        for rivals in self._rivals:
            running = _chosen(rivals, lambda rule: _holds(rule, original))
            for rule in rivals:
                if not any(rule is one for one in running):
                    is_beaten = rule.when is None or rule.when(original)
                    yield Overruled(rule, running[0] if is_beaten else None)

    def likely(self, shown: Mapping[str, Any] | None) -> list[Rule]:
        """Return what wrote an entry that shows so much of somebody; None: of nobody in particular."""
        return [
            rule
            for rivals in self._rivals
            for rule in _chosen(rivals, lambda one: shown is not None and _holds(one, shown)) or rivals[:1]
        ]

    def has_rivals(self, rule: Rule) -> bool:
        """Say whether other rules write where this one does, for some people."""
        return any(rule in rivals for rivals in self._rivals if len(rivals) > 1)

    def places(self) -> Iterator[Place]:
        """Yield what decides which rules run, and what those would read that do not run for somebody yet."""
        for rule in self.conditional:
            if rule.condition is not None:
                yield from (replace(compiled(path), sub=None) for path in attributes_named(rule.condition))
        for rule in self.rules:
            if rule.when is not None or self.has_rivals(rule):
                yield from rule.sources


def _rivals_of(rules: Sequence[Rule]) -> tuple[Rivals, ...]:
    """Return the rules by their `to`, those with a condition first and one's own before a preset's.

    They stand where the one without a condition is written, so an exception may stand before or after it.
    """
    places: dict[TargetKey, int] = {}
    for at, rule in enumerate(rules):
        key = target_key(rule.to)
        if rule.when is None or key not in places:
            places[key] = at
    found: dict[TargetKey, list[Rule]] = {key: [] for key in sorted(places, key=places.__getitem__)}
    for rule in sorted(rules, key=lambda rule: (rule.when is None, not rule.is_own)):
        found[target_key(rule.to)].append(rule)
    return tuple(map(tuple, found.values()))


def _chosen(rivals: Rivals, holds: Callable[[Rule], bool]) -> Rivals:
    """Return the first rule whose condition holds, else those that have none."""
    first = next((rule for rule in rivals if rule.when is not None and holds(rule)), None)
    return tuple(rule for rule in rivals if rule.when is None) if first is None else (first,)


def _holds(rule: Rule, original: Mapping[str, Any]) -> bool:
    return rule.when is not None and rule.when(original)


def target_key(to: Place) -> TargetKey:
    """Return what a `to` has in common with every other one that means the same place."""
    terms = None
    if to.where is not None:
        terms = tuple(sorted(((name.casefold(), comparable(value)) for name, value in to.where), key=repr))
    urn = None if to.urn is None else to.urn.casefold()
    return urn, to.attribute.casefold(), terms, (to.sub or "").casefold()
