"""`problems`: whose data is refused now, from the originals and from the trail."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.event import Event, Personal
from gateway.cli import main
from gateway.flow.journal_port import Outcome, Resource, Settlement, State
from gateway.flow.target_port import ResourceType
from gateway.journal import reader
from gateway.journal.journal import SqliteJournal

USER = ResourceType.USER
STARTED = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)
AT = "2026-03-01T09:00:00.000000Z"
NAMES = ["what", "state", "userName", "externalId", "path", "rule", "reason"]
REASON = 'phoneNumbers[type eq "work"].value: is odd (rule cx@1:x); externalId: is missing (rule require)'


def person(id: str, *numbers: str, target: str = "phonebook", **changes: Any) -> Settlement:
    """Return what puts somebody with these phone numbers into the journal."""
    phones = {"phoneNumbers": [{"type": "work", "value": number} for number in numbers]}
    original = {"userName": f"{id}@example.com", "externalId": f"x-{id}", "active": True, **phones}
    fields = {"base": target, "type": USER, "id": id, "original": original, "state": State.ACTIVE}
    event = Event(f"e-{id}", {"event": "user.create"})
    return Settlement(Outcome.APPLIED, event, Resource(**{**fields, "created": AT, "modified": AT} | changes))


def told(
    name: str,
    event: str,
    result: str,
    target: str = "cx",
    reason: str = REASON,
    external_id: str | None = None,
) -> Settlement:
    """Return what puts an event about somebody into the trail."""
    said = {} if external_id is None else {"external_id": Personal(external_id)}
    fields = {
        "event": event,
        "outcome": {"result": result, "status": 400, "reason": reason},
        "target": {"name": target, "type": "User", "id": None, "user_name": name and Personal(name), **said},
    }
    return Settlement(Outcome.REJECTED, Event(f"e-{next(NUMBERS)}", fields))


NUMBERS = count()
Remember = Callable[..., None]


@pytest.fixture
def remember(folder: Path) -> Remember:
    """Leave a history in the folder's journal, one thing a minute."""

    async def write(*history: Settlement) -> None:
        minutes = count()
        clock = lambda: STARTED + timedelta(minutes=next(minutes))  # noqa: E731 - a clock that runs
        path = folder / "var" / "gateway.db"
        journal = await SqliteJournal.open(path, "normal", clock, pytest.fail, "this run")
        for settlement in history:
            await journal.operations.settle(None, settlement)
        await journal.close()

    return lambda *history: asyncio.run(write(*history))


def rows(run, target: str) -> list[dict[str, Any]]:
    return json.loads(run("problems", target, "--format", "json").out)


def names(run, target: str) -> list[str]:
    return list(dict.fromkeys(row["userName"] for row in rows(run, target)))


def test_nobody_with_a_problem_ends_with_0(run, remember) -> None:
    remember(person("ann", "020 7946 0123"))

    ended = run("problems", "phonebook", "--format", "json")

    assert (ended.status, ended.out) == (0, "[]\n")


def test_a_value_that_is_dropped_is_listed_with_its_rule_and_reason(run, remember) -> None:
    remember(person("ann", "020 7946 0123", "12"))

    ended = run("problems", "phonebook", "--format", "ndjson")

    row = json.loads(ended.out)
    assert ended.status == 1
    assert list(row) == NAMES
    assert (row["what"], row["userName"], row["externalId"]) == ("dropped", "ann@example.com", "x-ann")
    assert row["path"].startswith("phoneNumbers")
    assert row["rule"] == "config:phoneNumbers.value"
    assert "12" not in row["reason"]


def test_somebody_who_is_refused_is_listed_with_each_problem(run, remember) -> None:
    remember(person("ann", "12", target="cx"))

    ended = run("problems", "cx", "--format", "json")

    found = json.loads(ended.out)
    assert ended.status == 1
    assert {(row["what"], row["userName"], row["externalId"]) for row in found} == {
        ("refused", "ann@example.com", "x-ann")
    }
    assert {row["rule"].partition(":")[0] for row in found} == {"cx@1", "require"}
    assert all(row["reason"] for row in found)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": State.DELETED}, id="deleted"),
        pytest.param({"base": "cx"}, id="at another target"),
        pytest.param({"type": ResourceType.GROUP}, id="a group"),
    ],
)
def test_only_people_of_the_target_who_are_not_deleted_are_looked_at(run, remember, changes) -> None:
    remember(person("ann", "12", **changes))

    assert rows(run, "phonebook") == []


