"""`audit export`: the trail as a file, whole or not at all, and noted."""

import csv
import io
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli import client, export
from gateway.cli.client import Answer
from gateway.journal.store import JournalLock

NAMES = ["config.loaded", "user.create", "user.replace", "user.delete"]


def events(run, *options):
    """Return the trail, oldest first."""
    ended = run("audit", "query", "--format", "ndjson", "--sort", "asc", *options)
    return [json.loads(line) for line in ended.out.splitlines()]


def test_all_is_written_the_oldest_first(run, journal):
    ended = run("audit", "export")

    assert (ended.status, ended.err) == (0, "4 events, of those up to seq 4\n")
    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == NAMES


def test_a_dash_is_standard_output_and_no_file(run, journal, folder):
    ended = run("audit", "export", "--output", "-")

    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == NAMES
    assert not (folder / "-").exists()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param(["--since", "2026-03-01T09:02:00Z"], NAMES[2:], id="since"),
        pytest.param(["--until", "2026-03-01T09:02:00Z"], NAMES[:2], id="until"),
        pytest.param(["--filter", 'target.name eq "cx"'], NAMES[1:3], id="filter"),
        pytest.param(["--q", "bob@"], NAMES[2:3], id="text"),
        pytest.param(["--q", "nobody"], [], id="nothing"),
    ],
)
def test_a_part_is_written(run, journal, options, names):
    ended = run("audit", "export", *options)

    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == names


def test_a_file_is_for_its_owner_alone_and_leaves_nothing_beside_it(run, journal, folder):
    (folder / "out.csv").write_text("old")
    beside = set(os.listdir(folder))

    ended = run("audit", "export", "--format", "csv", "--output", "out.csv", "--force")

    title, *rows = csv.reader(io.StringIO((folder / "out.csv").read_text("utf-8"), newline=""))
    assert (ended.status, ended.out) == (0, "")
    assert [row[title.index("event")] for row in rows] == NAMES
    assert rows[3][title.index("target.user_name")] == "'=cmd()"
    assert (folder / "out.csv").stat().st_mode & 0o777 == 0o600
    assert set(os.listdir(folder)) == beside


def test_an_export_is_noted_before_it_is_made(run, journal):
    run(
        "audit",
        "export",
        "--filter",
        'target.user_name eq "ann@example.com"',
        "--until",
        "2026-03-02",
        "--q",
        "a",
    )

    noted = events(run)[-1]
    assert (noted["event"], noted["actor"]["type"]) == ("export", "administrator")
    assert noted["export"] == {
        "format": "ndjson",
        "since": None,
        "until": "2026-03-02T00:00:00+00:00",
        "filter": 'target.user_name eq "ann@example.com"',
        "q": "a",
        "last": 4,
    }


def test_what_an_export_was_asked_for_stands_apart_from_the_chain(run, journal):
    run("audit", "export", "--q", "ann@example.com")

    with closing(sqlite3.connect(journal)) as connection:
        (body,) = connection.execute("SELECT body FROM event WHERE seq = 5").fetchone()
    assert "ann@example.com" not in body


@pytest.mark.parametrize("output", ["nowhere/out.csv", "var"])
def test_a_file_that_cannot_be_written_ends_with_2(run, journal, folder, output):
    ended = run("audit", "export", "--output", output)

    assert ended.status == 2
    assert ended.err.startswith(f"--output: {output} cannot be written: ")
    assert list(folder.glob(".*")) == []


def test_a_pipe_or_a_device_is_not_replaced_by_a_file(run, journal, folder):
    os.mkfifo(folder / "pipe")

    ended = run("audit", "export", "--output", "pipe")

    assert (ended.status, ended.err) == (2, "--output: pipe cannot be written: it is not a file\n")
    assert (folder / "pipe").is_fifo()


def test_a_link_leads_to_the_file_that_is_written(run, journal, folder):
    (folder / "link.csv").symlink_to("out.csv")

    run("audit", "export", "--format", "csv", "--output", "link.csv")

    assert (folder / "link.csv").is_symlink()
    assert len((folder / "out.csv").read_text("utf-8").splitlines()) == len(NAMES) + 1


def test_nothing_leaves_that_cannot_be_noted(run, journal, folder):
    lock = JournalLock(journal)
    ended = run("audit", "export", "--output", "out")
    lock.release()

    assert (ended.status, ended.out) == (3, "")
    assert "another gateway has the journal" in ended.err
    assert not (folder / "out").exists()


def test_the_running_gateway_may_refuse(run, journal, monkeypatch):
    monkeypatch.setattr(client, "ask", lambda *asked: Answer(503, "the journal cannot be used now"))

    ended = run("audit", "export")

    assert (ended.status, ended.out, ended.err) == (3, "", "the journal cannot be used now\n")


