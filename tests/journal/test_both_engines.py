"""The same things done to a journal of each engine: whoever asks is told the same by both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import psycopg
import pytest

from gateway.audit.query import AuditQuery, named, parse_event_filter
from gateway.journal.journal import SqliteJournal
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.settings.model import JournalSettings, Secret
from tests.support.journal_day import FOLLOWERS, GROUP, USER, filled


def of_zeros(many):
    return bytes(many)


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