def test_who_is_inactive_is_kept_with_what_they_would_come_back_with(run, remember) -> None:
    original = {"userName": "ann@example.com", "externalId": "x-ann", "active": False}
    remember(person("ann", target="cx", original=original, state=State.INACTIVE))

    found = rows(run, "cx")
    assert {(row["what"], row["state"], row["externalId"]) for row in found} == {
        ("refused", "inactive", "x-ann")
    }
    assert {row["rule"] for row in found} == {"require"}


@pytest.mark.parametrize("asked", ["ANN@example.com", "x-ann", "ann"], ids=["userName", "externalId", "id"])
def test_one_person_can_be_asked_for(run, remember, asked) -> None:
    refused = [told(f"{name}@example.com", "user.patch", "rejected", "phonebook") for name in ("ann", "bob")]
    remember(person("ann", "12"), person("bob", "12"), *refused)

    found = json.loads(run("problems", "phonebook", "--person", asked, "--format", "json").out)

    assert [row["what"] for row in found] == ["dropped", "refused", "refused"]
    assert {(row["userName"], row["externalId"]) for row in found} == {("ann@example.com", "x-ann")}


def test_who_is_fine_is_told_apart_from_who_is_not_known_and_from_everybody(run, remember) -> None:
    remember(person("ann", "020 7946 0123"), person("bob", "12"))

    fine = run("problems", "phonebook", "--person", "ann@example.com")
    unknown = run("problems", "phonebook", "--person", "anne@example.com")

    assert fine.status == 0
    assert 'nothing of "ann@example.com" is refused by phonebook' in fine.out + fine.err
    assert (unknown.status, unknown.out) == (1, "")
    assert unknown.err == 'neither the journal nor the trail knows "anne@example.com" there\n'


def test_whose_create_was_refused_is_named_by_the_external_id_that_it_said(run, remember) -> None:
    created = told("ann", "user.create", "rejected", external_id="00u1")
    remember(created, told("bob", "user.create", "rejected", external_id="00u2"))

    found = json.loads(run("problems", "cx", "--person", "00u1", "--format", "json").out)

    assert {(row["userName"], row["externalId"], row["state"]) for row in found} == {("ann", "00u1", None)}


def test_people_are_read_page_by_page_and_none_is_left_out(run, remember, monkeypatch) -> None:
    monkeypatch.setattr(reader, "PAGE", 2)
    remember(*(person(f"p{n}", "12") for n in range(5)))

    assert names(run, "phonebook") == [f"p{n}@example.com" for n in range(5)]


CREATE = ("user.create", "rejected")
REFUSED = told("ann", *CREATE)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param([], ["ann"], id="nothing since"),
        pytest.param([told("ann", "user.create", "applied")], [], id="created since"),
        pytest.param([told("Ann", "user.create", "adopted")], [], id="adopted, spelled in another way"),
        pytest.param([told("ann", "user.create", "replayed")], [], id="replayed since"),
        pytest.param([told("ann", "user.delete", "applied")], [], id="deleted since"),
        pytest.param([told("ann", "user.replace", "unchanged")], [], id="found unchanged"),
        pytest.param([told("ann", "user.create", "pending")], ["ann"], id="busy since"),
        pytest.param([told("ann", "user.create", "failed")], ["ann"], id="failed since"),
        pytest.param([told("bob", "user.create", "applied")], ["ann"], id="somebody else"),
        pytest.param([told("ann", "user.create", "applied", "phonebook")], ["ann"], id="at another target"),
    ],
)
def test_whose_create_was_refused_is_listed_until_they_got_there(run, remember, after, expected) -> None:
    remember(REFUSED, *after)

    assert names(run, "cx") == expected


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(told("ann", "user.create", "pending"), id="busy"),
        pytest.param(told("ann", "user.create", "failed"), id="failed"),
        pytest.param(told("ann", "user.delete", "rejected"), id="no create"),
        pytest.param(told("ann", *CREATE, "phonebook"), id="another target"),
        pytest.param(told("", *CREATE), id="nobody's"),
    ],
)
def test_what_is_no_refused_create_of_the_target_is_not_listed(run, remember, event) -> None:
    remember(event)

    assert rows(run, "cx") == []


def test_a_refused_create_is_listed_with_its_problems(run, remember) -> None:
    remember(REFUSED)

    path = 'phoneNumbers[type eq "work"].value'
    assert [list(row.values()) for row in rows(run, "cx")] == [
        ["refused", None, "ann", None, path, "cx@1:x", "is odd"],
        ["refused", None, "ann", None, "externalId", "require", "is missing"],
    ]


