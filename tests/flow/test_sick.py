"""A target that is sick costs its provider no time and the target no calls, and nobody who leaves is lost."""

import asyncio
import math
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.errors import Busy, NotFound, NotSupported
from gateway.flow.change import Changes
from gateway.flow.groups import Deliveries
from gateway.flow.journal_port import Key
from gateway.flow.model import Caller, Change
from gateway.flow.target_port import (
    Attributes,
    Broken,
    Query,
    ResourceType,
    Sick,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
    Urgency,
    errand,
)
from gateway.targets.breaker import BreakerState
from gateway.targets.gate import Gate
from gateway.targets.lanes import Lanes
from tests.support.house import USER
from tests.support.running import LEAVE, RETURN, Running, make_running

ANN: Final[Attributes] = {"userName": "ann@x", "externalId": "1", "title": "A", "active": True}
BOB: Final = ANN | {"userName": "bob@x", "externalId": "2"}
DOWN: Final = Unreachable("refused")


def gated(lanes: Lanes | None = None, **policy: Any) -> Running:
    """Return a running gateway whose calls pass a gate, on its clock and without chance."""
    gateway = make_running(**policy)
    put_gate(gateway, lanes)
    return gateway


def put_gate(gateway: Running, lanes: Lanes | None = None) -> None:
    gate = Gate(gateway.fake, "phonebook", None, lanes, lambda: gateway.clock[0], lambda: 0.0)
    gateway.target = replace(gateway.target, connector=gate, admission=gate)


def gate_of(gateway: Running) -> Gate:
    assert isinstance(gateway.target.admission, Gate)
    return gateway.target.admission


async def hired(gateway: Running, person: Attributes = ANN) -> str:
    """Create somebody and return their id, when all reads of them are too old to be trusted."""
    reply = await gateway.send("create", person)
    gateway.clock[0] += 60
    assert reply.document is not None
    return str(reply.document["id"])


async def falls_ill(gateway: Running) -> None:
    """Have the target not answer until its breaker opens."""
    gateway.fake.cut = DOWN
    for _ in range(5):
        with pytest.raises(Unreachable):
            await gate_of(gateway).query(USER, Query())
    gateway.fake.looks = 0
    gateway.fake.calls.clear()
    gateway.slept.clear()


CHANGES: Final = [
    pytest.param("create", BOB, id="create"),
    pytest.param("replace", ANN | {"title": "B"}, id="replace"),
    pytest.param("patch", RETURN, id="patch"),
    pytest.param("patch", LEAVE, id="leave"),
    pytest.param("delete", None, id="delete"),
]


@pytest.mark.parametrize(("operation", "body"), CHANGES)
async def test_a_change_for_a_sick_target_is_busy_at_once_and_nothing_is_sent(operation, body) -> None:
    gateway = gated()
    id = await hired(gateway)
    await falls_ill(gateway)
    gateway.clock[0] += 2.0

    with pytest.raises(Busy, match="phonebook does not answer") as raised:
        await gateway.send(operation, body, None if operation == "create" else id)

    assert (raised.value.retry_after, gateway.fake.writes, gateway.fake.looks) == (3.0, [], 0)
    assert gateway.slept == []


async def test_a_create_for_a_sick_target_leaves_no_operation(monkeypatch) -> None:
    gateway, intents = gated(), []
    await falls_ill(gateway)
    begin = gateway.services.operations.begin

    async def noted(base: str, kind: Any, keys: Any, intent: Any = None) -> Any:
        intents.append(intent)
        return await begin(base, kind, keys, intent)

    monkeypatch.setattr(gateway.services.operations, "begin", noted)
    with pytest.raises(Busy):
        await gateway.send("create", BOB)

    assert intents == [None]
    assert (await gateway.events())[-1]["outcome"]["result"] == "deferred"


