"""The body of a create or a replace, from its bytes to what it asks for, in one walk over it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.errors import InvalidValue
from gateway.scim.dialects import Dialect, with_value
from gateway.scim.documents import (
    ABSENT_IS_UNCHANGED,
    CHECKS,
    MISFITS,
    check_primary,
    fold,
    is_emptied,
    misfit,
    refuse,
    resolved,
    single,
    take_password,
    truth,
    unwrapped,
)
from gateway.scim.jsontext import MAX_DEPTH, MAX_ELEMENTS, MAX_NAMES, load, may_hide, parse_json
from gateway.scim.members import Added, Edit, Emptied
from gateway.scim.names import (
    CORE_URNS,
    ENTERPRISE_USER,
    NAMES,
    RESOURCES,
    UNKNOWN,
    Attribute,
    is_urn,
    key_of,
    strays,
)
from gateway.values import frozen


@frozen
class Document:
    """What a create or a replace asks for: checked, with the standard's names, without what is empty."""

    attributes: dict[str, Any]
    password: str | None = field(default=None, repr=False)
    members: tuple[Edit, ...] = ()  # of a group
    name: str = ""  # the userName or displayName, folded
    external_id: str | None = None
    active: bool | None = None  # what it says of a person; None: nothing


def ingest(body: bytes, kind: str, dialect: Dialect, *, replaces: bool = False) -> Document:
    """Return what a body of a resource type asks for; raises InvalidSyntax or InvalidValue.

    `replaces`: it is the whole resource, as in a PUT, so `ABSENT_IS_UNCHANGED` stay as None where emptied.
    """
    sent, attributes, not_one_text = _read(body, kind, dialect)
    if replaces:
        for name in ABSENT_IS_UNCHANGED:
            if name not in attributes and key_of(sent, name) is not None:
                attributes[name] = None
    for name, is_right, wanted in CHECKS[kind]:
        value = attributes.get(name)
        if value is None or not is_right(value):
            refuse(name, value, wanted)
    if not_one_text is not None:
        refuse(not_one_text, sent, "text")
    if not MISFITS[kind].isdisjoint(map(str.casefold, attributes.get("schemas") or ())):
        raise misfit(kind)
    least = 1 if dialect.decodes_roles else 2  # one value cannot be two primary ones
    for name, value in list(attributes.items()):
        if type(value) is list and len(value) >= least:
            known = RESOURCES[kind].find(name) or UNKNOWN
            attributes[name] = dialect.meant(value, known)
            check_primary(attributes[name], known)
    members = _take_members(attributes, replaces) if kind == "Group" else ()
    attributes, password = take_password(attributes)
    name, active = fold(attributes[NAMES[kind]]), attributes.get("active") if kind == "User" else None
    return Document(attributes, password, members, name, attributes.get("externalId"), active)


def _read(body: bytes, kind: str, dialect: Dialect) -> tuple[Mapping[str, Any], dict[str, Any], str | None]:
    """Return the document as sent and as the standard has it, and what is no text in it but must be."""
    sent: Mapping[str, Any] = load(body)
    walk = _Walk()
    if _has_qualified_names(sent, kind, dialect):
        sent = resolved(dialect.document(parse_json(body, refuse_duplicates=True), kind), kind)
        sent = resolved(dialect.document(sent, kind), kind)  # what was moved is forgiven where it is
        return sent, walk.object(sent, _FORGIVING[kind], 1), walk.not_one_text
    attributes = walk.object(sent, _FORGIVING[kind], 1)
    if walk.is_doubtful or may_hide(body, walk.names):
        parse_json(body, refuse_duplicates=True)
    return sent, attributes, walk.not_one_text


