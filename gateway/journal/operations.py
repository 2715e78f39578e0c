"""Operations in SQLite: recorded before they are sent, settled with all they changed in one transaction."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import orjson

from gateway.audit.chain import stamp
from gateway.audit.event import Event
from gateway.flow.journal_port import (
    Begun,
    IdTaken,
    Intent,
    Key,
    KeysTaken,
    Operation,
    OperationState,
    Settlement,
    StaleFence,
    State,
    Transition,
)
from gateway.flow.target_port import ResourceType
from gateway.journal.events import Appender
from gateway.journal.members import keep_members
from gateway.journal.resources import ResourceRow, dumps
from gateway.journal.store import Clock, Store
from gateway.scim.members import Delta

OVER: Final = ""  # a lease that is over: earlier than any time

ADD: Final = """
    INSERT INTO op (id, base, target, type, operation, resource, target_id, correlation_id, becomes,
                    removes, keys, wanted, original, members, state, fence, owner, lease_until, attempts,
                    opened)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 1, ?, ?, 1, ?)"""
REMOVE: Final = "DELETE FROM op WHERE id = ?"
HOLD: Final = "INSERT OR IGNORE INTO op_key (key, target, type, op) VALUES (?, ?, ?, ?)"
FREE: Final = "DELETE FROM op_key WHERE key = ? AND target = ? AND type = ? AND op = ?"
CLOSE: Final = """
    UPDATE op SET state = 'closed', outcome = ?, closed = ?,
        keys = NULL, wanted = NULL, original = NULL, members = NULL, reason = NULL
    WHERE id = ? AND fence = ? AND state <> 'closed'"""
MARK: Final = """
    UPDATE op SET state = ?, reason = ?, due = ?, attempts = ?, lease_until = ''
    WHERE id = ? AND fence = ? AND state <> 'closed'"""
TAKE: Final = """
    UPDATE op SET owner = ?, lease_until = ?, fence = fence + 1, attempts = attempts + 1, state = 'doubt'
    WHERE id = ? AND fence = ? AND state <> 'closed' AND (owner = ? OR lease_until <= ?)"""
IS_AT: Final = "SELECT 1 FROM op WHERE id = ? AND fence = ? AND state <> 'closed'"
ORPHAN: Final = """
    UPDATE op SET state = iif(state = 'open', 'doubt', state), lease_until = '', due = ''
    WHERE state <> 'closed'"""
EVERYWHERE: Final = """
    SELECT id, base, target, type, operation, keys, resource, target_id, wanted, original, becomes,
           correlation_id, removes, fence, state, attempts, opened, due, reason, members
    FROM op WHERE state <> 'closed'"""
UNSETTLED: Final = EVERYWHERE + " AND base = ?"
HOLDING: Final = UNSETTLED + " AND id IN (SELECT op FROM op_key WHERE key IN ({keys}))"  # noqa: S608 - question marks


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds operations, and for how long it is trusted to be alive."""

    name: str  # unique to this run of the process
    lease: timedelta


