"""What an administrator may do to operations that are not settled."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.operations import (
    Dropped,
    drop_operation,
    drop_operations,
    release_removals,
    release_some,
    retry_operation,
)
from gateway.errors import Busy, InvalidValue, NotFound
from gateway.flow.journal_port import (
    Intent,
    Key,
    Operation,
    OperationState,
    Outcome,
    Settlement,
    State,
    Transition,
)
from gateway.flow.model import Services
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Denied, ResourceType, TargetError, Unreachable
from tests.support.house import House

Act = Callable[[Services, str], Awaitable[Any]]

TARGETS = ("other", "phonebook")
ACTS: dict[str, Act] = {
    "retry": lambda services, id: retry_operation(services, TARGETS, id),
    "drop": drop_operation,
    "release": lambda services, _: release_removals(services, "phonebook"),
}
INTENT = Intent(
    op_id="op-1",
    base="phonebook",
    target="phonebook",
    type=ResourceType.USER,
    operation="change",
    keys=(Key("id", "t1"), Key("name", "ann")),
    resource_id="t1",
    target_id="t1",
    wanted={"userName": "ann", "active": False},
    original={"userName": "ann", "active": False},
    state=State.INACTIVE,
    correlation_id="cid-of-ann",
    removes=True,
)
ANN = {"userName": "ann", "externalId": "00u1"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}


async def standing(gateway: House, standing: OperationState, reason: str | None = "no answer") -> Operation:
    """Leave one operation in the journal, due in a minute, and return it."""
    operation = await gateway.services.operations.claim(INTENT)
    if standing is OperationState.OPEN:
        return operation
    mark = Transition(standing, reason, "2026-11-22T00:01:00.000000Z", 7)
    return await gateway.services.operations.mark(operation, mark)


async def left(gateway: House) -> list[tuple[str, str, int]]:
    found = await gateway.services.operations.open("phonebook", ())
    return [(o.standing.value, o.due, o.attempts) for o in found]


LATER = "2026-11-22T00:01:00.000000Z"


@pytest.mark.parametrize(
    ("act", "before", "done", "after"),
    [
        pytest.param("retry", "open", False, [("open", "", 1)], id="retry open"),
        pytest.param("retry", "doubt", True, [("doubt", "", 1)], id="retry in doubt"),
        pytest.param("retry", "pending", True, [("pending", "", 1)], id="retry pending"),
        pytest.param("retry", "held", False, [("held", LATER, 7)], id="retry held"),
        pytest.param("retry", "dead", True, [("doubt", "", 1)], id="retry dead"),
        pytest.param("drop", "open", False, [("open", "", 1)], id="drop open"),
        pytest.param("drop", "doubt", True, [], id="drop in doubt"),
        pytest.param("drop", "pending", True, [], id="drop pending"),
        pytest.param("drop", "held", True, [], id="drop held"),
        pytest.param("drop", "dead", True, [], id="drop dead"),
        pytest.param("release", "open", 0, [("open", "", 1)], id="release open"),
        pytest.param("release", "doubt", 0, [("doubt", LATER, 7)], id="release in doubt"),
        pytest.param("release", "pending", 0, [("pending", LATER, 7)], id="release pending"),
        pytest.param("release", "held", 1, [("pending", "", 1)], id="release held"),
        pytest.param("release", "dead", 0, [("dead", LATER, 7)], id="release dead"),
    ],
)
async def test_what_an_act_makes_of_an_operation(
    house, act: str, before: str, done: Any, after: list[Any]
) -> None:
    gateway = house()
    await standing(gateway, OperationState(before))

    assert await ACTS[act](gateway.services, "op-1") == done

    assert await left(gateway) == after


@pytest.mark.parametrize("act", ["retry", "drop"])
async def test_there_is_nothing_to_do_to_an_operation_that_is_not_there(house, act: str) -> None:
    gateway = house()

    assert await ACTS[act](gateway.services, "op-2") is False
    assert await gateway.events() == []


@pytest.mark.parametrize(
    ("act", "before", "names", "result"),
    [
        pytest.param("retry", "dead", ["operation.retried"], "pending", id="retried"),
        pytest.param("drop", "dead", ["operation.dropped"], "failed", id="dropped"),
        pytest.param(
            "release", "held", ["operation.released", "removals.released"], "pending", id="released"
        ),
    ],
)
async def test_each_act_leaves_its_event(house, act: str, before: str, names: list[str], result: str) -> None:
    gateway = house()
    await standing(gateway, OperationState(before))

    await ACTS[act](gateway.services, "op-1")

    events = await gateway.events()
    assert [event["event"] for event in events] == names
    assert {event["actor"]["type"] for event in events} == {"administrator"}
    assert events[0]["outcome"] == {"result": result, "status": None, "reason": "no answer"}
    assert events[0]["target"] == {"name": "phonebook", "type": "User", "id": "t1", "user_name": "ann"}
    assert events[0]["correlation_id"] == "cid-of-ann"


async def test_a_release_says_how_many_were_let_go(house) -> None:
    gateway = house()

    assert await release_removals(gateway.services, "phonebook") == 0

    (event,) = await gateway.events()
    assert (event["event"], event["target"]["name"]) == ("removals.released", "phonebook")
    assert event["outcome"]["reason"] == "0 held removals let go"


async def test_a_release_lets_nobody_go_at_another_target(house) -> None:
    gateway = house()
    await standing(gateway, OperationState.HELD)

    assert await release_removals(gateway.services, "other") == 0
    assert await left(gateway) == [("held", LATER, 7)]


async def test_what_is_retried_keeps_its_reason_until_it_is_tried(house) -> None:
    gateway = house()
    await standing(gateway, OperationState.DEAD, "Denied: 401")

    await retry_operation(gateway.services, TARGETS, "op-1")

    (operation,) = await gateway.services.operations.open("phonebook", ())
    assert operation.reason == "Denied: 401"


@pytest.mark.parametrize(
    ("act", "done", "after"),
    [
        pytest.param(drop_operation, True, [], id="drop"),
        pytest.param(
            lambda services, id: retry_operation(services, ("other",), id),
            False,
            [("dead", LATER, 7)],
            id="retry",
        ),
    ],
)
async def test_what_a_target_left_that_is_no_longer_configured_can_only_be_dropped(
    house, act: Act, done: bool, after: list[Any]
) -> None:
    gateway = house()
    await standing(gateway, OperationState.DEAD)

    assert await act(gateway.services, "op-1") is done
    assert await left(gateway) == after


async def unsettled(house: Callable[..., House], *faults: TargetError) -> tuple[House, str]:
    """Return a gateway in which somebody's leaving could not be delivered, and its operation."""
    gateway = house()
    await gateway.send("create", ANN)
    gateway.fake.faults = list(faults)
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, "t1")
    gateway.clock[0] += 1
    (operation,) = await gateway.services.operations.open("phonebook", ())
    return gateway, operation.intent.op_id


