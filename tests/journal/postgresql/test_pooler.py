"""A journal behind PgBouncer in transaction mode: any transaction on any session of the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.flow.journal_port import Key, KeysTaken, Outcome, Settlement
from gateway.flow.target_port import ResourceType
from gateway.journal.copy import copy, destination_of, source_of
from gateway.journal.postgresql import operations
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.journal.verify import TrailState
from gateway.settings.model import JournalSettings, Secret
from tests.support.real_pooler import Pooler, pooler

__all__ = ["pooler"]

USER, NAME = ResourceType.USER, Key("name", "ann")
SESSIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
MANY = 3000  # rows, more than are fetched at once
SOON = 3.0  # seconds, a few looks: nobody is told by a notice


@pytest.fixture
async def gateways(pooler: Pooler, postgres_url: str, path: Path, clock: Any) -> AsyncIterator[Any]:
    """Open the journal of an empty database, as many gateways as are asked for."""
    url = pooler.through(postgres_url)
    async with AsyncExitStack() as stack:

        async def start(count: int) -> list[PostgresJournal]:
            opening = (PostgresJournal.reach(url, path, "full", clock, print, f"g{n}") for n in range(count))
            journals = await asyncio.gather(*opening)
            for journal in journals:
                stack.push_async_callback(journal.close)
            return list(journals)

        yield start


async def test_gateways_that_start_together_make_the_tables_once(gateways, postgres_url) -> None:
    await gateways(3)

    with psycopg.connect(postgres_url) as connection:
        (sessions,) = connection.execute(SESSIONS).fetchone() or ()
        versions = connection.execute("SELECT version FROM schema_version ORDER BY version").fetchall()
        locks = connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchall()
    assert versions == [(n + 1,) for n in range(len(versions))]
    assert locks == []
    assert sessions <= 4 < 2 * 3  # what each gateway has open at least


async def test_changes_are_begun_and_settled_each_once_and_in_one_chain(
    gateways, intent, event, resource, pooler, postgres_url, path
) -> None:
    one, other = await gateways(2)

    async def change(n: int) -> None:
        journal, keys = (one, other)[n % 2], (Key("name", f"p{n}"),)
        begun = await journal.operations.begin("cx", USER, keys, intent(f"op-{n}", keys=keys))
        made = Settlement(Outcome.APPLIED, event(f"e-{n}"), resource(f"id-{n}", f"p{n}"), is_new=True)
        for _ in range(2):  # as one whose answer was lost
            await journal.operations.settle(begun.operation, made)

    await asyncio.gather(*map(change, range(40)))
    await one.operations.claim(intent("op-x"))
    with pytest.raises(KeysTaken):
        await other.operations.claim(intent("op-y"))

    assert [held.intent.op_id for held in await other.operations.open("cx", [])] == ["op-x"]
    place = JournalSettings(path, database=Secret(pooler.through(postgres_url)))
    with reading(place) as reader:
        assert (reader.verify().state, reader.newest()) == (TrailState.WHOLE, 40)


async def test_who_waits_for_a_change_of_another_gateway_is_woken_by_time(gateways, intent, event) -> None:
    one, other = await gateways(2)
    claimed = await one.operations.claim(intent())
    waits = asyncio.create_task(other.operations.begin("cx", USER, (NAME,), intent("op-2")))
    while not await _is_waited_for(one):
        pass  # until the other has looked
    await one.operations.settle(claimed, Settlement(Outcome.APPLIED, event()))

    begun = await asyncio.wait_for(waits, operations.POLL + SOON)

    assert begun.operation is not None


async def _is_waited_for(journal: PostgresJournal) -> bool:
    row = await journal.database.read(
        lambda connection: connection.execute("SELECT waited FROM op").fetchone()
    )
    return bool(row[0])


async def test_a_long_read_beside_sees_one_state_while_others_write(gateways, event) -> None:
    (journal,) = await gateways(1)
    await journal.trail.append([event(f"e-{n}") for n in range(MANY)])
    loop = asyncio.get_running_loop()

    def look(connection: Any) -> list[int]:
        found = connection.execute("SELECT seq FROM event ORDER BY seq /* long */")
        first = next(found)
        asyncio.run_coroutine_threadsafe(journal.trail.append([event("later")]), loop).result()
        return [first[0], *(seq for (seq,) in found)]

    assert await journal.database.read_aside(look) == list(range(1, MANY + 1))
    assert (await journal.trail.head())[0] == MANY + 1


async def test_what_the_durability_asks_for_one_transaction_stays_in_it(
    gateways, postgres_url, event
) -> None:
    (journal,) = await gateways(1)
    journal.database._writer._conn.durable = False
    await journal.trail.append([event()])

    def setting(connection: Any) -> str:
        return str(connection.execute("SHOW synchronous_commit").fetchone()[0])

    seen = [await journal.database.read(setting), await journal.database.read_aside(setting)]
    assert seen == ["on", "on"]


async def test_a_journal_is_brought_there_and_back(
    pooler, postgres_url, path, sqlite, event, resource, intent
) -> None:
    claimed = await sqlite.operations.claim(intent())
    await sqlite.operations.settle(claimed, Settlement(Outcome.APPLIED, event(), resource(), is_new=True))
    await sqlite.operations.claim(intent("op-2", "bob"))
    await sqlite.close()
    shared = JournalSettings(path, database=Secret(pooler.through(postgres_url)))
    places = [JournalSettings(path), shared, JournalSettings(path.with_name("back.db"))]

    for source, destination in pairwise(places):
        with source_of(source) as one, destination_of(destination) as other:
            assert copy(one, other, lambda rows: None, lambda seq: None) == 1
    with reading(places[-1]) as reader:
        assert (reader.verify().state, reader.find_person("cx", "ann").id) == (TrailState.WHOLE, "id-1")
