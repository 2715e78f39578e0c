"""Who is in which group, in every journal."""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.event import Event
from gateway.flow.journal_port import Key, MemberRow, MemberRows, Outcome, Resource, Settlement, State
from gateway.flow.target_port import ResourceType
from gateway.journal.store import SCHEMA
from gateway.scim.members import Delta

GROUP = ResourceType.GROUP
Stored = Callable[..., Awaitable[None]]


@pytest.fixture
def stored(journal: Any, event: Callable[..., Any]) -> Stored:
    """Settle resources as if a change had made them, groups with their members."""

    async def settle(*resources: Resource, members: MemberRows | None = None) -> None:
        for resource in resources:
            told = event(f"e-{(await journal.trail.head())[0]}")
            await journal.operations.settle(None, Settlement(Outcome.APPLIED, told, resource, members))

    return settle


@pytest.fixture
def group(resource: Callable[..., Resource]) -> Callable[..., Resource]:
    """Make a group."""

    def make(id: str = "g-1", name: str = "Sales", **other: Any) -> Resource:
        return replace(resource(id, type=GROUP, **other), original={"displayName": name})

    return make


def rows(*ids: str, delivered: bool = True, due: bool = False, **more: Any) -> MemberRows:
    entries = more.pop("entries", {})
    return MemberRows(
        "cx", {id: MemberRow({"value": id}, delivered, due) for id in ids}, entries=entries, **more
    )


async def members(journal: Any, group: str = "g-1") -> list[str]:
    return list(await journal.memberships.rows("cx", group, "cx"))


async def told(journal: Any, id: str) -> tuple[bool, bool]:
    """Return whether a member of the group is delivered, and due."""
    row = (await journal.memberships.rows("cx", "g-1", "cx"))[id]
    return row.delivered, row.due


async def test_members_are_kept_as_they_were_said_in_the_order_they_came(journal, stored, group) -> None:
    said = {
        "b": MemberRow({"value": "b", "display": "Bé", "type": "User"}),
        "a": MemberRow({"value": "a"}, delivered=False, due=True),
        "c": MemberRow({"value": "c"}, delivered=False),
    }
    await stored(group(), members=MemberRows("cx", said))

    kept = await journal.memberships.rows("cx", "g-1", "cx")
    assert kept == said
    assert list(kept) == ["b", "a", "c"]


@pytest.mark.parametrize("place", [("cx", "g-2", "cx"), ("dialpad", "g-1", "cx"), ("cx", "g-1", "dialpad")])
async def test_nobody_is_in_a_group_elsewhere(journal, stored, group, place) -> None:
    await stored(group(), members=rows("a"))

    assert await journal.memberships.rows(*place) == {}


async def test_some_come_and_some_go_and_the_others_stay(journal, stored, group) -> None:
    await stored(group(), members=rows("a", "b", "c"))

    await stored(group(), members=rows("d", "a", removed=("b", "x")))

    assert await members(journal) == ["a", "c", "d"]


async def test_a_whole_membership_leaves_nobody_else(journal, stored, group) -> None:
    await stored(group(), group("g-2", "Agents"), members=rows("a", "b", "c"))

    await stored(group(), members=rows("d", "b", whole=True))

    assert [await members(journal), await members(journal, "g-2")] == [["b", "d"], ["a", "b", "c"]]


async def test_what_was_said_of_a_member_stays_until_something_else_is_said(journal, stored, group) -> None:
    for element in ({"value": "a", "display": "Ann"}, {"value": "a"}, {"value": "a", "display": "Anna"}):
        await stored(group(), members=MemberRows("cx", {"a": MemberRow(element)}))
        row = (await journal.memberships.rows("cx", "g-1", "cx"))["a"]

        assert row.element == {"value": "a", "display": element.get("display", "Ann")}


