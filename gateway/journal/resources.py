"""Originals and links in SQLite."""

import sqlite3
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import Key, Link, Resource, State
from gateway.flow.target_port import Attributes, ResourceType
from gateway.scim.documents import fold
from gateway.scim.names import NAMES
from gateway.sqlite import Database
from gateway.sqlite_file import Work

T = TypeVar("T")

# Kind of key -> the resources it finds. Each names all of an index, or hides base and type from SQLite by a
# plus, and has parameters of its own: where SQLite sees that all have one base, it may read all of that.
BY: Final = {
    "id": "r.base = ? AND r.type = ? AND r.id = ?",
    "name": "r.base = ? AND r.type = ? AND r.name_folded = ? AND r.state <> 'deleted'",
    "external": "r.base = ? AND r.type = ? AND r.external_id = ? AND r.state <> 'deleted'",
    "email": "+r.base = ? AND +r.type = ? AND r.key IN (SELECT resource FROM email WHERE folded = ?)",
}
KNOWN_BY: Final = "SELECT r.key FROM resource AS r WHERE "
AFTER: Final = """
    SELECT key FROM resource WHERE base = ? AND type = ? AND id > ? AND state <> 'deleted'
    ORDER BY id LIMIT ?"""
REMOVED: Final = """
    SELECT key FROM resource WHERE base = ? AND type = ? AND id > ? AND state = 'inactive'
      AND NOT EXISTS (SELECT 1 FROM link WHERE resource = key AND target_id IS NOT NULL)
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
    WHERE """
IN_ORDER: Final = WITH_LINKS + "r.key IN ({}) ORDER BY r.id, r.key"
# base and type are hidden from SQLite, which would read all of a base to have the newest of it
LAST: Final = "SELECT coalesce(max(key), 0) FROM resource"
NEWEST: Final = """
    SELECT key FROM resource
    WHERE key > ? AND key <= ? AND base || '' = ? AND type || '' = ? AND state <> 'deleted'
    ORDER BY key DESC LIMIT ?"""
SPAN: Final = 20_000  # keys that are looked through in one read
FEW: Final = 8  # keys that are looked for in one statement
NOTE_REPLIED: Final = "UPDATE resource SET replied = 1 WHERE base = ? AND type = ? AND id = ? AND replied = 0"

MOST: Final = 500  # parameters of one statement
Identity = tuple[str, str, str]  # base, type, id

# texts of the file -> what they stand for
TYPES: Final[Mapping[str, ResourceType]] = {type: type for type in ResourceType}
STATES: Final[Mapping[str, State]] = {state: state for state in State}


class ResourceRow(NamedTuple):
    """A resource ready to be written: nothing in it that SQLite would ask Python to convert."""

    row: tuple[Any, ...]
    links: tuple[tuple[Any, ...], ...]  # target, target id, whether that is ours, sent, seen
    emails: tuple[str, ...]
    resource: Resource

    @classmethod
    def of(cls, resource: Resource) -> "ResourceRow":
        """Do what can be done before the writer's turn."""
        r, original = resource, resource.original
        own = (r.base, str(r.type), r.id)
        found_by = (orjson.dumps(original).decode(), folded_name(r), original.get("externalId"))
        is_hidden = r.state is State.INACTIVE
        for link in r.links.values():  # who is out of a target's scope
            is_hidden = is_hidden or link.target_id is None or link.sent.get("active") is False
        emails = folded_emails(r) if is_hidden else ()
        links = tuple([_link_row(link, r.id) for link in r.links.values()])
        row = (*own, *found_by, str(r.state), r.created, r.modified, int(r.replied))
        return cls(row, links, emails, resource)


