"""`reconcile` and `resync`: here, and in the running gateway."""

import asyncio
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.app import open_gateway
from gateway.flow.model import Caller, Change
from gateway.flow.target_port import ResourceType
from gateway.journal.store import JournalLock
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = ("ann", "bob", "eve")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


async def _create(config: Path) -> None:
    settings = load_settings(config, CONNECTORS, read_secrets=True)
    async with open_gateway(settings) as gateway:
        for name in PEOPLE:
            body = {
                "userName": name,
                "active": True,
                "phoneNumbers": [{"type": "work", "value": "020 7946 0123"}],
            }
            target = gateway.targets["phonebook"]
            change = Change("create", ResourceType.USER, target, Caller("okta"), "cid", body=body)
            await gateway.runs.changes.handle(change)


@pytest.fixture
def people(folder: Path) -> Path:
    """The phonebook's file, with three people in it."""
    (folder / "var").mkdir(mode=0o700)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    asyncio.run(_create(folder / "config.toml"))
    return folder / "var" / "phonebook.db"


@pytest.fixture
def edit(people: Path) -> Callable[[str], None]:
    """Do something to Bob behind the gateway's back."""

    def do(what: str) -> None:
        connection = sqlite3.connect(people)
        with connection:
            connection.execute(f"{what} WHERE name_folded = 'bob'")
        connection.close()

    return do


TITLED = "UPDATE entry SET document = json_set(document, '$.title', 'Boss')"
STRANGE = "UPDATE entry SET id = 'x9', document = json_set(document, '$.id', 'x9', '$.userName', '=cmd()')"


def rows(ended: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


def last_event(run: Any) -> dict[str, Any]:
    return json.loads(run("audit", "query", "--limit", "1", "--format", "ndjson").out)


def test_a_target_that_is_as_it_should_be_ends_with_0(run, people):
    ended = run("reconcile", "phonebook")

    assert ended.status == 0
    assert ended.err == "reconcile phonebook: 3 people\n"
    assert last_event(run)["event"] == "reconcile"


def test_what_differs_is_a_row_and_ends_with_1(run, edit):
    edit(TITLED)

    ended = run("reconcile", "phonebook", "--format", "ndjson")

    (row,) = rows(ended)
    assert (ended.status, ended.err) == (1, "reconcile phonebook: 3 people, 1 changed\n")
    assert row.items() >= {"finding": "changed", "user_name": "bob", "path": "title"}.items()
    assert (row["ours"], row["theirs"], row["outcome"]) == (None, "Boss", None)


@pytest.mark.parametrize(
    ("format", "lines"),
    [
        pytest.param("table", ["finding", "unknown", "missing"], id="table"),
        pytest.param("csv", ['"finding",', '"unknown","\'=cmd()",', '"missing","bob",'], id="csv"),
    ],
)
def test_findings_are_written_as_asked(run, edit, format, lines):
    edit(STRANGE)

    ended = run("reconcile", "phonebook", "--format", format)

    assert ended.status == 1
    assert len(ended.out.splitlines()) == len(lines)
    assert all(line.startswith(start) for line, start in zip(ended.out.splitlines(), lines, strict=True))


def test_a_repair_brings_the_target_back_and_the_trail_is_whole(run, edit):
    edit(TITLED)

    repaired = run("reconcile", "phonebook", "--repair", "--format", "json")

    assert (repaired.status, repaired.err) == (0, "reconcile phonebook: 3 people, 1 repaired, 1 changed\n")
    assert json.loads(repaired.out)[0]["outcome"] == "applied"
    assert run("reconcile", "phonebook").status == 0
    assert run("audit", "verify").status == 0


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_resync_is_of_one_person_by_name_or_id(run, people, edit, folder, by):
    edit(TITLED)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('via = ["phone"]', 'via = ["digits"]'))
    by_name = {event["target"]["user_name"]: event["target"]["id"] for event in _creates(run)}

    ended = run("resync", "phonebook", "--person", {"name": "BOB", "id": by_name["bob"]}[by])

    assert (ended.status, ended.err) == (0, "resync phonebook: 1 people, 1 applied\n")
    assert {row["user_name"] for row in rows(run("reconcile", "phonebook", "--format", "ndjson"))} == {
        "ann",
        "eve",
    }
    about = last_event_of(run, "resync")["target"]
    assert (about["name"], about["type"], about["id"]) == ("phonebook", "User", by_name["bob"])


def test_a_resync_of_nobody_ends_with_1(run, people):
    ended = run("resync", "phonebook", "--person", "dan")

    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "nobody whom the journal knows at phonebook has this userName or id\n"


def _creates(run: Any) -> list[dict[str, Any]]:
    return rows(run("audit", "query", "--filter", 'event eq "user.create"', "--format", "ndjson"))


