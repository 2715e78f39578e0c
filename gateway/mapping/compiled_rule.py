"""One rule made ready: it takes its source from what was found of a resource, and writes. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple

from gateway.mapping.places import TRUE, CompiledPlace, Leaf, compile_place, leaves_of, once, path_of
from gateway.mapping.rules import OnInvalid, Problem, Rule, TransformStep, is_many
from gateway.mapping.specs import Person, Unusable
from gateway.scim.names import COMPANIONS, EMPTY, is_urn
from gateway.scim.paths import ANYWHERE, Place, put, select_in, take

NOTHING_LEFT: Final = "the rule makes nothing of it"
_USUAL: Final = COMPANIONS | {"value"}  # what elements have


@dataclass(slots=True)
class FoundAttribute:
    """An attribute of the resource that rules or the target's requirements name."""

    urn: str | None
    name: str
    value: Any
    level: str
    named: list[Leaf] | None = None  # what rules name of it and is of worth; None: all of it
    sent: dict[tuple[int, str | None], Any] = field(default_factory=dict)  # of its elements
    made: list[int] = field(default_factory=list)  # the elements whose value a rule has made

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

    def path(self) -> str:
        """Return where it stood, as an administrator names it."""
        source, found, at = self.source, self.found, self.at
        if at is not None:
            element = found.value[at]
            return found.path(at, source.sub_in(element), element)
        text = source.place.text
        if source.level != ANYWHERE:
            return text
        name = text.removeprefix(f"{ANYWHERE}:")
        return name if found.urn is None else f"{found.urn}:{name}"


class MappingState:
    """The one thing that is written while a resource is mapped."""

    def __init__(self, person: Person, *, active: bool, steps: list[TransformStep] | None = None) -> None:
        self.person = person
        self.active = active
        self.steps = steps
        self.form: dict[str, Any] = {}
        self.read: dict[str, Any] = {}  # attributes that one rule alone names
        self.found: list[FoundAttribute] = []
        self.named: dict[str, list[FoundAttribute]] = {}  # by folded name: what rules read
        self.touched: dict[str, None] = {}  # of these, from which a rule took, last ones last
        self.late: list[tuple[CompiledRule, Any]] = []  # what rules write elsewhere
        self.unsent: list[tuple[str | None, str, Leaf]] = []  # by no rule's doing
        self.dropped: list[str] = []
        self.reasons: list[Problem] = []  # why a rule dropped what
        self.problems: list[Problem] = []
        self.kept: list[Place] = []
        self.is_odd = False  # a name that rules know is spelled as in no rule


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
            self._write_default(state)
        elif self._rule.in_place and taken[0].at is not None:
            for one in taken:
                self._run_element(state, one)
        else:
            one = taken[0]
            state.late.append((self, self._attempt(state, one.value, one.path)))

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
        source, found, at, value = one
        element = found.value[at]
        after = self._attempt(state, value, one.path, element)
        if after is None or at is None:
            return
        if isinstance(element, dict):
            for name in source.identity:
                if name in element:
                    found.send(state.form, at, name, element[name])
        sub = source.sub_in(element)
        if sub == "value":
            found.made.append(at)
        found.send(state.form, at, sub, after)

    def _write_default(self, state: MappingState) -> None:
        if self._rule.default not in EMPTY:
            state.late.append((self, self._rule.default))

    def _attempt(self, state: MappingState, value: Any, path: Callable[[], str], element: Any = None) -> Any:
        """Run the rule on one value, maybe an element's, and do with an unusable one as the rule says."""
        rule, steps = self._rule, state.steps
        try:
            after = rule.apply(value, "" if steps is None else path(), state.person, steps)
        except Unusable as unusable:
            if rule.on_invalid is OnInvalid.KEEP:
                return value
            if rule.on_invalid is OnInvalid.DROP:
                state.dropped.append(path())
                state.reasons.append(Problem(path(), rule.label, str(unusable)))
            elif state.active:
                state.problems.append(Problem(path(), rule.label, str(unusable)))
            else:
                state.kept.append(_own(rule.to, element))
            return None
        if after is None:
            state.dropped.append(path())
            state.reasons.append(Problem(path(), rule.label, NOTHING_LEFT))
        return after


Takes = Callable[[dict[str, Any], str, Any], bool]  # a form, the attribute's name, its value


class WholeReader(CompiledRule):
    """A rule that alone reads an attribute of the core level, and all of it."""

    takes: Takes | None = None  # it takes any value

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self._name = rule.sources[0].attribute
        self._path = partial(str, rule.sources[0].text)

    def run(self, state: MappingState) -> None:
        """Put into the state what the rule makes of what was read for it."""
        value = state.read.get(self._name)
        if not value and value in EMPTY:
            self._write_default(state)
        else:
            state.late.append((self, self._attempt(state, value, self._path)))


class ValueReader(CompiledRule):
    """A rule that alone maps the values of a multi-valued attribute; what else its elements say is sent."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self._name = rule.sources[0].attribute

    def takes(self, form: dict[str, Any], name: str, value: Any) -> bool:
        """Say whether all elements are as usual, and give the attribute its place in the form then."""
        if value.__class__ is not list:
            return False
        says_more = False
        for element in value:
            if element.__class__ is not dict or "value" not in element or not element.keys() <= _USUAL:
                return False
            says_more = says_more or len(element) > 1
        if says_more:
            form[name] = []
        return True

    def run(self, state: MappingState) -> None:
        """Put into the form every element whose value is left, changed by the rule."""
        name = self._name
        if name not in state.read:
            super().run(state)
            return
        elements, kept, is_taken = state.read[name], [], False
        for at, element in enumerate(elements):
            fresh = element.copy()
            value = fresh.pop("value")
            if value or value not in EMPTY:
                is_taken = True
                path = partial(path_of, None, name, at, "value", element)
                fresh["value"] = self._attempt(state, value, path, element)
                if fresh["value"] is not None:
                    kept.append(fresh)
        if kept:
            state.form[name] = once(kept) if len(kept) > 1 else kept
        else:
            state.form.pop(name, None)
        if not is_taken:
            self._write_default(state)


Reader = WholeReader | ValueReader


def sole_reader(rule: Rule, named: Sequence[Place], *, sends: bool) -> Reader | None:
    """Return what reads an attribute for a rule that shares it with none; None where there is no such rule.

    `named` is all that rules name; `sends` says that of this attribute the rest is sent.
    """
    source, *more = rule.sources
    attribute = source.attribute.casefold()
    own = 1 + rule.in_place
    if more or source.urn is not None or source.where is not None:
        return None
    if sum(where.attribute.casefold() == attribute for where in named) != own:
        return None
    if source.sub is None:
        return WholeReader(rule)
    return ValueReader(rule) if source.sub == "value" and rule.in_place and sends else None


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
    primaries = {at for at, value in select_in(found.value, source.primary) if value in TRUE}
    return next((one for one in taken if one.at in primaries), taken[0])
