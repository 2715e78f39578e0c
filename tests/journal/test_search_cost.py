"""What a page of the trail costs SQLite: as much in a long trail as in a short one."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

import pytest

from gateway.audit.event import Event, Personal
from gateway.audit.query import AuditQuery, parse_audit_query
from gateway.journal.search import find
from tests.support.trails import append, empty_trail

PAGE = 51  # events: those of a page, and whether there is another
SHORT, LONG = 200, 20_000
STEP = 10  # instructions of SQLite's between two that are counted
NOW = datetime(2027, 1, 1, tzinfo=UTC)
COPIES = """
    WITH RECURSIVE n(seq) AS (SELECT 2 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?)
    INSERT INTO event
        (seq, id, published, event, target, result, correlation_id, actor, subject, body, hash, personal)
    SELECT n.seq, 'e-' || n.seq, e.published, e.event, iif(n.seq % 2, e.target, 'other'), e.result,
           'c-' || n.seq, e.actor, iif(n.seq = ? / 2, e.subject, 'other'), e.body, e.hash, e.personal
    FROM n, event AS e WHERE e.seq = 1"""
FIELDS = {
    "event": "user.create",
    "outcome": {"result": "applied", "status": 201, "reason": None},
    "actor": {"type": "provider", "name": "okta", "token": None},
    "target": {"name": "phonebook", "type": "User", "id": "r", "user_name": Personal("ann")},
    "correlation_id": "c",
    "timing": {"total_ms": 1},
}
QUESTIONS = {
    "all": {},
    "a target": {"filter": 'target.name eq "phonebook"'},
    "an outcome": {"filter": 'outcome.result eq "applied"'},
    "a target and an outcome": {"filter": 'target.name eq "phonebook" and outcome.result eq "applied"'},
    "a provider": {"filter": 'actor.name eq "okta" and actor.type eq "provider"'},
    "an event": {"filter": 'event eq "user.create" or event eq "user.delete"'},
    "a request": {"filter": 'correlation_id eq "c-7"'},
    "nothing": {"filter": 'correlation_id eq "none" and target.name eq "phonebook"'},
    "a person": {"filter": 'target.user_name eq "ann"'},
    "times": {"since": "2026-01-01", "until": "2026-12-31", "filter": 'target.name eq "phonebook"'},
    "further back": {"after": "150"},
}


def made(path: Path, events: int) -> Connection:
    """Return a trail of so many events, all but the first in its rows alone."""
    trail = empty_trail(path)
    append(trail, [Event("e-1", FIELDS)])
    trail.execute(COPIES, (events, events))
    trail.execute("UPDATE event SET subject = 'other' WHERE seq = 1")
    return trail


@pytest.fixture(scope="module")
def trails(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, tuple[Connection, Path]]]:
    """A short trail and a long one."""
    folder = tmp_path_factory.mktemp("trails")
    paths = {events: folder / f"{events}.db" for events in (SHORT, LONG)}
    with closing(made(paths[SHORT], SHORT)) as short, closing(made(paths[LONG], LONG)) as long:
        yield {SHORT: (short, paths[SHORT]), LONG: (long, paths[LONG])}


def cost(trail: tuple[Connection, Path], question: AuditQuery) -> int:
    """Return how much SQLite does for a page."""
    connection, path = trail
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(step, STEP)
    try:
        part = find(connection, path, replace(question, slice=PAGE))
        found = len(part.events)
        while found < PAGE and not part.is_over:
            part = find(connection, path, question.behind(part.seen))
            found += len(part.events)
    finally:
        connection.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=QUESTIONS)
def test_a_page_costs_no_more_in_a_long_trail(
    trails: dict[int, tuple[Connection, Path]], asked: dict
) -> None:
    question = parse_audit_query(asked, NOW)

    short, long = (cost(trails[events], question) for events in (SHORT, LONG))

    assert long <= 2 * max(short, PAGE)


def test_a_page_looks_at_no_more_events_than_it_shows(trails: dict[int, tuple[Connection, Path]]) -> None:
    connection, path = trails[LONG]

    found = find(connection, path, AuditQuery(slice=PAGE))

    assert (len(found.events), found.seen, found.is_over) == (PAGE, LONG - PAGE + 1, False)
