"""`audit`: events found, and the record verified."""

import csv
import io
import json
import sqlite3
from contextlib import closing

import pytest

from gateway.cli import main


def found(run, *options):
    """Return the events of a query by name."""
    ended = run("audit", "query", "--format", "ndjson", *options)
    assert ended.status == 0, ended.err
    return [json.loads(line)["event"] for line in ended.out.splitlines()]


ALL = ["user.delete", "user.replace", "user.create", "config.loaded"]


@pytest.mark.parametrize(
    ("options", "events"),
    [
        pytest.param([], ALL, id="all, newest first"),
        pytest.param(["--sort", "asc"], ALL[::-1], id="oldest first"),
        pytest.param(["--limit", "2"], ALL[:2], id="limit"),
        pytest.param(["--sort", "asc", "--limit", "1"], ALL[3:], id="limit from the oldest"),
        pytest.param(["--after", "3"], ALL[2:], id="after a seq"),
        pytest.param(["--sort", "asc", "--after", "3"], ALL[:1], id="after a seq, oldest first"),
        pytest.param(["--since", "2026-03-01T09:02:00Z"], ALL[:2], id="since"),
        pytest.param(["--until", "2026-03-01T09:02:00Z"], ALL[2:], id="until"),
        pytest.param(["--until", "2026-03-01T11:02:00+02:00"], ALL[2:], id="time of another zone"),
        pytest.param(
            ["--sort", "asc", "--since", "2026-03-01T09:01:00", "--until", "2026-03-01T09:03:00"],
            ["user.create", "user.replace"],
            id="from until, oldest first",
        ),
        pytest.param(["--until", "2000-01-01"], [], id="before all"),
        pytest.param(["--until", "2000-01-01", "--sort", "asc"], [], id="before all, oldest first"),
        pytest.param(["--since", "2h"], [], id="the last two hours"),
        pytest.param(["--until", "2h"], ALL, id="until two hours ago"),
        pytest.param(
            ["--filter", 'target.name eq "cx" and outcome.result eq "rejected"'],
            ["user.replace"],
            id="filter",
        ),
        pytest.param(["--filter", 'target.user_name sw "ANN"'], ["user.create"], id="filter on a person"),
        pytest.param(["--filter", "seq gt 3"], ["user.delete"], id="filter on a number"),
        pytest.param(["--filter", 'Target.Name eq "phonebook"'], ["user.delete"], id="names in any case"),
        pytest.param(["--filter", 'diff[path eq "title"] and seq eq 2'], ["user.create"], id="in brackets"),
        pytest.param(["--q", "BOB@"], ["user.replace"], id="text"),
        pytest.param(["--q", "grösse"], ALL, id="text in the difference, case folded"),
        pytest.param(["--q", "203", "--q", "201"], ALL, id="text of a number, the last one counts"),
        pytest.param(["--q", "nobody"], [], id="text nowhere"),
        pytest.param(["--q", "ann", "--filter", 'event eq "user.delete"'], [], id="text and filter"),
    ],
)
def test_a_query_finds_events(run, journal, options, events):
    assert found(run, *options) == events


def test_a_text_is_not_looked_for_in_hashes(run, journal):
    newest = json.loads(run("audit", "query", "--format", "ndjson", "--limit", "1").out)

    assert found(run, "--q", newest["hash"][:12]) == []


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_follow_each_other_to_the_end(run, remember, make_event, sort):
    remember([make_event(f"user.{n}") for n in range(1105)])
    seen, options = [], []

    while True:
        ended = run(*["audit", "query", "--format", "ndjson", "--limit", "503", "--sort"], sort, *options)
        seen += [json.loads(line)["seq"] for line in ended.out.splitlines()]
        if not ended.err:
            break
        options = ended.err.removeprefix("more: ").split()

    assert seen == sorted(range(1, 1106), reverse=sort == "desc")


def test_a_trail_with_a_gap_is_walked_all_the_same(run, journal):
    change(journal, "DELETE FROM event WHERE seq = 2")

    assert found(run, "--sort", "asc") == ["config.loaded", "user.replace", "user.delete"]


def test_a_table_tells_what_people_ask_first(run, journal):
    ended = run("audit", "query", "--filter", "outcome.reason pr")

    head, row = (line.rstrip() for line in ended.out.splitlines())
    assert head.split("  ")[0] == "time"
    assert row.split()[:6] == [
        "2026-03-01T09:02:00Z",
        "user.replace",
        "rejected",
        "okta",
        "cx",
        "bob@example.com",
    ]
    assert row.endswith("cid-user.replace  title: ?[31m" + ("too long " * 12).rstrip())


