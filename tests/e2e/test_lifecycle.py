"""Okta's whole lifecycle of a person and of a group, in both of its variants, on real processes."""

import json
import sqlite3
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

EMBEDDED = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
region = "GB"
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
"""
FOREIGN = """
[targets.phonebook]
connector = "scim"
url = "{url}"
region = "GB"
auth = {{ bearer = {{ file = "target.token" }} }}
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
"""
USERS = "/scim/phonebook/v2/Users"
AVA = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ava.phone@example.com",
    "name": {"givenName": "Ava", "familyName": "Phone"},
    "emails": [{"primary": True, "value": "ava.phone@example.com", "type": "work"}],
    "displayName": "Ava Phone",
    "locale": "en-US",
    "externalId": "00u1b1hpjh91GaknX5d7",
    "groups": [],
    "phoneNumbers": [
        {"primary": True, "value": "020 7946 0018", "type": "work"},
        {"primary": False, "value": "07400 123456", "type": "mobile"},
    ],
    "password": "canary-1mz050nq",
    "active": True,
}
LOOK_UP = f"{USERS}?filter=userName%20eq%20%22ava.phone%40example.com%22&startIndex=1&count=100"


def patched(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": value}],
    }


@pytest.fixture(params=["embedded", "scim2-server"])
def phonebook(request: pytest.FixtureRequest, start: Callable[..., Any], tmp_path: Path) -> Any:
    """A gateway before one target, and a way to see what that target holds."""
    if request.param == "embedded":
        gateway = start(EMBEDDED)
        return gateway, lambda kind="User": in_file(tmp_path / "var" / "phonebook.db", kind)
    server, token = request.getfixturevalue("scim2_server")
    url = f"{server}/{uuid4().hex}/v2"
    (tmp_path / "target.token").write_text(token)
    (tmp_path / "target.token").chmod(0o600)
    gateway = start(FOREIGN.format(url=url))
    return gateway, lambda kind="User": over_http(f"{url}/{kind}s", token)


def in_file(path: Path, kind: str) -> list[Any]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT document, seq FROM entry WHERE type = ?", (kind,)).fetchall()
        members = connection.execute("SELECT entry, value FROM member ORDER BY seq").fetchall()
    connection.close()
    inside = {seq: [{"value": value} for entry, value in members if entry == seq] for _, seq in rows}
    return [json.loads(document) | {"members": inside[seq]} for document, seq in rows]


def over_http(url: str, token: str) -> list[Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response).get("Resources", [])


def phones(entry: dict[str, Any]) -> dict[str, str]:
    return {phone["type"]: phone["value"] for phone in entry.get("phoneNumbers", [])}


def pushed(gateway: Any, id: str, **changes: Any) -> dict[str, Any]:
    """Do as Okta does: read, merge, write the whole of it back."""
    read = gateway.ask("GET", f"{USERS}/{id}")
    assert read.status == 200
    written = gateway.ask("PUT", f"{USERS}/{id}", read.body | changes)
    assert written.status == 200, written.body
    return written.body


def switched(gateway: Any, variant: str, id: str, active: bool) -> None:
    if variant == "aiw":
        pushed(gateway, id, active=active)
    else:
        assert gateway.ask("PATCH", f"{USERS}/{id}", patched({"active": active})).status in (200, 204)


@pytest.mark.parametrize("variant", ["aiw", "oin"])
def test_a_person_comes_changes_leaves_and_returns(phonebook: Any, variant: str) -> None:
    gateway, entries = phonebook

    assert gateway.ask("GET", f"{USERS}?startIndex=1&count=2").body["totalResults"] == 0
    assert gateway.ask("GET", "/scim/phonebook/v2/Groups?startIndex=1&count=100").body["Resources"] == []
    assert gateway.ask("GET", LOOK_UP).body["totalResults"] == 0

    created = gateway.ask("POST", USERS, AVA)
    id = created.body["id"]
    assert created.status == 201
    assert created.headers["Location"].endswith(f"{USERS}/{id}")
    assert phones(created.body) == {"work": "020 7946 0018", "mobile": "07400 123456"}
    assert phones(entries()[0]) == {"work": "+442079460018", "mobile": "+447400123456"}
    assert "password" not in created.body

    again = gateway.ask("POST", USERS, AVA)
    assert (again.status, again.body["scimType"], again.body["status"]) == (409, "uniqueness", "409")
    assert gateway.ask("GET", LOOK_UP).body["Resources"][0]["id"] == id

    pushed(gateway, id, displayName="Ava P.")
    assert entries()[0]["displayName"] == "Ava P."
    pushed(gateway, id, phoneNumbers=[{"primary": True, "value": "+44 20 7946 0999", "type": "work"}])
    assert phones(entries()[0]) == {"work": "+442079460999"}

    switched(gateway, variant, id, active=False)
    assert entries()[0]["active"] is False
    found = gateway.ask("GET", LOOK_UP).body["Resources"][0]
    assert (found["id"], found["active"]) == (id, False)

    switched(gateway, variant, id, active=True)
    pushed(gateway, id)
    assert entries()[0]["active"] is True
    assert len(entries()) == 1

    check_trail(gateway)


def check_trail(gateway: Any) -> None:
    events = [event for event in gateway.events() if event["event"].startswith("user.")]
    outcomes = [(event["event"].partition(".")[2], event["outcome"]["result"]) for event in events]

    assert outcomes[:2] == [("create", "applied"), ("create", "rejected")]
    assert ("replace", "unchanged") in outcomes
    assert {result for _, result in outcomes} == {"applied", "rejected", "unchanged"}
    lines = {line["path"]: line for line in events[0]["diff"]}
    work = lines['phoneNumbers[type eq "work"]']
    assert (work["after"]["value"], work["rule"]) == ("+442079460018", "config:phoneNumbers.value")
    assert gateway.command("audit", "verify").returncode == 0
    assert "canary" not in str(events)
    assert "canary" not in (gateway.config.parent / "log").read_text()
    assert "ava.phone" not in (gateway.config.parent / "log").read_text()


GROUPS = "/scim/phonebook/v2/Groups"


class Pushed:
    """A group as Okta pushes it: by PATCH in its catalogue's apps, by GET and PUT in those of its wizard."""

    def __init__(self, gateway: Any, variant: str, *members: str) -> None:
        self._gateway, self._variant = gateway, variant
        self.body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Sales"}
        created = gateway.ask("POST", GROUPS, self.body | {"members": listed(members)})
        assert created.status == 201
        self.place = f"{GROUPS}/{created.body['id']}"

    def change(self, members: list[str], *operations: dict[str, Any], **more: str) -> None:
        """Make these the members; `operations` are what has changed."""
        self.body |= more
        if self._variant == "aiw":
            assert self._gateway.ask("GET", self.place).status == 200
            answer = self._gateway.ask("PUT", self.place, self.body | {"members": listed(members)})
        else:
            answer = self._gateway.ask("PATCH", self.place, {"Operations": list(operations)})
        assert answer.status in (200, 204), answer.body


