"""Runs over a target that is not to have everybody: what they tell, and what they mend."""

from contextlib import aclosing
from typing import Any

import pytest

from gateway.admin.reconcile import Finding, Reconciliation
from gateway.admin.resync import Resync
from gateway.admin.runs import End
from gateway.flow.change import Changes
from gateway.flow.recovery import Recovery
from tests.support.house import House, make_house
from tests.support.scoped import ANN, IN, OUT, active, outcomes, renamed, scoped, there, told

BOB = ANN | {"userName": "bob@x", "externalId": "2"}
WAYS = pytest.mark.parametrize("way", ["send", "delete"])


async def ran(run: Any) -> tuple[list[Any], End]:
    async with aclosing(run.lines()) as lines:
        found = [line async for line in lines]
    return found[:-1], found[-1]


async def reconciled(house: House, repair: bool = False) -> list[tuple[str, str | None, str | None]]:
    changes = Changes(house.services, Recovery(house.services))
    rows, _ = await ran(Reconciliation(house.services, changes, house.target, repair))
    return [(row.finding, row.user_name, row.outcome) for row in rows if isinstance(row, Finding)]


async def resynced(house: House, changed: bool = False) -> tuple[list[Any], dict[str, int]]:
    changes = Changes(house.services, Recovery(house.services))
    rows, end = await ran(Resync(house.services, changes, house.target, changed))
    return rows, dict(end.counts)


async def peopled(way: str, **more: Any) -> House:
    """Return a house with Ann of the Board and Bob of Sales, and no scope yet."""
    house = make_house(on_deactivate=way, **more)
    await house.send("create", ANN | OUT)
    await house.send("create", BOB | IN)
    return house


@WAYS
async def test_who_is_out_of_scope_is_not_missing(way: str) -> None:
    house = scoped(make_house(on_deactivate=way))
    await house.send("create", ANN | OUT)
    id = (await house.send("create", BOB | IN)).document["id"]
    await house.send("replace", BOB | OUT | {"title": "Chair"}, id)
    house.clock[0] += 60

    assert await reconciled(house) == []
    assert await reconciled(house, repair=True) == []
    assert house.fake.writes == ["create", "delete" if way == "delete" else "change"]


@WAYS
async def test_who_is_there_and_out_of_scope_is_found_and_removed(way: str) -> None:
    house = scoped(await peopled(way))

    assert await reconciled(house) == [("out_of_scope", "ann@x", None)]
    assert there(house) == {"ann@x": True, "bob@x": True}
    assert await reconciled(house, repair=True) == [("out_of_scope", "ann@x", "out_of_scope")]

    assert there(house) == ({"bob@x": True} if way == "delete" else {"ann@x": False, "bob@x": True})
    assert await reconciled(house) == []
    assert ("repair", "out_of_scope") in await outcomes(house)


async def test_who_was_reactivated_by_hand_out_of_scope_is_found_and_deactivated() -> None:
    house = scoped(await peopled("send"))
    await resynced(house)
    for entry in house.fake.entries.values():
        entry["active"] = True
    house.clock[0] += 60

    assert await reconciled(house, repair=True) == [("out_of_scope", "ann@x", "out_of_scope")]
    assert there(house) == {"ann@x": False, "bob@x": True}


async def test_who_is_inactive_and_out_of_scope_is_still_active_where_they_are() -> None:
    house = scoped(await peopled("send"))
    id = (await house.search('userName eq "ann@x"')).entries[0]["id"]
    await house.send("patch", active(False), id)
    for entry in house.fake.entries.values():
        entry["active"] = True
    house.clock[0] += 60

    assert await reconciled(house, repair=True) == [("still_active", "ann@x", "applied")]
    assert there(house) == {"ann@x": False, "bob@x": True}


@WAYS
async def test_repairs_by_scope_are_held_by_the_brake(way: str) -> None:
    house = make_house(on_deactivate=way, max_removals=(1, 3600.0))
    for person in (ANN, BOB):
        await house.send("create", person | OUT)
    house = scoped(house)

    found = await reconciled(house, repair=True)

    assert sorted(outcome for _, _, outcome in found) == ["out_of_scope", "pending"]
    assert sum(there(house).values()) == 1


@WAYS
@pytest.mark.parametrize("changed", [False, True])
async def test_resync_moves_people_out_and_in(way: str, changed: bool) -> None:
    house = scoped(await peopled(way))

    assert await resynced(house, changed) == ([], {"out_of_scope": 1, "unchanged": 1})
    assert there(house) == ({"bob@x": True} if way == "delete" else {"ann@x": False, "bob@x": True})
    writes = list(house.fake.writes)
    assert await resynced(house, changed) == ([], {"out_of_scope": 1, "unchanged": 1})
    assert house.fake.writes == writes

    house = scoped(house, None)
    assert await resynced(house, changed) == ([], {"applied": 1, "unchanged": 1})

    assert there(house) == {"ann@x": True, "bob@x": True}


async def test_resync_by_scope_is_held_by_the_brake_and_says_who() -> None:
    house = make_house(max_removals=(1, 3600.0))
    for person in (ANN, BOB):
        await house.send("create", person | OUT)

    rows, counts = await resynced(scoped(house))

    assert counts == {"out_of_scope": 1, "pending": 1}
    assert "operations release" in rows[0].reason


async def test_resync_asks_nothing_of_the_target_about_who_was_never_there() -> None:
    house = scoped(make_house())
    await house.send("create", ANN | OUT)
    house.fake.calls.clear()

    assert await resynced(house) == ([], {"out_of_scope": 1})
    assert house.fake.calls == []


async def test_resync_moves_groups_out_and_in_with_their_members() -> None:
    house = await peopled("send")
    ann, bob = [document["id"] for document in (await house.search(None)).entries]
    for name, member in (("hr", ann), ("tel-a", bob)):
        await house.group("create", {"displayName": name, "members": [{"value": member}]})
    house = scoped(house, None, groups='displayName sw "tel-"')

    assert await resynced(house) == ([], {"unchanged": 2, "groups": 1})
    assert told(house) == {"tel-a": ["bob@x"]}
    house = scoped(house, None)
    assert await resynced(house) == ([], {"unchanged": 2, "groups": 1})
    assert told(house) == {"hr": ["ann@x"], "tel-a": ["bob@x"]}
    assert await resynced(house) == ([], {"unchanged": 2})


async def test_a_group_there_and_out_of_scope_is_found_and_removed_and_no_other_is_missing() -> None:
    house = await peopled("send")
    ann, _ = [document["id"] for document in (await house.search(None)).entries]
    body = {"displayName": "hr", "members": [{"value": ann}]}
    id = (await house.group("create", body)).document["id"]
    house = scoped(house, None, groups='displayName sw "tel-"')

    assert await reconciled(house, repair=True) == [("out_of_scope", "hr", "out_of_scope")]
    assert (told(house), await reconciled(house)) == ({}, [])
    await house.group("patch", renamed("tel-hr"), id)

    assert told(house) == {"tel-hr": ["ann@x"]}
    assert await reconciled(house) == []
