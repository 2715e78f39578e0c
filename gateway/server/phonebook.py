"""`/phonebook/{name}`: the people of a target as desk phones read them, by a token of its own."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlencode

from aiohttp import web

from gateway.errors import Forbidden, GatewayError, InvalidValue, MethodNotAllowed, NotFound, Unauthorized
from gateway.flow.model import Services
from gateway.flow.services import off_loop, on_behalf
from gateway.scim.messages import ANY, parse_tags
from gateway.server.auth import Authentication, Credential
from gateway.server.response import SUMMARY

if TYPE_CHECKING:  # not every gateway has phone books
    from gateway.phonebook.formats import BookFormat
    from gateway.server.editions import Book, Edition, Shelf


class NotAPhone(Unauthorized):
    """A phone that shows no token, or not the one of this phone book."""

    challenge = 'Basic realm="phonebook", charset="UTF-8"'  # most phones show nothing unless they are asked


SHOWN: Final = (
    "{reason}. A phone shows the phone book's token as the password of HTTP Basic, whatever the user, or as "
    "the last part of the address: /phonebook/{{name}}/{{token}}"
)
PATH: Final = "/phonebook/{path:.*}"
ROUTE: Final = "/phonebook/{name}"  # as the log has it, whether or not a token follows
READS: Final = ("GET", "HEAD")
FILES: Final = ("phonebook.xml", "gs_phonebook.xml")  # Grandstream phones put these behind an address
LONGEST: Final = 256  # characters of a question
MOST: Final = 10_000_000  # entries


class Question(NamedTuple):
    """What of a phone book is asked for."""

    words: Sequence[tuple[str, ...]] = ()  # in each spelling
    number: str | None = None
    start: int = 1  # the first entry, for phones that take pages


class PhoneBooks:
    """Answers phones."""

    def __init__(self, authentication: Authentication, services: Services, folder: Path) -> None:
        """`folder` takes files without a name."""
        self._authentication = authentication
        self._services = services
        self._folder = folder
        self._shelves: dict[str, Shelf] = {}
        self._former: list[Shelf] = []  # whose edition may still be made
        self._public_url = ""

    def stock(self, books: "Sequence[Book]", public_url: str) -> None:
        """Have these from now on; what was made of one that has the same people is kept for its `trust`."""
        shelves = {book.name: self._shelf(book) for book in books}
        self._former = [shelf for shelf in self._former if shelf.is_at_work]
        self._former += [own for name, own in self._shelves.items() if shelves.get(name) is not own]
        self._shelves, self._public_url = shelves, public_url

    def _shelf(self, book: "Book") -> "Shelf":
        from gateway.server.editions import Shelf

        found = self._shelves.get(book.name)
        if found is None or found.book.reads != book.reads:
            return Shelf(book, self._services, self._folder)
        found.book = book
        return found

    def serve_in(self, application: web.Application) -> None:
        """Have an application serve them, and end with it."""
        application.router.add_route("*", PATH, self.handle)
        application.on_cleanup.append(self._close)

    async def _close(self, _: web.Application) -> None:
        for shelf in (*self._shelves.values(), *self._former):
            await shelf.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with the phone book, or what is asked of it; raises a GatewayError for what it refuses."""
        summary, credential = request[SUMMARY], None
        summary.route, summary.operation = ROUTE, "phonebook"
        try:
            name, token = _named(request.rel_url.raw_path)
            credential = self._credential(request, token)
            shelf = self._opened(name, credential)
            summary.target = shelf.book.target.name
            if request.method not in READS:
                raise MethodNotAllowed("a phone book can only be read", READS)
            question = _question(request.query)
        except GatewayError as error:
            caller = self._authentication.caller(request, credential)
            await self._authentication.refusals.remember(caller, None, error)
            raise
        on_behalf.set(f"phonebook {name}")
        return await self._answer(request, shelf, question)

    def _credential(self, request: web.Request, token: str | None) -> Credential:
        try:
            if token is not None:
                return self._authentication.credential_in_path(token)
            return self._authentication.credential(request)
        except Unauthorized as error:
            raise NotAPhone(SHOWN.format(reason=error.detail)) from error

    def _opened(self, name: str, credential: Credential) -> "Shelf":
        shelf = self._shelves.get(name)
        if shelf is None:
            raise NotFound("no phone book of that name: its address is /phonebook/{name}")
        if (credential.kind, credential.name) != ("phonebook", name):
            reason = f"this token of {credential.kind} {credential.name} does not open it"
            raise Forbidden(SHOWN.format(reason=reason))
        return shelf

    async def _answer(self, request: web.Request, shelf: "Shelf", question: Question) -> web.StreamResponse:
        book, is_lookup = shelf.book, bool(question.words) or question.number is not None
        edition = await shelf.edition(soon=is_lookup)
        tag = _tag(book, edition, question)
        headers = {
            "ETag": f'W/"{tag}"',
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding, Authorization",
        }
        known = parse_tags(", ".join(request.headers.getall("If-None-Match", [])))
        if tag in known or ANY in known:
            return web.Response(status=304, headers=headers)
        found, count = _entries(book, edition, question), 0
        if book.format.page is not None:
            entries, has_more = await _cut(found, question.start, book.format.page)
            found, count = _at_once(entries), len(entries)
            if has_more:  # 0: the phone goes on where somebody presses its key (Cisco OL-20949-01, page 6-3)
                headers["Refresh"] = f"0; url={self._next(request, question.start + count)}"
        prompt = f"{question.start} - {question.start + count - 1}" if count else "0"
        return await _sent(request, book.format, book.format.head(book.title, prompt), found, headers)

    def _next(self, request: web.Request, start: int) -> str:
        query = urlencode({**request.query, "start": start})
        return f"{self._public_url}{request.rel_url.raw_path}?{query}"


