"""One externalId, two resources: who is who (RFC 7643 section 3.1 lets providers give one twice)."""

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest

from gateway.errors import Busy, Uniqueness
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Broken, ResourceType, Silent, Unreachable
from tests.support.house import GROUP, USER, FakeTarget, House

NAMES = {USER: ("userName", "jane@a.example", "john@b.example"), GROUP: ("displayName", "Jane", "John")}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
KINDS = pytest.mark.parametrize("kind", [USER, GROUP])


def named(kind: ResourceType, which: int, external: str | None = "jsmith") -> dict[str, Any]:
    """Return Jane (1) or John (2)."""
    return {NAMES[kind][0]: NAMES[kind][which]} | ({} if external is None else {"externalId": external})


async def send(
    gateway: House, kind: ResourceType, operation: str, body: Any, id: Any = None, **more: Any
) -> Any:
    by = gateway.send if kind is USER else gateway.group
    reply = await by(operation, body, id, **more)
    if operation == "create":
        await gateway.replied(reply.document["id"], kind)
    return reply


async def jane(gateway: House, kind: ResourceType = USER) -> str:
    """Create Jane, who is answered; return her id."""
    return str((await send(gateway, kind, "create", named(kind, 1))).document["id"])


def held(gateway: House, kind: ResourceType) -> dict[str, tuple[str, str | None]]:
    return {id: (e[NAMES[kind][0]], e.get("externalId")) for id, e in gateway.fake.of(kind).items()}


BOTH = {kind: {"t1": (names[1], "jsmith"), "t2": (names[2], "jsmith")} for kind, names in NAMES.items()}


@KINDS
@pytest.mark.parametrize("policy", [{}, {"unique_names": False}, {"adopt_by": ("userName",)}], ids=str)
@pytest.mark.parametrize(
    "fake", [{}, {"unique_ids": True}], ids=["takes it twice", "takes it once unless told"]
)
async def test_somebody_of_another_name_with_a_taken_external_id_is_somebody_else(
    house, fake, policy, kind
) -> None:
    gateway = house(fake=FakeTarget(**fake), **policy)
    first = await jane(gateway, kind)

    second = await send(gateway, kind, "create", named(kind, 2))

    assert (second.status, second.outcome, held(gateway, kind)) == (201, "applied", BOTH[kind])
    found = await gateway.search('externalId eq "jsmith"', kind=kind)
    assert [document["id"] for document in found.entries] == [first, second.document["id"]]
    for which, id in ((1, first), (2, second.document["id"])):
        with pytest.raises(Uniqueness):  # each is known again by both of their names
            await send(gateway, kind, "create", named(kind, which))
        assert (await send(gateway, kind, "replace", named(kind, which), id)).status == 200
    assert held(gateway, kind) == BOTH[kind]


@KINDS
async def test_a_third_with_that_external_id_is_somebody_else_too(house, kind) -> None:
    gateway = house()
    await jane(gateway, kind)
    await send(gateway, kind, "create", named(kind, 2))

    third = await send(gateway, kind, "create", named(kind, 1) | {NAMES[kind][0]: "jim"})

    assert (third.status, third.document["id"]) == (201, "t3")


async def unanswered(gateway: House, kind: ResourceType) -> None:
    by = gateway.send if kind is USER else gateway.group
    await by("create", named(kind, 1))


async def inactive(gateway: House, kind: ResourceType) -> None:
    await send(gateway, kind, "patch", LEAVE, await jane(gateway, kind))


async def vanished(gateway: House, kind: ResourceType) -> None:
    await jane(gateway, kind)
    gateway.fake.of(kind).clear()
    gateway.clock[0] += 60


YIELDING = [(unanswered, USER), (unanswered, GROUP), (inactive, USER), (vanished, USER), (vanished, GROUP)]


@pytest.mark.parametrize(("owner", "kind"), YIELDING)
@pytest.mark.parametrize("unique_names", [True, False])
async def test_an_owner_who_is_inactive_unanswered_or_vanished_is_renamed(
    house, owner, kind, unique_names
) -> None:
    gateway = house(unique_names=unique_names)
    await owner(gateway, kind)

    reply = await send(gateway, kind, "create", named(kind, 2))

    assert (reply.status, reply.document["id"]) == (201, "t1")
    assert list(held(gateway, kind).values()) == [(NAMES[kind][2], "jsmith")]


