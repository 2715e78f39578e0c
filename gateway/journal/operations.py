"""Operations in SQLite: recorded before they are sent, settled with all they changed in one transaction."""

import asyncio
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from gateway.audit.chain import stamp
from gateway.audit.event import Event
from gateway.flow.journal_port import (
    Begun,
    Intent,
    Key,
    KeysTaken,
    Operation,
    OperationState,
    Outcome,
    Resource,
    Settlement,
    StaleFence,
    Transition,
)
from gateway.flow.services import CROWD, off_loop
from gateway.flow.target_port import ResourceType
from gateway.journal.batches import Ending, Newcomer, begin_all, claim_all, settle_all
from gateway.journal.events import Appender
from gateway.journal.members import keep_members
from gateway.journal.mirrors import Row, SqliteMirrors
from gateway.journal.mirrors import mark as add_marks
from gateway.journal.resources import STATES, TYPES, ResourceRow, SqliteResources, load
from gateway.scim.members import Delta
from gateway.sqlite import Database
from gateway.sqlite_file import Alike, Work
from gateway.values import frozen

T = TypeVar("T")

LEAVING: Final = (OperationState.DOUBT, OperationState.PENDING)
DONE: Final = (Outcome.APPLIED, Outcome.ADOPTED, Outcome.REPLAYED, Outcome.OUT_OF_SCOPE)

MARK: Final = """
    UPDATE op SET state = ?, reason = ?, due = ?, attempts = ?, refused = ?, lease_until = ''
    WHERE id = ? AND fence = ?"""
TAKE: Final = """
    UPDATE op SET owner = ?, lease_until = ?, fence = fence + 1, attempts = attempts + 1, state = 'doubt'
    WHERE id = ? AND fence = ? AND (owner = ? OR lease_until <= ?)"""
IS_AT: Final = "SELECT 1 FROM op WHERE id = ? AND fence = ?"
ORPHAN: Final = """
    UPDATE op SET state = CASE WHEN state = 'open' OR (state = 'dead' AND refused <> '')
                               THEN 'doubt' ELSE state END,
                  lease_until = '', due = '', refused = ''"""
EVERYWHERE: Final = """
    SELECT id, base, target, type, operation, resource, correlation_id, removes, intent,
           fence, state, attempts, opened, due, reason, refused
    FROM op"""
UNSETTLED: Final = f"{EVERYWHERE} WHERE base = ? ORDER BY rowid"
NAMED: Final = f"{EVERYWHERE} WHERE id IN ({{ids}}) ORDER BY rowid"
HELD: Final = "SELECT id, base, target, type, json_extract(intent, '$.keys') FROM op"


@frozen
class Owner:
    """Who holds operations, and for how long it is trusted to be alive."""

    name: str  # unique to this run of the process
    lease: timedelta


class Holder(NamedTuple):
    """The operation that holds a key on a target, for one type of resource."""

    op_id: str
    base: str
    target: str
    type: str


class HeldKeys:
    """The keys of unsettled operations, in memory: nobody else writes the journal while it is open."""

    def __init__(self) -> None:
        self._holders: dict[Key, tuple[Holder, ...]] = {}  # each for a target and type of its own

    def find(self, base: str | None, kind: str | None, keys: Collection[Key]) -> list[str]:
        """Return the operations of a base, or of all, that hold one of the keys, for one type or for any."""
        if self._holders.keys().isdisjoint(keys):
            return []
        found = [
            holder.op_id
            for key in keys
            for holder in self._holders.get(key, ())
            if base in (None, holder.base) and kind in (None, holder.type)
        ]
        return list(dict.fromkeys(found))

    def blocking(self, intent: Intent) -> list[str]:
        """Return the other operations that hold a key of the intent."""
        if self._holders.keys().isdisjoint(intent.keys):
            return []
        place = (intent.target, intent.type)
        holders = [holder for key in intent.keys for holder in self._holders.get(key, ())]
        return list(dict.fromkeys(h.op_id for h in holders if h[2:] == place and h.op_id != intent.op_id))

    def take(self, holder: Holder, keys: Collection[Key]) -> Collection[Key]:
        """Let an operation hold the keys that nobody does, and return these."""
        if self._holders.keys().isdisjoint(keys):
            self._holders.update(dict.fromkeys(keys, (holder,)))
            return keys
        taken = []
        for key in keys:
            others = self._holders.get(key, ())
            if holder[2:] not in [other[2:] for other in others]:
                self._holders[key] = (*others, holder)
                taken.append(key)
        return taken

    def free(self, holder: Holder, keys: Collection[Key]) -> None:
        """Let go what an operation holds of these."""
        own = (holder,)
        for key in keys:
            if (holders := self._holders.pop(key, own)) == own:
                continue
            self._holders[key] = tuple([other for other in holders if other != holder])


