"""What is asked of the trail, read from texts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.audit.query import (
    AuditQuery,
    Batch,
    collect,
    either,
    named,
    parse_audit_query,
    parse_event_filter,
    predicate_of,
)
from gateway.errors import InvalidFilter, InvalidValue
from gateway.scim.grammar import parse_filter

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
EVENT = {
    "id": "e-1",
    "seq": 7,
    "event": "user.create",
    "outcome": {"result": "applied", "status": 201, "reason": None},
    "target": {"name": "cx", "user_name": "Größe@example.com"},
    "diff": [{"path": "title", "after": {"b": ["Agent"]}}],
    "prev": "aaaa",
    "hash": "bbbb",
}
NOT_THERE = 'must be a time such as "2026-03-01T09:00:00Z", or how long ago: "2h", "7d"'


def test_nothing_asked_is_everything_newest_first():
    assert parse_audit_query({}, NOW) == AuditQuery()


@pytest.mark.parametrize(
    ("given", "question"),
    [
        pytest.param({"since": "2h"}, AuditQuery(since="2026-03-08T10:00:00+00:00"), id="hours ago"),
        pytest.param({"until": "1.5d"}, AuditQuery(until="2026-03-07T00:00:00+00:00"), id="days ago"),
        pytest.param({"since": "30 m"}, AuditQuery(since="2026-03-08T11:30:00+00:00"), id="minutes ago"),
        pytest.param({"since": "2026-03-01"}, AuditQuery(since="2026-03-01T00:00:00+00:00"), id="day"),
        pytest.param(
            {"since": "2026-03-01T09:00:00+09:00"}, AuditQuery(since="2026-03-01T00:00:00+00:00"), id="zone"
        ),
        pytest.param({"sort": "asc", "after": "12"}, AuditQuery(newest_first=False, after=12), id="order"),
        pytest.param({"sort": None, "after": None, "q": None}, AuditQuery(), id="not given"),
        pytest.param({"q": "x"}, AuditQuery(q="x"), id="text"),
        pytest.param({"filter": "seq gt 3"}, AuditQuery(filter=parse_filter("seq gt 3")), id="filter"),
    ],
)
def test_a_question_is_read(given, question):
    assert parse_audit_query(given, NOW) == question


def test_how_long_ago_does_not_depend_on_the_zone():
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))

    assert parse_audit_query({"since": "2h"}, tokyo) == parse_audit_query({"since": "2h"}, NOW)


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        pytest.param({"since": "yesterday"}, InvalidValue, f"since: {NOT_THERE}", id="no time"),
        pytest.param({"until": "7"}, InvalidValue, f"until: {NOT_THERE}", id="no unit"),
        pytest.param({"since": "999999999d"}, InvalidValue, f"since: {NOT_THERE}", id="before all time"),
        pytest.param({"since": "0001-01-01T00:00+14:00"}, InvalidValue, f"since: {NOT_THERE}", id="year 0"),
        pytest.param({"sort": "up"}, InvalidValue, "sort: must be desc or asc", id="order"),
        pytest.param({"after": "0"}, InvalidValue, "after: must be the seq of an event", id="no seq"),
        pytest.param({"after": "9" * 19}, InvalidValue, "after: must be the seq of an event", id="too large"),
        pytest.param({"after": "٣"}, InvalidValue, "after: must be the seq of an event", id="other digits"),
        pytest.param({"filter": "seq eq"}, InvalidFilter, "filter: ", id="no filter"),
        pytest.param({"filter": ""}, InvalidFilter, "filter: ", id="empty filter"),
        pytest.param(
            {"filter": "targt.name pr"},
            InvalidFilter,
            'filter: an event has no "targt.name"; did you mean "target.name"?',
            id="unknown field",
        ),
        pytest.param(
            {"filter": "urn:x:seq eq 1"},
            InvalidFilter,
            'filter: an event has no "urn:x:seq"',
            id="a schema's",
        ),
        pytest.param({"filter": "diff[pth pr]"}, InvalidFilter, 'has no "diff.pth"; did', id="in brackets"),
    ],
)
def test_what_cannot_be_asked_is_said(given, error, sentence):
    with pytest.raises(error) as raised:
        parse_audit_query(given, NOW)

    assert sentence in raised.value.detail


@pytest.mark.parametrize(
    ("question", "found"),
    [
        pytest.param(AuditQuery(), True, id="nothing"),
        pytest.param(AuditQuery(q="GRÖSSE"), True, id="text, folded"),
        pytest.param(AuditQuery(q="agent"), True, id="text deep down"),
        pytest.param(AuditQuery(q="201"), True, id="number"),
        pytest.param(AuditQuery(q="none"), False, id="null is no text"),
        pytest.param(AuditQuery(q="bbbb"), False, id="hashes are no text"),
        pytest.param(
            AuditQuery(q="title", filter=parse_event_filter("seq eq 8")), False, id="both must hold"
        ),
        pytest.param(AuditQuery(filter=named("target.name", "CX")), True, id="made here"),
        pytest.param(
            AuditQuery(filter=either(named("id", "x"), named("event", "user.create"))), True, id="or"
        ),
    ],
)
def test_an_event_is_asked_for_or_not(question, found):
    assert predicate_of(question)(EVENT) is found


class Counting:
    """A trail of so many events, two in a slice, the newest first."""

    def __init__(self, events):
        self.left, self.asked = list(range(events, 0, -1)), []

    async def find(self, question):
        self.asked.append(question.after)
        part, self.left = self.left[:2], self.left[2:]
        return Batch(tuple({"seq": seq} for seq in part), part[-1] if part else 1, not self.left)


@pytest.mark.parametrize(
    ("events", "found", "has_more"),
    [
        pytest.param(5, [5, 4, 3], True, id="more"),
        pytest.param(3, [3, 2, 1], False, id="all"),
        (0, [], False),
    ],
)
async def test_answers_are_collected_until_there_are_enough(events, found, has_more):
    told, more = await collect(Counting(events), AuditQuery(), 3, lambda: False)

    assert ([event["seq"] for event in told], more) == (found, has_more)


async def test_nothing_is_looked_for_when_nobody_waits():
    trail = Counting(100)

    await collect(trail, AuditQuery(), 50, lambda: len(trail.asked) == 2)

    assert trail.asked == [None, 99]
