"""`reconcile` and `resync`, as they are typed, over a directory that others have changed by hand."""

import asyncio
import json
import re
from pathlib import Path

import ldap
import pytest
import structlog

from gateway.cli import main
from tests.support.ldap_scene import USERS, Scene, person, scenes

PEOPLE = ("ann", "bob", "eve", "fay", "gus")


class Place:
    """A folder with a configuration, a directory with people, and commands; no gateway runs."""

    def __init__(self, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
        self._scene, self._capsys = scene, capsys
        self.there, self.put = scene.there, scene.put
        self.root, self.base = scene.server.root(), scene.base

    def remove(self, name: str) -> None:
        self.root.delete_s(f"uid={name},ou=people,{self.base}")

    def run(self, *argv: str):
        """Return how a command ended, the rows that it wrote, and what it said of them."""
        self._capsys.readouterr()
        status = main([*argv, "--format", "ndjson"])
        out, err = self._capsys.readouterr()
        return status, [json.loads(line) for line in out.splitlines()], err.partition(": ")[2].strip()

    def found(self, *argv: str):
        """Return what `reconcile` finds, by name."""
        status, rows, _ = self.run("reconcile", "phonebook", *argv)
        return status, {(row["user_name"], row["finding"], row["path"], row["outcome"]) for row in rows}


async def _people(server, folder: Path) -> Scene:
    async with scenes(server, folder) as scene:
        made = [await scene.ask("POST", USERS, person(name, title="Agent")) for name in PEOPLE]
        await scene.join("Sales", *made)
        return scene


@pytest.fixture
def place(slapd_server, tmp_path, capsys, monkeypatch) -> Place:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    monkeypatch.chdir(tmp_path)
    return Place(asyncio.run(_people(slapd_server, tmp_path)), capsys)


@pytest.fixture
def edited(place: Place) -> Place:
    """By hand: Ann has another title, Bob is gone, Eve has another name, and there is a stranger."""
    people = f"ou=people,{place.base}"
    place.root.modify_s(f"uid=ann,{people}", [(ldap.MOD_REPLACE, "title", [b"Boss"])])
    place.remove("bob")
    place.root.rename_s(f"uid=eve,{people}", "uid=eva")
    place.put("uid=stranger", title="Guest")
    return place


EDITS = {
    ("ann", "changed", "title"),
    ("bob", "missing", None),
    ("eve", "changed", "userName"),
}


def test_a_directory_that_nobody_has_changed_is_as_it_should_be(place):
    assert place.run("reconcile", "phonebook") == (0, [], "5 people, 1 group")
    assert place.run("resync", "phonebook") == (0, [], "5 people, 5 unchanged")


def test_what_was_changed_by_hand_is_found(edited):
    before = edited.there()

    status, found = edited.found()

    assert status == 1
    assert found == {(*edit, None) for edit in EDITS} | {
        ("stranger", "unknown", None, None),
        ("Sales", "changed", "members", None),  # the directory keeps the names of who is gone
    }
    assert edited.there() == before


def test_what_stands_beside_the_value_of_a_rule_is_told_and_repaired(place):
    for name, attribute, value in (("ann", "title", b"Boss"), ("bob", "telephoneNumber", b"+442079460001")):
        place.root.modify_s(f"uid={name},ou=people,{place.base}", [(ldap.MOD_ADD, attribute, [value])])

    status, found = place.found()
    _, repaired = place.found("--repair")

    paths = {("ann", "title"), ("bob", 'phoneNumbers[type eq "work"]')}
    there = {dn.partition(",")[0]: entry for dn, entry in place.there().items()}
    assert (status, found) == (1, {(name, "changed", path, None) for name, path in paths})
    assert repaired == {(name, "changed", path, "applied") for name, path in paths}
    assert (there["uid=ann"]["title"], "telephoneNumber" in there["uid=bob"]) == ([b"Agent"], False)
    assert place.run("reconcile", "phonebook")[0] == 0


def test_a_resync_keeps_what_stands_beside_the_value_of_a_rule(place):
    place.root.modify_s(f"uid=ann,ou=people,{place.base}", [(ldap.MOD_ADD, "title", [b"Boss"])])

    assert place.run("resync", "phonebook") == (0, [], "5 people, 5 unchanged")
    assert place.there("(uid=ann)")["uid=ann,ou=people"]["title"] == [b"Agent", b"Boss"]


def test_a_repair_brings_back_what_is_ours_and_leaves_the_stranger_alone(edited):
    before = edited.there()

    _, found = edited.found("--repair")
    again = edited.run("resync", "phonebook")

    assert found == {(*edit, "applied") for edit in EDITS} | {("stranger", "unknown", None, None)}
    there = {dn.partition(",")[0]: entry for dn, entry in edited.there().items()}
    assert set(there) == {f"uid={name}" for name in (*PEOPLE, "stranger")}
    assert (there["uid=ann"]["title"], there["uid=bob"]["title"]) == ([b"Agent"], [b"Agent"])
    assert there["uid=stranger"] == before["uid=stranger,ou=people"]
    assert again == (0, [], "5 people, 5 unchanged")
    assert main(["audit", "verify"]) == 0


def test_who_was_brought_back_is_in_their_groups(edited):
    edited.run("reconcile", "phonebook", "--repair")

    members = edited.there("(objectClass=groupOfNames)")["cn=Sales,ou=groups"]["member"]
    ours = [f"uid={name},ou=people,{edited.base}".encode() for name in PEOPLE]
    assert sorted(set(members) - {b"cn=nobody"}) == ours


def test_an_entry_with_the_external_id_of_somebody_is_a_stranger_and_left_alone(place):
    place.put("uid=twin", employeeNumber="00u-fay")

    assert place.found("--repair") == (1, {("twin", "unknown", None, None)})
    assert place.run("resync", "phonebook") == (0, [], "5 people, 5 unchanged")


def test_who_is_gone_while_two_entries_have_their_external_id_is_not_made_a_third_time(place):
    place.remove("fay")
    for name in ("one", "two"):
        place.put(f"uid={name}", employeeNumber="00u-fay")
    before = place.there()

    status, rows, _ = place.run("reconcile", "phonebook", "--repair")

    (fay,) = [row for row in rows if row["user_name"] == "fay"]
    assert (status, fay["finding"], fay["outcome"]) == (1, "missing", "rejected")
    assert "several entries with the same externalId" in fay["reason"]
    assert place.there() == before


def test_who_was_made_anew_by_hand_is_known_again_after_a_repair(place):
    place.remove("gus")
    place.put("uid=gus", employeeNumber="00u-gus", title="Agent")

    place.run("reconcile", "phonebook", "--repair")

    assert place.run("reconcile", "phonebook")[0] == 0
    assert len(place.there("(uid=gus)")) == 1


def test_a_directory_that_is_down_ends_with_3(place):
    config = Path("config.toml")
    config.write_text(re.sub(r"ldap://127\.0\.0\.1:\d+", "ldap://127.0.0.1:1", config.read_text()))

    assert place.run("reconcile", "phonebook", "--repair")[0] == 3