async def test_entries_are_found_by_our_ids_and_ours_by_theirs(journal, stored, group, resource) -> None:
    people = {"a": {"cx": "t-a"}, "b": {"cx": None}, "c": {"dialpad": "d-c"}, "d": {}}
    await stored(*(resource(id, id, links=links) for id, links in people.items()))
    await stored(group(links={"cx": "t-g"}), resource("z", "z", base="dialpad", links={"cx": "t-z"}))
    await stored(resource("e", "e", links={"cx": "t-e"}, state=State.DELETED))

    ids, theirs = ["a", "b", "c", "d", "e", "g-1", "x", "z"], ["t-a", "t-e", "t-g", "t-z", "d-c", "x"]
    found = await journal.memberships.target_ids("cx", "cx", ids)
    assert found == {"a": "t-a", "b": None, "c": None, "d": None, "e": None, "g-1": "t-g"}
    assert await journal.memberships.owners("cx", "cx", theirs) == {"t-a": "a", "t-g": "g-1"}
    assert await journal.memberships.target_ids("cx", "cx", []) == {}
    assert await journal.memberships.owners("cx", "cx", []) == {}


async def test_hundreds_of_ids_are_found_at_once(journal, stored, resource) -> None:
    ids = [f"p{n}" for n in range(1203)]
    await stored(*(resource(id, id, links={"cx": f"t-{id}"}) for id in ids[::200]))

    found = await journal.memberships.target_ids("cx", "cx", ids)

    assert found == {id: f"t-{id}" for id in ids[::200]}


async def test_who_is_due_is_found_by_group(journal, stored, group) -> None:
    await stored(group(), members=rows("a", "b", delivered=False, due=True))
    await stored(group("g-2", "Agents"), members=rows("c", delivered=False))
    await stored(group("g-3", "Leads"), members=rows("a", delivered=False, due=True))
    await stored(group("g-4", "Else", base="dialpad"), members=rows("a", delivered=False, due=True))

    assert await journal.memberships.due("cx", "cx", 9) == {"g-1": ("a", "b"), "g-3": ("a",)}
    assert await journal.memberships.due("cx", "cx", 1) == {"g-1": ("a",)}
    assert await journal.memberships.due("cx", "dialpad", 9) == {}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("t-1", "t-1", (True, False), id="the same entry"),
        pytest.param("t-1", "t-2", (False, True), id="another"),
        pytest.param("t-1", None, (False, False), id="none any more"),
        pytest.param(None, "t-1", (False, True), id="one at last"),
        pytest.param(None, None, (True, False), id="still none"),
    ],
)
async def test_a_member_who_has_another_entry_is_told_of_again(
    journal, stored, group, resource, before, after, expected
) -> None:
    await stored(resource("a", links={"cx": before}), group())
    await stored(group(), members=rows("a", entries={"a": before}))

    await stored(resource("a", links={"cx": after, "dialpad": "d"}))

    assert await told(journal, "a") == expected


async def test_a_member_who_was_unknown_is_told_of_once_they_come(journal, stored, group, resource) -> None:
    await stored(group(), members=rows("a", delivered=False))

    await stored(resource("a", base="dialpad", links={"cx": "t-1"}))
    assert await told(journal, "a") == (False, False)
    await stored(resource("a", links={"cx": "t-1"}))
    assert await told(journal, "a") == (False, True)


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        pytest.param("t-1", "t-1", (True, False), id="the entry that was sent"),
        pytest.param("t-1", "t-2", (False, True), id="another by now"),
        pytest.param("t-1", None, (False, False), id="none by now"),
        pytest.param(None, "t-1", (False, True), id="one by now"),
    ],
)
async def test_a_member_who_moved_while_they_were_added_is_told_of_again(
    journal, stored, group, resource, known, now, expected
) -> None:
    await stored(resource("a", links={"cx": now}))

    await stored(group(), members=rows("a", entries={"a": known}))

    assert await told(journal, "a") == expected


