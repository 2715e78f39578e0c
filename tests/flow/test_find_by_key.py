"""Finding an entry by what it is known by."""

from typing import Any

import pytest

from gateway.errors import Uniqueness
from gateway.flow.find import eq, search_entry
from gateway.flow.target_port import CannotFilter, Contradiction, Page, Query, ResourceType
from tests.support.house import FakeTarget, House, make_house

USER = ResourceType.USER
FORM = {"userName": "Ann", "externalId": "1"}


class Blind(FakeTarget):
    """Cannot filter."""

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if query.filter is not None:
            raise CannotFilter("no", 400)
        return await super().query(kind, query)


class Deaf(FakeTarget):
    """Ignores filters."""

    async def query(self, kind: ResourceType, query: Query) -> Page:
        return await super().query(kind, Query(None, query.start, 100))


def before(fake: type[FakeTarget], *entries: dict[str, Any]) -> House:
    return make_house(fake=fake({entry["id"]: entry for entry in entries}), page_size=2)


async def search(house: House, form: dict[str, Any], kind: ResourceType = USER) -> Any:
    return await search_entry(house.services, house.target, kind, form)


def person(id: str, name: str, external: Any = None) -> dict[str, Any]:
    return {"id": id, "userName": name} | ({} if external is None else {"externalId": external})


OTHERS = [person(f"o{n}", f"other{n}") for n in range(5)]


@pytest.mark.parametrize("fake", [FakeTarget, Blind, Deaf])
@pytest.mark.parametrize(
    ("entries", "found"),
    [
        pytest.param([], None, id="nobody"),
        pytest.param([person("a", "ANN")], "a", id="by name in any case"),
        pytest.param([person("a", "other", "1")], "a", id="by externalId"),
        pytest.param([person("a", "ann"), person("b", "x", "1")], "b", id="externalId beats the name"),
        pytest.param([person("a", "ann", "2")], "a", id="the name, whoever has it"),
        pytest.param([person("a", "annie", "11")], None, id="nobody like that"),
        pytest.param([{"id": "a", "externalId": "11"}], None, id="an entry without a name"),
    ],
)
async def test_the_entry_is_found_by_what_it_is_known_by(fake, entries: list[Any], found: str | None) -> None:
    entry = await search(before(fake, *OTHERS, *entries), FORM)

    assert (entry and entry["id"]) == found


@pytest.mark.parametrize("fake", [FakeTarget, Blind, Deaf])
@pytest.mark.parametrize(
    ("entries", "says"),
    [
        pytest.param([person("a", "x", "1"), person("b", "y", "1")], "externalId", id="the externalId"),
        pytest.param([person("a", "ann"), person("b", "ANN")], "userName", id="the name"),
    ],
)
async def test_one_of_several_is_never_guessed(fake, entries: list[Any], says: str) -> None:
    with pytest.raises(Uniqueness, match=f"phonebook holds several entries with the same {says}"):
        await search(before(fake, *entries), FORM)


async def test_what_is_not_there_is_not_asked_for() -> None:
    there = before(FakeTarget)

    assert await search(there, {"externalId": "", "userName": None}) is None
    assert there.fake.calls == []


async def test_a_group_is_found_by_its_display_name() -> None:
    there = before(FakeTarget)
    there.fake.groups["g"] = sales = {"id": "g", "displayName": "Sales"}

    assert await search(there, {"displayName": "SALES", "userName": "x"}, ResourceType.GROUP) == sales


async def test_a_search_that_was_shown_less_than_there_is_said_to_be_finds_nobody_absent() -> None:
    class Short(Blind):
        async def query(self, kind: ResourceType, query: Query) -> Page:
            page = await super().query(kind, query)
            return Page(99, page.entries)

    there = before(Short, *OTHERS)

    with pytest.raises(Contradiction, match="it says that it has 99 entries, and shows 5"):
        await search(there, {"userName": "ann"})
    assert len(there.fake.calls) == 4


def test_a_question_is_an_equality() -> None:
    assert str(eq("userName", "ann")) == 'userName eq "ann"'
