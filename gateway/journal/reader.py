"""The journal's file for commands that only read, whether or not a gateway writes it: lists and counts."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.admin.acts import Token
from gateway.admin.problems import RefusedChange
from gateway.admin.status import Counts
from gateway.audit.chain import subject
from gateway.audit.query import AuditQuery, Batch, StoredEvent, either, named
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import Key, Resource, State
from gateway.flow.target_port import ResourceType
from gateway.journal.events import page, read_head, read_salt
from gateway.journal.resources import load, load_newest, load_page
from gateway.journal.search import changed_in, find
from gateway.journal.state import counts, list_tokens
from gateway.journal.store import JournalPlace, answered
from gateway.journal.verify import Verdict, unseen, verify
from gateway.journal.waiting import Waiting, WaitingPage, needing, one_waiting, waiting, waiting_page
from gateway.scim.documents import fold
from gateway.scim.grammar import Filter
from gateway.sqlite_file import read_only
from gateway.users import why
from gateway.values import frozen

PAGE: Final = 500  # rows of one read

REFUSED_THERE: Final = """
    SELECT r.original, m.reason, r.state, m.since FROM mirror AS m JOIN resource AS r
        ON (r.base, r.type, r.id) = (m.base, m.type, m.resource)
    WHERE m.target = ? AND m.refused = 1 AND m.type = 'User' AND m.reason IS NOT NULL ORDER BY m.n"""
STANDING: Final = """
    SELECT resource, state FROM op
    WHERE target = :target AND type = :type AND resource IN (SELECT value FROM json_each(:ids))
    UNION ALL SELECT resource, CASE refused WHEN 1 THEN 'refused' ELSE 'pending' END FROM mirror
    WHERE target = :target AND type = :type AND resource IN (SELECT value FROM json_each(:ids))"""
PEOPLE: Final = """
    SELECT id, original, state FROM resource
    WHERE base = ? AND type = 'User' AND state <> 'deleted' AND id > ? ORDER BY id LIMIT ?"""
REFUSED: Final = """
    SELECT seq, subject FROM event AS refused
    WHERE event IN ('user.create', 'user.replace', 'user.patch') AND result = 'rejected'
      AND target = ? AND subject IS NOT NULL AND seq > ?
      AND NOT EXISTS (
          SELECT 1 FROM event AS later
          WHERE later.subject = refused.subject AND later.target = refused.target AND later.seq > refused.seq
            AND (later.result IN ('applied', 'adopted', 'replayed', 'unchanged', 'out_of_scope')
                 OR (later.event IN ('user.create', 'user.replace', 'user.patch')
                     AND later.result = 'rejected')))
    ORDER BY seq LIMIT ?"""
POPULATION: Final = """
    SELECT base, type, count(*) FROM resource INDEXED BY resource_name WHERE state <> 'deleted'
    GROUP BY base, type"""
RENAMED: Final = ("userName", "displayName")
NAME_OF: Final = """
    SELECT name_folded FROM resource WHERE base = ? AND type = ? AND id = ? AND name_folded IS NOT NULL"""
NAMES: Final = """
    SELECT name_folded, state, external_id FROM resource
    WHERE base = ? AND type = 'User' AND state <> 'deleted' AND name_folded IS NOT NULL"""


def people(connection: sqlite3.Connection, base: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the originals of people, and whether they are active, page by page, each a short read."""
    after = ""
    while rows := connection.execute(PEOPLE, (base, after, PAGE)).fetchall():
        yield from ((orjson.loads(original), state == "active") for _, original, state in rows)
        after = rows[-1][0]


def resources(
    connection: sqlite3.Connection, base: str, kind: ResourceType
) -> Iterator[tuple[Resource, str | None]]:
    """Yield resources, each with how an operation on it stands that is not settled; page by page."""
    after = ""
    while page := load_page(connection, base, kind, after, PAGE):
        standings = standings_of(connection, base, kind, [resource.id for resource in page])
        yield from ((resource, standings.get(resource.id)) for resource in page)
        after = page[-1].id


def standings_of(
    connection: sqlite3.Connection, target: str, kind: ResourceType, ids: Sequence[str]
) -> dict[str, str]:
    """Return how operations stand that are not settled, by the resources of ours that they are on."""
    asked = {"target": target, "type": str(kind), "ids": orjson.dumps(list(ids)).decode()}
    return dict(connection.execute(STANDING, asked).fetchall())


