"""How an alert is told: at once to the log and the metrics, in the background to everybody else."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import flow
from gateway.admin.alerts import MOST, Alarms, Undelivered
from gateway.errors import JournalUnavailable
from gateway.flow.services import ALERTS, Alert, Unmetered
from gateway.log import correlation_id
from tests.support.house import House

DENIED = Alert("target.denied", "phonebook", "it does not", in_trail=False)
DEAD = Alert("operation.dead", "phonebook", "tried ten times")


@dataclass
class Mailbox:
    """Takes messages, after it has refused some."""

    refusals: int = 0
    tries: int = 0
    messages: list[Any] = field(default_factory=list)

    async def send(self, message: Any) -> None:
        self.tries += 1
        if self.refusals >= self.tries:
            raise Undelivered("it answered 500")
        self.messages.append(dict(message))


@dataclass
class Counted(Unmetered):
    """Remembers which alerts were counted."""

    alerts: list[tuple[str, str]] = field(default_factory=list)

    def alerted(self, alert: str, target: str) -> None:
        self.alerts.append((alert, target))


async def told(alarms: Alarms) -> None:
    """Have all that waits told."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await alarms.run()


@pytest.fixture
def gateway(house: Callable[..., House]) -> House:
    return house()


async def test_an_alert_is_logged_and_counted_at_once(gateway) -> None:
    meter = Counted()

    with capture_logs() as lines:
        Alarms(replace(gateway.services, meter=meter), None)(Alert("journal.unwritable", None, "full"))

    assert lines == [{"event": "journal.unwritable", "target": None, "reason": "full", "log_level": "error"}]
    assert meter.alerts == [("journal.unwritable", "")]


async def test_an_alert_is_sent_with_all_that_is_known_and_nobodys_values(gateway) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, mailbox)
    name = correlation_id.set("cid-1")
    alarms(DEAD)
    correlation_id.reset(name)

    await told(alarms)

    assert mailbox.messages == [
        {
            "alert": "operation.dead",
            "target": "phonebook",
            "at": "2026-11-22T00:00:00.000000Z",
            "reason": "tried ten times",
            "advice": ALERTS["operation.dead"],
            "correlation_id": "cid-1",
        }
    ]


@pytest.mark.parametrize(
    ("alert", "names"),
    [
        pytest.param(DENIED, ["target.denied"], id="nothing else says it"),
        pytest.param(DEAD, [], id="an event says it already"),
    ],
)
async def test_an_alert_is_in_the_trail_once(gateway, alert: Alert, names: list[str]) -> None:
    alarms = Alarms(gateway.services, None)
    alarms(alert)

    await told(alarms)

    events = await gateway.events()
    assert [event["event"] for event in events] == names
    assert [event["outcome"]["reason"] for event in events] == [alert.reason] * len(names)


@pytest.mark.parametrize(
    ("second", "later", "expected"),
    [
        pytest.param(DEAD, 899, 1, id="the same within 15 minutes"),
        pytest.param(DEAD, 900, 2, id="the same after 15 minutes"),
        pytest.param(DENIED, 0, 2, id="another alert"),
        pytest.param(replace(DEAD, target="cx"), 0, 2, id="another target"),
    ],
)
async def test_an_alert_is_not_told_again_at_once(gateway, second: Alert, later: int, expected: int) -> None:
    mailbox, meter = Mailbox(), Counted()
    alarms = Alarms(replace(gateway.services, meter=meter), mailbox)
    alarms(DEAD)
    gateway.clock[0] += later
    alarms(second)

    await told(alarms)

    assert (len(mailbox.messages), len(meter.alerts)) == (expected, 2)


async def test_a_message_that_is_not_taken_is_sent_again(gateway) -> None:
    mailbox = Mailbox(refusals=3)
    alarms = Alarms(gateway.services, mailbox)
    alarms(DEAD)

    await told(alarms)

    assert (mailbox.tries, len(mailbox.messages)) == (4, 1)
    assert gateway.slept == [1.0, 5.0, 25.0]


async def test_a_message_that_nobody_takes_is_given_up_and_is_news_the_next_time(gateway) -> None:
    mailbox = Mailbox(refusals=4)
    alarms = Alarms(gateway.services, mailbox)
    alarms(DEAD)

    with capture_logs() as lines:
        await told(alarms)
        alarms(DEAD)
        await told(alarms)

    failures = [line for line in lines if line["event"] == "webhook.failed"]
    assert [(line["alert"], line["reason"]) for line in failures] == [("operation.dead", "it answered 500")]
    assert len(mailbox.messages) == 1


async def test_a_journal_that_cannot_be_written_does_not_keep_a_message_back(gateway, monkeypatch) -> None:
    async def full(events: Any) -> None:
        raise JournalUnavailable("the disk is full")

    monkeypatch.setattr(gateway.journal.trail, "append", full)
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, mailbox)
    alarms(DENIED)

    await told(alarms)

    assert len(mailbox.messages) == 1


async def test_more_alerts_than_can_wait_are_dropped_and_said(gateway) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, mailbox)

    with capture_logs() as lines:
        for n in range(MOST + 1):
            alarms(replace(DEAD, target=f"t{n}"))
    await told(alarms)

    assert [line["target"] for line in lines if line["event"] == "alert.dropped"] == [f"t{MOST}"]
    assert len(mailbox.messages) == MOST


def test_every_alert_is_described_and_every_description_is_of_an_alert() -> None:
    sources = Path(flow.__file__).parents[1].rglob("*.py")
    raised = {name for source in sources for name in re.findall(r'\bAlert\(\s*"([^"]+)"', source.read_text())}

    assert raised == set(ALERTS)
