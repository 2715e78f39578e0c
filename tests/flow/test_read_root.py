"""A query for resources of every type."""

from typing import Any

import pytest

from gateway.errors import InvalidFilter
from gateway.flow.model import ReadQuery
from gateway.flow.read import Reads, query_all
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Page
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import parse_filter
from tests.support.house import House, without_groups
from tests.support.rules import make_rule


async def staffed(house: Any, mapping: TargetMapping | None = None) -> House:
    gateway: House = house(mapping)
    for name in ("ann", "bob"):
        await gateway.send("create", {"userName": name, "displayName": name, "accounts": "x"})
    for name in ("Sales", "ann"):
        await gateway.group("create", {"displayName": name})
    gateway.fake.calls.clear()
    return gateway


async def asked(gateway: House, text: str | None = None, **window: int) -> Page:
    reads = Reads(gateway.services, Recovery(gateway.services))
    question = ReadQuery(parse_filter(text) if text else None, **window)
    return await query_all(reads, gateway.target, question)


def names(page: Page) -> list[str]:
    return [document.get("userName", document.get("displayName")) for document in page.entries]


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        (1, 100, ["ann", "bob", "Sales", "ann"]),
        (2, 2, ["bob", "Sales"]),
        (1, 2, ["ann", "bob"]),
        (4, 5, ["ann"]),
        (5, 5, []),
        (1, 0, []),
    ],
)
async def test_people_come_before_groups_in_one_numbering(house, start, count, expected) -> None:
    page = await asked(await staffed(house), start=start, count=count)

    assert (names(page), page.total) == (expected, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('displayName eq "ann"', ["ann", "ann"]),
        ('userName eq "ann"', ["ann"]),
        ('userName eq "bob" or displayName eq "sales"', ["bob", "Sales"]),
        ('meta.resourceType eq "Group"', ["Sales", "ann"]),
        ("not (userName pr)", ["Sales", "ann"]),
        ('userName eq "sales"', []),
    ],
)
async def test_a_filter_finds_what_it_means_of_every_type(house, text: str, expected: list[str]) -> None:
    page = await asked(await staffed(house), text)

    assert (names(page), page.total) == (expected, len(expected))


async def test_a_type_is_not_asked_for_what_it_cannot_have(house) -> None:
    gateway = await staffed(house)

    await asked(gateway, 'userName eq "ann"')

    assert [call for call in gateway.fake.calls if call[0] == "query"] == [("query", 'userName eq "ann"')]


async def test_what_only_a_rule_knows_is_absent_from_groups(house) -> None:
    gateway = await staffed(house, TargetMapping([make_rule("accounts")]))

    assert names(await asked(gateway, 'accounts eq "x" and displayName eq "ann"')) == ["ann"]
    with pytest.raises(InvalidFilter, match="licence"):
        await asked(gateway, "licence pr or userName pr")


async def test_a_target_without_groups_lists_its_people(house) -> None:
    gateway = without_groups(await staffed(house))

    assert names(await asked(gateway)) == ["ann", "bob"]
