"""SIGTERM while requests are under way: they have 25 seconds, and not for ever."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.cli.serve import _Hangups, _run
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS
from tests.support.served import CONFIG, OTHER, TOKENS, USERS, Scripted, scripted_target, written
from tests.support.waiting import until

PERSON = {"userName": "ann@example.com", "externalId": "1"}
ENTRY = json.dumps(PERSON | {"id": "t1", "active": True})
PATIENT = {"timeout": '"200s"', "deadline": '"200s"', "settle": '"200s"'}


@dataclass
class Ending:
    """A gateway that was told to end while a create of somebody is under way."""

    scripted: Scripted
    gateway: "asyncio.Task[None]"
    asking: "asyncio.Task[int]"
    passed: list[float]  # seconds that the clock of the loop is ahead

    async def hears(self) -> int:
        """Have the target answer; return what the provider gets."""
        self.scripted.held.set()
        return await asyncio.wait_for(self.asking, 10)


@asynccontextmanager
async def ending(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ending]:
    passed, loop = [0.0], asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed[0])
    before, hangups = signal.getsignal(signal.SIGHUP), _Hangups()
    async with scripted_target() as scripted, aiohttp.ClientSession() as session:
        scripted.holds(201, ENTRY)
        settings = load_settings(written(folder, CONFIG, (scripted.toml(**PATIENT), OTHER)), CONNECTORS)
        listens = loop.create_future()
        monkeypatch.setattr("gateway.cli.serve.announce", lambda _, port: listens.set_result(port))
        gateway = asyncio.create_task(_run(settings, hangups))
        port = await asyncio.wait_for(listens, 10)
        asking = asyncio.create_task(ask(session, f"http://127.0.0.1:{port}"))
        await until(lambda: scripted.asked)
        os.kill(os.getpid(), signal.SIGTERM)
        await refused(port)
        yield Ending(scripted, gateway, asking, passed)
        await asyncio.wait_for(gateway, 10)
    signal.signal(signal.SIGHUP, before)


async def ask(session: aiohttp.ClientSession, base: str) -> int:
    """Create somebody, as a provider that waits for as long as it takes; return the status."""
    headers = {"Authorization": f"Bearer {TOKENS['okta']}"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with session.post(base + USERS, json=PERSON, headers=headers, timeout=timeout) as answer:
        return answer.status


async def refused(port: int) -> None:
    """Wait until the gateway takes no connection any more."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()


async def test_a_request_under_way_is_finished_and_answered(tmp_path, monkeypatch) -> None:
    async with ending(tmp_path, monkeypatch) as stopped:
        stopped.passed[0] += 20

        assert await stopped.hears() == 201


async def test_the_end_waits_25_seconds_for_a_request_and_no_longer(tmp_path, monkeypatch) -> None:
    async with ending(tmp_path, monkeypatch) as stopped:
        while not stopped.asking.done() and stopped.passed[0] < 100:
            stopped.passed[0] += 1
            await breath()
        lasted = stopped.passed[0]
        await until(stopped.gateway.done)

        with pytest.raises(aiohttp.ClientError):
            await stopped.asking
        assert 24 <= lasted <= 27


async def breath() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