def _has_qualified_names(sent: Mapping[str, Any], kind: str, dialect: Dialect) -> bool:
    """Say whether a name stands for a place elsewhere (RFC 7643 section 3.1.1), or may."""
    extension = sent.get(ENTERPRISE_USER)
    if extension is not None and type(extension) is not dict:
        return True
    if kind == "User" and not dialect.names.keys().isdisjoint(map(str.casefold, sent)):
        return True
    names = []
    for name in strays(sent):
        if ":" in name or "." in name:
            names.append(name)
    if not names:
        return False
    ours = (CORE_URNS[kind], ENTERPRISE_USER, f"{kind}.", *dialect.urns.get(kind, ()))
    starts = tuple(map(str.casefold, ours))
    return any(type(sent[name]) is not dict or name.casefold().startswith(starts) for name in names)


def _take_members(attributes: dict[str, Any], replaces: bool) -> tuple[Edit, ...]:
    """Take the members, which are right by now, out of a group."""
    if "members" not in attributes:
        return ()
    elements = {
        member["value"]: member if next(iter(member)) == "value" else {"value": member["value"], **member}
        for member in attributes.pop("members") or ()
    }
    edits: tuple[Edit, ...] = (Emptied(),) if replaces else ()
    return (*edits, Added(elements)) if elements else edits


class _Walk:
    """One way through a parsed body: what it holds, and whether its text needs a closer look."""

    __slots__ = ("is_doubtful", "names", "not_one_text")

    def __init__(self) -> None:
        self.not_one_text: str | None = None  # the first attribute that is to be a text, and is not
        self.names = 0  # met on the way, never more than the text has
        self.is_doubtful = False

    def object(self, sent: Mapping[str, Any], known: "_Node", depth: int) -> dict[str, Any]:
        """Return an object with the standard's names, without what is empty."""
        size = len(sent)
        self.names += size
        if (depth >= MAX_DEPTH or size > MAX_NAMES) and self._is_too_deep(depth):
            return {}
        exact, texts, others = known.exact, known.texts, []
        kept = dict(sent)
        for name, value in sent.items():
            kind = type(value)
            if kind is str and value and name in texts:
                continue
            own = exact.get(name)
            if own is None:
                others.append(name.casefold())
                own = known.folded.get(others[-1], _UNKNOWN)
            if kind is not bool:
                if (found := own.read(self, value, own, depth)) is None:
                    del kept[name]
                else:
                    kept[name] = found
            elif own.read is _text:
                self.not_one_text = self.not_one_text or own.name
        if others and (len(set(others)) < len(others) or not known.folded.keys().isdisjoint(others)):
            return self._respelled(kept, sent, known)
        return kept

    def _respelled(self, kept: dict[str, Any], sent: Mapping[str, Any], known: "_Node") -> dict[str, Any]:
        """Return what was kept with the standard's names, and doubt the text where it may give one twice."""
        if len(set(map(str.casefold, sent))) != len(sent):
            self.is_doubtful = True
        folded = known.folded
        return {folded.get(name.casefold(), _UNKNOWN).name or name: value for name, value in kept.items()}

    def value(self, sent: Any, known: "_Node", depth: int) -> Any:
        """Return a value at this depth as the standard has it; None where it is empty."""
        kind = type(sent)
        if kind is dict:
            return self.object(sent, known, depth + 1) or None
        if kind is list:
            if known.exact and known.read is _Walk.value and len(sent) == 1 and type(sent[0]) is dict:
                return self.object(sent[0], known, depth + 2) or None
            return self.many(sent, known, depth)
        if kind is float and abs(sent) >= _LARGE:
            self.is_doubtful = True
        return None if sent == "" else sent

    def many(self, sent: Any, known: "_Node", depth: int) -> Any:
        """Return a list as the standard has it; one object stands for a list of it."""
        if type(sent) is dict:
            sent = [sent]
        elif type(sent) is not list:
            return self.value(sent, known, depth)
        depth += 1
        if (depth >= MAX_DEPTH or len(sent) > MAX_ELEMENTS) and self._is_too_much(sent, known, depth):
            return None
        kept: list[Any] = []
        for item in sent:
            kind = type(item)
            if kind is dict:
                found = self.object(item, known, depth + 1)
                if found and (len(found) == len(item) or not is_emptied(item, found)):
                    kept.append(found)
            elif kind is str:
                if item:
                    kept.append(item)
            elif (other := self.value(item, known, depth)) is not None:
                kept.append(other)
        return (kept if len(set(map(type, kept))) < 2 else _in_one_form(kept, known)) or None

    def _is_too_much(self, sent: list[Any], known: "_Node", depth: int) -> bool:
        """Say whether to turn back at a list; raises InvalidValue for one that is too long."""
        if len(sent) > MAX_ELEMENTS and known.name != "members":
            raise InvalidValue(f"{known.name or 'a list'} has more than {MAX_ELEMENTS} elements")
        return depth >= MAX_DEPTH and self._is_too_deep(depth)

    def _is_too_deep(self, depth: int) -> bool:
        """Doubt the text, and say whether to turn back: forgiving may put one list around an object."""
        self.is_doubtful = True
        return depth > MAX_DEPTH + 1


