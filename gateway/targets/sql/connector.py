"""Tables of a database as a target: each change is one transaction, with its row locked."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.address import SqlDatabase, TargetAddress
from gateway.flow.target_port import (
    Attributes,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    Unreachable,
    Update,
)
from gateway.scim.predicate import predicate
from gateway.targets.sql.engine import SqlPool, T, Work
from gateway.targets.sql.filters import Condition, narrow
from gateway.targets.sql.findings import findings
from gateway.targets.sql.rows import Row
from gateway.targets.sql.schema import TableSchema, read_tables
from gateway.targets.sql.statements import Statements, names_of
from gateway.targets.sql.steps import BATCH, alter, completed, create, delete, entries, without_members
from gateway.targets.transport import TargetFinding

USER, GROUP = ResourceType.USER, ResourceType.GROUP
FOLLOWED: Final = 64  # lists of which it is known how they go on
FRESH: Final = 60.0  # seconds for which that is so
Mark = tuple[float, Any, int]  # when a page ended, the last key on it, and how many there were in all


class SqlConnector:
    """A `Connector` to the tables that the configuration names."""

    def __init__(self, address: TargetAddress, connections: int) -> None:
        assert address.sql is not None
        self._config: SqlDatabase = address.sql
        self._database = SqlPool(address, address.concurrency or connections)
        self._tables: Mapping[str, TableSchema] | None = None
        self._kinds: dict[ResourceType, Statements] = {}
        self._marks: OrderedDict[tuple[ResourceType, int], Mark] = OrderedDict()

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        own = await self._known(kind)
        if own is None or (key := own.column(own.spec.id).sought(id)) is None:
            return None
        found = await self._read(own, partial(entries, own, own.select(own.has_key(key)), members=members))
        return next((entry for entry in found if entry["id"] == id), None)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        own = await self._known(kind)
        if own is None:
            return Page(0, ())
        if query.filter is not None:
            return await self._read(own, partial(_matching, own, query))
        return await self._read(own, partial(self._listed, own, query))

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes | None:
        own = await self._need(kind)
        return await self._change(own, partial(create, own, wanted, frozenset(beside)))

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        own = await self._need(kind)
        if (key := own.column(own.spec.id).sought(id)) is None:
            raise Missing("there is no such row", 404)
        return await self._change(own, partial(alter, own, id, key, update))

    async def delete(self, kind: ResourceType, id: str) -> None:
        own = await self._need(kind)
        if (key := own.column(own.spec.id).sought(id)) is None:
            raise Missing("there is no such row", 404)
        groups = self._kinds.get(GROUP) if kind is USER else None
        await self._change(own, partial(delete, own, groups, id, key))

    async def has_groups(self) -> bool:
        return self._config.groups is not None

    async def check(self) -> tuple[TargetFinding, ...]:
        """Read what the database says of its tables, and what of the configuration is not in it."""
        self._tables = None
        await self._need(USER)
        assert self._tables is not None
        return tuple(findings(self._config, self._tables, self._database.dialect.name))

    async def rows(self, query: str, most: int) -> Sequence[Sequence[Any]]:
        """Return what a query of the configuration's own finds, so many rows at most."""

        async def found(connection: AsyncConnection) -> Sequence[Sequence[Any]]:
            return (await connection.exec_driver_sql(query)).fetchmany(most)

        return await self._database.read(found, lambda *_: "")

    async def close(self) -> None:
        await self._database.close()

    async def _known(self, kind: ResourceType) -> Statements | None:
        if kind is GROUP and self._config.groups is None:
            return None
        return await self._need(kind)

    async def _need(self, kind: ResourceType) -> Statements:
        """Return the statements on the tables as they are, which are looked at once."""
        if self._tables is None:
            names = names_of(self._config)
            tables = await self._database.read(
                lambda connection: connection.run_sync(read_tables, names), lambda *_: ""
            )
            specs = {USER: self._config.users, GROUP: self._config.groups}
            dialect = self._database.dialect.name
            self._kinds = {k: Statements(k, spec, dialect, tables) for k, spec in specs.items() if spec}
            self._tables = tables
        if kind not in self._kinds:
            raise Refused("this target has no groups: sql.groups is not set")
        return self._kinds[kind]

    async def _read(self, own: Statements, work: Work[T]) -> T:
        try:
            return await self._database.read(work, partial(_attributes, own, self._tables or {}))
        except Unreachable:
            self._tables = None  # they may have been changed
            raise

    async def _change(self, own: Statements, work: Work[T]) -> T:
        is_ours = not own.written.keys() - {"list"}
        name = partial(_attributes, own, self._tables or {})
        try:
            return await self._database.change(work, name, is_ours=is_ours)
        except (Unreachable, Refused):
            self._tables = None  # a column may have become longer
            raise

    async def _listed(self, own: Statements, query: Query, connection: AsyncConnection) -> Page:
        """Return a page of all; one that goes on where another ended costs the same wherever that is."""
        start, now = max(query.start, 1), time.monotonic()
        when, last, total = self._marks.pop((own.kind, start), (-FRESH, None, 0))
        is_known = now - when < FRESH
        if not is_known:
            total = await connection.scalar(own.count()) or 0
        if query.count <= 0:
            return Page(total, ())
        asked = own.select(own.key > last if is_known else None).limit(query.count)
        asked = asked if is_known or start == 1 else asked.offset(start - 1)
        rows = (await connection.execute(asked)).mappings().all()
        if rows:
            self._marks[own.kind, start + len(rows)] = (now, rows[-1][own.spec.id], total)
            while len(self._marks) > FOLLOWED:
                self._marks.popitem(last=False)
        return Page(total, tuple(await completed(own, connection, rows, members=query.members)))


