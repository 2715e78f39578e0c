"""The mapping of one target: a resource to the target's form and back, and why it comes to that. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from gateway.mapping.countries import region_of
from gateway.mapping.lines import RuleIndex
from gateway.mapping.precedence import Overruled, Precedence, target_key
from gateway.mapping.program import ALWAYS_SENT, SERVER_OWNED, Mapped, Program
from gateway.mapping.rules import Problem, Rule, TransformStep, Unlisted
from gateway.mapping.scope import Scope
from gateway.mapping.specs import Office, Person
from gateway.scim.difference import Difference, compare, overlay
from gateway.scim.documents import is_active
from gateway.scim.entitlements import Catalogue
from gateway.scim.names import EMPTY, STANDARD_URNS, UNSERVED, is_standard
from gateway.scim.paths import ANYWHERE, Place, place, select, take

ALWAYS_SHOWN: Final = frozenset({"userName", "name", "emails", "active", "externalId"})
_MAX_PROGRAMS: Final = 64  # kept ready, of one target


class TargetMapping:
    """The compiled rules of one target for one type of resource."""

    def __init__(  # noqa: PLR0913 - one for each part of a target's table
        self,
        rules: Sequence[Rule] = (),
        *,
        unlisted: str = "send",
        require: Sequence[Sequence[str]] = (),
        offices: Mapping[str, Office] | None = None,
        region: str | None = None,
        kind: str = "User",
        scope: Scope | None = None,
        keeps: Sequence[Rule] | None = None,
        entitlements: Catalogue | None = None,
    ) -> None:
        self.kind = kind
        self.entitlements = entitlements  # None: there are none, and whatever people carry is taken
        self.scope = scope  # who is to be on the target; None: everybody
        self.unlisted = Unlisted(unlisted)
        self.forgets = self.unlisted is Unlisted.DROP and keeps is None
        self._others = tuple(keeps or ())  # rules of those who need what is kept, None: nobody does
        secret = [rule for rule in rules if rule.to.attribute == "password"]
        self._secret = Precedence(secret).rules
        self.precedence = Precedence([rule for rule in rules if rule not in secret])
        self.rules = self.precedence.rules
        self._is_contested = self.precedence.is_contested
        self._require = tuple(tuple(place(path) for path in group) for group in require)
        self._offices = dict(offices or {})
        self.region = region
        named = [where.attribute.casefold() for rule in self.rules for where in (*rule.sources, rule.to)]
        self._named = frozenset(named)
        self._alone = {  # what one rule reads and writes whole and no other names, by its folded name
            rule.to.attribute.casefold(): rule.to.attribute
            for rule in self.rules
            if rule.in_place
            and _is_whole(rule.to)
            and rule.to.attribute == rule.sources[0].attribute
            and named.count(rule.to.attribute.casefold()) == 2
        }
        self.singles = frozenset(rule.to.attribute for rule in self.rules if rule.writes_one_of_several)
        self._index = RuleIndex(self.rules)
        self._conditional = self.precedence.conditional
        self._programs: dict[tuple[bool, ...], Program] = {}  # by which conditions hold
        urns = {
            where.urn.casefold()
            for rule in (*self.rules, *self._others)
            for where in rule.sources
            if where.urn is not None
        }
        self.urns = frozenset(urns)  # of the provider's extensions that rules read, folded
        self._as_it_is = [where for group in self._require for where in group]

    def forward(self, original: Mapping[str, Any], steps: list[TransformStep] | None = None) -> Mapped:
        """Return the target's form of a resource; `steps` collects every transform at work."""
        mapped = self._program(original).forward(self._person(original), steps)
        return mapped if self.entitlements is None else _checked(mapped, self.entitlements, original)

    @property
    def sends_password(self) -> bool:
        """Say whether a rule names the password."""
        return bool(self._secret)

    def leaves_out(self, original: Mapping[str, Any]) -> bool:
        """Say whether a resource is out of the target's scope."""
        return self.scope is not None and not self.scope.holds(original)

    def secret(self, password: str | None, original: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to send of somebody's password: nothing unless a rule names it."""
        if password is None:
            return {}
        writers = (rule for rule in self._secret if rule.when is None or rule.when(original))
        if (rule := next(writers, None)) is None:
            return {}
        return {"password": rule.apply(password, "password", Person(), None)}

    def reverse(self, entry: Mapping[str, Any], rules: Sequence[Rule] | None = None) -> dict[str, Any]:
        """Return a target's entry as the provider would have sent it, by `rules` where they are known."""
        if rules is None:
            rules = self.rules
            if self._is_contested:
                rules = self.precedence.likely(self.reverse(entry, self.precedence.likely(None)))
        whole = entry
        if self.singles:
            entry = self._one_each(entry, {})
        document = {
            name: value for name, value in entry.items() if name not in SERVER_OWNED and self._is_shown(name)
        }
        is_plain = all(self._alone.get(name.casefold(), name) == name for name in entry)
        alone = self._alone.values() if is_plain else ()
        for rule in rules:
            if rule.to.attribute in alone:
                document.pop(rule.to.attribute, None)
            elif not rule.in_place or (rule.to.where is None and rule.to.sub is None):
                document = take(document, rule.to)  # the target's own shape is not the provider's
        for rule in rules:
            if rule.to.attribute not in alone:
                document = rule.unwrite(entry, document)
            elif (value := rule.invert(entry.get(rule.to.attribute))) not in EMPTY:
                document[rule.to.attribute] = value
        return self.with_further(document, whole) if self.singles else document

    def view(
        self, original: Mapping[str, Any], seen: Mapping[str, Any], present: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the original with what has changed at the target since `seen`, and what it has beside it."""
        whole = present
        if self.singles:
            seen, present = self._one_each(seen, original), self._one_each(present, original)
        differences = compare(seen, present)
        document, person = dict(original), self._person(original) if differences else Person()
        laid: list[Difference] = []
        judged: list[Rule] = []
        changed: list[Rule] = []
        index = self.index_for(original) if differences else self._index
        for difference in differences:
            rule = _applicable(index, difference, original)
            if rule is None:
                if self._is_shown(str(difference.steps[0])):
                    laid.append(difference)
            elif (undone := rule.undone(difference)) is not None:
                if _normal(rule, difference.before, person) != _normal(rule, difference.after, person):
                    laid.append(undone)
            elif rule not in judged:
                judged.append(rule)
                if _values(rule, seen, person) != _values(rule, present, person):
                    changed.append(rule)
        document = overlay(document, laid) if laid else document
        for rule in changed:
            document = rule.unwrite(present, document)
        return self.with_further(document, whole) if self.singles else document

    def several(self, entry: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the lists that an entry has where the rules write one value; `form` is what they write."""
        return {
            name: values
            for name in self.singles
            if isinstance(values := entry.get(name), list) and not isinstance(form.get(name), list)
        }

    def normal(self, name: str, value: Any, document: Mapping[str, Any]) -> Any:
        """Return a target's value as the rule that writes there would write it."""
        return self._writer(name, document).normal(value, self._person(document))

    def said(self, name: str, document: Mapping[str, Any]) -> frozenset[Any]:
        """Return all that a document says where a rule takes one value from, as the rule would write it."""
        rule, person = self._writer(name, document), self._person(document)
        normal = [rule.normal(value, person) for value in rule.said(document)]
        return frozenset(value for value in normal if not isinstance(value, (list, dict)))

    def further(
        self, document: Mapping[str, Any], entry: Mapping[str, Any]
    ) -> Iterator[tuple[Rule, list[Any]]]:
        """Yield what an entry has beside the value of a rule and a document does not say."""
        if not self.several(entry, {}):
            return
        for name, values in self.several(entry, self.forward(document).form).items():
            said = self.said(name, document)
            if more := [value for value in values if self.normal(name, value, document) not in said]:
                yield self._writer(name, document), more

    def with_further(self, document: dict[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document with what the entry has beside the values of rules, as far as it has room."""
        for rule, values in list(self.further(document, entry)):
            document = rule.beside(document, values)
        return document

    def _one_each(self, entry: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an entry with one of several values where a rule writes one: that one, else the first."""
        if not self.several(entry, {}):
            return entry
        form, ones = self.forward(document).form, dict(entry)
        for name, values in self.several(entry, form).items():
            own = (value for value in values if self.normal(name, value, document) == form.get(name))
            ones[name] = next(own, values[0])
        return ones

    def _writer(self, name: str, document: Mapping[str, Any]) -> Rule:
        """Return the rule that writes an attribute of `singles`."""
        rules = [rule for rule in self.rules if rule.to.attribute == name]
        return next((rule for rule in rules if rule.when is None or rule.when(document)), rules[-1])

    def knows(self, where: Place) -> bool:
        """Say whether a path may be asked for: the standard's, a rule's, or of an extension sent as it is."""
        own = where.urn is not None and where.urn not in STANDARD_URNS
        name = where.attribute.casefold()
        if name in self._named:
            return True
        if is_standard(where.urn, where.attribute, where.sub):
            return name not in UNSERVED
        return own and self.unlisted is Unlisted.SEND

    def remembered(self, original: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept of a resource: all of it, unless what no rule names is to be forgotten."""
        if not self.forgets:
            return dict(original)
        return self._program(original).known(original)

    def index_for(self, original: Mapping[str, Any]) -> RuleIndex:
        """Return which rule writes what of somebody's form."""
        return self._program(original).index if self._is_contested else self._index

    def sources(self) -> tuple[Place, ...]:
        """Return the paths of the provider that are sent: those that rules read, those sent as they are."""
        rules = (*self.rules, *self._others)
        return (*(source for rule in rules for source in rule.sources), *self._as_it_is)

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

    def _program(self, original: Mapping[str, Any]) -> Program:
        """Return the program of the rules whose condition holds."""
        hold: tuple[bool, ...] = ()
        if self._conditional:
            hold = tuple([rule.when(original) for rule in self._conditional if rule.when is not None])
        program = self._programs.get(hold)
        if program is None:
            if len(self._programs) >= _MAX_PROGRAMS:
                self._programs.clear()
            program = self._programs[hold] = self._compiled(hold)
        return program

    def _compiled(self, hold: tuple[bool, ...]) -> Program:
        running = self.precedence.running(hold)
        free = {target_key(rule.to) for rule in running if rule.excuses}
        return Program(
            running,
            self.unlisted,
            self._require,
            self.kind,
            remembered=(*(self.scope.places if self.scope is not None else ()), *self.precedence.places()),
            excused=[group for group in self._require if any(target_key(where) in free for where in group)],
        )

    def _person(self, original: Mapping[str, Any]) -> Person:
        return Person(original, lambda: region_of(original, self._offices, self.region))

    def _is_shown(self, name: str) -> bool:
        return self.unlisted is Unlisted.SEND or name in ALWAYS_SHOWN


def _applicable(index: RuleIndex, difference: Difference, original: Mapping[str, Any]) -> Rule | None:
    rule = index.rule_of(difference)
    return None if rule is None or (rule.when is not None and not rule.when(original)) else rule


def _is_whole(where: Place) -> bool:
    return where.urn is None and where.where is None and where.sub is None


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


def _checked(mapped: Mapped, entitlements: Catalogue, original: Mapping[str, Any]) -> Mapped:
    """Return what somebody becomes, refused where they carry what there is not; a leaver always leaves."""
    refused = entitlements.refused(original) if is_active(original) else ()
    problems = tuple(Problem(one.path, "entitlements", one.reason) for one in refused)
    return replace(mapped, problems=(*mapped.problems, *problems)) if problems else mapped


def explain(target: str, mapping: TargetMapping, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the explanation in the form of `explain --format json`; with a scope it says on which side."""
    steps: list[TransformStep] = []
    original = {"active": True, **resource}
    is_in_scope = not mapping.leaves_out(original)
    mapped = mapping.forward(original, steps) if is_in_scope else Mapped({})
    lost = [_lost(one) for one in mapping.precedence.overruled(original)] if is_in_scope else []
    accepted = not mapped.problems
    scope = {} if mapping.scope is None else {"in_scope": is_in_scope, "scope": mapping.scope.text}
    return {
        "target": target,
        "accepted": accepted,
        **scope,
        "resource": mapped.form if accepted and is_in_scope else None,
        "steps": [
            {
                "to": step.to,
                "from": step.source,
                "transform": step.transform,
                "before": step.before,
                "after": step.after,
            }
            for step in steps
        ],
        "held": list(mapped.held),
        "dropped": list(mapped.dropped),
        "unsent": mapped.unsent(),
        "problems": [asdict(problem) for problem in mapped.problems],
        **({"lost": lost} if lost else {}),
    }


def _lost(one: Overruled) -> dict[str, Any]:
    """Return a rule that did not run, as `explain` tells it."""
    rule = one.rule
    when = None if rule.condition is None else str(rule.condition)
    return {"to": rule.to.text, "rule": rule.label, "when": when, "reason": one.reason}
