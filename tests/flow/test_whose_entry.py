"""Whose entry a target's answer shows: nobody is tied to another's, and nobody is shown as another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.errors import Busy, GatewayError, NotFound, Uniqueness
from gateway.flow.change import Changes
from gateway.flow.journal_port import Key
from gateway.flow.model import Caller, Change, may_be_shown_as
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Attributes, Refused, ResourceType, Silent, Update
from gateway.mapping.target import TargetMapping
from gateway.scim.names import NAMES
from tests.support.house import GROUP, USER, FakeTarget, House
from tests.support.rules import make_rule
from tests.support.running import Running, make_running

ANN: Attributes = {"userName": "ann@x", "externalId": "1", "title": "Agent"}
BOB: Attributes = {"userName": "bob@x", "externalId": "2", "title": "Clerk"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
RETURN = {"Operations": [{"op": "replace", "value": {"active": True}}]}
PROMOTE = {"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]}

Lie = Callable[[Attributes], Attributes]


@dataclass
class Confused(FakeTarget):
    """Does as it is told, and answers with something else."""

    created: Lie | None = None
    changed: Lie | None = None

    async def create(self, kind: ResourceType, wanted: Attributes, **more: Any) -> Attributes | None:
        entry = await super().create(kind, wanted, **more)
        return self.created(entry or {}) if self.created else entry

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        entry = await super().change(kind, id, update)
        return self.changed(entry or {}) if self.changed else entry


@dataclass
class Scene:
    """A gateway that knows Bob, before a target that answers as it likes."""

    gateway: House
    fake: Confused
    recovery: Recovery
    bob: str = ""
    links: dict[str, Any] = field(default_factory=dict)

    async def linked(self) -> dict[str, str | None]:
        known = await self.gateway.services.resources.page("phonebook", USER, "", 100)
        return {resource.id: resource.links["phonebook"].target_id for resource in known}

    async def standings(self) -> list[str]:
        return [o.standing.value for o in await self.gateway.services.operations.open("phonebook", ())]


@pytest.fixture
async def scene(house) -> Scene:
    fake = Confused()
    gateway = house(fake=fake, on_deactivate="delete")
    bob = (await gateway.send("create", BOB)).document["id"]
    return Scene(gateway, fake, Recovery(gateway.services), bob)


async def made_anew(scene: Scene) -> None:
    """Have Bob leave and return, so that his entry has another id than he."""
    for body in (LEAVE, RETURN):
        await scene.gateway.send("patch", body, scene.bob)
    assert await scene.linked() == {"t1": "t2"}


STRANGERS = [
    pytest.param(
        None, lambda scene: lambda entry: scene.fake.entries["t1"], id="the entry of somebody known"
    ),
    pytest.param(None, lambda scene: lambda entry: entry | {"id": "t1"}, id="the id of somebody known"),
    pytest.param(made_anew, lambda scene: lambda entry: entry | {"id": "t2"}, id="the id of one made anew"),
    pytest.param(
        None,
        lambda scene: lambda entry: {"id": "x", "userName": "carl@x"},
        id="the entry of somebody unknown",
    ),
]


@pytest.mark.parametrize(("before", "lie"), STRANGERS)
async def test_a_create_answered_with_anothers_entry_is_in_doubt_and_ties_nobody_to_it(
    scene, before, lie
) -> None:
    if before is not None:
        await before(scene)
    links = await scene.linked()
    scene.fake.created = lie(scene)

    with pytest.raises(Busy):
        await scene.gateway.send("create", ANN)

    assert (await scene.linked(), await scene.standings()) == (links, ["doubt"])
    scene.fake.created = None
    scene.gateway.clock[0] += 60
    reply = await scene.gateway.send("create", ANN)
    (own,) = [id for id, entry in scene.fake.entries.items() if entry["userName"] == "ann@x"]
    assert (reply.status, await scene.linked()) == (201, links | {reply.document["id"]: own})
    await scene.gateway.send("delete", None, reply.document["id"])
    assert [entry["userName"] for entry in scene.fake.entries.values()] == ["bob@x"]


async def test_recovery_finds_who_was_created_behind_anothers_entry(scene) -> None:
    scene.fake.created = lambda entry: scene.fake.entries["t1"]
    with pytest.raises(Busy):
        await scene.gateway.send("create", ANN)
    scene.gateway.clock[0] += 60

    await scene.recovery.sweep(scene.gateway.target)

    assert (await scene.linked(), await scene.standings()) == ({"t1": "t1", "t2": "t2"}, [])


async def test_somebody_made_again_is_not_tied_to_anothers_entry(scene) -> None:
    ann = (await scene.gateway.send("create", ANN)).document["id"]
    del scene.fake.entries["t2"]
    scene.gateway.clock[0] += 60
    scene.fake.created = lambda entry: entry | {"id": "t1"}

    with pytest.raises(Busy):
        await scene.gateway.send("patch", PROMOTE, ann)

    assert await scene.linked() == {"t1": "t1", "t2": "t2"}


@pytest.mark.parametrize(
    ("sent", "shown", "alike"),
    [
        pytest.param("Ann@X", "ann@x", True, id="case"),
        pytest.param("ann lee", " ann  lee ", True, id="blanks"),
        pytest.param("straße", "STRASSE", True, id="folded"),
        pytest.param("e\u0301va", "\u00e9va", True, id="composed"),
        pytest.param("\uff41nn", "ann", True, id="wide letters"),
        pytest.param("ann", None, True, id="not shown"),
        pytest.param("ann", "", True, id="shown empty"),
        pytest.param("ann", "anna", False, id="another"),
        pytest.param("ann", 5, False, id="no text"),
    ],
)
def test_a_target_may_fold_a_user_name_in_its_own_way(sent: str, shown: Any, alike: bool) -> None:
    assert may_be_shown_as(sent, shown) is alike


async def test_a_create_is_done_where_the_target_folds_the_user_name(scene) -> None:
    scene.fake.created = lambda entry: entry | {"userName": " ANN@X"}

    assert (await scene.gateway.send("create", ANN)).status == 201
    assert await scene.linked() == {"t1": "t1", "t2": "t2"}


async def test_a_user_name_that_a_rule_makes_is_compared_as_it_was_sent(house) -> None:
    rule = make_rule("userName", ["emails.value"])
    gateway = house(TargetMapping([rule]))

    reply = await gateway.send("create", ANN | {"emails": [{"value": "ann@mail.example"}]})

    assert (reply.status, gateway.fake.entries["t1"]["userName"]) == (201, "ann@mail.example")


@pytest.mark.parametrize("operation", ["replace", "patch"])
async def test_a_change_answered_with_another_id_is_not_linked_to_it(scene, operation: str) -> None:
    scene.fake.changed = lambda entry: entry | {"id": "x"}
    body = BOB | {"title": "Boss"} if operation == "replace" else PROMOTE

    reply = await scene.gateway.send(operation, body, scene.bob)  # looked up, it was done

    assert (reply.status, await scene.linked()) == (200, {"t1": "t1"})
    assert scene.fake.entries["t1"]["title"] == "Boss"


async def test_a_change_answered_with_another_id_and_not_made_is_busy(scene) -> None:
    async def lie(kind: ResourceType, id: str, update: Update) -> Attributes:
        return update.wanted | {"id": "x"}

    scene.fake.change = lie

    with pytest.raises(Busy):
        await scene.gateway.send("patch", PROMOTE, scene.bob)

    assert await scene.linked() == {"t1": "t1"}


async def test_a_group_whose_change_is_answered_with_another_id_is_not_linked_to_it(scene) -> None:
    id = (await scene.gateway.group("create", {"displayName": "Sales"})).document["id"]
    scene.fake.changed = lambda entry: entry | {"id": "x"}

    await scene.gateway.group("replace", {"displayName": "Agents"}, id)

    (group,) = await scene.gateway.services.resources.page("phonebook", GROUP, "", 10)
    assert group.links["phonebook"].target_id == id


async def test_what_recovery_sends_again_is_not_linked_to_another_id(house) -> None:
    fake = Confused()
    gateway = house(fake=fake, attempts=1, deadline=5.0)
    recovery = Recovery(gateway.services)
    id = (await gateway.send("create", BOB)).document["id"]
    fake.faults = [Silent("timed out")]
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)
    fake.changed = lambda entry: entry | {"id": "x"}

    for _ in range(3):
        gateway.clock[0] += 60
        await recovery.sweep(gateway.target)

    (bob,) = await gateway.services.resources.find("phonebook", USER, (Key("id", id),))
    assert (bob.links["phonebook"].target_id, fake.entries["t1"]["active"]) == (id, False)
    assert await gateway.services.operations.open("phonebook", ()) == ()


KINDS = pytest.mark.parametrize("kind", [USER, GROUP])


async def sent(gateway: House, kind: ResourceType, operation: str, id: str | None = None, **more: Any) -> Any:
    body = ANN | more if kind is USER else {"displayName": "Sales"} | more
    return await (gateway.send if kind is USER else gateway.group)(operation, body, id)


@contextmanager
def behind(gateway: Running) -> Iterator[None]:
    """Have reads of the target lag behind for a while: they do not show who was just made."""
    gateway.fake.absent, gateway.fake.blind = 1000, True
    yield
    gateway.fake.absent, gateway.fake.blind = 0, False


async def missed(gateway: House, kind: ResourceType, id: str) -> None:
    """Have somebody vanish, and a GET be told so."""
    gateway.fake.of(kind).clear()
    with pytest.raises(NotFound):
        await (gateway.get if kind is USER else gateway.get_group)(id)


@KINDS
async def test_who_was_just_not_found_is_made_again_by_the_same_push(house, kind) -> None:
    gateway = house(trust=5.0)
    id = (await sent(gateway, kind, "create")).document["id"]
    await missed(gateway, kind, id)

    reply = await sent(gateway, kind, "replace", id)

    assert (reply.status, reply.document["id"], list(gateway.fake.of(kind))) == (200, id, ["t2"])


@KINDS
async def test_who_was_just_not_found_is_reported_where_the_target_says_so(house, kind) -> None:
    gateway = house(trust=5.0, on_missing="error")
    id = (await sent(gateway, kind, "create")).document["id"]
    await missed(gateway, kind, id)

    with pytest.raises(NotFound):
        await sent(gateway, kind, "replace", id)


@pytest.mark.parametrize("operation", ["replace", "patch", "create", "delete"])
@KINDS
async def test_who_was_just_made_and_is_not_shown_yet_is_changed_and_not_made_again(kind, operation) -> None:
    gateway = make_running(trust=5.0)
    id = (await sent(gateway, kind, "create")).document["id"]
    with behind(gateway), pytest.raises(NotFound):
        await (gateway.get if kind is USER else gateway.get_group)(id)

    with behind(gateway):
        if operation == "patch":
            name = {"op": "replace", "path": NAMES[kind], "value": "new@x"}
            await (gateway.send if kind is USER else gateway.group)("patch", {"Operations": [name]}, id)
        else:
            again = {} if operation == "create" else {NAMES[kind]: "new@x"}
            await sent(gateway, kind, operation, None if operation == "create" else id, **again)

    names = {at: entry[NAMES[kind]] for at, entry in gateway.fake.of(kind).items()}
    before = {USER: ANN["userName"], GROUP: "Sales"}[kind]
    assert names == {"create": {id: before}, "delete": {}}.get(operation, {id: "new@x"})


async def test_a_leaver_who_was_just_made_and_is_not_shown_yet_leaves() -> None:
    gateway = make_running(trust=5.0)
    id = (await gateway.send("create", ANN)).document["id"]

    with behind(gateway), pytest.raises(NotFound):
        await gateway.get(id)
    with behind(gateway):
        await gateway.send("patch", LEAVE, id)

    assert not gateway.is_active(id)


@KINDS
async def test_the_same_push_of_who_is_not_shown_yet_makes_nobody(kind) -> None:
    gateway = make_running(trust=5.0)
    id = (await sent(gateway, kind, "create")).document["id"]
    with behind(gateway), pytest.raises(NotFound):
        await (gateway.get if kind is USER else gateway.get_group)(id)

    with behind(gateway):
        reply = await sent(gateway, kind, "replace", id)

    assert (reply.status, list(gateway.fake.of(kind))) == (200, [id])


@KINDS
async def test_an_unknown_entry_that_was_just_not_found_cannot_be_changed(house, kind) -> None:
    gateway = house(trust=5.0)
    entry = {"id": "x", "displayName": "Sales", "userName": "ann@x", "externalId": "1"}
    gateway.fake.of(kind)["x"] = entry
    await (gateway.get if kind is USER else gateway.get_group)("x")
    await missed(gateway, kind, "x")

    with pytest.raises(NotFound):
        await sent(gateway, kind, "replace", "x")


async def test_a_read_from_before_a_change_is_not_what_the_next_is_compared_with(house) -> None:
    gateway = house(trust=5.0)
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.faults, gateway.fake.late = [Refused("no, and yet it is done", 400)], True
    with pytest.raises(GatewayError):
        await gateway.send("patch", PROMOTE, id)

    await gateway.send("replace", ANN, id)

    assert gateway.fake.entries[id]["title"] == "Agent"


async def test_a_rename_by_a_create_holds_the_old_name_until_it_is_certain(house) -> None:
    gateway = house(attempts=1, deadline=5.0)
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)
    gateway.fake.faults = [Silent("timed out")]
    with pytest.raises(Busy):
        await gateway.send("create", ANN | {"userName": "new@x"})
    gateway.fake.get_faults = [Silent("timed out")]

    with pytest.raises(Busy):
        await gateway.send("create", {"userName": "ann@x", "externalId": "9"})

    (operation,) = await gateway.services.operations.open("phonebook", ())
    assert {Key("name", "ann@x"), Key("name", "new@x"), Key("id", id)} <= set(operation.intent.keys)
    assert gateway.fake.writes == ["create", "change", "change"]


@pytest.mark.parametrize("replied", [True, False])
async def test_a_create_makes_again_who_vanished_whatever_is_said_of_changes(house, replied: bool) -> None:
    gateway = house(on_missing="error")
    id = (await gateway.send("create", ANN)).document["id"]
    if replied:
        await gateway.replied(id)
    gateway.fake.entries.clear()
    gateway.clock[0] += 60

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"], list(gateway.fake.entries)) == (201, id, ["t2"])


async def pushed(gateway: House, id: str) -> None:
    change = Change("push", USER, gateway.target, Caller("admin", kind="administrator"), "cid-2", id)
    await Changes(gateway.services, Recovery(gateway.services)).handle(change)


async def recovered(gateway: House, id: str) -> None:
    recovery = Recovery(gateway.services)
    gateway.fake.faults, gateway.fake.late = [Silent("timed out")], True
    with pytest.raises(Busy):
        await gateway.send("patch", PROMOTE, id)
    gateway.clock[0] += 60
    await recovery.sweep(gateway.target)
    assert await gateway.services.operations.open("phonebook", ()) == ()


@pytest.mark.parametrize("meanwhile", [pushed, recovered])
@pytest.mark.parametrize("on_disk", [True, False])
async def test_an_answer_that_was_delivered_is_known_after_a_push_or_a_recovery(
    house, meanwhile, on_disk
) -> None:
    gateway = house(attempts=1, deadline=5.0)
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries[id] = gateway.fake.entries[id] | {"title": "by hand"}
    gateway.clock[0] += 60
    await gateway.replied(id)
    if on_disk:
        await gateway.services.trail.append([])

    await meanwhile(gateway, id)
    await gateway.journal.restart()

    with pytest.raises(Uniqueness):
        await gateway.send("create", ANN)


PROTECTED = [
    pytest.param(lambda entry: entry.get("active") is False, {}, id="all who are inactive"),
    pytest.param(
        lambda entry: entry.get("userType") == "service", {"userType": "service"}, id="as which she leaves"
    ),
]


@pytest.mark.parametrize(("protect", "more"), PROTECTED)
async def test_nobody_is_kept_from_leaving_by_what_they_leave_as(house, protect, more) -> None:
    gateway = house(protect=protect)
    id = (await gateway.send("create", ANN)).document["id"]

    reply = await gateway.send("replace", ANN | {"active": False} | more, id)

    assert (reply.status, gateway.fake.entries[id]["active"]) == (200, False)


ODD = [
    pytest.param(id, id=name)
    for id, name in (
        (".", "dot"),
        ("..", "dots"),
        (".search", "search"),
        ("a\0b", "NUL"),
        ("x" * 256, "long"),
    )
]


@pytest.mark.parametrize("odd", ODD)
@KINDS
async def test_an_entry_whose_id_cannot_stand_in_a_url_gets_one_of_ours(house, odd: str, kind) -> None:
    fake = Confused()
    gateway = house(fake=fake)

    def named_oddly(entry: Attributes) -> Attributes:
        fake.of(kind)[odd] = fake.of(kind).pop("t1") | {"id": odd}
        return fake.of(kind)[odd]

    fake.created = named_oddly
    id = (await sent(gateway, kind, "create")).document["id"]
    await sent(gateway, kind, "replace", id, displayName="New")

    (known,) = await gateway.services.resources.page("phonebook", kind, "", 10)
    assert (known.id, known.links["phonebook"].target_id) == (id, odd)
    assert id != odd
    assert fake.of(kind)[odd]["displayName"] == "New"


async def test_an_odd_id_of_somebody_known_is_no_new_persons(house) -> None:
    fake = Confused()
    gateway = house(fake=fake)
    fake.created = lambda entry: entry | {"id": ".."}
    await gateway.send("create", ANN)

    with pytest.raises(Busy):
        await gateway.send("create", BOB)

    assert len(await gateway.services.resources.page("phonebook", USER, "", 10)) == 1


@pytest.mark.parametrize("id", ["a/b", "/", "../x", ".", "..", "a\0b", "x" * 256])
@pytest.mark.parametrize("operation", ["get", "replace", "patch", "delete"])
@KINDS
async def test_an_unknown_id_that_could_mean_another_path_never_reaches_a_target(
    house, operation: str, id: str, kind
) -> None:
    gateway = house()
    get, change = (gateway.get, gateway.send) if kind is USER else (gateway.get_group, gateway.group)
    body = {"replace": ANN | {"displayName": "x"}, "patch": PROMOTE}.get(operation)
    work = get(id) if operation == "get" else change(operation, body, id)

    with pytest.raises(NotFound):
        await work

    assert [call for call in gateway.fake.calls if call[0] != "query"] == []


async def test_a_slash_in_the_id_of_somebody_known_is_no_harm(house) -> None:
    fake = Confused(ids=iter(["1/2"]))
    gateway = house(fake=fake)
    id = (await gateway.send("create", ANN)).document["id"]

    assert (id, (await gateway.send("patch", PROMOTE, id)).status) == ("t1/2", 200)


ALIKE = [
    pytest.param("straße@x", "strasse@x", False, id="folded"),
    pytest.param("Stra\u1e9ee@x", "straße@x", True, id="in lower case"),
    pytest.param("E\u0301va@x", "\u00e9va@x", True, id="composed"),
    pytest.param("\ufb03ce@x", "ffice@x", False, id="a ligature"),
]


@pytest.mark.parametrize(("there", "name", "is_adopted"), ALIKE)
@pytest.mark.parametrize("unique_names", [True, False])
async def test_only_nfc_and_lower_case_make_an_entry_somebodys(
    house, there, name, is_adopted, unique_names
) -> None:
    fake = FakeTarget({"x": {"id": "x", "userName": there, "active": True}}, unique=unique_names)
    gateway = house(fake=fake, unique_names=unique_names)

    if is_adopted or not unique_names:
        id = (await gateway.send("create", {"userName": name})).document["id"]
        assert (id == "x") is is_adopted
    else:  # the target thinks that they are the same
        with pytest.raises(Uniqueness):
            await gateway.send("create", {"userName": name})
    assert (fake.entries["x"]["userName"] == there) is not is_adopted


@pytest.mark.parametrize(("there", "name", "is_adopted"), ALIKE)
async def test_nobody_comes_back_as_another_whose_name_is_only_folded_alike(
    house, there, name, is_adopted
) -> None:
    gateway = house()
    id = (await gateway.send("create", {"userName": there})).document["id"]
    await gateway.send("patch", LEAVE, id)

    if is_adopted:
        assert (await gateway.send("create", {"userName": name})).document["id"] == id
    else:
        with pytest.raises(Uniqueness, match="spelled like somebody else's"):
            await gateway.send("create", {"userName": name})
    assert gateway.fake.entries[id]["active"] is is_adopted
