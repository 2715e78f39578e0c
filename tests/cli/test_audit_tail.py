"""`audit tail`: what is there, and all that comes, each once."""

import csv
import io
import json
import sqlite3
from contextlib import closing, suppress

import pytest

from gateway.audit.query import AuditQuery, parse_event_filter
from gateway.cli import audit, main
from gateway.journal.reader import reading
from tests.support.trails import append, leave


class Waits:
    """Does one thing after the other while the command waits, and interrupts it at last."""

    def __init__(self, *works):
        self.works = list(works)

    def __call__(self):
        if not self.works:
            raise KeyboardInterrupt
        self.works.pop(0)()


def told(path, question, last, *works):
    """Return what is told until somebody interrupts, by seq."""
    found = []
    with reading(path) as reader, suppress(KeyboardInterrupt):
        for event in audit.events(reader, question, last, Waits(*works)):
            found.append(event["seq"])
    return found


@pytest.fixture
def come(journal, make_event):
    """Have events come to a journal of four."""

    def come_events(*names):
        with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
            append(connection, [make_event(name) for name in names])

    return come_events


@pytest.mark.parametrize(
    ("last", "old"), [pytest.param(2, [3, 4], id="some"), (0, []), pytest.param(9, [1, 2, 3, 4], id="all")]
)
def test_it_begins_with_the_newest_and_goes_on(journal, come, last, old):
    works = (lambda: come("a"), lambda: None, lambda: come("b", "c"))

    assert told(journal, AuditQuery(), last, *works) == [*old, 5, 6, 7]


class Hurried:
    """A reader whose trail grows as soon as it has said which event is the newest."""

    def __init__(self, reader, come):
        self.find, self.answers, self._newest, self._come = reader.find, reader.answers, reader.newest, come

    def newest(self):
        newest = self._newest()
        self._come("a")
        return newest


def test_what_comes_between_the_old_and_the_new_is_told_once(journal, come):
    found = []
    with reading(journal) as reader, suppress(KeyboardInterrupt):
        for event in audit.events(Hurried(reader, come), AuditQuery(), 2, Waits()):
            found.append(event["seq"])

    assert found == [3, 4, 5]


def test_only_what_is_asked_for_is_told(journal, come):
    question = AuditQuery(filter=parse_event_filter('event sw "user."'))

    assert told(journal, question, 10, lambda: come("x", "user.late", "y")) == [2, 3, 4, 6]


def test_a_month_that_leaves_is_not_told_again(journal, come):
    def everything_leaves():
        come("a")
        with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
            leave(connection, journal, "2026-03", 5)

    assert told(journal, AuditQuery(), 1, everything_leaves, lambda: come("b")) == [4, 5, 6]


@pytest.fixture
def tailed(run, journal, come, monkeypatch):
    """Run the command; one event comes before it is interrupted."""

    def run_tail(*options):
        monkeypatch.setattr(audit, "_pause", Waits(lambda: come("user.late")))
        return run("audit", "tail", *options)

    return run_tail


def test_events_are_lines_for_people(tailed):
    ended = tailed("--last", "1")

    assert (ended.status, ended.err) == (0, "")
    assert [line.split()[1] for line in ended.out.splitlines()] == ["user.delete", "user.late"]


def test_events_are_objects_for_programs(tailed):
    ended = tailed("--format", "ndjson", "--filter", "seq ge 4")

    assert [json.loads(line)["seq"] for line in ended.out.splitlines()] == [4, 5]


def test_events_are_rows_of_a_sheet(tailed):
    title, *rows = csv.reader(io.StringIO(tailed("--format", "csv", "--last", "1").out, newline=""))

    assert [row[title.index("event")] for row in rows] == ["user.delete", "user.late"]
    assert rows[0][title.index("target.user_name")] == "'=cmd()"


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        pytest.param(["--filter", "nothing pr"], 2, 'an event has no "nothing"', id="no field"),
        pytest.param(["--format", "json"], 2, "--format", id="an array that never ends"),
    ],
)
def test_what_cannot_be_followed_is_said(run, journal, options, status, sentence):
    ended = run("audit", "tail", *options)

    assert ended.status == status
    assert sentence in ended.err


def test_a_pause_lets_go_what_was_written(monkeypatch):
    flushed = io.StringIO()
    flushed.flush = lambda: flushed.write("flushed")
    monkeypatch.setattr("sys.stdout", flushed)
    monkeypatch.setattr(audit, "PAUSE", 0.0)

    audit._pause()

    assert flushed.getvalue() == "flushed"


def test_there_is_nothing_to_follow_without_a_journal(run, folder):
    assert run("audit", "tail").status == 3


class Screen(io.StringIO):
    """Standard output of a person."""

    def isatty(self):
        return True


def screened(monkeypatch, *options):
    """Return the lines that the command shows on a terminal of 80 columns."""
    monkeypatch.setattr(audit, "_pause", Waits(lambda: None))
    monkeypatch.setenv("COLUMNS", "80")
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", screen := Screen())
        assert main(["audit", "tail", *options]) == 0
    return screen.getvalue().splitlines()


def test_on_a_terminal_events_keep_to_its_columns_and_reasons_stand_below(run, journal, monkeypatch):
    lines = screened(monkeypatch)

    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["2026-03-01T09:02:00Z", "user.replace", "rejected", "bob@example.com"]
    assert " ".join(line.strip() for line in lines[3:5]).startswith("title: ?[31mtoo long too long")


@pytest.mark.parametrize("format", ["table", "csv"])
def test_the_columns_of_what_comes_can_be_chosen(run, journal, monkeypatch, format):
    rows = screened(monkeypatch, "--columns", "seq,event", "--last", "1", "--format", format)

    assert rows[-1].replace('"', "").replace(",", " ").split() == ["4", "user.delete"]
