"""The service behind gateway and pass-through."""

import json

import pytest

from bench.people import dumps, group, patch, person
from bench.stub import Directory

NAMED = "filter=userName%20eq%20%22U1%40example.com%22"


@pytest.fixture
def directory():
    return Directory()


def made(directory, path, document):
    status, body = directory.reply("POST", path, "", dumps(document))
    assert status == b"201 Created"
    return json.loads(body)["id"]


def shown(directory, path, query=""):
    return json.loads(directory.reply("GET", path, query, b"")[1])


def test_a_person_is_found_by_id_and_by_name_in_any_case(directory):
    id = made(directory, "/x/Users", person(1))

    assert shown(directory, f"/x/Users/{id}") == {"id": id, **person(1)}
    assert shown(directory, "/x/Users", NAMED)["Resources"] == [{"id": id, **person(1)}]


def test_nobody_is_found_by_a_name_that_nobody_has(directory):
    made(directory, "/x/Users", person(2))

    assert shown(directory, "/x/Users", NAMED)["totalResults"] == 0


def test_a_put_replaces_and_a_patch_changes(directory):
    id = made(directory, "/Users", person(1))

    directory.reply("PUT", f"/Users/{id}", "", dumps(person(1, "Lead")))
    assert shown(directory, f"/Users/{id}") == {"id": id, **person(1, "Lead")}
    operation = {"op": "replace", "path": "title", "value": "Head"}
    directory.reply("PATCH", f"/Users/{id}", "", dumps(patch(operation)))
    assert shown(directory, f"/Users/{id}") == {"id": id, **person(1, "Head")}


def test_members_join_a_group_and_are_left_out_where_that_is_asked(directory):
    id = made(directory, "/Groups", group("Sales", ["a"]))

    joined = patch({"op": "add", "path": "members", "value": [{"value": "b"}]})
    directory.reply("PATCH", f"/Groups/{id}", "", dumps(joined))

    assert shown(directory, f"/Groups/{id}")["members"] == [{"value": "a"}, {"value": "b"}]
    assert "members" not in shown(directory, f"/Groups/{id}", "excludedAttributes=members")


@pytest.mark.parametrize("path", ["/Users/t1", "/Groups/g1", "/Nothing/1"])
def test_what_is_not_there_is_404(directory, path):
    assert directory.reply("GET", path, "", b"")[0] == b"404 Not Found"
