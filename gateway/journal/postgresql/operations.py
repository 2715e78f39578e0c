"""Operations that several gateways begin and end: keys are rows, and many changes are one call."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from time import monotonic
from typing import Any, Final, NamedTuple

import orjson

from gateway.audit.chain import stamp
from gateway.audit.event import Event
from gateway.errors import Busy, Uniqueness
from gateway.flow.journal_port import (
    Begun,
    IdTaken,
    Intent,
    Key,
    KeysTaken,
    Operation,
    OperationState,
    Resource,
    Settlement,
    StaleFence,
    State,
    Transition,
)
from gateway.flow.services import CROWD, is_awaited, off_loop
from gateway.flow.target_port import ResourceType
from gateway.journal.batches import Ending
from gateway.journal.events import Appender, Drafted
from gateway.journal.members import leave_groups
from gateway.journal.operations import EVERYWHERE, SqliteOperations, operation_of
from gateway.journal.postgresql.database import Ear, PostgresDatabase
from gateway.journal.postgresql.session import ServerSession
from gateway.journal.resources import load
from gateway.sqlite_file import Alike

Column = tuple[str, Any]  # type, values

OF_ALL: Final = f"{EVERYWHERE} ORDER BY n"
OF_BASE: Final = f"{EVERYWHERE} WHERE base = ? ORDER BY n"
HOLDING: Final = f"""{EVERYWHERE} WHERE id IN (
        SELECT h.op FROM op_key AS h JOIN op AS p ON p.id = h.op
        WHERE (h.value, h.kind) IN ({{pairs}}) AND {{place}}) ORDER BY n"""  # noqa: S608 - our words
OWN_PLACE: Final = "(p.base = ? AND p.type = ? OR h.target = ? AND h.type = ? AND p.id <> ?)"
TEXT: Final = "text"
BEGUN: Final = (*[TEXT] * 7, "integer", *[TEXT] * 4, "boolean", "boolean")
KEYS: Final = ("integer", TEXT, TEXT, "boolean", "boolean")
SEEN: Final = ("integer", TEXT, "bigint")
EVENTS: Final = (TEXT,) * 12
PARTS: Final[Mapping[str, Sequence[str]]] = {  # of `settle_batch`, in order: the types of their columns
    "closed": (TEXT, "integer", "bigint"),
    "key": ("integer", *[TEXT] * 4),
    "removal": ("integer", *[TEXT] * 4),
    "resource": (*[TEXT] * 9, "integer", "boolean"),
    "link": ("integer", TEXT, TEXT, "integer", TEXT, TEXT),
    "email": ("integer", TEXT),
    "mark": ("integer", *[TEXT] * 4, "integer", TEXT, TEXT),
    "event": EVENTS,
}
ORPHAN: Final = """
    UPDATE op SET state = CASE WHEN state = 'open' OR (state = 'dead' AND refused <> '')
                               THEN 'doubt' ELSE state END,
                  lease_until = '', due = '', refused = '' WHERE lease_until <= ?"""
LEAVE: Final = """
    UPDATE op SET state = CASE state WHEN 'open' THEN 'doubt' ELSE state END,
                  lease_until = least(lease_until, ?)
    WHERE owner = ?"""
MARK: Final = """
    UPDATE op SET state = ?, reason = ?, due = ?, attempts = ?, refused = ?, lease_until = ?
    WHERE id = ? AND fence = ?"""
RENEW: Final = "UPDATE op SET lease_until = ? WHERE id = ? AND fence = ?"
WAIT: Final = """
    UPDATE op SET waited = true
    WHERE id IN ({marks}) AND state = 'open' AND owner <> ? AND lease_until > ?"""
VERSIONS: Final = "SELECT id, version FROM resource WHERE base = ? AND type = ? AND id IN ({marks})"
PATIENCE: Final = 20.0  # seconds that a change waits for one of another gateway
POLL: Final = 1.0  # seconds between looks, where nobody can ring
IN_BASE: Final = "p.base = ?"
ANYWHERE: Final = "true"


class KeyedIntent(NamedTuple):
    """An intent that is to be recorded unless its keys are taken; with `looked`, or somebody is known."""

    row: tuple[Any, ...]  # as of an `op` in SQLite
    own: Sequence[Key]
    looked: Sequence[Key] = ()
    seen: "DecidedOn | None" = None  # what it was decided on


class DecidedOn(NamedTuple):
    """Who was known by keys when a change asked, and in which version."""

    base: str
    kind: str
    keys: Sequence[Key]
    versions: Mapping[str, int]


_seen: ContextVar[DecidedOn | None] = ContextVar("seen", default=None)  # by the change that is under way


class PostgresAppender(Appender):
    """Collects the events of a transaction; the server puts them in their places at its end."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """Forget what another transaction had collected."""
        self._made: list[tuple[str, Drafted]] = []

    def add(self, connection: sqlite3.Connection, events: Sequence[Drafted]) -> None:
        """Add the events after those before them."""
        self._made += [(self.stamped(), event) for event in events]

    def end(self, connection: sqlite3.Connection) -> None:
        """Write what was collected: from here on the head of the trail is locked."""
        if self._made:
            line: Any = connection
            line.call("append_events", columns_of(self._made))

    def stamped(self) -> str:
        """Return the time of an event that is made now."""
        return stamp(self.clock())


class PostgresOperations(SqliteOperations):
    """Remembers every change before it is sent, and what became of it."""

    _database: PostgresDatabase
    _appender: PostgresAppender

    def __init__(self, database: PostgresDatabase, *ports: Any, ear: Ear) -> None:
        super().__init__(database, *ports)
        self._ear, self._bell = ear, ear.bell
        database.calls |= {begin_all, self._settle_calls}

    async def begin(
        self, base: str, kind: ResourceType, keys: Sequence[Key], intent: Intent | None = None
    ) -> Begun:
        """Return what stands under the keys; where nothing does, the intent is recorded durably."""
        place, until = (base, str(kind), *_place(intent)), monotonic() + PATIENCE
        while True:
            rung = self._bell.next
            if intent is not None:
                _refuse_abandoned()
                asked = monotonic()
                row, opened = self._row(intent)
                if await self._database.write(Alike(begin_all, KeyedIntent(row, intent.keys, keys))):
                    return Begun(self._kept(Operation(intent, 1, OperationState.OPEN, 1, opened), asked))
            known, unsettled, seen = await self._under(base, kind, keys, place)
            is_free = intent is not None and not known and not unsettled
            if not is_free and (monotonic() > until or not await self._is_busy(unsettled)):
                _seen.set(seen)
                return Begun(None, self._resources.noted(known), unsettled)
            if not is_free:
                self._ear.listen()
                with suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), POLL)

    async def _is_busy(self, unsettled: Sequence[Operation]) -> bool:
        """Say whether another gateway is at one of these, and have it ring when it is done."""
        ids = [operation.intent.op_id for operation in unsettled if operation.standing is OperationState.OPEN]
        if not ids:
            return False
        asked = (*ids, self._owner.name, self._times()[0])
        sql = WAIT.format(marks=", ".join("?" * len(ids)))
        return bool(await self._database.write(lambda connection: connection.execute(sql, asked).rowcount))

    def _kept(self, operation: Operation, asked: float) -> Operation:
        """Return an operation that is this gateway's for half a lease since it asked, without asking again.

        Not since it was answered: the lease runs while the database is away and while the gateway is stopped.
        """
        return replace(operation, until=asked + self._owner.lease.total_seconds() / 2)

    async def claim(self, intent: Intent) -> Operation:
        """Record the intent durably under all its keys; raises `KeysTaken` while another holds one."""
        asked = monotonic()
        if len(intent.members.add) > CROWD:
            row, opened = await off_loop(self._row, intent)
        else:
            row, opened = self._row(intent)
        seen, _ = _seen.get(), _seen.set(None)
        _refuse_abandoned()
        if not await self._database.write(Alike(begin_all, KeyedIntent(row, intent.keys, (), seen))):
            raise KeysTaken
        return self._kept(Operation(intent, 1, OperationState.OPEN, 1, opened), asked)

    async def _under(
        self, base: str, kind: ResourceType, keys: Sequence[Key], place: Sequence[str]
    ) -> tuple[tuple[Resource, ...], tuple[Operation, ...], DecidedOn]:
        def work(
            connection: sqlite3.Connection,
        ) -> tuple[tuple[Resource, ...], tuple[Operation, ...], DecidedOn]:
            known, text, versions = load(connection, base, kind, keys), str(kind), {}
            if known:
                sql = VERSIONS.format(marks=", ".join("?" * len(known)))
                rows = connection.execute(sql, (base, text, *[resource.id for resource in known]))
                versions = dict(rows.fetchall())
            return known, _holding(connection, keys, OWN_PLACE, place), DecidedOn(base, text, keys, versions)

        return await self._database.read(work)

    async def settle(self, operation: Operation | None, settlement: Settlement) -> None:
        """Close the operation and store resource, links and event in one transaction.

        Raises as the port says.
        """
        members, lines = settlement.members, settlement.event.lines.values
        if len(lines) > CROWD or (members is not None and len(members.rows) > CROWD):
            ending = await off_loop(self._ending, operation, settlement)
        else:
            ending = self._ending(operation, settlement)
        seen, _ = _seen.get(), _seen.set(None)
        version = _version(seen, settlement.resource) if operation is None else None
        if operation is None:
            _refuse_abandoned()
        made = EndingAt(
            ending, None if operation is None else operation.intent, self._appender.stamped(), version
        )
        run = self._settle_calls if _is_one_call(ending) else self._settle_whole
        if not await self._database.write(Alike(run, made)):
            raise KeysTaken if operation is None else StaleFence
        if ending.marks:
            self._mirrors.ring(ending.marks)

    def _settle_calls(self, connection: Any, rows: Sequence["EndingAt"]) -> list[bool]:
        return _settled(connection, rows, with_events=True)

    def _settle_whole(self, connection: Any, rows: Sequence["EndingAt"]) -> list[bool]:
        """End operations with what is written besides; the events come behind it, as the head does."""
        done = _settled(connection, rows, with_events=False)
        for (ending, *_), is_done in zip(rows, done, strict=True):
            if is_done:
                record = ending.new or ending.changed
                if record is not None and record.resource.state is State.DELETED:
                    leave_groups(connection, record.resource)
                if ending.members is not None:
                    ending.members(connection)
                self._appender.add(connection, [ending.event])
        return done

    async def open(self, base: str | None, keys: Sequence[Key]) -> tuple[Operation, ...]:
        """Return the unsettled operations that hold one of the keys; all of the base where keys are empty."""

        def work(connection: sqlite3.Connection) -> tuple[Operation, ...]:
            if keys:
                place = (ANYWHERE, ()) if base is None else (IN_BASE, (base,))
                return _holding(connection, keys, *place)
            rows = connection.execute(OF_ALL) if base is None else connection.execute(OF_BASE, (base,))
            return tuple(map(operation_of, rows))

        return await self._database.read(work)

    async def mark(self, operation: Operation, mark: Transition, event: Event | None = None) -> Operation:
        """Record how an operation stands; others may take it once it is due. Raises `StaleFence`."""
        return replace(await super().mark(operation, mark, event), until=0.0)

    def _mark(self, mark: Transition, attempts: int, at: tuple[str, int]) -> tuple[str, tuple[Any, ...]]:
        return MARK, (str(mark.standing), mark.reason, mark.due, attempts, mark.refused, mark.due, *at)

    async def take_over(self, operation: Operation) -> Operation:
        """Become the owner of another's unsettled operation; raises `KeysTaken` and `StaleFence`."""
        asked = monotonic()
        return self._kept(await super().take_over(operation), asked)

    async def renew(self, operation: Operation) -> Operation:
        """Keep an operation as long again; raises `StaleFence` where it was taken over."""
        asked = monotonic()
        row = (self._times()[1], operation.intent.op_id, operation.fence)
        if not await self._database.write(lambda connection: connection.execute(RENEW, row).rowcount):
            raise StaleFence
        return self._kept(operation, asked)

    async def orphan(self) -> None:
        """Doubt what nobody is trusted to be at any more, as an earlier run left it."""
        now, _ = self._times()
        await self._database.write(lambda connection: connection.execute(ORPHAN, (now,)).rowcount)

    async def leave(self) -> None:
        """Let others have what this run leaves open, once nothing that it sent can take effect any more."""
        row = (stamp(self._clock() + self._owner.lease / 2), self._owner.name)
        await self._database.write(lambda connection: connection.execute(LEAVE, row).rowcount)


