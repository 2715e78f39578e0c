"""Whether the audit trail is whole: the chain recomputed over every row of every file, in bounded memory."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.audit.chain import Head
from gateway.errors import JournalUnavailable
from gateway.journal.events import (
    READ_BASE,
    READ_HEAD,
    EventRow,
    changed_part,
    erased_by,
    is_erased,
    read_salt,
    rows,
)
from gateway.journal.store import archives_of, note_beside, open_archive, read_note
from gateway.sqlite_file import roll_back
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.sqlite import Database  # which costs, and no command needs it

FILE: Final = "SELECT file FROM pragma_database_list WHERE name = 'main'"
TABLES: Final = ("event", "event_value")


class TrailState(StrEnum):
    """What can be said of a trail."""

    WHOLE = "whole"
    GAP = "gap"  # an event in the middle is missing
    CHANGED = "changed"  # an event is not what it was
    TRUNCATED = "truncated"  # the newest events are missing


@frozen
class Verdict:
    """What verification found first, and at which event; None for none, and for a whole file."""

    state: TrailState
    seq: int | None
    reason: str


def unseen(seq: int) -> None:
    """Tell nobody how far it is."""


def verify(
    connection: sqlite3.Connection,
    expected: tuple[int, str] | None = None,
    see: Callable[[int], None] = unseen,
    journal: Path | None = None,
) -> Verdict:
    """Recompute the chain on one snapshot of the journal and its archives; `connection` is for this alone.

    `journal`: beside what the archives are, where that is not the file of the connection.

    The trail must have the event that the note beside the journal names, and the one whose seq and hash are
    `expected`: who may write the journal can make another chain, but not what was seen of this one.
    """
    _lenient(connection)
    try:
        file = journal or Path(connection.execute(FILE).fetchone()[0])
        noted = read_note(note_beside(file))  # before the snapshot, which has come at least as far
        pairs = ((noted, "the note beside the journal"), (expected, "what was expected"))
        connection.execute("BEGIN /* long */")
        return _verdict(connection, file, [Known(*seen, whence) for seen, whence in pairs if seen], see)
    except sqlite3.OperationalError:  # such as a table that an older release did not have
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return Verdict(TrailState.CHANGED, None, "what tables a file has cannot be read")
    finally:
        roll_back(connection)


def _verdict(
    connection: sqlite3.Connection, journal: Path, known: Sequence["Known"], see: Callable[[int], None]
) -> Verdict:
    """Walk the archives and then the journal, which is read first, as months only ever leave it."""
    base, head = (connection.execute(sql).fetchone() for sql in (READ_BASE, READ_HEAD))
    salt = read_salt(connection)
    if not (isinstance(salt, bytes) and all(isinstance(row[0], int) for row in (base, head) if row)):
        return Verdict(
            TrailState.CHANGED, None, "a record of where the trail begins or ends, or its key, was changed"
        )
    walk = ChainWalk(salt, Head(*base) if base else Head(), known, see=see)
    for path in archives_of(journal):
        if verdict := _of_archive(walk, path):
            return verdict
    if base is None:
        return Verdict(
            TrailState.CHANGED, walk.newest.seq, "the record of where the journal begins is missing"
        )
    return walk.turn() or walk.through(connection) or walk.end(Head(*head) if head else None)


def _of_archive(walk: "ChainWalk", path: Path) -> Verdict | None:
    try:
        with closing(open_archive(path)) as archive:
            _lenient(archive)
            return walk.through(archive, path.name.split(".")[-2])
    except JournalUnavailable as error:
        return Verdict(TrailState.CHANGED, walk.newest.seq + 1, str(error))


def _lenient(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a changed byte may be no UTF-8


class Known(NamedTuple):
    """An event that was seen in the trail, and who says so."""

    seq: int
    hash: str
    whence: str


@dataclass(slots=True)
class ChainWalk:
    """How far verification has come; `base` is where the journal says that it begins."""

    salt: bytes
    base: Head
    known: Sequence[Known] = ()
    newest: Head = field(default_factory=Head)
    at_base: str = ""  # the hash of the event there, as the archives have it; empty for none
    archived: Head = field(default_factory=Head)  # the newest event of the archives
    unexplained: set[int] = field(default_factory=set)  # events that lack values, and no erasure said so yet
    strays: set[int] = field(default_factory=set)  # events of which there are values alone
    see: Callable[[int], None] = unseen  # told each seq that was passed

    def through(self, connection: sqlite3.Connection, month: str = "") -> Verdict | None:
        """Walk through one file, which holds only events of the month where one is named."""
        try:
            for row in rows(connection):
                if verdict := self._misplaced(row) or self._changed(row, month):
                    return verdict
                if row.body is not None:
                    self._pass(row)
                    self.see(row.seq)
            return _index_fault(connection)
        except sqlite3.DatabaseError as error:
            return self.unreadable(str(error))

    def some(self, connection: sqlite3.Connection, count: int) -> Verdict | None:
        """Walk on through so many rows of a file; where there are fewer, say what that means."""
        passed = 0
        try:
            for row in islice(rows(connection, self.newest.seq), count):
                if verdict := self._misplaced(row) or self._changed(row, ""):
                    return verdict
                if row.body is not None:
                    self._pass(row)
                passed += 1
        except sqlite3.DatabaseError as error:
            return self.unreadable(str(error))
        if passed < count:
            return self.end(Head(*connection.execute(READ_HEAD).fetchone()))
        return None

    def turn(self) -> Verdict | None:
        """Go from the archives to the journal; they overlap where the gateway ended while a month left."""
        if self.newest.seq < self.base.seq:
            first, last = self.newest.seq + 1, self.base.seq
            return Verdict(
                TrailState.GAP, first, f"events {first} to {last}, which had left the journal, are missing"
            )
        if self.at_base != self.base.hash:
            reason = "the record of where the journal begins was changed"
            return Verdict(TrailState.CHANGED, self.base.seq, reason)
        self.archived, self.newest = self.newest, self.base
        return None

    def end(self, recorded: Head | None) -> Verdict:
        """Compare where the trail ends with where it was last seen to end."""
        newest = self.newest
        if recorded is None:
            return Verdict(TrailState.CHANGED, newest.seq, "the record of the newest event is missing")
        for seq, _, whence in (Known(recorded.seq, recorded.hash, ""), *self.known):
            if newest.seq < seq:
                missing = f"events {newest.seq + 1} to {seq} are missing"
                reason = f"{missing}: {whence} has the last" if whence else missing
                return Verdict(TrailState.TRUNCATED, newest.seq + 1, reason)
        if newest != recorded:
            return Verdict(TrailState.CHANGED, newest.seq, "the record of the newest event was changed")
        if self.strays:
            return _stray(min(self.strays))
        if self.unexplained:
            seq = min(self.unexplained)
            reason = f"a personal value of event {seq} was removed without an erasure"
            return Verdict(TrailState.CHANGED, seq, reason)
        return Verdict(TrailState.WHOLE, None, f"{recorded.seq} events, each in its place")

    def unreadable(self, reason: str) -> Verdict:
        """Return the verdict on a file that is damaged from here on."""
        seq = self.newest.seq + 1
        return Verdict(TrailState.CHANGED, seq, f"event {seq} cannot be read: {reason}")

    def _misplaced(self, row: EventRow) -> Verdict | None:
        expected = self.newest.seq + 1
        if row.seq < expected:
            return _stray(row.seq)
        if row.body is None:  # of an event that is missing, or was cut off: the next one says
            self.strays.add(row.seq)
        elif row.seq > expected:
            return Verdict(TrailState.GAP, expected, f"event {expected} is missing")
        return None

    def _changed(self, row: EventRow, month: str) -> Verdict | None:
        if row.body is None:
            return None
        part = changed_part(row, row.body, self.newest.hash, self.salt)
        if part is None and not row.published.startswith(month):
            part = "the month"
        if part is None and row.seq == self.archived.seq and row.hash != self.archived.hash:
            part = "the text or the hash"
        if part is None:
            return self._unknown(row)
        return Verdict(TrailState.CHANGED, row.seq, f"{part} of event {row.seq} was changed")

    def _unknown(self, row: EventRow) -> Verdict | None:
        for known in self.known:
            if row.seq == known.seq and row.hash != known.hash:
                reason = f"event {row.seq} is not the one that {known.whence} has"
                return Verdict(TrailState.CHANGED, row.seq, reason)
        return None

    def _pass(self, row: EventRow) -> None:
        self.newest = Head(row.seq, row.hash, row.published)
        if row.seq == self.base.seq:
            self.at_base = row.hash
        if is_erased(row):
            self.unexplained.add(row.seq)
        self.unexplained -= erased_by(row)


def _stray(seq: int) -> Verdict:
    return Verdict(TrailState.CHANGED, seq, f"what stands for event {seq} is not of the trail")


def _index_fault(connection: sqlite3.Connection) -> Verdict | None:
    """Say whether the indexes show what the rows hold: a question is answered by them."""
    for table in TABLES:
        (found,) = connection.execute(f"PRAGMA integrity_check('{table}')").fetchone()
        if found != "ok":
            return Verdict(TrailState.CHANGED, None, f"the indexes of a file were changed: {found}")
    return None


SLICE: Final = 200  # events that are looked at in one go


class TrailCheck:
    """Recomputes the chain of the journal's own file, a slice at a time, while it is written.

    Months that have left the journal, indexes, and values that were removed without an erasure are left to
    `verify`.
    """

    def __init__(self, database: "Database", slice: int = SLICE) -> None:
        self._database = database
        self._slice = slice
        self._walk: ChainWalk | None = None
        self._seen: tuple[Known, ...] = ()  # the newest event of the walk before

    def begin(self) -> None:
        """Begin anew, where the journal begins."""
        if self._walk is not None and self._walk.newest.seq:
            newest = self._walk.newest
            self._seen = (Known(newest.seq, newest.hash, "an earlier look at the trail"),)
        self._walk = None

    async def step(self) -> tuple[str | None, bool]:
        """Go on by a slice; return what is wrong, and whether there is nothing more to go through now.

        Raises `JournalUnavailable`.
        """
        verdict, is_end = await self._database.read_aside(self._stepped)
        is_whole = verdict is None or verdict.state is TrailState.WHOLE
        return (None if verdict is None or is_whole else verdict.reason), is_end

    def _stepped(self, connection: sqlite3.Connection) -> tuple[Verdict | None, bool]:
        base, head = (connection.execute(sql).fetchone() for sql in (READ_BASE, READ_HEAD))
        if base is None or head is None:
            return Verdict(
                TrailState.CHANGED, None, "a record of where the trail begins or ends is missing"
            ), True
        if self._walk is None or self._walk.newest.seq < base[0]:  # or the month it was in has left meanwhile
            known = [seen for seen in self._seen if seen.seq > base[0]]
            self._walk = ChainWalk(read_salt(connection), Head(*base), known, Head(*base))
        walk, before = self._walk, connection.text_factory
        _lenient(connection)
        try:
            verdict = walk.some(connection, self._slice)
        finally:
            connection.text_factory = before
        return verdict, verdict is not None
