"""Pages of a service that may page wrongly, made right, or refused where the service contradicts itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from gateway.flow.paging import SHOWS_AGAIN
from gateway.flow.target_port import Attributes, CannotFilter, Contradiction, Page, Query, Refused
from gateway.targets.scim.abilities import NO_COUNT, NO_START, NO_TOTALS, SHORT_PAGES, Lack
from gateway.targets.scim.answers import ListAnswer

ENDS_EARLY: Final = "its list ends after {} of {} entries: if its totalResults are wrong, set `totals`"
BEGINS_ANEW: Final = "it ignores startIndex, and does not show all of its list at once"


class Lists:
    """The lists of one type of resource; what answers tell of the service's habits is remembered."""

    def __init__(
        self,
        read: Callable[[Query], Awaitable[ListAnswer]],
        note: Callable[[Lack], None],
        totals: bool | None = None,  # whether totalResults are believed; None: not seen yet
    ) -> None:
        self._read = read
        self._note = note
        self._totals = totals
        self._starts: bool | None = None  # whether startIndex is heeded; None: not seen yet
        self._counts = True  # whether count is heeded, as far as was seen

    async def page(self, query: Query) -> Page:
        """Return what was asked for; raises Contradiction where the service contradicts itself."""
        found = await self._ask(query)
        if query.start > 1 and found.entries and not await self._heeds_start(query, found):
            found = await self._from_the_first(query)
        elif not query.rest:
            found = await self._filled(query, found)
        total = await self._total(query, found)
        entries = found.entries if query.rest else found.entries[: query.count]
        return Page(_reached(query, found) if total is None else total, entries, total is not None)

    async def _ask(self, query: Query) -> ListAnswer:
        found = await self._read(query)
        if len(found.entries) > query.count:
            self._counts = False
            self._note(NO_COUNT)
        if found.total is None:
            self._note(NO_TOTALS)
        return replace(found, total=None) if self._totals is False else found

    async def _heeds_start(self, query: Query, found: ListAnswer) -> bool:
        """Say whether a later page is another one than the first; that is looked at once."""
        if self._starts is None:
            first = await self._ask(replace(query, start=1, count=1))
            if not first.entries:
                return True
            self._heeds(first.entries[0]["id"] != found.entries[0]["id"])
        return self._starts is not False

    async def _from_the_first(self, query: Query) -> ListAnswer:
        """Return what comes from `start` on, cut from a page of all that comes before it, too."""
        wanted = query.start - 1 + query.count
        whole = await self._ask(replace(query, start=1, count=wanted))
        shown = len(whole.entries)
        if whole.total is None and not self._counts:  # all of it comes, whatever is asked for
            return ListAnswer(shown, whole.entries[query.start - 1 :])
        if shown < min(wanted, wanted if whole.total is None else whole.total):
            raise Contradiction(BEGINS_ANEW)
        return ListAnswer(whole.total, whole.entries[query.start - 1 :])

    async def _filled(self, query: Query, found: ListAnswer) -> ListAnswer:
        """Return a page as long as was asked for, where there is so much."""
        while 0 < len(found.entries) < query.count and _reached(query, found) < (found.total or 0):
            start, count = _reached(query, found) + 1, query.count - len(found.entries)
            more = await self._ask(replace(query, start=start, count=count))
            if not more.entries:
                _refuse_early_end(start - 1, more.total)
                return ListAnswer(more.total, found.entries)
            shown = _ids(found.entries)
            news = tuple(entry for entry in more.entries if entry["id"] not in shown)
            if not news:
                raise Contradiction(SHOWS_AGAIN)
            self._note(SHORT_PAGES)
            found = ListAnswer(more.total, (*found.entries, *news))
        return found

    async def _total(self, query: Query, found: ListAnswer) -> int | None:
        """Return how many there are in all; None where only who reads everybody can tell."""
        total, reached = found.total, _reached(query, found)
        if not found.entries:
            return self._total_of_nothing(query, total)
        if total is not None and total > reached:
            self._believe()
            return total
        if total is not None and total < reached:
            self._disbelieve()
            total = None
        if query.rest and total is None:
            return None
        is_told = total is not None and (len(found.entries) == 1 < query.count or self._totals is True)
        if is_told and not query.rest:
            return total
        return reached if await self._is_last(query, replace(found, total=total)) else None

    def _total_of_nothing(self, query: Query, total: int | None) -> int | None:
        if query.count:
            _refuse_early_end(query.start - 1, total)
        if total:  # it counts what is not on the page
            self._believe()
            return total
        is_first = query.count > 0 and query.start == 1
        return 0 if is_first or (total == 0 and self._totals) else None

    async def _is_last(self, query: Query, found: ListAnswer) -> bool:
        """Look behind a page that claims to be the last one."""
        if self._starts is False and (query.start > 1 or self._totals or not self._counts):
            return await self._are_all(query, found)
        try:
            behind = await self._ask(replace(query, start=_reached(query, found) + 1, count=1))
        except (Refused, CannotFilter):  # as many answer who are asked for what is behind the last
            return True
        if not behind.entries:
            if behind.total and behind.total == found.total:
                self._believe()
            return True
        if query.start == 1 and behind.entries[0]["id"] == found.entries[0]["id"]:
            return await self._is_whole(query, found, behind)
        if _ids(behind.entries) <= _ids(found.entries):
            if not self._totals:
                raise Contradiction(SHOWS_AGAIN)
            return True
        if behind.total is None or found.total is None or behind.total <= found.total:
            self._disbelieve()  # else somebody has come meanwhile
        return False

    async def _are_all(self, query: Query, found: ListAnswer) -> bool:
        """Look behind a page where startIndex is ignored: by asking for one more."""
        if not self._counts:
            return True  # all come at once
        reached = _reached(query, found)
        more = await self._ask(replace(query, start=1, count=reached + 1))
        if len(more.entries) <= reached:
            return True
        self._disbelieve()
        return False

    async def _is_whole(self, query: Query, found: ListAnswer, behind: ListAnswer) -> bool:
        """Say whether the first page, which came again, holds all there are; raises Contradiction if not."""
        self._heeds(False)
        shown, again = len(found.entries), len(behind.entries)
        if not await self._are_all(query, found):
            return False
        if shown > 1 and behind.total is not None and behind.total == found.total:
            self._believe()  # it counts the same on pages of two sizes, or all come at once
            return True
        if again == 1 and (shown > 1 or shown == query.count):
            raise Contradiction(BEGINS_ANEW)
        return True

    def _heeds(self, start: bool) -> None:
        self._starts = start
        if not start:
            self._note(NO_START)

    def _believe(self) -> None:
        if self._totals is None:
            self._totals = True

    def _disbelieve(self) -> None:
        self._totals = False
        self._note(NO_TOTALS)


def _refuse_early_end(reached: int, total: int | None) -> None:
    if total is not None and total > reached:
        raise Contradiction(ENDS_EARLY.format(reached, total))


def _reached(query: Query, found: ListAnswer) -> int:
    return query.start - 1 + len(found.entries)


def _ids(entries: Sequence[Attributes]) -> frozenset[str]:
    return frozenset(entry["id"] for entry in entries)
