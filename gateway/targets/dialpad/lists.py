"""What Dialpad lists: pages by cursor, the offices that are kept, and everybody page by page."""

import asyncio
import time
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.flow.target_port import Attributes, Contradiction, Page, Query, Refused
from gateway.targets.dialpad.answers import CursorPage
from gateway.targets.dialpad.users import User, id_of
from gateway.values import frozen

LASTS: Final = 60.0  # seconds for which the places of pages are kept after the last was asked for
CLOSED: Final = frozenset({"cancelled", "deleted"})  # of an office's `state`: nobody is put there

ReadPage = Callable[[str], Awaitable[CursorPage]]  # of a cursor


async def by_cursor(read: ReadPage, cursor: str = "") -> AsyncIterator[tuple[str, CursorPage]]:
    """Yield each page from one on, with its cursor; raises Contradiction where they go in a circle."""
    seen = {cursor}
    while True:
        page = await read(cursor)
        yield cursor, page
        if not page.cursor:
            return
        if page.cursor in seen:
            raise Contradiction("its cursor leads back to a page that it has shown")
        seen.add(page.cursor)
        cursor = page.cursor


@frozen
class OfficeList:
    """The offices of a company as they were read: names by id, and ids by name."""

    names: Mapping[str, str] = field(default_factory=dict)  # of all, by id
    exact: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # ids of those that people may be put in
    folded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, name: str | None) -> tuple[str, ...]:
        """Return the ids of the offices of a name, letter for letter, else folded; of all for None."""
        if name is None:
            return tuple(id for ids in self.exact.values() for id in ids)
        return self.exact.get(name) or self.folded.get(_folded(name), ())

    def known(self) -> str:
        """Return the names that somebody may have as officeName."""
        return ", ".join(sorted(self.exact)) or "none, as Dialpad shows no office"


def office_list(offices: Iterable[User]) -> OfficeList:
    """Return offices as they are looked up."""
    names: dict[str, str] = {}
    exact: dict[str, tuple[str, ...]] = {}
    folded: dict[str, tuple[str, ...]] = {}
    for office in offices:
        id, name = id_of(office.get("id")), office.get("name")
        if id is None or not isinstance(name, str):
            continue
        names[id] = name
        if office.get("state") not in CLOSED:
            exact[name] = (*exact.get(name, ()), id)
            folded[_folded(name)] = (*folded.get(_folded(name), ()), id)
    return OfficeList(names, exact, folded)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


class Offices:
    """The offices of a company: read when first needed, and again when one is not among them."""

    def __init__(self, read: ReadPage) -> None:
        self._read = read
        self._known: OfficeList | None = None
        self._strange: set[str] = set()  # ids that people have and no list showed
        self._renewing = asyncio.Lock()

    @property
    def kept(self) -> OfficeList:
        """Return the offices as they were last read; none where they never were."""
        return self._known or OfficeList()

    async def find(self, name: str | None) -> str:
        """Return the id of an office, the only one where no name is said; raises Refused, naming those known.

        What the kept list does not settle is looked for in a new one.
        """
        kept = self._known
        ids = kept.find(name) if kept is not None else ()
        if len(ids) != 1:
            ids = (await self._renewed(kept)).find(name)
        if len(ids) == 1:
            return ids[0]
        says = "needs an officeName" if name is None else "has no such officeName"
        if name is not None and ids:
            says = "has several offices of this officeName"
        raise Refused(f"Dialpad {says}; it has: {self.kept.known()}", 400)

    async def names(self, ids: Iterable[str | None]) -> Mapping[str, str]:
        """Return the names of offices by id, these among them as far as the list has them."""
        kept = self._known
        strange = {id for id in ids if id is not None} - self.kept.names.keys() - self._strange
        if kept is None or strange:
            await self._renewed(kept)
            self._strange |= strange - self.kept.names.keys()
        return self.kept.names

    async def _renewed(self, kept: OfficeList | None) -> OfficeList:
        """Return a newer list than one; who asks at the same time shares it."""
        async with self._renewing:
            return await self.load() if self._known is kept else self.kept

    async def load(self) -> OfficeList:
        """Read all offices anew."""
        items = [item async for _, page in by_cursor(self._read) for item in page.items]
        self._known = office_list(items)
        return self._known


@dataclass(slots=True)
class _Places:
    """Where the pages of a list begin: the cursor by how many people come before it."""

    used: float  # monotonic seconds
    cursors: dict[int, str] = field(default_factory=lambda: {0: ""})
    total: int | None = None

    def before(self, index: int) -> tuple[int, str]:
        """Return the last known place that is not behind the one at `index`, and its cursor."""
        place = max(known for known in self.cursors if known <= index)
        return place, self.cursors[place]


class UserPages:
    """Everybody, as pages by number: Dialpad has cursors, so where each page begins is kept a while."""

    def __init__(
        self,
        read: ReadPage,
        shown: Callable[[Sequence[User]], Awaitable[list[Attributes]]],
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._read = read
        self._shown = shown
        self._clock = clock
        self._places = _Places(clock())

    async def page(self, query: Query) -> Page:
        """Return what was asked for; how many there are is counted by reading all pages, unless it is known.

        For who reads everybody that is one page of Dialpad's, whatever its size.
        """
        places, first = self._placed(query), max(query.start, 1) - 1
        at, begins = places.before(first)
        end, found = first + query.count, list[Attributes]()
        async for cursor, listed in by_cursor(self._read, begins):
            places.cursors[at] = cursor
            people = await self._shown(listed.items)
            found += people[max(first - at, 0) : None if query.rest else max(end - at, 0)]
            at += len(people)
            places.total = at if not listed.cursor else places.total
            if listed.cursor and at not in places.cursors:
                places.cursors[at] = listed.cursor
            if found if query.rest else (places.total is not None and at >= end):
                break
        is_counted = places.total is not None and (not query.rest or at >= places.total)
        return Page(places.total if is_counted and places.total is not None else at, tuple(found), is_counted)

    def _placed(self, query: Query) -> _Places:
        """Return the places of the list that is being read; who begins anew, or comes late, has none."""
        now = self._clock()
        if query.start <= 1 or now - self._places.used > LASTS:
            self._places = _Places(now)
        self._places.used = now
        return self._places
