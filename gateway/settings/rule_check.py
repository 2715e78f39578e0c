"""What is doubtful about rules that have no fault: names, and rules that never count. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, islice, product
from typing import Any, Final

from gateway.mapping.precedence import target_key
from gateway.mapping.rules import Rule, is_many
from gateway.mapping.specs import nearest
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import (
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    Present,
    ValuePath,
)
from gateway.scim.names import ENTERPRISE_USER, STANDARD_URNS
from gateway.scim.paths import ANYWHERE, Place, compiled, put, select
from gateway.scim.predicate import attributes_named, predicate
from gateway.settings.faults import Faults, at
from gateway.settings.fields import attributes_of, wrong_sub
from gateway.values import sealed

OWN: Final = {  # the key that names an attribute which is like none that is known -> what to do about it
    "to": "; is it one of the target's own?",
    "from": '; if it is one of the provider\'s own, say "*:{}"',
    "when": "; is it one of the provider's own?",
}
MOST_SAMPLES: Final = 32  # of two conditions
SAMPLES: Final = {  # what a made-up person has there, so that most transforms change it
    "phonenumbers": "+44 20 7946 0018 ext. 12",
    "emails": "Sample.Person@example.com",
    "addresses": "GB",
    "preferredlanguage": "en-GB",
    "active": True,
}
SAMPLE: Final = "Sample person 1"


@sealed
class WrittenRule:
    """A rule of one's own, and its TOML path."""

    path: str
    rule: Rule


class RuleCheck:
    """Looks over the rules of one target."""

    def __init__(self, written: Sequence[WrittenRule], others: Sequence[Rule], faults: Faults) -> None:
        """`others`: the preset's rules."""
        self._written = written
        self._others = others
        self._faults = faults

    def run(self, *, names_targets: bool) -> None:
        """Warn of all that is doubtful; `names_targets`: the target has the standard's attributes."""
        for one in self._written:
            for place, key in self._places(one.rule, names_targets=names_targets):
                if reason := self._doubt(place, key, one.rule):
                    self._faults.warn(at(one.path, key), reason)
        for first, second in combinations(self._written, 2):
            if reason := self._rivalry(first, second):
                self._faults.warn(second.path, reason)
            elif _is_covered(first.rule, second.rule):
                told = f"never counts where {self._faults.name(second.path)} has a value: that writes over it"
                self._faults.warn(first.path, told)

    def _places(self, rule: Rule, *, names_targets: bool) -> Iterator[tuple[Place, str]]:
        """Yield what a rule names, with the key that names it."""
        if names_targets:
            yield rule.to, "to"
        if rule.sources != (rule.to,):
            yield from ((source, "from") for source in rule.sources)
        if rule.condition is not None:
            yield from ((compiled(path), "when") for path in attributes_named(rule.condition))

    def _doubt(self, place: Place, key: str, rule: Rule) -> str | None:
        """Return what is doubtful about a name, None where it is known."""
        known = attributes_of(place.urn)
        attribute = known.get(place.attribute.casefold())
        if attribute is not None:
            return next((fault for sub in _subs(place) if (fault := wrong_sub(attribute, sub))), None)
        if place.urn is not None and (place.urn == ANYWHERE or place.urn not in STANDARD_URNS):
            return None
        named = {name.casefold() for name in self._named(rule)}
        if place.attribute.casefold() in named:
            return None
        names = [*(inner.name for inner in known.values()), *self._named(rule)]
        if place.urn is None and place.attribute.casefold() in attributes_of(ENTERPRISE_USER):
            return f"the standard {place.attribute} is {ENTERPRISE_USER}:{place.attribute}"
        near = nearest(place.attribute, names)
        meant = f'; did you mean "{near}"?' if near else OWN[key].format(place.attribute)
        return f"neither the standard nor another rule has an attribute {place.attribute}{meant}"

    def _named(self, rule: Rule) -> Iterator[str]:
        """Yield the attributes that the other rules name."""
        rules = (*self._others, *(one.rule for one in self._written if one.rule is not rule))
        yield from (place.attribute for other in rules for place in (*other.sources, other.to))

    def _rivalry(self, first: WrittenRule, second: WrittenRule) -> str | None:
        """Return what is doubtful about two exceptions to one `to`; in a list the first comes first."""
        one, other = first.rule.condition, second.rule.condition
        if one is None or other is None or target_key(first.rule.to) != target_key(second.rule.to):
            return None
        name = self._faults.name(first.path)
        if implies(other, one):
            return f"never runs: {name} has the same `to`, comes first, and holds for all whom this is for"
        if any(_differ(first.rule, second.rule, person) for person in _both(first.rule, second.rule)):
            return (
                f"holds for people whom {name} holds for, too, and comes to something else; that one writes"
            )
        return None


def _subs(place: Place) -> Iterator[str]:
    yield from (name for name in (place.sub, *(name for name, _ in place.where or ())) if name is not None)


