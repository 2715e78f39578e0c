"""A journal as a copy is made of it or into it: its tables, and what is read and written of them at once."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from gateway.journal.store import JournalPlace
from gateway.sqlite_file import judged, roll_back
from gateway.values import frozen

AT_ONCE: Final = 100  # rows that are fetched at once
MOST_ROWS: Final = 1000  # of one transaction
MOST_TEXT: Final = 4_000_000  # characters of one transaction: a group may be large

SET_SALT: Final = "UPDATE meta SET value = ? WHERE name = 'salt'"
NEWEST_MARK: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'mirror'"
SET_NEWEST_MARK: Final = (
    "DELETE FROM sqlite_sequence WHERE name = 'mirror'",
    "INSERT INTO sqlite_sequence (name, seq) VALUES ('mirror', ?)",
)


class CopyRefused(Exception):
    """A journal cannot be copied so; the text says why."""


def refuse_version(applied: int, known: int) -> None:
    """Raise `CopyRefused` for a journal of another release."""
    if applied != known:
        raise CopyRefused(
            f"the journal to copy has schema version {applied}, and this release {known}: have `serve` of the"
            " same release bring it there first"
        )


@contextmanager
def told_well() -> Iterator[None]:
    """Turn what SQLite says of a file into what an administrator reads."""
    try:
        yield
    except sqlite3.Error as error:
        raise judged(error) from error


@frozen
class CopiedTable:
    """A table of both engines: its columns, and by which of them its rows are in order."""

    name: str
    columns: tuple[str, ...]
    key: int = 1  # how many of the first columns; 0: it is short, and brought whole at the end

    @property
    def listed(self) -> str:
        """The columns as SQL lists them."""
        return ", ".join(self.columns)

    @property
    def order(self) -> str:
        """The columns of the key as SQL lists them."""
        return ", ".join(self.columns[: self.key])


def _table(name: str, columns: str, key: int = 1) -> CopiedTable:
    return CopiedTable(name, tuple(columns.split()), key)


LONG_TABLES: Final = (
    _table(
        "resource",
        "key base type id original name_folded external_id state created modified replied",
    ),
    _table("email", "resource folded", 2),
    _table("link", "resource target type target_id own sent seen", 2),
    _table("member", 'seq "group" target member element delivered due'),
    _table(
        "mirror",
        "n base type resource target leaves version since correlation_id attempts due refused reason",
    ),
    _table(
        "op",
        "rowid id base target type operation resource correlation_id removes state reason due fence owner"
        " lease_until attempts opened intent refused",
    ),
    _table(
        "event",
        "seq id published event target result correlation_id actor subject body hash personal",
    ),
    _table("event_value", "seq n salt value", 2),
)
SHORT_TABLES: Final = (
    _table("removal", "target resource opened closed", 0),
    _table("brake", "target tripped released", 0),
    _table("erasing", "seq n", 0),
    _table("token", "id provider sha256 created expires revoked", 0),
    _table("pause", "target since until reason", 0),
    _table("alert", "name target about since told reason", 0),
    _table("trail_base", "one seq hash", 0),
    _table("trail_head", "one seq hash published", 0),
)
ALWAYS_FILLED: Final = ("trail_base", "trail_head")
COUNTED: Final = tuple(table for table in (*LONG_TABLES, *SHORT_TABLES) if table.name != "event")


class FileSide:
    """A journal in a file, as a copy is made of it or into it."""

    def __init__(self, place: JournalPlace, connection: Any) -> None:
        self.place = place
        self.connection = connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Have all that is read be of one moment."""
        with told_well():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                roll_back(self.connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have all that is written be there at once, or not at all."""
        with told_well():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            finally:
                roll_back(self.connection)

    def rows(self, table: CopiedTable, after: Sequence[Any]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows behind a key, in order, as many at once as memory always has room for."""
        where = f"WHERE ({table.order}) > ({', '.join('?' * table.key)})" if after else ""
        order = f"ORDER BY {table.order}" if table.key else ""
        cursor = self.connection.execute(
            f"SELECT /* long */ {table.listed} FROM {table.name} {where} {order}",  # noqa: S608 - our words
            tuple(after),
        )
        page: list[tuple[Any, ...]] = []
        size = 0
        while some := cursor.fetchmany(AT_ONCE):
            page += some
            size += sum(len(value) for row in some for value in row if isinstance(value, str))
            if len(page) >= MOST_ROWS or size > MOST_TEXT:
                yield page
                page, size = [], 0
        if page:
            yield page

    def newest(self, table: CopiedTable) -> tuple[Any, ...]:
        """Return the key that a table has come to; nothing where it is empty."""
        order = ", ".join(f"{column} DESC" for column in table.columns[: table.key])
        sql = f"SELECT {table.order} FROM {table.name} ORDER BY {order} LIMIT 1"  # noqa: S608 - our words
        return tuple(self.connection.execute(sql).fetchone() or ())

    def count(self, table: CopiedTable) -> int:
        """Return how many rows a table has."""
        sql = f"SELECT count(*) FROM {table.name}"  # noqa: S608 - our words
        return int(self.connection.execute(sql).fetchone()[0])

    def add(self, table: CopiedTable, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows to a table, in a transaction."""
        marks = ", ".join("?" * len(table.columns))
        sql = f"INSERT INTO {table.name} ({table.listed}) VALUES ({marks})"  # noqa: S608 - our words
        self.connection.executemany(sql, rows)

    def clear(self, table: CopiedTable) -> None:
        """Remove all rows of a table, in a transaction."""
        self.connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our words

    def set_salt(self, salt: bytes) -> None:
        """Have digests be made with this key from now on."""
        self.connection.execute(SET_SALT, (salt,))

    def newest_mark(self) -> int:
        """Return the number that the newest mark of a mirror had: none is given twice."""
        return int(self.connection.execute(NEWEST_MARK).fetchone()[0])

    def complete(self, newest_mark: int) -> None:
        """Write, in a transaction, what follows from the rows that were copied."""
        for sql in SET_NEWEST_MARK:
            self.connection.execute(sql, (newest_mark,) if "?" in sql else ())

    def workers(self) -> Sequence[str]:
        """Return the gateways that work on it now; a file's lock has them out."""
        return ()
