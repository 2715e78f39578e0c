"""Originals and links in SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import orjson

from gateway.errors import JournalUnavailable, Uniqueness
from gateway.flow.journal_port import IdTaken, Key, Link, Resource, State
from gateway.flow.target_port import Attributes, ResourceType
from gateway.journal.members import leave_groups, note_arrival, note_moves
from gateway.scim.documents import fold
from gateway.scim.names import NAMES
from gateway.sqlite import Database, JobResult

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
LINKED: Final = (  # by an id that is not ours, and by one that is
    """
    SELECT l.resource FROM link AS l JOIN resource AS r ON r.key = l.resource
    WHERE l.target = ? AND l.type = ? AND l.target_id = ? AND l.own = 0
      AND r.base = ? AND r.state <> 'deleted'""",
    """
    SELECT r.key FROM resource AS r JOIN link AS l ON l.resource = r.key
    WHERE l.target = ? AND r.type = ? AND r.id = ? AND l.own = 1
      AND r.base = ? AND r.state <> 'deleted'""",
)
WITH_LINKS: Final = """
    SELECT r.key, r.base, r.type, r.id, r.original, r.state, r.created, r.modified, r.replied,
           l.target, l.target_id, l.sent, l.seen
    FROM resource AS r LEFT JOIN link AS l ON l.resource = r.key
    WHERE r.key IN ({}) ORDER BY r.id, r.key"""
IS_KNOWN: Final = "SELECT {}"  # whether any of the keys is known: of a newcomer none is
PARTS: Final = {WITH_LINKS: ("", " UNION ALL ", ""), IS_KNOWN: ("EXISTS (", ") OR EXISTS (", ")")}
FEW: Final = 8  # keys that are looked for in one statement
ADD: Final = """
    INSERT INTO resource
        (base, type, id, original, name_folded, external_id, state, created, modified, replied)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
IS_USED: Final = "SELECT 1 FROM resource WHERE base = ? AND type = ? AND id = ?"
STORE: Final = f"""{ADD}
    ON CONFLICT (base, type, id) DO UPDATE SET
        original = excluded.original, name_folded = excluded.name_folded, external_id = excluded.external_id,
        state = excluded.state, created = excluded.created, modified = excluded.modified,
        replied = excluded.replied"""
ADD_LINK: Final = """
    INSERT INTO link (resource, type, target, target_id, own, sent, seen) VALUES (?, ?, ?, ?, ?, ?, ?)"""
STORE_LINK: Final = """
    INSERT INTO link (resource, type, target, target_id, own, sent, seen)
    SELECT key, type, ?, ?, ?, ?, ? FROM resource WHERE base = ? AND type = ? AND id = ?
    ON CONFLICT (resource, target) DO UPDATE SET
        target_id = excluded.target_id, own = excluded.own, sent = excluded.sent, seen = excluded.seen"""
ADD_EMAIL: Final = "INSERT INTO email (resource, folded) VALUES (?, ?)"
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
    links: tuple[tuple[Any, ...], ...]  # target, target id, whether that is ours, sent, seen
    emails: tuple[str, ...]
    resource: Resource

    @classmethod
    def of(cls, resource: Resource) -> "ResourceRow":
        """Do what can be done before the writer's turn."""
        r = resource
        row = (r.base, r.type, r.id, dumps(r.original), folded_name(r), r.original.get("externalId"))
        links = tuple([_link_row(link, r.id) for link in r.links.values()])
        return cls((*row, r.state, r.created, r.modified, r.replied), links, folded_emails(r), r)

    def add(self, connection: sqlite3.Connection) -> None:
        """Store a new resource and its links; raises `IdTaken`, `Uniqueness` where another has the name."""
        try:
            key = connection.execute(ADD, self.row).lastrowid
        except sqlite3.IntegrityError as error:
            if connection.execute(IS_USED, self.row[:3]).fetchone():
                raise IdTaken from error
            raise _name_taken() from error
        for link in self.links:
            connection.execute(ADD_LINK, (key, self.resource.type, *link))
            note_arrival(connection, self.resource, *link[:2])
        self.add_emails(connection, key)
        leave_groups(connection, self.resource)

    def add_emails(self, connection: sqlite3.Connection, key: int | None) -> None:
        """Store the addresses of a new resource whose row has this key."""
        for address in self.emails:
            connection.execute(ADD_EMAIL, (key, address))

    def write(self, connection: sqlite3.Connection) -> None:
        """Store the resource and its links; raises `Uniqueness` where another has the name."""
        own = self.row[:3]
        try:
            connection.execute(STORE, self.row)
        except sqlite3.IntegrityError as error:
            raise _name_taken() from error
        note_moves(connection, self.resource)
        connection.executemany(STORE_LINK, [(*link, *own) for link in self.links])
        leave_groups(connection, self.resource)
        connection.execute(FORGET_EMAILS, own)
        connection.executemany(STORE_EMAIL, [(address, *own) for address in self.emails])


