"""More people leaving at once than is believable are held until somebody says so."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.admin.operations import drop_operation, release_removals
from gateway.errors import Busy
from gateway.flow.change import Changes
from gateway.flow.journal_port import OperationState
from gateway.flow.locks import KeyedLocks
from gateway.flow.model import Caller, Change
from gateway.flow.recovery import Recovery
from gateway.flow.services import EntryCache
from gateway.flow.target_port import ResourceType
from tests.support.house import House

LIMIT = (2, 3600.0)
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
RETURN = {"Operations": [{"op": "replace", "value": {"active": True}}]}

Leave = Callable[[House, str], Any]


def person(n: int) -> dict[str, Any]:
    return {"userName": f"p{n}@example.com", "externalId": f"00u{n}"}


async def staffed(house: Callable[..., House], people: int, **policy: Any) -> House:
    """Return a gateway whose target holds t1, t2, and so on."""
    gateway = house(**{"max_removals": LIMIT, **policy})
    for n in range(1, people + 1):
        await gateway.send("create", person(n))
    gateway.fake.calls.clear()
    return gateway


async def leave(gateway: House, *ids: str) -> None:
    for id in ids:
        await gateway.send("patch", LEAVE, id)


async def braked(house: Callable[..., House], **policy: Any) -> House:
    """Return a gateway whose brake holds t3."""
    gateway = await staffed(house, 4, **policy)
    await leave(gateway, "t1", "t2")
    with pytest.raises(Busy):
        await leave(gateway, "t3")
    return gateway


async def release(gateway: House) -> int:
    return await release_removals(gateway.services, "phonebook")


async def sweep(gateway: House) -> None:
    await Recovery(gateway.services).sweep(gateway.target)


async def held(gateway: House) -> list[str]:
    waiting = await gateway.services.operations.open("phonebook", ())
    return [o.intent.resource_id for o in waiting if o.standing is OperationState.HELD]


async def names(gateway: House) -> list[str]:
    return [event["event"] for event in await gateway.events()]


def active(gateway: House) -> list[str]:
    return [id for id, entry in gateway.fake.entries.items() if entry["active"]]


def restarted(gateway: House) -> House:
    """Return the gateway of a new process on the same journal."""
    services = replace(
        gateway.services, locks=KeyedLocks(), entry_cache=EntryCache(gateway.services.monotonic)
    )
    return replace(gateway, services=services)


WAYS: list[Any] = [
    pytest.param({}, lambda g, id: g.send("patch", LEAVE, id), id="PATCH"),
    pytest.param({}, lambda g, id: g.send("replace", person(int(id[1:])) | {"active": False}, id), id="PUT"),
    pytest.param({}, lambda g, id: g.send("delete", id=id), id="DELETE"),
    pytest.param(
        {"on_deactivate": "delete"}, lambda g, id: g.send("patch", LEAVE, id), id="on_deactivate = delete"
    ),
]


@pytest.mark.parametrize(("policy", "way"), WAYS)
async def test_a_removal_too_many_is_held_busy_and_nothing_is_sent(house, policy: Any, way: Leave) -> None:
    gateway = await staffed(house, 3, **policy)
    await way(gateway, "t1")
    await way(gateway, "t2")
    sent = gateway.fake.writes

    with pytest.raises(Busy, match=r"more than 2 people .* `operations release phonebook`"):
        await way(gateway, "t3")

    assert gateway.fake.writes == sent
    assert await held(gateway) == ["t3"]
    assert "t3" in active(gateway)


async def test_who_is_held_is_alerted_of_once(house) -> None:
    gateway = await staffed(house, 4)
    await leave(gateway, "t1", "t2")

    with capture_logs() as logs:
        for id in ("t3", "t4"):
            with pytest.raises(Busy):
                await leave(gateway, id)

    assert await held(gateway) == ["t3", "t4"]
    alerts = [line for line in logs if line["log_level"] == "error"]
    assert [(line["event"], line["target"]) for line in alerts] == [("removals.held", "phonebook")]
    assert "operations release phonebook" in alerts[0]["reason"]
    (event,) = [event for event in await gateway.events() if event["event"] == "removals.held"]
    assert (event["target"]["name"], event["outcome"]["result"]) == ("phonebook", "pending")


async def test_a_held_removal_has_its_own_event(house) -> None:
    gateway = await braked(house)

    event = (await gateway.events())[-1]
    assert (event["event"], event["outcome"]["result"]) == ("user.patch", "pending")
    assert "`operations release phonebook`" in event["outcome"]["reason"]


async def test_it_stays_held_however_often_the_provider_asks(house) -> None:
    gateway = await braked(house)
    sent = gateway.fake.writes

    for _ in range(3):
        with pytest.raises(Busy, match="is held"):
            await leave(gateway, "t3")

    assert (gateway.fake.writes, await held(gateway)) == (sent, ["t3"])
    assert (await names(gateway)).count("removals.held") == 1


@pytest.mark.parametrize("hours", [2, 48], ids=["after the hour", "after days"])
async def test_it_stays_held_when_time_has_passed_and_so_does_the_next(house, hours: int) -> None:
    gateway = await braked(house)
    gateway.clock[0] += hours * 3600

    await sweep(gateway)
    with pytest.raises(Busy):
        await leave(gateway, "t4")

    assert await held(gateway) == ["t3", "t4"]
    assert active(gateway) == ["t3", "t4"]


async def test_it_stays_held_in_a_new_process_and_so_does_the_next(house) -> None:
    gateway = restarted(await braked(house))

    await sweep(gateway)
    with pytest.raises(Busy):
        await leave(gateway, "t4")

    assert await held(gateway) == ["t3", "t4"]
    assert (await names(gateway)).count("removals.held") == 1


async def test_other_changes_go_through_while_the_brake_holds(house) -> None:
    gateway = await braked(house)

    reply = await gateway.send("patch", {"Operations": [{"op": "add", "value": {"title": "Boss"}}]}, "t4")

    assert (reply.status, gateway.fake.entries["t4"]["title"]) == (200, "Boss")


@pytest.mark.parametrize("policy", [{}, {"on_deactivate": "delete"}], ids=["deactivated", "removed"])
async def test_what_is_released_goes_at_the_next_sweep(house, policy: Any) -> None:
    gateway = await braked(house, **policy)

    released = await release(gateway)
    assert released == 1
    assert "t3" in active(gateway)
    await sweep(gateway)

    assert active(gateway) == ["t4"]
    assert await gateway.services.operations.open("phonebook", ()) == ()
    assert (await gateway.get("t3"))["active"] is False


async def test_a_release_outlives_the_process(house) -> None:
    gateway = await braked(house)
    await release(gateway)

    gateway = restarted(gateway)
    await sweep(gateway)

    assert active(gateway) == ["t4"]


async def test_what_was_removed_before_a_release_counts_no_more(house) -> None:
    gateway = await braked(house)
    (operation,) = await gateway.services.operations.open("phonebook", ())
    await drop_operation(gateway.services, operation.intent.op_id)
    gateway.clock[0] += 1
    await release(gateway)

    await leave(gateway, "t3", "t4")

    assert active(gateway) == []


async def test_a_dropped_removal_leaves_the_brake_on(house) -> None:
    gateway = await braked(house)
    (operation,) = await gateway.services.operations.open("phonebook", ())

    await drop_operation(gateway.services, operation.intent.op_id)
    with pytest.raises(Busy):
        await leave(gateway, "t3")

    assert active(gateway) == ["t3", "t4"]


async def test_removals_are_counted_over_the_time_that_is_said(house) -> None:
    gateway = await staffed(house, 4)

    await leave(gateway, "t1", "t2")
    gateway.clock[0] += 3601
    await leave(gateway, "t3", "t4")

    assert active(gateway) == []


async def test_reactivations_never_count(house) -> None:
    gateway = await staffed(house, 2)
    await leave(gateway, "t1")
    for _ in range(3):
        await gateway.send("patch", RETURN, "t1")

    await leave(gateway, "t2")

    assert await names(gateway) == ["user.create"] * 2 + ["user.patch"] * 5
    assert active(gateway) == ["t1"]


async def test_somebody_deactivated_and_then_deleted_counts_once(house) -> None:
    gateway = await staffed(house, 2)
    await leave(gateway, "t1")
    await gateway.send("delete", id="t1")

    await leave(gateway, "t2")

    assert active(gateway) == []


async def test_who_left_already_is_not_held(house) -> None:
    gateway = await braked(house)

    await gateway.send("delete", id="t1")

    assert sorted(gateway.fake.entries) == ["t2", "t3", "t4"]


async def test_groups_never_count(house) -> None:
    gateway = await staffed(house, 2)
    for name in ("Sales", "Agents", "Leads"):
        group = (await gateway.group("create", {"displayName": name})).document["id"]
        await gateway.group("delete", None, group)

    await leave(gateway, "t1", "t2")

    assert active(gateway) == []


async def test_without_a_limit_nobody_is_held(house) -> None:
    gateway = await staffed(house, 10, max_removals=None)

    await leave(gateway, *(f"t{n}" for n in range(1, 11)))

    assert active(gateway) == []


class Slow:
    """Removals that let everybody else go on before they answer, as a journal on disk does."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            answer = await getattr(self._inner, name)(*arguments)
            for _ in range(5):
                await asyncio.sleep(0)
            return answer

        return call


