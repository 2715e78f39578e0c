"""What a database says of its tables: columns, types, lengths and constraints; what of that fits a value."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sql
from sqlalchemy import exc
from sqlalchemy.engine.interfaces import ReflectedColumn

from gateway.flow.target_port import Refused
from gateway.values import frozen

BITS: Final = {"TINYINT": 7, "SMALLINT": 15, "MEDIUMINT": 23, "BIGINT": 63}  # any other integer: 31
_WHOLE: Final = re.compile(r"-?\d{1,40}")


@frozen
class ColumnSchema:
    """One column as the database has it."""

    name: str
    type: sql.types.TypeEngine[Any]
    nullable: bool = True
    default: str | None = None  # as SQL
    fills_itself: bool = False  # the database gives a new row its value
    bits: int = 63  # of an integer, without its sign
    folds: bool = False  # what differs by case only is the same to it

    @property
    def says(self) -> str:
        """Its name and type, for people."""
        return f"{self.name} {self.type}{'' if self.nullable else ' not null'}"

    def written(self, value: Any, attribute: str) -> Any:
        """Return a value as the column takes it, never shortened; raises Refused naming the attribute."""
        if value is None:
            return None
        if isinstance(value, list | dict):
            raise Refused(f"{attribute}: has several values, and the column {self.name} takes one", 400)
        for kind, convert in WRITTEN.items():
            if isinstance(self.type, kind):
                try:
                    return convert(self, value)
                except (ValueError, InvalidOperation) as error:
                    reason = str(error) if type(error) is Unfitting else f"is no {kind.__name__.lower()}"
                    raise Refused(f"{attribute}: {reason} (column {self.name})", 400) from None
        return value

    def sought(self, id: str) -> Any:
        """Return an id as the column has it, None where no row can have it."""
        if "\x00" in id or not id or not id.isprintable():
            return None
        try:
            value = self.written(id, "id")
        except Refused:
            return None
        return value if str(value) == id else None


class Unfitting(ValueError):
    """Says why a value does not fit, in words for people."""


def _text(column: ColumnSchema, value: Any) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if "\x00" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise Unfitting("has characters that no database takes")
    length = getattr(column.type, "length", None)
    if length is not None and len(text) > length:
        raise Unfitting(f"is longer than {length} characters")
    allowed = getattr(column.type, "enums", None)
    if allowed and text not in allowed:
        raise Unfitting(f"is none of {', '.join(allowed)}")
    return text


def _whole(column: ColumnSchema, value: Any) -> int:
    if not isinstance(value, bool | int) and not _WHOLE.fullmatch(str(value)):
        raise Unfitting("is no whole number")
    number = int(value)
    if not -(2**column.bits) <= number < 2**column.bits:
        raise Unfitting("is too large a number")
    return number


def _truth(column: ColumnSchema, value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if str(value).casefold() not in words:
        raise Unfitting("is neither true nor false")
    return words[str(value).casefold()]


def _number(column: ColumnSchema, value: Any) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise Unfitting("is no number")
    scale, precision = getattr(column.type, "scale", None), getattr(column.type, "precision", None)
    if scale is not None and -int(number.as_tuple().exponent) > scale:
        raise Unfitting(f"has more than {scale} digits behind the point")
    if precision is not None and abs(number) >= Decimal(10) ** (precision - (scale or 0)):
        raise Unfitting("is too large a number")
    return number


def _moment(column: ColumnSchema, value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unfitting("is no moment such as 2026-12-01T09:30:00Z") from None
    if getattr(column.type, "timezone", False):
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _day(column: ColumnSchema, value: Any) -> date:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise Unfitting("is no day such as 2026-12-01") from None


def _bytes(column: ColumnSchema, value: Any) -> bytes:
    raise Unfitting("cannot be kept: the column holds bytes")


WRITTEN: Final[Mapping[type[Any], Callable[[ColumnSchema, Any], Any]]] = {  # the first that is its type
    sql.Boolean: _truth,
    sql.Integer: _whole,
    sql.Numeric: _number,
    sql.DateTime: _moment,
    sql.Date: _day,
    sql.Uuid: lambda _, value: UUID(str(value)),
    sql.LargeBinary: _bytes,
    sql.String: _text,
}


def shown(value: Any) -> Any:
    """Return what a column holds as JSON has it; None for what is no text, number or moment."""
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return None
    return value


@frozen
class TableSchema:
    """A table as the database has it; `columns` is empty where there is none."""

    name: str
    columns: Mapping[str, ColumnSchema]
    unique: Mapping[str, tuple[str, ...]]  # by the constraint's name
    foreign: Mapping[str, tuple[str, ...]]
    indexed: frozenset[str] = frozenset()  # the columns that an index begins with

    @property
    def says(self) -> str:
        return f"{self.name}: {', '.join(column.says for column in self.columns.values())}"

    def is_unique(self, *columns: str) -> bool:
        return any(set(columns) == set(found) for found in self.unique.values())


def parts_of(name: str) -> tuple[str | None, str]:
    """Return the schema, where one is said, and the table of a name."""
    schema, _, table = name.rpartition(".")
    return schema or None, table


def read_tables(connection: sql.Connection, names: Iterable[str]) -> dict[str, TableSchema]:
    """Return what the database says of tables or views; one that is not there has no columns."""
    inspector = sql.inspect(connection)
    return {name: _table(connection, inspector, name) for name in names}


def _table(connection: sql.Connection, inspector: sql.Inspector, name: str) -> TableSchema:
    schema, table = parts_of(name)
    try:
        found = inspector.get_columns(table, schema)
    except exc.NoSuchTableError:
        return TableSchema(name, {}, {}, {})
    key = inspector.get_pk_constraint(table, schema)
    unique = {str(key.get("name") or "PRIMARY"): tuple(key["constrained_columns"])}
    own = {"include_auto_indexes": True} if connection.dialect.name == "sqlite" else {}
    indexes = inspector.get_indexes(table, schema, **own)
    for one in (*indexes, *inspector.get_unique_constraints(table, schema)):
        if one.get("unique", True):
            named: Any = one["column_names"]  # None where it is an expression
            unique[str(one["name"])] = tuple(name for name in named if name)
    foreign = {
        str(one["name"]): tuple(one["constrained_columns"])
        for one in inspector.get_foreign_keys(table, schema)
    }
    folding, defaults = _also(connection, schema, table)
    columns = {
        one["name"]: _column(
            connection, {"default": defaults.get(one["name"]), **_said(one)}, unique, folding
        )
        for one in found
    }
    first = [one["column_names"][0] for one in indexes if one["column_names"]]
    indexed = {name for name in first if name} | {names[0] for names in unique.values() if names}
    return TableSchema(name, columns, unique, foreign, frozenset(indexed))


def _said(found: ReflectedColumn) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _column(
    connection: sql.Connection,
    found: Mapping[str, Any],
    unique: Mapping[str, tuple[str, ...]],
    folds: set[str],
) -> ColumnSchema:
    is_sqlite, name, kind = connection.dialect.name == "sqlite", found["name"], found["type"]
    is_rowid = is_sqlite and isinstance(kind, sql.Integer) and (name,) in unique.values()
    default = found.get("default")
    bits = 63 if is_sqlite else BITS.get(type(kind).__name__.upper(), 31)
    makes = is_rowid or bool(found.get("identity")) or found.get("autoincrement") is True
    return ColumnSchema(
        name, kind, found["nullable"], default, makes or default is not None, bits, name in folds
    )


_ALSO: Final = sql.text(
    "SELECT column_name AS name, collation_name LIKE '%\\_ci' AS folds, column_default AS given"
    " FROM information_schema.columns"
    " WHERE table_name = :name AND table_schema = coalesce(:schema, database())"
)


def _also(connection: sql.Connection, schema: str | None, table: str) -> tuple[set[str], dict[str, str]]:
    """Return what else MySQL and MariaDB say: which columns compare without regard to case, and defaults.

    SQLAlchemy reads no default of theirs that is an expression.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        return set(), {}
    rows = connection.execute(_ALSO, {"name": table, "schema": schema}).all()
    given = {row.name: row.given for row in rows if row.given not in (None, "NULL")}
    return {row.name for row in rows if row.folds}, given
