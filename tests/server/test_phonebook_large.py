"""A phone book of many people: in little memory, and nobody else waits while it is made and read."""

import asyncio
import gc
import threading
import time
import tracemalloc
from asyncio.events import Handle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.flow.model import Target
from gateway.flow.target_port import Attributes, Page, Query, ResourceType
from gateway.mapping.target import TargetMapping
from gateway.phonebook import people
from gateway.phonebook.formats import FORMATS
from gateway.phonebook.people import collation
from gateway.server import editions, phonebook
from gateway.server.editions import Book, Shelf
from gateway.server.phonebook import Question

pytestmark = [pytest.mark.long, pytest.mark.no_cover]  # counting lines takes as long as running them


class Crowd:
    """A target with so many people, made as they are asked for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.largest = 0

    async def query(self, kind: ResourceType, query: Query) -> Page:
        self.largest = max(self.largest, query.count)
        numbers = range(query.start - 1, min(self.size, query.start - 1 + query.count))
        return Page(self.size, tuple(map(self._entry, numbers)))

    def _entry(self, number: int) -> Attributes:
        name = f"Åse {number * 7919 % self.size:06}"
        work = {"type": "work", "value": f"+442{number:09}"}
        home = {"type": "home", "value": f"+447{number:09}"}
        return {
            "id": str(number),
            "userName": f"u{number}",
            "displayName": name,
            "phoneNumbers": [work, home],
        }


class Clock:
    """What a shelf is given of the services."""

    monotonic = staticmethod(time.monotonic)


def shelf_of(crowd: Crowd, folder: Path) -> Shelf:
    target: Any = Target("crowd", crowd, TargetMapping())  # type: ignore[arg-type]
    book = Book("desk", target, FORMATS["yealink"], "Desk", collation("sv"), "name", trust=3600.0)
    services: Any = Clock
    return Shelf(book, services, folder)


async def read_all(shelf: Shelf) -> int:
    """Make it and read it, and return how many entries there are; they are in order."""
    edition, count, last = await shelf.edition(soon=False), 0, ""
    async for entries in phonebook._entries(shelf.book, edition, Question()):
        count += len(entries)
        assert last <= entries[0]
        last = entries[-1]
    return count


async def peak(size: int, folder: Path) -> int:
    """Return the bytes that a phone book of so many people takes at most."""
    tracemalloc.start()
    try:
        assert await read_all(shelf_of(Crowd(size), folder)) == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_four_times_the_people_take_little_more_memory(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(editions, "RUN", 100)
    monkeypatch.setattr(people, "RUN", 100)
    await peak(100, tmp_path)

    few, many = await peak(500, tmp_path), await peak(2000, tmp_path)

    # what is kept: a mark against pages that repeat, and 16 bytes a number; a row alone would be 300
    assert (many - few) / 1500 < 200
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The processor time of each step of this loop, in seconds; what other tests left is not collected."""
    taken: list[float] = []
    run: Callable[[Handle], None] = Handle._run
    thread = threading.get_ident()

    def watched(handle: Handle) -> None:
        begun = time.thread_time()
        run(handle)
        if threading.get_ident() == thread:
            taken.append(time.thread_time() - begun)

    monkeypatch.setattr(Handle, "_run", watched)
    gc.freeze()
    yield taken
    gc.unfreeze()


async def test_nobody_else_waits_while_a_phone_book_is_made_and_read(tmp_path, steps) -> None:
    crowd = Crowd(5000)

    assert await read_all(shelf_of(crowd, tmp_path)) == 5000

    assert max(steps) < 0.15
    assert crowd.largest == 100


async def test_a_hundred_thousand_people_are_read_and_a_caller_is_found_among_them(tmp_path, steps) -> None:
    shelf = shelf_of(Crowd(100_000), tmp_path)

    assert await read_all(shelf) == 100_000

    edition = await shelf.edition(soon=True)
    async with asyncio.timeout(5):
        asked = Question(number="+442000050000")
        (found,) = [entries async for entries in phonebook._entries(shelf.book, edition, asked)]
    assert len(found) == 1
    assert max(steps) < 0.15
