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

    ended = run("audit", "export", "--format", "csv", "--output", "out.csv")

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
