"""Originals and links in SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import orjson

from gateway.errors import Uniqueness
from gateway.flow.journal_port import Key, Link, Resource, State
from gateway.flow.target_port import ResourceType
from gateway.journal.members import leave_groups, note_moves
from gateway.journal.store import Store
from gateway.scim.documents import fold
from gateway.scim.names import NAMES
from gateway.sqlite import Database, StoreUnavailable

BY: Final = {  # kind of key -> the resources it finds
    "id": "SELECT key FROM resource WHERE base = ? AND type = ? AND id = ?",
    "name": """
        SELECT key FROM resource WHERE base = ? AND type = ? AND name_folded = ? AND state <> 'deleted'""",
    "external": """
        SELECT key FROM resource WHERE base = ? AND type = ? AND external_id = ? AND state <> 'deleted'""",
    "email": """
        SELECT r.key FROM email AS e JOIN resource AS r ON r.key = e.resource
        WHERE r.base = ? AND r.type = ? AND e.folded = ?""",
}
AFTER: Final = """
    SELECT key FROM resource WHERE base = ? AND type = ? AND id > ? AND state <> 'deleted'
    ORDER BY id LIMIT ?"""
LINKED: Final = """
    SELECT l.resource FROM link AS l JOIN resource AS r ON r.key = l.resource
    WHERE l.target = ? AND l.type = ? AND l.target_id = ? AND r.base = ? AND r.state <> 'deleted'"""
WITH_LINKS: Final = """
    SELECT r.key, r.base, r.type, r.id, r.original, r.state, r.created, r.modified, r.replied,
           l.target, l.target_id, l.sent, l.seen
    FROM resource AS r LEFT JOIN link AS l ON l.resource = r.key
    WHERE r.key IN ({keys}) ORDER BY r.id, r.key"""
STORE: Final = """
    INSERT INTO resource
        (base, type, id, original, name_folded, external_id, state, created, modified, replied)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (base, type, id) DO UPDATE SET
        original = excluded.original, name_folded = excluded.name_folded, external_id = excluded.external_id,
        state = excluded.state, created = excluded.created, modified = excluded.modified,
        replied = excluded.replied"""
STORE_LINK: Final = """
    INSERT INTO link (resource, target, type, target_id, sent, seen)
    SELECT key, ?, type, ?, ?, ? FROM resource WHERE base = ? AND type = ? AND id = ?
    ON CONFLICT (resource, target) DO UPDATE SET
        target_id = excluded.target_id, sent = excluded.sent, seen = excluded.seen"""
FORGET_EMAILS: Final = """
    DELETE FROM email
    WHERE resource = (SELECT key FROM resource WHERE base = ? AND type = ? AND id = ?)"""
STORE_EMAIL: Final = """
    INSERT INTO email (resource, folded)
    SELECT key, ? FROM resource WHERE base = ? AND type = ? AND id = ?"""
NOTE_REPLIED: Final = "UPDATE resource SET replied = 1 WHERE base = ? AND type = ? AND id = ? AND replied = 0"

MOST: Final = 500  # parameters of one statement
Identity = tuple[str, ResourceType, str]  # base, type, id


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A resource ready to be written. Links it does not name stay as they are."""

    row: tuple[Any, ...]
    links: tuple[tuple[Any, ...], ...]
    emails: tuple[tuple[Any, ...], ...]
    resource: Resource

    @classmethod
    def of(cls, resource: Resource) -> "ResourceRow":
        """Do what can be done before the writer's turn."""
        r = resource
        row = (r.base, r.type, r.id, dumps(r.original), folded_name(r), r.original.get("externalId"))
        links = tuple(
            (link.target, link.target_id, dumps(link.sent), dumps(link.seen), r.base, r.type, r.id)
            for link in r.links.values()
        )
        emails = tuple((address, r.base, r.type, r.id) for address in folded_emails(r))
        return cls((*row, r.state, r.created, r.modified, r.replied), links, emails, r)

    def exists(self, connection: sqlite3.Connection) -> bool:
        return connection.execute(BY["id"], self.row[:3]).fetchone() is not None

    def write(self, connection: sqlite3.Connection) -> None:
        """Store the resource and its links; raises `Uniqueness` where another has the name."""
        try:
            connection.execute(STORE, self.row)
        except sqlite3.IntegrityError as error:
            raise Uniqueness("another resource has this name already") from error
        note_moves(connection, self.resource)
        connection.executemany(STORE_LINK, self.links)
        leave_groups(connection, self.resource)
        connection.execute(FORGET_EMAILS, self.row[:3])
        connection.executemany(STORE_EMAIL, self.emails)


