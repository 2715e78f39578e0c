"""`audit erase`: asked first, done by the running gateway or here, and told."""

import json
import sqlite3
from contextlib import closing

import pytest

from gateway.cli import client
from gateway.cli.client import Answer, NoGateway
from gateway.journal.store import JournalLock

ERASED = {
    "subject": "d1gest",
    "events": [3, 17],
    "archived": 1,
    "originals": ["phonebook"],
    "kept": [],
    "is_done": True,
}
KEPT = {"target": "cx", "reason": "the person is active there"}


@pytest.fixture
def gateway(journal, monkeypatch):
    """A running gateway that answers as it is told, and remembers what it was asked."""
    asked = []

    def answers(status, document):
        def ask(path, method, resource, body, timeout):
            asked.append((path.name, method, resource, body))
            return Answer(status, document.get("detail", ""), document)

        monkeypatch.setattr(client, "ask", ask)
        return asked

    return answers


def values(path):
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT personal FROM event").fetchall())


def test_a_person_is_erased_where_no_gateway_runs(run, journal):
    ended = run("audit", "erase", "ANN@example.com", "--yes")

    assert (ended.status, ended.out) == (0, "removed: the values of 1 events\n")
    assert "ann@" not in values(journal)
    assert "bob@" in values(journal)
    assert run("audit", "verify").status == 0
    told = json.loads(run("audit", "query", "--format", "ndjson", "--limit", "1").out)
    assert (told["event"], told["erased"]) == ("erase", {"events": [2], "originals": []})


@pytest.mark.parametrize(
    ("answer", "status"),
    [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("", 1)],
    ids=["y", "yes", "n", "return", "end"],
)
def test_it_is_asked_first(run, journal, answer, status):
    ended = run("audit", "erase", "ann@example.com", stdin=answer)

    assert ended.status == status
    assert ended.out.startswith("All values of ann@example.com leave the audit trail")
    assert ("ann@" in values(journal)) == bool(status)


def test_nobody_of_that_name_ends_with_1(run, journal):
    ended = run("audit", "erase", "nobody", "--yes")

    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "nobody of this name is known, or nothing is left of them\n"


def test_without_a_journal_it_ends_with_3_and_makes_none(run, folder):
    ended = run("audit", "erase", "ann", "--yes")

    assert (ended.status, (folder / "var").exists()) == (3, False)


def test_the_running_gateway_does_it(run, gateway):
    asked = gateway(200, ERASED)
    ended = run("audit", "erase", "ann", "--yes")

    assert asked == [("gateway.db.sock", "POST", "/erasures", {"name": "ann"})]
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "removed: the values of 2 events, 1 of them in archives",
        "removed: the original on phonebook",
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(
            {"kept": [KEPT]},
            "kept: the original on cx, as the person is active there; erase again when that is over",
            id="kept",
        ),
        pytest.param({"is_done": False}, "not done: freed parts of the files", id="not done"),
    ],
)
def test_what_is_left_is_told_and_ends_with_1(run, gateway, said, words):
    gateway(200, ERASED | said)
    ended = run("audit", "erase", "ann", "--yes")

    assert ended.status == 1
    assert words in ended.out


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        pytest.param((400, {"detail": "name is missing"}), 1, "name is missing", id="refused"),
        pytest.param((503, {"detail": "the disk is full"}), 3, "the disk is full", id="journal"),
        pytest.param((500, {}), 3, "the running gateway answered 500", id="nonsense"),
    ],
)
def test_the_running_gateway_can_say_no(run, gateway, answer, status, sentence):
    gateway(*answer)
    ended = run("audit", "erase", "ann", "--yes")

    assert (ended.status, ended.err) == (status, f"{sentence}\n")


def test_a_gateway_without_its_socket_ends_with_3(run, journal, monkeypatch):
    def ask(*arguments, **named):
        raise NoGateway("No such file or directory")

    monkeypatch.setattr(client, "ask", ask)
    lock = JournalLock(journal)
    ended = run("audit", "erase", "ann", "--yes")

    lock.release()
    assert ended.status == 3
    assert ended.err.endswith("gateway.db.sock cannot be used: No such file or directory\n")
