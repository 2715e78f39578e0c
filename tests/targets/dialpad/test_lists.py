"""Pages by cursor, the offices that are kept, and everybody by number."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.flow.paging import walk
from gateway.flow.target_port import Contradiction, Page, Query, Refused
from gateway.targets.dialpad.answers import CursorPage
from gateway.targets.dialpad.lists import LASTS, Offices, UserPages


class Listed:
    """Items in pages; the cursor of a page is its number."""

    def __init__(self, *pages: list[Any], circle: bool = False) -> None:
        self.pages = [tuple(page) for page in pages]
        self.circle = circle
        self.read: list[str] = []

    async def __call__(self, cursor: str) -> CursorPage:
        self.read.append(cursor)
        number = int(cursor or 0)
        last = number + 1 >= len(self.pages)
        return CursorPage(self.pages[number], ("1" if self.circle else "") if last else str(number + 1))


def office(id: int, name: str, state: str = "active") -> dict[str, Any]:
    return {"id": str(id), "name": name, "state": state}


COMPANY = [
    [office(1, "London"), office(2, "LONDON")],
    [office(3, "フージー　ボール, Inc"), office(4, "Oslo")],
]


@pytest.mark.parametrize(
    ("name", "id"),
    [
        pytest.param("London", "1", id="letter for letter"),
        pytest.param("LONDON", "2", id="letter for letter before any case"),
        pytest.param("oslo", "4", id="in another case"),
        pytest.param("Ｏｓｌｏ", "4", id="in another width"),
        pytest.param("フージー ボール, Inc", "3", id="with a narrow space, on a later page"),
    ],
)
async def test_an_office_is_found_by_its_name(name: str, id: str) -> None:
    listed = Listed(*COMPANY)
    offices = Offices(listed)

    assert [await offices.find(name), await offices.find(name)] == [id, id]
    assert listed.read == ["", "1"]


@pytest.mark.parametrize(
    ("company", "name", "reason"),
    [
        pytest.param(
            COMPANY, "Paris", "has no such officeName; it has: LONDON, London, Oslo, ", id="unknown"
        ),
        pytest.param(COMPANY, "london", "has several offices of this officeName", id="two by any case"),
        pytest.param(COMPANY, None, "needs an officeName; it has: LONDON, London, Oslo, ", id="none said"),
        pytest.param([[office(1, "Rome", "deleted")]], "Rome", "it has: none, as Dialpad", id="closed"),
        pytest.param([[]], None, "needs an officeName; it has: none", id="no office at all"),
        pytest.param([[office(1, "A"), office(2, "A")]], "A", "has several offices", id="two of one name"),
    ],
)
async def test_an_office_that_cannot_be_told_is_refused_with_those_that_are_known(
    company: Any, name: str | None, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        await Offices(Listed(*company)).find(name)

    assert reason in refused.value.reason
    assert "Paris" not in refused.value.reason


async def test_the_only_office_needs_no_name() -> None:
    assert await Offices(Listed([office(7, "Oslo"), office(8, "Rome", "cancelled")])).find(None) == "7"


async def test_the_list_is_read_again_when_a_name_is_new_and_only_then() -> None:
    listed = Listed([office(1, "London")])
    offices = Offices(listed)
    await offices.find("London")
    listed.pages = [(office(1, "London"), office(2, "Oslo"))]

    assert [await offices.find("London"), await offices.find("Oslo"), await offices.find("Oslo")] == [
        "1",
        "2",
        "2",
    ]
    assert listed.read == ["", ""]


async def test_an_office_of_no_list_is_looked_for_once() -> None:
    listed = Listed([office(1, "London")])
    offices = Offices(listed)

    for _ in range(3):
        assert await offices.names(["1", "99", None]) == {"1": "London"}
    assert listed.read == [""]

    listed.pages = [(office(1, "London"), office(100, "Oslo"))]
    assert (await offices.names(["99", "100"]))["100"] == "Oslo"
    await offices.names(["99"])
    assert listed.read == ["", ""]


def people(*numbers: int) -> list[dict[str, str]]:
    return [{"id": str(number)} for number in numbers]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pages_of(listed: Listed, clock: Clock | None = None) -> UserPages:
    async def shown(users: Any) -> list[Any]:
        return [user for user in users if int(user["id"]) > 0]  # the others are deleted

    return UserPages(listed, shown, clock or Clock())


THREE = (people(1, 2, 3), people(-1), people(4, -2, 5), people(6))


def ids(page: Page) -> list[int]:
    return [int(entry["id"]) for entry in page.entries]


@pytest.mark.parametrize(
    ("start", "count", "shown"),
    [(1, 2, [1, 2]), (3, 3, [3, 4, 5]), (6, 5, [6]), (7, 5, []), (1, 0, []), (2, 100, [2, 3, 4, 5, 6])],
)
async def test_a_page_by_number_is_cut_from_pages_by_cursor_and_all_are_counted(start, count, shown) -> None:
    page = await pages_of(Listed(*THREE)).page(Query(start=start, count=count))

    assert (ids(page), page.total, page.counted) == (shown, 6, True)


async def test_a_later_page_is_read_where_it_begins() -> None:
    listed = Listed(*THREE)
    pages = pages_of(listed)
    await pages.page(Query(count=3))
    listed.read.clear()

    assert ids(await pages.page(Query(start=4, count=2))) == [4, 5]
    assert listed.read == ["2"]


async def test_who_begins_anew_or_comes_late_counts_anew() -> None:
    listed, clock = Listed(*THREE), Clock()
    pages = pages_of(listed, clock)
    await pages.page(Query(count=3))
    listed.pages.append(tuple(people(7)))

    assert (await pages.page(Query(start=4, count=1))).total == 6
    clock.now += LASTS + 1
    assert (await pages.page(Query(start=4, count=1))).total == 7
    assert (await pages.page(Query(count=1))).total == 7


async def test_everybody_is_walked_page_by_page_each_read_once() -> None:
    listed = Listed(*THREE)

    walked = [ids(Page(0, some)) async for some in walk(pages_of(listed).page, 100)]

    assert walked == [[1, 2, 3], [4, 5], [6]]
    assert listed.read == ["", "1", "2", "3"]


async def test_an_empty_company_has_nobody() -> None:
    assert await pages_of(Listed([])).page(Query()) == Page(0, ())


async def everybody(pages: UserPages) -> Any:
    return [some async for some in walk(pages.page, 100)]


@pytest.mark.parametrize(
    "read",
    [pytest.param(lambda pages: pages.page(Query()), id="a page"), pytest.param(everybody, id="everybody")],
)
async def test_a_cursor_that_repeats_is_a_contradiction(read: Callable[[UserPages], Any]) -> None:
    with pytest.raises(Contradiction):
        await read(pages_of(Listed(*THREE, circle=True)))
