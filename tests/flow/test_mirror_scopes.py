"""Scopes of the targets of a route: who is on which of them, whatever comes in between."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admin.operations import release_removals
from gateway.errors import Uniqueness
from gateway.mapping.target import TargetMapping
from tests.support.group_world import GroupWorld
from tests.support.route_world import RouteProcess
from tests.support.scoped import active, scope

FIRST, SECOND = 'title ne "Board"', 'title ne "Extern"'
ANN = {"userName": "ann@x", "externalId": "1", "active": True, "title": "Agent"}
OPENING: list[tuple[Any, ...]] = [
    ("put", "1", True, "Agent"),
    ("put", "2", True, "Agent"),
    ("group", "tel-hr", ["1", "2"]),
    ("wait",),
]
WHO = st.sampled_from(("1", "2", "3"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), WHO, st.booleans(), st.sampled_from(("Agent", "Board", "Extern"))),
        st.tuples(st.just("rename"), WHO, st.sampled_from(("p", "q"))),
        st.tuples(st.just("delete"), WHO),
        st.tuples(st.just("group"), st.sampled_from(("hr", "tel-hr")), st.lists(WHO, unique=True)),
        st.tuples(st.just("ungroup")),
        st.tuples(st.sampled_from(("wait", "crash"))),
    ),
    max_size=10,
)


def routed(**policy: Any) -> RouteProcess:
    world = GroupWorld(by_patch=True)
    process = RouteProcess(
        world, TargetMapping(scope=scope(FIRST)), TargetMapping(scope=scope(SECOND)), **policy
    )
    groups = TargetMapping(kind="Group", scope=scope('displayName sw "tel-"', "Group"))
    process.follower = replace(process.follower, groups=groups)
    return process


@dataclass
class House:
    """What a provider has said through a route."""

    process: RouteProcess
    ids: dict[str, str] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    group: tuple[str, str, list[str]] | None = None  # id, name, members

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("put", who, is_active, title):
                plain = {"userName": f"{who}@x", "externalId": who}
                await self._put(
                    who, {**plain, **self.people.get(who, {}), "active": is_active, "title": title}
                )
            case ("rename", who, name) if who in self.ids:
                await self._put(who, {**self.people[who], "userName": name})
            case ("delete", who) if who in self.ids:
                await self.process.change("delete", {}, self.ids.pop(who))
                del self.people[who]
            case ("group", name, members):
                there = [who for who in members if who in self.ids]
                body = {"displayName": name, "members": [{"value": self.ids[who]} for who in there]}
                id = self.group[0] if self.group else None
                told = await self.process.group("replace" if id else "create", body, id)
                assert told.document is not None
                self.group = (told.document["id"], name, there)
            case ("ungroup",) if self.group:
                await self.process.group("delete", {}, self.group[0])
                self.group = None
            case ("wait",):
                await self.process.settle()
            case ("crash",):
                await self.process._restart()

    async def _put(self, who: str, person: dict[str, Any]) -> None:
        try:
            told = await self.process.change(
                "replace" if who in self.ids else "create", person, self.ids.get(who)
            )
        except Uniqueness:
            return
        assert told.document is not None
        self.ids[who], self.people[who] = told.document["id"], person

    def wanted(self, left_out: str) -> set[str]:
        """Return by userName who is to be active where these are left out."""
        return {p["userName"] for p in self.people.values() if p["active"] and p["title"] != left_out}

    def members(self) -> set[str]:
        """Return by userName who is in the group and still known."""
        return (
            {self.people[who]["userName"] for who in self.group[2] if who in self.people}
            if self.group
            else set()
        )


def there(place: Any) -> tuple[set[str], dict[str, set[str]]]:
    """Return who is active at a target, and its groups with those of their members who are."""
    names = {id: entry["userName"] for id, entry in place.entries.items() if entry["active"]}
    groups = {
        group["displayName"]: {names[m["value"]] for m in group.get("members", ()) if m["value"] in names}
        for group in place.groups.values()
    }
    return set(names.values()), groups


async def played(steps: list[tuple[Any, ...]], way: str, *, prompt: bool) -> None:
    house = House(routed(on_deactivate=way, prompt=prompt))
    process = house.process
    for step in (*OPENING, *steps):
        await house.do(step)
    await process.settle()

    for place, left_out, begins in ((process.world, "Board", ""), (process.second, "Extern", "tel-")):
        people = house.wanted(left_out)
        group = house.group if house.group and house.group[1].startswith(begins) else None
        assert there(place) == (people, {group[1]: house.members() & people} if group else {})
    assert await process.untold() == 0


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(("send", "delete")), st.booleans())
def test_after_whatever_comes_each_target_has_exactly_who_is_active_and_in_its_scope(
    steps, way, prompt
) -> None:
    asyncio.run(played(steps, way, prompt=prompt))


async def test_the_brake_of_the_second_counts_who_leaves_its_scope_and_lets_go_of_all() -> None:
    process = routed()
    policy = replace(process.follower.policy, max_removals=(1, 3600.0))
    process.follower = replace(process.follower, policy=policy)
    ids = []
    for number in range(4):
        person = {**ANN, "userName": f"p{number}@x", "externalId": str(number)}
        told = await process.change("create", person, None)
        assert told.document is not None
        ids.append(told.document["id"])
    extern = {"Operations": [{"op": "replace", "value": {"title": "Extern"}}]}
    for number, id in enumerate(ids):
        await process.change("patch", extern if number % 2 else active(False), id)
    await process.settle()
    held = there(process.second)[0]

    await release_removals(process.services, "dialpad")
    await process.settle()

    assert (len(held), there(process.second)[0], await process.untold()) == (3, set(), 0)
    assert len(there(process.world)[0]) == 2
