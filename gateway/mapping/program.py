"""A target's rules made ready for one walk over a resource, attribute by attribute. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property, partial
from typing import Any, Final

from gateway.mapping.compiled_rule import (
    CompiledRule,
    FoundAttribute,
    MappingState,
    Reader,
    Takes,
    sole_reader,
)
from gateway.mapping.lines import RuleIndex
from gateway.mapping.places import (
    CORE,
    SINGLE,
    CompiledPlace,
    Leaf,
    compile_place,
    has_objects,
    leaves_of,
    once,
    path_of,
)
from gateway.mapping.rules import Problem, Rule, TransformStep, Unlisted
from gateway.mapping.specs import Person
from gateway.scim.documents import is_active, schemas_of
from gateway.scim.names import COMPANIONS, EMPTY, ENTERPRISE_USER, resource
from gateway.scim.paths import ANYWHERE, Place, select
from gateway.values import frozen

ALWAYS_SENT: Final = frozenset({"userName", "externalId", "active"})
SERVER_OWNED: Final = frozenset({"schemas", "id", "meta", "groups", "password"})
HELD: Final = "no rule names it: it is kept here, and shown to the provider"
_USUAL: Final = tuple(name.name for name in resource("User").sub[ENTERPRISE_USER.casefold()].sub.values())


@frozen
class Mapped:
    """What a resource becomes on a target, and all there is to say about it."""

    form: dict[str, Any]
    held: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    kept: tuple[Place, ...] = ()  # invalid on somebody inactive: the target keeps what it has
    reasons: tuple[Problem, ...] = ()  # why a rule dropped what: the path of each is in `dropped`

    def unsent(self) -> list[dict[str, str | None]]:
        """Return every path that is held or dropped, with the rule that drops it and the reason."""
        why = {problem.path: (problem.rule, problem.reason) for problem in self.reasons}
        held = [("held", path, None, HELD) for path in self.held]
        dropped = [("dropped", path, *why.get(path, (None, "no rule takes it"))) for path in self.dropped]
        return [dict(zip(("what", "path", "rule", "reason"), one, strict=True)) for one in (*held, *dropped)]


@frozen
class _Handler:
    """What becomes of one attribute: sent as it is, left out, or handed to the rules that name it."""

    sends: bool  # all that no rule names
    places: tuple[CompiledPlace, ...] = ()  # what rules name
    as_is: tuple[CompiledPlace, ...] = ()  # what the target requires: sent although no rule names it
    values: frozenset[str] | None = None  # the sub-attributes that rules read, folded; None: all
    is_hidden: bool = False  # the server's own: a rule may read it, and nobody misses it
    reader: Reader | None = None  # the rule that reads it where no other names it
    name: str = field(init=False)  # as rules spell it, "" where they do not agree
    is_whole: bool = field(init=False)  # rules name all of it
    takes: Takes | None = field(init=False)  # what its reader is asked first
    put: "Put" = field(init=False, repr=False)  # does with its value what has to be done

    def __post_init__(self) -> None:
        spellings = {where.place.attribute for where in self.places}
        object.__setattr__(self, "name", spellings.pop() if len(spellings) == 1 else "")
        object.__setattr__(self, "is_whole", any(where.is_whole for where in self.places))
        object.__setattr__(self, "takes", self.reader.takes if self.reader else None)
        object.__setattr__(self, "put", self._put())

    def _put(self) -> "Put":
        if self.reader is not None:
            return partial(_read, self)
        if self.places or self.as_is:
            return partial(_note, self)
        return _send if self.sends else _hide if self.is_hidden else _leave


Put = Callable[
    [MappingState, dict[str, Any], str | None, str, Any], None
]  # of an extension, or None; name, value


@frozen
class _Level:
    """The attributes of the core, or of an extension."""

    exact: Mapping[str, _Handler]  # saves folding the names that are most usual
    folded: Mapping[str, _Handler]
    other: _Handler
    sent: frozenset[str] = field(init=False)  # of `exact`: as they are

    def __post_init__(self) -> None:
        sent = [name for name, handler in self.exact.items() if handler.put is _send]
        object.__setattr__(self, "sent", frozenset(sent))


class Program:
    """What the rules whose condition holds make of a resource."""

    def __init__(  # noqa: PLR0913 - one for each part of a target's table
        self,
        rules: Sequence[Rule],
        unlisted: Unlisted,
        require: Sequence[Sequence[Place]] = (),
        kind: str = "User",
        *,
        is_careful: bool = False,
        remembered: Sequence[Place] = (),
        excused: Sequence[Sequence[Place]] = (),
    ) -> None:
        """`is_careful`: whatever the resource spells otherwise than the rules do is found all the same.

        `remembered`: what is known of a resource beside what the rules name; `excused`: the groups of
        `require` that do not bind.
        """
        self._rules = rules
        self._unlisted = unlisted
        self._require = require
        self._excused = excused
        self._binding = [group for group in require if group not in excused]
        self._remembered = remembered
        self._kind = kind
        tables = _Tables(rules, unlisted, require, is_careful)
        self._is_careful = tables.is_careful
        self._compiled = tables.compiled
        self._core = tables.core(kind)
        self._elsewhere = tables.level(ANYWHERE)
        self._extensions = {urn: tables.level(urn) for urn in tables.urns}

    def forward(self, person: Person, steps: list[TransformStep] | None = None) -> Mapped:
        """Return the target's form of a resource; `steps` collects every transform at work."""
        original = person.original
        active = original.get("active") is True or is_active(original)
        state = MappingState(person, active=active, steps=steps)
        self._walk(state, self._core, None, original)
        if state.is_odd and not self._is_careful:
            return self._careful.forward(person, steps)
        for rule in self._compiled:
            rule.run(state)
        form = _finished(state) if state.found else state.form
        for rule, value in state.late:
            form = rule.write(form, value, is_odd=self._is_careful)
        if active and self._binding:
            self._check_required(form, state.problems)
        unsent = [path_of(urn, name, *leaf[:2], leaf.element) for urn, name, leaf in state.unsent]
        held, dropped = (unsent, []) if self._unlisted is Unlisted.HOLD else ([], unsent)
        left = _left(state) if state.found else ()
        return Mapped(
            {"schemas": schemas_of(form, self._kind), **form},
            tuple(held),
            tuple(dict.fromkeys((*dropped, *state.dropped, *left))),
            tuple(state.problems),
            tuple(state.kept),
            tuple(state.reasons),
        )

    def known(self, original: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the rules name of a resource, and what is sent as it is."""
        state = MappingState(Person(original), active=True)
        self._knowing._walk(state, self._knowing._core, None, original)
        return _finished(state)

    @cached_property
    def index(self) -> RuleIndex:
        """These rules by what they write."""
        return RuleIndex(self._rules)

    @cached_property
    def _knowing(self) -> "Program":
        """The program without rules that sends as it is what these rules name."""
        named = [where for rule in self._rules for where in (*rule.sources, rule.to)]
        return Program((), Unlisted.DROP, (named, self._remembered, *self._require), self._kind)

    @cached_property
    def _careful(self) -> "Program":
        """The same program for a resource that spells a name otherwise than the rules do."""
        same = (self._rules, self._unlisted, self._require, self._kind)
        return Program(*same, is_careful=True, excused=self._excused)

    def _walk(
        self, state: MappingState, level: _Level, urn: str | None, attributes: Mapping[str, Any]
    ) -> None:
        """Put what no rule names where it belongs, and note what rules name."""
        exact, sent = level.exact, level.sent
        holder = state.form if urn is None else state.form.setdefault(urn, {})
        for name, value in attributes.items():
            if name in sent and value.__class__ in SINGLE:
                holder[name] = value
                continue
            handler = exact.get(name)
            if handler is None:
                if urn is None and ":" in name and isinstance(value, dict):
                    self._walk(state, self._extensions.get(name.casefold(), self._elsewhere), name, value)
                    continue
                handler = level.folded.get(name.casefold(), level.other)
            handler.put(state, holder, urn, name, value)
        if urn is not None and not holder:
            del state.form[urn]

    def _check_required(self, form: Mapping[str, Any], problems: list[Problem]) -> None:
        missing = [group for group in self._binding if not any(_is_filled(form, where) for where in group)]
        refused = {problem.path.casefold() for problem in problems} if missing else ()
        for group in missing:
            if not any(where.text.casefold() in refused for where in group):
                names = " or ".join(where.text for where in group)
                problems.append(Problem(names, "require", "is required by the target"))


class _Tables:
    """Makes the tables of a program."""

    def __init__(
        self, rules: Sequence[Rule], unlisted: Unlisted, require: Sequence[Sequence[Place]], is_careful: bool
    ) -> None:
        places = [where for rule in rules for where in (*rule.sources, rule.to)]
        self._named = [compile_place(where) for where in places]
        self._required = [compile_place(where) for group in require for where in group]
        self._other = _Handler(sends=unlisted is Unlisted.SEND)
        self.urns = {where.level for where in (*self._named, *self._required)} - {CORE, ANYWHERE}
        folded = {where.attribute for where in self._named}
        self.is_careful = is_careful or len(folded) < len({where.attribute for where in places})
        self.compiled: list[CompiledRule] = []
        self._readers: dict[str, Reader] = {}  # by the folded name of what they read
        for rule in rules:
            name = rule.sources[0].attribute
            sends = self._other.sends and name not in SERVER_OWNED
            reader = None if self.is_careful else sole_reader(rule, places, sends=sends)
            if reader is not None:
                self._readers[name.casefold()] = reader
            self.compiled.append(reader or CompiledRule(rule))

    def level(self, level: str, usual: Iterable[str] = _USUAL) -> _Level:
        """Return the table of an extension; ANYWHERE stands for each that no rule names."""
        keys = {where.attribute for where in (*self._named, *self._required)}
        handlers = {key: self._handler(level, key) for key in keys}
        exact = {name: handlers.get(name.casefold(), self._other) for name in usual}
        exact |= {handler.name: handler for handler in handlers.values() if handler.name}
        return _Level(exact, handlers, self._other)

    def core(self, kind: str) -> _Level:
        """Return the table of the core level of a resource type."""
        usual = [known.name for known in resource(kind).sub.values() if ":" not in known.name]
        level = self.level(CORE, usual)
        exact = dict(level.exact)
        for name in ALWAYS_SENT:
            handler = level.folded.get(name.casefold(), self._other)
            exact[name] = replace(handler, sends=True, as_is=())
        for name in SERVER_OWNED:
            handler = level.folded.get(name.casefold(), self._other)
            exact[name] = replace(handler, sends=False, as_is=(), is_hidden=True)
        return replace(level, exact=exact)

    def _handler(self, level: str, attribute: str) -> _Handler:
        everywhere = [where for where in self._named if where.attribute == attribute]
        places = [where for where in everywhere if where.level in (level, ANYWHERE)]
        needed = [where for where in self._required if where.attribute == attribute]
        as_is = [where for where in needed if where.level in (level, ANYWHERE)]
        sends = self._other.sends or any(where.is_whole for where in as_is)
        subs = [where.sub for where in everywhere]
        values = None if None in subs else frozenset(sub for sub in subs if sub is not None)
        reader = self._readers.get(attribute) if level == CORE else None
        return _Handler(sends, tuple(places), () if sends else tuple(as_is), values, reader=reader)


def _send(state: MappingState, holder: dict[str, Any], urn: str | None, name: str, value: Any) -> None:
    """Send all of an attribute but objects without anything in them."""
    if isinstance(value, list) and {} in value:
        value = [element for element in value if element != {}] or {}
    if value != {}:
        holder[name] = value


def _hide(state: MappingState, holder: dict[str, Any], urn: str | None, name: str, value: Any) -> None:
    """Leave out what nobody misses."""


def _leave(state: MappingState, holder: dict[str, Any], urn: str | None, name: str, value: Any) -> None:
    """Leave an attribute out, and note every value of it."""
    state.unsent.extend((urn, name, leaf) for leaf in leaves_of(value))


def _read(
    handler: _Handler, state: MappingState, holder: dict[str, Any], urn: str | None, name: str, value: Any
) -> None:
    """Keep an attribute for the one rule that reads it."""
    if name == handler.name and (handler.takes is None or handler.takes(holder, name, value)):
        state.read[name] = value
    else:
        _note(handler, state, holder, urn, name, value)


def _note(
    handler: _Handler, state: MappingState, holder: dict[str, Any], urn: str | None, name: str, value: Any
) -> None:
    """Note an attribute that rules name, and send of it what they do not name."""
    if handler.places and name != handler.name:
        state.is_odd = True
    found = FoundAttribute(urn, name, value, CORE if urn is None else urn.casefold())
    state.found.append(found)
    if handler.places:
        state.named.setdefault(handler.places[0].attribute, []).append(found)
    if handler.is_whole and not handler.is_hidden:
        return
    found.named = []
    for leaf in () if handler.is_hidden else leaves_of(found.value):
        if not any(where.names(leaf.sub, leaf.element) for where in handler.places):
            _send_leaf(state, handler, found, leaf)
        elif leaf.value not in EMPTY and _is_value(handler, leaf.sub):
            found.named.append(leaf)


def _send_leaf(state: MappingState, handler: _Handler, found: FoundAttribute, leaf: Leaf) -> None:
    """Send one value that no rule names, where such are sent."""
    at, sub, value, element = leaf
    if not (handler.sends or any(where.names(sub, element) for where in handler.as_is)):
        state.unsent.append((found.urn, found.name, leaf))
    elif at is not None:
        found.send(state.form, at, sub, value)
    else:
        holder = state.form if found.urn is None else state.form[found.urn]
        if sub is None:
            holder[found.name] = value
        else:
            holder.setdefault(found.name, {})[sub] = value


def _is_value(handler: _Handler, sub: str | None) -> bool:
    """Say whether a named value is more than what says which element it belongs to."""
    return handler.values is None or sub is None or (sub or "value").casefold() in handler.values


def _finished(state: MappingState) -> dict[str, Any]:
    """Return the form with its elements; one that lost all but what says which one it was is left out."""
    form = state.form
    for found in state.found:
        if not found.sent:
            continue
        holder = form if found.urn is None else form[found.urn]
        if kept := _elements(found):
            holder[found.name] = kept
        else:
            del holder[found.name]
            if found.urn is not None and not holder:
                del form[found.urn]
    return form


def _elements(found: FoundAttribute) -> list[Any]:
    elements: dict[int, Any] = {}
    for (at, sub), value in found.sent.items():
        if sub is None:
            elements[at] = dict(value) if isinstance(value, dict) else value
        else:
            elements.setdefault(at, {})[sub] = value
    are_objects = has_objects(found.value)
    kept = [
        elements[at]
        for at in sorted(elements)
        if not (are_objects and _is_bare(elements[at], found.value[at]))
    ]
    return once(kept) if len(found.made) > 1 else kept


def _is_bare(element: Any, original: Any) -> bool:
    """Say whether an element only says which one it is, and once was more."""
    if not isinstance(element, dict) or not element.keys() <= COMPANIONS:
        return False
    return not isinstance(original, dict) or not original.keys() <= COMPANIONS


def _left(state: MappingState) -> list[str]:
    """Return the paths of what rules name and none took; first those of attributes that none has touched."""
    left: dict[str, list[str]] = {}
    for found in state.found:
        named = found.named
        if named is None:
            named = [leaf for leaf in leaves_of(found.value) if leaf.value not in EMPTY]
        if named:
            paths = [found.path(leaf.at, leaf.sub, leaf.element) for leaf in named]
            left.setdefault(found.name.casefold(), []).extend(paths)
    untouched = [key for key in left if key not in state.touched]
    return [path for key in (*untouched, *state.touched) for path in left.get(key, ())]


def _is_filled(form: Mapping[str, Any], where: Place) -> bool:
    if where.urn is None and where.where is None and where.sub is None and where.attribute in form:
        return form[where.attribute] not in EMPTY
    return any(value not in EMPTY for _, value in select(form, where))
