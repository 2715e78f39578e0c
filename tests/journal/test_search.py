"""The trail walked over the journal and the months that have left it, while both go on."""

from contextlib import closing
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.event import Event
from gateway.audit.query import SLICE, AuditQuery, named
from gateway.errors import JournalUnavailable
from gateway.journal.search import find
from gateway.journal.store import archives_of
from tests.support.trails import append, damaged_trail, empty_trail, leave, seqs

DOWN, UP = AuditQuery(), AuditQuery(newest_first=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gateway.db"


@pytest.fixture
def trail(path):
    with closing(empty_trail(path)) as connection:
        yield connection


def events(many, start=1):
    return [Event(f"e-{n}", {"event": "even" if n % 2 == 0 else "odd"}) for n in range(start, start + many)]


@pytest.fixture(params=["left", "stay as well", "all left"])
def split(request, trail, path):
    """Ten events, of which the first three and the next four are in files of their own."""
    append(trail, events(10))
    leave(trail, path, "2026-03", 3, delete=request.param != "stay as well")
    leave(trail, path, "2026-04", 7, delete=request.param != "stay as well")
    if request.param == "all left":
        leave(trail, path, "2026-05", 10)
    return trail


def test_the_files_of_months_are_known_by_their_names(path):
    for name in (
        "gateway.db.2026-10.archive",
        "gateway.db.2026-09.archive",
        "gateway.db",
        "x.2026-09.archive",
    ):
        path.with_name(name).touch()
    path.with_name("gateway.db.2026-11.archive.tmp").touch()

    assert [file.name[11:18] for file in archives_of(path)] == ["2026-09", "2026-10"]


def test_a_journals_name_is_no_pattern(tmp_path):
    (tmp_path / "a.2026-09.archive").touch()

    assert archives_of(tmp_path / "[a]") == ()


@pytest.mark.parametrize(
    ("question", "found"),
    [
        pytest.param(DOWN, range(10, 0, -1), id="newest first"),
        pytest.param(UP, range(1, 11), id="oldest first"),
        pytest.param(AuditQuery(filter=named("event", "even")), (10, 8, 6, 4, 2), id="filter"),
        pytest.param(UP.behind(3), range(4, 11), id="from the second file on"),
        pytest.param(DOWN.behind(4), (3, 2, 1), id="in the first file"),
        pytest.param(AuditQuery(since="2026-03-03", until="2026-03-09"), range(8, 2, -1), id="times"),
        pytest.param(AuditQuery(q="e-7"), (7,), id="text"),
    ],
)
def test_a_trail_is_one_over_all_its_files(split, path, question, found):
    assert tuple(seqs(split, path, question)) == tuple(found)


def test_an_event_names_the_one_before_it_across_files(split, path):
    question, found = UP, []
    for _ in range(3):
        part = find(split, path, question)
        found, question = [*found, *part.events], question.behind(part.seen)

    assert len(found) == 10
    assert [event["prev"] for event in found] == ["", *(event["hash"] for event in found[:-1])]


def test_a_file_that_was_taken_away_is_passed_over(trail, path):
    append(trail, events(6))
    leave(trail, path, "2026-03", 2)
    leave(trail, path, "2026-04", 4)
    archives_of(path)[0].unlink()

    assert list(seqs(trail, path, DOWN)) == [6, 5, 4, 3]
    assert list(seqs(trail, path, UP)) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"no database" * 100, "the file is no SQLite database", id="something else"),
        pytest.param(b"", "the tables of the trail are not in it", id="empty"),
        pytest.param(damaged_trail(), "database disk image is malformed", id="damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(trail, path, content, why):
    append(trail, events(2))
    leave(trail, path, "2026-03", 1)
    archives_of(path)[0].write_bytes(content)

    says = rf"^gateway\.db\.2026-03\.archive cannot be read: {why}; put it back from a backup, or move it"
    with pytest.raises(JournalUnavailable, match=says):
        list(seqs(trail, path, UP))


@pytest.mark.parametrize("question", [DOWN, UP])
def test_an_empty_trail_has_no_answer(trail, path, question):
    assert list(seqs(trail, path, question)) == []


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_batch_is_short(trail, path, newest_first):
    append(trail, events(SLICE + 1))
    question = AuditQuery(newest_first=newest_first)

    first = find(trail, path, question)
    rest = find(trail, path, question.behind(first.seen))

    assert (len(first.events), first.is_over, len(rest.events), rest.is_over) == (SLICE, False, 1, True)


STEPS = st.lists(st.sampled_from(["append", "down", "up", "leave", "leave half"]), min_size=1, max_size=14)
FILTERED = st.sampled_from([None, named("event", "even")])


@settings(max_examples=20, deadline=None)
@given(steps=STEPS, filter=FILTERED)
def test_paging_neither_skips_nor_repeats_while_events_arrive_and_months_leave(
    steps, filter, tmp_path_factory
):
    path = tmp_path_factory.mktemp("trail") / "gateway.db"
    down, up = (
        Pager(path, AuditQuery(filter=filter)),
        Pager(path, AuditQuery(filter=filter, newest_first=False)),
    )
    months, total = count(1), 5
    with closing(empty_trail(path)) as connection:
        append(connection, events(5))
        for step in [*steps, *["down", "up"] * 25]:
            if step == "append":
                append(connection, events(3, total + 1))
                total += 3
            elif step.startswith("leave"):
                leave(connection, path, f"2026-{next(months):02}", total - 1, delete=step == "leave")
            else:
                (down if step == "down" else up).turn(connection, total)

    wanted = [seq for seq in range(1, total + 1) if filter is None or seq % 2 == 0]
    assert up.found == wanted
    assert down.found == [seq for seq in reversed(wanted) if seq <= down.newest]


class Pager:
    """Reads a page of two events at a time, as a client of the API does."""

    def __init__(self, path, question):
        self.path, self.question, self.found, self.newest = path, question, [], None

    def turn(self, connection, total):
        """Read the next page; `total` events are there."""
        self.newest = self.newest or total
        page = [seq for _, seq in zip(range(2), seqs(connection, self.path, self.question), strict=False)]
        self.found += page
        if page:
            self.question = self.question.behind(page[-1])