async def _matching(own: Statements, query: Query, connection: AsyncConnection) -> Page:
    """Return a page of those who match, who alone are kept meanwhile."""
    assert query.filter is not None
    matches = predicate(query.filter, own.kind)
    first = max(query.start, 1) - 1
    asks_for_members = own.kind is GROUP
    total, found = 0, list[Attributes]()
    async for rows in _batches(own, narrow(query.filter, own.find), connection):
        for entry in await completed(own, connection, rows, members=asks_for_members):
            if matches(entry):
                if first <= total < first + query.count:
                    found.append(entry if query.members else without_members(entry))
                total += 1
    return Page(total, tuple(found))


async def _batches(
    own: Statements, condition: Condition | None, connection: AsyncConnection
) -> AsyncIterator[Sequence[Row]]:
    last: Any = None
    while True:
        here = condition if last is None else own.key > last
        if last is not None and condition is not None:
            here = sql.and_(condition, own.key > last)
        rows = (await connection.execute(own.select(here).limit(BATCH))).mappings().all()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        last = rows[-1][own.spec.id]


def _attributes(own: Statements, tables: Mapping[str, TableSchema], name: str, about: str) -> str:
    """Return the attributes that a constraint, or a column, is about."""
    if about == "column" or "." in name:  # SQLite names columns: person.login, person.mail
        columns: Sequence[str] = [part.rpartition(".")[2].strip() for part in name.split(",")]
    else:
        found = (table for table in tables.values() if name in {**table.unique, **table.foreign})
        table = next(found, None)
        columns = {**table.unique, **table.foreign}[name] if table else [name] if name else []
    if not columns and about == "foreign":
        columns = [
            column for table in tables.values() for names in table.foreign.values() for column in names
        ]
    said = dict.fromkeys(_attribute(own, column) for column in columns)
    return " and ".join(said) or "a value"


def _attribute(own: Statements, column: str) -> str:
    """Return what a column of any of its tables holds."""
    for name, spec in own.spec.lists.items():
        if column in (spec.value, spec.type, spec.primary):
            return name
    members = own.spec.members
    if members is not None and column in (members.group, members.member):
        return "members"
    return own.form.attribute(column)
