"""One rule made ready: it takes its source from what was found of a resource, and writes. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from gateway.mapping.places import CompiledPlace, Leaf, compile_place, leaves_of, path_of
from gateway.mapping.rules import OnInvalid, Problem, Rule, TransformStep, is_many
from gateway.mapping.specs import Person, Unusable
from gateway.scim.names import EMPTY, is_urn
from gateway.scim.paths import ANYWHERE, Place, put, select_in, take

_TRUE: Final = (True, "true", "True")


@dataclass(slots=True)
class FoundAttribute:
    """An attribute of the resource that rules or the target's requirements name."""

    urn: str | None
    name: str
    value: Any
    level: str
    named: list[Leaf] | None = None  # what rules name of it and is of worth; None: all of it
    sent: dict[tuple[int, str | None], Any] = field(default_factory=dict)  # of its elements

    def send(self, form: dict[str, Any], at: int, sub: str | None, value: Any) -> None:
        """Send one value of an element; the first one gives the attribute its place in the form."""
        if not self.sent:
            holder = form if self.urn is None else form.setdefault(self.urn, {})
            holder[self.name] = []
        self.sent[at, sub] = value

    def take(self, source: CompiledPlace, ats: Collection[int | None]) -> None:
        """Note that a rule has taken what a source names: all of it, or that of some elements."""
        if source.is_whole:
            self.named = []
            return
        if self.named is None:
            self.named = [leaf for leaf in leaves_of(self.value) if leaf.value not in EMPTY]
        is_all = None in ats
        self.named = [
            leaf
            for leaf in self.named
            if not (is_all or leaf.at is None or leaf.at in ats) or not source.names(leaf.sub, leaf.element)
        ]

    def path(self, at: int | None, sub: str | None, element: Any) -> str:
        """Name one value as an administrator would."""
        return path_of(self.urn, self.name, at, sub, element)


class SourceValue(NamedTuple):
    """One value that a rule has taken, and its source."""

    source: CompiledPlace
    found: FoundAttribute
    at: int | None
    value: Any

    @property
    def path(self) -> str:
        """Where it stood, as an administrator names it."""
        source, found, at = self.source, self.found, self.at
        if at is not None:
            element = found.value[at]
            return found.path(at, source.sub_in(element), element)
        text = source.place.text
        if source.level != ANYWHERE:
            return text
        name = text.removeprefix(f"{ANYWHERE}:")
        return name if found.urn is None else f"{found.urn}:{name}"


@dataclass(slots=True)
class MappingState:
    """The one thing that is written while a resource is mapped."""

    person: Person
    active: bool = True
    steps: list[TransformStep] | None = None
    form: dict[str, Any] = field(default_factory=dict)
    found: list[FoundAttribute] = field(default_factory=list)
    named: dict[str, list[FoundAttribute]] = field(default_factory=dict)  # by folded name: what rules read
    touched: dict[str, None] = field(default_factory=dict)  # of these, from which a rule took, last ones last
    late: list[tuple["CompiledRule", Any]] = field(default_factory=list)  # what rules write elsewhere
    unsent: list[tuple[str | None, str, Leaf]] = field(default_factory=list)  # by no rule's doing
    dropped: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    kept: list[Place] = field(default_factory=list)
    is_odd: bool = False  # a name that rules know is spelled as in no rule


