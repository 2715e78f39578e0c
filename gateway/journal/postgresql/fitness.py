"""What a database must be before a gateway works on it: looked at once, at the start."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gateway.journal.postgresql.session import ServerSession
from gateway.journal.store import Clock
from gateway.sqlite_file import StoreUnavailable

OLDEST: Final = 15  # what the statements were tried on
SKEW: Final = timedelta(seconds=30)  # a third of a lease: what is held is held by the gateways' clocks
LOOK: Final = """
    SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
           pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
           current_setting('server_encoding'), current_user::text, coalesce(current_schema()::text, ''),
           clock_timestamp()"""
IS_THERE: Final = "SELECT to_regclass('schema_version') IS NOT NULL"
MAY_CREATE: Final = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
CLOSED: Final = """
    SELECT c.relname::text FROM pg_class AS c
    WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind IN ('r', 'p')
      AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
               AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
    ORDER BY c.relname LIMIT 1"""


class Found(NamedTuple):
    """What the server says of itself."""

    number: int
    version: str
    is_standby: bool
    is_read_only: bool
    encoding: str
    role: str
    schema: str  # where tables are looked for and made; empty: nowhere
    now: datetime


def examine(url: str, clock: Clock) -> str:
    """Return the version of a server that will do; raises `StoreUnavailable` with the first thing amiss."""
    line = ServerSession(url)
    try:
        line.connection  # noqa: B018 - what follows is to take no longer than an answer
        before = clock()
        found = Found(*line.run(LOOK).fetchone())
        reason = unfit(found, before, clock()) or _missing(line, found)
    finally:
        line.close()
    if reason is not None:
        raise StoreUnavailable(reason)
    return found.version


def unfit(found: Found, before: datetime, after: datetime) -> str | None:
    """Return why a server will not do; `before` and `after` its answer by our clock."""
    if found.number < OLDEST * 10_000:
        return f"the database is PostgreSQL {found.version}, and {OLDEST} or newer is needed"
    if found.is_standby:
        return (
            "the database is a standby, which takes no writes: name the primary in journal.url, or all hosts"
            " and target_session_attrs=read-write"
        )
    if found.is_read_only:
        return f'the database takes no writes from "{found.role}": its default_transaction_read_only is on'
    if found.encoding != "UTF8":
        return f"the database has the encoding {found.encoding}, and UTF8 is needed"
    now = found.now.astimezone(UTC)
    apart = max(before - now, now - after)
    if apart > SKEW:
        side = "behind" if now > after else "ahead of"
        return (
            f"the clock here is {apart.total_seconds():.0f} s {side} the database's, and {SKEW.seconds} s are"
            " the most: leases go by the clock"
        )
    return None


def _missing(line: ServerSession, found: Found) -> str | None:
    """Return which right the gateway's role lacks."""
    if not line.run(IS_THERE).fetchone()[0]:
        if found.schema and line.run(MAY_CREATE).fetchone()[0]:
            return None
        where = f"the schema {found.schema}" if found.schema else "any schema"
        return f'"{found.role}" may not make tables in {where} of the database: make it the owner of that'
    closed = line.run(CLOSED).fetchone()
    if closed is None:
        return None
    return f'"{found.role}" may not read and write the table {closed[0]}: GRANT it that, or make it the owner'
