"""The database as the journal's ports use it: what goes wrong with it is an answer to a provider."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from gateway.errors import JournalUnavailable
from gateway.sqlite import Database, StoreUnavailable

T = TypeVar("T")
Clock = Callable[[], datetime]  # aware, UTC
Random = Callable[[int], bytes]  # so many bytes


class Store:
    """Writes and reads; raises `JournalUnavailable` where that cannot be done now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run the function in a transaction and return once it is durable."""
        with answered():
            return await self._database.write(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run the function on one snapshot."""
        with answered():
            return await self._database.read(work)


@contextmanager
def answered() -> Iterator[None]:
    """Turn an unusable database into what its caller is told."""
    try:
        yield
    except StoreUnavailable as error:
        raise JournalUnavailable(f"the journal cannot be used now: {error.reason}") from error
