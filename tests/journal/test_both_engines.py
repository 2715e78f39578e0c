"""The same things done to a journal of each engine: whoever asks is told the same by both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count

import psycopg
import pytest

from gateway.admin.acts import erase_person
from gateway.admin.status import Pause
from gateway.audit.event import Event, Personal
from gateway.audit.query import AuditQuery, named, parse_event_filter
from gateway.flow.journal_port import (
    Key,
    MemberRow,
    MemberRows,
    OperationState,
    Outcome,
    Settlement,
    State,
    Transition,
)
from gateway.flow.target_port import ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.settings.model import JournalSettings, Secret

USER, GROUP = ResourceType.USER, ResourceType.GROUP
FOLLOWERS = {"cx": ("pbx",)}


def of_zeros(many):
    return bytes(many)


async def filled(journal, clock, intent, resource, event):
    """Do a day's work: people who come, change and leave, groups, refusals, what waits, an erasure."""
    operations, ids = journal.operations, count(1)

    def told(name, what="user.create", result="applied", status=201, **other):
        target = {"name": "cx", "type": "User", "id": f"id-{name}", "user_name": Personal(name)}
        outcome = {"result": result, "status": status, "reason": other.pop("reason", None)}
        fields = {"event": what, "target": target, "outcome": outcome}
        return event(f"e-{next(ids):03}", **(fields | other))

    for name in ("ann", "bob", "eve", "zoë"):
        person = resource(
            f"id-{name}", name, links={"cx": f"id-{name}", "pbx": f"p-{name}"}, external=f"x-{name}"
        )
        keys = (Key("name", name), Key("id", f"id-{name}"))
        begun = await operations.begin("cx", USER, keys, intent(f"op-{name}", keys=keys))
        await operations.settle(begun.operation, Settlement(Outcome.APPLIED, told(name), person, is_new=True))
        clock.turn(60)
    bob = replace(resource("id-bob", "Robert", links={"cx": "t-9"}), state=State.INACTIVE)
    bob.original["emails"] = [{"value": "Bob@Mail.example"}]
    claimed = await operations.claim(
        intent("op-2", "bob", resource_id="id-bob", removes=True, operation="change")
    )
    await operations.settle(claimed, Settlement(Outcome.APPLIED, told("bob", "user.patch"), bob))
    group = resource("g-1", "all", type=GROUP, links={"cx": "t-g"})
    group.original["displayName"] = "All"
    rows = {
        name: MemberRow({"value": name, "type": "User"}, due=True) for name in ("id-ann", "id-eve", "id-bob")
    }
    entries = {"id-ann": "id-ann", "id-eve": "id-eve", "id-bob": None}
    members = MemberRows("cx", rows, entries=entries)
    await operations.settle(
        None, Settlement(Outcome.APPLIED, told("all", "group.create"), group, members, is_new=True)
    )
    gone = replace(resource("id-eve", "eve", links={"cx": None}), state=State.DELETED)
    await operations.settle(None, Settlement(Outcome.APPLIED, told("eve", "user.delete"), gone))
    for n, standing in enumerate(sorted(set(OperationState) - {OperationState.OPEN})):
        held = await operations.claim(intent(f"op-{standing}", f"k{n}", resource_id=f"id-{n}"))
        await operations.mark(held, Transition(standing, "why", "2026-12"))
        clock.turn(1)
    refusal = told("ann", "user.patch", "rejected", 400, reason="title: is odd")
    await journal.trail.append([refusal, told("liz", result="rejected", status=400, reason="no")])
    await journal.removals.trip("cx", "2026")
    await journal.pauses.note("pbx", Pause("2027", None, "moving"), told("x", "target.paused"))
    await journal.mirrors.mark_all("cx", "pbx", "2026", "c-9")
    (first, *_) = await journal.mirrors.due("cx", "pbx", "2027", 10)
    await journal.mirrors.put_off(first, "2028", "no", refused=True)
    await erase_person(journal.retention, "zoë", "erasure")
    await journal.resources.note_replied("cx", USER, "id-ann")
    journal.trail.later(Event("last", {"event": "gateway.stopped"}))


