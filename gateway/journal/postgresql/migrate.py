"""The schema of the database, brought up to date in one transaction, by one gateway at a time."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

from gateway.journal.postgresql.session import ServerSession
from gateway.sqlite_file import Migration, StoreUnavailable

ALONE: Final = "SELECT pg_advisory_xact_lock(7165294301)"  # any number that nobody else has
IS_THERE: Final = "SELECT to_regclass('schema_version') IS NOT NULL"
VERSIONS: Final = """
    CREATE TABLE IF NOT EXISTS schema_version (
        version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"""
VERSION: Final = "SELECT coalesce(max(version), 0) FROM schema_version"
NOTE_VERSION: Final = "INSERT INTO schema_version (version) VALUES ({})"
BESIDE: Final = 1  # how many steps newer the schema may be than what this release knows


def migrate(line: ServerSession, migrations: Sequence[Migration]) -> None:
    """Apply what the database does not have yet; raises `StoreUnavailable` where it is too new."""
    newest = max((version for version, _ in migrations), default=0)
    applied = version_of(line)
    if applied >= newest:
        _check(applied, newest)
        return
    line.run("BEGIN")
    try:
        line.run(ALONE)
        line.run(VERSIONS)
        applied = line.run(VERSION).fetchone()[0]
        _check(applied, newest)
        for version, script in migrations:
            if version > applied:
                line.run(script)
                line.run(NOTE_VERSION.format(version))
        line.run("COMMIT")
    finally:
        line.roll_back()


def version_of(line: ServerSession) -> int:
    """Return the version of the database's schema; 0 where it has none."""
    return int(line.run(VERSION).fetchone()[0]) if line.run(IS_THERE).fetchone()[0] else 0


def _check(applied: int, newest: int) -> None:
    if applied > newest + BESIDE:
        raise StoreUnavailable(f"the database has schema version {applied}, this release knows {newest}")


@contextmanager
def opened(url: str) -> Iterator[sqlite3.Connection]:
    """Yield a connection for commands that only read; raises `StoreUnavailable`."""
    line = ServerSession(url)
    try:
        if version_of(line) == 0:
            raise StoreUnavailable("there is no journal in the database yet: `serve` makes it")
        yield cast(sqlite3.Connection, line)
    finally:
        line.close()
