"""A journal in a database, as a copy is made of it or into it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from gateway.journal.copied import CopiedTable, FileSide, refuse_version
from gateway.journal.postgresql.dialect import translated
from gateway.journal.postgresql.fitness import examine
from gateway.journal.postgresql.journal import SCHEMA
from gateway.journal.postgresql.migrate import migrate, version_of
from gateway.journal.postgresql.replicas import present
from gateway.journal.postgresql.session import ServerSession
from gateway.journal.store import JournalPlace, answered
from gateway.sqlite_file import StoreUnavailable, load_migrations

NEWEST_MARK: Final = """
    SELECT coalesce(max(last_value), 0) FROM pg_sequences
    WHERE schemaname = current_schema() AND sequencename = 'mirror_n_seq'"""
KEYS: Final = """
    INSERT INTO op_key (value, kind, type, target, op)
    SELECT k ->> 1, k ->> 0, p.type, p.target, p.id
    FROM op AS p, json_array_elements(json_extract(p.intent, '$.keys')::json) AS k
    ORDER BY p.n ON CONFLICT DO NOTHING"""
NUMBERED: Final = (("resource", "key"), ("member", "seq"), ("op", "n"))
GO_ON: Final = """
    SELECT setval(pg_get_serial_sequence('{table}', '{column}'), greatest(max({column}), 1), count(*) > 0)
    FROM {table}"""
GO_ON_MARKS: Final = """
    SELECT setval(pg_get_serial_sequence('mirror', 'n'), greatest({newest}, 1), {newest} > 0)"""


class DatabaseSide(FileSide):
    """A journal in a database."""

    connection: ServerSession

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Have all that is read be of one moment."""
        self.connection.execute("BEGIN /* long */")
        try:
            yield
        finally:
            self.connection.roll_back()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have all that is written be there at once, or not at all."""
        self.connection.run("BEGIN")
        try:
            self.connection.take_time()
            yield
            self.connection.run("COMMIT")
        finally:
            self.connection.roll_back()

    def add(self, table: CopiedTable, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows to a table, in a transaction."""
        self.connection.fill(f"COPY {table.name} ({translated(table.listed)}) FROM STDIN", rows)

    def set_salt(self, salt: bytes) -> None:
        """Have digests be made with this key from now on."""
        super().set_salt(salt.hex())  # type: ignore[arg-type]

    def newest_mark(self) -> int:
        """Return the number that the newest mark of a mirror had: none is given twice."""
        return int(self.connection.run(NEWEST_MARK).fetchone()[0])

    def complete(self, newest_mark: int) -> None:
        """Write, in a transaction, what follows from the rows that were copied."""
        self.connection.run("DELETE FROM op_key")
        self.connection.run(KEYS)
        for table, column in NUMBERED:
            self.connection.run(GO_ON.format(table=table, column=column))
        self.connection.run(GO_ON_MARKS.format(newest=newest_mark))

    def workers(self) -> Sequence[str]:
        """Return the gateways that work on it now."""
        return [replica.name for replica in present(url_of(self.place))]


def url_of(place: JournalPlace) -> str:
    """Return the url of a journal's database."""
    assert place.database is not None
    return place.database.reveal()


@contextmanager
def opened_source(place: JournalPlace) -> Iterator[DatabaseSide]:
    """Open a database to copy its journal; raises as `copy` does."""
    with answered():
        line = ServerSession(url_of(place))
        try:
            applied = version_of(line)
            if applied == 0:
                raise StoreUnavailable("there is no journal in the database")
            refuse_version(applied, load_migrations(SCHEMA)[-1][0])
            yield DatabaseSide(place, line)
        finally:
            line.close()


@contextmanager
def opened_destination(place: JournalPlace) -> Iterator[DatabaseSide]:
    """Open a database to copy a journal to, with its tables made; raises as `copy` does."""
    with answered():
        examine(url_of(place), lambda: datetime.now(UTC))
        line = ServerSession(url_of(place))
        try:
            migrate(line, load_migrations(SCHEMA))
            yield DatabaseSide(place, line)
        finally:
            line.close()
