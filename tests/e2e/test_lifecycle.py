"""Okta's whole lifecycle of a person and of a group, in both of its variants, on real processes."""

import json
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

EMBEDDED = """
[targets.{name}]
connector = "embedded"
url = "sqlite:var/{name}.db"
region = "GB"
[[targets.{name}.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
"""
FOREIGN = """
[targets.{name}]
connector = "scim"
url = "{url}"
region = "GB"
auth = {{ bearer = {{ file = "target.token" }} }}
[[targets.{name}.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
"""
NAMES = ("one", "two", "three", "four")  # of the targets of one gateway: a test has one to itself
USERS = "/Users"
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


@dataclass
class Phonebook:
    """One target of a gateway, and what the target holds."""

    gateway: Any
    name: str
    entries: Callable[..., list[Any]]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.gateway.ask(method, f"/scim/{self.name}/v2{path}", body)


@pytest.fixture(scope="module", params=["embedded", "scim2-server"])
def phonebooks(
    request: pytest.FixtureRequest, start_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Phonebook]:
    """Targets that nobody has used yet, all of one gateway."""
    folder = tmp_path_factory.mktemp(request.param)
    make = {"embedded": in_files, "scim2-server": on_a_server}[request.param]
    targets, entries = make(request, folder)
    gateway = start_in(folder, "".join(targets))
    return iter([Phonebook(gateway, name, see) for name, see in zip(NAMES, entries, strict=True)])


@pytest.fixture
def phonebook(phonebooks: Iterator[Phonebook]) -> Phonebook:
    return next(phonebooks)


def in_files(request: pytest.FixtureRequest, folder: Path) -> tuple[list[str], list[Any]]:
    targets = [EMBEDDED.format(name=name) for name in NAMES]
    return targets, [partial(in_file, folder / "var" / f"{name}.db") for name in NAMES]


def on_a_server(request: pytest.FixtureRequest, folder: Path) -> tuple[list[str], list[Any]]:
    server, token = request.getfixturevalue("scim2_server")
    (folder / "target.token").write_text(token)
    (folder / "target.token").chmod(0o600)
    urls = [f"{server}/{uuid4().hex}/v2" for _ in NAMES]
    targets = [FOREIGN.format(name=name, url=url) for name, url in zip(NAMES, urls, strict=True)]
    return targets, [partial(over_http, url, token) for url in urls]


def in_file(path: Path, kind: str = "User") -> list[Any]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT document, seq FROM entry WHERE type = ?", (kind,)).fetchall()
        members = connection.execute("SELECT entry, value FROM member ORDER BY seq").fetchall()
    connection.close()
    inside = {seq: [{"value": value} for entry, value in members if entry == seq] for _, seq in rows}
    return [json.loads(document) | {"members": inside[seq]} for document, seq in rows]


def over_http(url: str, token: str, kind: str = "User") -> list[Any]:
    request = urllib.request.Request(f"{url}/{kind}s", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response).get("Resources", [])


def phones(entry: dict[str, Any]) -> dict[str, str]:
    return {phone["type"]: phone["value"] for phone in entry.get("phoneNumbers", [])}


def pushed(phonebook: Phonebook, id: str, **changes: Any) -> dict[str, Any]:
    """Do as Okta does: read, merge, write the whole of it back."""
    read = phonebook.ask("GET", f"{USERS}/{id}")
    assert read.status == 200
    written = phonebook.ask("PUT", f"{USERS}/{id}", read.body | changes)
    assert written.status == 200, written.body
    return written.body


def switched(phonebook: Phonebook, variant: str, id: str, active: bool) -> None:
    if variant == "aiw":
        pushed(phonebook, id, active=active)
    else:
        assert phonebook.ask("PATCH", f"{USERS}/{id}", patched({"active": active})).status in (200, 204)


@pytest.mark.parametrize("variant", ["aiw", "oin"])
def test_a_person_comes_changes_leaves_and_returns(phonebook: Phonebook, variant: str) -> None:
    entries = phonebook.entries

    assert phonebook.ask("GET", f"{USERS}?startIndex=1&count=2").body["totalResults"] == 0
    assert phonebook.ask("GET", f"{GROUPS}?startIndex=1&count=100").body["Resources"] == []
    assert phonebook.ask("GET", LOOK_UP).body["totalResults"] == 0

    created = phonebook.ask("POST", USERS, AVA)
    id = created.body["id"]
    assert created.status == 201
    assert created.headers["Location"].endswith(f"{USERS}/{id}")
    assert phones(created.body) == {"work": "020 7946 0018", "mobile": "07400 123456"}
    assert phones(entries()[0]) == {"work": "+442079460018", "mobile": "+447400123456"}
    assert "password" not in created.body

    again = phonebook.ask("POST", USERS, AVA)
    assert (again.status, again.body["scimType"], again.body["status"]) == (409, "uniqueness", "409")
    assert phonebook.ask("GET", LOOK_UP).body["Resources"][0]["id"] == id

    pushed(phonebook, id, displayName="Ava P.")
    assert entries()[0]["displayName"] == "Ava P."
    pushed(phonebook, id, phoneNumbers=[{"primary": True, "value": "+44 20 7946 0999", "type": "work"}])
    assert phones(entries()[0]) == {"work": "+442079460999"}

    switched(phonebook, variant, id, active=False)
    assert entries()[0]["active"] is False
    found = phonebook.ask("GET", LOOK_UP).body["Resources"][0]
    assert (found["id"], found["active"]) == (id, False)

    switched(phonebook, variant, id, active=True)
    pushed(phonebook, id)
    assert entries()[0]["active"] is True
    assert len(entries()) == 1

    check_trail(phonebook)


