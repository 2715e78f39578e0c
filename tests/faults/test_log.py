"""The log cannot be written, its reader gone or its disk full: the gateway goes on, or ends as it must."""

import errno
import logging
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gateway import app, build
from gateway.log import LIBRARIES, set_up_logging
from tests.support.served import USERS, gateways
from tests.support.waiting import until

PERSON = {"userName": "ann@example.com", "externalId": "1"}


class Broken(StringIO):
    """A stream that fails where it is told to; `broken` counts how often."""

    def __init__(self, fault: Exception, where: str) -> None:
        super().__init__()
        self._fault, self._where = fault, where
        self.broken = 0

    def write(self, text: str) -> int:
        self._fail("write")
        return len(text)

    def flush(self) -> None:
        self._fail("flush")

    def _fail(self, where: str) -> None:
        if where == self._where:
            self.broken += 1
            raise self._fault


@pytest.fixture(
    params=[
        pytest.param((OSError(errno.ENOSPC, "No space left on device"), "write"), id="full"),
        pytest.param((BrokenPipeError(errno.EPIPE, "Broken pipe"), "flush"), id="nobody reads it"),
        pytest.param((ValueError("I/O operation on closed file"), "write"), id="closed"),
    ]
)
def log(request: pytest.FixtureRequest) -> Iterator[Broken]:
    """The log of the gateway, which cannot be written."""
    before = {name: logging.getLogger(name).handlers for name in LIBRARIES}
    stream = Broken(*request.param)
    set_up_logging(stream)
    yield stream
    for name, handlers in before.items():
        logging.getLogger(name).handlers = handlers


async def test_a_log_that_cannot_be_written_stops_no_answer(log: Broken, tmp_path: Path) -> None:
    async with gateways(tmp_path) as serve:
        served = await serve()

        answers = [
            await served.ask("POST", USERS, PERSON),
            await served.ask("POST", USERS, PERSON),
            await served.ask("GET", USERS, token=None),
        ]

    assert [answer.status for answer in answers] == [201, 409, 401]
    assert log.broken >= len(answers)


async def test_a_log_that_cannot_be_written_does_not_end_the_search_for_what_is_not_settled(
    log: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def broken(self: Any, target: Any) -> None:
        looked.append(target.name)
        raise KeyError(target.name)

    monkeypatch.setattr(app.Recovery, "sweep", broken)
    async with gateways(tmp_path) as serve:
        served = await serve()
        await until(lambda: len(looked) == 2)
        served.gateway.wakeup.wake()
        await until(lambda: len(looked) == 4)

    assert sorted(looked) == ["other", "other", "phonebook", "phonebook"]
    assert log.broken >= len(looked)


class Deaf:
    """A log that fails whatever it is told."""

    def critical(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("no log")


def test_the_process_ends_where_its_files_cannot_be_believed_though_nobody_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []

    def end(status: int) -> None:
        ended.append(status)
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(build, "log", Deaf())

    with pytest.raises(SystemExit):
        build.end_process("reading or writing the disk failed")

    assert ended == [3]
