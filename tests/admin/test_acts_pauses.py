"""Targets that an administrator has paused: nothing is sent, nothing is lost, reads go on."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.acts import Pauses
from gateway.admin.status import Pause
from gateway.errors import Busy, InvalidValue, JournalUnavailable
from gateway.flow.journal_port import OperationState
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Silent, Unreachable
from gateway.targets.gate import Gate
from tests.admin.test_alerts_monitor import monitor_of
from tests.support.house import House

ANN = {"userName": "ann", "externalId": "00u1"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
RENAME = {"Operations": [{"op": "replace", "value": {"title": "Boss"}}]}


@pytest.fixture
def pauses(gateway: House) -> Pauses:
    return Pauses(gateway.journal.pauses, gateway.services.now, gateway.services.new_id)


@pytest.fixture
async def gateway(house) -> House:
    """A gateway that knows Ann."""
    gateway = house()
    await gateway.send("create", ANN)
    return gateway


@pytest.fixture
async def paused(gateway: House, pauses: Pauses) -> House:
    """The same, its target paused."""
    gateway.services = replace(gateway.services, paused_since=pauses.since)
    await pauses.pause("phonebook")
    gateway.fake.calls.clear()
    return gateway


CHANGES = [
    pytest.param("create", {"userName": "bob"}, None, id="create"),
    pytest.param("replace", {**ANN, "title": "Boss"}, "t1", id="replace"),
    pytest.param("patch", RENAME, "t1", id="patch"),
    pytest.param("patch", LEAVE, "t1", id="deactivate"),
    pytest.param("delete", None, "t1", id="delete"),
]


@pytest.mark.parametrize(("operation", "body", "id"), CHANGES)
async def test_a_change_is_told_to_come_again_and_not_even_looked_up(paused, operation, body, id) -> None:
    with pytest.raises(Busy, match="an administrator has paused phonebook") as busy:
        await paused.send(operation, body, id)

    assert busy.value.retry_after == 30
    assert paused.fake.calls == []
    leaves = body is LEAVE or operation == "delete"
    assert (await paused.events())[-1]["outcome"]["result"] == ("pending" if leaves else "deferred")


@pytest.mark.parametrize(("operation", "body", "id"), CHANGES[1:])
async def test_the_trail_says_whose_change_was_not_made(paused, operation, body, id) -> None:
    with pytest.raises(Busy):
        await paused.send(operation, body, id)

    assert (await paused.events())[-1]["target"]["user_name"] == "ann"


async def test_reads_go_on(paused) -> None:
    assert (await paused.get("t1"))["userName"] == "ann"
    assert (await paused.search('userName eq "ann"')).total == 1


async def test_a_leaver_is_kept_and_leaves_once_the_target_is_resumed(paused, pauses) -> None:
    with pytest.raises(Busy):
        await paused.send("patch", LEAVE, "t1")
    (operation,) = await paused.services.operations.open("phonebook", ())
    paused.clock[0] += 60

    await Recovery(paused.services).sweep(paused.target)
    during = list(paused.fake.calls)
    await pauses.resume("phonebook")
    await Recovery(paused.services).sweep(paused.target)

    assert (operation.standing, during) == (OperationState.PENDING, [])
    assert paused.fake.entries["t1"]["active"] is False
    assert await paused.services.operations.open("phonebook", ()) == ()


async def test_a_change_of_somebody_in_doubt_waits_for_the_end_of_the_pause(house) -> None:
    gateway = house(settle=60.0)  # longer than a change may last: it is left in doubt
    await gateway.send("create", ANN)
    pauses = Pauses(gateway.journal.pauses, gateway.services.now, gateway.services.new_id)
    gateway.services = replace(gateway.services, paused_since=pauses.since)
    gateway.fake.faults = [Silent("no answer")]
    with pytest.raises(Busy):
        await gateway.send("patch", RENAME, "t1")
    (before,) = await gateway.services.operations.open("phonebook", ())
    await pauses.pause("phonebook")
    gateway.fake.calls.clear()

    with pytest.raises(Busy, match="an administrator has paused phonebook"):
        await gateway.send("patch", RENAME, "t1")

    assert gateway.fake.calls == []
    assert await gateway.services.operations.open("phonebook", ()) == (before,)


async def test_a_change_under_way_is_not_sent_once_more(gateway, pauses) -> None:
    async def sleep(seconds: float) -> None:
        await pauses.pause("phonebook")

    gateway.services = replace(gateway.services, paused_since=pauses.since, sleep=sleep)
    clock = gateway.services.monotonic
    watched = Gate(gateway.fake, "phonebook", monitor_of(gateway.services), clock=clock)
    gateway.target = replace(gateway.target, connector=watched)
    gateway.fake.faults = [Unreachable("no connection")]

    with pytest.raises(Busy, match="an administrator has paused phonebook"):
        await gateway.send("patch", RENAME, "t1")

    assert gateway.fake.writes == ["create", "change"]


async def act(pauses: Pauses, *acts: str) -> list[Any]:
    return [await getattr(pauses, name)("phonebook") for name in acts]


@pytest.mark.parametrize(
    ("acts", "done", "names"),
    [
        pytest.param(["pause"], [True], ["target.paused"], id="pause"),
        pytest.param(["pause", "pause"], [True, False], ["target.paused"], id="pause twice"),
        pytest.param(["resume"], [False], [], id="resume what runs"),
        pytest.param(
            ["pause", "resume", "resume"],
            [True, True, False],
            ["target.paused", "target.resumed"],
            id="resume twice",
        ),
    ],
)
async def test_each_act_leaves_one_event(house, acts, done, names) -> None:
    gateway = house()
    pauses = Pauses(gateway.journal.pauses, gateway.services.now, gateway.services.new_id)

    assert await act(pauses, *acts) == done

    events = await gateway.events()
    assert [event["event"] for event in events] == names
    assert {(event["actor"]["type"], event["target"]["name"]) for event in events} <= {
        ("administrator", "phonebook")
    }


async def test_a_pause_outlives_the_process(gateway, pauses) -> None:
    await pauses.pause("phonebook")
    again = Pauses(gateway.journal.pauses, gateway.services.now, gateway.services.new_id)
    before = again.since("phonebook")

    await again.load()

    assert (before, again.since("phonebook")) == (None, pauses.since("phonebook"))


async def test_a_pause_with_an_end_is_over_then_by_itself_and_the_trail_says_so(gateway, pauses) -> None:
    await pauses.pause("phonebook", 7200.0, "moves house")
    before = (await pauses.end_due(), pauses.since("phonebook"))

    gateway.clock[0] += 7200

    assert before == ((), "2026-11-22T00:00:00.000000Z")
    assert (await pauses.end_due(), pauses.since("phonebook")) == (("phonebook",), None)
    paused, resumed = (await gateway.events())[-2:]
    assert (paused["event"], paused["until"]) == ("target.paused", "2026-11-22T02:00:00.000000Z")
    assert paused["outcome"]["reason"] == "moves house"
    assert (resumed["event"], resumed["outcome"]["reason"]) == ("target.resumed", "its time is over")
    assert resumed["actor"] == {"type": "gateway", "name": "pause", "token": None}
    assert await gateway.journal.pauses.read() == {}


async def test_an_end_that_passed_while_nothing_ran_ends_the_pause_at_the_start(gateway, pauses) -> None:
    await pauses.pause("phonebook", 60.0)
    gateway.clock[0] += 3600
    again = Pauses(gateway.journal.pauses, gateway.services.now, gateway.services.new_id)

    await again.load()

    assert await again.end_due() == ("phonebook",)


SINCE = "2026-11-22T00:00:00.000000Z"
IN_A_MINUTE = "2026-11-22T00:01:00.000000Z"


@pytest.mark.parametrize(
    ("first", "second", "is_news", "expected"),
    [
        pytest.param((60.0, "a"), (60.0, "b"), True, Pause(SINCE, IN_A_MINUTE, "b"), id="another reason"),
        pytest.param((None, "a"), (60.0, None), True, Pause(SINCE, IN_A_MINUTE, "a"), id="an end"),
        pytest.param((60.0, "a"), (None, None), True, Pause(SINCE, None, "a"), id="no end any more"),
        pytest.param((60.0, "a"), (60.0, "a"), False, Pause(SINCE, IN_A_MINUTE, "a"), id="the same"),
    ],
)
async def test_a_pause_takes_the_end_that_was_said_last_and_keeps_its_reason(
    gateway, pauses, first, second, is_news, expected
) -> None:
    await pauses.pause("phonebook", *first)

    assert await pauses.pause("phonebook", *second) is is_news
    assert await gateway.journal.pauses.read() == {"phonebook": expected}


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        pytest.param(0.0, None, id="no time"),
        pytest.param(367 * 86_400.0, None, id="more than a year"),
        pytest.param(float("nan"), None, id="no number"),
        pytest.param(None, "", id="no reason"),
        pytest.param(None, "two\nlines", id="two lines"),
        pytest.param(None, "x" * 201, id="a long reason"),
    ],
)
async def test_a_pause_that_nobody_can_mean_is_refused(gateway, pauses, seconds, reason) -> None:
    with pytest.raises(InvalidValue):
        await pauses.pause("phonebook", seconds, reason)

    assert await gateway.journal.pauses.read() == {}


async def test_a_pause_goes_on_while_its_end_cannot_be_recorded(gateway, pauses, monkeypatch) -> None:
    async def full(*_: Any) -> None:
        raise JournalUnavailable("the disk is full")

    async def sleep(seconds: float) -> None:
        raise TimeoutError

    await pauses.pause("phonebook", 60.0)
    gateway.clock[0] += 60
    with monkeypatch.context() as patched:
        patched.setattr(gateway.journal.pauses, "note", full)
        with pytest.raises(TimeoutError):
            await pauses.run(sleep)
    during = pauses.since("phonebook")
    with pytest.raises(TimeoutError):
        await pauses.run(sleep)

    assert (during, pauses.since("phonebook")) == (SINCE, None)
