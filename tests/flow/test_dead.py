"""An operation that was tried often enough: given up, in the trail, and an administrator hears of it."""

from dataclasses import replace

import pytest

from gateway.flow.journal_port import Intent, Key, OperationState, State, Transition
from gateway.flow.recovery import Recovery
from gateway.flow.services import Alert
from gateway.flow.target_port import ResourceType, Unreachable
from tests.support.house import House

ANN = {"userName": "canary"}


async def doubted(gateway: House, attempts: int, *, removes: bool) -> None:
    """Leave a change in doubt that was tried so often."""
    what = ("op-1", "phonebook", "phonebook", ResourceType.USER, "change", (Key("id", "t1"),), "t1", "t1")
    intent = Intent(*what, ANN, ANN, State.INACTIVE, "cid-1", removes)
    claimed = await gateway.services.operations.claim(intent)
    await gateway.services.operations.mark(claimed, Transition(OperationState.DOUBT, attempts=attempts))


@pytest.mark.parametrize(
    ("attempts", "removes", "standing", "names"),
    [
        pytest.param(8, False, OperationState.DOUBT, [], id="not often enough"),
        pytest.param(9, False, OperationState.DEAD, ["operation.dead"], id="ten times"),
        pytest.param(9, True, OperationState.DOUBT, [], id="a leaver is never given up"),
    ],
)
async def test_what_is_given_up_is_in_the_trail_and_an_alert(
    house, attempts, removes, standing, names
) -> None:
    gateway, alerts = house(), []
    services = replace(gateway.services, alarm=alerts.append)
    await doubted(gateway, attempts, removes=removes)
    gateway.fake.get_faults = [Unreachable("canary")]
    recovery = Recovery(services)
    gateway.clock[0] += 60  # quiet again after the start

    await recovery.sweep(gateway.target)

    (operation,) = await services.operations.open("phonebook", ())
    assert operation.standing is standing
    assert [event["event"] for event in await gateway.events()] == names
    reason = "operation op-1 was tried 10 times: Unreachable"
    assert alerts == [Alert(name, "phonebook", reason) for name in names]