_LARGE: Final = 2.0**63  # what was a whole number in the text may have become a float from here


def _in_one_form(elements: list[Any], known: "_Node") -> list[Any]:
    """Return the elements as objects, texts as those of their `value`, where the standard has it so."""
    if str not in map(type, elements) or "value" not in known.exact or known.read is not _Walk.many:
        return elements
    has_object = any(type(element) is dict for element in elements)
    return [{"value": one} if type(one) is str and has_object else one for one in elements]


def _boolean(walk: _Walk, sent: Any, known: "_Node", depth: int) -> Any:
    return walk.value(truth(single(sent)), known, depth)


def _one(walk: _Walk, sent: Any, known: "_Node", depth: int) -> Any:
    return walk.value(unwrapped(sent), known, depth)


def _text(walk: _Walk, sent: Any, known: "_Node", depth: int) -> Any:
    found = walk.value(unwrapped(sent), known, depth)
    if found is not None and type(found) is not str:
        walk.not_one_text = walk.not_one_text or known.name
    return found


def _manager(walk: _Walk, sent: Any, known: "_Node", depth: int) -> Any:
    """Read what stands for a manager: an id, an object, or a list of one of them."""
    one = sent[0] if type(sent) is list and len(sent) == 1 else sent
    if type(one) is str:
        return {"value": one} if one else None
    return walk.value(with_value(one) if type(one) is dict else one, known, depth)


_Read = Callable[[_Walk, Any, "_Node", int], Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """An attribute made ready for the walk: how its value is read, and its sub-attributes by name."""

    name: str  # as the standard spells it; "" where it has none
    read: _Read
    exact: Mapping[str, "_Node"]
    folded: Mapping[str, "_Node"]
    texts: frozenset[str]  # the sub-attributes of which text stands for nothing else


def _node(known: Attribute, *, is_part: bool = False) -> _Node:
    subs = [_node(sub, is_part=is_part or not _is_holder(known)) for sub in known.sub.values()]
    return _Node(
        known.name,
        _reader(known, is_part),
        exact={sub.name: sub for sub in subs},
        folded={sub.name.casefold(): sub for sub in subs},
        texts=frozenset(sub.name for sub in subs if sub.read not in (_boolean, _manager)),
    )


def _is_holder(known: Attribute) -> bool:
    """Say whether it is a resource or an extension: what is in it are attributes, not parts of one."""
    return known in RESOURCES.values() or is_urn(known.name)


def _reader(known: Attribute, is_part: bool) -> _Read:
    if known.is_simple:
        return _boolean if known.boolean else _one if is_part or known.read_only else _text
    if known.name == "manager":
        return _manager
    return _Walk.many if known.multi_valued else _Walk.value


_UNKNOWN: Final = _node(UNKNOWN)
_FORGIVING: Final = {kind: _node(known) for kind, known in RESOURCES.items()}
