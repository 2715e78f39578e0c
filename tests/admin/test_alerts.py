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
from gateway.admin.alerts import MOST, Alarms, Undelivered, text_of, title_of
from gateway.admin.status import Tried
from gateway.errors import JournalUnavailable
from gateway.flow.services import ALERTS, Alert, Unmetered
from gateway.log import correlation_id
from tests.support.house import House

DENIED = Alert("target.denied", "phonebook", "it does not", in_trail=False)
DEAD = Alert("operation.dead", "phonebook", "tried ten times")


TURNS = 50  # of the event loop, more than it takes to tell one alert


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
    running = asyncio.ensure_future(alarms.run())
    turns = 0
    while turns < TURNS:
        await asyncio.sleep(0)
        turns = 0 if alarms._waiting.qsize() else turns + 1
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
def gateway(house: Callable[..., House]) -> House:
    return house()


async def test_an_alert_is_logged_and_counted_at_once(gateway) -> None:
    meter = Counted()

    with capture_logs() as lines:
        Alarms(replace(gateway.services, meter=meter), {})(Alert("journal.unwritable", None, "full"))

    assert lines == [{"event": "journal.unwritable", "target": None, "reason": "full", "log_level": "error"}]
    assert meter.alerts == [("journal.unwritable", "")]


async def test_an_alert_is_sent_with_all_that_is_known_and_nobodys_values(gateway) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, {"webhook": mailbox})
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
            "resolved": False,
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
    alarms = Alarms(gateway.services, {})
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
    alarms = Alarms(replace(gateway.services, meter=meter), {"webhook": mailbox})
    alarms(DEAD)
    gateway.clock[0] += later
    alarms(second)

    await told(alarms)

    assert (len(mailbox.messages), len(meter.alerts)) == (expected, 2)


async def test_a_message_that_is_not_taken_is_sent_again(gateway) -> None:
    mailbox = Mailbox(refusals=3)
    alarms = Alarms(gateway.services, {"webhook": mailbox})
    alarms(DEAD)

    await told(alarms)

    assert (mailbox.tries, len(mailbox.messages)) == (4, 1)
    assert gateway.slept == [1.0, 5.0, 25.0]


async def test_a_message_that_nobody_takes_is_given_up_and_is_news_the_next_time(gateway) -> None:
    mailbox = Mailbox(refusals=4)
    alarms = Alarms(gateway.services, {"webhook": mailbox})
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
    alarms = Alarms(gateway.services, {"webhook": mailbox})
    alarms(DENIED)

    await told(alarms)

    assert len(mailbox.messages) == 1


async def test_more_alerts_than_can_wait_are_dropped_and_said(gateway) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, {"webhook": mailbox})

    with capture_logs() as lines:
        for n in range(MOST + 1):
            alarms(replace(DEAD, target=f"t{n}"))
    await told(alarms)

    assert [line["target"] for line in lines if line["event"] == "alert.dropped"] == [f"t{MOST}"]
    assert len(mailbox.messages) == MOST


def test_every_alert_is_described_and_every_description_is_of_an_alert() -> None:
    sources = Path(flow.__file__).parents[1].rglob("*.py")
    raising = re.compile(r'\b(?:Alert|_tell)\(\s*"([^"]+)"')
    raised = {name for source in sources for name in raising.findall(source.read_text())}

    assert raised == set(ALERTS)


OVER = replace(DEAD, reason="dropped", in_trail=False, is_good=True)


async def test_who_was_told_is_told_once_that_it_is_over(gateway) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, {"webhook": mailbox})
    for alert in (OVER, DEAD, OVER, OVER, DEAD):
        alarms(alert)

    await told(alarms)

    assert [(message["reason"], message["resolved"]) for message in mailbox.messages] == [
        ("tried ten times", False),
        ("dropped", True),
        ("tried ten times", False),
    ]
    assert mailbox.messages[1]["advice"] == "It is over: there is nothing to do."
    events = [(event["event"], event["outcome"]["result"]) for event in await gateway.events()]
    assert events == [("operation.dead", "applied")]


async def test_that_something_is_over_is_not_counted_as_an_alert(gateway) -> None:
    meter = Counted()
    alarms = Alarms(replace(gateway.services, meter=meter), {})

    alarms(DEAD)
    alarms(OVER)

    assert meter.alerts == [("operation.dead", "phonebook")]


@pytest.mark.parametrize(
    ("name", "later", "times"),
    [
        pytest.param("token.expiring", 86_399, 1, id="less than a day"),
        pytest.param("token.expiring", 86_400, 2, id="a day"),
        pytest.param("disk.low", 3_600, 2, id="an hour"),
    ],
)
async def test_what_lasts_is_told_again_less_often(gateway, name, later, times) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, {"webhook": mailbox})
    alert = Alert(name, None, "so it is")
    alarms(alert)
    gateway.clock[0] += later
    alarms(alert)

    await told(alarms)

    assert len(mailbox.messages) == times


async def test_two_of_a_kind_about_different_things_are_two(gateway) -> None:
    mailbox = Mailbox()
    alarms = Alarms(gateway.services, {"webhook": mailbox})
    for about in ("tok_1", "tok_2", "tok_1"):
        alarms(Alert("token.expiring", None, f"{about} ends", about=about))

    await told(alarms)

    assert [message["reason"] for message in mailbox.messages] == ["tok_1 ends", "tok_2 ends"]


async def test_what_was_told_is_known_to_the_next_process_which_tells_its_end(gateway) -> None:
    first, then = Alarms(gateway.services, {}, gateway.journal.alerts), Mailbox()
    first(DEAD)
    await told(first)
    gateway.clock[0] += 60

    again = Alarms(gateway.services, {"webhook": then}, gateway.journal.alerts)
    await again.load()
    again(DEAD)
    again(OVER)
    await told(again)

    assert [message["reason"] for message in then.messages] == ["dropped"]
    assert await gateway.journal.alerts.read() == ()


async def test_what_nobody_heard_is_told_by_the_next_process(gateway) -> None:
    alarms = Alarms(gateway.services, {"webhook": Mailbox(refusals=4)}, gateway.journal.alerts)
    alarms(DEAD)

    await told(alarms)

    assert await gateway.journal.alerts.read() == ()


async def test_each_channel_is_tried_and_one_that_takes_it_is_enough(gateway) -> None:
    dead, alive = Mailbox(refusals=8), Mailbox()
    alarms = Alarms(gateway.services, {"webhook": dead, "mail": alive})
    alarms(DEAD)
    alarms(DEAD)

    with capture_logs() as lines:
        await told(alarms)

    assert (dead.tries, len(alive.messages)) == (4, 1)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["webhook.failed"]
    alarms(DEAD)
    await told(alarms)
    assert len(alive.messages) == 1  # one has heard: it is no news


async def test_a_test_goes_over_every_channel_once_and_says_how_each_took_it(gateway) -> None:
    dead, alive = Mailbox(refusals=1), Mailbox()

    tried = await Alarms(gateway.services, {"webhook": dead, "mail": alive}).test()

    assert tried == (Tried("webhook", "it answered 500"), Tried("mail", None))
    assert (dead.tries, alive.messages[0]["alert"], await gateway.events()) == (1, "test", [])


def test_a_message_for_people_says_what_is_the_matter_and_what_to_do() -> None:
    message = {"alert": "disk.low", "target": None, "resolved": True, "reason": "R", "advice": "A", "at": "T"}

    assert text_of(message) == "over: disk.low\n\nR\n\nA\n\nT\n"
    assert title_of(message | {"target": "cx", "resolved": False}) == "disk.low at cx"
