"""`audit show` and `audit history`: one event whole, and one person's story."""

import csv
import io
import json

import pytest

from gateway.audit.event import Event, Personal
from gateway.cli.trail import briefly, changed


def test_an_event_is_shown_whole(run, journal):
    ended = run("audit", "show", "id-of-user.replace")

    lines = ended.out.splitlines()
    assert ended.status == 0
    assert lines[:2] == ["id                  id-of-user.replace", "seq                 3"]
    assert "target.user_name    bob@example.com" in lines
    assert 'diff                title: – → "Größe"' in lines
    assert not any(line.startswith("outcome.reason") and "\x1b" in line for line in lines)
    assert len([line for line in lines if line.startswith("seq ")]) == 1


def test_every_event_of_a_request_is_shown_the_oldest_first(run, remember, make_event):
    story = [make_event(name) for name in ("user.create", "user.patch", "operation.recovered")]
    request = [Event(event.id, {**event.fields, "correlation_id": "c-1"}) for event in (story[0], story[2])]
    remember([request[0], story[1], request[1]])

    ended = run("audit", "show", "C-1")
    as_json = json.loads(run("audit", "show", "c-1", "--format", "json").out)

    assert [line.split()[1] for line in ended.out.splitlines() if line.startswith("event ")] == [
        "user.create",
        "operation.recovered",
    ]
    assert [event["seq"] for event in as_json] == [1, 3]


@pytest.mark.parametrize("id", ["nothing", "id-of", "\udcff", ""])
def test_an_id_that_no_event_has_ends_with_1(run, journal, id):
    ended = run("audit", "show", id)

    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "no event has this id or correlation id\n"


def seqs(run, *options):
    ended = run("audit", "history", *options, "--format", "ndjson")
    assert ended.status == 0, ended.err
    return [json.loads(line)["seq"] for line in ended.out.splitlines()]


@pytest.fixture
def story(remember, make_event):
    """Ann at two targets, and Bob."""
    remember(
        [
            make_event("user.create", user="ann@example.com"),
            make_event("user.patch", user="bob@example.com"),
            make_event("user.create.too", target="phonebook", user="ann@example.com"),
            make_event("user.delete", "rejected", user="Ann@Example.com", reason="no\x1b"),
        ]
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param(["ann@example.com"], [1, 3, 4], id="oldest first"),
        pytest.param(["ANN@example.COM"], [1, 3, 4], id="in any case"),
        pytest.param(["ann@example.com", "--target", "phonebook"], [3], id="at one target"),
    ],
)
def test_a_history_is_everything_about_one_name(run, story, options, found):
    assert seqs(run, *options) == found


def test_a_history_tells_what_changed(run, story):
    ended = run("audit", "history", "ann@example.com", "--target", "cx")

    head, first, last = (line.rstrip() for line in ended.out.splitlines())
    assert head.split() == ["time", "event", "result", "actor", "target", "reason", "changes", "dropped"]
    assert first.split()[:3] == ["2026-03-01T09:00:00Z", "user.create", "applied"]
    assert first.endswith('title: – → "Größe"')
    assert "no?" in last


def test_a_history_as_a_sheet_has_the_changes(run, story):
    ended = run("audit", "history", "bob@example.com", "--format", "csv")

    title, row = csv.reader(io.StringIO(ended.out, newline=""))
    sheet = dict(zip(title, row, strict=True))
    assert json.loads(sheet["diff"])[0]["after"] == "Größe"


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        pytest.param(["nobody"], 1, 'the trail has nothing about "nobody"', id="nobody"),
        pytest.param(
            ["bob@example.com", "--target", "phonebook"], 1, "the trail has nothing", id="not there"
        ),
        pytest.param(["ann", "--target", "phonbook"], 2, 'did you mean "phonebook"?', id="no target"),
    ],
)
def test_a_history_of_nothing_says_so(run, story, options, status, sentence):
    ended = run("audit", "history", *options)

    assert (ended.status, ended.out) == (status, "")
    assert sentence in ended.err


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(
            {"path": "title", "op": "replace", "before": "A", "after": "B", "rule": "cx@1: title"},
            'title: "A" → "B"  [cx@1: title]',
            id="rule",
        ),
        pytest.param({"path": "title", "op": "remove", "before": "A"}, 'title: "A" → –', id="removed"),
        pytest.param(
            {"path": "active", "before": False, "after": True}, "active: false → true", id="boolean"
        ),
        pytest.param(
            {"path": "password", "op": "replace", "before": None, "after": None},
            "password: replace, its values are not kept",
            id="password",
        ),
        pytest.param(
            {"path": "a\x1b", "after": {"b": "c\u202e"}}, 'a?: – → {"b":"c?"}', id="what nobody sees"
        ),
    ],
)
def test_a_change_is_one_line(line, shown):
    assert changed([line]) == shown


def test_several_changes_are_several_lines():
    assert changed([{"path": "a", "after": 1}, {"path": "b", "after": 2}]) == "a: – → 1\nb: – → 2"


def test_a_long_value_is_whole_in_one_event_and_short_in_a_history():
    diff = [{"path": "members", "before": None, "after": ["x" * 500]}]

    assert len(changed(diff)) > 500
    assert briefly(diff).endswith("x…")
    assert len(briefly(diff)) < 150


def test_who_is_told_by_name_only_is_found_too(run, remember, make_event):
    event = make_event("operation.dropped")
    target = {"name": "cx", "type": "Group", "id": "1", "user_name": Personal("Sales")}
    remember([Event("e-1", {**event.fields, "target": target})])

    assert seqs(run, "sales") == [1]
