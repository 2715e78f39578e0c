"""A journal brought to another place, of its engine or the other; what was interrupted is gone on with."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.audit.chain import Head
from gateway.errors import InvalidValue, JournalUnavailable
from gateway.journal.archive import sync
from gateway.journal.copied import (
    ALWAYS_FILLED,
    COUNTED,
    LONG_TABLES,
    SHORT_TABLES,
    CopiedTable,
    CopyRefused,
    FileSide,
    refuse_version,
)
from gateway.journal.events import read_head, read_salt
from gateway.journal.reader import reading
from gateway.journal.store import (
    COPYING,
    SCHEMA,
    JournalLock,
    JournalLocked,
    JournalPlace,
    answered,
    archives_of,
)
from gateway.journal.verify import TrailState
from gateway.sqlite_file import OPTIONS, judged, load_migrations, read_only, set_up

UNCOPIED: Final = ("salt", "probe", COPYING)  # of `meta`; the salt is brought before all else
META: Final = "SELECT name, value FROM meta"
FORGET_META: Final = "DELETE FROM meta WHERE name NOT IN ('salt', 'copying')"
ADD_META: Final = "INSERT INTO meta (name, value) VALUES (?, ?)"
MARKED: Final = "SELECT value FROM meta WHERE name = 'copying'"
UNMARK: Final = "DELETE FROM meta WHERE name = 'copying'"
IS_MADE: Final = "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'"
VERSION: Final = "SELECT coalesce(max(version), 0) FROM schema_version"


@contextmanager
def source_of(place: JournalPlace) -> Iterator[FileSide]:
    """Open a journal to copy it, with every gateway kept out of a file; raises as `copy` does."""
    if place.database is not None:
        from gateway.journal.postgresql.copy import opened_source  # not everybody has the driver

        with opened_source(place) as database:
            yield database
        return
    if not place.path.exists():
        raise JournalUnavailable(f"there is no journal {place.path}")
    with answered(), ExitStack() as held:
        held.callback(JournalLock(place.path, makes=False).release)
        connection = held.enter_context(closing(read_only(place.path)))
        known = load_migrations(SCHEMA)[-1][0]
        is_made = connection.execute(IS_MADE).fetchone()
        refuse_version(connection.execute(VERSION).fetchone()[0] if is_made else 0, known)
        yield FileSide(place, connection)


@contextmanager
def destination_of(place: JournalPlace) -> Iterator[FileSide]:
    """Open a place to copy a journal to, made where it is not there; raises as `copy` does."""
    if place.database is not None:
        from gateway.journal.postgresql.copy import opened_destination

        with opened_destination(place) as database:
            yield database
        return
    with answered(), ExitStack() as held:
        held.callback(JournalLock(place.path).release)
        connection = held.enter_context(closing(sqlite3.connect(place.path, **OPTIONS)))
        try:
            set_up(connection, "normal", load_migrations(SCHEMA))  # who loses power copies the rest again
        except sqlite3.Error as error:
            raise judged(error) from error
        yield FileSide(place, connection)


def copy(
    source: FileSide, destination: FileSide, see: Callable[[int], None], verified: Callable[[int], None]
) -> int:
    """Bring all of a journal to a place that is empty, or has an earlier part of it; return its last event.

    `see` is told how many rows were brought, `verified` each event that was verified. Raises `CopyRefused`,
    `JournalLocked`, `JournalUnavailable`.
    """
    _refuse_workers(source, destination)
    with source.snapshot():
        head = read_head(source.connection)
        _begin(source, destination, head)
        brought = 0
        for table in LONG_TABLES:
            for page in source.rows(table, destination.newest(table)):
                _add(destination, table, page)
                brought += len(page)
                see(brought)
        _finish(source, destination)
        _compare(source, destination)
    _bring_files(source.place.path, destination.place.path)
    with source.snapshot():
        if read_head(source.connection) != head:
            raise CopyRefused(
                "the journal was changed while it was copied: stop what works on it, and copy again"
            )
    _refuse_workers(source, destination)
    with reading(destination.place) as reader:
        verdict = reader.verify((head.seq, head.hash) if head.seq else None, verified)
    if verdict.state is not TrailState.WHOLE:
        raise CopyRefused(f"the trail is not whole, and stays where it is: {verdict.reason}")
    with destination.transaction():
        destination.connection.execute(UNMARK)
    return head.seq


def _refuse_workers(*sides: FileSide) -> None:
    """Raise `JournalLocked` where gateways work on one of them."""
    if count := sum(len(side.workers()) for side in sides):
        raise JournalLocked(
            f"gateways work on one of the journals, {count} of them: stop them, and copy again"
        )


def _begin(source: FileSide, destination: FileSide, head: Head) -> None:
    """Mark the destination as a part of this journal, as it is now, so that no gateway takes it for whole."""
    mark, salt = f"{head.seq} {head.hash}", read_salt(source.connection)
    found = destination.connection.execute(MARKED).fetchone()
    if found is None:
        _refuse_filled(source, destination)
    elif read_salt(destination.connection) != salt:
        raise CopyRefused("the destination has a part of another journal: empty it, or take another")
    elif found[0] == mark:
        return
    with destination.transaction():
        for table in (*LONG_TABLES, *SHORT_TABLES):
            if table.name not in ALWAYS_FILLED:
                destination.clear(table)
        destination.connection.execute(UNMARK)
        destination.connection.execute(ADD_META, (COPYING, mark))
        destination.set_salt(salt)


def _refuse_filled(source: FileSide, destination: FileSide) -> None:
    """Raise `CopyRefused` where something is there that is not of a copy."""
    tables = [table for table in (*LONG_TABLES, *SHORT_TABLES) if table.name not in ALWAYS_FILLED]
    is_apart = source.place.path != destination.place.path
    if read_head(destination.connection).seq or any(map(destination.count, tables)):
        raise CopyRefused("the destination has a journal already: empty it, or take another")
    if is_apart and archives_of(destination.place.path):
        raise CopyRefused(
            f"beside {destination.place.path} are months of another journal: move them away first"
        )


def _add(destination: FileSide, table: CopiedTable, page: Sequence[tuple[Any, ...]]) -> None:
    try:
        with destination.transaction():
            destination.add(table, page)
    except sqlite3.IntegrityError as error:
        raise CopyRefused("somebody else writes to the destination: copy again when that is over") from error
    except InvalidValue as error:
        if len(page) > 1:  # those before it are no matter, and the message is to name it
            for row in page:
                _add(destination, table, [row])
        where = " ".join(map(str, page[0][: table.key]))
        raise CopyRefused(f"{table.name} {where}: {error}") from error


def _finish(source: FileSide, destination: FileSide) -> None:
    """Bring what is short, and what the journal remembers of itself."""
    with destination.transaction():
        for table in SHORT_TABLES:
            destination.clear(table)
            for page in source.rows(table, ()):
                destination.add(table, page)
        destination.connection.execute(FORGET_META)
        for name, value in source.connection.execute(META).fetchall():
            if name not in UNCOPIED:
                text = value.decode() if isinstance(value, bytes) else value
                destination.connection.execute(ADD_META, (name, text))
        destination.complete(source.newest_mark())


def _compare(source: FileSide, destination: FileSide) -> None:
    """Count all but the events, which the chain counts."""
    with destination.snapshot():
        counts = {table.name: (source.count(table), destination.count(table)) for table in COUNTED}
    for name, (here, there) in counts.items():
        if here != there:
            raise CopyRefused(f"of {here} rows of {name} {there} are there: empty it, and copy again")


def _bring_files(source: Path, destination: Path) -> None:
    """Bring what stands beside a journal and is not there yet: months that left it, and its audit key."""
    if source == destination:
        return
    key = source.with_name(f"{source.name}.key")
    for file in (*archives_of(source), *([key] if key.exists() else [])):
        brought = destination.with_name(f"{destination.name}{file.name.removeprefix(source.name)}")
        if not brought.exists():
            draft = brought.with_name(f"{brought.name}.draft")
            draft.unlink(missing_ok=True)
            shutil.copy(file, draft)  # with its mode
            sync(draft)
            draft.replace(brought)
            sync(brought.parent)
