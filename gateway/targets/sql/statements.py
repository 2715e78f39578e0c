"""The statements about people, or groups: made of what the database says of its tables, every value apart."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.engine import Dialect

from gateway.address import SqlCollection, SqlDatabase, SqlList, TargetAddress
from gateway.admin.explained import REJECTED, Explanation
from gateway.flow.target_port import Attributes, Refused, ResourceType
from gateway.scim.names import NAMES
from gateway.targets.sql.engine import engine_url
from gateway.targets.sql.filters import Condition, said, same_text
from gateway.targets.sql.rows import Element, Row, RowForm, Written
from gateway.targets.sql.schema import ColumnSchema, TableSchema, parts_of

MADE: Final = (sql.String, sql.Uuid)  # types of keys that are made here where the database makes none
UUID_LENGTH: Final = 36
AS_IT_IS: Final = sql.types.NullType()
LONG: Final = sql.String(4000)  # as long a text as every database has


class Statements:
    """Every statement about one collection, on the tables as they are."""

    def __init__(
        self, kind: ResourceType, spec: SqlCollection, dialect: str, tables: Mapping[str, TableSchema]
    ) -> None:
        self.kind, self.spec, self.form = kind, spec, RowForm(kind, spec)
        self.dialect, self._tables = dialect, tables
        self.written = {name: Written(texts) for name, texts in spec.statements.items()}
        self.table = None if spec.table is None else self._table(spec.table, *self.form.columns)
        self.source: sql.FromClause = self._source()
        self.key = self.source.c[spec.id]
        self.name = next((c for c in self.form.columns if self._holds(c, NAMES[kind])), None)
        self.external_id = next((c for c in self.form.columns if self._holds(c, "externalId")), None)

    def column(self, name: str, table: str | None = None) -> ColumnSchema:
        """Return a column as the database has it."""
        known = self._tables.get(table or self.spec.table or "")
        found = None if known is None else known.columns.get(name)
        return found or ColumnSchema(name, AS_IT_IS)

    def values(self, form: Attributes) -> dict[str, Any]:
        """Return what every column is to hold of an entry; raises Refused naming the attribute."""
        filled = self.form.filled(form)
        return {
            name: self.column(name).written(value, self.form.attribute(name))
            for name, value in filled.items()
        }

    def insert(self, values: Mapping[str, Any]) -> sql.Insert:
        """Return what makes a row; where nobody else makes its key, one is made here."""
        table = self._own_table()
        row = {**self.spec.constants, **{name: value for name, value in values.items() if value is not None}}
        row = {name: self.column(name).written(value, name) for name, value in row.items()}
        if self.spec.version and not self.column(self.spec.version).fills_itself:
            row[self.spec.version] = 1
        if self.spec.sequence is not None:
            schema, name = parts_of(self.spec.sequence)
            row[self.spec.id] = sql.Sequence(name, schema=schema).next_value()
        elif row.get(self.spec.id) is None and self._fills_itself():
            row[self.spec.id] = self.column(self.spec.id).written(str(uuid.uuid4()), "id")
        return sql.insert(table).values(row)

    def update(self, key: Any, values: Mapping[str, Any], version: Any = None) -> sql.Update:
        """Return what changes these columns of a row, if it still has this version."""
        table = self._own_table()
        row = {name: self._or_default(name, value) for name, value in values.items()}
        change = sql.update(table).where(table.c[self.spec.id] == key)
        if self.spec.version is not None and version is not None:
            change = change.where(table.c[self.spec.version] == version)
            if isinstance(version, int):
                row[self.spec.version] = version + 1
        return change.values(row)

    def delete(self, key: Any) -> list[sql.Delete]:
        """Return what removes a row, and before that what belongs to it."""
        table, own = self._own_table(), list[sql.Delete]()
        for spec in self.spec.lists.values():
            rows = self._list_table(spec)
            own.append(sql.delete(rows).where(rows.c[spec.owner] == key))
        if self.kind is ResourceType.GROUP and (members := self.spec.members) is not None:
            rows = self._table(members.table, members.group, members.member)
            own.append(sql.delete(rows).where(rows.c[members.group] == key))
        return [*own, sql.delete(table).where(table.c[self.spec.id] == key)]

    def select(self, condition: Condition | None = None) -> sql.Select[Any]:
        """Return what reads the rows for which a condition holds, in the order of their keys."""
        columns = [self.source.c[name] for name in self.form.columns]
        asked = sql.select(*columns).order_by(self.key)
        return asked if condition is None else asked.where(condition)

    def count(self, condition: Condition | None = None) -> sql.Select[Any]:
        asked = sql.select(sql.func.count()).select_from(self.source)
        return asked if condition is None else asked.where(condition)

    def locked(self, key: Any) -> sql.Select[Any]:
        """Return what reads a row and keeps others from changing it until the transaction ends."""
        asked = self.select(self.has_key(key))
        return asked if self.table is None else asked.with_for_update()

    def has_key(self, key: Any) -> Condition:
        return sql.and_(self._compared(self.spec.id, key) == key)

    def find(self, path: str, value: Any) -> Condition | None:
        """Return who may have a value at a folded path; None where all may."""
        if path == "id":
            return self.has_key(self.column(self.spec.id).sought(str(value)))
        if path in ("members", "members.value"):
            return self._has_member(value)
        if path == "active":
            return self._is_active(value)
        attribute = path.partition(".")[0]
        if (name := next((one for one in self.spec.lists if one.casefold() == attribute), None)) is not None:
            return (
                self._has_element(self.spec.lists[name], value)
                if path.endswith(attribute) or (path == f"{attribute}.value")
                else None
            )
        return self._has_text(path, value)

    def taken(self, name: str | None, external_id: str | None) -> sql.Select[Any] | None:
        """Return what finds those who may have this name or externalId already."""
        found = []
        if name and self.name:
            own = self._compared(self.name, name)
            found.append(same_text(self.dialect, own, name, folds=self.column(self.name).folds))
        if external_id and self.external_id:
            found.append(self._compared(self.external_id, external_id) == external_id)
        return self.select(sql.or_(*found)) if found else None

    def elements(self, name: str, keys: list[Any]) -> sql.Select[Any]:
        """Return what reads the elements of an attribute: owner, type, value, primary."""
        spec = self.spec.lists[name]
        table = self._list_table(spec)
        columns = [
            table.c[spec.owner].label("owner"),
            (table.c[spec.type] if spec.type else sql.null()).label("type"),
            table.c[spec.value].label("value"),
            (table.c[spec.primary] if spec.primary else sql.false()).label("primary"),
        ]
        asked = sql.select(*columns).where(table.c[spec.owner].in_(keys))
        if spec.type and spec.types:
            asked = asked.where(table.c[spec.type].in_(list(spec.types.values())))
        return asked.order_by(table.c[spec.owner], *(table.c[n] for n in (spec.type, spec.value) if n))

    def element_row(self, name: str, key: Any, element: Element) -> dict[str, Any]:
        """Return the row of an element; raises Refused naming the attribute."""
        spec = self.spec.lists[name]
        row = {spec.owner: key, spec.value: element.value}
        if spec.type is not None:
            row[spec.type] = element.type
        if spec.primary is not None:
            row[spec.primary] = element.primary
        return {
            own: value if own == spec.owner else self.column(own, spec.table).written(value, name)
            for own, value in row.items()
        }

    def add_element(self, name: str, row: Row) -> sql.Insert:
        return sql.insert(self._list_table(self.spec.lists[name])).values(dict(row))

    def change_element(self, name: str, before: Row, after: Row) -> sql.Update:
        table = self._list_table(self.spec.lists[name])
        return sql.update(table).where(*self._same(name, table, before)).values(dict(after))

    def remove_element(self, name: str, row: Row) -> sql.Delete:
        table = self._list_table(self.spec.lists[name])
        return sql.delete(table).where(*self._same(name, table, row))

    def members(self, keys: list[Any]) -> sql.Select[Any]:
        """Return what reads who is in groups: group, member."""
        spec = self.spec.members
        assert spec is not None
        table = self._table(spec.table, spec.group, spec.member)
        group, member = table.c[spec.group], table.c[spec.member]
        asked = sql.select(group.label("group"), member.label("member")).where(group.in_(keys))
        return asked.order_by(group, member)

    def memberships(self) -> sql.Table:
        spec = self.spec.members
        assert spec is not None
        return self._table(spec.table, spec.group, spec.member)

    def _same(self, name: str, table: sql.Table, row: Row) -> Iterable[Condition]:
        spec = self.spec.lists[name]
        return [table.c[own] == value for own, value in row.items() if own != spec.primary]

    def _holds(self, column: str, attribute: str) -> bool:
        return self.form.attribute(column).casefold() == attribute.casefold()

    def _own_table(self) -> sql.Table:
        if self.table is None:
            raise Refused("this target has neither a table nor a statement for that")
        return self.table

    def _fills_itself(self) -> bool:
        column = self.column(self.spec.id)
        fits = (getattr(column.type, "length", None) or UUID_LENGTH) >= UUID_LENGTH
        return isinstance(column.type, MADE) and fits and not column.fills_itself

    def _or_default(self, name: str, value: Any) -> Any:
        column = self.column(name)
        if value is not None or column.nullable:
            return value
        if column.default is not None:
            return sql.literal_column(column.default)
        raise Refused(f"{self.form.attribute(name)} is required: its column {name} takes no null", 400)

    def _source(self) -> sql.FromClause:
        if (listed := self.written.get("list")) is None:
            return self._own_table()
        columns: list[sql.ColumnClause[Any]] = [sql.column(name) for name in self.form.columns]
        return sql.text(listed.plain).columns(*columns).subquery("entries")

    def _table(self, name: str, *columns: str) -> sql.Table:
        schema, table = parts_of(name)
        known = self._tables.get(name)
        names = dict.fromkeys((*columns, *(self.spec.constants if name == self.spec.table else ())))
        made = [self._column(known, name, own) for own in names]
        return sql.Table(table, sql.MetaData(), *made, schema=schema)

    def _column(self, known: TableSchema | None, table: str, name: str) -> sql.Column[Any]:
        found = known.columns.get(name) if known is not None else None
        is_key = name == self.spec.id and table == self.spec.table
        makes = found is not None and found.fills_itself
        return sql.Column(
            name,
            found.type if found is not None else AS_IT_IS,
            primary_key=is_key,
            autoincrement=makes and isinstance(found.type, sql.Integer) if found is not None else False,
            server_default=sql.FetchedValue() if is_key and (makes or found is None) else None,
        )

    def _list_table(self, spec: SqlList) -> sql.Table:
        return self._table(spec.table, *(n for n in (spec.owner, spec.value, spec.type, spec.primary) if n))

    def _has_text(self, path: str, value: Any) -> Condition | None:
        if (own := self.form.column(path)) is None or not isinstance(value, str):
            return None
        column = self.column(own)
        if not isinstance(column.type, sql.String | sql.types.NullType):
            return None
        if path == "externalid":
            return sql.and_(self._compared(own, value) == value)
        return same_text(self.dialect, self._compared(own, value), value, folds=column.folds)

    def _compared(self, name: str, value: Any) -> sql.ColumnElement[Any]:
        """Return a column as it is compared: as a text with one where nothing has told its type."""
        column, is_untold = self.source.c[name], self.table is None and isinstance(value, str)
        return sql.cast(column, LONG) if is_untold else column

    def _has_element(self, spec: SqlList, value: Any) -> Condition | None:
        column = self.column(spec.value, spec.table)
        if not isinstance(value, str):
            return None
        table = self._list_table(spec)
        same = same_text(self.dialect, table.c[spec.value], value, folds=column.folds)
        return self.key.in_(sql.select(table.c[spec.owner]).where(same))

    def _has_member(self, value: Any) -> Condition | None:
        if (spec := self.spec.members) is None:
            return None
        table = self.memberships()
        found = self.column(spec.member, spec.table).sought(str(value))
        return self.key.in_(sql.select(table.c[spec.group]).where(table.c[spec.member] == found))

    def _is_active(self, value: Any) -> Condition | None:
        if (spec := self.spec.active) is None:
            return None
        column = self.source.c[spec.column]
        yes = self.column(spec.column).written(spec.yes, "active")
        return column == yes if said(value) else sql.or_(column != yes, column.is_(None))


def names_of(database: SqlDatabase) -> list[str]:
    """Return the tables that a configuration names."""
    found = list[str | None]()
    for spec in filter(None, (database.users, database.groups)):
        found += [spec.table, *(one.table for one in spec.lists.values())]
        found += [spec.members.table] if spec.members else []
    return list(dict.fromkeys(name for name in found if name is not None))


def with_statements(explanation: Explanation, database: SqlDatabase, url: str) -> Explanation:
    """Add the statements that a create would be, each with its parameters apart."""
    if explanation["resource"] is None:
        return explanation
    try:
        made, unsent = creation(database, url, explanation["resource"])
    except Refused as error:
        problem = {"path": error.reason.partition(":")[0], "rule": "sql", "reason": error.reason}
        return {**explanation, **REJECTED, "problems": [*explanation["problems"], problem]}
    absent = {"what": "dropped", "rule": None, "reason": "no column holds it"}
    return {
        **explanation,
        "dropped": [*explanation["dropped"], *unsent],
        "unsent": [*explanation["unsent"], *({**absent, "path": path} for path in unsent)],
        "statements": made,
    }


def creation(database: SqlDatabase, url: str, form: Attributes) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the statements that make a person, each with its parameters apart, and what they do not tell.

    The database is not asked, so it is not known here what does not fit; raises Refused.
    """
    where = engine_url(TargetAddress("", url))
    own = Statements(ResourceType.USER, database.users, where.get_backend_name(), {})
    kind: Any = where.get_dialect()
    dialect = kind(paramstyle="named")
    values = own.values(form)
    if (written := own.written.get("create")) is not None:
        made = [written_out(*one) for one in written.calls(form, values, None)]
    else:
        made = [_compiled(own.insert(values), dialect)]
    for name in own.spec.lists if own.table is not None else ():
        for element in own.form.elements(name, form):
            row = own.element_row(name, "(the new key)", element)
            made.append(_compiled(own.add_element(name, row), dialect))
    return made, own.form.unsent(form)


def written_out(text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a statement of the configuration as `explain` tells it."""
    return {"sql": text.replace(r"\:", ":"), "parameters": dict(parameters)}


def _compiled(statement: sql.Executable, dialect: Dialect) -> dict[str, Any]:
    compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    return {"sql": str(compiled).replace("\n", ""), "parameters": dict(compiled.params)}
