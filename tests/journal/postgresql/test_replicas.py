"""Two gateways over one database: what one was told, the other knows when they meet next."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.admin.acts import Token, issue_token
from gateway.admin.alerts import Alarms
from gateway.admin.replicas import EVERY
from gateway.cli.status import _about_replicas
from gateway.flow.services import Alert
from tests.support.real_postgres import PASSWORD, without_password
from tests.support.served import (
    ANN,
    CONFIG,
    OTHER,
    PHONEBOOK,
    TOKENS,
    USERS,
    Served,
    falls_sick,
    gateways,
    scripted_target,
)

ALERT = Alert("target.denied", "phonebook", "it is denied", in_trail=False)
OVER = replace(ALERT, reason="it is let in", is_good=True)


class Two(NamedTuple):
    """Two gateways, which meet when the test says so."""

    one: Served
    other: Served

    async def meet(self) -> None:
        for served in (*self, *self):  # the first has said how it is before the second asks, and after
            await served.gateway.oversight.meeting.meet()


@pytest.fixture
async def two(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Start two gateways with the tables of targets that are given."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    config = CONFIG.replace("sqlite:var/gateway.db", without_password(database_url))
    async with AsyncExitStack() as stack:

        async def start(*targets: str, more: str = "") -> Two:
            served = []
            for name in ("one", "other"):
                folder = tmp_path / name
                folder.mkdir()
                serve = await stack.enter_async_context(gateways(folder))
                added = more if name == "other" else ""
                served.append(await serve(*(targets or (PHONEBOOK, OTHER)), config=config + added))
            return Two(*served)

        yield start


def states(served: Served) -> list[tuple[bool, dict[str, str]]]:
    """Return, of each gateway that this one has met, whether it is configured alike, and what is sick."""
    own = served.gateway.settings.digest
    return [(one.config == own, dict(one.breakers)) for one in served.gateway.oversight.meeting.present]


async def test_a_pause_at_one_holds_at_the_other_and_ends_once(two) -> None:
    pair = await two()
    await pair.one.gateway.oversight.pauses.pause("phonebook", 60.0)
    await pair.meet()
    refused = await pair.other.ask("POST", USERS, ANN)

    assert refused.status == 429
    assert await pair.other.gateway.oversight.pauses.resume("phonebook")
    assert await pair.one.gateway.oversight.pauses.resume("phonebook")  # it has not heard
    events = [event["event"] for event in await pair.one.events()]
    assert events.count("target.resumed") == 1


async def test_a_token_made_at_one_opens_the_other(two) -> None:
    pair = await two()
    digest = hashlib.sha256(TOKENS["henry"].encode()).hexdigest()
    journal = pair.one.gateway.journal
    await issue_token(journal, Token("t-1", "okta", digest, "2026-01-01T00:00:00.000000Z"), "e-1")
    await pair.meet()
    let_in = await pair.other.ask("GET", USERS, token="henry")
    await journal.tokens.revoke("t-1")
    await pair.meet()
    refused = await pair.other.ask("GET", USERS, token="henry")

    assert (let_in.status, refused.status) == (200, 401)


async def test_a_target_that_is_sick_at_one_is_told_of_by_both(two) -> None:
    async with scripted_target() as target:
        pair = await two(target.toml(), OTHER)
        await falls_sick(pair.one, target)
        await pair.meet()

        assert {"phonebook": "open"} in [sick for _, sick in states(pair.other)]
        told = [line async for line in _lines(pair.other)]
        assert any("phonebook is open" in line for line in told)


async def _lines(served: Served) -> AsyncIterator[str]:
    found = await served.gateway.oversight.status(served.gateway.reloading.state())
    for line in _about_replicas(asdict(found)):
        yield line


async def test_a_configuration_that_differs_is_said(two) -> None:
    pair = await two(more="# another\n")
    await pair.meet()

    assert [is_own for is_own, _ in states(pair.one)].count(False) == 1
    assert [is_own for is_own, _ in states(pair.other)].count(False) == 1


async def test_who_ends_is_no_longer_among_them(two) -> None:
    pair = await two()
    await pair.meet()
    assert len(states(pair.one)) == 2

    await pair.other.end()
    await pair.one.gateway.oversight.meeting.meet()

    assert len(states(pair.one)) == 1


class Heard:
    """Takes messages."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append((message["alert"], message["resolved"]))


async def test_the_same_alert_of_two_gateways_is_told_once_and_is_over_once(two) -> None:
    pair = await two()
    heard = Heard()
    alarms = [Alarms(s.gateway.services, {"webhook": heard}, s.gateway.journal.alerts) for s in pair]
    for alert in (ALERT, OVER):
        for one in alarms:
            one(alert)
        for one in alarms:
            await one._tell(one._waiting.get_nowait())

    assert heard.messages == [("target.denied", False), ("target.denied", True)]


def test_they_meet_so_often_that_all_know_within_five_seconds() -> None:
    assert 2 * EVERY < 5
