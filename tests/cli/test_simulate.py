"""`simulate`: what the file would change, beside a running gateway and without one."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.app import open_gateway
from gateway.flow.model import Caller, Change
from gateway.flow.target_port import ResourceType
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

ROOT = Path(__file__).resolve().parents[2]
WORK = 'phoneNumbers[type eq "work"].value'
NUMBER = "020 7946 0123"
DIGITS = ('via = ["phone"]', 'via = ["digits"]')


async def _create(config: Path) -> None:
    settings = load_settings(config, CONNECTORS, read_secrets=True)
    async with open_gateway(settings) as gateway:
        target, handle = gateway.targets["phonebook"], gateway.runs.changes.handle
        for name in ("ann", "bob", "eve"):
            phones = {"phoneNumbers": [{"type": "work", "value": NUMBER}]}
            body = {"userName": name, "externalId": f"x-{name}", "active": True, **phones}
            made = await handle(Change("create", ResourceType.USER, target, Caller("okta"), "cid", body=body))
        leave = {"Operations": [{"op": "replace", "path": "active", "value": False}]}
        eve = made.document["id"]
        await handle(Change("patch", ResourceType.USER, target, Caller("okta"), "cid", eve, leave))


@pytest.fixture
def people(folder: Path) -> Iterator[Path]:
    """The journal, with two people who are active and one who has left."""
    (folder / "var").mkdir(mode=0o700)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    asyncio.run(_create(folder / "config.toml"))
    yield folder / "var" / "gateway.db"
    structlog.reset_defaults()


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str], None]:
    """Change the configuration on disk."""

    def replace(before: str, after: str) -> None:
        config = folder / "config.toml"
        assert before in config.read_text()
        config.write_text(config.read_text().replace(before, after))

    return replace


def rows(ended: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


def numbers(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "var" / "phonebook.db")
    found = connection.execute("SELECT document ->> '$.phoneNumbers[0].value' FROM entry").fetchall()
    connection.close()
    return [number for (number,) in found]


def test_nothing_would_change_where_the_file_is_as_it_was(run, people):
    ended = run("simulate", "phonebook", "--format", "json")

    assert (ended.status, ended.out) == (0, "[]\n")
    assert ended.err == "simulate phonebook: 3 people, 2 unchanged, 1 inactive; nothing was sent\n"


def test_who_would_change_is_told_attribute_by_attribute_and_so_it_is_sent_then(run, people, edit, folder):
    edit(*DIGITS)

    ended = run("simulate", "phonebook", "--format", "ndjson")
    again = run("resync", "phonebook", "--changed", "--dry-run", "--format", "ndjson")

    assert ended.status == 0
    assert ended.err == "simulate phonebook: 3 people, 3 change; nothing was sent\n"
    assert again == ended
    assert {(row["userName"], row["externalId"], row["state"], row["path"]) for row in rows(ended)} == {
        (name, f"x-{name}", "inactive" if name == "eve" else "active", WORK) for name in ("ann", "bob", "eve")
    }
    assert {(row["before"], row["after"]) for row in rows(ended)} == {("+442079460123", "02079460123")}
    assert numbers(folder) == ["+442079460123"] * 3
    assert run("resync", "phonebook", "--changed").err == "resync phonebook: 3 people, 3 applied\n"
    assert numbers(folder) == ["02079460123"] * 3


def test_who_would_be_refused_ends_with_1_and_the_reason(run, people, edit):
    edit('region = "GB"', 'region = "GB"\nrequire = ["title"]')

    ended = run("simulate", "phonebook", "--format", "ndjson")

    assert ended.status == 1
    assert ended.err == "simulate phonebook: 3 people, 2 refused, 1 inactive; nothing was sent\n"
    assert {(row["what"], row["userName"], row["path"], row["rule"]) for row in rows(ended)} == {
        ("refused", name, "title", "require") for name in ("ann", "bob")
    }
    pushed = run("resync", "phonebook", "--changed")
    assert pushed.status == 1
    assert "2 rejected" in pushed.err


def test_who_leaves_the_scope_is_told_apart_and_what_the_brake_would_hold(run, people, edit):
    scope = "[targets.phonebook.scope]\npeople = 'userName eq \"zoe\"'\n"
    edit('region = "GB"', 'region = "GB"\nmax_removals = { count = 1, per = "1h" }')
    edit("[[targets.phonebook.rules]]", f"{scope}[[targets.phonebook.rules]]")

    ended = run("simulate", "phonebook", "--format", "ndjson")

    assert {(row["what"], row["state"], row["userName"]) for row in rows(ended)} == {
        ("deactivate", "out_of_scope", "ann"),
        ("deactivate", "out_of_scope", "bob"),
    }
    assert ended.err.endswith(
        "; nothing was sent; 2 would leave, and max_removals lets 1 go: the others would be held\n"
    )


def test_who_has_an_operation_that_is_not_settled_is_pending(run, people, edit):
    connection = sqlite3.connect(people)
    with connection:
        connection.execute(
            "INSERT INTO op SELECT 'o1', base, base, type, 'change', id, 'c', 0, 'doubt', NULL, '', 1, '',"
            " '', 1, created, '{}', '' FROM resource WHERE name_folded = 'ann'"
        )
    connection.close()
    edit(*DIGITS)

    ended = run("simulate", "phonebook", "--format", "ndjson")

    assert ended.err == "simulate phonebook: 3 people, 2 change, 1 pending; nothing was sent\n"
    assert [(row["userName"], row["reason"]) for row in rows(ended) if row["what"] == "pending"] == [
        ("ann", "not settled: doubt")
    ]


def test_all_targets_are_looked_at_where_none_is_named(run, people, edit):
    edit(*DIGITS)

    ended = run("simulate", "--format", "csv")

    head, *lines = ended.out.splitlines()
    assert head.startswith('"target","what","type","state","userName"')
    assert len(lines) == 3
    assert all(line.startswith('"phonebook","change","User",') for line in lines)
    assert [line.partition(":")[0] for line in ended.err.splitlines()] == [
        "simulate phonebook",
        "simulate cx",
    ]


def test_a_summary_counts_each_change_with_examples(run, people, edit):
    edit(*DIGITS)

    (summary,) = rows(run("simulate", "phonebook", "--summary", "--format", "json"))
    table = run("simulate", "phonebook", "--summary").out.splitlines()

    (change,) = summary["changes"]
    assert (summary["people"], summary["counts"]) == (3, {"change": 3})
    assert (change["what"], change["path"], change["count"]) == ("change", WORK, 3)
    assert {"userName": "ann", "externalId": "x-ann"} in change["examples"]
    assert table[0].split() == ["count", "what", "path", "rule", "reason", "examples"]


@pytest.mark.parametrize("format", ["table", "csv"])
def test_a_summary_of_several_targets_says_whose_each_count_is_under_one_heading(run, people, edit, format):
    edit(*DIGITS)
    edit('region = "GB"', 'region = "GB"\nrequire = ["title"]')

    head, *lines = run("simulate", "--summary", "--format", format).out.replace('"', "").splitlines()

    assert re.split("[, ]+", head)[:3] == ["target", "count", "what"]
    assert {re.split("[, ]+", line)[0] for line in lines} == {"phonebook"}
    assert {re.split("[, ]+", line)[2] for line in lines} == {"change", "refused"}


@pytest.mark.parametrize("level", ["masked", "hashed"])
def test_values_are_covered_where_the_trail_of_the_target_covers_them(run, people, edit, folder, level):
    edit(*DIGITS)
    edit('region = "GB"', f'region = "GB"\naudit = "{level}"')

    ended = run("simulate", "phonebook", "--format", "json")

    assert ended.status == 0
    assert "7946" not in ended.out
    assert not (folder / "var" / "gateway.db.key").exists()


def test_progress_is_told_where_it_is_asked(run, people, monkeypatch):
    monkeypatch.setattr("gateway.cli.terminal.EVERY", 0.0)

    shown, hidden = run("simulate", "phonebook", "--progress"), run("simulate", "phonebook")

    assert re.fullmatch("1 people", shown.err.splitlines()[0])
    assert hidden.err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "status", "sentence"),
    [
        pytest.param(
            ["simulate", "phonebok"], 2, 'there is no target "phonebok"; did you mean', id="unknown"
        ),
        pytest.param(["simulate"], 3, "there is no journal", id="no journal"),
        pytest.param(
            ["resync", "phonebook", "--dry-run"], 2, "--dry-run: only with --changed", id="all of them"
        ),
    ],
)
def test_where_it_cannot_be_known_it_is_said(run, argv, status, sentence):
    ended = run(*argv)

    assert (ended.status, ended.out) == (status, "")
    assert ended.err.startswith(sentence)


def test_the_file_is_tried_beside_the_running_gateway(run, people, edit, folder):
    command = [sys.executable, str(ROOT / "gateway.py"), "serve"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("listening"):
            assert line
        edit(*DIGITS)

        beside = run("simulate", "phonebook", "--format", "ndjson")

        process.terminate()
        process.wait(timeout=60)
    alone = run("simulate", "phonebook", "--format", "ndjson")

    assert len(rows(beside)) == 3
    assert beside == alone
    assert numbers(folder) == ["+442079460123"] * 3
