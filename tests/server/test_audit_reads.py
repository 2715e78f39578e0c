"""That the trail was read over HTTP is in the trail: once an hour for each auditor and kind of question."""

import json
import sqlite3
from typing import Any

import pytest

from gateway.audit.query import AuditQuery, parse_event_filter
from gateway.errors import JournalUnavailable
from gateway.flow.model import Caller
from gateway.server.audit import AuditReads
from tests.support.house import House, make_house

ALICE, BOB = (Caller(name, "config:1", kind="auditor") for name in ("alice", "bob"))
PATH = "/audit/v1/events"


def asked(filter: str | None = None, **more: Any) -> AuditQuery:
    return AuditQuery(filter=None if filter is None else parse_event_filter(filter), **more)


PERSON = asked('target.user_name eq "ava@example.com" and seq gt 1')


class Desk:
    """Where the trail is read at moments that the test names."""

    def __init__(self) -> None:
        self.house: House = make_house()
        self.readings = AuditReads(self.house.services)

    async def read(self, moment: float, auditor: Caller = ALICE, question: AuditQuery = PERSON) -> None:
        self.house.clock[0] = moment
        await self.readings.note(auditor, question)

    async def told(self) -> list[int]:
        """Return what each event says of those before it, oldest first."""
        return [event.get("repeated", 0) for event in await self.house.events()]


async def test_a_reading_is_told_without_what_was_looked_for() -> None:
    desk = Desk()

    await desk.read(0.0, question=asked('TARGET.user_name eq "ava@example.com" and seq gt 1', q="ava"))

    (event,) = await desk.house.events()
    assert (event["event"], event["actor"]["name"], event["outcome"]["status"]) == (
        "audit.read",
        "alice",
        200,
    )
    assert event["read"] == {"fields": ["seq", "target.user_name"], "q": True}
    assert "ava" not in str(event)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        pytest.param((10.0, ALICE, PERSON), [0], id="again"),
        pytest.param((10.0, ALICE, PERSON.behind(7)), [0], id="the next page"),
        pytest.param(
            (10.0, ALICE, asked('seq lt 9 and target.user_name eq "eve"')), [0], id="the same fields"
        ),
        pytest.param((3600.0, ALICE, PERSON), [0, 0], id="an hour later"),
        pytest.param((10.0, BOB, PERSON), [0, 0], id="by somebody else"),
        pytest.param((10.0, ALICE, asked()), [0, 0], id="another question"),
        pytest.param((10.0, ALICE, asked("seq gt 1", q="x")), [0, 0], id="with a text"),
    ],
)
async def test_one_event_an_hour_tells_of_what_is_asked_again_and_again(second: Any, told: list[int]) -> None:
    desk = Desk()

    await desk.read(0.0)
    await desk.read(*second)

    assert await desk.told() == told


async def test_a_program_that_asks_all_day_is_counted() -> None:
    desk = Desk()

    for n in range(3 * 360):
        await desk.read(n * 10.0)

    assert await desk.told() == [0, 359, 359]


async def test_who_reads_over_http_is_in_the_trail_and_the_page_is_not_longer_for_it(serve) -> None:
    served = await serve()

    pages = [await served.ask("GET", f"{PATH}?limit=5", token="alice") for _ in range(2)]

    assert [len(page.body) for page in pages] == [1, 2]
    (event,) = await served.events()
    assert (event["event"], event["actor"]["name"]) == ("audit.read", "alice")
    assert event["correlation_id"] == pages[0].headers["X-Correlation-Id"]


async def test_a_trail_that_cannot_be_written_is_read_all_the_same(serve, monkeypatch, log) -> None:
    served = await serve()

    async def full(events: Any) -> None:
        raise JournalUnavailable("the journal cannot be used now") from sqlite3.OperationalError("full")

    monkeypatch.setattr(served.gateway.journal.trail, "append", full)
    page = await served.ask("GET", PATH, token="alice")

    assert (page.status, len(page.body)) == (200, 1)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert "alice" in [line.get("auditor") for line in lines]
