"""Entries that the target's administrator makes again or protects, and numbers kept for leavers."""

from typing import Any

import pytest

from gateway.errors import NotFound
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from tests.support.rules import make_rule

ANN: dict[str, Any] = {"userName": "ann@example.com", "externalId": "00u1", "title": "Agent"}


async def made_again(gateway: Any) -> str:
    """Create Ann, and have the administrator replace her entry by another; return her id."""
    id = (await gateway.send("create", ANN)).document["id"]
    entry = gateway.fake.entries.pop("t1")
    gateway.fake.entries["t9"] = entry | {"id": "t9"}
    gateway.clock[0] += 60.0
    return id


@pytest.mark.parametrize("filter", ['userName eq "ANN@example.com"', 'externalId eq "00u1"', None])
async def test_somebody_made_again_is_found_by_the_id_they_had(house, filter: str | None) -> None:
    gateway = house()
    id = await made_again(gateway)

    page = await gateway.search(filter)

    assert [found["id"] for found in page.entries] == [id]
    assert page.entries[0] == await gateway.get(id)


async def test_somebody_else_of_that_name_is_not_taken_for_them(house) -> None:
    gateway = house()
    id = await made_again(gateway)
    gateway.fake.entries["t9"]["externalId"] = "00u7"

    page = await gateway.search('userName eq "ann@example.com"')

    assert id != "t9"
    assert [found["id"] for found in page.entries] == ["t9"]


async def test_an_entry_made_again_is_removed_with_the_person(house) -> None:
    gateway = house()
    id = await made_again(gateway)

    await gateway.send("delete", None, id)

    assert gateway.fake.entries == {}


async def test_a_protected_entry_is_not_removed(house) -> None:
    gateway = house(protect=lambda entry: entry.get("title") == "Director")
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | {"title": "Director"}
    gateway.clock[0] += 60.0

    with pytest.raises(NotFound, match="protect"):
        await gateway.send("delete", None, id)

    assert list(gateway.fake.entries) == ["t1"]


def phoned(number: str | None, **more: Any) -> dict[str, Any]:
    phones = [] if number is None else [{"type": "work", "value": number}]
    return ANN | {"phoneNumbers": phones} | more


async def test_a_number_kept_for_a_leaver_is_cleared_once_they_have_none(house) -> None:
    phone = make_rule("phoneNumbers.value", via=[compile_transform("phone", {})])
    gateway = house(TargetMapping([phone], region="GB"))
    id = (await gateway.send("create", phoned("020 7946 0123"))).document["id"]

    await gateway.send("replace", phoned("none", active=False), id)
    assert gateway.fake.entries["t1"]["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]

    await gateway.send("replace", phoned(None, active=False), id)
    assert "phoneNumbers" not in gateway.fake.entries["t1"]


async def test_one_bad_number_of_a_leaver_does_not_hold_back_the_others(house) -> None:
    phone = make_rule("phoneNumbers.value", via=[compile_transform("phone", {})])
    gateway = house(TargetMapping([phone], region="GB"))
    id = (await gateway.send("create", phoned("020 7946 0123"))).document["id"]
    numbers = [{"type": "work", "value": "none"}, {"type": "mobile", "value": "07400 123456"}]

    await gateway.send("replace", ANN | {"phoneNumbers": numbers, "active": False}, id)

    held = {phone["type"]: phone["value"] for phone in gateway.fake.entries["t1"]["phoneNumbers"]}
    assert held == {"work": "+442079460123", "mobile": "+447400123456"}