class SqliteOperations:
    """Remembers every change before it is sent, and what became of it."""

    def __init__(self, store: Store, appender: Appender, clock: Clock, owner: Owner) -> None:
        self._store = store
        self._appender = appender
        self._clock = clock
        self._owner = owner

    async def begin(
        self, base: str, type: ResourceType, keys: Sequence[Key], intent: Intent | None = None
    ) -> Begun:
        """Return what stands under these keys now; where nothing does, record the intent as `claim` does."""
        unsettled = tuple(o for o in await self.open(base, keys) if o.intent.type is type)
        found = await self.resources.find(base, type, keys)
        if unsettled or found or intent is None:
            return Begun(None, found, unsettled)
        return Begun(await self.claim(intent))

    async def claim(self, intent: Intent) -> Operation:
        """Record the intent durably under all its keys; raises `KeysTaken` while another holds one."""
        opened, lease = self._times()
        row = (*_row(intent), self._owner.name, lease, opened)
        places = [(*place, intent.op_id) for place in _places(intent)]

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(ADD, row)
            if not places or connection.executemany(HOLD, places).rowcount == len(places):
                return True
            connection.executemany(FREE, places)
            connection.execute(REMOVE, (intent.op_id,))
            return False

        if not await self._store.write(work):
            raise KeysTaken
        return Operation(intent, 1, OperationState.OPEN, 1, opened)

    async def settle(self, operation: Operation | None, settlement: Settlement) -> None:
        """Close the operation and store resource, links and event in one transaction.

        None: nothing had to be sent, so there was no intent. Raises `StaleFence` where it was taken over,
        `Uniqueness` where another resource has the name.
        """
        record = None if settlement.resource is None else ResourceRow.of(settlement.resource)
        members = _member_writer(settlement)
        closed = stamp(self._clock())

        def work(connection: sqlite3.Connection) -> bool:
            if operation is not None and not _close(connection, operation, settlement.outcome, closed):
                return False
            if record is not None:
                if settlement.is_new and record.exists(connection):
                    raise IdTaken
                record.write(connection)
            if members is not None:
                members(connection)
            self._appender.write(connection, [settlement.event])
            return True

        if not await self._store.write(work):
            raise StaleFence

    async def mark(self, operation: Operation, mark: Transition, event: Event | None = None) -> Operation:
        """Record how an operation stands that cannot be settled now; raises `StaleFence`."""
        events = [] if event is None else [event]
        attempts = operation.attempts if mark.attempts is None else mark.attempts
        at = (operation.intent.op_id, operation.fence)

        def work(connection: sqlite3.Connection) -> bool:
            row = (mark.standing, mark.reason, mark.due, attempts, *at)
            if not connection.execute(MARK, row).rowcount:
                return False
            self._appender.write(connection, events)
            return True

        if not await self._store.write(work):
            raise StaleFence
        return marked(operation, mark)

    async def open(self, base: str | None, keys: Sequence[Key]) -> tuple[Operation, ...]:
        """Return the unsettled operations that hold one of the keys; all of the base where keys are empty.

        Without a base, and without keys: all of every base.
        """
        sql = HOLDING.format(keys=", ".join("?" * len(keys))) if keys else UNSETTLED if base else EVERYWHERE
        parameters = ((base,) if base else ()) + tuple(_text(key) for key in keys)
        rows = await self._store.read(lambda connection: connection.execute(sql, parameters).fetchall())
        return tuple(_operation(row) for row in rows)

    async def take_over(self, operation: Operation) -> Operation:
        """Become the owner of another's unsettled operation, with the next fence.

        Raises `KeysTaken` while its owner's lease lasts, `StaleFence` where it is settled or was taken over.
        """
        at = (operation.intent.op_id, operation.fence)
        now, lease = self._times()

        def work(connection: sqlite3.Connection) -> type[Exception] | None:
            if connection.execute(TAKE, (self._owner.name, lease, *at, self._owner.name, now)).rowcount:
                return None
            return KeysTaken if connection.execute(IS_AT, at).fetchone() else StaleFence

        if refusal := await self._store.write(work):
            raise refusal
        return taken(operation)

    async def orphan(self) -> None:
        """Doubt every operation that an earlier run left open: for the start, under the journal's lock."""
        await self._store.write(lambda connection: connection.execute(ORPHAN).rowcount)

    def _times(self) -> tuple[str, str]:
        now = self._clock()
        return stamp(now), stamp(now + self._owner.lease)


def _member_writer(settlement: Settlement) -> Callable[[sqlite3.Connection], None] | None:
    resource, members = settlement.resource, settlement.members
    return None if resource is None or members is None else keep_members(resource, members)


def _row(intent: Intent) -> tuple[Any, ...]:
    i = intent
    keys = dumps([[key.kind, key.value] for key in i.keys])
    what = (i.op_id, i.base, i.target, i.type, i.operation, i.resource_id, i.target_id, i.correlation_id)
    members = dumps(i.members) if i.members else None
    return (*what, i.state, i.removes, keys, dumps(i.wanted), dumps(i.original), members)


def _operation(row: Sequence[Any]) -> Operation:
    op_id, base, target, type, operation, keys, resource, target_id, wanted, original, becomes, cid = row[:12]
    removes, fence, state, attempts, opened, due, reason, members = row[12:]
    held = tuple(Key(kind, value) for kind, value in orjson.loads(keys))
    what = (op_id, base, target, ResourceType(type), operation, held, resource, target_id)
    documents = (orjson.loads(wanted), orjson.loads(original))
    delta = _delta(orjson.loads(members)) if members else Delta()
    intent = Intent(*what, *documents, State(becomes), cid, bool(removes), delta)
    return Operation(intent, fence, OperationState(state), attempts, opened, due, reason)


def _delta(said: Mapping[str, Any]) -> Delta:
    return Delta(said["add"], tuple(said["remove"]), said["whole"])


def marked(operation: Operation, mark: Transition) -> Operation:
    """Return an operation as it stands after a mark."""
    attempts = operation.attempts if mark.attempts is None else mark.attempts
    return replace(operation, standing=mark.standing, reason=mark.reason, due=mark.due, attempts=attempts)


def taken(operation: Operation) -> Operation:
    """Return an operation as its next owner has it."""
    fence, attempts = operation.fence + 1, operation.attempts + 1
    return replace(operation, fence=fence, attempts=attempts, standing=OperationState.DOUBT)


def _places(intent: Intent) -> list[tuple[str, str, str]]:
    texts = dict.fromkeys(_text(key) for key in intent.keys)
    return [(text, intent.target, intent.type) for text in texts]


def _text(key: Key) -> str:
    return f"{key.kind}:{key.value}"


def _close(connection: sqlite3.Connection, operation: Operation, outcome: str, closed: str) -> bool:
    intent = operation.intent
    if not connection.execute(CLOSE, (outcome, closed, intent.op_id, operation.fence)).rowcount:
        return False
    connection.executemany(FREE, [(*place, intent.op_id) for place in _places(intent)])
    return True