def _named(raw_path: str) -> tuple[str, str | None]:
    """Return the name, and the token where there is one, of /phonebook/{name}/{token}; raises NotFound."""
    _, *parts = (unquote(part) for part in raw_path.split("/") if part)
    if len(parts) > 1 and parts[-1] in FILES:
        parts.pop()
    if not 1 <= len(parts) <= 2:
        raise NotFound("no such path: a phone book's address is /phonebook/{name}")
    return parts[0], parts[1] if len(parts) > 1 else None


def _question(query: Mapping[str, str]) -> Question:
    """Return what is asked; what else phones put into an address says nothing. Raises InvalidValue."""
    for name in ("q", "number"):
        if len(query.get(name, "")) > LONGEST:
            raise InvalidValue(f"{name}: is longer than {LONGEST} characters")
    start = query.get("start", "1")
    if not (start.isascii() and start.isdigit() and 1 <= int(start[:9]) <= MOST):
        raise InvalidValue("start: must be the number of an entry, 1 or more")
    from gateway.phonebook.people import words_of

    return Question(words_of(query.get("q", "")), query.get("number"), int(start[:9]))


def _tag(book: "Book", edition: "Edition", question: Question) -> str:
    parts = (edition.digest, book.name, book.format.head(book.title, ""), question)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


async def _entries(book: "Book", edition: "Edition", question: Question) -> AsyncIterator[list[str]]:
    """Yield the entries of whoever is asked for, some at a time."""
    from gateway.phonebook.people import matching

    def written(rows: Iterable[bytes]) -> list[str]:
        found = matching(rows, question.words)
        return [entry for contact in found for entry in book.format.entries(contact)]

    def block(place: int) -> tuple[list[str], int]:
        rows, after = edition.block(place)
        return written(rows), after

    if question.number is not None:
        yield written(edition.rows(edition.numbers.find(question.number, book.target.mapping.region)))
        return
    place = 0
    while place < edition.size:
        entries, place = await off_loop(block, place)
        yield entries


async def _cut(found: AsyncIterator[list[str]], start: int, most: int) -> tuple[list[str], bool]:
    """Return one page of entries, and whether there are more."""
    page, to_skip = list[str](), start - 1
    async for entries in found:
        page += entries[to_skip:]
        to_skip = max(0, to_skip - len(entries))
        if len(page) > most:
            return page[:most], True
    return page, False


async def _at_once(entries: list[str]) -> AsyncIterator[list[str]]:
    yield entries


# named, and not as what is not wanted (RFC 9110 section 12.4.2)
_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.I)


async def _sent(
    request: web.Request,
    form: "BookFormat",
    head: str,
    found: AsyncIterator[list[str]],
    headers: Mapping[str, str],
) -> web.StreamResponse:
    """Send it piece by piece, compressed where that is accepted; somebody who has gone gets no more."""
    response = web.StreamResponse(headers={**headers, "Content-Type": f"{form.media}; charset=utf-8"})
    if _GZIP.search(",".join(request.headers.getall("Accept-Encoding", []))):
        response.enable_compression(web.ContentCoding.gzip)
    with suppress(ConnectionError):
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        await response.write(head.encode())
        async for entries in found:
            await response.write("".join(entries).encode())
        await response.write_eof(form.tail.encode())
    return response