def last_event_of(run: Any, name: str) -> dict[str, Any]:
    filter = f'event eq "{name}" and actor.type eq "administrator" and people ge 0'
    return rows(run("audit", "query", "--filter", filter, "--limit", "1", "--format", "ndjson"))[0]


def test_a_resync_brings_what_the_rules_now_make(run, people, folder):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('via = ["phone"]', 'via = ["digits"]'))

    found = run("reconcile", "phonebook", "--format", "ndjson")
    ended = run("resync", "phonebook", "--changed")

    assert [row["finding"] for row in rows(found)] == ["differs"] * 3
    assert (ended.status, ended.err) == (0, "resync phonebook: 3 people, 3 applied\n")
    assert run("reconcile", "phonebook").status == 0


def test_who_is_refused_is_listed_and_ends_with_1(run, people, folder):
    with (folder / "config.toml").open("a") as config:
        config.write(
            '[[targets.phonebook.rules]]\nto = "userName"\nvia = [{ name = "match", pattern = "[ae].*" }]\n'
        )
    text = (folder / "config.toml").read_text().replace("[targets.cx]", "[targets.cy]")
    (folder / "config.toml").write_text(text)

    ended = run("resync", "phonebook", "--format", "ndjson")

    (row,) = rows(ended)
    assert ended.status == 1
    assert row.items() >= {"user_name": "bob", "outcome": "rejected", "path": "userName"}.items()


def test_a_target_that_cannot_be_reached_ends_with_3(run, folder):
    ended = run("reconcile", "cx")

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith("reconcile cx: 0 people; stopped: cx: unreachable: ")


def test_progress_is_told_where_it_is_asked(run, people, monkeypatch):
    monkeypatch.setattr("gateway.admin.runs.EVERY", 0.0)

    shown, hidden = run("resync", "phonebook", "--progress"), run("resync", "phonebook")

    assert re.fullmatch(r"[123] people, [123]/s", shown.err.splitlines()[0])
    assert hidden.err.count("\n") == 1


def test_an_unknown_target_ends_with_2(run, folder):
    ended = run("resync", "phonebok")

    assert (ended.status, ended.err) == (2, 'there is no target "phonebok"; did you mean "phonebook"?\n')


def test_a_gateway_without_its_socket_ends_with_3(run, folder):
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("resync", "phonebook")

    lock.release()
    assert ended.status == 3
    assert ended.err.startswith(f"another gateway has the journal {folder}/var/gateway.db, and ")


@pytest.fixture
def process(people: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A running gateway on these people."""
    command = [sys.executable, str(ROOT / "gateway.py"), "serve"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("listening"):
            assert line
        yield process
        process.kill()


def test_the_running_gateway_compares_and_repairs(process, run, edit):
    edit(TITLED)

    found, repaired = (
        run("reconcile", "phonebook", *more, "--format", "ndjson") for more in ((), ("--repair",))
    )

    assert (found.status, repaired.status) == (1, 0)
    assert [row["outcome"] for row in (*rows(found), *rows(repaired))] == [None, "applied"]
    assert run("resync", "phonebook").err == "resync phonebook: 3 people, 3 unchanged\n"
    assert run("audit", "verify").status == 0


@pytest.fixture
def answering(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Have somebody on the socket who answers one request with these bytes, and hangs up."""
    (folder / "var").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / "var" / "gateway.db.sock"))
        listening.listen()
        threads: list[threading.Thread] = []

        def answer(sent: bytes) -> None:
            connection, _ = listening.accept()
            with connection:
                while not connection.recv(65536).endswith(b"}"):
                    pass
                connection.sendall(sent)

        def start(sent: bytes) -> None:
            threads.append(threading.Thread(target=answer, args=(sent,)))
            threads[0].start()

        yield start
        threads[0].join()


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        pytest.param(OK + b'{"error": "disk full"}\n', 3, "disk full\n", id="error"),
        pytest.param(OK, 3, "the running gateway broke off before the end\n", id="no end"),
        pytest.param(OK + b'{"row', 3, "the running gateway broke off on ", id="half a line"),
        pytest.param(b"", 3, "the running gateway broke off on ", id="no answer"),
        pytest.param(
            b'HTTP/1.1 404 No\r\nContent-Length: 16\r\n\r\n{"detail": "no"}', 1, "no\n", id="refused"
        ),
        pytest.param(
            b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            3,
            "the running gateway answered 500\n",
            id="crash",
        ),
    ],
)
def test_what_the_running_gateway_cannot_do_is_told(run, answering, sent, status, sentence):
    answering(sent)

    ended = run("resync", "phonebook")

    assert ended.status == status
    assert ended.err.startswith(sentence)
