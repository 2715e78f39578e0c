"""The mapping of one target: a resource to the target's form and back (DESIGN section 5). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from gateway.mapping.countries import region_of
from gateway.mapping.leaves import SERVER_OWNED, Leaf, Leaves, flatten, path_of, unflatten
from gateway.mapping.rules import ABSENT, OnInvalid, Problem, Rule, TransformStep, choose, covers, is_many
from gateway.mapping.specs import Office, Person, Unusable
from gateway.scim.difference import Difference, Line, compare, overlay
from gateway.scim.documents import is_active, schemas_of
from gateway.scim.names import STANDARD_URNS, is_standard
from gateway.scim.paths import ANYWHERE, Place, is_match, place, put, select, take

ALWAYS_SENT: Final = frozenset({"userName", "externalId", "active"})
ALWAYS_SHOWN: Final = frozenset({"userName", "name", "emails", "active", "externalId"})


Named = Mapping[str, Sequence[Place]]  # by folded attribute: the places that rules name


class Unlisted(StrEnum):
    """What becomes of what no rule names."""

    SEND = "send"
    HOLD = "hold"  # kept and returned, never sent
    DROP = "drop"  # forgotten


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a resource becomes on a target, and all there is to say about it."""

    form: dict[str, Any]
    held: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    kept: tuple[Place, ...] = ()  # invalid on somebody inactive: the target keeps what it has


@dataclass(slots=True)
class _Draft:
    """The one thing that is written while a resource is mapped."""

    person: Person
    leaves: Leaves
    sent: Leaves
    active: bool
    steps: list[TransformStep] | None
    unread: dict[str, list[Leaf]] = field(
        default_factory=dict
    )  # named, by folded attribute; taken by no rule
    late: list[tuple[Place, Any]] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    kept: list[Place] = field(default_factory=list)


