"""Somebody who leaves always leaves: whatever came before, comes in between, or stands in the way."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from gateway.errors import Busy, GatewayError, InvalidValue, JournalUnavailable
from gateway.flow.journal_port import Intent, Key, Outcome, State
from gateway.flow.services import Unmetered
from gateway.flow.target_port import (
    Attributes,
    Broken,
    Conflict,
    Nonsense,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
    Update,
)
from gateway.mapping.target import TargetMapping
from tests.support.house import GROUP, USER
from tests.support.rules import make_rule
from tests.support.running import LEAVE, RETURN, Running, make_running

ANN: Attributes = {"userName": "p1@x", "externalId": "1", "title": "A", "active": True}
PROMOTE = {"Operations": [{"op": "replace", "value": {"title": "B"}}]}

Leave = Callable[[Running, str], Any]


@pytest.fixture
def gateway() -> Running:
    """A gateway that tries once, so that what goes wrong stays open."""
    return make_running(attempts=1, deadline=5.0, settle=10.0)


async def joined(gateway: Running, *numbers: int) -> list[str]:
    """Create these people and return their ids, when all reads of them are too old to be trusted."""
    people = [ANN | {"userName": f"p{n}@x", "externalId": str(n)} for n in numbers]
    replies = [await gateway.send("create", person) for person in people]
    gateway.clock[0] += 60
    return [reply.document["id"] for reply in replies if reply.document]


async def in_doubt(gateway: Running) -> str:
    """Leave a change of somebody in doubt, before a target that is down since."""
    (id,) = await joined(gateway, 1)
    gateway.fake.faults = [Silent("timed out")]
    with pytest.raises(Busy):
        await gateway.send("patch", PROMOTE, id)
    gateway.fake.cut = Unreachable("down")
    return id


async def given_up(gateway: Running) -> str:
    """Leave a change of somebody dead, which the target refused for a day, and which is down since."""
    id = await in_doubt(gateway)
    gateway.fake.cut = Refused("no", 400)
    for _ in range(12):
        gateway.clock[0] += 10_000
        await gateway.sweep()
    assert await gateway.standings() == ["dead"]
    gateway.fake.cut = Unreachable("down")
    return id


async def leaving(gateway: Running, *numbers: int) -> list[str]:
    """Have people leave whom the target does not hear of: they are pending."""
    ids = await joined(gateway, *numbers)
    for id in ids:
        gateway.fake.faults = [Unreachable("down")]
        with pytest.raises(Busy):
            await gateway.send("patch", LEAVE, id)
    return ids


async def removals(gateway: Running) -> list[bool]:
    return [operation.intent.removes for operation in await gateway.open()]


async def events(gateway: Running) -> list[str]:
    return [event["event"] for event in await gateway.events()]


WAYS: list[Any] = [
    pytest.param(lambda g, id: g.send("patch", LEAVE, id), id="PATCH"),
    pytest.param(
        lambda g, id: g.send("replace", {"userName": "p1@x", "externalId": "1", "active": False}, id),
        id="PUT",
    ),
    pytest.param(lambda g, id: g.send("delete", id=id), id="DELETE"),
]


@pytest.mark.parametrize("before", [in_doubt, given_up], ids=["in doubt", "dead"])
@pytest.mark.parametrize("way", WAYS)
async def test_who_leaves_behind_a_change_that_cannot_be_settled_is_kept_and_leaves(
    gateway, before: Callable[[Running], Any], way: Leave
) -> None:
    id = await before(gateway)

    with pytest.raises(Busy):
        await way(gateway, id)
    kept = await removals(gateway)
    gateway.fake.cut = None
    gateway.clock[0] += 600
    await gateway.sweep()

    assert kept == [True]
    assert (gateway.is_active(id), await gateway.open()) == (False, ())
    assert (await events(gateway)).count("operation.replaced") == 1


async def test_who_leaves_behind_a_change_that_may_still_arrive_leaves_after_it(gateway) -> None:
    id = await in_doubt(gateway)
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)
    gateway.fake.cut = None

    while await gateway.open():
        gateway.clock[0] += 1
        await gateway.sweep()

    assert gateway.clock[0] >= 60 + 10  # what is in doubt was sent at 60
    assert not gateway.is_active(id)


async def test_who_is_kept_takes_the_place_of_no_group_of_the_same_id(gateway) -> None:
    (id,) = await joined(gateway, 1)
    what = ("op-g", "phonebook", "phonebook", GROUP, "change", (Key("id", id),), id, id)
    form = {"displayName": "People"}
    await gateway.services.operations.claim(Intent(*what, form, form, State.ACTIVE, "cid-g"))
    gateway.fake.cut = Unreachable("down")

    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)

    kept = [(operation.intent.type, operation.intent.removes) for operation in await gateway.open()]
    assert sorted(kept) == [(GROUP, False), (USER, True)]


async def test_who_was_renamed_leaves_though_somebody_new_has_the_old_name(gateway) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.gate = asyncio.Event()
    asked = [
        gateway.send("replace", ANN | {"userName": "renamed@x"}, id),
        gateway.send("create", {"userName": "p1@x", "externalId": "2"}),
        gateway.send("patch", LEAVE, id),
    ]
    tasks = []
    for one in asked:  # they come in this order
        tasks.append(asyncio.create_task(one))
        for _ in range(20):
            await asyncio.sleep(0)

    gateway.fake.gate.set()
    replies = await asyncio.gather(*tasks)

    assert [reply.status for reply in replies] == [200, 201, 200]
    active = {entry["userName"]: entry["active"] for entry in gateway.fake.entries.values()}
    assert active == {"renamed@x": False, "p1@x": True}


async def test_one_who_cannot_be_handled_does_not_keep_the_others_from_leaving(gateway) -> None:
    ids = await leaving(gateway, 1, 2, 3)
    gateway.fake.poisoned = {ids[0]}

    for _ in range(3):
        gateway.clock[0] += 600
        await gateway.sweep()

    assert [gateway.is_active(id) for id in ids] == [True, False, False]
    assert [operation.intent.resource_id for operation in await gateway.open()] == [ids[0]]


async def test_an_entry_with_null_schemas_does_not_keep_the_others_from_leaving(gateway) -> None:
    ids = await leaving(gateway, 1, 2, 3)
    gateway.fake.entries[ids[0]]["schemas"] = None
    gateway.clock[0] += 600

    await gateway.sweep()

    assert [gateway.is_active(id) for id in ids[1:]] == [False, False]


async def test_who_leaves_and_cannot_be_handled_is_kept_busy_until_that_is_mended(gateway) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.poisoned = {id}

    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)
    kept = await removals(gateway)
    gateway.fake.poisoned = set()
    gateway.clock[0] += 600
    await gateway.sweep()

    assert (kept, gateway.is_active(id)) == ([True], False)


@pytest.mark.parametrize("schemas", [None, 5, [{}]], ids=["null", "a number", "objects"])
async def test_who_leaves_is_not_kept_here_by_an_entry_with_such_schemas(gateway, schemas: Any) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.entries[id]["schemas"] = schemas

    with suppress(Busy):
        await gateway.send("patch", LEAVE, id)
    gateway.fake.entries[id]["schemas"] = []
    gateway.clock[0] += 600
    await gateway.sweep()

    assert (gateway.is_active(id), await gateway.open()) == (False, ())


async def refused(gateway: Running) -> str:
    """Leave somebody pending whom the target refuses to deactivate, however often it is asked."""
    (id,) = await leaving(gateway, 1)
    for _ in range(12):
        gateway.clock[0] += 600
        gateway.fake.faults = [Refused("cannot deactivate the owner", 400)]
        await gateway.sweep()
    return id


async def test_a_change_behind_a_removal_that_is_refused_is_busy_and_not_refused_for_good(gateway) -> None:
    id = await refused(gateway)
    gateway.fake.faults = [Refused("cannot deactivate the owner", 400)] * 5

    with pytest.raises(Busy):
        await gateway.send("patch", PROMOTE, id)

    assert await removals(gateway) == [True]


RETURNS = [
    pytest.param("patch", RETURN, id="PATCH"),
    pytest.param("replace", ANN | {"title": "Z"}, id="PUT"),
]


@pytest.mark.parametrize(("operation", "body"), RETURNS)
async def test_who_returns_replaces_a_removal_that_is_refused(gateway, operation: str, body: Any) -> None:
    id = await refused(gateway)
    gateway.fake.faults = []

    reply = await gateway.send(operation, body, id)

    assert (reply.status, reply.document["active"]) == (200, True)
    assert (gateway.is_active(id), await gateway.open()) == (True, ())
    assert "operation.replaced" in await events(gateway)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        pytest.param(60.0, 60.0, id="a minute"),
        pytest.param(86400.0, 300.0, id="a day, of which five minutes are believed"),
    ],
)
@pytest.mark.parametrize("by", ["a change", "a sweep"])
async def test_a_leaver_is_not_tried_before_the_target_wants_to_be_asked(gateway, by, asked, waited) -> None:
    (id,) = await (joined if by == "a change" else leaving)(gateway, 1)
    gateway.fake.faults = [Throttled("slow", 429, asked)]
    gateway.clock[0] += 600
    with suppress(Busy):
        await (gateway.send("patch", LEAVE, id) if by == "a change" else gateway.sweep())
    gateway.fake.calls.clear()

    gateway.clock[0] += waited - 1
    await gateway.sweep()
    early = list(gateway.fake.calls)
    gateway.clock[0] += 2
    await gateway.sweep()

    assert (early, gateway.is_active(id)) == ([], False)


@pytest.fixture
async def held() -> Running:
    """A gateway whose brake holds the removal of t1."""
    gateway = make_running(max_removals=(0, 3600.0))
    await gateway.send("create", ANN)
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, "t1")
    assert await gateway.standings() == ["held"]
    return gateway


@pytest.mark.parametrize(("operation", "body"), RETURNS)
async def test_who_returns_replaces_a_removal_that_is_held(held, operation: str, body: Any) -> None:
    reply = await held.send(operation, body, "t1")

    assert (reply.status, reply.document["active"]) == (200, True)
    assert (held.is_active("t1"), await held.open()) == (True, ())


async def test_a_change_that_does_not_say_active_leaves_a_held_removal_held(held) -> None:
    with pytest.raises(Busy, match="held"):
        await held.send("patch", PROMOTE, "t1")

    assert await held.standings() == ["held"]


async def test_who_is_held_while_the_brake_is_let_go_leaves_with_the_next_sweep(held) -> None:
    await held.services.removals.release("phonebook", held.services.now())

    await held.sweep()

    assert (held.is_active("t1"), await held.open()) == (False, ())


async def test_who_begins_to_leave_while_recovery_is_at_work_does_not_wait_for_all_others(gateway) -> None:
    for n in range(2, 42):
        await claimed(gateway, n)
    (leaver,) = await leaving(gateway, 1)
    gateway.fake.seconds = 30.0

    for _ in range(20):
        gateway.clock[0] += 1
        await gateway.sweep()

    assert not gateway.is_active(leaver)
    assert len(await gateway.open()) > 20


async def claimed(gateway: Running, n: int) -> None:
    """Record the intent to create somebody, and no more, as a process that died just then."""
    form = {"userName": f"p{n}@x", "externalId": str(n)}
    keys = (Key("external", str(n)), Key("name", f"p{n}@x"))
    what = (f"op-{n}", "phonebook", "phonebook", USER, "create", keys, "", None)
    await gateway.services.operations.claim(Intent(*what, form, form, State.ACTIVE, f"cid-{n}"))


async def test_who_has_lost_their_name_at_the_target_leaves_all_the_same(gateway) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.entries[id]["userName"] = None

    assert (await gateway.send("patch", LEAVE, id)).status == 200

    assert gateway.fake.entries[id]["active"] is False


FAULTY: list[Any] = [
    pytest.param(Broken("oops", 500), id="it answers 500"),
    pytest.param(Nonsense("a page", 200), id="it answers with a page"),
    pytest.param(Refused("no", 400), id="it refuses"),
    pytest.param(Silent("timed out"), id="it does not answer"),
]


@pytest.mark.parametrize("fault", FAULTY)
@pytest.mark.parametrize("sweeps", [0, 3], ids=["at once", "tried on"])
@pytest.mark.parametrize("kind", [USER, GROUP], ids=str)
async def test_a_delete_takes_the_place_of_a_change_that_cannot_be_made(
    gateway, fault: TargetError, sweeps: int, kind: ResourceType
) -> None:
    (id,) = await joined(gateway, 1)
    body, send = LEAVE, gateway.send
    if kind is GROUP:
        group = await gateway.group("create", {"displayName": "People"})
        add = {"op": "add", "path": "members", "value": [{"value": id}]}
        id, body, send = group.document["id"], {"Operations": [add]}, gateway.group
    gateway.fake.unchangeable = fault
    with suppress(GatewayError):
        await send("patch", body, id)
    for _ in range(sweeps):
        gateway.clock[0] += 600
        await gateway.sweep()
    gateway.slept.clear()
    gateway.has_time()

    reply = await send("delete", id=id)

    assert (reply.status, id in gateway.fake.of(kind), await gateway.open()) == (204, False, ())
    assert sum(gateway.slept) <= 10.0


REFUSALS: list[Any] = [
    pytest.param(Refused("too long", 400), 400, id="refused"),
    pytest.param(Conflict("taken", 409), 409, id="taken"),
]
WITH_MORE: list[Any] = [
    pytest.param("replace", ANN | {"active": False, "title": "B", "displayName": "Ann"}, id="PUT"),
    pytest.param("replace", ANN | {"active": False, "userName": "new@x"}, id="PUT of a name"),
    pytest.param(
        "patch", {"Operations": [{"op": "replace", "value": {"active": False, "title": "B"}}]}, id="PATCH"
    ),
]


@pytest.mark.parametrize(("fault", "status"), REFUSALS)
@pytest.mark.parametrize(("operation", "body"), WITH_MORE)
async def test_who_leaves_with_data_that_are_refused_leaves_without_them(
    gateway, operation: str, body: Any, fault: TargetError, status: int
) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.refused = fault

    reply = await gateway.send(operation, body, id)

    assert (reply.status, reply.document["active"], reply.document["title"]) == (200, False, "A")
    entry = gateway.fake.entries[id]
    assert {name: entry[name] for name in ANN} == ANN | {"active": False}
    assert "displayName" not in entry
    assert (await gateway.open(), gateway.fake.writes) == ((), ["create", "change", "change"])
    made, told = (await gateway.events())[-2:]
    assert (made["outcome"]["result"], [line["path"] for line in made["diff"]]) == ("applied", ["active"])
    assert (told["outcome"]["result"], told["outcome"]["status"]) == ("rejected", status)
    assert fault.reason in told["outcome"]["reason"]


@pytest.mark.parametrize(("fault", "status"), REFUSALS)
async def test_so_does_who_was_pending_when_that_is_found_out(
    gateway, fault: TargetError, status: int
) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.unchangeable, gateway.fake.refused = Unreachable("down"), fault
    with pytest.raises(Busy):
        await gateway.send("replace", ANN | {"active": False, "title": "B"}, id)
    gateway.fake.unchangeable = None
    gateway.clock[0] += 600

    await gateway.sweep()

    assert (gateway.is_active(id), gateway.fake.entries[id]["title"], await gateway.open()) == (
        False,
        "A",
        (),
    )
    made, told = (await gateway.events())[-2:]
    assert (made["event"], made["outcome"]["result"]) == ("operation.recovered", "applied")
    assert (told["outcome"]["result"], told["outcome"]["status"]) == ("rejected", status)
    assert (await gateway.get(id))["title"] == "A"


@pytest.mark.parametrize(
    "fault", [pytest.param(Broken("boom", 500), id="500"), pytest.param(Nonsense("a page", 400), id="a page")]
)
@pytest.mark.parametrize(("operation", "body"), WITH_MORE)
async def test_who_leaves_with_data_that_break_the_target_leaves_without_them(
    gateway, operation: str, body: Any, fault: TargetError
) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.refused = fault
    with pytest.raises(Busy):
        await gateway.send(operation, body, id)
    gateway.clock[0] += 600

    await gateway.sweep()

    assert (gateway.is_active(id), gateway.fake.entries[id]["title"], await gateway.open()) == (
        False,
        "A",
        (),
    )


async def test_what_is_done_and_answered_500_is_not_done_a_second_time(
    gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def done_and_broken(kind: ResourceType, id: str, update: Update) -> Any:
        sent.append(update)
        await change(kind, id, update)
        raise Broken("oops", 500)

    sent, change = list[Update](), gateway.fake.change
    (id,) = await joined(gateway, 1)
    gateway.fake.unchangeable = Unreachable("down")
    with pytest.raises(Busy):
        await gateway.send("replace", ANN | {"active": False, "title": "B"}, id)
    gateway.fake.unchangeable = None
    gateway.clock[0] += 600
    monkeypatch.setattr(gateway.fake, "change", done_and_broken)

    await gateway.sweep()

    found = (len(sent), gateway.is_active(id), gateway.fake.entries[id]["title"], await gateway.open())
    assert found == (1, False, "B", ())


async def test_who_has_left_counts_though_what_was_refused_of_it_cannot_be_written_down(
    gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unwritable(events: Any) -> None:
        raise JournalUnavailable("full")

    counted = list[Outcome]()
    (id,) = await joined(gateway, 1)
    gateway.fake.unchangeable, gateway.fake.refused = Unreachable("down"), Refused("too long", 400)
    with pytest.raises(Busy):
        await gateway.send("replace", ANN | {"active": False, "title": "B"}, id)
    gateway.fake.unchangeable = None
    gateway.clock[0] += 600
    monkeypatch.setattr(gateway.services.trail, "append", unwritable)
    monkeypatch.setattr(Unmetered, "changed", lambda _, target, outcome: counted.append(outcome))

    await gateway.sweep()

    assert (gateway.is_active(id), await gateway.open(), counted) == (False, (), [Outcome.APPLIED])


async def test_a_deactivation_that_is_refused_itself_is_said_so(gateway) -> None:
    (id,) = await joined(gateway, 1)
    gateway.fake.unchangeable = Refused("never", 400)

    with pytest.raises(InvalidValue, match="never"):
        await gateway.send("replace", ANN | {"active": False, "title": "B"}, id)

    assert gateway.is_active(id)


async def test_what_is_refused_of_somebody_who_has_left_is_refused(gateway) -> None:
    (id,) = await joined(gateway, 1)
    await gateway.send("patch", LEAVE, id)
    gateway.fake.refused = Refused("too long", 400)

    with pytest.raises(InvalidValue, match="too long"):
        await gateway.send("replace", ANN | {"active": False, "title": "B"}, id)


@pytest.mark.parametrize("on_deactivate", ["send", "delete"])
async def test_who_leaves_with_the_name_of_another_leaves_under_their_own(on_deactivate: str) -> None:
    gateway = make_running(on_deactivate=on_deactivate)
    id, _ = await joined(gateway, 1, 2)

    reply = await gateway.send("replace", ANN | {"active": False, "userName": "p2@x"}, id)

    assert (reply.status, reply.document["userName"], gateway.is_active(id)) == (200, "p1@x", False)
    assert (await gateway.events())[-1]["outcome"]["status"] == 409


async def test_who_leaves_with_a_password_that_cannot_be_used_leaves_without_it() -> None:
    rule = make_rule("password", None, (), None, None, "reject", "t")
    gateway = make_running(TargetMapping([rule]))
    (id,) = await joined(gateway, 1)
    gateway.fake.refused = Refused("too weak", 400)

    reply = await gateway.send("replace", ANN | {"active": False, "password": "weak"}, id)

    assert (reply.status, gateway.is_active(id), "password" in gateway.fake.entries[id]) == (
        200,
        False,
        False,
    )
