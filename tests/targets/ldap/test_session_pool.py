"""A few threads, and who waits for them."""

import asyncio
import threading

import pytest

from gateway.address import Directory
from gateway.flow.target_port import Broken, Silent, Unreachable
from gateway.targets.ldap import session as sessions
from gateway.targets.ldap.session import Pool
from gateway.targets.ldap.sign_in import SignIn

DOOR = SignIn("ldap://127.0.0.1:1", Directory("dc=x"), timeout=0.05)


@pytest.fixture
async def pool(monkeypatch):
    monkeypatch.setattr(sessions, "GRACE", 0.01)
    opened = Pool(DOOR, workers=1)
    yield opened
    await opened.close()


@pytest.fixture
def done():
    """Work ends when this is set."""
    event = threading.Event()
    yield event
    event.set()


async def at_last(pool, work):
    """Run work on a pool whose time-outs are short, however busy the machine is."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await pool.run(work)
            except (Silent, Unreachable):
                await asyncio.sleep(0)


async def test_work_is_done_in_a_thread_and_its_errors_come_back(pool):
    names = {await at_last(pool, lambda session: threading.current_thread().name) for _ in range(3)}

    assert len(names) == 1
    assert names != {threading.current_thread().name}
    with pytest.raises(Broken):
        await at_last(pool, _break)


def _break(session):
    raise Broken("no")


async def test_who_finds_every_connection_in_use_is_told_so_and_nothing_is_sent(pool, done):
    sent = []
    first = asyncio.ensure_future(pool.run(lambda session: done.wait(9)))

    with pytest.raises(Silent):
        await first
    with pytest.raises(Unreachable, match="in use"):
        await pool.run(sent.append)

    done.set()
    await at_last(pool, lambda session: None)
    assert sent == []


async def test_who_does_not_wait_any_more_leaves_the_place_to_the_next_when_the_work_ends(pool, done):
    first = asyncio.ensure_future(pool.run(lambda session: done.wait(9)))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    done.set()
    assert await at_last(pool, lambda session: 7) == 7


async def test_a_failure_that_nobody_waits_for_is_not_told_of(pool, done, caplog):
    def fail(session):
        done.wait(9)
        raise Broken("too late")

    with pytest.raises(Silent):
        await pool.run(fail)
    done.set()
    await at_last(pool, lambda session: None)

    assert caplog.text == ""


def test_a_thread_that_ends_after_everybody_has_gone_disturbs_nobody(done):
    async def leave() -> Pool:
        pool = Pool(DOOR, workers=1)
        with pytest.raises(Silent):
            await pool.run(lambda session: done.wait(9))
        return pool

    pool = asyncio.run(leave())
    done.set()
    pool._threads.shutdown()


async def test_what_takes_long_by_right_is_waited_for(pool, done):
    assert await pool.run(lambda session: done.wait(0.1), attempts=50) is False
