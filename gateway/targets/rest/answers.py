"""What a JSON service's answers mean: an entry, an error, or a list, read page after page."""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway.address import RestErrors
from gateway.flow.paging import SHOWS_AGAIN
from gateway.flow.target_port import (
    Attributes,
    Broken,
    Conflict,
    Contradiction,
    Denied,
    Missing,
    Nonsense,
    Query,
    Refused,
    TargetError,
    Throttled,
)
from gateway.mapping.templates import compile_spot
from gateway.scim.jsontext import count_values
from gateway.scim.names import EMPTY
from gateway.targets.rest.requests import LINK, Listed, Position, Request, as_id
from gateway.targets.scim.answers import (
    MAX_ANSWER_VALUES,
    MAX_DIGITS,
    first_line,
    is_markup,
    parse_answer,
)
from gateway.targets.transport import Call, HttpReply, readable, retry_after

MEANINGS: Final[Mapping[str, type[TargetError]]] = {  # as the configuration calls them
    "exists": Conflict,
    "absent": Missing,
    "busy": Throttled,
    "refused": Refused,
    "denied": Denied,
}
BY_STATUS: Final[Mapping[Any, type[TargetError]]] = {  # unless the configuration says otherwise
    401: Denied,
    403: Denied,
    404: Missing,
    407: Denied,
    408: Broken,
    409: Conflict,
    410: Missing,
    425: Broken,
    429: Throttled,
}
BY_CLASS: Final[Mapping[int, type[TargetError]]] = {4: Refused, 5: Broken}  # the rest is no answer

FAULTS: Final = ("error", "errors")  # in what says 200, unless the configuration says where a code is
DENIALS: Final = ("success", "ok")  # so are these where they are false

_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^<]*?\brel\s*=\s*"?(?:[^";,]*\s)?next\b', re.IGNORECASE)