class EndingAt(NamedTuple):
    """An ending, whose intent it is, and when."""

    ending: Ending
    intent: Intent | None
    at: str
    version: int | None = None  # of the resource, which nobody may have changed


def begin_all(connection: Any, newcomers: Sequence[KeyedIntent]) -> list[bool]:
    """Record intents; False for one whose keys are taken, or known."""
    line: ServerSession = connection
    keys, known, rows = [], [], []
    for number, (row, own, looked, seen) in enumerate(newcomers, 1):
        rows.append((*row, bool(looked), seen is not None))
        asked = looked if seen is None else seen.keys
        keys += [(number, *key, key in own, key in asked) for key in dict.fromkeys((*asked, *own))]
        if seen is not None:
            known += [(number, *version) for version in seen.versions.items()]
    columns = (*_turned(rows, BEGUN), *_turned(keys, KEYS), *_turned(known, SEEN))
    refused = line.call("begin_batch", (*line.ticket, *columns))
    return [number not in refused for number in range(1, len(newcomers) + 1)]


def columns_of(events: Sequence[tuple[str, Drafted]]) -> list[Column]:
    """Return events as `append_events` takes them."""
    return _turned([_event_row(at, event) for at, event in events], EVENTS)


def _event_row(at: str, event: Drafted) -> tuple[Any, ...]:
    made, about = event
    name, _, _, correlation_id, _ = made.indexed
    opening = f',{_json(made.id)},"'
    ending = f'",{_json(name)},{_json(correlation_id)}]'
    own = (at, made.id, opening, ending, *made.indexed)
    return (*own, about, made.body, made.personal)


