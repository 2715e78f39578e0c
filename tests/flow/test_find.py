"""What a change starts from."""

from typing import Any

import pytest

from gateway.errors import Busy, NotFound
from gateway.flow.find import is_made_again, is_protected, load_entry, load_unknown_entry
from gateway.flow.journal_port import Key
from gateway.flow.target_port import ResourceType, Unreachable
from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate

USER = ResourceType.USER
ANN: dict[str, Any] = {"userName": "ann@example.com", "externalId": "00u1", "title": "Agent"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
PROMOTE = {"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]}


async def known(gateway: Any) -> Any:
    """Create Ann; return what the journal knows of her."""
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.calls.clear()
    return await find(gateway, id)


async def find(gateway: Any, id: str) -> Any:
    (resource,) = await gateway.services.resources.find("phonebook", USER, (Key("id", id),))
    return resource


@pytest.mark.parametrize(
    ("age", "calls"), [pytest.param(4, [], id="young"), pytest.param(6, [("get", "t1")], id="old")]
)
async def test_an_entry_is_read_again_when_it_is_old(house, age: float, calls: list[Any]) -> None:
    gateway = house()
    resource = await known(gateway)
    gateway.clock[0] += age

    entry = await load_entry(gateway.services, gateway.target, resource, trust=5)

    assert entry is not None
    assert (entry["id"], gateway.fake.calls) == ("t1", calls)


async def test_somebody_removed_has_no_entry_and_nobody_is_asked(house) -> None:
    gateway = house(on_deactivate="delete")
    resource = await known(gateway)
    await gateway.send("patch", LEAVE, resource.id)
    gateway.fake.calls.clear()

    assert await load_entry(gateway.services, gateway.target, await find(gateway, resource.id), 5) is None
    assert gateway.fake.calls == []


MADE_AGAIN = [
    pytest.param({}, {}, True, id="by both"),
    pytest.param({"userName": "other"}, {}, True, id="by externalId"),
    pytest.param({"externalId": None}, {}, True, id="by name"),
    pytest.param({"externalId": "00u9"}, {}, False, id="somebody else's"),
    pytest.param({"externalId": None}, {"adopt_by": ("externalId",)}, False, id="by a key outside adopt_by"),
    pytest.param(
        {"title": "Boss"}, {"protect": predicate(parse_filter('title eq "Boss"'))}, False, id="protected"
    ),
]


@pytest.mark.parametrize(("entry", "policy", "found"), MADE_AGAIN)
async def test_an_entry_made_anew_is_found_by_who_it_is(house, entry: Any, policy: Any, found: bool) -> None:
    gateway = house(**policy)
    resource = await known(gateway)
    gateway.fake.entries = {"x9": ANN | {"id": "x9"} | entry}

    again = await load_entry(gateway.services, gateway.target, resource, trust=0)

    assert (again is not None) is found


async def test_an_entry_made_anew_is_listed_and_changed_under_the_old_id(house) -> None:
    gateway = house()
    resource = await known(gateway)
    gateway.fake.entries = {"x9": ANN | {"id": "x9"}}

    listed = await gateway.search(None)
    await gateway.send("patch", PROMOTE, resource.id)

    assert [document["id"] for document in listed.entries] == [resource.id]
    assert gateway.fake.entries["x9"]["title"] == "Boss"
    assert (await find(gateway, resource.id)).links["phonebook"].target_id == "x9"


@pytest.mark.parametrize("there", [True, False], ids=["a double", "removed by us"])
async def test_an_entry_is_nobodys_whose_own_is_there_or_rightly_gone(house, there: bool) -> None:
    gateway = house(on_deactivate="delete")
    resource = await known(gateway)
    if not there:
        await gateway.send("patch", LEAVE, resource.id)
    resource = await find(gateway, resource.id)

    assert await is_made_again(gateway.services, gateway.target, resource, ANN | {"id": "x9"}) is False


@pytest.mark.parametrize(
    ("age", "trust", "calls"),
    [pytest.param(1, 5, [], id="young"), pytest.param(1, 0, [("get", "x9")], id="never trusted")],
)
async def test_an_unknown_entry_is_trusted_as_long_as_is_said(house, age, trust, calls: list[Any]) -> None:
    gateway = house()
    gateway.fake.entries["x9"] = {"id": "x9", "userName": "carl"}
    await load_unknown_entry(gateway.services, gateway.target, USER, "x9", trust=0)
    gateway.fake.calls.clear()
    gateway.clock[0] += age

    assert await load_unknown_entry(gateway.services, gateway.target, USER, "x9", trust) is not None
    assert gateway.fake.calls == calls


async def test_a_targets_id_of_somebody_we_know_by_another_is_of_no_use(house) -> None:
    gateway = house(on_deactivate="delete")
    resource = await known(gateway)
    for active in (False, True):
        await gateway.send(
            "patch", {"Operations": [{"op": "replace", "value": {"active": active}}]}, resource.id
        )

    assert await load_unknown_entry(gateway.services, gateway.target, USER, "t2", 0) is None
    with pytest.raises(NotFound):
        await gateway.get("t2")


def test_nothing_is_protected_unless_it_is_said(house) -> None:
    assert not is_protected(house().target, {"id": "x9"})


@pytest.mark.parametrize("id", ["nobody", "t1"], ids=["unknown", "inactive"])
async def test_a_target_that_is_down_is_busy_where_the_journal_knows_too_little(house, id: str) -> None:
    gateway = house()
    await gateway.send("create", ANN)
    await gateway.send("patch", LEAVE, "t1")
    gateway.clock[0] += 60
    gateway.fake.get_faults = [Unreachable("refused")]

    with pytest.raises(Busy):
        await gateway.send("patch", PROMOTE, id)

    assert await gateway.services.operations.open("phonebook", ()) == ()