def test_json_is_one_array_of_events(run, journal):
    ended = run("audit", "query", "--format", "json")

    assert [event["event"] for event in json.loads(ended.out)] == ALL


def test_a_sheet_has_paths_as_titles_and_runs_nothing(run, journal):
    ended = run("audit", "query", "--format", "csv", "--limit", "1")

    title, row = csv.reader(io.StringIO(ended.out))
    sheet = dict(zip(title, row, strict=True))
    assert (sheet["seq"], sheet["target.user_name"], sheet["outcome.status"]) == ("4", "'=cmd()", "201")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(
            ["--filter", 'targt.name eq "cx"'],
            'filter: an event has no "targt.name"; did you mean "target.name"?',
            id="unknown field",
        ),
        pytest.param(
            ["--filter", 'urn:x:Event:seq eq "1"'],
            'filter: an event has no "urn:x:Event:seq"',
            id="field of a schema",
        ),
        pytest.param(["--filter", "seq eq"], "filter: ", id="no filter"),
        pytest.param(["--since", "yesterday"], "since: must be a time such as", id="no time"),
        pytest.param(["--until", "7"], "until: must be a time such as", id="no unit"),
        pytest.param(
            ["--until", "0001-01-01T00:00:00+14:00"], "until: must be a time such as", id="time too early"
        ),
    ],
)
def test_a_wrong_question_ends_with_2(run, journal, options, sentence):
    ended = run("audit", "query", *options)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(sentence)


@pytest.mark.parametrize("command", ["query", "verify"])
def test_a_journal_that_is_not_there_ends_with_3(run, folder, command):
    ended = run("audit", command)

    assert ended.status == 3
    assert ended.err == f"there is no journal {folder}/var/gateway.db yet: `serve` makes it\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "cannot be read: no such table", id="empty"),
        pytest.param(b"no database" * 100, "the file is no SQLite database", id="something else"),
    ],
)
@pytest.mark.parametrize("command", ["query", "verify"])
def test_a_file_that_is_no_journal_ends_with_3(run, folder, command, content, sentence):
    (folder / "var").mkdir()
    (folder / "var" / "gateway.db").write_bytes(content)

    ended = run("audit", command)

    assert ended.status == 3
    assert sentence in ended.err


def change(path, *statements):
    """Do to a journal what nobody should."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "status", "told"),
    [
        pytest.param("SELECT 1", 0, "whole: 4 events, each in its place", id="whole"),
        pytest.param("DELETE FROM event WHERE seq = 2", 10, "gap at event 2: event 2 is missing", id="gap"),
        pytest.param(
            "UPDATE event SET body = replace(body, 'rejected', 'applied') WHERE seq = 3",
            11,
            "changed at event 3: the text or the hash, number, id or time of event 3 was changed",
            id="changed",
        ),
        pytest.param(
            "DELETE FROM event WHERE seq = 4",
            12,
            "truncated at event 4: events 4 to 4 are missing",
            id="truncated",
        ),
    ],
)
def test_the_trail_is_verified(run, journal, statement, status, told):
    change(journal, statement)

    ended = run("audit", "verify")

    assert (ended.status, ended.out) == (status, f"{told}\n")


@pytest.mark.parametrize(
    ("expected", "status", "told"),
    [
        pytest.param("{seq}:{hash}", 0, "whole: ", id="what was seen"),
        pytest.param("{seq}:" + "0" * 64, 11, "changed at event ", id="another"),
        pytest.param("99:{hash}", 12, "truncated at event ", id="more than there is"),
        pytest.param("99", 2, "", id="no hash"),
        pytest.param("{hash}", 2, "", id="no seq"),
        pytest.param("-1:{hash}", 2, "", id="below 0"),
    ],
)
def test_verify_asks_for_what_was_seen(run, journal, expected, status, told):
    newest = json.loads(run("audit", "query", "--limit", "1", "--format", "ndjson").out)

    ended = run("audit", "verify", "--expect", expected.format(**newest))

    assert ended.status == status
    assert ended.out.startswith(told)
    assert ("--expect" in ended.err) == (status == 2)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        pytest.param(
            ["audit", "verify"], ["at event 1", "at event 2", "at event 3", "at event 4"], id="verify"
        ),
        pytest.param(["audit", "query", "--q", "nobody"], ["at event 1"], id="query"),
    ],
)
def test_what_looks_at_the_whole_trail_tells_a_terminal_how_far_it_is(run, journal, monkeypatch, argv, told):
    monkeypatch.setattr("gateway.cli.terminal.EVERY", 0.0)
    terminal = Terminal()

    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", terminal)
        main(argv)

    assert terminal.getvalue() == "".join(f"\r\x1b[K{line}" for line in told) + "\r\x1b[K"
