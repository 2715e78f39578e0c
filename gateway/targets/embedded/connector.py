"""A SCIM directory in an SQLite file, as a target."""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from gateway.flow.target_port import (
    Attributes,
    Broken,
    Conflict,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    TargetError,
    Unreachable,
    Update,
)
from gateway.scim.documents import identity, take_password, without_read_only
from gateway.scim.predicate import predicate
from gateway.sqlite import Database
from gateway.sqlite_file import StoreUnavailable, load_migrations
from gateway.targets.embedded import directory
from gateway.targets.embedded.directory import Entry, Refusal, without_members
from gateway.targets.embedded.filters import storable
from gateway.targets.transport import TargetFinding

T = TypeVar("T")

REFUSALS: Final[Mapping[Refusal, tuple[type[TargetError], str, int]]] = {
    Refusal.TAKEN: (Conflict, "userName belongs to another entry", 409),
    Refusal.ABSENT: (Missing, "there is no such entry", 404),
}


def _new_id() -> str:
    return str(uuid.uuid4())


def _now() -> datetime:
    return datetime.now(UTC)


class EmbeddedConnector:
    """A `Connector` to a directory of our own; userName is unique in it, whatever its case."""

    def __init__(
        self, database: Database, new_id: Callable[[], str] = _new_id, now: Callable[[], datetime] = _now
    ) -> None:
        self._database = database
        self._new_id = new_id
        self._now = now

    @classmethod
    async def open(
        cls,
        path: Path,
        on_fatal: Callable[[str], None],
        new_id: Callable[[], str] = _new_id,
        now: Callable[[], datetime] = _now,
    ) -> "EmbeddedConnector":
        """Open or make the file; raises `TargetError`. `on_fatal` hears of damage to it."""
        migrations = load_migrations(Path(__file__).parent)
        with _as_target_errors():
            return cls(await Database.open(path, "full", on_fatal, migrations), new_id, now)

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        with _as_target_errors():
            return await self._database.read(
                lambda file: directory.find(file, kind, storable(id), members=members)
            )

    async def query(self, kind: ResourceType, query: Query) -> Page:
        matches = None if query.filter is None else predicate(query.filter, kind)
        with _as_target_errors():
            return await self._database.read(lambda file: directory.page(file, kind, query, matches))

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes:
        entry = _entry(kind, self._new_id(), wanted, self._time())
        with _as_target_errors():
            return _settled(await self._database.write(lambda file: directory.insert(file, entry)))

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes:
        entry = replace(_entry(kind, storable(id), update.wanted, self._time()), members=update.members)
        with _as_target_errors():
            return _settled(await self._database.write(lambda file: directory.replace(file, entry)))

    async def delete(self, kind: ResourceType, id: str) -> None:
        with _as_target_errors():
            _settled(await self._database.write(lambda file: directory.delete(file, kind, storable(id))))

    async def has_groups(self) -> bool:
        return True

    async def check(self) -> tuple[TargetFinding, ...]:
        """Read the file; raises `TargetError`."""
        await self.query(ResourceType.USER, Query(count=0))
        return ()

    async def close(self) -> None:
        await self._database.close()

    def _time(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _as_target_errors() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        reason = f"the directory's file cannot be used: {error.reason}"
        raise (Broken if error.fatal else Unreachable)(reason) from error


def _entry(kind: ResourceType, id: str, wanted: Attributes, moment: str) -> Entry:
    name, external_id = identity(wanted)
    if kind is not ResourceType.USER:
        name = None
    elif name is None:
        raise Refused("userName is missing or no text", 400)
    document, _ = take_password(without_read_only(wanted))  # nobody may read it, so it is not kept
    document = without_members(document) if kind is ResourceType.GROUP else document
    return Entry(kind, id, name, external_id, document, moment)


def _settled(result: T | Refusal) -> T:
    if isinstance(result, Refusal):
        error, reason, status = REFUSALS[result]
        raise error(reason, status)
    return result
