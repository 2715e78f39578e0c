"""Marks in the journal: of a resource its newest state, leavers first, none lost to what was read before."""

import pytest

from gateway.flow.target_port import ResourceType
from gateway.journal.mirrors import mark

NOW, LATER = "2026-03-01T00:00:00.000000Z", "2026-03-01T01:00:00.000000Z"


def row(id: str, leaves: int = 0, cid: str = "c-1"):
    return ("cx", "User", id, "dialpad", leaves, NOW, cid)


@pytest.fixture
def marked(sqlite):
    """Mark resources, one after the other."""

    async def write(*rows):
        for one in rows:
            await sqlite.database.write(lambda connection, one=one: mark(connection, [one]))

    return write


async def due(sqlite, now=NOW, count=9):
    return await sqlite.mirrors.due("cx", "dialpad", now, count)


async def test_changes_of_one_resource_are_one_mark_under_the_newest_correlation_id(sqlite, marked) -> None:
    await marked(row("1"), row("2"), row("1", cid="c-2"))

    first, second = await due(sqlite)
    assert [(one.id, one.version, one.correlation_id) for one in (first, second)] == [
        ("1", 2, "c-2"),
        ("2", 1, "c-1"),
    ]


async def test_who_leaves_comes_first(sqlite, marked) -> None:
    await marked(row("1"), row("2"), row("3", leaves=1))

    assert [one.id for one in await due(sqlite, count=2)] == ["3", "1"]


@pytest.mark.parametrize("act", ["done", "put_off"])
async def test_news_that_came_while_it_was_told_is_told_as_well(sqlite, marked, act) -> None:
    await marked(row("1"))
    (read,) = await due(sqlite)
    await marked(row("1"))

    if act == "done":
        assert not await sqlite.mirrors.done(read)
    else:
        await sqlite.mirrors.put_off(read, LATER, "refused", refused=True)

    (left,) = await due(sqlite)
    assert (left.version, left.attempts, left.is_refused) == (2, 0, False)


async def test_what_was_put_off_comes_back_at_its_time_and_at_once_where_there_is_news(
    sqlite, marked
) -> None:
    await marked(row("1"), row("2"))
    for one in await due(sqlite):
        await sqlite.mirrors.put_off(one, LATER, "no title", refused=True)
    at_first, counts = await due(sqlite), await sqlite.mirrors.count("cx", "dialpad")
    await marked(row("2"))

    assert (at_first, counts) == ((), (2, 2))
    assert [one.id for one in await due(sqlite)] == ["2"]
    assert [(one.id, one.is_refused) for one in await due(sqlite, LATER)] == [("1", True), ("2", False)]


async def test_a_mark_is_found_by_what_it_is_about_and_by_its_number(sqlite, marked) -> None:
    await marked(row("1"))
    (one,) = await due(sqlite)

    assert await sqlite.mirrors.of("cx", "dialpad", ResourceType.USER, "1") == one
    assert await sqlite.mirrors.of("cx", "dialpad", ResourceType.GROUP, "1") is None
    assert await sqlite.mirrors.numbered(one.n) == one
    assert await sqlite.mirrors.numbered(one.n + 1) is None


async def test_all_that_a_target_waits_for_is_read_page_by_page_due_or_not(sqlite, marked) -> None:
    await marked(row("1"), row("2"), row("3"))
    (one, *_) = await due(sqlite)
    await sqlite.mirrors.put_off(one, LATER, "no title", refused=True)

    first = await sqlite.mirrors.waiting("dialpad", 0, 2)
    rest = await sqlite.mirrors.waiting("dialpad", first[-1].n, 2)

    assert [mark.id for mark in (*first, *rest)] == ["1", "2", "3"]
    assert await sqlite.mirrors.waiting("other", 0, 2) == ()
