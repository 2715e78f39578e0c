"""A SCIM filter to a condition in SQL that keeps every row it may match; the filter then decides. Pure."""

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sql

from gateway.scim.documents import fold, truth
from gateway.scim.grammar import AttrPath, CompareOperator, Comparison, Filter, LogicalExpr, ValuePath
from gateway.scim.grammar import LogicalOperator as Op
from gateway.scim.names import CORE_GROUP, CORE_USER

Condition = sql.ColumnElement[bool]
Find = Callable[[str, Any], Condition | None]  # a folded path and what it is to be -> who may be meant

CORE: Final = frozenset({"", CORE_USER.casefold(), CORE_GROUP.casefold()})


def narrow(tree: Filter | None, find: Find, within: str = "") -> Condition | None:
    """Return a condition that holds for every row the filter matches; None where all may."""
    match tree:
        case Comparison(path, CompareOperator.eq, str(value)) | Comparison(
            path, CompareOperator.eq, bool(value)
        ):
            return find(path_name(path, within), value)
        case LogicalExpr(op, terms):
            return _joined(op, [narrow(term, find, within) for term in terms])
        case ValuePath(path, inner):
            return narrow(inner, find, f"{path_name(path, within)}.")
        case _:
            return None


def _joined(op: Op, found: list[Condition | None]) -> Condition | None:
    known = [condition for condition in found if condition is not None]
    if not known or (op == Op.or_ and len(known) < len(found)):
        return None
    return sql.and_(*known) if op == Op.and_ else sql.or_(*known)


def path_name(path: AttrPath, within: str = "") -> str:
    """Return a path folded, with its URN where that is an extension's."""
    urn = (path.uri or "").casefold()
    sub = f".{path.sub_attr}" if path.sub_attr else ""
    return f"{within}{'' if urn in CORE else urn + ':'}{path.attr}{sub}".casefold()


def same_text(dialect: str, column: sql.ColumnElement[Any], text: str, *, folds: bool) -> Condition:
    """Return that a column has a text in any case, so that an index can be used where there is one."""
    if folds:
        return column == text
    if dialect == "sqlite" and text.isascii():
        return column == sql.collate(sql.literal(text), "NOCASE")
    if dialect == "sqlite":
        return sql.func.lower(column) == fold(text)
    return sql.func.lower(column) == sql.func.lower(sql.literal(text))


def said(value: Any) -> bool:
    """Return what a filter asks of `active`."""
    return truth(value) is True
