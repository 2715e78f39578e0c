"""In which order people are listed where the target sorts, and where only we know what to sort by."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.flow.model import ReadQuery
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Page, Query, ResourceType
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.filters import parse_sort, rank
from gateway.scim.grammar import parse_filter
from tests.support.house import FakeTarget, House
from tests.support.rules import make_rule

TABLE = compile_transform({"name": "map", "table": {"CSR": "Agent", "BOSS": "Zar"}, "otherwise": "keep"}, {})
TITLES = TargetMapping([make_rule("title", via=[TABLE])])
PEOPLE = [("bob", "BOSS"), ("Ann", "Chef"), ("eve", None), ("cat", "CSR")]


class Sorting(FakeTarget):
    """A target that puts entries in order."""

    async def query(self, kind: ResourceType, query: Query) -> Page:
        self.calls.append(("sort", query.sort and str(query.sort.by)))
        if query.sort is not None:
            key = rank(query.sort, kind)
            ordered = sorted(
                self.entries.items(), key=lambda item: key(item[1]), reverse=query.sort.descending
            )
            self.entries = dict(ordered)
        return await super().query(kind, query)


async def staffed(house: Any, mapping: TargetMapping | None = None, **policy: Any) -> House:
    gateway: House = house(mapping, Sorting(), **policy)
    for name, title in PEOPLE:
        await gateway.send("create", {"userName": name, **({"title": title} if title else {})})
    gateway.fake.calls.clear()
    return replace(gateway, target=replace(gateway.target, sorts=True))


async def listed(gateway: House, by: str, order: str = "", text: str | None = None, **window: int) -> Page:
    filter = parse_filter(text) if text else None
    question = ReadQuery(filter, sort=parse_sort(by, order), **window)
    reads = Reads(gateway.services, Recovery(gateway.services))
    return await reads.query(gateway.target, ResourceType.USER, question)


def names(page: Page) -> list[str]:
    return [document["userName"] for document in page.entries]


async def test_the_target_sorts_what_it_has_as_we_show_it(house) -> None:
    gateway = await staffed(house)

    page = await listed(gateway, "userName", start=2, count=2)

    assert (names(page), page.total) == (["bob", "cat"], 4)
    assert ("sort", "userName") in gateway.fake.calls


@pytest.mark.parametrize(
    ("order", "expected"),
    [("ascending", ["bob", "Ann", "cat", "eve"]), ("descending", ["eve", "cat", "Ann", "bob"])],
)
async def test_what_a_rule_changes_is_sorted_as_the_provider_knows_it(house, order, expected) -> None:
    gateway = await staffed(house, TITLES, page_size=3)

    page = await listed(gateway, "title", order, count=3)

    assert (names(page), page.total) == (expected[:3], 4)
    assert names(await listed(gateway, "title", order, start=4)) == expected[3:]
    assert {sort for name, sort in gateway.fake.calls if name == "sort"} == {None}


async def test_what_is_ours_is_sorted_here(house) -> None:
    gateway = await staffed(house)

    assert names(await listed(gateway, "id", "descending")) == ["cat", "eve", "Ann", "bob"]


@pytest.mark.parametrize(("by", "expected"), [("userName", ["bob", "Ann"]), ("title", ["Ann", "bob"])])
async def test_what_a_filter_finds_is_sorted_too(house, by: str, expected: list[str]) -> None:
    gateway = await staffed(house, TITLES)

    page = await listed(gateway, by, "descending", 'title eq "BOSS" or userName eq "ann"')

    assert names(page) == expected


async def test_the_removed_stand_where_they_belong(house) -> None:
    gateway = await staffed(house, on_deactivate="delete")
    for name in ("zed", "mia", "abe"):
        person = {"userName": name, "emails": [{"value": "all@x"}], "active": name != "mia"}
        await gateway.send("create", person)

    page = await listed(gateway, "userName", text='emails eq "all@x"', start=2, count=1)

    assert (names(page), page.total) == (["mia"], 3)


async def test_an_order_is_ignored_where_the_target_does_not_sort(house) -> None:
    gateway = await staffed(house, TITLES)
    gateway = replace(gateway, target=replace(gateway.target, sorts=False))

    assert names(await listed(gateway, "title")) == [name for name, _ in PEOPLE]