class Answers:
    """Reads the answers of one service."""

    def __init__(self, errors: RestErrors) -> None:
        self._code = None if errors.code is None else compile_spot(errors.code)
        self._reason = None if errors.reason is None else compile_spot(errors.reason)
        self._ok = errors.ok
        said = {code: MEANINGS[name] for name, codes in errors.meanings.items() for code in codes}
        self._meanings = {**BY_STATUS, **said}
        self._codes = said

    def document(self, reply: HttpReply, most: int, now: float) -> Any:
        """Return the JSON of an answer that tells of no error, None where it has no body.

        Raises what the error means, Nonsense for what is no JSON or has more than `most` values; `now` is in
        POSIX seconds.
        """
        if reply.status // 100 != 2:
            raise self._error(reply, now)
        if not reply.body.strip():
            return None
        if len(reply.body) > most and count_values(reply.body) > most:
            raise Nonsense(f"the target's answer has more than {most} values", reply.status)
        document = parse_answer(reply.body)
        if not isinstance(document, dict | list):
            line = first_line(reply.body, document)
            said = f": {line}" if line else ""
            raise Nonsense(f"the target's answer is not a JSON object{said}", reply.status)
        if (code := self._wrong(document)) is not None:
            meaning = self._codes.get(code, Nonsense)
            raise meaning(self._said(reply, document), reply.status, retry_after(reply, now))
        return document

    def listed(self, reply: HttpReply, request: Request, now: float) -> Listed:
        """Return what one page of a list says; its entries are as they came."""
        document = self.document(reply, MAX_ANSWER_VALUES, now)
        found = request.items.of(document)
        if request.is_look_up and not isinstance(found, list):
            one = request.item.of(document)  # whoever is looked for, alone
            is_nobody = document is None or request.item.is_null(document)
            found = [one] if isinstance(one, dict) else [] if is_nobody else None
        if not isinstance(found, list):
            raise Nonsense("the target's answer has no list where `items` says that it is", reply.status)
        return Listed(tuple(found), _total(request, document, reply), _next(request, document, reply))

    def _error(self, reply: HttpReply, now: float) -> TargetError:
        document = parse_answer(reply.body)
        coded = self._wrong(document)
        meaning = self._codes.get(coded) if coded is not None else None
        if meaning is None:
            meaning = self._meanings.get(reply.status) or BY_CLASS.get(reply.status // 100, Nonsense)
            is_foreign = bool(reply.body.strip()) and document is None
            if (meaning is Missing and is_foreign) or (meaning is Refused and is_markup(reply.body)):
                meaning = Nonsense  # a proxy's page, not the service's word
        return meaning(self._said(reply, document), reply.status, retry_after(reply, now))

    def _wrong(self, document: Any) -> str | int | None:
        """Return the code by which an answer tells of an error, None where it tells of none."""
        if self._code is None:
            found = document if isinstance(document, dict) else {}
            told = [name for name in FAULTS if found.get(name)]
            return next(iter([*told, *(name for name in DENIALS if found.get(name) is False)]), None)
        code = self._code.of(document)
        is_none = code in EMPTY or (code is False and not self._ok)
        return None if is_none or code in self._ok else _hashable(code)

    def _said(self, reply: HttpReply, document: Any) -> str:
        """Return the service's own words, else the first line of whatever was answered."""
        reason = self._reason.of(document) if self._reason is not None else None
        said = readable(reason) if isinstance(reason, str) else first_line(reply.body, document)
        return said or f"the target answered {reply.status} without a reason"


def _hashable(code: Any) -> str | int:
    return code if isinstance(code, str | int) else repr(code)


def _total(request: Request, document: Any, reply: HttpReply) -> int | None:
    if request.spec.total is None:
        return None
    total = request.total.of(document)
    if isinstance(total, str) and total.isascii() and total.isdecimal():
        total = int(total[:MAX_DIGITS])
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise Nonsense("the target's list has no whole number where `total` says that it is", reply.status)
    return total


def _next(request: Request, document: Any, reply: HttpReply) -> str | None:
    if request.spec.next == LINK:
        found = _NEXT.search(reply.headers.get("link", ""))
        return found[1] if found else None
    value = None if request.next is None else request.next.of(document)
    if value in (None, "", False):
        return None
    if (text := as_id(value)) is None:
        raise Nonsense("the target's list has no text where `next` says that it is", reply.status)
    return text


LASTS: Final = 60.0  # seconds that it is remembered where a page begins
PLACES: Final = 256  # pages, of which that is remembered
ENDS_EARLY: Final = "its list ends after {} of {} entries: if its numbers are wrong, leave out `total`"
SHOWS_MORE: Final = "its list has more than the {} entries it tells of: if that is wrong, leave out `total`"
IN_A_CIRCLE: Final = "its pages go round in a circle: the next one was read before"

Window = tuple[list[Any], int, bool]  # entries as they came, how many there are, whether that is known


class ListReader:
    """Reads parts of lists; where their pages begin is remembered for a while."""

    def __init__(
        self,
        read: Callable[[Request, Call], Awaitable[Listed]],
        size: int,
        clock: Callable[[], float],  # seconds
    ) -> None:
        self._read = read
        self._size = size
        self._clock = clock
        self._places: OrderedDict[tuple[str, int], tuple[float, Position]] = OrderedDict()

    async def window(
        self, request: Request, about: Attributes, asked: Mapping[str, str], query: Query
    ) -> Window:
        """Return what a list has from `start` on, and how many it has; raises Contradiction.

        `about` fills the request, `asked` are the parameters that are searched with.
        """
        first = request.first(about, asked, self._size)
        at = self._begin(request, first, query.start - 1)
        try:
            return await self._walked(request, first, at, query)
        except (Missing, Refused):
            if not at.index or request.spec.offset:
                raise  # else where the page began is no longer so
        self._places.clear()
        return await self._walked(request, first, Position(0, 0, first.url), query)

    async def _walked(self, request: Request, first: Call, at: Position, query: Query) -> Window:
        found: list[Any] = []
        seen: set[str] = set()
        shown: tuple[Any, ...] = ()
        while True:
            if at.url in seen:
                raise Contradiction(IN_A_CIRCLE)
            seen.add(at.url)
            page = await self._page(request, first, at)
            if page.entries and page.entries == shown:
                raise Contradiction(SHOWS_AGAIN)
            shown = page.entries
            found += shown[max(0, query.start - 1 - at.index) :]
            reached, after = at.index + len(shown), request.after(at, page, self._size)
            if after is not None:
                self._remember(first, after)
            if page.total is not None and shown and reached > page.total:
                raise Contradiction(SHOWS_MORE.format(page.total))
            says_last = page.total is not None and reached >= page.total  # which is looked at, once
            if after is None or (len(found) >= query.count and not says_last):
                break
            at = after
        if after is None and page.total is not None and reached < page.total:
            raise Contradiction(ENDS_EARLY.format(reached, page.total))
        total = page.total if page.total is not None else reached
        is_known = after is None or page.total is not None
        return found if query.rest else found[: query.count], total, is_known

    async def _page(self, request: Request, first: Call, at: Position) -> Listed:
        try:
            return await self._read(request, first._replace(url=at.url))
        except Missing:
            if at.index == 0:
                raise
            return Listed(())  # as many answer who are asked for what is behind the last

    def _begin(self, request: Request, first: Call, index: int) -> Position:
        """Return a page from which the entry behind `index` others is reached: the nearest that is known."""
        if (there := request.at(first, index, self._size)) is not None:
            return there
        oldest = self._clock() - LASTS
        known = [
            place
            for (url, _), (noted, place) in self._places.items()
            if url == first.url and noted >= oldest and place.index <= index
        ]
        return max(known, key=lambda place: place.index, default=Position(0, 0, first.url))

    def _remember(self, first: Call, place: Position) -> None:
        self._places[(first.url, place.index)] = (self._clock(), place)
        self._places.move_to_end((first.url, place.index))
        if len(self._places) > PLACES:
            self._places.popitem(last=False)