class SqliteResources:
    """Originals and links."""

    def __init__(self, store: Store, database: Database) -> None:
        self._store = store
        self._database = database
        self._replied: set[Identity] = set()  # not on disk yet

    async def find(self, base: str, type: ResourceType, keys: Sequence[Key]) -> tuple[Resource, ...]:
        """Return the resources known by any of the keys, tombstones by id only."""
        asked = [(BY[key.kind], (base, type, key.value)) for key in keys]
        return await self._load(asked)

    async def page(self, base: str, type: ResourceType, after: str, count: int) -> tuple[Resource, ...]:
        """Return up to `count` resources in order of id, after the id `after`, without tombstones."""
        return await self._load([(AFTER, (base, type, after, count))])

    async def read(
        self, base: str, type: ResourceType, target: str, target_ids: Sequence[str]
    ) -> Mapping[str, Resource]:
        """Return the resources linked to these entries of a target, by target id, without tombstones."""
        found = await self._load([(LINKED, (target, type, target_id, base)) for target_id in target_ids])
        by_target_id = {resource.links[target].target_id: resource for resource in found}
        return {id: resource for id, resource in by_target_id.items() if id is not None}

    async def note_replied(self, base: str, type: ResourceType, id: str) -> None:
        """Remember that an answer with the id was delivered: at once here, on disk with the next write.

        Where it is lost, the answer is only given once more.
        """
        identity = (base, type, id)
        self._replied.add(identity)
        with suppress(StoreUnavailable):
            written = self._database.later(lambda connection: connection.execute(NOTE_REPLIED, identity))
            written.add_done_callback(partial(self._noted, identity))

    def _noted(self, identity: Identity, written: Any) -> None:
        if not written.cancelled() and written.exception() is None:
            self._replied.discard(identity)

    async def _load(self, asked: Iterable[tuple[str, tuple[Any, ...]]]) -> tuple[Resource, ...]:
        found = await self._store.read(lambda connection: _load(connection, asked))
        return tuple(
            replace(resource, replied=True) if _identity(resource) in self._replied else resource
            for resource in found
        )


def folded_name(resource: Resource) -> str | None:
    """Return the name by which a resource is found, as it is compared."""
    name = resource.original.get(NAMES[resource.type])
    return fold(name) if isinstance(name, str) else None


def folded_emails(resource: Resource) -> tuple[str, ...]:
    """Return the e-mail addresses by which an inactive person is found, as they are compared."""
    emails = resource.original.get("emails")
    if resource.state is not State.INACTIVE or not isinstance(emails, list):
        return ()
    values = [email.get("value") for email in emails if isinstance(email, dict)]
    return tuple(dict.fromkeys(fold(value) for value in values if isinstance(value, str)))


def dumps(value: Any) -> str | None:
    """Return a value as JSON text, None as none."""
    return None if value is None else orjson.dumps(value).decode()


def _identity(resource: Resource) -> Identity:
    return resource.base, resource.type, resource.id


def _load(
    connection: sqlite3.Connection, asked: Iterable[tuple[str, tuple[Any, ...]]]
) -> tuple[Resource, ...]:
    keys = dict.fromkeys(key for sql, parameters in asked for (key,) in connection.execute(sql, parameters))
    return tuple(_resources(connection, list(keys)))


def _resources(connection: sqlite3.Connection, keys: Sequence[int]) -> Iterator[Resource]:
    for start in range(0, len(keys), MOST):
        some = keys[start : start + MOST]
        rows = connection.execute(WITH_LINKS.format(keys=", ".join("?" * len(some))), some)
        for _, group in groupby(rows, key=itemgetter(0)):
            yield _resource(list(group))


def _resource(rows: Sequence[tuple[Any, ...]]) -> Resource:
    """Make a resource of its row, repeated for each of its links."""
    _, base, type, id, original, state, created, modified, replied = rows[0][:9]
    links = {row[9]: _link(*row[9:]) for row in rows if row[9] is not None}
    times = (created, modified, bool(replied))
    return Resource(base, ResourceType(type), id, orjson.loads(original), State(state), *times, links)


def _link(target: str, target_id: str | None, sent: str, seen: str | None) -> Link:
    return Link(target, target_id, orjson.loads(sent), None if seen is None else orjson.loads(seen))
