"""What became of people after a copy of the journal was taken, once that copy is put back."""

import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli import main
from tests.support.served import OTHER, PHONEBOOK, USERS, gateways

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deploy.md").read_text()


def taken_as_the_page_says(folder):
    (command,) = re.findall(r"^python3 (-c 'import sqlite3; sqlite3.connect.*)$", PAGE, re.MULTILINE)
    subprocess.run([sys.executable, *shlex.split(command)], cwd=folder, check=True)


def taken_with_backup(folder):
    journal, copy = (sqlite3.connect(folder / name) for name in ("var/gateway.db", "copy.db"))
    with closing(journal), closing(copy):
        journal.backup(copy)


def put_back(folder):
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        (folder / "var" / name).unlink(missing_ok=True)
    (folder / "copy.db").rename(folder / "var/gateway.db")


def person(name, **more):
    return {"userName": name, "externalId": f"00u-{name}", "active": True, **more}


@pytest.mark.parametrize("take", [taken_as_the_page_says, taken_with_backup])
async def test_whoever_came_after_the_copy_is_adopted_and_nobody_is_there_twice(tmp_path, monkeypatch, take):
    async with gateways(tmp_path) as run:
        before = await run(PHONEBOOK, OTHER)
        ann = await before.ask("POST", USERS, person("ann"))
        take(tmp_path)
        bob = await before.ask("POST", USERS, person("bob"))
        await before.ask("PUT", f"{USERS}/{ann.body['id']}", person("ann", title="Agent"))
        await before.end()
        put_back(tmp_path)

        after = await run(PHONEBOOK, OTHER)
        again = await after.ask("POST", USERS, person("bob"))
        changed = await after.ask("PUT", f"{USERS}/{ann.body['id']}", person("ann", title="Agent"))
        there, events = await after.entries(), await after.events()

    assert (again.status, again.body["id"], changed.status) == (201, bob.body["id"], 200)
    assert sorted(entry["userName"] for entry in there) == ["ann", "bob"]
    assert [event["event"] for event in events][-3:] == ["journal.restored", "user.create", "user.replace"]
    assert events[-2]["outcome"]["result"] == "adopted"
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "verify"]) == 0
