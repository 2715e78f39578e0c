"""A target that is not to have everybody, as real processes have it: in, out and in again."""

import json
import sqlite3
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SCOPE = """
on_deactivate = "{way}"
scope = {{ people = '{people}', groups = 'displayName sw "tel-"' }}
"""
EMBEDDED = """
[targets.{name}]
connector = "embedded"
url = "sqlite:var/{name}.db"
"""
FOREIGN = """
[targets.{name}]
connector = "scim"
url = "{url}"
auth = {{ bearer = {{ file = "target.token" }} }}
"""
NOT_BOARD, ANYBODY = 'department ne "Board"', "userName pr"
AVA = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    "userName": "ava@example.com",
    "externalId": "00u1",
    "name": {"givenName": "Ava", "familyName": "Phone"},
    "emails": [{"primary": True, "value": "ava@example.com", "type": "work"}],
    "active": True,
}
LOOK_UP = "/Users?filter=userName%20eq%20%22ava%40example.com%22&startIndex=1&count=100"


def of(department: str, **more: Any) -> dict[str, Any]:
    return AVA | {ENTERPRISE: {"department": department}} | more


def in_file(path: Path, kind: str) -> list[Any]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = connection.execute("SELECT document, seq FROM entry WHERE type = ?", (kind,)).fetchall()
    members = connection.execute("SELECT entry FROM member").fetchall()
    connection.close()
    return [json.loads(document) | {"members": [s for (s,) in members if s == seq]} for document, seq in rows]


def over_http(url: str, token: str, kind: str) -> list[Any]:
    request = urllib.request.Request(f"{url}/{kind}s", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response).get("Resources", [])


@pytest.fixture(params=["embedded", "scim"])
def connector(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[str], list[Any]]]:
    """The table of a target, and what looks into it past the gateway."""
    if request.param == "embedded":
        return EMBEDDED.format(name="book"), partial(in_file, tmp_path / "var" / "book.db")
    server, token = request.getfixturevalue("scim2_server")
    (tmp_path / "target.token").write_text(token)
    (tmp_path / "target.token").chmod(0o600)
    url = f"{server}/{uuid4().hex}/v2"
    return FOREIGN.format(name="book", url=url), partial(over_http, url, token)


@pytest.mark.parametrize("way", ["send", "delete"])
def test_a_person_and_a_group_go_in_and_out_of_scope(start, connector, way: str) -> None:
    table, entries = connector
    gateway = start(table + SCOPE.format(way=way, people=NOT_BOARD))
    ask = lambda method, path, body=None: gateway.ask(method, f"/scim/book/v2{path}", body)  # noqa: E731
    there = lambda: {entry["userName"]: entry["active"] for entry in entries("User")}  # noqa: E731
    gone = {} if way == "delete" else {"ava@example.com": False}

    created = ask("POST", "/Users", of("Board"))
    id = created.body["id"]
    assert (created.status, there()) == (201, {})
    group = ask("POST", "/Groups", {"displayName": "tel-a", "members": [{"value": id}]})
    assert (group.status, group.body["members"]) == (201, [{"value": id}])

    for department, expected in (("Sales", {"ava@example.com": True}), ("Board", gone), ("Sales", None)):
        put = ask("PUT", f"/Users/{id}", of(department, title=department))
        assert (put.status, put.body["id"], put.body["active"], put.body["title"]) == (
            200,
            id,
            True,
            department,
        )
        found = ask("GET", LOOK_UP).body["Resources"]
        assert [(one["id"], one["active"], one["title"]) for one in found] == [(id, True, department)]
        assert there() == ({"ava@example.com": True} if expected is None else expected)
    rename = {"Operations": [{"op": "replace", "path": "displayName", "value": "hr"}]}
    assert ask("PATCH", f"/Groups/{group.body['id']}", rename).status == 204
    assert entries("Group") == []
    assert ask("GET", f"/Groups/{group.body['id']}").body["members"] == [{"value": id}]
    rename["Operations"][0]["value"] = "tel-b"
    assert ask("PATCH", f"/Groups/{group.body['id']}", rename).status == 204
    assert [(one["displayName"], len(one["members"])) for one in entries("Group")] == [("tel-b", 1)]

    assert ask("PUT", f"/Users/{id}", of("Board")).status == 200
    told = json.loads(gateway.command("reconcile", "book", "--format", "json").stdout)
    assert {row["finding"] for row in told} <= {"unknown"}  # some keep in a group whom they have deleted
    assert ask("DELETE", f"/Users/{id}").status == 204
    assert (ask("GET", f"/Users/{id}").status, there()) == (404, {})
    results = [event["outcome"]["result"] for event in gateway.events() if event["event"].startswith("user.")]
    left = "out_of_scope" if way == "delete" else "applied"
    assert results == ["out_of_scope", "applied", "out_of_scope", "applied", "out_of_scope", left]


@pytest.mark.long
@pytest.mark.parametrize("way", ["send", "delete"])
def test_a_changed_scope_moves_people_with_resync(start, connector, way: str) -> None:
    table, entries = connector
    there = lambda: {entry["userName"]: entry["active"] for entry in entries("User")}  # noqa: E731
    gateway = start(table + SCOPE.format(way=way, people=ANYBODY))
    created = gateway.ask("POST", "/scim/book/v2/Users", of("Board"))
    assert (created.status, there()) == (201, {"ava@example.com": True})
    gateway.stop()

    gateway = start(table + SCOPE.format(way=way, people=NOT_BOARD))
    assert there() == {"ava@example.com": True}
    found = gateway.command("reconcile", "book", "--format", "json")
    assert (found.returncode, [row["finding"] for row in json.loads(found.stdout)]) == (1, ["out_of_scope"])
    done = gateway.command("resync", "book")
    assert (done.returncode, "1 out of scope" in done.stderr) == (0, True), done.stderr
    assert there() == ({} if way == "delete" else {"ava@example.com": False})
    shown = gateway.ask("GET", f"/scim/book/v2/Users/{created.body['id']}")
    assert (shown.status, shown.body["active"]) == (200, True)
    gateway.stop()

    gateway = start(table + SCOPE.format(way=way, people=ANYBODY))
    assert gateway.command("resync", "book").returncode == 0
    assert there() == {"ava@example.com": True}
    assert gateway.command("reconcile", "book").returncode == 0
