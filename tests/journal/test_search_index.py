"""Questions that an index answers: the same cost in any trail, and never an answer less."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.event import Event, Personal
from gateway.audit.query import AuditQuery, named, parse_event_filter, predicate_of
from gateway.journal.events import first_from, load_events
from gateway.journal.search import COLUMNS, DOWN, UP, find
from tests.support.trails import RARE, STARTED, append, empty_trail, long_trail, seqs

NOWHERE = Path("nowhere")
SHORT, LONG = 1_000, 100_000
PAGE = 100


@pytest.fixture(scope="module")
def trails():
    with closing(long_trail(SHORT)) as short, closing(long_trail(LONG)) as long:
        yield short, long


def cost(connection, question):
    """Return how many steps SQLite takes for a page of answers, and how many these are."""
    steps, found, is_over = [0], 0, False

    def step():
        steps[0] += 1

    connection.set_progress_handler(step, 1)
    while not is_over and found < PAGE:
        part = find(connection, NOWHERE, question)
        found, question, is_over = found + len(part.events), question.behind(part.seen), part.is_over
    connection.set_progress_handler(None, 1)
    return steps[0], min(found, PAGE)


def asked(text, **other):
    return AuditQuery(filter=parse_event_filter(text), **other)


INDEXED = [
    pytest.param(lambda n: AuditQuery(), PAGE, id="all"),
    pytest.param(lambda n: AuditQuery(newest_first=False), PAGE, id="all, oldest first"),
    pytest.param(lambda n: asked('event eq "user.delete"'), RARE, id="event"),
    pytest.param(lambda n: asked('event eq "user.delete"', newest_first=False), RARE, id="oldest first"),
    pytest.param(lambda n: asked('outcome.result eq "rejected"'), RARE, id="result"),
    pytest.param(lambda n: asked('actor[name eq "ALICE"]'), RARE, id="actor"),
    pytest.param(lambda n: asked('target.user_name eq "ann"'), RARE, id="person"),
    pytest.param(lambda n: AuditQuery(name="ANN", newest_first=False), RARE, id="history"),
    pytest.param(
        lambda n: AuditQuery(name="ann", filter=named("target.name", "cx")), RARE, id="history at a target"
    ),
    pytest.param(lambda n: asked('target.name eq "cx"'), PAGE, id="target of all"),
    pytest.param(lambda n: asked('target.name eq "nobody"'), 0, id="target of none"),
    pytest.param(lambda n: asked(f'id eq "id-{n // 2}"'), 1, id="id"),
    pytest.param(lambda n: asked(f'correlation_id eq "cid-{n // 2}"'), 1, id="correlation id"),
    pytest.param(lambda n: asked(f"seq gt {n - 50}"), 50, id="seq"),
    pytest.param(lambda n: asked('published lt "2026-03-01T00:00:51Z"'), 50, id="published"),
    pytest.param(lambda n: AuditQuery(until="2026-03-01T00:00:51Z"), 50, id="until"),
    pytest.param(
        lambda n: asked('target.name eq "cx" and outcome.result eq "rejected"'), RARE, id="common and rare"
    ),
    pytest.param(
        lambda n: asked('outcome.result eq "rejected" and target.name eq "cx"'), RARE, id="rare and common"
    ),
    pytest.param(
        lambda n: asked('event eq "user.delete" or actor.name eq "alice"'), 2 * RARE, id="rare or rare"
    ),
    pytest.param(lambda n: asked('target.name eq "cx"', after=51), 50, id="next page"),
]


@pytest.mark.parametrize(("question", "answers"), INDEXED)
def test_an_indexed_question_costs_the_same_in_a_hundred_times_longer_trail(trails, question, answers):
    short, long = (cost(trail, question(n)) for trail, n in zip(trails, (SHORT, LONG), strict=True))

    assert (short[1], long[1]) == (answers, answers)
    assert long[0] <= 2 * short[0]


def test_what_no_index_answers_is_looked_for_in_every_event(trails):
    (scan, _), (seek, _) = (
        cost(trails[0], asked(text)) for text in ('event co "nobody"', 'event eq "nobody"')
    )

    assert scan > 50 * seek


@pytest.mark.parametrize("sql", [UP, DOWN], ids=["up", "down"])
@pytest.mark.parametrize("column", [*COLUMNS.values(), "subject"])
def test_a_seek_is_one_step_in_an_index(trails, column, sql):
    plan = trails[0].execute(f"EXPLAIN QUERY PLAN {sql.format(column)}", ("x", 1)).fetchall()

    (step,) = [row[3] for row in plan]
    place = "rowid<?" if sql == DOWN else "rowid>?"
    assert step.startswith("SEARCH event USING COVERING INDEX event_")
    assert f"({column}=?" in step
    assert column == "id" or place in step


@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize("seconds", [-5, 1, 2, 500, 999, 1000, 1001, 5000])
def test_a_time_is_found_by_halves(trails, seconds, beyond):
    asked = f"{STARTED + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.000000Z"

    expected = min(max(seconds + beyond, 1), SHORT + 1)
    assert first_from(trails[0], asked, beyond=beyond) == expected
    steps: list[int] = []
    for trail in trails:
        trail.set_progress_handler(lambda: steps.append(1), 1)
        first_from(trail, asked, beyond=beyond)
        trail.set_progress_handler(None, 1)
    assert len(steps) < 1500


@pytest.mark.parametrize("missing", [[1], [4], [8], [2, 3, 4, 5], [7, 8]])
def test_a_time_is_found_where_events_are_missing(missing):
    with closing(empty_trail()) as connection:
        append(connection, [Event(f"e-{n}", {"event": "x"}) for n in range(8)])
        for seq in missing:
            connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
        left = dict(connection.execute("SELECT seq, published FROM event"))

        for time in (f"{STARTED + timedelta(days=n):%Y-%m-%d}" for n in range(-1, 10)):
            found = first_from(connection, f"{time}T00:00:00.000000Z")
            assert {seq for seq in left if seq >= found} == {seq for seq in left if left[seq] >= time}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('published ge "0001-01-01T00:00:00+14:00"', [4, 3, 2, 1], id="a time before all time"),
        pytest.param("published ge 5", [], id="no time"),
        pytest.param('published ge "2026-03-02"', [4, 3, 2], id="part of a time, compared as a text"),
        pytest.param('published le "2026-03-02T01:00:00+01:00"', [2, 1], id="a time of another zone"),
        pytest.param("seq gt true", [], id="no number"),
        pytest.param("seq lt 2.5", [2, 1], id="a broken number"),
        pytest.param('target.user_name eq "A*** (3)"', [2], id="a masked name"),
        pytest.param('target.user_name eq "HMAC:00"', [3], id="a hashed name"),
        pytest.param('target.user_name eq "2026-03-01T00:00:00.0Z"', [4], id="a name that is a time"),
        pytest.param('event eq "nobody" or target.user_name co "nn"', [1], id="an index answers one term"),
    ],
)
def test_an_odd_question_has_its_answer_too(text, found):
    with closing(empty_trail()) as connection:
        append(connection, [Event(f"e-{name}", about(name)) for name in ODD_NAMES])
        connection.execute("UPDATE event SET subject = 'of the name itself'")

        assert list(seqs(connection, NOWHERE, asked(text))) == found


ODD_NAMES = ("Ann", "a*** (3)", "hmac:00", "2026-03-01T00:00:00Z")


def about(name):
    return {"target": {"user_name": Personal(name)}}


EVENTS = ["user.create", "user.delete", "auth.refused"]
NAMES = ["Ann", "ANN", "Größe", "GRÖSSE", "a*** (3)", "2026-03-01T00:00:00Z", None]
LITERALS = {
    "event": [*EVENTS, "USER.create", ""],
    "target.name": ["cx", "Other"],
    "target.user_name": ["ann", "grösse", "a*** (3)", "2026-03-01T00:00:00.0Z"],
    "outcome.result": ["applied", "rejected"],
    "actor.name": ["okta", "alice"],
    "correlation_id": ["c-0", "C-1"],
    "id": ["e-3", "E-4"],
    "published": [
        "2026-03-03T00:00:00Z",
        "2026-03-02T23:00:00.000-01:00",
        "2026-03",
        "0001-01-01T00:00:00+14:00",
    ],
}
OPERATORS = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])
TEXTS = st.sampled_from([(name, f'"{value}"') for name, values in LITERALS.items() for value in values])
NUMBERS = st.tuples(st.just("seq"), st.sampled_from(["0", "3", "3.0", "4.5", "-1", "12345678901234567890"]))
ODD = st.tuples(
    st.sampled_from(["seq", "event", "target.name", "target"]), st.sampled_from(["true", "null", '"3"'])
)
TERMS = st.builds("{0[0]} {1} {0[1]}".format, TEXTS | NUMBERS | ODD, OPERATORS) | st.sampled_from(
    ['target[name eq "cx" and user_name eq "ann"]', "outcome.reason pr", 'diff[path eq "title"]']
)
FILTERS = st.recursive(
    TERMS,
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=4,
)
MADE = st.builds(
    lambda n, event, target, name, result, actor: {
        "event": event,
        "target": {"name": target, "user_name": None if name is None else Personal(name)},
        "outcome": {"result": result},
        "actor": {"name": actor},
        "correlation_id": f"c-{n}",
    },
    st.integers(0, 2),
    st.sampled_from(EVENTS),
    st.sampled_from(["cx", "other", None]),
    st.sampled_from(NAMES),
    st.sampled_from(["applied", "rejected"]),
    st.sampled_from(["okta", "alice", None]),
)


@settings(max_examples=100, deadline=None)
@given(events=st.lists(MADE, max_size=8), text=FILTERS, newest_first=st.booleans(), bound=st.integers(1, 9))
def test_an_index_never_hides_an_answer(events, text, newest_first, bound):
    question = asked(text, newest_first=newest_first, until=f"2026-03-0{bound}")
    with closing(empty_trail()) as connection:
        append(connection, [Event(f"e-{n}", fields) for n, fields in enumerate(events, 1)])
        every = load_events(connection, range(1, min(len(events), bound - 1) + 1))

        expected = [event["seq"] for event in every if predicate_of(question)(event)]
        assert list(seqs(connection, NOWHERE, question)) == sorted(expected, reverse=newest_first)
