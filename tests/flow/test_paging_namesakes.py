"""Whom a target's rules make alike are still told apart by what the provider calls them."""

from typing import Any

import pytest

from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from tests.support.rules import make_rule

DIGITS = TargetMapping([make_rule("externalId", via=[compile_transform("digits", {})])])


def person(name: str, number: str) -> dict[str, Any]:
    return {"userName": name, "externalId": number}


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        pytest.param('externalId eq "A1"', ["ann"], id="the one"),
        pytest.param('externalId eq "B1"', ["bob"], id="the other"),
        pytest.param('externalId eq "C1"', [], id="neither"),
        pytest.param('externalId eq "B1" and userName eq "BOB"', ["bob"], id="by two names"),
    ],
)
async def test_who_is_asked_for_by_name_is_not_whom_a_rule_makes_the_same(house, filter, names) -> None:
    gateway = house(DIGITS)
    for one in (person("ann", "A1"), person("bob", "B1")):
        await gateway.send("create", one)

    page = await gateway.search(filter)

    assert (page.total, [found["userName"] for found in page.entries]) == (len(names), names)


async def test_a_stranger_is_found_by_what_the_target_would_get(house) -> None:
    gateway = house(DIGITS)
    gateway.fake.entries["7"] = {"id": "7", **person("eve", "1")}

    assert (await gateway.search('externalId eq "E1"')).total == 1


async def test_somebody_renamed_at_the_target_is_found_by_the_name_there(house) -> None:
    gateway = house(DIGITS)
    await gateway.send("create", person("ann", "A1"))
    ((id, entry),) = gateway.fake.entries.items()
    gateway.fake.entries[id] = entry | {"externalId": "2"}

    assert [(await gateway.search(f'externalId eq "{name}"')).total for name in ("A1", "2")] == [0, 1]
