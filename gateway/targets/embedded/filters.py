"""A SCIM filter to a condition in SQL that keeps every entry it may match. Pure.

SQL narrows by what is indexed, exactly as it was folded in Python; the filter itself is then evaluated on the
few entries that are left. A filter on nothing that is indexed narrows nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.scim.documents import fold
from gateway.scim.grammar import (
    AttrPath,
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
)
from gateway.scim.names import CORE_GROUP, CORE_USER, get
from gateway.values import frozen

CORE: Final = frozenset({"", CORE_USER.casefold(), CORE_GROUP.casefold()})
VALUES: Final[Mapping[str, str]] = {  # path in a filter -> path in the table `value`, both in lower case
    "displayname": "displayName",
    "emails": "emails",
    "emails.value": "emails",
    "phonenumbers": "phoneNumbers",
    "phonenumbers.value": "phoneNumbers",
}
COLUMNS: Final[Mapping[str, str]] = {
    "id": "id = ?",
    "externalid": "external_id = ?",
    "username": "name_folded = ?",
}
SORTED: Final[Mapping[str, str]] = {  # path that entries are ordered by -> column that has it so
    "id": "id",
    "externalid": "external_id",
    "username": "name_folded",
}
EXACT: Final = frozenset({"id", "externalid"})  # caseExact in RFC 7643
MEMBERS: Final = frozenset({"members", "members.value"})
IN_MEMBERS: Final = "seq IN (SELECT entry FROM member WHERE value = ?)"
IN_VALUES: Final = "seq IN (SELECT entry FROM value WHERE path = ? AND folded = ?)"
WORDS: Final = {LogicalOperator.and_: " AND ", LogicalOperator.or_: " OR "}


@frozen
class Condition:
    """Text for a WHERE clause, and its parameters."""

    sql: str
    parameters: tuple[str, ...]


EVERY: Final = Condition("TRUE", ())


def narrow(tree: Filter | None) -> Condition:
    """Return a condition that holds for every entry the filter matches, and few others."""
    return (_narrow(tree, "") if tree is not None else None) or EVERY


def looked_up(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the (path, folded value) by which an entry is found; some may repeat."""
    for name, held in document.items():
        path = VALUES.get(name.casefold())
        if path is not None:
            for element in held if isinstance(held, list) else [held]:
                text = get(element, "value") if isinstance(element, dict) else element
                if isinstance(text, str):
                    yield path, fold(text)


def storable(text: str) -> str:
    """Return text that SQLite takes; a lone surrogate, which no entry can have, becomes a question mark."""
    return text.encode(errors="replace").decode()


def names_members(path: AttrPath) -> bool:
    """Say whether a path leads into the members of a group."""
    return path.attr.casefold() == "members"


def _narrow(tree: Filter, within: str) -> Condition | None:
    match tree:
        case Comparison(attr_path, CompareOperator.eq, str(text)):
            return _equals(path_name(attr_path, within), text)
        case LogicalExpr(op, terms):
            return _joined(op, [_narrow(term, within) for term in terms])
        case ValuePath(attr_path, inner):
            return _narrow(inner, f"{path_name(attr_path, within)}.")
        case _:
            return None


def _equals(name: str, text: str) -> Condition | None:
    if name in COLUMNS:
        return Condition(COLUMNS[name], (storable(text if name in EXACT else fold(text)),))
    if name in MEMBERS:
        return Condition(IN_MEMBERS, (storable(text),))
    if name in VALUES:
        return Condition(IN_VALUES, (VALUES[name], storable(fold(text))))
    return None


def _joined(op: LogicalOperator, found: list[Condition | None]) -> Condition | None:
    known = [condition for condition in found if condition is not None]
    if not known or (op == LogicalOperator.or_ and len(known) < len(found)):
        return None
    sql = WORDS[op].join(f"({condition.sql})" for condition in known)
    return Condition(sql, tuple(value for condition in known for value in condition.parameters))


def path_name(path: AttrPath, within: str = "") -> str:
    """Return a path in lower case; one into an extension has its URN and so is never indexed."""
    urn = (path.uri or "").casefold()
    sub = f".{path.sub_attr}" if path.sub_attr else ""
    return f"{within}{'' if urn in CORE else urn + ':'}{path.attr}{sub}".casefold()