class SqliteOperations:
    """Remembers every change before it is sent, and what became of it."""

    def __init__(
        self,
        database: Database,
        resources: SqliteResources,
        appender: Appender,
        mirrors: SqliteMirrors,
        owner: Owner,
    ) -> None:
        self._database = database
        self._mirrors = mirrors
        self._resources = resources
        self._appender = appender
        self._clock = appender.clock
        self._owner = owner
        self._held = HeldKeys()

    async def begin(
        self, base: str, kind: ResourceType, keys: Sequence[Key], intent: Intent | None = None
    ) -> Begun:
        """Return what stands under the keys; where nothing does, the intent is recorded durably."""
        held = self._held.find(base, kind, keys)
        if intent is None or held or (held := self._held.blocking(intent)):
            return await self._standing(base, kind, keys, held)
        row, opened = self._row(intent)
        work = Alike(begin_all, Newcomer(base, kind, keys, row))
        if known := await self._recorded(work, intent):
            return Begun(None, self._resources.noted(known))
        return Begun(Operation(intent, 1, OperationState.OPEN, 1, opened))

    async def claim(self, intent: Intent) -> Operation:
        """Record the intent durably under all its keys; raises `KeysTaken` while another holds one."""
        if intent.members is not None and len(intent.members.add) > CROWD:
            row, opened = await off_loop(self._row, intent)
        else:
            row, opened = self._row(intent)
        if self._held.blocking(intent):
            raise KeysTaken
        await self._recorded(Alike(claim_all, row), intent)
        return Operation(intent, 1, OperationState.OPEN, 1, opened)

    def _row(self, intent: Intent) -> tuple[Row, str]:
        """Return the row that records the intent, and when that is."""
        i, (opened, lease) = intent, self._times()
        said = {
            "keys": list(map(list, i.keys)),
            "target_id": i.target_id,
            "wanted": i.wanted,
            "original": i.original,
            "state": str(i.state),
            "members": i.members or None,
        }
        about = (i.op_id, i.base, i.target, str(i.type), i.operation, i.resource_id, i.correlation_id)
        return (*about, int(i.removes), orjson.dumps(said).decode(), self._owner.name, lease, opened), opened

    def _recorded(self, work: Work[T], intent: Intent) -> "asyncio.Future[T]":
        """Record an intent, and take its keys at once: they are let go where it turns out not to be recorded.

        Raises `JournalUnavailable`, with no key taken, where it cannot even wait its turn.
        """
        holder = _holder(intent)
        taken: Collection[Key] = ()

        def done(result: Any) -> None:
            if result:  # an error, or who is known by the keys
                self._held.free(holder, taken)

        waiting = self._database.write(work, done)
        taken = self._held.take(holder, intent.keys)
        return waiting

    async def _standing(
        self, base: str, kind: ResourceType, keys: Sequence[Key], held: Sequence[str]
    ) -> Begun:
        def work(connection: sqlite3.Connection) -> tuple[tuple[Resource, ...], tuple[Operation, ...]]:
            rows = _named(connection, held) if held else ()
            return load(connection, base, kind, keys), tuple(map(operation_of, rows))

        known, unsettled = await self._resources.ask(kind, keys, work)
        return Begun(None, self._resources.noted(known), unsettled)

    async def settle(self, operation: Operation | None, settlement: Settlement) -> None:
        """Close the operation and store resource, links and event in one transaction.

        None: nothing had to be sent, so there was no intent. Raises `StaleFence` where it was taken over,
        `IdTaken` where the id of a new resource was used before or its entry is somebody's, and `Uniqueness`
        where another has the name.
        """
        members, lines = settlement.members, settlement.event.lines.values
        if len(lines) > CROWD or (members is not None and len(members.rows) > CROWD):
            ending = await off_loop(self._ending, operation, settlement)
        else:
            ending = self._ending(operation, settlement)

        def done(result: Any) -> None:
            if result is not True:
                return
            if operation is not None:
                self._held.free(_holder(operation.intent), operation.intent.keys)
            if ending.marks:
                self._mirrors.ring(ending.marks)

        if not await self._database.write(Alike(self._settle_all, ending), done):
            raise StaleFence

    def _ending(self, operation: Operation | None, settlement: Settlement) -> Ending:
        """Do what can be done before the writer's turn."""
        resource, members = settlement.resource, settlement.members
        record = None if resource is None else ResourceRow.of(resource)
        return Ending(
            None if operation is None else (operation.intent.op_id, operation.fence),
            self._removal(operation, settlement.outcome),
            record if settlement.is_new else None,
            None if settlement.is_new else record,
            None if resource is None or members is None else keep_members(resource, members),
            self._appender.drafted(settlement.event),
            self._mirrors.settled(operation, settlement, stamp(self._clock()))
            if self._mirrors.are_any
            else (),
        )

    def _settle_all(self, connection: sqlite3.Connection, endings: Sequence[Ending]) -> list[bool]:
        return settle_all(connection, endings, self._appender.add)

    def _removal(self, operation: Operation | None, outcome: Outcome) -> Row | None:
        """Return the row by which the brake counts somebody who is removed now."""
        if operation is None or not operation.intent.removes or outcome not in DONE:
            return None
        intent = operation.intent
        return intent.target, intent.resource_id or intent.op_id, operation.opened, stamp(self._clock())

    async def mark(self, operation: Operation, mark: Transition, event: Event | None = None) -> Operation:
        """Record how an operation stands that cannot be settled now; raises `StaleFence`."""
        events = [] if event is None else [self._appender.drafted(event)]
        attempts = operation.attempts if mark.attempts is None else mark.attempts
        at = (operation.intent.op_id, operation.fence)
        # who leaves does so everywhere, unless the brake holds them
        leaves = operation.intent.leaves_everywhere and mark.standing in LEAVING
        marks = self._mirrors.kept(operation.intent, stamp(self._clock())) if leaves else ()

        def work(connection: sqlite3.Connection) -> bool:
            if not connection.execute(*self._mark(mark, attempts, at)).rowcount:
                return False
            if marks:
                add_marks(connection, marks)
            self._appender.add(connection, events)
            return True

        if not await self._database.write(work):
            raise StaleFence
        if marks:
            self._mirrors.ring(marks)
        return marked(operation, mark)

    def _mark(self, mark: Transition, attempts: int, at: tuple[str, int]) -> tuple[str, Row]:
        return MARK, (str(mark.standing), mark.reason, mark.due, attempts, mark.refused, *at)

    async def open(self, base: str | None, keys: Sequence[Key]) -> tuple[Operation, ...]:
        """Return the unsettled operations that hold one of the keys; all of the base where keys are empty.

        Without a base, and without keys: all of every base.
        """
        if keys and not (held := self._held.find(base, None, keys)):
            return ()

        def work(connection: sqlite3.Connection) -> tuple[Operation, ...]:
            if keys:
                rows = _named(connection, held)
            elif base is None:
                rows = connection.execute(f"{EVERYWHERE} ORDER BY rowid").fetchall()
            else:
                rows = connection.execute(UNSETTLED, (base,)).fetchall()
            return tuple(map(operation_of, rows))  # in the reader's thread: a group's may be megabytes

        return await self._database.read(work)

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

        if refusal := await self._database.write(work):
            raise refusal
        return taken(operation)

    async def renew(self, operation: Operation) -> Operation:
        """Keep an operation: while the journal is open, nobody else takes it."""
        return operation

    async def orphan(self) -> None:
        """Doubt what an earlier run left open, and hold its keys: for the start, under the journal's lock.

        What a target refused until it was given up is tried again: the configuration may be another.
        """
        await self._database.write(lambda connection: connection.execute(ORPHAN).rowcount)
        for op_id, base, target, type, keys in await self._database.read(
            lambda connection: connection.execute(HELD).fetchall()
        ):
            self._held.take(Holder(op_id, base, target, type), _keys(orjson.loads(keys)))

    def _times(self) -> tuple[str, str]:
        now = self._clock()
        return stamp(now), stamp(now + self._owner.lease)