@pytest.fixture
async def readers(path, clock, database_url, intent, resource, event) -> AsyncIterator[list]:
    """Both journals, after the same things were done to them, as commands read them."""
    started, options = clock.now, {"random": of_zeros, "followers": FOLLOWERS}
    sqlite = await SqliteJournal.open(path, "full", clock, print, "me", **options)
    await filled(sqlite, clock, intent, resource, event)
    await sqlite.close()
    clock.now = started
    beside = path.with_name("beside.db")
    await (await PostgresJournal.reach(database_url, beside, "full", clock, print, "before")).close()
    with psycopg.connect(database_url, autocommit=True) as connection:  # as a journal that was copied
        connection.execute("UPDATE meta SET value = %s WHERE name = 'salt'", [sqlite.retention.salt.hex()])
    shared = await PostgresJournal.reach(database_url, beside, "full", clock, print, "me", **options)
    await filled(shared, clock, intent, resource, event)
    await shared.close()
    async with AsyncExitStack() as stack:
        places = (path, JournalSettings(beside, database=Secret(database_url)))
        yield [stack.enter_context(reading(place)) for place in places]


def found(reader, question):
    return list(reader.answers(question))


ASKED = {
    "the oldest first": lambda r: found(r, AuditQuery(newest_first=False)),
    "the newest first": lambda r: found(r, AuditQuery()),
    "about a name": lambda r: found(r, AuditQuery(name="ANN")),
    "of a time": lambda r: found(r, AuditQuery(since="2026-11-22T01:05", until="2026-11-22T01:07")),
    "by a filter": lambda r: found(r, AuditQuery(filter=named("event", "user.patch"))),
    "by two terms": lambda r: found(
        r,
        AuditQuery(
            filter=parse_event_filter('event eq "user.create" or seq gt 9 and outcome.result eq "rejected"')
        ),
    ),
    "by text": lambda r: found(r, AuditQuery(q="bob")),
    "history": lambda r: r.history("bob"),
    "changed": lambda r: [r.changed_part(seq) for seq in (1, 5, 99)],
    "newest": lambda r: r.newest(),
    "waiting": lambda r: list(r.waiting(None, "2099")),
    "waiting of one": lambda r: list(r.waiting("pbx", "2099")),
    "needing": lambda r: r.needing(9),
    "population": lambda r: r.population(),
    "counts": lambda r: replace(r.counts(), bytes=0),
    "people": lambda r: list(r.people("cx")),
    "resources": lambda r: list(r.resources("cx", USER)),
    "groups": lambda r: list(r.resources("cx", GROUP)),
    "standing": lambda r: r.standing("cx", "id-0"),
    "a person": lambda r: [r.find_person("cx", name) for name in ("Ann", "x-ann", "id-eve", "nobody")],
    "refused": lambda r: list(r.refused("cx")),
    "refused by name": lambda r: list(r.refused("cx", "liz")),
    "refused there": lambda r: list(r.refused_there("pbx")),
    "tokens": lambda r: r.tokens(),
    "verdict": lambda r: r.verify(),
}


async def test_both_answer_every_question_alike(readers):
    answers = [{what: ask(reader) for what, ask in ASKED.items()} for reader in readers]

    assert all(answers[0][what] for what in ASKED if what != "tokens")
    assert answers[0] == answers[1]


TAMPERED = {
    "UPDATE event SET body = body || ' ' WHERE seq = 2": "of event 2",
    "UPDATE event SET result = 'failed' WHERE seq = 3": "a column of event 3",
    "UPDATE event SET personal = '[]' WHERE seq = 1": "a personal value of event 1",
    "DELETE FROM event WHERE seq = 4": "event 4 is missing",
    "UPDATE trail_head SET seq = seq - 1": "the record of the newest event was changed",
    "DELETE FROM event WHERE seq > 10": "are missing",
    "UPDATE trail_base SET hash = 'x'": "where the journal begins",
}


TABLES = ("event", "trail_head", "trail_base")


async def test_whatever_is_done_to_the_trail_is_found_and_named(readers, database_url, path):
    place = JournalSettings(path.with_name("beside.db"), database=Secret(database_url))
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        for statement, reason in TAMPERED.items():
            assert connection.execute(statement).rowcount
            with reading(place) as reader:
                assert reason in reader.verify().reason
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")
        for table in TABLES:
            connection.execute(f"DROP TABLE kept_{table}")
    with reading(place) as reader:
        assert str(reader.verify().state) == "whole"
