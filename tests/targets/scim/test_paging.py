"""Pages of services that page wrongly are right, or refused; nobody is left out in silence."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.flow.paging import walk
from gateway.flow.target_port import Contradiction, Page, Query, Refused
from gateway.targets.scim.answers import ListAnswer
from gateway.targets.scim.paging import Lists
from tests.support.lesser import TOTALS, Paging


class Service:
    """A list in memory that pages as it does, and writes down what it was asked."""

    def __init__(self, people: int, paging: Paging, *, refuses_behind: bool = False) -> None:
        self.people = [{"id": f"p{n}"} for n in range(1, people + 1)]
        self.asked: list[tuple[int, int]] = []
        self.noted: list[str] = []
        self._paging = paging
        self._refuses_behind = refuses_behind

    async def read(self, query: Query) -> ListAnswer:
        self.asked.append((query.start, query.count))
        if self._refuses_behind and query.start > len(self.people):
            raise Refused("no such page", 400)
        total, shown = self._paging.page(self.people, query.start, query.count)
        return ListAnswer(total, tuple(shown))

    def lists(self, totals: bool | None = None) -> Lists:
        return Lists(self.read, lambda lack: self.noted.append(lack.name), totals)


async def everybody(lists: Lists, size: int) -> list[str]:
    return [entry["id"] async for entries in walk(lists.page, size) for entry in entries]


def ids(page: Page) -> list[str]:
    return [entry["id"] for entry in page.entries]


PAGINGS = st.builds(
    Paging,
    most=st.sampled_from([2, 3, 5, 1000]),
    starts=st.booleans(),
    counts=st.booleans(),
    totals=st.sampled_from(list(TOTALS)),
    last=st.sampled_from([4, 1000]),
)


def is_hopeless(paging: Paging) -> bool:
    """Say whether nothing tells that there are more: the same few come always, as if they were all."""
    lies = paging.totals not in ("true", "too high")
    return paging.most < 1000 and not paging.starts and lies


@settings(max_examples=100)
@given(people=st.integers(0, 12), size=st.integers(1, 7), paging=PAGINGS)
async def test_who_reads_everybody_meets_each_once_or_is_told_why_not(people, size, paging):
    assume(not is_hopeless(paging))
    service = Service(people, paging)
    met: list[str] | None = None

    try:
        met = await everybody(service.lists(), size)
    except Contradiction as error:
        assert error.reason.startswith(("it", "on its"))  # noqa: PT017 - silence alone is wrong

    assert met is None or met == [entry["id"] for entry in service.people]
    assert len(service.asked) < 60


@settings(max_examples=100)
@given(people=st.integers(0, 12), start=st.integers(1, 9), count=st.integers(0, 7), paging=PAGINGS)
async def test_a_page_is_right_or_said_not_to_be_counted_or_refused(people, start, count, paging):
    paging = replace(paging, last=1000)  # that a page comes again, only who reads everybody can see
    assume(not is_hopeless(paging))
    service = Service(people, paging)
    wanted = [entry["id"] for entry in service.people][start - 1 : start - 1 + count]
    page = Page(0, (), counted=False)

    try:
        page = await service.lists().page(Query(None, start, count))
    except Contradiction as error:
        assert error.reason.startswith(("it", "on its"))  # noqa: PT017 - silence alone is wrong

    assert len(page.entries) <= count
    if page.counted and (paging.totals == "true" or start == 1):
        assert ids(page) == wanted
    if page.counted and paging.totals in ("true", "missing", "of the page"):
        assert page.total == people


@pytest.mark.parametrize(
    ("people", "queries", "calls"),
    [
        pytest.param(50, [Query(count=2)], 1, id="a few of many"),
        pytest.param(1, [Query(count=100)], 1, id="the one who is asked for"),
        pytest.param(0, [Query(count=100)], 1, id="nobody"),
        pytest.param(9, [Query(count=100)] * 2, 3, id="all, and once what is behind them"),
        pytest.param(9, [Query(start=4, count=3)] * 2, 3, id="a later page, and once the first"),
        pytest.param(9, [Query(start=10, count=3)] * 2, 2, id="behind the last"),
        pytest.param(9, [Query(count=0)], 1, id="how many there are"),
    ],
)
async def test_a_service_that_pages_well_is_looked_at_once(people, queries, calls):
    service = Service(people, Paging())
    lists = service.lists()

    for query in queries:
        assert (await lists.page(query)).total == people

    assert (len(service.asked), service.noted) == (calls, [])


@pytest.mark.parametrize(
    ("paging", "noted"),
    [
        pytest.param(Paging(most=4), {"pages"}, id="short pages"),
        pytest.param(Paging(counts=False), {"count"}, id="all that are left"),
        pytest.param(Paging(starts=False), {"startIndex"}, id="the first ones again"),
        pytest.param(Paging(starts=False, counts=False), {"count", "startIndex"}, id="all at once"),
        pytest.param(Paging(totals="missing"), {"totalResults"}, id="no totals"),
        pytest.param(Paging(most=4, totals="of the page"), {"totalResults"}, id="totals of the page"),
    ],
)
async def test_what_is_made_good_is_noted(paging, noted):
    service = Service(12, paging)
    lists = service.lists()

    for start in (1, 6, 11):
        await lists.page(Query(None, start, 5))

    assert set(service.noted) == noted


@pytest.mark.parametrize("totals", ["true", "of the page"])
async def test_a_page_behind_the_last_that_is_refused_is_none(totals):
    service = Service(7, Paging(totals=totals), refuses_behind=True)

    assert await everybody(service.lists(), 100) == [entry["id"] for entry in service.people]


async def test_who_comes_while_the_last_page_is_looked_behind_makes_nobody_a_liar():
    class Growing(Service):
        async def read(self, query: Query) -> ListAnswer:
            if query.start == 3:
                self.people.append({"id": "new"})
            return await super().read(query)

    service = Growing(2, Paging())
    lists = service.lists()

    assert not (await lists.page(Query(count=100))).counted
    assert (await lists.page(Query(count=1))).total == 3
    assert service.noted == []


async def test_who_goes_while_pages_are_put_together_is_not_missed():
    class Shrinking(Service):
        async def read(self, query: Query) -> ListAnswer:
            if query.start == 3:
                del self.people[2:]
            return await super().read(query)

    service = Shrinking(4, Paging(most=2))

    page = await service.lists().page(Query(count=4))

    assert (page.total, ids(page)) == (2, ["p1", "p2"])


@pytest.mark.parametrize(
    ("paging", "says"),
    [
        pytest.param(Paging(totals="too high"), "it says that it has|its list ends after", id="too few"),
        pytest.param(Paging(totals="missing", last=6), "on its next page", id="a page again"),
        pytest.param(Paging(totals="of the page", last=6), "on its next page", id="again, of so many"),
        pytest.param(Paging(most=4, starts=False), "it ignores startIndex", id="always the same few"),
        pytest.param(Paging(starts=False, totals="of the page"), "it ignores startIndex", id="and no more"),
        pytest.param(Paging(3, False, totals="of the page"), "it ignores startIndex", id="few, and no more"),
    ],
)
async def test_a_service_that_contradicts_itself_is_not_believed_the_next_time_either(paging, says):
    lists = Service(12, paging).lists()
    for _ in range(2):
        with pytest.raises(Contradiction, match=says):
            await everybody(lists, 5)


async def test_the_last_entry_may_come_again_where_totals_are_believed():
    service = Service(7, Paging(last=7))
    lists = service.lists()

    assert (await lists.page(Query(count=2))).total == 7
    assert await everybody(lists, 100) == [entry["id"] for entry in service.people]


async def test_a_list_that_is_empty_by_now_tells_nothing_of_later_pages():
    class Leaving(Service):
        async def read(self, query: Query) -> ListAnswer:
            listing = await super().read(query)
            self.people.clear()
            return listing

    service = Leaving(5, Paging())

    assert ids(await service.lists().page(Query(start=3, count=1))) == ["p3"]
