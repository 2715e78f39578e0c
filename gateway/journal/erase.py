"""What the journal and its archives hold of a person: found, and removed as far as nobody needs it."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from gateway.admin.acts import Erased, Kept
from gateway.audit.chain import stamp, subject, values_of, without
from gateway.audit.event import Event
from gateway.errors import JournalUnavailable
from gateway.journal.archive import (
    BATCH,
    SPAN,
    ArchiveFlawed,
    Month,
    archive_month,
    clear_drafts,
    oldest_month,
    remove_until,
    rewriting,
    span_of,
)
from gateway.journal.events import Appender, is_old_file
from gateway.journal.state import FORGET_REMOVALS
from gateway.journal.store import Clock, answered, archives_of, open_archive
from gateway.log import get_logger
from gateway.scim.documents import fold
from gateway.sqlite import Database
from gateway.sqlite_file import Work, read_only
from gateway.values import frozen

ABOUT: Final = """
    SELECT seq, target, json_extract(body, '$.target.id') FROM event
    WHERE subject = ? AND json_extract(body, '$.target.type') = 'User'"""
HELD: Final = "SELECT base, id FROM resource WHERE type = 'User' AND name_folded = ?"
OF_IDS: Final = """
    SELECT seq, subject, json_extract(body, '$.target.id') FROM event
    WHERE target = ? AND subject IS NOT NULL AND json_extract(body, '$.target.type') = 'User'
      AND json_extract(body, '$.target.id') IN (SELECT value FROM json_each(?)) ORDER BY seq"""
NAMING: Final = """
    SELECT /* long */ seq, personal FROM event
    WHERE personal IS NOT NULL AND subject IS NOT ?"""  # a group may have the same name
NAMING_OLD: Final = """
    SELECT /* long */ v.seq, v.n, v.value FROM event_value AS v JOIN event AS e ON e.seq = v.seq
    WHERE v.value IS NOT NULL AND e.subject IS NOT ?"""
FORGET_SUBJECT: Final = "UPDATE event SET subject = NULL WHERE seq = :seq AND :n IS NULL"
PERSONAL: Final = "SELECT personal FROM event WHERE seq = ? AND personal IS NOT NULL"
FORGET: Final = "UPDATE event SET personal = ? WHERE seq = ?"
FORGET_OLD: Final = """
    UPDATE event_value SET salt = NULL, value = NULL WHERE seq = :seq AND coalesce(:n, n) = n"""
LATER: Final = "INSERT INTO erasing VALUES (:seq, :n)"
REWRITE: Final = "INSERT INTO erasing VALUES (0, NULL)"
PEOPLE: Final = """
    SELECT key, base, id, state, original = '{}' FROM resource
    WHERE type = 'User'
      AND (name_folded = :name OR base || ' ' || id IN (SELECT value FROM json_each(:ids)))
    ORDER BY base, key"""
UNSETTLED: Final = """
    SELECT base FROM op
    WHERE type = 'User'
      AND (instr(json_extract(intent, '$.keys'), :key) > 0
           OR base || ' ' || resource IN (SELECT value FROM json_each(:ids)))
    UNION SELECT m.base FROM mirror AS m JOIN resource AS r
        ON (r.base, r.type, r.id) = (m.base, m.type, m.resource)
    WHERE m.type = 'User'
      AND (r.name_folded = :name OR m.base || ' ' || m.resource IN (SELECT value FROM json_each(:ids)))"""

Id = tuple[str, str]  # target, our id
Part = Mapping[str, int | None]  # seq, n


@frozen
class Traces:
    """Where a person was found; `archived` is the newest event that an archive has."""

    name: str  # folded
    subject: str
    ids: frozenset[Id]
    events: frozenset[int]
    values: frozenset[tuple[int, int]]  # seq, n: elsewhere
    archived: int

    @property
    def own(self) -> str:
        """The ids as SQL compares them."""
        return orjson.dumps([f"{target} {id}" for target, id in sorted(self.ids)]).decode()


def find(journal: Path, name: str, salt: bytes) -> Traces:
    """Look through all files for events about a person, and for their name in others'; takes seconds.

    Whoever had the name at the time is the person; an id that now has another name is somebody else's, or
    theirs no more. Raises `JournalUnavailable`.
    """
    try:
        with answered(), ExitStack() as stack:
            files = [stack.enter_context(closing(read_only(journal)))]
            files[0].execute("BEGIN")
            held = frozenset(files[0].execute(HELD, (fold(name),)))  # the snapshot, before the archives
            archives = [stack.enter_context(closing(open_archive(file))) for file in archives_of(journal)]
            return found_in([*archives, files[0]], name, salt, held)
    except sqlite3.Error as error:
        raise JournalUnavailable(f"the journal {journal} cannot be read: {error}") from error


def erase(
    connection: sqlite3.Connection, traces: Traces, appender: Appender, tell: Callable[[Erased], Event]
) -> Erased:
    """Remove what was found and what came since, and record it; archives are left for `erase_archived`."""
    since = {seq for seq, _, _ in connection.execute(ABOUT, (traces.subject,))}
    whole = traces.events | since
    parts: list[Part] = [{"seq": seq, "n": None} for seq in sorted(whole)]
    parts += [{"seq": seq, "n": n} for seq, n in sorted(traces.values)]
    _forget(connection, parts)
    connection.executemany(LATER, [part for part in parts if (part["seq"] or 0) <= traces.archived])
    originals, kept = _remove_originals(connection, traces)
    events = tuple(sorted(whole | {seq for seq, _ in traces.values}))
    archived = sum(seq <= traces.archived for seq in events)
    erased = Erased(traces.subject, events, archived, originals, kept)
    if erased.is_anything:
        connection.execute(REWRITE)
        appender.write(connection, [tell(erased)])
    return erased


def erase_archived(journal: Path, parts: Sequence[Part]) -> None:
    """Write every archive anew that holds some of the parts, without them; raises `JournalUnavailable`."""
    for file in archives_of(journal):
        first, last = span_of(file)
        if own := [part for part in parts if first <= (part["seq"] or 0) <= last]:
            with rewriting(file) as draft:
                _forget(draft, own)
                draft.execute("VACUUM")  # pages that were divided keep copies of what left them


def found_in(files: Sequence[sqlite3.Connection], name: str, salt: bytes, held: frozenset[Id]) -> Traces:
    """Look through files, the journal last; `held`: whom it knows by the name."""
    known = subject(salt, fold(name))
    about = [row for file in files for row in file.execute(ABOUT, (known,))]
    ids = held | {(target, id) for _, target, id in about if target and id}
    histories: dict[Id, list[tuple[int, str]]] = {}
    for seq, whose, id in (row for file in files for row in _of_ids(file, ids)):
        histories.setdefault(id, []).append((seq, whose))
    theirs = frozenset(id for id in ids if id in held or histories[id][-1][1] == known)
    events = {seq for seq, _, _ in about} | {seq for id in theirs for seq, _ in histories.get(id, ())}
    named = {pair for file in files for pair in _naming(file, name, known)}
    values = frozenset((seq, n) for seq, n in named if seq not in events)  # a renamed person's are in both
    archived = max((file.execute(SPAN).fetchone()[1] for file in files[:-1]), default=0)
    return Traces(fold(name), known, theirs, frozenset(events), values, archived)


def _of_ids(connection: sqlite3.Connection, ids: frozenset[Id]) -> Iterator[tuple[int, str, Id]]:
    """Yield the named events of resources, in order: who was renamed has them under several names."""
    for target in sorted({target for target, _ in ids}):
        own = orjson.dumps([id for where, id in ids if where == target]).decode()
        for seq, whose, id in connection.execute(OF_IDS, (target, own)):
            yield seq, whose, (target, id)


def _naming(connection: sqlite3.Connection, name: str, known: str) -> Iterator[tuple[int, int]]:
    """Yield the values in events about others that are the name, or hold it as a whole text or in quotes."""
    text = orjson.dumps(fold(name)).decode()
    quoted = orjson.dumps(text).decode()[1:-1]  # within another text, such as the filter of an export

    def tells(value: str | None) -> bool:
        folded = "" if value is None else fold(value)  # SQL folds ASCII only
        return text in folded or quoted in folded

    for seq, n, value in connection.execute(NAMING_OLD, (known,)):
        if tells(value):
            yield seq, n
    for seq, personal in () if is_old_file(connection) else connection.execute(NAMING, (known,)):
        if tells(personal):
            yield from ((seq, n) for n, value in enumerate(values_of(personal)) if tells(value.shown))


def _forget(connection: sqlite3.Connection, parts: Sequence[Part]) -> None:
    """Remove values from events: one, or with `n` None all, and then by what the event is found too."""
    connection.executemany(FORGET_OLD, parts)
    connection.executemany(FORGET_SUBJECT, parts)
    for part in () if is_old_file(connection) else parts:
        if row := connection.execute(PERSONAL, (part["seq"],)).fetchone():
            connection.execute(FORGET, (without(row[0], part["n"]), part["seq"]))


def _remove_originals(
    connection: sqlite3.Connection, traces: Traces
) -> tuple[tuple[str, ...], tuple[Kept, ...]]:
    """Remove the person's originals; who is active, or whose change is not settled, keeps theirs."""
    key = orjson.dumps(["name", traces.name]).decode()
    asked = {"name": traces.name, "key": key, "ids": traces.own}
    unsettled = {base for (base,) in connection.execute(UNSETTLED, asked)}
    kept = dict.fromkeys(unsettled, "a change is not settled there")
    originals: list[str] = []
    for key, base, id, state, is_blank in connection.execute(PEOPLE, asked).fetchall():
        if base in unsettled or is_blank:
            continue
        if state == "active":
            kept[base] = "the person is active there"
            continue
        for sql in REMOVED[state]:
            connection.execute(sql, {"key": key, "base": base, "id": id})
        originals.append(base)
    return tuple(originals), tuple(Kept(base, reason) for base, reason in sorted(kept.items()))