class TargetMapping:
    """The compiled rules of one target for one type of resource."""

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        unlisted: str = "send",
        require: Sequence[Sequence[str]] = (),
        offices: Mapping[str, Office] | None = None,
        region: str | None = None,
        kind: str = "User",
    ) -> None:
        self.kind = kind
        self.unlisted = Unlisted(unlisted)
        self._secret = tuple(rule for rule in rules if rule.to.attribute == "password")
        self.rules = tuple(rule for rule in rules if rule not in self._secret)
        self._require = tuple(tuple(place(path) for path in group) for group in require)
        self._offices = dict(offices or {})
        self.region = region
        self._named = _index(self.rules)
        self._is_conditional = any(rule.when is not None for rule in self.rules)
        self._as_it_is = [where for group in self._require for where in group]

    def forward(self, original: Mapping[str, Any], steps: list[TransformStep] | None = None) -> Mapped:
        """Return the target's form of a resource; `steps` collects every transform at work."""
        leaves = flatten(original)
        rules, named = self._for(original)
        draft = _Draft(self._person(original), leaves, {}, is_active(original), steps)
        self._sort_out(draft, named)
        for rule in rules:
            _run(rule, draft)
        draft.dropped.extend(path_of(leaf, leaves) for left in draft.unread.values() for leaf in left)
        form = unflatten(draft.sent, leaves)
        for where, value in draft.late:
            form = take(form, where) if value is None else put(form, where, value, many=is_many(where))
        if draft.active:
            self._check_required(form, draft)
        form = {"schemas": schemas_of(form, self.kind), **form}
        dropped = tuple(dict.fromkeys(draft.dropped))
        return Mapped(form, tuple(draft.held), dropped, tuple(draft.problems), tuple(draft.kept))

    @property
    def sends_password(self) -> bool:
        """Say whether a rule names the password."""
        return bool(self._secret)

    def secret(self, password: str | None) -> dict[str, Any]:
        """Return what to send of a password: nothing unless a rule names it."""
        if password is None or not self._secret:
            return {}
        return {"password": self._secret[0].apply(password, "password", Person(), None)}

    def reverse(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return a target's entry as the provider would have sent it."""
        document = {
            name: value for name, value in entry.items() if name not in SERVER_OWNED and self._is_shown(name)
        }
        for rule in self.rules:
            if not rule.in_place or (rule.to.where is None and rule.to.sub is None):
                document = take(document, rule.to)  # the target's own shape is not the provider's
        for rule in self.rules:
            document = rule.unwrite(entry, document)
        return document

    def view(
        self, original: Mapping[str, Any], seen: Mapping[str, Any], present: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the original with what has changed at the target since `seen` (DESIGN section 6)."""
        document = dict(original)
        differences = compare(seen, present)
        person = self._person(original) if differences else Person()
        changed: list[Rule] = []
        for difference in differences:
            rule = self._applicable(difference, original)
            if rule is None:
                if self._is_shown(str(difference.steps[0])):
                    document = overlay(document, [difference])
            elif (undone := rule.undone(difference)) is not None:
                if _normal(rule, difference.before, person) != _normal(rule, difference.after, person):
                    document = overlay(document, [undone])
            elif rule not in changed and _values(rule, seen, person) != _values(rule, present, person):
                changed.append(rule)
        for rule in changed:
            document = rule.unwrite(present, document)
        return document

    def knows(self, where: Place) -> bool:
        """Say whether a path may be asked for: the standard's, a rule's, or of an extension sent as it is."""
        if where.attribute.casefold() in self._named or is_standard(where.urn, where.attribute, where.sub):
            return True
        own = where.urn is not None and where.urn not in STANDARD_URNS
        return own and self.unlisted is Unlisted.SEND

    def remembered(self, original: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept of a resource: all of it, unless what no rule names is to be forgotten."""
        if self.unlisted is not Unlisted.DROP:
            return dict(original)
        leaves = flatten(original)
        _, named = self._for(original)
        kept = {
            leaf: value
            for leaf, value in leaves.items()
            if _is_named(named, leaf, leaves) or self._goes_as_it_is(leaf, leaves)
        }
        return unflatten(kept, leaves)

    def rule_of(self, difference: Difference) -> Rule | None:
        """Return the rule that writes what differs, the last one where several do."""
        return next((rule for rule in reversed(self.rules) if covers(rule.to, difference)), None)

    def line(self, difference: Difference) -> Line:
        """Return a difference as the audit trail tells it."""
        rule = self.rule_of(difference)
        path, label = difference.path, rule.label if rule else None
        return Line(path, difference.before, difference.after, label, difference.picks_by_value)

    def lines(self, form: Mapping[str, Any]) -> tuple[Line, ...]:
        """Return the lines of a create that sends this form."""
        return tuple(map(self.line, compare({}, form)))

    def sources(self) -> tuple[Place, ...]:
        """Return the paths of the provider that are sent: those that rules read, those sent as they are."""
        return (*(source for rule in self.rules for source in rule.sources), *self._as_it_is)

    def needed(self) -> Iterator[Place]:
        """Yield the provider's paths that everybody active needs: those that nothing else stands in for."""
        for where in (group[0] for group in self._require if len(group) == 1):
            writers = [rule for rule in self.rules if _is_same(rule.to, where)]
            if not writers:
                yield where
            elif len(writers) == 1 and writers[0].is_sole:
                yield writers[0].sources[0]

    def rule_for_source(self, where: Place) -> Rule | None:
        """Return the rule that reads this path of the provider."""
        return next((rule for rule in self.rules if any(_is_same(s, where) for s in rule.sources)), None)

    def is_untouched(self, where: Place) -> bool:
        """Say whether a path reaches the target under its own name and with its own value."""
        if where.attribute.casefold() in self._named:
            return False
        if self.unlisted is Unlisted.SEND or (where.urn is None and where.attribute in ALWAYS_SENT):
            return True
        return any(_is_same(required, where) for required in self._as_it_is)

    def _for(self, original: Mapping[str, Any]) -> tuple[Sequence[Rule], Named]:
        """Return the rules whose condition holds, and what they name."""
        if not self._is_conditional:
            return self.rules, self._named
        rules = [rule for rule in self.rules if rule.when is None or rule.when(original)]
        return rules, _index(rules)

    def _person(self, original: Mapping[str, Any]) -> Person:
        return Person(original, region_of(original, self._offices, self.region))

    def _applicable(self, difference: Difference, original: Mapping[str, Any]) -> Rule | None:
        rule = self.rule_of(difference)
        return None if rule is None or (rule.when is not None and not rule.when(original)) else rule

    def _is_shown(self, name: str) -> bool:
        return self.unlisted is Unlisted.SEND or name in ALWAYS_SHOWN

    def _sort_out(self, draft: _Draft, named: Named) -> None:
        """Put what no rule names where it belongs: sent, held or dropped."""
        for leaf, value in draft.leaves.items():
            if _is_named(named, leaf, draft.leaves):
                if value not in ABSENT and _is_value(named, leaf):
                    draft.unread.setdefault(leaf.attribute.casefold(), []).append(leaf)
            elif self._goes_as_it_is(leaf, draft.leaves):
                draft.sent[leaf] = value
            elif self.unlisted is Unlisted.HOLD:
                draft.held.append(path_of(leaf, draft.leaves))
            else:
                draft.dropped.append(path_of(leaf, draft.leaves))

    def _goes_as_it_is(self, leaf: Leaf, leaves: Leaves) -> bool:
        if self.unlisted is Unlisted.SEND or (leaf.urn is None and leaf.attribute in ALWAYS_SENT):
            return True
        attribute = leaf.attribute.casefold()
        return any(
            where.attribute.casefold() == attribute and _points_to(where, leaf, leaves)
            for where in self._as_it_is
        )

    def _check_required(self, form: Mapping[str, Any], draft: _Draft) -> None:
        refused = {problem.path.casefold() for problem in draft.problems}
        for group in self._require:
            if any(value not in ABSENT for where in group for _, value in select(form, where)):
                continue
            if not any(where.text.casefold() in refused for where in group):
                names = " or ".join(where.text for where in group)
                draft.problems.append(Problem(names, "require", "is required by the target"))


def _run(rule: Rule, draft: _Draft) -> None:
    source, found = rule.source(draft.person.original)
    if not found:
        if rule.default not in ABSENT:
            draft.late.append((rule.to, rule.default))
    elif rule.in_place and found[0][0] is not None:
        for at, value in found:
            _run_element(rule, source, at, value, draft)
    else:
        at, value = found[choose(found, draft.person.original, source)]
        _take_up(draft, source, at)
        path = _element_path(source, at, draft.leaves)
        draft.late.append((rule.to, _attempt(rule, value, path, draft, rule.to)))


def _take_up(draft: _Draft, source: Place, at: int | None) -> None:
    """Note that a rule has taken what a place points to."""
    attribute = source.attribute.casefold()
    if left := draft.unread.pop(attribute, []):
        draft.unread[attribute] = [
            leaf
            for leaf in left
            if (None not in (at, leaf.at) and at != leaf.at) or not _points_to(source, leaf, draft.leaves)
        ]


def _run_element(rule: Rule, source: Place, at: int | None, value: Any, draft: _Draft) -> None:
    here = _leaf(source, at, draft.leaves)
    _take_up(draft, source, at)
    kind = draft.leaves.get(here._replace(sub="type"))
    own = replace(rule.to, where=(("type", kind),)) if rule.to.where is None and kind else rule.to
    after = _attempt(rule, value, path_of(here, draft.leaves), draft, own)
    if after is None:
        return
    identity = [name for name, _ in source.where] if source.where is not None else ["type", "primary"]
    for name in identity:
        companion = here._replace(sub=name)
        if companion in draft.leaves:
            draft.sent[companion] = draft.leaves[companion]
    draft.sent[here] = after


def _attempt(rule: Rule, value: Any, path: str, draft: _Draft, to: Place) -> Any:
    """Run a rule on one value meant for `to`, and do with an unusable one as the rule says."""
    try:
        after = rule.apply(value, path, draft.person, draft.steps)
    except Unusable as unusable:
        if rule.on_invalid is OnInvalid.KEEP:
            return value
        if rule.on_invalid is OnInvalid.DROP:
            draft.dropped.append(path)
        elif draft.active:
            draft.problems.append(Problem(path, rule.label, str(unusable)))
        else:
            draft.kept.append(to)
        return None
    if after is None:
        draft.dropped.append(path)
    return after


def _leaf(source: Place, at: int | None, leaves: Leaves) -> Leaf:
    """Return the leaf a place points to, in the document's own spelling; one of a list of texts is made."""
    sub = (source.sub or "").casefold()
    found = [leaf for leaf in leaves if _stands_at(leaf, source)]
    exact = (leaf for leaf in found if leaf.at == at and (leaf.sub or "").casefold() in (sub, _plain(sub)))
    return next(exact, None) or found[0]._replace(at=at, sub=None)


def _stands_at(leaf: Leaf, source: Place) -> bool:
    same = leaf.attribute.casefold() == source.attribute.casefold()
    return same and (leaf.urn or "").casefold() == (source.urn or "").casefold()


def _plain(sub: str) -> str:
    return "" if sub == "value" else sub


def _element_path(source: Place, at: int | None, leaves: Leaves) -> str:
    return source.text if at is None else path_of(_leaf(source, at, leaves), leaves)


def _index(rules: Sequence[Rule]) -> Named:
    named: dict[str, list[Place]] = {}
    for rule in rules:
        for where in (*rule.sources, rule.to):
            named.setdefault(where.attribute.casefold(), []).append(where)
    return named


def _is_named(named: Named, leaf: Leaf, leaves: Leaves) -> bool:
    return any(_points_to(where, leaf, leaves) for where in named.get(leaf.attribute.casefold(), ()))


def _is_value(named: Named, leaf: Leaf) -> bool:
    """Say whether a named leaf is more than what says which element it belongs to."""
    sub = (leaf.sub or "value").casefold()
    places = named[leaf.attribute.casefold()]
    return any(where.sub is None or leaf.sub is None or sub == where.sub.casefold() for where in places)


def _points_to(where: Place, leaf: Leaf, leaves: Leaves) -> bool:
    """Say whether a place names a leaf; the terms that pick an element are named with it."""
    if where.urn != ANYWHERE and (where.urn or "").casefold() != (leaf.urn or "").casefold():
        return False
    terms = {name.casefold(): value for name, value in where.where or ()}
    sub = (leaf.sub or "").casefold()
    if where.where is not None and not _is_picked(where, leaf, leaves):
        return False
    return where.sub is None or sub == where.sub.casefold() or sub in terms or leaf.sub is None


def _is_picked(where: Place, leaf: Leaf, leaves: Leaves) -> bool:
    element = {name: leaves.get(leaf._replace(sub=name)) for name, _ in where.where or ()}
    return is_match(element, where.where or ())


def _values(rule: Rule, entry: Mapping[str, Any], person: Person) -> list[Any]:
    return [rule.normal(value, person) for _, value in select(entry, rule.to)]


def _normal(rule: Rule, value: Any, person: Person) -> Any:
    """Return one side of a difference as the rule would write it: a value, or an element that has one."""
    return value if isinstance(value, dict) else rule.normal(value, person)


def _is_same(left: Place, right: Place) -> bool:
    return (
        left.urn in (right.urn, ANYWHERE)
        and left.attribute.casefold() == right.attribute.casefold()
        and left.where == right.where
        and (left.sub or "value").casefold() == (right.sub or "value").casefold()
    )