class SqliteResources:
    """Originals and links."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._replied: dict[Identity, None] = {}  # not on disk yet
        self._is_queued = False  # for the next batch

    async def find(self, base: str, type: ResourceType, keys: Sequence[Key]) -> tuple[Resource, ...]:
        """Return the resources known by any of the keys, tombstones by id only."""
        return self.noted(await self._database.read(lambda connection: load(connection, base, type, keys)))

    async def page(self, base: str, type: ResourceType, after: str, count: int) -> tuple[Resource, ...]:
        """Return up to `count` resources in order of id, after the id `after`, without tombstones."""
        return await self._load([(AFTER, (base, type, after, count))])

    async def read(
        self, base: str, type: ResourceType, target: str, target_ids: Sequence[str]
    ) -> Mapping[str, Resource]:
        """Return the resources linked to these entries of a target, by target id, without tombstones."""
        asked = [(sql, (target, type, target_id, base)) for target_id in target_ids for sql in LINKED]
        found = await self._load(asked)
        by_target_id = {resource.links[target].target_id: resource for resource in found}
        return {id: resource for id, resource in by_target_id.items() if id is not None}

    async def note_replied(self, base: str, type: ResourceType, id: str) -> None:
        """Remember that an answer with the id was delivered: at once here, on disk with the next write.

        Where it is lost, the answer is only given once more.
        """
        self._replied[base, type, id] = None
        if not self._is_queued:
            self._write_replied()

    def noted(self, found: Sequence[Resource]) -> tuple[Resource, ...]:
        """Return what was read, with what is not on disk yet of answers delivered."""
        if not self._replied:
            return tuple(found)
        return tuple(
            replace(resource, replied=True) if _identity(resource) in self._replied else resource
            for resource in found
        )

    def _write_replied(self) -> None:
        """Write with the next batch all that wait by then, however many they are."""
        written: list[Identity] = []

        def work(connection: sqlite3.Connection) -> None:
            written[:] = list(self._replied)
            connection.executemany(NOTE_REPLIED, written)

        def done(result: JobResult) -> None:
            self._is_queued = False
            if result.error is None:
                for identity in written:
                    self._replied.pop(identity, None)
            if self._replied:  # those that came meanwhile, or that could not be written
                self._write_replied()

        with suppress(JournalUnavailable):
            self._database.later(work, done)
            self._is_queued = True

    async def _load(self, asked: Iterable[tuple[str, tuple[Any, ...]]]) -> tuple[Resource, ...]:
        return self.noted(await self._database.read(lambda connection: _load(connection, asked)))


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


def load(
    connection: sqlite3.Connection, base: str, type: ResourceType, keys: Sequence[Key]
) -> tuple[Resource, ...]:
    """Return the resources known by any of the keys, tombstones by id only."""
    if len(keys) > FEW:
        return _load(connection, [(BY[key.kind], (base, type, key.value)) for key in keys])
    by_kind = sorted(keys)  # so that there are few statements
    kinds = tuple([key.kind for key in by_kind])
    asked = [part for key in by_kind for part in (base, type, key.value)]
    if not kinds or not connection.execute(_statement(IS_KNOWN, kinds), asked).fetchone()[0]:
        return ()
    return tuple(_grouped(connection.execute(_statement(WITH_LINKS, kinds), asked)))


@lru_cache(maxsize=256)
def _statement(sql: str, kinds: tuple[str, ...]) -> str:
    before, joint, behind = PARTS[sql]
    return sql.format(before + joint.join(BY[kind] for kind in kinds) + behind)


def _name_taken() -> Uniqueness:
    return Uniqueness("another resource has this name already")


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
        yield from _grouped(connection.execute(WITH_LINKS.format(", ".join("?" * len(some))), some))


def _grouped(rows: Iterable[tuple[Any, ...]]) -> Iterator[Resource]:
    for _, group in groupby(rows, key=itemgetter(0)):
        yield _resource(list(group))


def _resource(rows: Sequence[tuple[Any, ...]]) -> Resource:
    """Make a resource of its row, repeated for each of its links."""
    _, base, type, id, original, state, created, modified, replied = rows[0][:9]
    links = {row[9]: _link(*row[9:]) for row in rows if row[9] is not None}
    times = (created, modified, bool(replied))
    return Resource(base, ResourceType(type), id, orjson.loads(original), State(state), *times, links)


def _link(target: str, target_id: str | None, sent: str, seen: str | None) -> Link:
    form = orjson.loads(sent)
    return Link(target, target_id, form, None if seen is None else _seen(form, orjson.loads(seen)))


def _link_row(link: Link, own_id: str) -> tuple[Any, ...]:
    sent = dumps(link.sent)
    seen = None if link.seen is None else _seen_text(link.sent, link.seen, sent)
    return link.target, link.target_id, link.target_id == own_id, sent, seen


def _seen_text(sent: Attributes, seen: Attributes, sent_text: str | None) -> str | None:
    """Return what a target showed: what differs from what was sent, and which names of that are not there."""
    both = {name: value for name, value in seen.items() if name in sent}
    if dumps(both) == sent_text:
        return dumps([{name: value for name, value in seen.items() if name not in sent}, []])
    other = {name: value for name, value in seen.items() if name not in both or not _same(sent[name], value)}
    return dumps([other, [name for name in sent if name not in both]])


def _seen(sent: Attributes, said: dict[str, Any] | tuple[Attributes, list[str]]) -> Attributes:
    if isinstance(said, dict):  # whole, as older releases kept it
        return said
    other, absent = said
    return {name: value for name, value in sent.items() if name not in absent} | other


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are the same in JSON, where 1 and true are not."""
    if isinstance(one, str) or one != other:
        return bool(one == other)
    return orjson.dumps(one) == orjson.dumps(other)