async def test_removals_at_the_same_time_never_exceed_the_limit(house) -> None:
    gateway = await staffed(house, 64)
    services = replace(gateway.services, removals=Slow(gateway.services.removals))
    changes = Changes(services, Recovery(services))
    leavers = [
        Change("patch", ResourceType.USER, gateway.target, Caller("okta"), "cid", f"t{n}", LEAVE)
        for n in range(1, 65)
    ]

    answers = await asyncio.gather(*map(changes.handle, leavers), return_exceptions=True)

    assert [type(answer) for answer in answers].count(Busy) == 62
    assert (gateway.fake.writes, len(active(gateway))) == (["change"] * 2, 62)
    assert len(await held(gateway)) == 62
    assert (await names(gateway)).count("removals.held") == 1


async def test_what_was_let_go_counts_no_more(house):
    gateway = await staffed(house, 6)
    await leave(gateway, "t1", "t2")
    for id in ("t3", "t4"):
        with pytest.raises(Busy):
            await leave(gateway, id)
    gateway.clock[0] += 1
    await release(gateway)
    gateway.clock[0] += 1
    await sweep(gateway)

    await leave(gateway, "t5", "t6")

    assert active(gateway) == []


async def test_who_leaves_twice_is_one_who_leaves(house):
    gateway = await staffed(house, 2)
    await leave(gateway, "t1")
    await gateway.send("patch", RETURN, "t1")
    await leave(gateway, "t1")

    await leave(gateway, "t2")

    assert active(gateway) == []