async def test_who_is_deleted_is_in_no_group_and_comes_into_none(journal, stored, group, resource) -> None:
    await stored(resource("a"))
    await stored(group(), members=rows("a", "b"))
    await stored(group("g-9", base="dialpad"), members=rows("a"))

    await stored(resource("a", state=State.DELETED))
    assert await members(journal) == ["b"]
    await stored(group(), members=rows("a", "c"))
    assert await members(journal) == ["b", "c"]
    assert list(await journal.memberships.rows("dialpad", "g-9", "cx")) == ["a"]


async def test_nobody_is_in_a_deleted_group(journal, stored, group) -> None:
    await stored(group(), group("g-2", "Agents"), members=rows("a", delivered=False, due=True))

    await stored(group(state=State.DELETED))

    assert [await members(journal), await members(journal, "g-2")] == [[], ["a"]]
    assert await journal.memberships.due("cx", "cx", 9) == {"g-2": ("a",)}


@pytest.mark.parametrize(
    "delta",
    [
        pytest.param(Delta({"a": {"value": "a", "display": "Bé"}}, ("b", "c")), id="some"),
        pytest.param(Delta({}, (), whole=True), id="nobody"),
    ],
)
async def test_what_shall_become_of_members_is_in_the_intent_until_it_is_settled(
    journal, intent, event, group, delta
) -> None:
    operation = await journal.operations.claim(intent(type=GROUP, members=delta))

    assert (await journal.operations.open("cx", []))[0].intent.members == delta
    await journal.operations.settle(operation, Settlement(Outcome.APPLIED, event(), group(), rows("a")))
    assert await members(journal) == ["a"]


async def test_a_settlement_that_is_refused_leaves_the_members_as_they_were(journal, stored, group) -> None:
    await stored(group(), members=rows("a"))

    unwritable = Settlement(Outcome.APPLIED, Event("e", {"reason": object()}), group(), rows("b"))
    with pytest.raises(TypeError):
        await journal.operations.settle(None, unwritable)
    assert await members(journal) == ["a"]


async def test_a_journal_of_the_first_release_goes_on_with_groups(reopen, path: Path, event, group) -> None:
    path.parent.mkdir()
    old(path, "INSERT INTO member VALUES (1, 'a', 'cx', 0)")

    journal = await reopen()

    (ann,) = await journal.resources.find("cx", ResourceType.USER, [Key("id", "id-1")])
    assert (ann.original, ann.links["cx"].target_id) == ({"userName": "Ann"}, "t-1")
    (open_,) = await journal.operations.open("cx", [])
    assert (open_.intent.op_id, open_.intent.members) == ("op-1", Delta())
    await journal.operations.settle(
        None, Settlement(Outcome.APPLIED, event(), group(), rows("id-1", entries={"id-1": "t-1"}))
    )
    assert await told(journal, "id-1") == (True, False)


def old(path: Path, *more: str) -> None:
    """Make a journal as the first release left it, with a person, an open operation, and more."""
    columns = "id, base, target, type, operation, resource, target_id, correlation_id, becomes, removes, keys"
    statements: Sequence[str] = (
        "INSERT INTO resource (key, base, type, id, original, state, created, modified, replied)"
        """ VALUES (1, 'cx', 'User', 'id-1', '{"userName":"Ann"}', 'active', '', '', 1)""",
        "INSERT INTO link VALUES (1, 'cx', 'User', 't-1', '{}', NULL)",
        f"INSERT INTO op ({columns}, wanted, original, state, fence, owner, lease_until, attempts, opened)"
        " VALUES ('op-1', 'cx', 'cx', 'User', 'patch', 'id-1', 't-1', 'c', 'active', 0,"
        """ '[["id","id-1"]]', '{}', '{}', 'open', 1, 'x', '', 1, '')""",
        *more,
    )
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)")
    connection.executescript(SCHEMA.joinpath("001.sql").read_text())
    connection.execute("INSERT INTO schema_version VALUES (1, '2026-11-22T00:00:00Z')")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
