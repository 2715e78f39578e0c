"""The disk fails at the n-th write: no answer without its row, and the service is back when the disk is."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterable
from dataclasses import replace
from errno import EIO, ENOSPC, EROFS
from itertools import count
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.support.lives import NICE, House, Kind, house
from tests.support.powercut import ALWAYS, Call
from tests.support.storm import LONG
from tests.support.verdicts import crashes, verdict
from tests.support.workers import Answer, Person, Provider, Worker

pytestmark = pytest.mark.long

KIND: Final = Kind(forgets=True, sick=0.0, settle="0.1s")  # no sync waits for a real disk
SOME: Final = range(1, 61) if LONG else (1, 4, 9, 14, 24, 37)


@pytest.mark.parametrize("once", [False, True], ids=["until there is space", "once"])
async def test_a_full_disk_means_busy_until_there_is_space(once: bool, nursery: Path, tmp_path: Path) -> None:
    async with house(tmp_path, nursery, KIND) as place, place.living():
        desk, statuses = Desk(place), []
        for n in SOME:
            place.disk.fail(Call.WRITE, n, ENOSPC, last=n if once else ALWAYS)
            answer = await desk.tried()
            if not place.disk.reached:
                break
            statuses.append(answer.status)
            assert answer.status == 201 or answer.headers["Retry-After"].isdigit()
            assert await desk.readiness() == (200 if once else 503)
            place.disk.work()
            assert await desk.readiness() == 200
            await desk.again()

    assert set(statuses) == ({201, 429} if once else {429})  # what can be recorded in time is answered
    assert [*verdict(place, desk.provider), *crashes(place.log)] == []


@pytest.mark.parametrize(
    ("call", "error", "moments"),
    [
        pytest.param(Call.WRITE, EIO, SOME, id="I/O error"),
        pytest.param(Call.WRITE, EROFS, SOME[:3], id="read-only"),
        pytest.param(Call.SYNC, EIO, (1, 2, 3), id="sync"),
    ],
)
async def test_a_failed_disk_ends_the_process_and_the_next_one_goes_on(
    call: Call, error: int, moments: Iterable[int], nursery: Path, tmp_path: Path
) -> None:
    async with house(tmp_path, nursery, KIND) as place:
        desk = Desk(place)
        ended = [await failed(place, desk, call, n, error) for n in moments]

    assert set(ended) <= {0, 3}
    assert 0 < ended.count(3) == place.log.count("process.ended")
    assert [*verdict(place, desk.provider), *crashes(place.log)] == []


async def test_a_read_only_disk_at_the_start_is_said_and_nothing_starts(
    nursery: Path, tmp_path: Path
) -> None:
    async with house(tmp_path, nursery, KIND) as place:
        place.disk.fail(Call.OPEN, 1, EROFS)
        assert await place.live() == 3
        assert "Read-only file system" in place.log
        assert crashes(place.log) == []

        async with place.living():
            assert await Desk(place).readiness() == 200


def replace_by_a_copy(file: Path) -> None:
    shutil.copy(file, f"{file}.new")
    os.replace(f"{file}.new", file)


@pytest.mark.parametrize(
    ("displace", "suffix"),
    [
        pytest.param(Path.unlink, "", id="journal removed"),
        pytest.param(replace_by_a_copy, "", id="journal replaced"),
        pytest.param(lambda file: os.link(file, f"{file}.too"), "", id="journal named twice"),
        pytest.param(Path.unlink, "-wal", id="log removed"),
    ],
)
async def test_who_comes_after_the_journal_is_gone_is_not_acknowledged_and_the_process_ends(
    displace: Callable[[Path], None], suffix: str, nursery: Path, tmp_path: Path
) -> None:
    async with house(tmp_path, nursery, replace(KIND, forgets=False)) as place:
        desk = Desk(place)
        life = asyncio.create_task(place.live())
        await asyncio.wait_for(place.entrance.up.wait(), NICE)
        assert (await desk.tried()).status == 201
        displace(Path(f"{place.journal}{suffix}"))

        answers = [answer.status for _ in range(3) if (answer := await desk.tried()) is not None]

        assert 201 not in answers
        assert await asyncio.wait_for(life, NICE) == 3
        assert "process.ended" in place.log


class Desk:
    """One worker whose people come one after another."""

    def __init__(self, place: House) -> None:
        self.provider = Provider(place.entrance, place.session, place.token, "1")
        self._worker = Worker(self.provider, 3)  # neither looks first nor patches
        self._numbers = count(1)

    async def tried(self) -> Answer | None:
        """Have the next person created, once; None: nothing came back."""
        self._person = Person(str(next(self._numbers)))
        self._wanted = self._person.next("join")
        try:
            answer = await self._worker.send(self._person, self._wanted)
        except aiohttp.ClientError:
            return None
        if answer.status == 201:
            self._worker.note(self._person, self._wanted, answer)
        return answer

    async def again(self) -> None:
        """Come again until that person is acknowledged."""
        await self._worker.push(self._person, self._wanted)

    async def readiness(self) -> int:
        async with self.provider.session.get(f"{self.provider.entrance.base}/readyz") as answer:
            return answer.status


async def failed(place: House, desk: Desk, call: Call, n: int, error: int) -> int:
    """Let the n-th such call and all after it fail while somebody is created; return how that life ended."""
    life = asyncio.create_task(place.live())
    await asyncio.wait_for(place.entrance.up.wait(), NICE)
    place.disk.fail(call, n, error)
    answer = await desk.tried()
    if answer is not None:
        place.signal(signal.SIGTERM)
    status = await asyncio.wait_for(life, NICE)
    async with place.living():
        await desk.again()
    return status