def listed(ids: Sequence[str]) -> list[dict[str, Any]]:
    return [{"value": id, "display": None} for id in ids]


def test_a_group_comes_changes_and_goes(phonebook: Any) -> None:
    gateway, entries = phonebook
    people = [hired(gateway, name) for name in ("ava", "ben", "eve")]

    for variant in ("aiw", "oin"):
        check_group(gateway, entries, variant, *people)
        assert (entries("Group"), len(entries())) == ([], 3)


def check_group(gateway: Any, entries: Any, variant: str, ava: str, ben: str, eve: str) -> None:
    members = lambda: [member["value"] for member in entries("Group")[0].get("members", ())]  # noqa: E731

    group = Pushed(gateway, variant, ava, ben)
    group.change([ava, ben], {"op": "add", "path": "members", "value": listed([ava, ben])})
    assert members() == [ava, ben]

    out = {"op": "remove", "path": f'members[value eq "{ava}"]'}
    group.change([ben, eve], out, {"op": "add", "path": "members", "value": listed([eve])})
    assert members() == [ben, eve]

    group.change([ben, eve], {"op": "replace", "value": {"displayName": "Agents"}}, displayName="Agents")
    switched(gateway, variant, ben, active=False)
    assert (entries("Group")[0]["displayName"], members()) == ("Agents", [ben, eve])
    found = gateway.ask("GET", f"{GROUPS}?filter=displayName%20eq%20%22agents%22").body["Resources"]
    assert [member["value"] for member in found[0]["members"]] == [ben, eve]

    group.change([], {"op": "replace", "path": "members", "value": []})
    assert members() == []
    assert gateway.ask("DELETE", group.place).status == 204
    switched(gateway, variant, ben, active=True)


def hired(gateway: Any, name: str) -> str:
    person = AVA | {"userName": f"{name}@example.com", "externalId": f"00u-{name}"}
    id: str = gateway.ask("POST", USERS, person).body["id"]
    return id


def test_an_import_pages_through_everybody_in_one_order(phonebook: Any) -> None:
    gateway, _ = phonebook
    for n in range(5):
        person = AVA | {"userName": f"p{n}@example.com", "externalId": f"00u{n}"}
        assert gateway.ask("POST", USERS, person).status == 201

    pages = [gateway.ask("GET", f"{USERS}?startIndex={first}&count=2").body for first in (1, 3, 5, 7)]

    assert [page["itemsPerPage"] for page in pages] == [2, 2, 1, 0]
    assert {page["totalResults"] for page in pages} == {5}
    names = [person["userName"] for page in pages for person in page["Resources"]]
    assert sorted(names) == [f"p{n}@example.com" for n in range(5)]


def test_what_was_acknowledged_is_there_after_a_restart(start: Callable[..., Any]) -> None:
    gateway = start(EMBEDDED)
    id = gateway.ask("POST", USERS, AVA).body["id"]
    assert gateway.stop() == 0

    gateway = start(EMBEDDED)

    assert gateway.ask("GET", f"{USERS}/{id}").body["userName"] == AVA["userName"]
    assert gateway.ask("POST", USERS, AVA).status == 409
    assert gateway.command("audit", "verify").returncode == 0