async def test_a_change_of_who_was_looked_at_just_now_leaves_no_operation_either(monkeypatch) -> None:
    gateway = gated()
    id = await hired(gateway)
    await gateway.send("patch", RETURN, id)  # that look may be trusted
    await falls_ill(gateway)

    async def claimed(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(gateway.services.operations, "claim", claimed)
    with pytest.raises(Busy, match="phonebook does not answer"):
        await gateway.send("replace", ANN | {"title": "B"}, id)


@pytest.mark.parametrize("body", [LEAVE, None], ids=["deactivated", "deleted"])
async def test_who_leaves_while_the_target_is_sick_is_kept_and_leaves_once_it_is_well(body) -> None:
    gateway = gated(settle=10.0)
    id = await hired(gateway)
    await falls_ill(gateway)

    with pytest.raises(Busy) as raised:
        await gateway.send("patch" if body else "delete", body, id)
    standings = await gateway.standings()
    gateway.fake.cut = None
    for _ in range(4):
        gateway.clock[0] += 5.0
        await gateway.sweep()

    assert (raised.value.is_kept, standings) == (True, ["pending"])
    assert (gateway.is_active(id), await gateway.open()) == (False, ())


async def test_of_a_sick_target_the_sweep_asks_one_thing_every_settle_however_much_waits() -> None:
    gateway = gated(settle=10.0)
    ids = [await hired(gateway, ANN | {"userName": f"p{n}@x", "externalId": f"{n}"}) for n in range(30)]
    await falls_ill(gateway)
    for id in ids:
        with pytest.raises(Busy):
            await gateway.send("patch", LEAVE, id)

    for _ in range(24):
        gateway.clock[0] += 5.0
        await gateway.sweep()

    assert gateway.fake.looks == 12
    assert gateway.fake.writes == []
    assert {operation.attempts for operation in await gateway.open()} == {1}


async def test_what_waits_is_done_within_twice_settle_though_the_pause_is_longer() -> None:
    gateway = gated(settle=10.0)
    ids = [await hired(gateway, ANN | {"userName": f"p{n}@x", "externalId": f"{n}"}) for n in range(30)]
    await falls_ill(gateway)
    for id in ids:
        with pytest.raises(Busy):
            await gateway.send("patch", LEAVE, id)
    for _ in range(100):  # pauses become as long as they get
        gateway.clock[0] += 5.0
        await gateway.sweep()
        if gate_of(gateway).breaker.left(gateway.clock[0]) > 25.0:
            break
    assert gate_of(gateway).breaker.left(gateway.clock[0]) > 25.0

    gateway.fake.cut = None
    for _ in range(4):
        gateway.clock[0] += 5.0
        await gateway.sweep()

    assert await gateway.open() == ()


async def test_while_one_settles_nobody_is_tried_any_more_once_the_target_is_ill(monkeypatch) -> None:
    gateway = gated(settle=10.0)
    ids = [await hired(gateway, ANN | {"userName": f"p{n}@x", "externalId": f"{n}"}) for n in range(30)]
    gateway.fake.cut = Throttled("slow", 429)
    for id in ids:
        with pytest.raises(Busy):
            await gateway.send("patch", LEAVE, id)
    gateway.fake.calls.clear()
    gateway.fake.cut = DOWN
    gateway.clock[0] += 5.0
    looked, opened = [], gateway.services.operations.open

    async def noted(*arguments: Any) -> Any:
        looked.append(arguments)
        return await opened(*arguments)

    monkeypatch.setattr(gateway.services.operations, "open", noted)
    await gateway.sweep()

    assert len(looked) == 1 + 5  # all that waits, and each that was tried until it opened
    assert gate_of(gateway).breaker.state is BreakerState.OPEN
    assert {operation.attempts for operation in await gateway.open()} == {1, 2}


async def test_of_many_who_left_some_are_told_side_by_side_once_the_target_answers() -> None:
    gateway = gated(settle=10.0)
    ids = [await hired(gateway, ANN | {"userName": f"p{n}@x", "externalId": f"{n}"}) for n in range(30)]
    gateway.fake.cut = Throttled("slow", 429)
    for id in ids:
        with pytest.raises(Busy):
            await gateway.send("patch", LEAVE, id)
    gateway.fake.cut, under_way, told, change = None, 0, list[int](), gateway.fake.change

    async def noted(*arguments: Any) -> Any:
        nonlocal under_way
        under_way += 1
        told.append(under_way)
        for _ in range(10):
            await asyncio.sleep(0)
        under_way -= 1
        return await change(*arguments)

    gateway.fake.change = noted
    put_gate(gateway)
    gateway.clock[0] += 60.0
    await gateway.sweep()

    assert (len(told), told[0], told[1], max(told)) == (30, 1, 1, 8)
    assert await gateway.open() == ()


@pytest.mark.parametrize("fault", [Silent("timed out"), Broken("oops", 500)], ids=["silence", "500"])
async def test_without_budget_nothing_is_looked_up_or_sent_again_and_nobody_waits(fault: TargetError) -> None:
    gateway = gated(settle=10.0)
    id = await hired(gateway)
    while gate_of(gateway).may_retry():
        pass
    gateway.fake.calls.clear()
    gateway.fake.faults = [fault]

    with pytest.raises(Busy):
        await gateway.send("replace", ANN | {"title": "B"}, id)

    assert [name for name, _ in gateway.fake.calls] == ["get", "change"]
    assert (gateway.slept, await gateway.standings()) == ([], ["doubt"])


async def test_without_budget_what_was_not_sent_is_not_sent_again_either() -> None:
    gateway = gated()
    while gate_of(gateway).may_retry():
        pass
    gateway.fake.faults = [DOWN]

    with pytest.raises(Busy):
        await gateway.send("create", ANN)

    assert (gateway.fake.writes, gateway.slept, await gateway.open()) == (["create"], [], ())


@pytest.mark.parametrize(("chance", "slept"), [(0.0, [0.0, 0.0]), (0.5, [0.25, 0.5]), (1.0, [0.5, 1.0])])
async def test_between_attempts_there_is_chance(chance: float, slept: list[float]) -> None:
    gateway = gated(attempts=3)
    gateway.services = replace(gateway.services, chance=lambda: chance)
    gateway.fake.faults = [DOWN] * 3

    with pytest.raises(Busy):
        await gateway.send("create", ANN)

    assert gateway.slept == slept


async def test_a_target_that_asks_for_a_pause_gets_it_before_it_is_looked_at_and_tried_again() -> None:
    gateway = gated()
    gateway.fake.faults = [Broken("busy", 503, 7.0)]

    reply = await gateway.send("create", ANN)

    assert (reply.status, gateway.slept) == (201, [7.0])
    assert [name for name, _ in gateway.fake.calls] == ["create", "query", "query", "create"]


async def test_what_another_was_asked_to_wait_for_everybody_waits_for() -> None:
    gateway = gated()
    id = await hired(gateway)
    gateway.fake.cut = Throttled("slow", 429, 20.0)
    with pytest.raises(Busy):
        await gateway.send("replace", ANN | {"title": "B"}, id)
    gateway.fake.cut, gateway.fake.looks = None, 0
    gateway.clock[0] += 5.0

    with pytest.raises(Busy) as raised:
        await gateway.send("create", BOB)

    assert (raised.value.retry_after, raised.value.status_for(503)) == (15.0, 429)
    assert (gateway.fake.looks, gateway.fake.writes) == (0, ["create"])


def hang(gateway: Running) -> None:
    """Have every call take as long as a call may, and get no answer."""

    async def hangs(*_: Any, **__: Any) -> Any:
        gateway.clock[0] += 10.0
        raise Silent("timed out")

    for name in ("get", "query", "create", "change", "delete"):
        setattr(gateway.fake, name, hangs)


@pytest.mark.parametrize("deadline", [50.0, 30.0, 15.0])
@pytest.mark.parametrize("settle", [10.0, 25.0])
@pytest.mark.parametrize(("operation", "body"), CHANGES)
async def test_nobody_waits_longer_than_the_deadline_for_a_target_that_hangs(
    operation, body, settle, deadline
) -> None:
    gateway = make_running(deadline=deadline, settle=settle, timeout=10.0)
    id = await hired(gateway)
    hang(gateway)
    put_gate(gateway)
    for _ in range(3):  # what the one before leaves in doubt is in the way of the next
        began = gateway.clock[0]

        with pytest.raises(Busy):
            await gateway.send(operation, body, None if operation == "create" else id)

        assert gateway.clock[0] - began <= deadline
        gateway.clock[0] += 1.0


@pytest.mark.parametrize(("operation", "body"), CHANGES)
async def test_a_call_of_many_parts_is_given_up_when_the_deadline_is_over(operation, body) -> None:
    gateway = gated(deadline=0.2, timeout=0.1)
    id = await hired(gateway)
    endless = asyncio.Event()

    async def parts(*_: Any, **__: Any) -> Any:
        await endless.wait()

    for name in ("get", "query", "create", "change", "delete"):
        setattr(gateway.fake, name, parts)
    put_gate(gateway)
    async with asyncio.timeout(5.0):
        with pytest.raises(Busy):
            await gateway.send(operation, body, None if operation == "create" else id)

    gate = gate_of(gateway)
    assert (gate.requests, gate.health().under_way, gate.breaker.failures) == (0, 0, 1)


async def test_a_probe_of_many_parts_is_given_up_when_the_deadline_of_who_waits_for_it_is_over() -> None:
    gateway = gated(deadline=0.2, timeout=0.1)
    id = await hired(gateway)
    await falls_ill(gateway)
    gateway.clock[0] += 60.0
    endless = asyncio.Event()
    gateway.fake.get = lambda *_: endless.wait()  # type: ignore[method-assign, assignment]
    gate = gate_of(gateway)
    put_gate(gateway)
    gate_of(gateway).breaker, gate_of(gateway).is_wary = gate.breaker, True

    async with asyncio.timeout(5.0):
        with pytest.raises(Busy):
            await gateway.get(id)

    assert gate_of(gateway).breaker.state is BreakerState.OPEN
    assert (gate_of(gateway).requests, gate_of(gateway).health().under_way) == (0, 0)


@pytest.mark.parametrize("ask", ["create", "get", "list"])
async def test_a_provider_waits_no_longer_for_a_target_to_say_whether_it_has_groups(ask: str) -> None:
    gateway, ends = gated(deadline=30.0, timeout=10.0), list[float]()

    async def noted() -> bool:
        ends.append(errand.get().ends)
        return False

    gateway.target = replace(gateway.target, has_groups=noted)
    with suppress(NotSupported, NotFound):
        if ask == "create":
            await gateway.group("create", {"displayName": "Sales"})
        elif ask == "get":
            await gateway.get_group("g1")
        else:
            await gateway.search(None, kind=ResourceType.GROUP)

    assert ends == [30.0]


async def test_what_nobody_waits_for_has_no_deadline() -> None:
    gateway = gated(deadline=0.2, timeout=0.1)
    id = await hired(gateway)
    change, ends = gateway.fake.change, list[float]()

    async def noted(*arguments: Any, **named: Any) -> Any:
        ends.append(errand.get().ends)
        return await change(*arguments, **named)

    gateway.fake.change = noted  # type: ignore[method-assign]
    put_gate(gateway)
    await gateway.send("replace", ANN | {"title": "B"}, id)
    gateway.clock[0] += 60.0
    caller, body = Caller("", kind="gateway"), ANN | {"title": "C"}
    one = Change("replace", USER, gateway.target, caller, "cid-2", id, body)
    await Changes(gateway.services, gateway.recovery).handle(one)

    assert ends == [60.2, math.inf]


async def test_who_waits_for_another_change_of_the_same_resource_begins_no_call_too_late() -> None:
    gateway = gated(deadline=1.0, timeout=0.5)
    id = await hired(gateway)
    keys = (Key("id", id),)

    async with gateway.services.locks.hold("phonebook", keys, 0.0):
        with pytest.raises(Busy):
            async with asyncio.timeout(0.9):
                await gateway.send("replace", ANN | {"title": "B"}, id)

    assert gateway.fake.writes == ["create"]


async def test_a_read_of_a_target_that_hangs_begins_no_call_too_late() -> None:
    gateway = gated(deadline=30.0, timeout=10.0)
    gateway.fake.groups["g1"] = {"id": "g1", "displayName": "Sales"}
    gateway.fake.seconds = 25.0

    with pytest.raises(Busy):
        await gateway.get_group("g1")  # it is read once more, with its members

    assert (gateway.fake.calls, gateway.clock[0]) == ([("get", "g1")], 25.0)


@pytest.mark.parametrize(("operation", "body"), CHANGES)
async def test_a_request_too_many_is_busy_at_once_unless_somebody_leaves(operation, body) -> None:
    gateway = gated()
    id = await hired(gateway)
    gate = gate_of(gateway)
    gate.requests = int(gate.most)
    gateway.fake.calls.clear()

    leaves = body in (LEAVE, None)
    refused = None
    try:
        await gateway.send(operation, body, None if operation == "create" else id)
    except Busy as busy:
        refused = busy

    assert (refused is None, bool(gateway.fake.calls)) == (leaves, leaves)
    assert refused is None or refused.retry_after == 10.0
    assert gate.requests == gate.most


@pytest.mark.parametrize("read", [lambda g, id: g.get(id), lambda g, id: g.search(None)], ids=["GET", "list"])
async def test_a_read_too_many_is_busy_at_once(read: Any) -> None:
    gateway = gated()
    id = await hired(gateway)
    gate = gate_of(gateway)
    gateway.fake.calls.clear()

    gate.requests = int(gate.most)
    with pytest.raises(Busy):
        await read(gateway, id)
    refused, gate.requests = list(gateway.fake.calls), 0
    await read(gateway, id)

    assert (refused, gate.requests) == ([], 0)


async def test_calls_wait_by_what_they_are_for() -> None:
    gateway, urgencies = make_running(), []
    query, get = gateway.fake.query, gateway.fake.get

    async def noted(*arguments: Any, **named: Any) -> Any:
        urgencies.append(errand.get().urgency())
        return await (get if isinstance(arguments[1], str) else query)(*arguments, **named)

    id = await hired(gateway)
    gateway.fake.get = gateway.fake.query = noted  # type: ignore[method-assign]
    await gateway.get(id)
    await gateway.search(None)
    gateway.clock[0] += 60
    await gateway.send("replace", ANN | {"title": "B"}, id)
    gateway.clock[0] += 60
    await gateway.send("patch", LEAVE, id)

    assert urgencies == [Urgency.READ, Urgency.READ, Urgency.CHANGE, Urgency.LEAVER]
    assert errand.get().urgency() is Urgency.RUN


async def test_a_sick_target_is_read_no_more() -> None:
    gateway = gated()
    id = await hired(gateway)
    await falls_ill(gateway)

    with pytest.raises(Busy, match="phonebook does not answer") as raised:
        await gateway.get(id)

    assert (isinstance(raised.value.__cause__, Sick), gateway.fake.looks) == (True, 0)


@pytest.mark.parametrize(("is_due", "asked"), [(True, 4), (False, 0)], ids=["somebody is due", "nobody is"])
async def test_members_who_are_due_have_a_sick_target_asked_every_settle(is_due: bool, asked: int) -> None:
    gateway = gated(settle=10.0)
    id = await hired(gateway)
    gateway.fake.faults = [None, Throttled("slow down", 429)] if is_due else []
    await gateway.group("create", {"displayName": "Sales", "members": [{"value": id}]})
    await falls_ill(gateway)
    gate_of(gateway).breaker.until = gateway.clock[0] + 60.0  # as after many pauses
    deliveries = Deliveries(gateway.services, Changes(gateway.services, gateway.recovery))

    for _ in range(8):
        gateway.clock[0] += 5.0
        await deliveries.sweep(gateway.target)
    while_sick = gateway.fake.looks
    gateway.fake.cut = None
    for _ in range(4):
        gateway.clock[0] += 5.0
        await deliveries.sweep(gateway.target)

    assert while_sick == asked
    assert [len(group.get("members", ())) for group in gateway.fake.groups.values()] == [1]