def refused(connection: sqlite3.Connection, target: str, name: str | None = None) -> Iterator[RefusedChange]:
    """Yield everybody whose newest change was refused, none having gone through since.

    Of a change of somebody known only what is said of their data counts, of a create anything.
    `name`: only who has this userName, or gave this externalId.
    """
    after, salt = 0, read_salt(connection)
    asked = None if name is None else subject(salt, fold(name))
    # the trail may keep no name that could be looked up
    known = {subject(salt, name): (state, id) for name, state, id in connection.execute(NAMES, (target,))}
    while rows := connection.execute(REFUSED, (target, after, PAGE)).fetchall():
        for seq, about in rows:
            (event,) = page(connection, seq + 1, 1, None, None)
            whose, outcome = event["target"], event["outcome"]
            if asked is not None and about != asked and whose.get("external_id") != name:
                continue
            state, external_id = known.get(about, (None, whose.get("external_id")))
            if whose["user_name"] and is_refusal(event, state):
                said = (outcome["reason"] or "", event["published"])
                yield RefusedChange(whose["user_name"], external_id, state, *said)
        after = rows[-1][0]


def refused_there(connection: sqlite3.Connection, target: str) -> Iterator[RefusedChange]:
    """Yield everybody whom a target refuses that follows another."""
    for original, reason, state, since in connection.execute(REFUSED_THERE, (target,)).fetchall():
        said = orjson.loads(original)
        yield RefusedChange(said.get("userName", ""), said.get("externalId"), state, reason, since)


def is_refusal(event: StoredEvent, state: str | None) -> bool:
    """Say whether a rejected change counts; `state`: None where the journal does not know them."""
    if event["event"] == "user.create":
        return state != "active"
    return state is not None and event["outcome"]["status"] in (400, 409)


def owner_of(event: StoredEvent) -> tuple[str, str, str]:
    """Return whom an event is about: target, type and id, empty where it does not say."""
    target = event["target"]
    return target.get("name") or "", target.get("type") or "", target.get("id") or ""


def renames(events: Iterable[StoredEvent]) -> set[str]:
    """Return the names, folded, that renames say, or what covers them."""
    lines = [line for event in events for line in event.get("diff") or () if line["path"] in RENAMED]
    values = [line[side] for line in lines if line["before"] for side in ("before", "after")]
    return {fold(value) for value in values if isinstance(value, str)}


