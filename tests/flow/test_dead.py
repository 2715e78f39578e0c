"""What a target refuses for `give_up`: it is dead, in the trail, and an administrator hears of it."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.flow.change_event import gives_way
from gateway.flow.journal_port import Intent, Key, Operation, OperationState, State, Transition
from gateway.flow.recovery import Recovery
from gateway.flow.services import Alert
from gateway.flow.target_port import (
    CannotFilter,
    Conflict,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Unreachable,
)
from tests.support.house import House

ANN = {"userName": "canary"}


GIVE_UP = 3600.0
REFUSED = Refused("canary", 400)
DOWN = Unreachable("canary")


async def doubted(gateway: House, *, removes: bool) -> None:
    """Leave a change in doubt."""
    what = ("op-1", "phonebook", "phonebook", ResourceType.USER, "change", (Key("id", "t1"),), "t1", "t1")
    intent = Intent(*what, ANN, ANN, State.INACTIVE, "cid-1", removes)
    claimed = await gateway.services.operations.claim(intent)
    await gateway.services.operations.mark(claimed, Transition(OperationState.DOUBT))
    gateway.clock[0] += 60  # quiet again after the start


async def swept(gateway: House, services: Any, *faults: TargetError) -> OperationState:
    """Have it tried every ten minutes, with these faults; return how it stands then."""
    gateway.fake.get_faults = list(faults)
    recovery = Recovery(services)
    while gateway.fake.get_faults:
        await recovery.sweep(gateway.target)
        gateway.clock[0] += 600
    (operation,) = await services.operations.open("phonebook", ())
    return operation.standing


@pytest.mark.parametrize(
    ("faults", "removes", "standing", "names"),
    [
        pytest.param([REFUSED] * 6, False, OperationState.DOUBT, [], id="not long enough"),
        pytest.param([REFUSED] * 7, False, OperationState.DEAD, ["operation.dead"], id="long enough"),
        pytest.param([REFUSED] * 9, True, OperationState.DOUBT, [], id="a leaver is never given up"),
        pytest.param([DOWN] * 99, False, OperationState.DOUBT, [], id="the target is down"),
        pytest.param([*[DOWN] * 99, REFUSED], False, OperationState.DOUBT, [], id="down, then one refusal"),
        pytest.param(
            [REFUSED, *[DOWN] * 9, *[REFUSED] * 6], False, OperationState.DOUBT, [], id="down in between"
        ),
        pytest.param([Silent("canary")] * 99, False, OperationState.DOUBT, [], id="the target is silent"),
        pytest.param([Conflict("canary")] * 7, False, OperationState.DEAD, ["operation.dead"], id="conflict"),
        pytest.param([CannotFilter("no")] * 7, False, OperationState.DEAD, ["operation.dead"], id="filter"),
    ],
)
async def test_what_is_given_up_is_in_the_trail_and_an_alert(house, faults, removes, standing, names) -> None:
    gateway, alerts = house(give_up=GIVE_UP), []
    services = replace(gateway.services, alarm=alerts.append)
    await doubted(gateway, removes=removes)

    assert await swept(gateway, services, *faults) is standing
    assert [event["event"] for event in await gateway.events()] == names
    kind = type(faults[-1]).__name__
    reason = f"operation op-1 was tried {len(faults) + 1} times: {kind}"
    assert alerts == [Alert(name, "phonebook", reason) for name in names]


async def test_what_was_given_up_is_tried_again_by_the_next_start_and_has_all_its_time(house) -> None:
    gateway = house(give_up=GIVE_UP)
    await doubted(gateway, removes=False)
    await swept(gateway, gateway.services, *[REFUSED] * 7)

    await gateway.journal.restart()

    assert await swept(gateway, gateway.services, *[REFUSED] * 6) is OperationState.DOUBT
    assert await swept(gateway, gateway.services, REFUSED) is OperationState.DEAD


async def test_what_a_restored_journal_had_open_is_not_tried_by_the_next_start(house) -> None:
    gateway = house(give_up=GIVE_UP)
    await doubted(gateway, removes=False)
    await Recovery(gateway.services).bury("the journal was restored")

    await gateway.journal.restart()

    (operation,) = await gateway.services.operations.open("phonebook", ())
    assert (operation.standing, operation.reason) == (OperationState.DEAD, "the journal was restored")


def unsettled(
    operation: str, standing: OperationState, *, removes: bool = False, state: State | None = None
) -> Operation:
    state = state or (State.INACTIVE if removes else State.ACTIVE)
    what = ("op-1", "phonebook", "phonebook", ResourceType.USER, operation, (Key("id", "t1"),), "t1", "t1")
    return Operation(Intent(*what, ANN, ANN, state, "cid-1", removes), 1, standing, 1, "")


DOUBT, DEAD, PENDING = OperationState.DOUBT, OperationState.DEAD, OperationState.PENDING
LEFT_OUT = unsettled("change", PENDING, removes=True, state=State.ACTIVE)
GIVES_WAY = [
    pytest.param(unsettled("change", DEAD), {"active": False}, True, id="a dead change to a leaver"),
    pytest.param(unsettled("create", DEAD), {"active": False}, False, id="a dead create is looked for first"),
    pytest.param(unsettled("create", DEAD), {"active": False, "deletes": "t1"}, False, id="nor to a DELETE"),
    pytest.param(unsettled("change", DEAD), {"active": True}, False, id="a dead change to who stays"),
    pytest.param(unsettled("change", DOUBT), {"active": False}, False, id="doubt to a leaver"),
    pytest.param(unsettled("change", DOUBT), {"active": False, "deletes": "t1"}, True, id="to a DELETE"),
    pytest.param(unsettled("change", DOUBT), {"active": False, "deletes": "t2"}, False, id="of another"),
    pytest.param(unsettled("delete", DOUBT), {"active": False, "deletes": "t1"}, False, id="a DELETE, too"),
    pytest.param(unsettled("change", PENDING, removes=True), {"active": True}, True, id="who returns"),
    pytest.param(unsettled("change", PENDING, removes=True), {"active": False}, False, id="who leaves again"),
    pytest.param(unsettled("change", PENDING, removes=True), {"active": None}, False, id="nothing is said"),
    pytest.param(LEFT_OUT, {"active": True}, False, id="out of scope: nothing is said of that"),
    pytest.param(LEFT_OUT, {"active": None, "whole": True}, True, id="out of scope: all is said"),
    pytest.param(LEFT_OUT, {"active": None, "deletes": "t1"}, True, id="out of scope: a DELETE"),
]


@pytest.mark.parametrize(("operation", "newer", "gives"), GIVES_WAY)
def test_what_gives_way_to_a_newer_change(operation: Operation, newer: Any, gives: bool) -> None:
    assert bool(gives_way(operation, **newer)) is gives
