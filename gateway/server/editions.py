"""A phone book as it is made: of all pages of its target, in order, in a file that has no name.

It is kept for a while: a hundred phones that ask for it in one minute read the target once.
"""

import asyncio
import hashlib
import heapq
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from gateway.errors import Busy
from gateway.flow.failures import answer_to_read
from gateway.flow.find import is_protected
from gateway.flow.model import Services, Target
from gateway.flow.paging import walk
from gateway.flow.services import off_loop
from gateway.flow.target_port import Attributes, ResourceType, TargetError
from gateway.phonebook.formats import BookFormat
from gateway.phonebook.people import Collate, NumberIndex, contact_of, matching, row_in, sortable
from gateway.values import frozen

RUN: Final = 10_000  # lines that are put in order at a time; the rest of them is in files
STEP: Final = 1000  # lines that are written before others have a turn
BLOCK: Final = 64 * 1024  # bytes read at a time, more than the longest row
OLDEST: Final = 3600.0  # seconds that an edition answers look-ups while the next one is made


@frozen
class Book:
    """A phone book: whose people, for which phones, in which order, and how old it may be."""

    name: str
    target: Target
    format: BookFormat
    title: str
    collate: Collate
    sort: str  # one of `SORTS`
    trust: float  # seconds

    @property
    def reads(self) -> tuple[Any, ...]:
        """What an edition depends on, but for the rules."""
        return (self.target.connector, self.format, self.collate, self.sort)

    def lines(self, entries: Iterable[Attributes]) -> Iterator[bytes]:
        """Return whoever is listed of a target's entries, each as a sortable line."""
        shown = (entry for entry in entries if not is_protected(self.target, entry))
        documents = ({**entry, **self.target.mapping.reverse(entry)} for entry in shown)
        listed = filter(None, map(contact_of, documents))
        return (sortable(contact, self.collate, self.sort) for contact in listed)


def _file(folder: Path) -> IO[bytes]:
    """Return a file without a name; whoever gets it closes it."""
    return tempfile.TemporaryFile(dir=folder)


class Edition:
    """A phone book as it was once made: its rows, in order, and where numbers are found."""

    def __init__(self, file: IO[bytes], begun: float) -> None:
        self.begun = begun  # monotonic seconds
        self.digest, self.size = "", 0  # bytes
        self.numbers = NumberIndex()
        self._file = file
        weakref.finalize(self, file.close)  # whoever reads it still has it

    def written(self, lines: Iterable[bytes]) -> Iterator[bool]:
        """Write the rows of sorted lines, and yield now and then."""
        digest, place = hashlib.sha256(), 0
        for count, line in enumerate(lines, 1):
            row = row_in(line)
            self._file.write(row)
            digest.update(row)
            self.numbers.add(next(matching((row,), ())), place)
            place += len(row)
            if count % STEP == 0:
                yield True
        self._file.flush()
        yield from self.numbers.sorted()
        self.digest, self.size = digest.hexdigest(), place

    def block(self, place: int) -> tuple[list[bytes], int]:
        """Return the rows from a place on, and where the next ones are."""
        found = os.pread(self._file.fileno(), BLOCK, place)
        end = found.rfind(b"\n") + 1
        return found[:end].splitlines(), place + end

    def rows(self, places: Iterable[int]) -> list[bytes]:
        """Return the rows that begin at these places."""
        return [self.block(place)[0][0] for place in places]


class _Runs:
    """Lines that are put in order, so that no more than a run of them is held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: list[bytes] = []
        self._files: list[IO[bytes]] = []

    def add(self, lines: Iterable[bytes]) -> None:
        self._lines += lines
        if len(self._lines) >= RUN:
            file = _file(self._folder)
            self._files.append(file)
            file.writelines(sorted(self._lines))
            file.seek(0)
            self._lines.clear()

    def merged(self) -> Iterator[bytes]:
        return heapq.merge(*self._files, sorted(self._lines))

    def close(self) -> None:
        for file in self._files:
            file.close()


class Shelf:
    """Has a phone book made, by one reader of its target at a time, and keeps its last edition."""

    def __init__(self, book: Book, services: Services, folder: Path) -> None:
        self.book = book
        self._monotonic = services.monotonic
        self._folder = folder  # of the files
        self._latest: Edition | None = None
        self._making: asyncio.Task[Edition] | None = None

    async def edition(self, *, soon: bool) -> Edition:
        """Return an edition that is young enough; raises the GatewayError for a target that cannot be read.

        Who needs it `soon` gets the last one while the next is made; nobody waits beyond the deadline.
        """
        age = self._monotonic() - self._latest.begun if self._latest is not None else OLDEST
        if self._latest is not None and age < self.book.trust:
            return self._latest
        if self._making is None:
            self._making = asyncio.create_task(self._make())
            self._making.add_done_callback(_heard)
        if self._latest is not None and soon and age < OLDEST:
            return self._latest
        try:
            async with asyncio.timeout(self.book.target.policy.deadline):
                return await asyncio.shield(self._making)
        except TimeoutError as error:
            raise Busy(f"the phone book is still being made: {self.book.target.name} is slow") from error

    @property
    def is_at_work(self) -> bool:
        """Whether an edition is being made."""
        return self._making is not None

    async def close(self) -> None:
        """Make no more."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])

    async def _make(self) -> Edition:
        runs, target, begun = _Runs(self._folder), self.book.target, self._monotonic()
        ask = partial(target.connector.query, ResourceType.USER)
        target.admission.users += 1
        try:
            async for entries in walk(ask, target.policy.page_size):
                await off_loop(lambda page: runs.add(self.book.lines(page)), entries)
            edition = Edition(_file(self._folder), begun)
            writing = edition.written(runs.merged())
            while await off_loop(next, writing, False):
                pass
        except TargetError as error:
            raise answer_to_read(target.name, error) from error
        except OSError as error:
            raise Busy(f"no room for the phone book: {error.strerror}") from error
        finally:
            runs.close()
            target.admission.users -= 1
            self._making = None
        self._latest = edition
        return edition


def _heard(task: asyncio.Task[Edition]) -> None:
    """Take note of how the making ended: perhaps nobody waits for it."""
    if not task.cancelled():
        task.exception()
