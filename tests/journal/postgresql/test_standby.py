"""A commit that is cancelled while it waits for its synchronous standby is a doubt, no success."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from gateway.journal.postgresql.journal import PostgresJournal
from tests.support.real_postgres import OWNER, RealPostgres, real_postgres
from tests.support.waiting import until

WAITING = f"SELECT pid, query FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = '{OWNER}'"


@pytest.fixture
async def pair(path, clock) -> AsyncIterator[tuple[PostgresJournal, RealPostgres, RealPostgres]]:
    """A journal on a server whose commits wait for its standby, and both servers."""
    with real_postgres() as primary, primary.standby() as standby:
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        url = primary.url(primary.database())
        journal = await PostgresJournal.reach(url, path, "full", clock, print, owner="this run")
        yield journal, primary, standby
        await journal.close()


async def test_a_change_that_is_cancelled_at_the_standby_is_told_when_the_standby_has_it(
    pair, intent
) -> None:
    journal, primary, standby = pair
    ((receiver,),) = standby.execute("SELECT pid FROM pg_stat_wal_receiver")
    os.kill(receiver, signal.SIGSTOP)
    try:
        change = asyncio.ensure_future(journal.operations.claim(intent()))
        await until(lambda: primary.execute(WAITING))
        ((session, cancelled),) = primary.execute(WAITING)
        primary.execute(f"SELECT pg_cancel_backend({session})")
        await until(lambda: [row for row in primary.execute(WAITING) if row != (session, cancelled)])

        assert not change.done()
    finally:
        os.kill(receiver, signal.SIGCONT)

    assert (await change).fence == 1