def _json(value: str | None) -> str:
    return orjson.dumps(value).decode()


def _refuse_abandoned() -> None:
    """Raise Busy for a change whose provider has hung up: it may have come again, and gone on, elsewhere.

    One gateway makes changes in the order in which they came; here a later one may have overtaken this.
    """
    if not is_awaited.get()():
        raise Busy("nobody waits for this change any more")


def _version(seen: DecidedOn | None, resource: Resource | None) -> int | None:
    """Return the version of a resource that a change decided on; None where it did not look."""
    return None if seen is None or resource is None else seen.versions.get(resource.id)


def _is_one_call(ending: Ending) -> bool:
    record = ending.new or ending.changed
    leaves = record is not None and record.resource.state is State.DELETED
    return ending.members is None and not leaves


def _settled(line: ServerSession, rows: Sequence[EndingAt], *, with_events: bool) -> list[bool]:
    """End operations; False for one that was taken over. Raises `IdTaken` and `Uniqueness`."""
    parts: dict[str, list[Any]] = {part: [] for part in PARTS}
    for number, (ending, intent, at, version) in enumerate(rows, 1):
        record = ending.new or ending.changed
        parts["closed"].append((*(ending.closed or (None, None)), version))
        parts["resource"].append((*([None] * 10 if record is None else record.row), ending.new is not None))
        if intent is not None:
            place = (str(intent.type), intent.target)
            parts["key"] += [(number, key.kind, key.value, *place) for key in intent.keys]
        if ending.removal is not None:
            parts["removal"].append((number, *ending.removal))
        if record is not None:
            parts["link"] += [(number, *link) for link in record.links]
            parts["email"] += [(number, address) for address in record.emails]
        parts["mark"] += [(number, *mark) for mark in ending.marks]
        if with_events:
            parts["event"].append(_event_row(at, ending.event))
    columns = [column for part, kinds in PARTS.items() for column in _turned(parts[part], kinds)]
    try:
        stale = line.call("settle_batch", (*line.ticket, *columns))
    except sqlite3.IntegrityError as error:
        if str(error) == "resource_name":
            raise Uniqueness("another resource has this name already") from error
        raise IdTaken from error
    return [number not in stale for number in range(1, len(rows) + 1)]


def _turned(rows: Sequence[Sequence[Any]], types: Sequence[str]) -> list[Column]:
    """Return rows as columns, each with its type."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return [(f"{type}[]", list(column)) for type, column in zip(types, columns, strict=True)]


def _holding(
    connection: sqlite3.Connection, keys: Sequence[Key], place: str, of: Sequence[str]
) -> tuple[Operation, ...]:
    if not keys:
        return ()
    pairs = ", ".join(["(?, ?)"] * len(keys))
    asked = [text for key in keys for text in (key.value, key.kind)]
    sql = HOLDING.format(pairs=pairs, place=place)
    return tuple(map(operation_of, connection.execute(sql, (*asked, *of))))


def _place(intent: Intent | None) -> tuple[str, str, str]:
    return ("", "", "") if intent is None else (intent.target, str(intent.type), intent.op_id)