def test_the_newest_refusal_of_each_person_counts(run, remember) -> None:
    newest = told("ann", *CREATE, reason="userName belongs to another resource")
    remember(REFUSED, told("ann", "user.create", "applied"), told("ann", *CREATE), newest)

    assert [row["reason"] for row in rows(run, "cx")] == ["userName belongs to another resource"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(State.ACTIVE, [], id="active"),
        pytest.param(State.INACTIVE, ["ann@example.com"], id="inactive"),
        pytest.param(State.DELETED, ["ann@example.com"], id="deleted"),
    ],
)
def test_who_is_in_the_journal_is_judged_by_the_original(run, remember, state, expected) -> None:
    remember(person("ann", "+44 20 7946 0123", state=state), told("ann@example.com", *CREATE, "phonebook"))

    assert names(run, "phonebook") == expected


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        pytest.param([], ["ann@example.com"], id="since then nothing"),
        pytest.param([told("ann@example.com", "user.patch", "applied", "phonebook")], [], id="done since"),
        pytest.param(
            [told("ann@example.com", "user.patch", "pending", "phonebook")], ["ann@example.com"], id="busy"
        ),
    ],
)
@pytest.mark.parametrize("event", ["user.replace", "user.patch"])
@pytest.mark.parametrize("state", [State.ACTIVE, State.INACTIVE], ids=str)
def test_somebody_known_whose_change_was_refused_is_listed_until_one_goes_through(
    run, remember, event, state, later, expected
) -> None:
    refused = told("ann@example.com", event, "rejected", "phonebook")
    remember(person("ann", "+44 20 7946 0123", state=state), refused, *later)

    assert names(run, "phonebook") == expected


def test_refusals_are_read_page_by_page_and_none_is_left_out(run, remember, monkeypatch) -> None:
    monkeypatch.setattr(reader, "PAGE", 2)
    remember(*(told(f"p{n}", *CREATE) for n in range(5)))

    assert names(run, "cx") == [f"p{n}" for n in range(5)]


def test_whoever_was_erased_is_not_listed(run, remember, folder) -> None:
    import sqlite3

    from gateway.audit.chain import without

    remember(REFUSED)
    connection = sqlite3.connect(folder / "var" / "gateway.db")
    with connection:
        connection.create_function("bare", 1, lambda personal: without(personal, None))
        connection.execute("UPDATE event SET personal = bare(personal)")
    connection.close()

    assert rows(run, "cx") == []


def test_who_is_out_of_scope_has_no_problems_and_is_counted(run, remember, folder) -> None:
    scope = "[targets.phonebook.scope]\npeople = 'not (title eq \"Chair\")'\n"
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("[targets.cx]", f"{scope}[targets.cx]"))
    chair = {
        "userName": "eve@example.com",
        "active": True,
        "title": "Chair",
        "phoneNumbers": [{"value": "12"}],
    }
    remember(person("ann", "12"), person("eve", original=chair))

    ended = run("problems", "phonebook", "--format", "json")

    assert [row["userName"] for row in json.loads(ended.out)] == ["ann@example.com"]
    assert ended.err == "phonebook: 1 out of scope, of whom nothing is sent\n"


def test_problems_are_a_table_for_people_and_csv_for_sheets(run, remember) -> None:
    remember(person("ann", "12"))

    head, row = run("problems", "phonebook").out.splitlines()
    (cells,) = csv.DictReader(io.StringIO(run("problems", "phonebook", "--format", "csv").out))

    assert head.split() == list(cells) == NAMES
    assert row.split()[:3] == ["dropped", "active", "ann@example.com"]
    assert cells["rule"] == "config:phoneNumbers.value"


@pytest.mark.parametrize(
    ("argv", "status", "sentence"),
    [
        pytest.param(["phonebok"], 2, 'there is no target "phonebok"; did you mean', id="unknown target"),
        pytest.param(["cx"], 3, "there is no journal", id="no journal"),
    ],
)
def test_where_it_cannot_be_known_it_is_said(run, argv, status, sentence) -> None:
    ended = run("problems", *argv)

    assert (ended.status, ended.out) == (status, "")
    assert ended.err.startswith(sentence)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_is_told_how_many_people_were_looked_at(run, remember, monkeypatch) -> None:
    remember(person("ann", "12"))
    monkeypatch.setattr("gateway.cli.terminal.EVERY", 0.0)
    terminal = Terminal()

    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", terminal)
        main(["problems", "phonebook"])

    assert terminal.getvalue() == "\r\x1b[K1 people\r\x1b[K"