async def test_an_owner_whom_the_targets_administrator_protects_has_not_vanished(house) -> None:
    gateway = house(protect=lambda entry: entry.get("title") == "Director")
    await jane(gateway)
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | {"title": "Director"}
    gateway.clock[0] += 60

    reply = await send(gateway, USER, "create", named(USER, 2))

    assert (reply.document["id"], held(gateway, USER)) == ("t2", BOTH[USER])


@KINDS
async def test_the_same_external_id_is_a_rename_where_ids_are_unique(house, kind) -> None:
    gateway = house()
    id = await jane(gateway, kind)

    reply = await send(gateway, kind, "create", named(kind, 2), unique_ids=True)

    assert (reply.status, reply.document["id"]) == (201, id)
    assert held(gateway, kind) == {"t1": (NAMES[kind][2], "jsmith")}


TAKES = {
    "replace": lambda kind: named(kind, 2),
    "patch": lambda kind: {"Operations": [{"op": "replace", "path": "externalId", "value": "jsmith"}]},
}


@KINDS
@pytest.mark.parametrize("operation", TAKES)
@pytest.mark.parametrize("unique_ids", [False, True])
async def test_a_taken_external_id_may_be_given_by_a_change_unless_ids_are_unique(
    house, operation, kind, unique_ids
) -> None:
    gateway = house()
    await jane(gateway, kind)
    id = (await send(gateway, kind, "create", named(kind, 2, "other"))).document["id"]

    if unique_ids:
        with pytest.raises(Uniqueness, match="externalId"):
            await send(gateway, kind, operation, TAKES[operation](kind), id, unique_ids=True)
    else:
        await send(gateway, kind, operation, TAKES[operation](kind), id)

    assert held(gateway, kind)["t2"][1] == ("other" if unique_ids else "jsmith")


async def test_a_taken_name_is_refused_whatever_the_external_id(house) -> None:
    gateway = house()
    await jane(gateway)
    id = (await send(gateway, USER, "create", named(USER, 2))).document["id"]

    for operation, body, own in (("create", named(USER, 1, "x"), None), ("replace", named(USER, 1), id)):
        with pytest.raises(Uniqueness):
            await send(gateway, USER, operation, body, own)

    assert held(gateway, USER) == BOTH[USER]


@pytest.mark.parametrize("body", [named(USER, 2) | {"active": False}, None], ids=["PUT", "PATCH"])
async def test_who_shares_an_external_id_leaves_even_where_ids_have_become_unique(house, body) -> None:
    gateway = house()
    await jane(gateway)
    id = (await send(gateway, USER, "create", named(USER, 2))).document["id"]

    await send(gateway, USER, "replace" if body else "patch", body or LEAVE, id, unique_ids=True)

    assert {id: entry["active"] for id, entry in gateway.fake.entries.items()} == {"t1": True, "t2": False}


@KINDS
@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        pytest.param(Broken("oops", 500), {}, id="500"),
        pytest.param(Silent("timed out"), {}, id="silent"),
        pytest.param(Silent("timed out"), {"attempts": 1, "deadline": 5.0}, id="silent, found by the next"),
    ],
)
async def test_a_create_whose_answer_was_lost_is_known_again_by_both_names(house, fault, tries, kind) -> None:
    gateway = house(**tries)
    first = await jane(gateway, kind)
    gateway.fake.faults, gateway.fake.late = [fault], True
    if tries:
        with pytest.raises(Busy):
            await send(gateway, kind, "create", named(kind, 2))
        gateway.clock[0] += 60
        gateway.has_time()

    reply = await send(gateway, kind, "create", named(kind, 2))

    assert (reply.status, reply.document["id"] != first) == (201, True)
    assert held(gateway, kind) == BOTH[kind]
    assert gateway.fake.writes == ["create", "create"]


