"""A stranger who knocks all day does not fill the trail."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Forbidden, InvalidSyntax, Unauthorized
from gateway.flow.change_event import NOTHING as ASKED
from gateway.flow.change_event import Attempted
from gateway.flow.model import Caller
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