async def test_what_is_retried_goes_at_the_next_sweep(house) -> None:
    gateway, id = await unsettled(house, Denied("no", 401))

    await Recovery(gateway.services).sweep(gateway.target)
    assert gateway.fake.entries["t1"]["active"] is True  # not due yet
    await retry_operation(gateway.services, TARGETS, id)
    await Recovery(gateway.services).sweep(gateway.target)

    assert gateway.fake.entries["t1"]["active"] is False
    assert await left(gateway) == []
    assert (await gateway.get("t1"))["active"] is False


async def test_what_is_dropped_is_not_sent_and_frees_its_keys(house) -> None:
    gateway, id = await unsettled(house, *[Unreachable("refused")] * 3)
    sent = gateway.fake.writes

    await drop_operation(gateway.services, id)
    gateway.clock[0] += 3600
    await Recovery(gateway.services).sweep(gateway.target)

    assert gateway.fake.writes == sent
    assert (await gateway.send("replace", ANN | {"title": "Boss"}, "t1")).status == 200


@pytest.mark.parametrize("standing", [OperationState.DEAD, OperationState.HELD], ids=str)
async def test_a_resource_is_free_once_its_operation_is_dropped(house, standing: OperationState) -> None:
    gateway, id = await unsettled(house, Denied("no", 401))
    (operation,) = await gateway.services.operations.open("phonebook", ())
    await gateway.services.operations.mark(operation, Transition(standing, "given up"))
    with pytest.raises(Busy, match=f"is {standing}: given up"):
        await gateway.send(
            "patch", {"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]}, "t1"
        )

    await drop_operation(gateway.services, id)

    assert (await gateway.send("patch", LEAVE, "t1")).status == 200


async def test_what_was_seen_of_a_dropped_operation_is_not_trusted(house) -> None:
    gateway = house()
    gateway.services.entry_cache.note("phonebook", ResourceType.USER, {"id": "t1"})
    await standing(gateway, OperationState.DOUBT)

    await drop_operation(gateway.services, "op-1")

    assert gateway.services.entry_cache.recall("phonebook", ResourceType.USER, "t1", 60) is None


@pytest.mark.parametrize("act", ["retry", "drop"])
async def test_an_operation_that_somebody_works_on_is_left_to_them(house, act: str) -> None:
    gateway = house()
    await standing(gateway, OperationState.DOUBT)

    async with gateway.services.locks.hold("phonebook", INTENT.keys[1:], patience=0):
        with pytest.raises(Busy, match="still under way"):
            await ACTS[act](gateway.services, "op-1")

    assert await left(gateway) == [("doubt", LATER, 7)]
    assert await gateway.events() == []


class Raced:
    """Operations that somebody else takes, or settles, once they were read for the last time."""

    def __init__(self, inner: Any, race: Callable[[Any, Operation], Awaitable[None]]) -> None:
        self._inner = inner
        self._race = race

    async def open(self, base: str, keys: Any) -> Any:
        return await self._inner.open(base, keys)

    async def mark(self, operation: Operation, mark: Transition, event: Any = None) -> Any:
        await self._race(self._inner, operation)
        return await self._inner.mark(operation, mark, event)

    async def settle(self, operation: Operation, settlement: Settlement) -> None:
        await self._race(self._inner, operation)
        await self._inner.settle(operation, settlement)


async def taken_over(operations: Any, operation: Operation) -> None:
    await operations.take_over(operation)


async def settled(operations: Any, operation: Operation) -> None:
    from gateway.flow.change_event import recovery_event

    event = recovery_event("e-1", operation.intent, "operation.recovered", Outcome.APPLIED, None)
    await operations.settle(operation, Settlement(Outcome.APPLIED, event))


@pytest.mark.parametrize("race", [taken_over, settled])
@pytest.mark.parametrize(("act", "before"), [("retry", "dead"), ("drop", "dead"), ("release", "held")])
async def test_who_comes_too_late_changes_nothing(house, act: str, before: str, race: Any) -> None:
    gateway = house()
    await standing(gateway, OperationState(before))
    raced: Any = Raced(gateway.services.operations, race)

    done = await ACTS[act](replace(gateway.services, operations=raced), "op-1")

    assert not done
    acts = {"operation.retried", "operation.dropped", "operation.released"}
    assert not acts & {event["event"] for event in await gateway.events()}
    assert await left(gateway) == ([("doubt", LATER, 8)] if race is taken_over else [])


async def test_an_operation_settled_between_two_looks_is_not_there(house) -> None:
    gateway = house()
    operation = await standing(gateway, OperationState.DEAD)

    class Fleeting(Raced):
        async def open(self, base: str, keys: Any) -> Any:
            found = await self._inner.open(base, keys)
            if found:
                await settled(self._inner, operation)
            return found

    fleeting: Any = Fleeting(gateway.services.operations, settled)
    services = replace(gateway.services, operations=fleeting)

    assert await drop_operation(services, "op-1") is False


async def held(gateway: House, *names: str) -> None:
    """Leave a held removal of each of these people, the first the oldest."""
    for name in names:
        own = {"userName": name, "active": False}
        intent = replace(
            INTENT, op_id=f"op-{name}", keys=(Key("id", f"id-{name}"), Key("name", name)), wanted=own
        )
        intent = replace(intent, original=own, resource_id=f"id-{name}")
        operation = await gateway.services.operations.claim(intent)
        await gateway.services.operations.mark(operation, Transition(OperationState.HELD, "too many"))


async def still_held(gateway: House) -> list[str]:
    found = await gateway.services.operations.open("phonebook", ())
    return [o.intent.original["userName"] for o in found if o.standing is OperationState.HELD]


@pytest.mark.parametrize(
    ("only", "stay"),
    [
        pytest.param("BOB", ["ann", "7", "cid"], id="a name, in any case"),
        pytest.param("id-cid", ["ann", "bob", "7"], id="an id"),
        pytest.param("2", ["7", "cid"], id="the oldest so many"),
        pytest.param("7", ["ann", "bob", "cid"], id="a name that is a number"),
    ],
)
async def test_some_are_let_go_and_the_brake_holds_the_others(house, only: str, stay: list[str]) -> None:
    gateway = house()
    await gateway.services.removals.trip("phonebook", "2026-11-22T00:00:00.000000Z")
    await held(gateway, "ann", "bob", "7", "cid")

    count = await release_some(gateway.services, "phonebook", only)

    assert (count, await still_held(gateway)) == (4 - len(stay), stay)
    assert (await gateway.services.removals.brake("phonebook"))[0] is not None
    *each, last = await gateway.events()
    assert [event["event"] for event in each] == ["operation.released"] * count
    said = f"{count} held removals let go, {len(stay)} still held"
    assert (last["event"], last["outcome"]["reason"]) == ("removals.released", said)


@pytest.mark.parametrize(
    ("only", "error"),
    [
        pytest.param("dan", NotFound, id="nobody"),
        pytest.param("op-ann", NotFound, id="an operation"),
        pytest.param("3", InvalidValue, id="more than are held"),
        pytest.param("0", InvalidValue, id="none"),
        pytest.param("²", NotFound, id="no number"),
    ],
)
async def test_nobody_is_let_go_where_nobody_is_meant(house, only: str, error: type[Exception]) -> None:
    gateway = house()
    await held(gateway, "ann", "bob")

    with pytest.raises(error):
        await release_some(gateway.services, "phonebook", only)

    assert (await still_held(gateway), await gateway.events()) == (["ann", "bob"], [])


async def test_all_of_a_target_is_dropped_each_with_its_event_but_what_is_under_way(house) -> None:
    gateway = house()
    await held(gateway, "ann", "bob", "cid")
    await gateway.services.operations.claim(replace(INTENT, op_id="op-dan", keys=(Key("name", "dan"),)))
    other = replace(INTENT, op_id="op-eve", base="other", target="other")
    await gateway.services.operations.claim(other)

    async with gateway.services.locks.hold("phonebook", (Key("name", "bob"),), patience=0):
        dropped = await drop_operations(gateway.services, "phonebook")

    assert dropped == Dropped(2, 2)
    unsettled = await gateway.services.operations.open(None, ())
    assert [operation.intent.op_id for operation in unsettled] == ["op-bob", "op-dan", "op-eve"]
    *each, last = await gateway.events()
    assert [event["target"]["user_name"] for event in each] == ["ann", "cid"]
    assert {event["event"] for event in each} == {"operation.dropped"}
    assert (last["event"], last["target"]["name"]) == ("operations.dropped", "phonebook")
    assert last["outcome"]["reason"] == "2 operations dropped, 2 left: they are under way"


async def test_there_is_nothing_to_tell_where_nothing_is_dropped(house) -> None:
    gateway = house()

    assert await drop_operations(gateway.services, "phonebook") == Dropped(0, 0)
    assert await gateway.events() == []
