"""The table where the gateways of a database meet."""

import sqlite3
from typing import Any, Final

import orjson

from gateway.admin.replicas import Replica
from gateway.journal.postgresql.session import ServerSession
from gateway.sqlite import Database

MEET: Final = """
    INSERT INTO replica (name, since, version, config, breakers, seen)
    VALUES (?, ?, ?, ?, ?, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET
        since = excluded.since, version = excluded.version, config = excluded.config,
        breakers = excluded.breakers, seen = excluded.seen"""
LEAVE: Final = "DELETE FROM replica WHERE name = ?"
GONE: Final = "DELETE FROM replica WHERE seen < clock_timestamp() - interval '1 hour'"
PRESENT: Final = """
    SELECT name, since, version, config, breakers,
           to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM replica WHERE seen > clock_timestamp() - interval '10 seconds' ORDER BY name"""


class PostgresReplicas:
    """Who works on this database now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def meet(self, own: Replica) -> tuple[Replica, ...]:
        """Say how this one is; return all who have said so lately, itself too."""
        row = (own.name, own.since, own.version, own.config, orjson.dumps(own.breakers).decode())

        def work(connection: sqlite3.Connection) -> tuple[Replica, ...]:
            connection.execute(MEET, row)
            connection.execute(GONE)
            return tuple(map(_replica, connection.execute(PRESENT)))

        return await self._database.write(work)

    async def leave(self, name: str) -> None:
        """Be no longer among them."""
        await self._database.write(lambda connection: connection.execute(LEAVE, (name,)).rowcount)


def present(url: str) -> tuple[Replica, ...]:
    """Return who works on a database now, without a gateway; raises `StoreUnavailable`."""
    line = ServerSession(url)
    try:
        return tuple(map(_replica, line.run(PRESENT)))
    finally:
        line.close()


def _replica(row: tuple[Any, ...]) -> Replica:
    name, since, version, config, breakers, seen = row
    return Replica(name, since, version, config, orjson.loads(breakers), seen)
