"""A gateway whose journal is a PostgreSQL database, and the commands that read it."""

import random
import subprocess
import sys
from pathlib import Path

from tests.support.real_postgres import PASSWORD, without_password
from tests.support.served import CONFIG, gateways

PATH = "/scim/phonebook/v2"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LONG = random.Random(1).randbytes(5000).hex()  # nothing alike in it that could make it short
GATEWAY = Path(__file__).parents[2] / "gateway.py"


def at(url: str) -> str:
    """Return what may be said of a database: no name, and no password."""
    return f"postgresql://{url.rpartition('@')[2]}"


def command(folder: Path, *words: str, ends: int = 0) -> str:
    """Run a command of the gateway's beside its configuration; return what it prints."""
    asked = [sys.executable, GATEWAY, *words, "--config", folder / "config.toml"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == ends, done.stderr + done.stdout
    return done.stdout


async def test_people_come_change_and_leave_and_commands_tell_it_from_the_database(
    tmp_path, database_url, monkeypatch
):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    config = CONFIG.replace("sqlite:var/gateway.db", without_password(database_url))
    ann = {"schemas": [USER], "userName": "ann@example.com", "externalId": "1", "active": True}
    async with gateways(tmp_path) as serve:
        served = await serve(config=config)
        odd = [ann | {"userName": name, "externalId": "2"} for name in (LONG, "a\x00b")]
        refused = [await served.ask("POST", f"{PATH}/Users", person) for person in odd]
        made = await served.ask("POST", f"{PATH}/Users", ann)
        again = await served.ask("POST", f"{PATH}/Users", ann)
        group = {"schemas": [GROUP], "displayName": "all", "members": [{"value": made.body["id"]}]}
        grouped = await served.ask("POST", f"{PATH}/Groups", group)
        left = await served.ask("PUT", f"{PATH}/Users/{made.body['id']}", ann | {"active": False})
        gone = await served.ask("DELETE", f"{PATH}/Users/{made.body['id']}")
    assert [answer.status for answer in refused] == [400, 400]
    assert "longer than the journal's database can look up" in refused[0].body["detail"]
    assert "NUL" in refused[1].body["detail"]
    answers = [answer.status for answer in (made, again, grouped, left, gone)]
    told = command(tmp_path, "audit", "history", "ann@example.com")

    assert answers == [201, 409, 201, 200, 204]
    assert [told.count(f"user.{what}") for what in ("create", "replace", "delete")] == [2, 1, 1]
    assert "whole" in command(tmp_path, "audit", "verify")
    assert not (tmp_path / "var" / "gateway.db").exists()
    assert f"journal {at(database_url)}: " in command(tmp_path, "status", ends=1)
