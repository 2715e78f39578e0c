"""A connection to the database that is made anew where it was lost, and takes statements as SQLite's does."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final, cast
from uuid import UUID

import psycopg
from psycopg import pq
from psycopg.types.numeric import IntDumper

from gateway.errors import InvalidValue
from gateway.journal.postgresql.dialect import PATIENT, translated
from gateway.sqlite_file import StoreUnavailable

OPTIONS: Final[dict[str, Any]] = {  # well below the lease of an operation; both ways, as neither sees all
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10000,
    "application_name": "gateway",
}
AGAIN: Final = frozenset(  # rolled back, or refused, and nothing is wrong with what was asked
    {"40001", "40P01", "55P03", "57014", "25006", "25P03", "57P01", "57P02", "57P03", "25P02"}
)
ENDED: Final = frozenset({"25006", "25P03", "57P01", "57P02", "57P03"})  # another connection is needed
BLOCKED: Final = "55P03"
REFUSED: Final = {  # what a value is that only another value helps against
    "54000": "a name or an externalId is longer than the journal's database can look up",
    "22021": "a value contains a NUL character, which the journal's database cannot keep",
}
REASONS: Final = {  # class of sqlstate -> what an administrator reads
    "53": "the database has no room, memory or connections left",
    "58": "the database cannot read or write its disk",
    "XX": "the database is damaged",
    "42": "the database lacks a table, a function or a right: is it this gateway's own?",
    "28": "the database does not let the gateway in",
    "3D": "there is no such database",
    "57": "the database is shutting down or starting",
    "55": "the database's rows are held by another session",
    "40": "the database could not put writes in order",
    "25": "the database takes no writes",
}
LONG: Final = "/* long */"  # marks a statement whose rows may be more than memory holds
SLICE: Final = 500  # rows of such that are fetched at once
STOPPED: Final = """
    SELECT pg_terminate_backend(a.pid, 1000) FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
      AND a.wait_event = 'ClientRead' AND a.state_change < now() - interval '4 seconds'
      AND EXISTS (SELECT 1 FROM pg_locks AS l WHERE l.pid = a.pid AND l.mode = 'RowExclusiveLock')"""
names = count()


class Lost(StoreUnavailable):
    """The connection broke, and whether what was asked was done is not known."""


class Again(StoreUnavailable):
    """Nothing was done, and the same may be asked again."""


def connected(url: str) -> "psycopg.Connection[Any]":
    """Open a connection; raises `StoreUnavailable`."""
    try:
        connection = psycopg.connect(
            url, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.ClientCursor, **OPTIONS
        )
    except psycopg.Error as error:
        raise StoreUnavailable(_said(error)) from error
    connection.adapters.register_dumper(bool, IntDumper)  # as the tables of both engines have them
    return connection


def _said(error: psycopg.Error) -> str:
    """Return what an error says, for an administrator: never what was asked, which may name people."""
    state = error.sqlstate or ""
    if state:
        return REASONS.get(state[:2], f"the database says {state}")
    lines = str(error).strip().splitlines() or [""]
    return f"the database cannot be reached: {lines[0]}"


class ServerSession:
    """One connection, for one thread at a time; `execute` and what it returns are as `sqlite3` has them.

    Raises `StoreUnavailable`, of which `Lost` and `Again` are, and `sqlite3.IntegrityError` where something
    must be unique.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self.receipt: UUID | None = None  # of the call that is a transaction of its own
        self.durable = True
        self.is_alone = False  # the standby did not answer for a commit
        self.text_factory: Any = str
        self._streams: list[psycopg.ServerCursor[Any]] = []  # of the transaction

    @property
    def ticket(self) -> tuple[tuple[str, Any], ...]:
        """What a call that may be a transaction of its own begins with."""
        return (("uuid", self.receipt), ("boolean", self.durable))

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        open = self._connection
        return (
            open is not None and not open.closed and open.info.transaction_status != pq.TransactionStatus.IDLE
        )

    def roll_back(self) -> None:
        """Undo what was begun, if something was."""
        while self._streams:
            with suppress(psycopg.Error):
                self._streams.pop().close()
        if self.in_transaction:
            with suppress(StoreUnavailable):
                self._run("ROLLBACK", None)

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """Run a statement of SQLite's."""
        if sql == "ROLLBACK":
            return self.roll_back()
        name = None
        if LONG in sql and self.in_transaction:
            name = f"rows_{next(names)}"
        return self._run(translated(sql), parameters, name)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Run a statement for each of the rows, in one journey."""
        text = translated(sql)
        cursor = cast("psycopg.ClientCursor[Any]", self.connection.cursor())
        if made := [cursor.mogrify(text, row) for row in rows]:
            self._run(";".join(made), None)

    def fill(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Send rows to a COPY of PostgreSQL's."""
        with self._judging(), self.connection.cursor() as cursor, cursor.copy(sql.encode()) as stream:
            for row in rows:
                stream.write_row(row)

    def call(self, function: str, arguments: Sequence[tuple[str, Any]]) -> Any:
        """Call a function of the schema by types and values, lists as binary; return its result."""
        places = ", ".join(f"%b::{type}" for type, _ in arguments)
        with self._judging(), psycopg.Cursor(self.connection) as cursor:
            cursor.execute(f"SELECT {function}({places})", [value for _, value in arguments])
            (result,) = cursor.fetchone() or (None,)
        return result

    def run(self, sql: str) -> Any:
        """Run a statement of PostgreSQL's."""
        return self._run(sql, None)

    def take_time(self) -> None:
        """Let the transaction take as long as it takes."""
        self.run(PATIENT)

    @property
    def connection(self) -> "psycopg.Connection[Any]":
        """The connection, opened where it was not; raises `StoreUnavailable`."""
        if self._connection is None or self._connection.closed:
            self._connection = connected(self._url)
            self._connection.add_notice_handler(self._note)
        return self._connection

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rescue(self) -> None:
        """End the sessions that hold rows and wait for a client: that is stopped, or gone."""
        self._run(STOPPED, None)

    def _run(self, sql: str, parameters: Any, name: str | None = None) -> Any:
        with self._judging():
            if name is None:
                return self.connection.cursor().execute(
                    sql.encode() if parameters is None else sql, parameters or None
                )
            cursor = self.connection.cursor(name)
            cursor.itersize = SLICE
            self._streams.append(cursor)
            return cursor.execute(sql, parameters or None)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._judged(error) from error

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.sqlstate == "01000" and "synchronous replication" in (notice.message_primary or ""):
            self.is_alone = True

    def _judged(self, error: psycopg.Error) -> Exception:
        """Return what an error means for who asked."""
        # a NUL the driver sees itself
        state = error.sqlstate or ("22021" if isinstance(error, psycopg.DataError) else "")
        if state in {"23505", "GW001"}:  # the second is raised by the schema
            return sqlite3.IntegrityError(error.diag.constraint_name or "")
        if state in ENDED or self._connection is None or self._connection.closed:
            self.close()
            return Again(_said(error)) if state == "25006" else Lost(_said(error))
        if state in AGAIN:
            return Again(state)
        if state in REFUSED:
            return InvalidValue(REFUSED[state])
        if state[:2] in REASONS or isinstance(error, psycopg.OperationalError):
            return StoreUnavailable(_said(error))
        return error
