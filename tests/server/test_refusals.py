"""A stranger who knocks all day does not fill the trail."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Forbidden, InvalidSyntax, OverToken, Unauthorized
from gateway.flow.change_event import NOTHING as ASKED
from gateway.flow.change_event import Attempted
from gateway.flow.model import Caller
from gateway.flow.services import Alert
from gateway.flow.target_port import ResourceType
from gateway.server.refusals import FREE, Refusals
from tests.support.house import House, make_house
from tests.support.served import USERS

STRANGER = Caller("", ip="192.0.2.1", kind="unknown")
UNKNOWN, NOTHING = Unauthorized("the token is unknown"), Unauthorized("no Authorization header")


class Door:
    """Refuses at moments that the test names."""

    def __init__(self, most: int = 3) -> None:
        self.house: House = make_house()
        self.refusals = Refusals(self.house.services, most)

    async def refuse(
        self, *moments: float, caller: Caller = STRANGER, error: Any = UNKNOWN, attempted: Attempted = ASKED
    ) -> None:
        for moment in moments:
            self.house.clock[0] = moment
            await self.refusals.remember(caller, None, error, attempted)

    async def repeated(self) -> list[int]:
        """Return what each event says of those before it, oldest first."""
        events = await self.house.events()
        return [event.get("repeated", 0) for event in events]


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(
    ("moments", "repeated"),
    [
        pytest.param([0.0], [0], id="once"),
        pytest.param([0.0, 1.0, 59.9], [0], id="within a minute"),
        pytest.param([0.0, 60.0], [0, 0], id="a minute later"),
        pytest.param([0.0, 1.0, 2.0, 61.0], [0, 2], id="counted in the next one"),
        pytest.param([0.0, 1.0, 60.0, 61.0, 62.0, 63.0, 120.0], [0, 1, 3], id="counted anew"),
    ],
)
async def test_a_stranger_leaves_one_event_a_minute_which_counts_the_others(door, moments, repeated):
    await door.refuse(*moments)

    assert await door.repeated() == repeated


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"error": NOTHING}, id="for another reason"),
        pytest.param({"caller": replace(STRANGER, ip="192.0.2.2")}, id="from another address"),
    ],
)
async def test_what_is_different_has_an_event_of_its_own(door, second):
    await door.refuse(0.0)
    await door.refuse(1.0, **second)

    assert await door.repeated() == [0, 0]


async def test_whoever_is_known_leaves_an_event_each_time(door):
    caller = replace(STRANGER, provider="okta", kind="provider")

    await door.refuse(0.0, 1.0, caller=caller, error=Forbidden("does not open it"))

    assert await door.repeated() == [0, 0]


MAD = replace(STRANGER, provider="okta", kind="provider")
WRONG = InvalidSyntax("the body is not a JSON object")
CREATE, DELETE = (Attempted(ResourceType.USER, operation) for operation in ("create", "delete"))


@pytest.fixture
async def mad(door: Door) -> Door:
    """A provider that was refused as often in one minute as has an event each."""
    await door.refuse(*([0.0] * FREE), caller=MAD, error=WRONG)
    assert await door.repeated() == [0] * FREE
    return door


@pytest.mark.parametrize(
    ("moments", "repeated"),
    [
        pytest.param([1.0], [0], id="one more"),
        pytest.param([1.0] * 500, [0], id="many more"),
        pytest.param([1.0] * 500 + [60.0], [0, 0], id="a minute later it has its own again"),
        pytest.param([1.0] * 500 + [60.0] * (FREE + 2), [0] * (FREE + 1), id="nor more the next minute"),
        pytest.param(
            [1.0] * 500 + [60.0] * FREE + [61.0], [0] * (FREE + 1) + [499], id="counted in the next one"
        ),
    ],
)
async def test_a_provider_gone_mad_leaves_few_events_which_count_the_others(mad, moments, repeated):
    await mad.refuse(*moments, caller=MAD, error=WRONG)

    assert (await mad.repeated())[FREE:] == repeated


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"error": NOTHING}, id="another refusal"),
        pytest.param({"attempted": DELETE}, id="another operation"),
        pytest.param({"caller": replace(MAD, provider="entra")}, id="another provider"),
    ],
)
async def test_each_kind_of_refusal_has_an_event_though_a_provider_went_mad(mad, second):
    same = {"caller": MAD, "error": WRONG, "attempted": CREATE}
    await mad.refuse(*([1.0] * 9), **same)
    await mad.refuse(*([1.0] * 1), **(same | second))

    assert (await mad.repeated())[FREE:] == [0, 0]


async def test_reasons_without_end_are_one_kind(mad):
    for n in range(99):
        await mad.refuse(1.0, caller=MAD, error=InvalidSyntax(f"reason {n}"))

    assert (await mad.repeated())[FREE:] == [0]


async def test_from_however_many_addresses_strangers_come_few_have_an_event(door):
    for n in range(20):
        await door.refuse(float(n), caller=replace(STRANGER, ip=f"192.0.2.{n}"))

    assert await door.repeated() == [0, 0, 0, 0]


async def test_strangers_of_another_minute_make_room(door):
    for n in (0, 1, 2, 3, 100, 101):
        await door.refuse(float(n), caller=replace(STRANGER, ip=f"192.0.2.{n}"))

    assert await door.repeated() == [0] * 6


async def test_a_stranger_at_the_gate_is_refused_each_time_and_remembered_once(serve, refused):
    served = await serve()

    answers = [await served.ask("GET", USERS, token=None) for _ in range(3)]

    for answer in answers:
        refused(answer, 401, "no Authorization header")
    assert [event["event"] for event in await served.events()] == ["auth.refused"]


def alarmed(door: Door) -> list[Alert]:
    """Have alerts written down from now on."""
    alerts: list[Alert] = []
    door.refusals = Refusals(replace(door.house.services, alarm=alerts.append))
    return alerts


@pytest.mark.parametrize(
    ("moments", "count"),
    [
        pytest.param([n * 1.0 for n in range(19)], 0, id="nineteen"),
        pytest.param([n * 1.0 for n in range(20)], 1, id="twenty within five minutes"),
        pytest.param([n * 16.0 for n in range(40)], 0, id="one now and then"),
    ],
)
async def test_many_requests_without_a_token_from_one_address_raise_the_alarm(door, moments, count) -> None:
    alerts = alarmed(door)

    await door.refuse(*moments)

    assert len(alerts) == count
    assert [(alert.name, alert.about) for alert in alerts] == [("auth.failing", "192.0.2.1")] * count


async def test_one_network_of_ipv6_is_one_address_and_others_are_others(door) -> None:
    alerts = alarmed(door)
    for n in range(19):
        await door.refuse(0.0, caller=replace(STRANGER, ip=f"2001:db8::{n:x}"))
        await door.refuse(0.0, caller=replace(STRANGER, ip=f"192.0.2.{n}"))
    await door.refuse(0.0, caller=replace(STRANGER, ip="2001:db8::ffff"))

    assert [alert.about for alert in alerts] == ["2001:0db8:0000:0000"]


async def test_what_is_refused_for_something_else_is_no_knock(door) -> None:
    alerts = alarmed(door)

    await door.refuse(*[0.0] * 30, error=Forbidden("does not open it"))

    assert alerts == []


async def test_who_shows_a_token_that_is_over_is_named_by_it_and_told_of(door) -> None:
    alerts, error = alarmed(door), Unauthorized("the token is unknown, expired or revoked")
    error.over = OverToken("tok_1", "okta", "2026-11-21T00:00:00.000000Z")

    await door.refuse(0.0, error=error)

    (event,) = await door.house.events()
    assert event["actor"] == {"type": "provider", "name": "okta", "token": "tok_1"}
    assert event["client"]["ip"] == "192.0.2.1"
    said = "token tok_1 of okta, which ended at 2026-11-21T00:00:00Z, was shown by 192.0.2.1"
    assert [(alert.name, alert.about, alert.reason) for alert in alerts] == [("token.over", "tok_1", said)]
