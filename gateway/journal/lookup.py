"""People and groups as somebody looks for them, and what is told of one: each look a short, bounded read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

from gateway.admin.problems import DONE, RefusedChange
from gateway.audit.query import AuditQuery, StoredEvent, named
from gateway.flow.journal_port import Key, Resource
from gateway.flow.target_port import ResourceType
from gateway.journal.reader import Reader, is_refusal, owner_of, reading, renames, standings_of
from gateway.journal.resources import load, load_keys, load_linked
from gateway.journal.store import JournalPlace
from gateway.scim.documents import fold
from gateway.scim.grammar import Filter
from gateway.scim.names import NAMES
from gateway.values import frozen

SLICE: Final = 500  # originals looked at between two looks at the time
MOST_EVENTS: Final = 500  # of one name that are read to know what somebody was called, or since when
MOST_NAMES: Final = 20  # of one person
CHANGES: Final = ("user.create", "user.replace", "user.patch")

# kind -> a slice of the originals: of people, row by row, whatever is in them; of groups, which are few among
# millions of people, by an index, which is looked through for each slice
ORIGINALS: Final = {
    ResourceType.USER: """
        SELECT key, CASE WHEN type = 'User' AND state <> 'deleted' THEN original END FROM resource
        WHERE key > :after ORDER BY key LIMIT :count""",
    ResourceType.GROUP: """
        SELECT key, CASE WHEN state <> 'deleted' THEN original END FROM resource WHERE key IN (
            SELECT key FROM resource INDEXED BY resource_id
            WHERE base IN (SELECT value FROM json_each(:bases)) AND type = 'Group' AND key > :after
            ORDER BY key LIMIT :count)
        ORDER BY key""",
}
MEMBERS: Final = """
    SELECT m.member,
           coalesce(json_extract(r.original, '$.userName'), json_extract(r.original, '$.displayName')),
           r.type, r.state, m.delivered
    FROM member AS m LEFT JOIN resource AS r
        ON r.base = :base AND r.type IN ('User', 'Group') AND r.id = m.member
    WHERE m."group" = (SELECT key FROM resource WHERE base = :base AND type = 'Group' AND id = :id)
      AND m.target = :target AND m.member > :after ORDER BY m.member LIMIT :count"""
COUNTED: Final = """
    SELECT count(*), count(CASE WHEN delivered = 0 THEN 1 END) FROM member
    WHERE "group" = (SELECT key FROM resource WHERE base = :base AND type = 'Group' AND id = :id)
      AND target = :target"""
GROUPS: Final = """
    SELECT r.id, json_extract(r.original, '$.displayName'), r.type, r.state, m.delivered
    FROM member AS m JOIN resource AS r ON r.key = m."group"
    WHERE m.member = :id AND m.target = :target AND r.base = :base AND r.id > :after
    ORDER BY r.id LIMIT :count"""


@frozen
class FoundResources:
    """What a look through the originals found, and behind which row it goes on; None: it is over."""

    resources: tuple[Resource, ...]
    after: int | None
    share: int = 100  # of all originals, in percent, that were looked at so far


@frozen
class Belonging:
    """Somebody or something in a group, or a group that somebody is in."""

    id: str
    name: str | None  # None: the journal does not know it
    type: str | None
    state: str | None
    is_delivered: bool


@frozen
class BelongingPage:
    """A page of them, in order of id; `after`: behind which id there are more."""

    rows: tuple[Belonging, ...]
    after: str | None


@frozen
class Lookup(Reader):
    """An open journal; of a trail that could be of any length, only the newest of somebody is read."""

    def history(self, name: str, only: Filter | None = None) -> list[StoredEvent]:
        """Return the newest events about a name, the oldest first."""
        return list(islice(self.answers(AuditQuery(name=name, filter=only)), MOST_EVENTS))[::-1]

    def refused(self, target: str, name: str | None = None) -> Iterator[RefusedChange]:
        """Yield the newest change of whom a name means, where it was refused and none was done since."""
        assert name is not None
        for event in reversed(self.history(name, named("target.name", target))):
            result, whose = event["outcome"]["result"], event["target"]
            if result in DONE:
                return
            if event["event"] in CHANGES and result == "rejected":
                known = self.find_person(target, name)
                state = None if known is None else known.state.value
                external_id = known.original.get("externalId") if known else whose.get("external_id")
                if whose["user_name"] and is_refusal(event, state):
                    said = (event["outcome"]["reason"] or "", event["published"])
                    yield RefusedChange(whose["user_name"], external_id, state, *said)
                return

    def by_key(self, bases: Iterable[str], kind: ResourceType, text: str) -> list[Resource]:
        """Return who has this name, externalId or id, ours or a target's; whom it had, by ours only."""
        keys, found = (Key("id", text), Key("name", fold(text)), Key("external", text)), list[Resource]()
        for base in bases:
            here = load(self.connection, base, kind, keys)
            linked = load_linked(self.connection, base, kind, base, text)
            found += (*here, *(one for one in linked if one.id not in {other.id for other in here}))
        return found

    def by_earlier_name(self, kind: ResourceType, name: str) -> list[Resource]:
        """Return whom the trail knows by a name, whatever they are called now."""
        about = islice(self.answers(AuditQuery(name=name)), MOST_EVENTS)
        owners = dict.fromkeys(owner for event in about if (owner := owner_of(event))[2])
        return [
            resource
            for base, type, id in islice(owners, MOST_NAMES)
            if type == kind
            for resource in load(self.connection, base, kind, (Key("id", id),))
        ]

    def search(
        self,
        bases: Sequence[str],
        kind: ResourceType,
        matches: Callable[[str], bool],
        after: int,
        count: int,
        is_late: Callable[[], bool],
    ) -> FoundResources:
        """Look through originals, as JSON text, until there are so many that match, or it is late."""
        keys, asked = list[int](), {"bases": orjson.dumps(list(bases)).decode(), "count": SLICE}
        while True:
            rows = self.connection.execute(ORIGINALS[kind], {**asked, "after": after}).fetchall()
            for key, original in rows:
                if original is not None and matches(original):
                    keys.append(key)
                if len(keys) == count:
                    return self._found(keys, key)
            after = rows[-1][0] if rows else after
            if len(rows) < SLICE:
                return self._found(keys, None)
            if is_late():
                return self._found(keys, after)

    def _found(self, keys: Sequence[int], after: int | None) -> FoundResources:
        (newest,) = self.connection.execute("SELECT max(key) FROM resource").fetchone()
        share = 100 if after is None else 100 * after // max(newest or 1, 1)
        return FoundResources(load_keys(self.connection, keys), after, share)

    def elsewhere(self, bases: Iterable[str], known: Resource) -> list[Resource]:
        """Return whom other targets know by the same id, name or externalId."""
        name, external = known.original.get(NAMES[known.type]), known.original.get("externalId")
        keys = [Key("id", known.id)]
        keys += [Key("name", fold(name))] if isinstance(name, str) and name else []
        keys += [Key("external", external)] if isinstance(external, str) and external else []
        return [
            resource
            for base in bases
            if base != known.base
            for resource in load(self.connection, base, known.type, keys)
        ]

    def names(self, resources: Iterable[Resource], names: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the names, folded, that somebody has, and has had as far as renames in the trail say so."""
        ids, asked = {(one.base, str(one.type), one.id) for one in resources}, dict[str, None]()
        current = (one.original.get(NAMES[one.type]) for one in resources)
        waiting = [fold(name) for name in (*current, *names) if isinstance(name, str)]
        while waiting and len(asked) < MOST_NAMES:
            if (name := waiting.pop(0)) not in asked:
                asked[name] = None
                about = islice(self.answers(AuditQuery(name=name)), MOST_EVENTS)
                waiting += sorted(renames(event for event in about if owner_of(event) in ids))
        return tuple(asked)

    def timeline(
        self, names: Sequence[str], ids: frozenset[str], after: int | None, count: int
    ) -> tuple[StoredEvent, ...]:
        """Return so many events about somebody, the newest first, `after` the seq of one; not of a namesake.

        What says no id may be about anybody of the name, as is a create that was refused.
        """
        found = dict[int, StoredEvent]()
        for name in names:
            about = self.answers(AuditQuery(name=name, after=after))
            theirs = (event for event in about if not ids or owner_of(event)[2] in ("", *ids))
            found |= {event["seq"]: event for event in islice(theirs, count)}
        return tuple(found[seq] for seq in sorted(found, reverse=True)[:count])

    def standing_of(self, resource: Resource) -> str | None:
        """Return how an operation on it stands that is not settled."""
        return standings_of(self.connection, resource.base, resource.type, (resource.id,)).get(resource.id)

    def members(self, group: Resource, after: str, count: int) -> BelongingPage:
        """Return a page of who is in a group."""
        return self._memberships(MEMBERS, group, after, count)

    def groups(self, member: Resource, after: str, count: int) -> BelongingPage:
        """Return a page of the groups that somebody is in."""
        return self._memberships(GROUPS, member, after, count)

    def counted(self, group: Resource) -> tuple[int, int]:
        """Return how many are in a group, and of how many its target has not been told."""
        asked = {"base": group.base, "target": group.base, "id": group.id}
        members, untold = self.connection.execute(COUNTED, asked).fetchone()
        return members, untold

    def _memberships(self, sql: str, whose: Resource, after: str, count: int) -> BelongingPage:
        asked = {"base": whose.base, "target": whose.base, "id": whose.id, "after": after, "count": count + 1}
        rows = self.connection.execute(sql, asked).fetchall()
        shown = tuple(
            Belonging(id, name, type, state, bool(told)) for id, name, type, state, told in rows[:count]
        )
        return BelongingPage(shown, shown[-1].id if len(rows) > count else None)


@contextmanager
def looking(journal: Path | JournalPlace) -> Iterator[Lookup]:
    """Open a journal to look somebody up in it; raises `JournalUnavailable` as `reading` does."""
    with reading(journal) as reader:
        yield Lookup(reader.connection, reader.path)