def test_the_running_gateway_notes_an_export(run, journal, monkeypatch):
    asked = []
    monkeypatch.setattr(client, "ask", lambda *said: asked.append(said[:4]) or Answer(204, ""))

    assert run("audit", "export", "--format", "csv").status == 0

    noted = {"format": "csv", "since": None, "until": None, "filter": None, "q": None, "last": 4}
    assert asked == [(journal.with_name("gateway.db.sock"), "POST", "/exports", noted)]
    assert len(events(run)) == 4


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_long_export_tells_a_terminal_how_far_it_is(run, remember, make_event, monkeypatch):
    remember([make_event(f"user.{n}") for n in range(600)])
    monkeypatch.setattr(export, "EVERY", 0.0)
    terminal = Terminal()

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        run("audit", "export", "--q", "user.1", "--output", "out")

    assert terminal.getvalue().split("\r")[:2] == [
        "111 events, at seq 250 of 600",
        "111 events, at seq 500 of 600",
    ]


def test_who_is_no_terminal_is_not_told(run, remember, make_event, monkeypatch):
    remember([make_event(f"user.{n}") for n in range(300)])
    monkeypatch.setattr(export, "EVERY", 0.0)

    assert run("audit", "export", "--output", "out").err == "300 events, of those up to seq 300\n"


def test_an_export_is_on_the_disk_before_it_has_its_name_and_then_the_name_is(
    run, journal, folder, monkeypatch
):
    done, sync, rename = [], os.fsync, os.replace

    def synced(handle):
        place = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if place.is_relative_to(folder / "out"):
            done.append(("sync", place.is_dir(), os.fstat(handle).st_size))
        sync(handle)

    def renamed(old, new):
        done.append(("rename", Path(new).name))
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    (folder / "out").mkdir()

    assert run("audit", "export", "--output", "out/trail.ndjson").status == 0

    size = (folder / "out" / "trail.ndjson").stat().st_size
    assert done[:2] == [("sync", False, size), ("rename", "trail.ndjson")]
    assert [step[:2] for step in done[2:]] == [("sync", True)]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param(["--month", "2026-03"], NAMES, id="month"),
        pytest.param(["--month", "2026-02"], [], id="the month before"),
        pytest.param(["--month", "2026-12"], [], id="the last month of a year"),
        pytest.param(["--quarter", "2026Q1"], NAMES, id="quarter"),
        pytest.param(["--quarter", "2026-q1"], NAMES, id="quarter, otherwise written"),
        pytest.param(["--quarter", "2025Q4"], [], id="the quarter before"),
    ],
)
def test_a_month_or_a_quarter_is_written(run, journal, options, names):
    ended = run("audit", "export", *options)

    assert ended.status == 0
    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == names


def test_a_month_ends_where_the_next_begins(run, journal):
    run("audit", "export", "--month", "2026-12")

    noted = events(run)[-1]["export"]
    assert (noted["since"], noted["until"]) == ("2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(["--month", "2026-13"], '--month: must be a month such as "2026-09"', id="no month"),
        pytest.param(["--month", "9999-12"], '--month: must be a month such as "2026-09"', id="no year"),
        pytest.param(
            ["--quarter", "2026Q5"], '--quarter: must be a quarter such as "2026Q3"', id="no quarter"
        ),
        pytest.param(["--month", "2026-03", "--quarter", "2026Q1"], "say one of them", id="both"),
        pytest.param(["--month", "2026-03", "--since", "2d"], "say one of them", id="month and since"),
        pytest.param(
            ["--since", "2026-03-02", "--until", "2026-03-01"],
            "since: is after until",
            id="since after until",
        ),
    ],
)
def test_a_period_that_cannot_be_is_a_fault(run, journal, options, sentence):
    ended = run("audit", "export", *options)

    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err
    assert len(events(run)) == 4


def test_a_file_that_is_there_is_replaced_only_by_force(run, journal, folder):
    (folder / "out.csv").write_text("old")

    refused = run("audit", "export", "--output", "out.csv")
    before = (folder / "out.csv").read_text()
    forced = run("audit", "export", "--output", "out.csv", "--force")

    assert (refused.status, refused.err) == (2, "--output: out.csv is there already; --force replaces it\n")
    assert before == "old"
    assert forced.status == 0
    assert len((folder / "out.csv").read_text().splitlines()) == len(NAMES)


def test_a_sheet_has_what_was_left_out_each_attempt_and_the_chain(run, journal):
    (title, *rows) = csv.reader(io.StringIO(run("audit", "export", "--format", "csv").out, newline=""))

    assert set(title) >= {"dropped", "held", "attempts", "prev", "hash"}
    hashes = [(row[title.index("prev")], row[title.index("hash")]) for row in rows]
    assert [prev for prev, _ in hashes[1:]] == [hash for _, hash in hashes[:-1]]
    assert all(len(hash) == 64 for _, hash in hashes)
