"""What `check --online` tells of a database: its tables, and what is missing in them. Pure."""

from collections.abc import Iterator, Mapping

from gateway.address import SqlCollection, SqlDatabase
from gateway.flow.target_port import ResourceType
from gateway.targets.sql.rows import RowForm
from gateway.targets.sql.schema import TableSchema
from gateway.targets.transport import TargetFinding

KEYS = ("userName", "externalId")
Tables = Mapping[str, TableSchema]


def findings(database: SqlDatabase, tables: Tables, dialect: str) -> Iterator[TargetFinding]:
    """Yield each table with its columns and types, and what is missing."""
    for table in tables.values():
        if table.columns:
            yield TargetFinding("table", table.says)
        else:
            fix = "make it, correct its name, or give this account the right to see it"
            yield TargetFinding("table", f"there is no {table.name}", fix)
    collections = {"users": database.users, "groups": database.groups}
    for name, spec in collections.items():
        if spec is not None:
            yield from _lacking(f"sql.{name}", spec, tables)
    yield from _kept_apart(database.users, tables)
    yield _inactive(database.users)


def _lacking(path: str, spec: SqlCollection, tables: Tables) -> Iterator[TargetFinding]:
    for name, columns in _named(spec):
        known = tables[name].columns
        missing = [column for column in dict.fromkeys(columns) if column not in known]
        if known and missing:
            fix = f"add them, or correct {path}"
            yield TargetFinding("columns", f"{name} has no {', no '.join(missing)}", fix)
    if spec.table is None or not (table := tables[spec.table]).columns:
        return
    written = {*spec.columns, *spec.constants, *filter(None, (spec.id, spec.version))}
    written |= {spec.active.column} if spec.active else set()
    needed = [
        column.name
        for column in table.columns.values()
        if not column.nullable and not column.fills_itself and column.name not in written
    ]
    if needed and "create" not in spec.statements:
        fix = f"write them by {path}.columns or {path}.constants, or give them a default"
        yield TargetFinding("columns", f"{table.name} wants {', '.join(needed)}, which nothing writes", fix)


def _named(spec: SqlCollection) -> Iterator[tuple[str, list[str]]]:
    if spec.table is not None:
        said = [spec.active.column] if spec.active else []
        own = [spec.id, *spec.columns, *spec.constants, *said, *filter(None, (spec.version,))]
        yield spec.table, own
    for one in spec.lists.values():
        yield one.table, [name for name in (one.owner, one.value, one.type, one.primary) if name]
    if spec.members is not None:
        yield spec.members.table, [spec.members.group, spec.members.member]


def _kept_apart(spec: SqlCollection, tables: Tables) -> Iterator[TargetFinding]:
    """Say where nothing but the gateway keeps two people from having one name."""
    if spec.table is None or not (table := tables[spec.table]).columns:
        return
    form = RowForm(ResourceType.USER, spec)
    held = {form.attribute(column): column for column in spec.columns}
    for attribute in KEYS:
        column = held.get(attribute)
        if column is None or column not in table.columns:
            continue
        if attribute == "userName" and not table.is_unique(column):
            fix = f"make {column} unique, so that nobody else writes it twice, either"
            yield TargetFinding("names", f"{column} ({attribute}) is not unique", fix)
        elif column not in table.indexed:
            fix = f"make an index on {column}: each look-up reads the whole table"
            yield TargetFinding("look-ups", f"{column} ({attribute}) has no index", fix)


def _inactive(spec: SqlCollection) -> TargetFinding:
    form = RowForm(ResourceType.USER, spec)
    columns = [column for column in spec.columns if form.attribute(column) == "active"]
    column = spec.active.column if spec.active else next(iter(columns), None)
    if column is not None:
        return TargetFinding("inactive", f"is said by {column}")
    if "deactivate" in spec.statements:
        return TargetFinding("inactive", "is said by the statement `deactivate`")
    return TargetFinding("inactive", "cannot be said: who leaves is removed")
