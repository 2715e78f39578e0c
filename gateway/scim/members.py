"""What a request asks of a group's members, taken apart from its other attributes. Pure.

A group may have tens of thousands of members, so a change of a few must never need them all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from gateway.errors import GatewayError, InvalidPath, InvalidValue
from gateway.scim.documents import resolved
from gateway.scim.grammar import (
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
    leaves,
    parse_path,
)
from gateway.scim.names import CORE_GROUP, EMPTY, UNKNOWN, get, key_of, resource
from gateway.scim.predicate import element_predicate
from gateway.values import frozen

Attributes = dict[str, Any]
Elements = Mapping[str, Attributes]  # members by their `value`

_MEMBERS: Final = resource("Group").find("members") or UNKNOWN
_PREFIX: Final = f"{CORE_GROUP}:".casefold()
_OPS: Final = frozenset({"add", "replace", "remove"})

TAKEN: Final[Mapping[str, Any]] = {"op": "taken"}  # this very object: an operation that was done elsewhere


MAX_COMPARISONS: Final = 1_000_000  # of filters with members, in one PATCH
MAX_OPERATIONS: Final = 10_000  # Okta sends one for each member who goes, a thousand at once


@frozen
class Added:
    """These become members, or stay."""

    elements: Elements


@frozen
class Removed:
    """These are no members any more."""

    values: tuple[str, ...]


@frozen
class RemovedWhere:
    """Those that a filter picks are no members any more."""

    filter: Filter


@frozen
class Emptied:
    """Nobody is a member any more."""


Edit = Added | Removed | RemovedWhere | Emptied


@frozen
class Delta:
    """What changes in a membership, whoever else is in it; with `whole`, nobody else is."""

    add: Elements = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    whole: bool = False

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.whole)


NO_CHANGE: Final = Delta()


def needs_present(edits: Iterable[Edit]) -> bool:
    """Say whether the edits mean something only together with the present members."""
    return any(isinstance(edit, Emptied | RemovedWhere) for edit in edits)


def delta_of(edits: Iterable[Edit]) -> Delta:
    """Return what edits come to that need no present members."""
    add: dict[str, Attributes] = {}
    remove: dict[str, None] = {}
    for edit in edits:
        if isinstance(edit, Added):
            add.update(edit.elements)
            for value in edit.elements:
                remove.pop(value, None)
        elif isinstance(edit, Removed):
            for value in edit.values:
                add.pop(value, None)
                remove[value] = None
    return Delta(add, tuple(remove))


def edited(present: Elements, edits: Iterable[Edit]) -> dict[str, Attributes]:
    """Return the members after the edits, in order; raises InvalidValue where they ask too much of all."""
    members, left = dict(present), MAX_COMPARISONS
    for edit in edits:
        match edit:
            case Added(elements):
                members.update({value: {**members.get(value, {}), **own} for value, own in elements.items()})
            case Removed(values):
                for value in values:
                    members.pop(value, None)
            case RemovedWhere(filter):
                left -= len(members) * sum(1 for _ in leaves(filter))
                if left < 0:
                    raise InvalidValue(
                        f"more than {MAX_COMPARISONS} comparisons with members: name them by value"
                    )
                picks, kind = element_predicate(filter, _MEMBERS), _type_meant(filter)
                members = {v: own for v, own in members.items() if not picks(_typed(own, kind))}
            case Emptied():
                members = {}
    return members


def _typed(element: Attributes, kind: Any) -> Attributes:
    """Return a member with a type, for those who came without one."""
    return element if key_of(element, "type") is not None else {**element, "type": kind}


def _type_meant(filter: Filter) -> Any:
    """Return what a filter means by a member whose type nobody said: a person, unless it says whom by id."""
    if isinstance(filter, LogicalExpr) and filter.op is LogicalOperator.and_:
        terms = [term for term in filter.terms if isinstance(term, Comparison)]
        said = {term.attr_path.attr.casefold(): term.value for term in terms if term.op is CompareOperator.eq}
        if "value" in said:
            return said.get("type", "User")
    return "User"


def take_member_operations(message: Mapping[str, Any]) -> tuple[Attributes, tuple[Edit, ...]]:
    """Return a PATCH message with its operations on members `TAKEN`, and what those ask.

    Raises a GatewayError that names the operation.
    """
    key = key_of(message, "Operations")
    operations = message[key] if key is not None else None
    if key is None or not isinstance(operations, list):
        return dict(message), ()
    if len(operations) > MAX_OPERATIONS:
        raise InvalidValue(f"more than {MAX_OPERATIONS} operations: send fewer at once")
    left: list[Any] = []
    edits: list[Edit] = []
    for number, raw in enumerate(operations, start=1):
        try:
            rest, own = _split(raw)
        except GatewayError as error:
            raise type(error)(f"operation {number} ({get(raw, 'op')} members): {error}") from error
        left.append(rest)
        edits.extend(own)
    return {**message, key: left}, tuple(edits)


def left_over(message: Mapping[str, Any]) -> list[Any]:
    """Return the operations of a PATCH message that are not about members."""
    operations = get(message, "Operations")
    return [raw for raw in operations if raw is not TAKEN] if isinstance(operations, list) else [message]


def elements_of(value: Any) -> dict[str, Attributes]:
    """Return members by their `value`, in order; raises InvalidValue."""
    if value in EMPTY:
        return {}
    items = value if isinstance(value, list) else [value]
    return dict(_element(item) for item in items if item not in EMPTY)


def _element(item: Any) -> tuple[str, Attributes]:
    element = {"value": item} if isinstance(item, str) else item
    if not isinstance(element, dict):
        raise InvalidValue("members must be a list of objects, each with a value that is text")
    value = get(element, "value")
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue("members must be a list of objects, each with a value that is text")
    known = {name: inner for name, inner in element.items() if name.casefold() != "value"}
    return value, {"value": value, **{name: inner for name, inner in known.items() if inner not in EMPTY}}


def _split(raw: Any) -> tuple[Any, list[Edit]]:
    """Return what of an operation is not about members, and what it asks of them."""
    op, path = (get(raw, "op"), get(raw, "path")) if isinstance(raw, dict) else (None, None)
    if not isinstance(op, str) or op.casefold() not in _OPS or not isinstance(path, str | None):
        return raw, []
    if not path or path.casefold() == CORE_GROUP.casefold():
        return (raw, []) if op.casefold() == "remove" else _pathless(raw, op.casefold())
    if not _is_about_members(path):
        return raw, []
    return TAKEN, list(_edits(op.casefold(), path.strip(), raw))


def _pathless(raw: Mapping[str, Any], op: str) -> tuple[Any, list[Edit]]:
    key = key_of(raw, "value")
    if key is None or not isinstance(raw[key], dict):
        return raw, []
    rest, own = dict(resolved(raw[key], "Group")), []
    for name in [name for name in rest if name.casefold() == "members"]:
        own.append(rest.pop(name))
    if not own:
        return raw, []
    return ({**raw, key: rest} if rest else TAKEN), [edit for value in own for edit in _assigned(op, value)]


def _edits(op: str, path: str, raw: Mapping[str, Any]) -> Iterator[Edit]:
    value = get(raw, "value")
    if _bare(path).casefold() == "members":
        if op == "remove":
            yield Emptied() if value in (None, "") else Removed(tuple(elements_of(value)))
        else:
            if key_of(raw, "value") is None:
                raise InvalidValue("value is missing")
            yield from _assigned(op, value)
        return
    tree = parse_path(path)
    if op != "remove" or not isinstance(tree, ValuePath) or tree.sub_attr is not None:
        raise InvalidPath('members are added and replaced as a list, and removed by members[value eq "…"]')
    values = _values_in(tree.val_filter)
    yield Removed(tuple(values)) if values is not None else RemovedWhere(tree.val_filter)


def _assigned(op: str, value: Any) -> Iterator[Edit]:
    elements = elements_of(value)
    if op == "replace":
        yield Emptied()
    if elements:
        yield Added(elements)


def _values_in(tree: Filter) -> Sequence[str] | None:
    """Return the values of `value eq "a" or value eq "b"`; None for any other filter."""
    match tree:
        case Comparison(path, CompareOperator.eq, str(value)) if (
            path.attr.casefold() == "value" and path.sub_attr is None
        ):
            return [value]
        case LogicalExpr(LogicalOperator.or_, terms):
            parts = [_values_in(term) for term in terms]
            known = [part for part in parts if part is not None]
            return [value for part in known for value in part] if len(known) == len(parts) else None
        case _:
            return None


def _bare(name: str) -> str:
    return name[len(_PREFIX) :] if name.casefold().startswith(_PREFIX) else name


def _is_about_members(path: str) -> bool:
    name = _bare(path.strip()).casefold()
    return name == "members" or name.startswith(("members[", "members."))