class SqliteResources:
    """Originals and links."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._replied: dict[Identity, None] = {}  # not on disk yet
        self._is_queued = False  # for the next batch

    async def find(self, base: str, type: ResourceType, keys: Sequence[Key]) -> tuple[Resource, ...]:
        """Return the resources known by any of the keys, tombstones by id only."""
        return self.noted(await self.ask(type, keys, lambda file: load(file, base, type, keys)))

    def ask(self, type: ResourceType, keys: Sequence[Key], work: Work[T]) -> Awaitable[T]:
        """Return what a function finds of who is known by the keys: at once where that is short."""
        is_short = type is ResourceType.USER and len(keys) <= FEW
        return (self._database.look_up if is_short else self._database.read)(work)

    async def page(
        self, base: str, type: ResourceType, after: str, count: int, *, removed: bool = False
    ) -> tuple[Resource, ...]:
        """Return up to `count` resources in order of id, after the id `after`, without tombstones.

        `removed`: only inactive ones that have no entry any more.
        """
        return await self._load([(REMOVED if removed else AFTER, (base, str(type), after, count))])

    async def read(
        self, base: str, type: ResourceType, target: str, target_ids: Sequence[str]
    ) -> Mapping[str, Resource]:
        """Return the resources linked to these entries of a target, by target id, without tombstones."""
        found = await self._load(_linked(base, type, target, target_ids))
        by_target_id = {resource.links[target].target_id: resource for resource in found}
        return {id: resource for id, resource in by_target_id.items() if id is not None}

    async def note_replied(self, base: str, type: ResourceType, id: str) -> None:
        """Remember that an answer with the id was delivered: at once here, on disk with the next write.

        Where it is lost, the answer is only given once more.
        """
        self._replied[base, str(type), id] = None
        if not self._is_queued:
            self._write_replied()

    def noted(self, found: Sequence[Resource]) -> tuple[Resource, ...]:
        """Return what was read, with what is not on disk yet of answers delivered."""
        if not self._replied:
            return tuple(found)
        return tuple(
            [
                resource
                if resource.replied or _identity(resource) not in self._replied
                else replace(resource, replied=True)
                for resource in found
            ]
        )

    def _write_replied(self) -> None:
        """Write with the next batch all that wait by then, however many they are."""
        written: list[Identity] = []

        def work(connection: sqlite3.Connection) -> None:
            written[:] = list(self._replied)
            connection.executemany(NOTE_REPLIED, written)

        def done(result: Any) -> None:
            self._is_queued = False
            if not isinstance(result, Exception):
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
    """Return the e-mail addresses by which somebody is found whom a target does not show, folded."""
    emails = resource.original.get("emails")
    if not isinstance(emails, list):
        return ()
    values = [email.get("value") for email in emails if isinstance(email, dict)]
    return tuple(dict.fromkeys(fold(value) for value in values if isinstance(value, str)))


def load(
    connection: sqlite3.Connection, base: str, type: ResourceType, keys: Sequence[Key]
) -> tuple[Resource, ...]:
    """Return the resources known by any of the keys, tombstones by id only, in order of id."""
    text = str(type)
    if len(keys) > FEW:
        return _load(connection, [(KNOWN_BY + BY[key.kind], (base, text, key.value)) for key in keys])
    if not keys:
        return ()
    kinds, values = zip(*sorted(keys), strict=True)  # in order, so that there are few statements
    asked = list(chain.from_iterable(zip(repeat(base), repeat(text), values, strict=False)))
    found = _resources(connection.execute(with_links(kinds), asked))
    return tuple(found if len(found) < 2 else sorted(found, key=attrgetter("id")))


def load_page(
    connection: sqlite3.Connection, base: str, type: ResourceType, after: str, count: int
) -> tuple[Resource, ...]:
    """Return up to `count` resources in order of id, after the id `after`, without tombstones."""
    return _load(connection, [(AFTER, (base, str(type), after, count))])


def load_linked(
    connection: sqlite3.Connection, base: str, type: ResourceType, target: str, target_id: str
) -> tuple[Resource, ...]:
    """Return whom an entry of a target is linked to, without tombstones."""
    return _load(connection, _linked(base, type, target, (target_id,)))


def _linked(
    base: str, type: ResourceType, target: str, target_ids: Iterable[str]
) -> list[tuple[str, tuple[Any, ...]]]:
    return [(sql, (target, str(type), target_id, base)) for target_id in target_ids for sql in LINKED]


def load_newest(
    connection: sqlite3.Connection, base: str, type: ResourceType, most: int
) -> tuple[Resource, ...]:
    """Return the resources that came last, the newest first, without tombstones; each read is short."""
    (high,) = connection.execute(LAST).fetchone()
    keys: list[int] = []
    while high and len(keys) < most:
        low = max(high - SPAN, 0)
        rows = connection.execute(NEWEST, (low, high, base, str(type), most - len(keys)))
        keys += [key for (key,) in rows]
        high = low
    return tuple(sorted(load_keys(connection, keys), key=attrgetter("created"), reverse=True))


@lru_cache(maxsize=256)
def with_links(kinds: tuple[str, ...]) -> str:
    """Return the statement for keys of these kinds: base, type and value for each."""
    return WITH_LINKS + " OR ".join([f"({BY[kind]})" for kind in kinds])


def _identity(resource: Resource) -> Identity:
    return resource.base, resource.type, resource.id


def _load(
    connection: sqlite3.Connection, asked: Iterable[tuple[str, tuple[Any, ...]]]
) -> tuple[Resource, ...]:
    found = dict.fromkeys(key for sql, parameters in asked for (key,) in connection.execute(sql, parameters))
    return load_keys(connection, list(found))


def load_keys(connection: sqlite3.Connection, keys: Sequence[int]) -> tuple[Resource, ...]:
    """Return resources by the keys of their rows."""
    resources = list[Resource]()
    for start in range(0, len(keys), MOST):
        some = keys[start : start + MOST]
        resources += _resources(connection.execute(IN_ORDER.format(", ".join("?" * len(some))), some))
    return tuple(resources)


def _resources(rows: Iterable[tuple[Any, ...]]) -> list[Resource]:
    """Make resources of their rows, each repeated for each of its links."""
    found: dict[int, Resource] = {}
    links: dict[int, dict[str, Link]] = {}
    for key, base, type, id, original, state, created, modified, replied, target, *link in rows:
        if key not in found:
            said, times = orjson.loads(original), (created, modified)
            own = links[key] = {}
            found[key] = Resource(base, TYPES[type], id, said, STATES[state], *times, replied == 1, own)
        if target is not None:
            links[key][target] = _link(target, *link)
    return list(found.values())


def _link(target: str, target_id: str | None, sent: str, seen: str | None) -> Link:
    form = orjson.loads(sent)
    return Link(target, target_id, form, None if seen is None else _seen(form, orjson.loads(seen)))


def _link_row(link: Link, own_id: str) -> tuple[Any, ...]:
    sent = orjson.dumps(link.sent)
    seen = None if link.seen is None else _seen_text(link.sent, link.seen, sent).decode()
    return link.target, link.target_id, int(link.target_id == own_id), sent.decode(), seen


def _seen_text(sent: Attributes, seen: Attributes, sent_text: bytes) -> bytes:
    """Return what a target showed: what differs from what was sent, and which names of that are not there."""
    if sent.keys() <= seen.keys():
        beside = seen.copy()
        shown = dict(zip(sent, map(beside.pop, sent), strict=True))
        if orjson.dumps(shown) == sent_text:  # as a rule: what was sent, an id and the like beside it
            return orjson.dumps([beside, []])
    other = {name: value for name, value in seen.items() if name not in sent or not _same(sent[name], value)}
    return orjson.dumps([other, [name for name in sent if name not in seen]])


def _seen(sent: Attributes, said: dict[str, Any] | tuple[Attributes, list[str]]) -> Attributes:
    if isinstance(said, dict):  # whole, as older releases kept it
        return said
    other, absent = said
    seen = sent | other
    for name in absent:
        seen.pop(name, None)
    return seen


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are the same in JSON, where 1 and true are not."""
    if isinstance(one, str) or one != other:
        return bool(one == other)
    return orjson.dumps(one) == orjson.dumps(other)