def _is_covered(first: Rule, second: Rule) -> bool:
    """Say whether a later rule writes over all that an earlier one writes, wherever it has a value itself."""
    if second.condition is not None and (
        first.condition is None or not implies(first.condition, second.condition)
    ):
        return False
    outer, inner = second.to, first.to
    if outer.urn != inner.urn or outer.attribute.casefold() != inner.attribute.casefold():
        return False
    if outer.where is None and outer.sub is None:
        return inner.where is not None or inner.sub is not None
    is_wider = outer.where is None or set(outer.where) < set(inner.where or ())
    is_same_part = (outer.sub or "").casefold() == (inner.sub or "").casefold()
    return first.in_place and second.in_place and inner.where is not None and is_wider and is_same_part


def implies(one: Filter, other: Filter) -> bool:
    """Say whether who matches a filter is sure to match another, as far as their form tells."""
    if one == other or str(one).casefold() == str(other).casefold():
        return True
    if isinstance(one, LogicalExpr) and one.op is LogicalOperator.or_:
        return all(implies(term, other) for term in one.terms)
    if isinstance(other, LogicalExpr):
        test = all if other.op is LogicalOperator.and_ else any
        if test(implies(one, term) for term in other.terms):
            return True
    if isinstance(one, LogicalExpr):
        return any(implies(term, other) for term in one.terms)
    return (
        isinstance(one, Comparison)
        and isinstance(other, Present)
        and one.op is not CompareOperator.ne
        and one.value is not None
        and str(one.attr_path).casefold() == str(other.attr_path).casefold()
    )


def _both(first: Rule, second: Rule) -> Iterator[dict[str, Any]]:
    """Yield people whom two rules with conditions hold for, and who have something where the rules read."""
    if first.condition is None or second.condition is None or first.when is None or second.when is None:
        return
    pairs = product(_samples(first.condition), _samples(second.condition))
    for leaves in islice(pairs, MOST_SAMPLES):
        person: dict[str, Any] = {"userName": SAMPLE, "active": True}
        for leaf in (*leaves[0], *leaves[1]):
            person = _with(person, leaf)
        for source in (*first.sources, *second.sources):
            if not any(select(person, source)):
                where = replace(source, urn=None) if source.urn == ANYWHERE else source
                value = SAMPLES.get(source.attribute.casefold(), SAMPLE)
                person = put(person, where, value, many=is_many(where))
        if first.when(person) and second.when(person):
            yield person


Leaves = tuple[Comparison | Present | ValuePath, ...]


def _samples(filter: Filter) -> list[Leaves]:
    """Return the ways to match a filter, each as what must hold; what is negated is left to chance."""
    match filter:
        case LogicalExpr(op=LogicalOperator.or_, terms=terms):
            return [way for term in terms for way in _samples(term)][:MOST_SAMPLES]
        case LogicalExpr(terms=terms):
            ways = islice(product(*map(_samples, terms)), MOST_SAMPLES)
            return [tuple(leaf for part in way for leaf in part) for way in ways]
        case Comparison() | Present() | ValuePath():
            return [(filter,)]
    return [()]


def _with(person: dict[str, Any], leaf: Comparison | Present | ValuePath) -> dict[str, Any]:
    """Return a person for whom one term of a filter holds, changed no more than that needs."""
    if predicate(leaf)(person):
        return person
    if isinstance(leaf, ValuePath):
        element: dict[str, Any] = {}
        for inner in next(iter(_samples(leaf.val_filter))):
            element = _with(element, inner)
        whole = compiled(leaf.attr_path)
        there = [
            value
            for _, found in select(person, whole)
            for value in (found if isinstance(found, list) else [])
        ]
        return put(person, whole, [*there, element], many=False)
    where = compiled(leaf.attr_path)
    value: Any = SAMPLES.get(where.attribute.casefold(), SAMPLE)
    if isinstance(leaf, Comparison):
        if leaf.op is CompareOperator.ne or leaf.value is None:
            return person
        value = _just_beyond(leaf)
    many = is_many(where) and where.sub is not None
    return put(person, where, value, many=many)


def _just_beyond(leaf: Comparison) -> Any:
    """Return a value that compares as a filter asks."""
    step = {CompareOperator.gt: 1, CompareOperator.lt: -1}.get(leaf.op, 0)
    if isinstance(leaf.value, int | float) and not isinstance(leaf.value, bool):
        return leaf.value + step
    return f"{leaf.value}~" if step > 0 else "" if step < 0 else leaf.value


def _differ(first: Rule, second: Rule, person: dict[str, Any]) -> bool:
    """Say whether two rules come to different things for one person."""
    made = [TargetMapping([replace(rule, when=None)]).forward(person) for rule in (first, second)]
    forms = [dict(select(mapped.form, rule.to)) for mapped, rule in zip(made, (first, second), strict=True)]
    return forms[0] != forms[1] or bool(made[0].problems) != bool(made[1].problems)


def warn_of_address(url: str, path: str, faults: Faults) -> None:
    """Warn of an address that ends with what the gateway adds to it."""
    end = url.rstrip("/").rpartition("/")[2]
    if end.casefold() in ENDPOINTS:
        faults.warn(path, f"ends in /{end}, which is added to it for each request; leave that out")


ENDPOINTS: Final = frozenset({"users", "groups", "me", "schemas", "resourcetypes", "serviceproviderconfig"})