class CompiledRule:
    """A rule as it works on a state, and writes into a form."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._sources = tuple(compile_place(source) for source in rule.sources)
        self._many = is_many(rule.to)
        self._is_plain = rule.to.urn is None and compile_place(rule.to).is_whole

    def run(self, state: MappingState) -> None:
        """Take the first source that is there, and put into the state what the rule makes of it."""
        taken = self._source(state)
        if not taken:
            if self._rule.default not in EMPTY:
                state.late.append((self, self._rule.default))
        elif self._rule.in_place and taken[0].at is not None:
            for one in taken:
                self._run_element(state, one)
        else:
            state.late.append((self, self._attempt(state, taken[0], None)))

    def write(self, form: dict[str, Any], value: Any, *, is_odd: bool) -> dict[str, Any]:
        """Return a form that is ours with the value where the rule writes it; None takes it away.

        `is_odd` says that the form may spell a name as the rule does not.
        """
        to = self._rule.to
        if is_odd or not self._is_plain:
            return take(form, to) if value is None else put(form, to, value, many=self._many)
        if value is None:
            form.pop(to.attribute, None)
        else:
            form[to.attribute] = value
        return form

    def _source(self, state: MappingState) -> list[SourceValue]:
        for source in self._sources:
            group = state.named.get(source.attribute, ())
            for found in _among(group, source):
                if taken := _taken(source, found):
                    taken = taken if self._rule.in_place else [_chosen(taken)]
                    _note(state, group, taken)
                    return taken
        return []

    def _run_element(self, state: MappingState, one: SourceValue) -> None:
        source, found, at, _ = one
        element = found.value[at]
        after = self._attempt(state, one, element)
        if after is None or at is None:
            return
        if isinstance(element, dict):
            for name in source.identity:
                if name in element:
                    found.send(state.form, at, name, element[name])
        found.send(state.form, at, source.sub_in(element), after)

    def _attempt(self, state: MappingState, one: SourceValue, element: Any) -> Any:
        """Run the rule on one value, maybe an element's, and do with an unusable one as the rule says."""
        rule = self._rule
        try:
            after = rule.apply(one.value, "" if state.steps is None else one.path, state.person, state.steps)
        except Unusable as unusable:
            if rule.on_invalid is OnInvalid.KEEP:
                return one.value
            if rule.on_invalid is OnInvalid.DROP:
                state.dropped.append(one.path)
            elif state.active:
                state.problems.append(Problem(one.path, rule.label, str(unusable)))
            else:
                state.kept.append(_own(rule.to, element))
            return None
        if after is None:
            state.dropped.append(one.path)
        return after


def _own(to: Place, element: Any) -> Place:
    """Return where one element is written, by its type where a rule writes them all."""
    kind = element.get("type") if to.where is None and isinstance(element, dict) else None
    return replace(to, where=(("type", kind),)) if kind else to


def _note(state: MappingState, group: Sequence[FoundAttribute], taken: Sequence[SourceValue]) -> None:
    """Note what of the attributes of one name a rule has taken."""
    source, level = taken[0].source, taken[0].found.level
    ats = {one.at for one in taken}
    is_left = False
    for found in group:
        if found.level == level:
            found.take(source, ats)
        if found.named != []:
            is_left = True
    if is_left:
        state.touched.pop(source.attribute, None)
        state.touched[source.attribute] = None


def _among(found: Sequence[FoundAttribute], source: CompiledPlace) -> Iterable[FoundAttribute]:
    """Return the attributes that a source may mean: of "anywhere" the core level's, then each extension's."""
    if len(found) == 1 and found[0].level == source.level:
        return found
    if source.level == ANYWHERE:
        core = [one for one in found if one.urn is None]
        return [*core, *(one for one in found if one.urn is not None and is_urn(one.urn))]
    here = [one for one in found if one.level == source.level]
    if len(here) < 2:
        return here
    return [next((one for one in here if one.name == source.place.attribute), here[0])]


def _taken(source: CompiledPlace, found: FoundAttribute) -> list[SourceValue]:
    """Return all of worth that a source points to in an attribute."""
    value = found.value
    if source.is_whole:
        return [] if not value and value in EMPTY else [SourceValue(source, found, None, value)]
    if value is None:
        return []
    pairs = select_in(value, source.place)
    return [SourceValue(source, found, at, inner) for at, inner in pairs if inner not in EMPTY]


def _chosen(taken: list[SourceValue]) -> SourceValue:
    """Return which of several values is taken where there is room for one: the primary, else the first."""
    if len(taken) == 1:
        return taken[0]
    source, found, _, _ = taken[0]
    primaries = {at for at, value in select_in(found.value, source.primary) if value in _TRUE}
    return next((one for one in taken if one.at in primaries), taken[0])