EVERYWHERE: Final = (
    "DELETE FROM email WHERE resource = :key",
    'DELETE FROM member WHERE member = :id AND "group" IN (SELECT key FROM resource WHERE base = :base)',
)
REMOVED: Final[Mapping[str, Sequence[str]]] = {  # state -> what removes an original
    # its id must never be given again, so the tombstone stays, bare
    "deleted": (
        *EVERYWHERE,
        "UPDATE resource SET original = '{}', name_folded = NULL, external_id = NULL WHERE key = :key",
        "UPDATE link SET sent = '{}', seen = NULL WHERE resource = :key",
    ),
    # as if the journal had never known them: who comes back is adopted
    "inactive": (
        *EVERYWHERE,
        "DELETE FROM link WHERE resource = :key",
        "DELETE FROM resource WHERE key = :key",
    ),
}


DAY: Final = 86400.0  # seconds

PENDING: Final = "SELECT seq, n FROM erasing"
ARCHIVES_DONE: Final = "DELETE FROM erasing WHERE seq > 0"
ALL_DONE: Final = "DELETE FROM erasing"

log = get_logger()


@frozen
class Retention:
    """Moves months and erases people, one at a time."""

    path: Path
    salt: bytes = field(repr=False)
    database: Database
    appender: Appender
    clock: Clock
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def erase(self, name: str, tell: Callable[[Erased], Event]) -> Erased:
        """Remove a person's values everywhere, and record the event; raises `JournalUnavailable`."""
        async with self._alone:
            traces = await self._traces(name)
            erased = await self.database.write(self._erasing(traces, tell))
            try:
                return replace(erased, is_done=await self._finish())
            except JournalUnavailable:  # as on a full disk: the rest is done at the next try
                return replace(erased, is_done=False)

    def by_hand(self) -> "Retention":
        """Return what moves months because somebody says so."""
        return self

    async def retire(self, retention: float) -> tuple[str, ...]:
        """Move every month that ended so many seconds ago to its archive, and return them.

        What an earlier run or erasure left unfinished is finished first. Raises `JournalUnavailable`, and
        `ArchiveFlawed` where an archive is not what the journal holds: then nothing leaves it.
        """
        async with self._alone:
            await asyncio.to_thread(clear_drafts, self.path)
            await self._finish()
            moved: list[str] = []
            before = self.clock() - timedelta(seconds=retention)
            await self.database.write(lambda file: file.execute(FORGET_REMOVALS, (stamp(before),)).rowcount)
            while month := await self._oldest(before):
                await self._move(month)
                moved.append(month.name)
            return tuple(dict.fromkeys(moved))

    async def run(self, retention: Callable[[], float]) -> None:
        """Retire what is old enough now and every day, until cancelled."""
        while True:
            try:
                for month in await self.retire(retention()):
                    log.info("trail.archived", month=month)
            except (JournalUnavailable, ArchiveFlawed, OSError) as error:
                log.warning("trail.not_archived", reason=str(error))
            await asyncio.sleep(DAY)

    def _erasing(self, traces: Traces, tell: Callable[[Erased], Event]) -> Work[Erased]:
        return partial(erase, traces=traces, appender=self.appender, tell=tell)

    async def _traces(self, name: str) -> Traces:
        return await asyncio.to_thread(find, self.path, name, self.salt)

    async def _oldest(self, before: datetime) -> Month | None:
        return await self.database.read(partial(oldest_month, before=before))

    async def _move(self, month: Month) -> None:
        await asyncio.to_thread(archive_month, self.path, month, self.salt)
        for end in self._steps(month):
            await self.database.write(partial(remove_until, seq=end))

    def _steps(self, month: Month) -> list[int]:
        """Return the events up to which a month leaves, one transaction after the other."""
        last = month.last.seq
        return [min(end, last) for end in range(month.before.seq + BATCH, last + BATCH, BATCH)]

    def _are_here(self, newest: int) -> bool:
        """Say whether the archives here hold an event that has left the journal, and all before it."""
        return True

    async def _finish(self) -> bool:
        """Take what was erased out of the archives, and out of what the journal's file has freed.

        False where somebody reads, so that its log cannot be emptied yet.
        """
        parts: list[Part] = [{"seq": seq, "n": n} for seq, n in await self.database.read(_pending)]
        if not parts or not self._are_here(max(part["seq"] or 0 for part in parts)):
            return not parts
        await asyncio.to_thread(erase_archived, self.path, [part for part in parts if part["seq"]])
        await self.database.write(lambda connection: connection.execute(ARCHIVES_DONE).rowcount)
        if not await self.database.rewrite():
            return False
        await self.database.write(lambda connection: connection.execute(ALL_DONE).rowcount)
        return True


def _pending(connection: sqlite3.Connection) -> list[tuple[int, int | None]]:
    return connection.execute(PENDING).fetchall()