@frozen
class Reader:
    """An open journal, with the months that have left it."""

    connection: sqlite3.Connection
    path: Path

    def answers(
        self, question: AuditQuery, see: Callable[[int], None] | None = None
    ) -> Iterator[StoredEvent]:
        """Yield the events asked for, each slice of them a short read; `see` is told how far that came."""
        is_over = False
        while not is_over:
            part = self.find(question)
            yield from part.events
            question, is_over = question.behind(part.seen), part.is_over
            if see is not None:
                see(part.seen)

    def history(self, name: str, only: Filter | None = None) -> list[StoredEvent]:
        """Return all about whoever has or had a name, also under their other names, the oldest first.

        The names are what the journal says now and what renames say; where a rename tells no name that is
        found, as at a level that covers it, every event is looked at.
        """
        question = AuditQuery(name=name, filter=only, newest_first=False)
        found = {event["seq"]: event for event in self.answers(question)}
        ids = {owner_of(event) for event in found.values() if event["target"].get("id")}
        asked, names = {fold(name)}, self._names(ids) | renames(found.values())
        while other := next(iter(names - asked), None):
            asked.add(other)
            about = [event for event in self.answers(replace(question, name=other)) if owner_of(event) in ids]
            is_whole = not about
            if is_whole:
                anybody = either(*(named("target.id", id) for _, _, id in ids))
                everything = self.answers(AuditQuery(filter=anybody, newest_first=False))
                about = [event for event in everything if owner_of(event) in ids]
            found |= {event["seq"]: event for event in about}
            if is_whole:
                break
            names |= renames(about)
        return [found[seq] for seq in sorted(found)]

    def _names(self, ids: Iterable[tuple[str, str, str]]) -> set[str]:
        """Return the names, folded, that those of these targets, types and ids have now."""
        rows = [self.connection.execute(NAME_OF, whose).fetchone() for whose in ids]
        return {row[0] for row in rows if row is not None}

    def find(self, question: AuditQuery) -> Batch:
        """Look at the next events of a question."""
        self.connection.execute("BEGIN")
        try:
            return find(self.connection, self.path, question)
        finally:
            self.connection.execute("ROLLBACK")

    def newest(self) -> int:
        """Return the seq of the newest event; 0 where there is none."""
        return read_head(self.connection).seq

    def verify(self, expected: tuple[int, str] | None = None, see: Callable[[int], None] = unseen) -> Verdict:
        """Recompute the chain, which must have this seq and hash; afterwards the reader is of no more use.

        `see` is told each seq that was passed.
        """
        return verify(self.connection, expected, see, self.path)

    def changed_part(self, seq: int) -> str | None:
        """Return what of one event is not what its hash covers; None where all of it is."""
        self.connection.execute("BEGIN")
        try:
            return changed_in(self.connection, self.path, seq)
        finally:
            self.connection.execute("ROLLBACK")

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens, the oldest first."""
        return list_tokens(self.connection)

    def waiting(self, target: str | None, before: str) -> Iterator[Waiting]:
        """Yield brakes that hold, unsettled operations, and creates from before `before` never acknowledged.

        `target` None: those of all targets.
        """
        return waiting(self.connection, target, before)

    def waiting_page(
        self, target: str | None, standing: str | None, before: str, after: str | None, most: int
    ) -> WaitingPage:
        """Return so much of what waits behind a place in its order; raises InvalidValue for no such place."""
        return waiting_page(self.connection, target, standing, before, after, most)

    def one_waiting(self, id: str) -> Waiting | None:
        """Return an operation that is not settled, by its id in the list."""
        return one_waiting(self.connection, id)

    def needing(self, most: int) -> list[Waiting]:
        """Return what waits for an administrator alone, at most so much of each kind."""
        return needing(self.connection, most)

    def population(self) -> dict[tuple[str, str], int]:
        """Return how many people and groups are known, by base and type, those who are inactive included."""
        rows = self.connection.execute(POPULATION).fetchall()
        return {(base, type): count for base, type, count in rows}

    def counts(self) -> Counts:
        """Return what the journal holds, counted."""
        return counts(self.connection)

    def people(self, base: str) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield the originals of people, and whether they are active, in bounded memory."""
        return people(self.connection, base)

    def resources(self, base: str, kind: ResourceType) -> Iterator[tuple[Resource, str | None]]:
        """Yield resources, each with how an operation on it stands that is not settled."""
        return resources(self.connection, base, kind)

    def newest_people(self, base: str, most: int) -> list[tuple[Resource, str | None]]:
        """Return who came last, each with how an operation on them stands that is not settled."""
        found = load_newest(self.connection, base, ResourceType.USER, most)
        ids = [person.id for person in found]
        standings = standings_of(self.connection, base, ResourceType.USER, ids)
        return [(person, standings.get(person.id)) for person in found]

    def standing(self, target: str, id: str) -> str | None:
        """Return how an operation on somebody stands that is not settled."""
        return standings_of(self.connection, target, ResourceType.USER, (id,)).get(id)

    def find_person(self, base: str, name: str) -> Resource | None:
        """Return whom a userName, an externalId or an id of ours means; None where that is nobody."""
        keys = (Key("id", name), Key("name", fold(name)), Key("external", name))
        found = load(self.connection, base, ResourceType.USER, keys)
        alive = [person for person in found if person.state is not State.DELETED]
        return next(iter(sorted(alive, key=lambda person: person.id != name)), None)

    def refused(self, target: str, name: str | None = None) -> Iterator[RefusedChange]:
        """Yield everybody whose newest change was refused, with none done since; `name`: only theirs."""
        return refused(self.connection, target, name)

    def refused_there(self, target: str) -> Iterator[RefusedChange]:
        """Yield everybody whom a target refuses that follows another."""
        return refused_there(self.connection, target)


@contextmanager
def reading(journal: Path | JournalPlace) -> Iterator[Reader]:
    """Open a journal for reading; raises `JournalUnavailable` where there is none or it cannot be read."""
    path = journal if isinstance(journal, Path) else journal.path
    if not isinstance(journal, Path) and journal.database is not None:
        from gateway.journal.postgresql.migrate import opened  # not everybody has the driver

        with answered(), opened(journal.database.reveal()) as line:
            yield Reader(line, path)
        return
    try:
        path.stat()
        # not opened: to close it would drop what SQLite has locked of it here
        if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        raise JournalUnavailable(f"there is no journal {path} yet: `serve` makes it") from None
    except OSError as error:
        raise JournalUnavailable(f"the journal {path} cannot be read: {why(error, path)}") from error
    try:
        with answered(), closing(read_only(path)) as connection:
            yield Reader(connection, path)
    except sqlite3.Error as error:
        raise JournalUnavailable(f"the journal {path} cannot be read: {error}") from error