def _holder(intent: Intent) -> Holder:
    return Holder(intent.op_id, intent.base, intent.target, intent.type)


def operation_of(row: Sequence[Any]) -> Operation:
    op_id, base, target, type, operation, resource, correlation_id, removes, text = row[:9]
    fence, state, attempts, opened, due, reason, refused = row[9:]
    said = orjson.loads(text)
    intent = Intent(
        op_id=op_id,
        base=base,
        target=target,
        type=TYPES[type],
        operation=operation,
        keys=_keys(said["keys"]),
        resource_id=resource,
        target_id=said["target_id"],
        wanted=said["wanted"],
        original=said["original"],
        state=STATES[said["state"]],
        correlation_id=correlation_id,
        removes=bool(removes),
        members=_delta(said["members"]) if said["members"] else Delta(),
    )
    return Operation(intent, fence, OperationState(state), attempts, opened, due, reason, refused)


def _delta(said: Mapping[str, Any]) -> Delta:
    return Delta(said["add"], tuple(said["remove"]), said["whole"])


def marked(operation: Operation, mark: Transition) -> Operation:
    """Return an operation as it stands after a mark."""
    attempts = operation.attempts if mark.attempts is None else mark.attempts
    return replace(
        operation,
        standing=mark.standing,
        reason=mark.reason,
        due=mark.due,
        attempts=attempts,
        refused=mark.refused,
    )


def taken(operation: Operation) -> Operation:
    """Return an operation as its next owner has it."""
    fence, attempts = operation.fence + 1, operation.attempts + 1
    return replace(operation, fence=fence, attempts=attempts, standing=OperationState.DOUBT)


def _keys(said: Iterable[Sequence[str]]) -> tuple[Key, ...]:
    return tuple(Key(kind, value) for kind, value in said)


def _named(connection: sqlite3.Connection, ids: Sequence[str]) -> list[Any]:
    return connection.execute(NAMED.format(ids=", ".join("?" * len(ids))), ids).fetchall()