@KINDS
async def test_a_create_that_did_not_happen_is_not_taken_for_the_owner_of_its_external_id(
    house, kind
) -> None:
    gateway = house(attempts=1, deadline=5.0)
    recovery = Recovery(gateway.services)
    await jane(gateway, kind)
    gateway.fake.faults = [Silent("timed out")]
    with pytest.raises(Busy):
        await send(gateway, kind, "create", named(kind, 2))
    gateway.clock[0] += 60

    await recovery.sweep(gateway.target)

    assert await gateway.services.operations.open("phonebook", ()) == ()
    assert (await gateway.events())[-1]["outcome"]["result"] == "failed"
    assert held(gateway, kind) == {"t1": (NAMES[kind][1], "jsmith")}


async def doubted(gateway: House) -> None:
    """Leave the creation of John, with Jane's externalId, in doubt at a target that is down."""
    gateway.fake.faults = [Silent("timed out")]
    with pytest.raises(Busy):
        await send(gateway, USER, "create", named(USER, 2))
    gateway.fake.get_faults = [Unreachable("down")] * 20
    gateway.clock[0] += 60


@pytest.mark.parametrize("operation", ["patch", "replace", "delete"])
async def test_an_unsettled_create_holds_up_nobody_who_has_the_external_id_already(house, operation) -> None:
    gateway = house(attempts=1, deadline=5.0)
    id = await jane(gateway)
    await doubted(gateway)
    gateway.fake.get_faults = []
    body = {"patch": LEAVE, "replace": named(USER, 1) | {"active": False}, "delete": None}[operation]

    await send(gateway, USER, operation, body, id)

    (johns,) = await gateway.services.operations.open("phonebook", ())
    assert (johns.intent.operation, johns.standing) == ("create", "doubt")
    assert not gateway.fake.entries.get("t1", {}).get("active", False)


async def test_a_leaver_who_is_kept_takes_the_place_of_nobody_elses_create(house) -> None:
    gateway = house(attempts=1, deadline=5.0)
    id = await jane(gateway)
    await doubted(gateway)

    with pytest.raises(Busy):
        await send(gateway, USER, "replace", named(USER, 1) | {"active": False}, id)

    stands = [
        (o.intent.operation, o.standing) for o in await gateway.services.operations.open("phonebook", ())
    ]
    assert stands == [("create", "doubt"), ("change", "pending")]


async def test_a_leaver_who_is_pending_holds_up_nobody_with_the_same_external_id(house) -> None:
    gateway = house(attempts=1)
    id = await jane(gateway)
    gateway.clock[0] += 60
    gateway.fake.get_faults = [Unreachable("down")]
    with pytest.raises(Busy):
        await send(gateway, USER, "patch", LEAVE, id)

    reply = await send(gateway, USER, "create", named(USER, 2))

    assert (reply.status, reply.document["id"]) == (201, "t2")
    assert len(await gateway.services.operations.open("phonebook", ())) == 1


@pytest.mark.parametrize(
    ("adopt_by", "taken"),
    [(("externalId",), True), (("externalId", "userName"), True), (("userName",), False)],
)
async def test_on_an_entry_that_nobody_here_made_adopt_by_alone_decides(house, adopt_by, taken: bool) -> None:
    gateway = house(adopt_by=adopt_by, unique_names=False)
    gateway.fake.entries["x"] = named(USER, 1) | {"id": "x"}

    with nullcontext() if taken else pytest.raises(Uniqueness):
        await send(gateway, USER, "create", named(USER, 2))

    assert held(gateway, USER) == {"x": (NAMES[USER][2 if taken else 1], "jsmith")}


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("turned", [False, True])
async def test_two_who_were_made_anew_are_not_mixed_up(house, first: int, turned: bool) -> None:
    gateway = house()
    for which in (first, 3 - first):
        await send(gateway, USER, "create", named(USER, which))
    names = {id: entry["userName"] for id, entry in gateway.fake.entries.items()}
    entries = sorted(gateway.fake.entries.items(), reverse=turned)
    gateway.fake.entries = {f"x{id}": entry | {"id": f"x{id}"} for id, entry in entries}
    gateway.clock[0] += 60

    found = await gateway.search('externalId eq "jsmith"')

    assert {document["id"]: document["userName"] for document in found.entries} == names


async def test_creates_at_once_of_one_person_make_one(house) -> None:
    gateway = house()
    await jane(gateway)

    replies = await asyncio.gather(*(gateway.send("create", named(USER, 2)) for _ in range(6)))

    assert {reply.document["id"] for reply in replies} == {"t2"}
    assert held(gateway, USER) == BOTH[USER]