def check_trail(phonebook: Phonebook) -> None:
    gateway, name = phonebook.gateway, phonebook.name
    events = [event for event in gateway.events() if event["target"]["name"] == name]
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


GROUPS = "/Groups"


class Pushed:
    """A group as Okta pushes it: by PATCH in its catalogue's apps, by GET and PUT in those of its wizard."""

    def __init__(self, phonebook: Phonebook, variant: str, *members: str) -> None:
        self._phonebook, self._variant = phonebook, variant
        self.body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Sales"}
        created = phonebook.ask("POST", GROUPS, self.body | {"members": listed(members)})
        assert created.status == 201
        self.place = f"{GROUPS}/{created.body['id']}"

    def change(self, members: list[str], *operations: dict[str, Any], **more: str) -> None:
        """Make these the members; `operations` are what has changed."""
        self.body |= more
        if self._variant == "aiw":
            assert self._phonebook.ask("GET", self.place).status == 200
            answer = self._phonebook.ask("PUT", self.place, self.body | {"members": listed(members)})
        else:
            answer = self._phonebook.ask("PATCH", self.place, {"Operations": list(operations)})
        assert answer.status in (200, 204), answer.body


def listed(ids: Sequence[str]) -> list[dict[str, Any]]:
    return [{"value": id, "display": None} for id in ids]


def test_a_group_comes_changes_and_goes(phonebook: Phonebook) -> None:
    entries = phonebook.entries
    people = [hired(phonebook, name) for name in ("ava", "ben", "eve")]

    for variant in ("aiw", "oin"):
        check_group(phonebook, variant, *people)
        assert (entries("Group"), len(entries())) == ([], 3)


def check_group(phonebook: Phonebook, variant: str, ava: str, ben: str, eve: str) -> None:
    entries = phonebook.entries
    members = lambda: [member["value"] for member in entries("Group")[0].get("members", ())]  # noqa: E731

    group = Pushed(phonebook, variant, ava, ben)
    group.change([ava, ben], {"op": "add", "path": "members", "value": listed([ava, ben])})
    assert members() == [ava, ben]

    out = {"op": "remove", "path": f'members[value eq "{ava}"]'}
    group.change([ben, eve], out, {"op": "add", "path": "members", "value": listed([eve])})
    assert members() == [ben, eve]

    group.change([ben, eve], {"op": "replace", "value": {"displayName": "Agents"}}, displayName="Agents")
    switched(phonebook, variant, ben, active=False)
    assert (entries("Group")[0]["displayName"], members()) == ("Agents", [ben, eve])
    found = phonebook.ask("GET", f"{GROUPS}?filter=displayName%20eq%20%22agents%22").body["Resources"]
    assert [member["value"] for member in found[0]["members"]] == [ben, eve]

    group.change([], {"op": "replace", "path": "members", "value": []})
    assert members() == []
    assert phonebook.ask("DELETE", group.place).status == 204
    switched(phonebook, variant, ben, active=True)


def hired(phonebook: Phonebook, name: str) -> str:
    person = AVA | {"userName": f"{name}@example.com", "externalId": f"00u-{name}"}
    id: str = phonebook.ask("POST", USERS, person).body["id"]
    return id


def test_an_import_pages_through_everybody_in_one_order(phonebook: Phonebook) -> None:
    for n in range(5):
        person = AVA | {"userName": f"p{n}@example.com", "externalId": f"00u{n}"}
        assert phonebook.ask("POST", USERS, person).status == 201

    pages = [phonebook.ask("GET", f"{USERS}?startIndex={first}&count=2").body for first in (1, 3, 5, 7)]

    assert [page["itemsPerPage"] for page in pages] == [2, 2, 1, 0]
    assert {page["totalResults"] for page in pages} == {5}
    names = [person["userName"] for page in pages for person in page["Resources"]]
    assert sorted(names) == [f"p{n}@example.com" for n in range(5)]


def test_what_was_acknowledged_is_there_after_a_restart(start: Callable[..., Any]) -> None:
    phonebook = Phonebook(start(EMBEDDED.format(name="one")), "one", list)
    id = phonebook.ask("POST", USERS, AVA).body["id"]
    assert phonebook.gateway.stop() == 0

    phonebook = Phonebook(start(EMBEDDED.format(name="one")), "one", list)

    assert phonebook.ask("GET", f"{USERS}/{id}").body["userName"] == AVA["userName"]
    assert phonebook.ask("POST", USERS, AVA).status == 409
    assert phonebook.gateway.command("audit", "verify").returncode == 0
