"""What is foreseen of everybody is what a push of the changed then sends, and nothing else."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.resync import Resync
from gateway.admin.simulate import Effect, Foreseen, foresee, rows_of
from gateway.errors import GatewayError
from gateway.flow.change import Changes
from gateway.flow.recovery import Recovery
from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.support.house import GROUP, USER, House, make_house
from tests.support.rules import make_rule

LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
TITLES = ("Agent", "boss", "CEO")
SENT = {Effect.CHANGE, Effect.CREATE, Effect.DEACTIVATE, Effect.DELETE}

transforms = st.sampled_from(
    [
        (),
        ("upper",),
        ("lower",),
        ({"name": "truncate", "length": 2},),
        ({"name": "allow", "values": ["CEO"]},),
    ]
)
scopes = st.sampled_from([None, 'title ne "boss"', 'title eq "boss"'])


@st.composite
def mappings(draw: Any) -> TargetMapping:
    """Any rules for a title, over any scope."""
    via = [compile_transform(one if isinstance(one, dict) else {"name": one}, {}) for one in draw(transforms)]
    on_invalid, to = (
        draw(st.sampled_from(["reject", "drop", "keep"])),
        draw(st.sampled_from(["title", "nickName"])),
    )
    scope, require = draw(scopes), draw(st.sampled_from([(), (("displayName",),)]))
    return TargetMapping(
        [make_rule(to, ["title"], via, on_invalid=on_invalid)],
        scope=None if scope is None else Scope(parse_filter(scope)),
        require=require,
    )


people = st.lists(st.tuples(st.sampled_from(TITLES), st.booleans(), st.booleans()), min_size=1, max_size=5)
policies = st.fixed_dictionaries(
    {
        "on_deactivate": st.sampled_from(["send", "delete"]),
        "on_missing": st.sampled_from(["recreate", "error"]),
    }
)


async def peopled(before: TargetMapping, whom: Any, policy: dict[str, Any]) -> House:
    """Return a house with people, as far as their target took them; some have left."""
    made = make_house(before, **policy)
    for n, (title, is_named, leaves) in enumerate(whom):
        name = {"displayName": f"B{n}"} if is_named else {}
        person = {"userName": f"b{n}", "externalId": f"e{n}", "title": title, **name}
        try:
            reply = await made.send("create", person)
        except GatewayError:  # who is refused is not there
            continue
        if leaves:
            await made.send("patch", LEAVE, reply.document["id"])
    made.fake.calls.clear()
    return made


async def foreseen(made: House, kind: Any = USER) -> dict[str, Foreseen]:
    known = await made.services.resources.page("phonebook", kind, "", 100)
    return {resource.id: foresee(made.target, resource) for resource in known}


async def resynced(made: House) -> list[Any]:
    """Push the changed, and return the events of those who were sent or refused."""
    before = len(await made.events())
    resync = Resync(made.services, Changes(made.services, Recovery(made.services)), made.target, changed=True)
    async for _ in resync.lines():
        pass
    events = (await made.events())[before:-1]
    return [event for event in events if event["attempts"] or event["outcome"]["result"] == "rejected"]


def told(made: House, one: Foreseen) -> list[tuple[Any, ...]]:
    rows = rows_of(made.target, one, lambda value, is_path: value)
    return sorted(
        (row["path"], repr(row["before"]), repr(row["after"]), row["rule"]) for row in rows if row["path"]
    )


def lines(event: Any) -> list[tuple[Any, ...]]:
    found = event["diff"]
    return sorted((one["path"], repr(one["before"]), repr(one["after"]), one["rule"]) for one in found)


@given(before=mappings(), after=mappings(), whom=people, policy=policies, kept=st.booleans())
def test_what_is_foreseen_is_exactly_what_a_push_of_the_changed_sends(
    before, after, whom, policy, kept
) -> None:
    async def check() -> None:
        made = await peopled(before, whom, policy)
        protect = predicate(parse_filter('userName eq "b0"')) if kept else None
        policy_now = replace(made.target.policy, protect=protect)
        made.target = replace(made.target, mapping=after, policy=policy_now)

        expected = await foreseen(made)
        events = await resynced(made)

        done = {event["target"]["id"]: event for event in events if event["attempts"]}
        refused = {event["target"]["id"] for event in events} - done.keys()
        sent = {id: one for id, one in expected.items() if one.effect in SENT}
        assert done.keys() == sent.keys()
        assert refused == {id for id, one in expected.items() if one.effect is Effect.REFUSED}
        assert len(made.fake.writes) == len(sent)
        for id, one in sent.items():
            assert one.effect is Effect.DELETE or told(made, one) == lines(done[id])
        again = {id: one.effect for id, one in (await foreseen(made)).items()}
        assert not SENT & set(again.values())

    asyncio.run(check())


def shouted() -> TargetMapping:
    return TargetMapping([make_rule("title", via=[compile_transform({"name": "upper"}, {})])])


async def test_everybody_is_told_apart_and_nobody_is_called() -> None:
    made = await peopled(TargetMapping(), [("Agent", 1, 0), ("BOSS", 1, 0), ("Agent", 1, 1)], {})
    made.target = replace(made.target, mapping=shouted())

    found = await foreseen(made)

    assert [one.effect for one in found.values()] == ["change", "unchanged", "change"]
    assert made.fake.calls == []
    (row,) = rows_of(made.target, found["t3"], lambda value, is_path: value)
    assert row == {
        "target": "phonebook",
        "what": "change",
        "type": "User",
        "state": "inactive",
        "userName": "b2",
        "externalId": "e2",
        "id": "t3",
        "path": "title",
        "before": "Agent",
        "after": "AGENT",
        "rule": "config:title",
        "reason": None,
    }


async def test_who_has_something_unsettled_is_pending_whatever_the_rules_say() -> None:
    made = await peopled(TargetMapping(), [("Agent", 1, 0)], {})
    made.target = replace(made.target, mapping=shouted())
    (known,) = await made.services.resources.page("phonebook", USER, "", 9)

    found = foresee(made.target, known, "doubt")

    (row,) = rows_of(made.target, found, lambda value, is_path: value)
    assert (found.effect, row["what"], row["reason"]) == ("pending", "pending", "not settled: doubt")


@pytest.mark.parametrize("is_left_out", [True, False])
async def test_a_group_comes_and_goes_by_the_scope(is_left_out: bool) -> None:
    scope = Scope(parse_filter('displayName ne "Crew"'), "Group")
    scoped = TargetMapping(kind="Group", scope=scope)
    made = make_house()
    made.target = made.target if is_left_out else replace(made.target, groups=scoped)
    await made.group("create", {"displayName": "Crew"})
    made.target = replace(made.target, groups=scoped if is_left_out else TargetMapping(kind="Group"))

    (found,) = (await foreseen(made, GROUP)).values()
    made.fake.calls.clear()
    await resynced(made)

    assert found.effect == ("delete" if is_left_out else "create")
    assert made.fake.writes == [found.effect.value]


async def test_who_the_target_is_not_to_have_any_more_leaves_and_counts_for_the_brake() -> None:
    made = await peopled(TargetMapping(), [("boss", 1, 0), ("Agent", 1, 0)], {})
    scope = Scope(parse_filter('title ne "boss"'))
    made.target = replace(made.target, mapping=TargetMapping(scope=scope))

    found = await foreseen(made)

    assert [(one.effect, one.removes) for one in found.values()] == [
        ("deactivate", True),
        ("unchanged", False),
    ]


async def test_values_are_covered_and_what_a_path_quotes_too() -> None:
    made = await peopled(TargetMapping(), [("Agent", 1, 0)], {})
    made.target = replace(made.target, mapping=shouted())
    (one,) = (await foreseen(made)).values()

    (row,) = rows_of(made.target, one, lambda value, is_path: "***")

    assert (row["before"], row["after"], row["path"]) == ("***", "***", "title")
