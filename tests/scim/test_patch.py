import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget
from gateway.scim.dialects import DIALECTS
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER
from gateway.scim.patch import MAX_OPERATIONS, apply_patch

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "vectors"
OWN = "urn:ietf:params:scim:schemas:custom:Space"
UNQUOTED = "a value without quotes is the leniency of one library; RFC 7644 section 3.4.2.2 wants JSON"
LENIENT = {"members[value eq 123abc].$ref": UNQUOTED, "members[value eq 123abc]": UNQUOTED}
# one library takes away what a replaced object does not name; RFC 7644 section 3.5.2.3 leaves it unchanged
LEFT_UNCHANGED = {"name": {"honorificPrefix": "Mr", "formatted": "Test"}}


def collected() -> list:
    """Return the collected patches, none where they are not beside the checkout."""
    path = VECTORS / "patch.json"
    if not path.exists() and "CI" not in os.environ:
        return []
    cases = [case for group in json.loads(path.read_text())["data"]["inbound"].values() for case in group]
    return [(case["source"], case["ops"], case["target"]) for case in cases]


def is_lenient(operations: list) -> bool:
    return any(operation.get("path") in LENIENT for operation in operations)


def left_unchanged(operations: list) -> dict:
    """Return what the RFC leaves as it is where the vectors have it taken away."""
    whole = [one["path"] for one in operations if one["op"] == "replace" and isinstance(one["value"], dict)]
    return {name: LEFT_UNCHANGED[name] for name in whole if name in LEFT_UNCHANGED}


def patched(document: dict, *operations: dict, kind: str = "User") -> dict:
    """Return what the operations make of a document, which must stay as it was."""
    message = {"Operations": list(operations)}
    before = deepcopy((document, message))
    result = apply_patch(document, message, kind)
    assert (document, message) == before
    return result


def op(op: str, path: str | None, *value) -> dict:
    """Return one operation, with a value or without."""
    return {"op": op, **({} if path is None else {"path": path}), **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("source", "operations", "target"), [row for row in collected() if not is_lenient(row[1])]
)
def test_a_patch_does_what_others_found_it_to_do(source, operations, target):
    assert patched(source, *operations) == target | left_unchanged(operations)


@pytest.mark.parametrize("path", LENIENT)
def test_a_value_without_quotes_is_refused(path):
    with pytest.raises(InvalidPath):
        patched({}, op("remove", path))


BABS, JAMES = ({"value": id, "$ref": f"https://example.com/v2/Users/{id}"} for id in ("2819c223", "08e1d05d"))
BABS_HOME = {"value": "babs@jensen.org", "type": "home"}
BABS_WORK = {"value": "bjensen@example.com", "type": "work", "primary": True}
OFFICE = {"type": "work", "streetAddress": "911 Universal City Plaza", "country": "US", "primary": True}
HOUSE = {"type": "home", "streetAddress": "456 Hollywood Blvd"}


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [
        pytest.param(
            {"members": [JAMES]},
            [{"op": "add", "path": "members", "value": [BABS]}],
            {"members": [JAMES, BABS]},
            id="add a member",
        ),
        pytest.param(
            {"emails": [BABS_WORK]},
            [{"op": "add", "value": {"emails": [BABS_HOME], "nickname": "Babs"}}],
            {"emails": [BABS_WORK, BABS_HOME], "nickName": "Babs"},
            id="add without a path",
        ),
        pytest.param(
            {"members": [BABS, JAMES]},
            [{"op": "remove", "path": 'members[value eq "2819c223"]'}],
            {"members": [JAMES]},
            id="remove a member",
        ),
        pytest.param(
            {"members": [BABS, JAMES]}, [{"op": "remove", "path": "members"}], {}, id="remove all members"
        ),
        pytest.param(
            {"emails": [BABS_WORK, BABS_HOME]},
            [{"op": "remove", "path": 'emails[type eq "work" and value ew "example.com"]'}],
            {"emails": [BABS_HOME]},
            id="remove by a filter",
        ),
        pytest.param(
            {"members": [BABS]},
            [
                {"op": "remove", "path": 'members[value eq "2819c223"]'},
                {"op": "add", "path": "members", "value": [JAMES]},
            ],
            {"members": [JAMES]},
            id="one member for another",
        ),
        pytest.param(
            {"members": [BABS]},
            [{"op": "replace", "path": "members", "value": [JAMES, BABS]}],
            {"members": [JAMES, BABS]},
            id="replace all members",
        ),
        pytest.param(
            {"addresses": [HOUSE, OFFICE]},
            [{"op": "replace", "path": 'addresses[type eq "work"]', "value": {**OFFICE, "country": "CA"}}],
            {"addresses": [HOUSE, {**OFFICE, "country": "CA"}]},
            id="replace an address",
        ),
        pytest.param(
            {"addresses": [HOUSE, OFFICE]},
            [
                {
                    "op": "replace",
                    "path": 'addresses[type eq "work"].streetAddress',
                    "value": "1010 Broadway Ave",
                }
            ],
            {"addresses": [HOUSE, {**OFFICE, "streetAddress": "1010 Broadway Ave"}]},
            id="replace a street",
        ),
        pytest.param(
            {"emails": [HOUSE], "nickName": "Barbara", "title": "Guide"},
            [{"op": "replace", "value": {"emails": [BABS_WORK, BABS_HOME], "nickname": "Babs"}}],
            {"emails": [BABS_WORK, BABS_HOME], "nickName": "Babs", "title": "Guide"},
            id="replace without a path",
        ),
    ],
)
def test_the_examples_of_the_rfc_come_true(before, operations, after):
    kind = "Group" if "members" in before else "User"

    assert patched({"displayName": "g", **before}, *operations, kind=kind) == {"displayName": "g", **after}


WORK = {"type": "work", "value": "w@x"}
HOME = {"type": "home", "value": "h@x"}


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        pytest.param({"title": "a"}, op("Replace", "TITLE", "b"), {"title": "b"}, id="any case"),
        pytest.param({}, op("add", "Title", "b"), {"title": "b"}, id="standard spelling for a new one"),
        pytest.param({}, op("add", "shoeSize", 43), {"shoeSize": 43}, id="unknown attribute"),
        pytest.param({"title": "a"}, op("remove", "title"), {}, id="remove"),
        pytest.param({"title": "a"}, op("remove", "title", "old"), {}, id="remove with a value"),
        pytest.param({}, op("remove", "title"), {}, id="remove what is absent"),
        pytest.param({"title": "a"}, op("replace", "title", None), {}, id="null clears"),
        pytest.param({"title": "a"}, op("replace", "title", ""), {}, id="empty text clears"),
        pytest.param({"title": "a"}, op("add", "title", ""), {}, id="adding empty text clears"),
        pytest.param({}, op("add", "active", "False"), {"active": False}, id="boolean text"),
        pytest.param({}, op("add", "nickName", "True"), {"nickName": "True"}, id="text that looks like one"),
        pytest.param({}, op("add", "name.GivenName", "A"), {"name": {"givenName": "A"}}, id="new object"),
        pytest.param(
            {"name": {"givenName": "A"}},
            op("replace", "name.familyName", "B"),
            {"name": {"givenName": "A", "familyName": "B"}},
            id="sub-attribute",
        ),
        pytest.param(
            {"name": {"givenName": "A"}}, op("remove", "name.GIVENNAME"), {}, id="last sub-attribute"
        ),
        pytest.param({}, op("remove", "name.givenName"), {}, id="sub-attribute of nothing"),
        pytest.param(
            {"name": {"givenName": "A"}},
            op("replace", "name.givenName", ""),
            {},
            id="empty text clears a sub-attribute",
        ),
        pytest.param({}, op("add", "schemas", ["urn:x"]), {}, id="schemas are derived"),
    ],
)
def test_a_simple_path_changes_one_attribute(document, operation, result):
    assert patched(document, operation) == result


@pytest.mark.parametrize(
    ("document", "value", "result"),
    [
        pytest.param({"active": True}, {"active": False}, {"active": False}, id="Okta deactivates"),
        pytest.param(
            {"name": {"givenName": "A", "familyName": "B"}},
            {"name": {"givenName": "C"}},
            {"name": {"givenName": "C", "familyName": "B"}},
            id="an object is laid over the present one",
        ),
        pytest.param(
            {"name": {"givenName": "A"}},
            {"name.familyName": "B", f"{ENTERPRISE_USER}:department": "S"},
            {"name": {"givenName": "A", "familyName": "B"}, ENTERPRISE_USER: {"department": "S"}},
            id="Entra's dotted and qualified names",
        ),
        pytest.param(
            {ENTERPRISE_USER: {"division": "D"}},
            {ENTERPRISE_USER.lower(): {"Department": "S"}},
            {ENTERPRISE_USER: {"division": "D", "department": "S"}},
            id="an extension is laid over the present one",
        ),
        pytest.param({}, {OWN: {"custom1": "a"}}, {OWN: {"custom1": "a"}}, id="an extension nobody knows"),
        pytest.param(
            {OWN: {"a": 1}}, {f"{OWN}:b": {"c": 2}}, {OWN: {"a": 1, "b": {"c": 2}}}, id="an object in it"
        ),
        pytest.param(
            {OWN: {"a": 1}, "title": "b"}, {OWN: None}, {"title": "b"}, id="null clears an extension"
        ),
        pytest.param({OWN: {"a": 1}}, {OWN: {}}, {OWN: {"a": 1}}, id="an empty extension says nothing"),
        pytest.param({OWN: {"a": 1}}, {OWN: {"a": ""}}, {}, id="its last attribute"),
        pytest.param(
            {"id": "1"},
            {"id": "2", "META": {}, "groups": [1], "schemas": [], f"{CORE_USER}:id": "3", "title": "a"},
            {"id": "1", "title": "a"},
            id="the server's own are ignored",
        ),
        pytest.param({}, {CORE_USER: {"userName": "a"}}, {"userName": "a"}, id="the core by URN"),
        pytest.param(
            {}, {f"{CORE_USER}:name.givenName": "a"}, {"name": {"givenName": "a"}}, id="into the core"
        ),
        pytest.param(
            {"emails": [HOME]},
            {'emails[type eq "work"].value': "w@x"},
            {"emails": [HOME, WORK]},
            id="a filter in a name",
        ),
        pytest.param({"emails": [HOME]}, {"emails": [WORK]}, {"emails": [WORK]}, id="a list"),
        pytest.param({"emails": [HOME]}, {"emails": []}, {}, id="an empty list"),
        pytest.param(
            {"name": {"givenName": "A"}}, {f"{CORE_USER}:name": {}}, {"name": {"givenName": "A"}}, id="by URN"
        ),
    ],
)
def test_a_value_without_a_path_replaces_attribute_by_attribute(document, value, result):
    assert patched(document, op("replace", None, value)) == result


@pytest.mark.parametrize(
    ("value", "result"),
    [
        pytest.param({"active": False}, {"active": False, "emails": [HOME]}, id="SailPoint deactivates"),
        pytest.param({"emails": [WORK]}, {"active": True, "emails": [HOME, WORK]}, id="a list grows"),
        pytest.param({"emails": []}, {"active": True, "emails": [HOME]}, id="nothing is added to a list"),
        pytest.param({ENTERPRISE_USER: ""}, {"active": True, "emails": [HOME]}, id="an empty extension"),
    ],
)
def test_a_value_without_a_path_is_added_attribute_by_attribute(value, result):
    assert patched({"active": True, "emails": [HOME]}, op("add", None, value)) == result


ANN_MARIA_LEE = {"givenName": "Ann", "middleName": "Maria", "familyName": "Lee"}


@pytest.mark.parametrize("verb", ["add", "replace"])
@pytest.mark.parametrize(
    ("holder", "attribute"), [(None, "name"), (None, "custom"), (OWN, "name"), (ENTERPRISE_USER, "custom")]
)
@pytest.mark.parametrize(
    ("value", "result"),
    [
        pytest.param({"middleName": None}, {"givenName": "Ann", "familyName": "Lee"}, id="null"),
        pytest.param({"MIDDLENAME": ""}, {"givenName": "Ann", "familyName": "Lee"}, id="empty text"),
        pytest.param({"middleName": []}, {"givenName": "Ann", "familyName": "Lee"}, id="an empty list"),
        pytest.param(
            {"middleName": None, "givenName": "Eve"},
            {"givenName": "Eve", "familyName": "Lee"},
            id="with another",
        ),
        pytest.param({"familyName": "Roe"}, ANN_MARIA_LEE | {"familyName": "Roe"}, id="another alone"),
        pytest.param({}, ANN_MARIA_LEE, id="nothing"),
        pytest.param(dict.fromkeys(ANN_MARIA_LEE), None, id="all of them"),
        pytest.param({"formatted": None}, ANN_MARIA_LEE, id="what was not there"),
    ],
)
@pytest.mark.parametrize("has_path", [True, False], ids=["path", "no path"])
def test_what_an_object_does_not_name_is_left_as_it_is(verb, holder, attribute, value, result, has_path):
    """RFC 7644 section 3.5.2.3."""
    inner = {attribute: ANN_MARIA_LEE, "x": "y"}
    path = attribute if holder is None else f"{holder}:{attribute}"
    operation = op(verb, path, value) if has_path else op(verb, None, {path: value})

    after = patched(inner if holder is None else {holder: inner}, operation)

    assert (after if holder is None else after[holder]) == {
        "x": "y",
        **({} if result is None else {attribute: result}),
    }


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        pytest.param(
            op("replace", 'emails[type eq "work"].value', "n@x"), [HOME, {**WORK, "value": "n@x"}], id="sub"
        ),
        pytest.param(
            op("add", "emails.^[type=='work'].value", "n@x"), [HOME, {**WORK, "value": "n@x"}], id="Okta"
        ),
        pytest.param(
            op("Add", 'emails[type eq "other"].value', "o@x"),
            [HOME, WORK, {"type": "other", "value": "o@x"}],
            id="made",
        ),
        pytest.param(
            op("add", 'emails[type eq "other" and primary eq "False"].value', "o@x"),
            [HOME, WORK, {"type": "other", "primary": False, "value": "o@x"}],
            id="made of two terms",
        ),
        pytest.param(
            op("replace", 'emails[type eq "other"]', "o@x"),
            [HOME, WORK, {"type": "other", "value": "o@x"}],
            id="made of text",
        ),
        pytest.param(
            op("replace", 'emails[type eq "work"]', {"value": "n@x"}),
            [HOME, {"type": "work", "value": "n@x"}],
            id="element",
        ),
        pytest.param(
            op("replace", 'emails[value sw "w"]', {"display": "n"}),
            [HOME, {"display": "n"}],
            id="element by another filter",
        ),
        pytest.param(
            op("add", 'emails[type eq "work"]', [{"display": "d"}]),
            [HOME, {**WORK, "display": "d"}],
            id="more of an element",
        ),
        pytest.param(
            op("replace", 'emails[type eq "work"]', {"display": None}), [HOME, WORK], id="less of an element"
        ),
        pytest.param(op("replace", 'emails[type eq "work"]', {}), [HOME, WORK], id="nothing of an element"),
        pytest.param(
            op("add", 'emails[type eq "work"]', {"value": "n@x", "type": ""}),
            [HOME, {"value": "n@x"}],
            id="more and less of an element",
        ),
        pytest.param(
            op("add", 'emails[type eq "work"]', {"value": "", "display": "d"}), [HOME], id="not its value"
        ),
        pytest.param(op("remove", 'emails[type eq "work"]'), [HOME], id="remove"),
        pytest.param(op("replace", 'emails[type eq "work"]', None), [HOME], id="null clears"),
        pytest.param(op("remove", 'emails[type eq "work"].value'), [HOME], id="remove its value"),
        pytest.param(op("replace", 'emails[type eq "work"].value', ""), [HOME], id="empty text clears"),
        pytest.param(
            op("remove", 'emails[type eq "work"].type'), [HOME, {"value": "w@x"}], id="remove its type"
        ),
        pytest.param(op("remove", 'emails[type eq "other"]'), [HOME, WORK], id="remove nothing"),
        pytest.param(
            op("replace", "emails.display", "d"),
            [{**HOME, "display": "d"}, {**WORK, "display": "d"}],
            id="all",
        ),
        pytest.param(op("remove", "emails.type"), [{"value": "h@x"}, {"value": "w@x"}], id="remove from all"),
        pytest.param(op("add", "emails", HOME), [HOME, WORK], id="add what is there"),
        pytest.param(op("add", "emails", [{"value": "n@x"}]), [HOME, WORK, {"value": "n@x"}], id="add"),
        pytest.param(op("add", "emails", []), [HOME, WORK], id="add nothing"),
        pytest.param(op("replace", "emails", WORK), [WORK], id="replace by one object"),
        pytest.param(op("remove", "emails", [{"value": "H@X"}]), [WORK], id="remove listed"),
        pytest.param(op("remove", "emails", ["h@x"]), [WORK], id="remove listed texts"),
        pytest.param(op("remove", "emails", ["", {"value": None}, {}]), [HOME, WORK], id="nothing is listed"),
        pytest.param(op("remove", "emails"), None, id="remove all"),
    ],
)
def test_a_multi_valued_attribute_changes_element_by_element(operation, result):
    assert patched({"emails": [HOME, WORK]}, operation).get("emails") == result


@pytest.mark.parametrize(
    ("operation", "primaries"),
    [
        pytest.param(op("add", "emails", {"value": "n@x", "primary": True}), [False, None, True], id="added"),
        pytest.param(op("replace", 'emails[type eq "work"].primary', "True"), [False, True], id="set"),
        pytest.param(
            op("add", "emails", {"value": "w@x", "primary": True}), [False, True], id="added to one"
        ),
        pytest.param(op("add", "emails", {"value": "n@x"}), [True, None, None], id="not primary"),
        pytest.param(op("replace", 'emails[type eq "home"].primary', False), [False, None], id="given up"),
    ],
)
def test_a_new_primary_demotes_the_old_one(operation, primaries):
    result = patched({"emails": [{**HOME, "primary": True}, WORK]}, operation)

    assert [element.get("primary") for element in result["emails"]] == primaries


BOTH_PRIMARY = [{**HOME, "primary": True}, {**WORK, "primary": "True"}]


@pytest.mark.parametrize("name", ["emails", "ims", f"{CORE_USER}:phoneNumbers"])
@pytest.mark.parametrize("has_path", [True, False], ids=["path", "no path"])
def test_two_primaries_in_one_replacement_are_refused_unless_a_dialect_means_the_last(name, has_path):
    operation = op("Replace", name, BOTH_PRIMARY) if has_path else op("replace", None, {name: BOTH_PRIMARY})
    bare = name.removeprefix(f"{CORE_USER}:")

    for dialect in ("okta", "rfc"):
        with pytest.raises(InvalidValue, match=rf"{bare}: no more than one value can be primary"):
            apply_patch({}, DIALECTS[dialect].patch({"Operations": [operation]}))
    after = apply_patch({}, DIALECTS["entra"].patch({"Operations": [operation]}))
    assert [element["primary"] for element in after[bare]] == [False, True]


def test_two_primaries_from_before_keep_no_leaver():
    crowd = {
        "userName": "a",
        "emails": [{**HOME, "primary": True}, {**WORK, "primary": True}],
        "active": True,
    }

    assert patched(crowd, op("replace", "active", False)) == crowd | {"active": False}


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        pytest.param(
            {}, op("Add", f"{ENTERPRISE_USER}:manager", "7"), {"manager": {"value": "7"}}, id="text"
        ),
        pytest.param(
            {},
            op("Add", f"{ENTERPRISE_USER}:manager", [{"value": "7", "$ref": "u"}]),
            {"manager": {"value": "7", "$ref": "u"}},
            id="list",
        ),
        pytest.param(
            {"manager": {"value": "7"}},
            op("Add", f"{ENTERPRISE_USER}:manager", ""),
            None,
            id="removed by Entra",
        ),
        pytest.param(
            {"manager": {"value": "7", "x": 1}},
            op("replace", f"{ENTERPRISE_USER}:manager", "8"),
            {"manager": {"value": "8"}},
            id="replaced by text",
        ),
        pytest.param(
            {"manager": {"value": "7", "x": 1}},
            op("replace", f"{ENTERPRISE_USER}:manager", {"value": "8", "$ref": "u"}),
            {"manager": {"value": "8", "$ref": "u", "x": 1}},
            id="replaced by an object",
        ),
        pytest.param(
            {"manager": {"value": "7", "x": 1}},
            op("replace", f"{ENTERPRISE_USER}:manager", {"value": "7", "displayName": "B"}),
            {"manager": {"value": "7", "displayName": "B", "x": 1}},
            id="more of the same manager",
        ),
        pytest.param(
            {"manager": {"value": "7", "displayName": "B"}},
            op("replace", f"{ENTERPRISE_USER}:manager", {"displayName": None}),
            {"manager": {"value": "7"}},
            id="less of the manager",
        ),
        pytest.param(
            {"a": 1, "manager": {"value": "7", "displayName": "B"}},
            op("replace", None, {ENTERPRISE_USER: {"manager": {"value": ""}}}),
            {"a": 1},
            id="a manager without a value is nobody",
        ),
        pytest.param(
            {"manager": {"value": "7", "x": 1}},
            op("add", f"{ENTERPRISE_USER}:manager", {"value": "8"}),
            {"manager": {"value": "8", "x": 1}},
            id="added to",
        ),
        pytest.param(
            {"manager": "7"},
            op("add", f"{ENTERPRISE_USER}:manager.displayName", "B"),
            {"manager": {"value": "7", "displayName": "B"}},
            id="was text",
        ),
        pytest.param(
            {}, op("add", ENTERPRISE_USER, {"division": "D"}), {"division": "D"}, id="whole extension"
        ),
        pytest.param(
            {"a": 1, "b": 2}, op("add", ENTERPRISE_USER, {"b": 3}), {"a": 1, "b": 3}, id="added to it"
        ),
        pytest.param(
            {"a": 1, "b": 2},
            op("replace", ENTERPRISE_USER, {"b": 3}),
            {"a": 1, "b": 3},
            id="replaced in part",
        ),
        pytest.param(
            {"a": 1, "b": 2}, op("replace", ENTERPRISE_USER, {"b": None}), {"a": 1}, id="emptied in part"
        ),
        pytest.param({"a": 1}, op("replace", ENTERPRISE_USER, {}), {"a": 1}, id="nothing is said of it"),
        pytest.param({"a": 1}, op("replace", ENTERPRISE_USER, None), None, id="cleared"),
        pytest.param({"a": 1}, op("remove", ENTERPRISE_USER.upper()), None, id="removed whole"),
        pytest.param({"a": 1}, op("remove", f"{ENTERPRISE_USER}:a"), None, id="its last attribute"),
        pytest.param({"a": 1}, op("remove", f"{ENTERPRISE_USER}:b"), {"a": 1}, id="what it has not"),
    ],
)
def test_an_extension_is_changed_inside(document, operation, result):
    whole = {"userName": "a", **({ENTERPRISE_USER: document} if document else {})}

    assert patched(whole, operation).get(ENTERPRISE_USER) == result


@pytest.mark.parametrize("has_path", [True, False], ids=["path", "no path"])
@pytest.mark.parametrize(
    ("path", "value", "result"),
    [
        pytest.param(
            f"{ENTERPRISE_USER}.employeeNumber",
            "7",
            {ENTERPRISE_USER: {"employeeNumber": "7"}},
            id="enterprise",
        ),
        pytest.param(
            f"{ENTERPRISE_USER.upper()}.manager",
            {"value": "7"},
            {ENTERPRISE_USER: {"manager": {"value": "7"}}},
            id="an object",
        ),
        pytest.param(
            f"{ENTERPRISE_USER}.manager.value",
            "7",
            {ENTERPRISE_USER: {"manager": {"value": "7"}}},
            id="two dots",
        ),
        pytest.param(f"{CORE_USER}.active", False, {"active": False}, id="the core"),
        pytest.param(
            f'{CORE_USER}.emails[type eq "work"].value',
            "a@x",
            {"emails": [{"type": "work", "value": "a@x"}]},
            id="a filter",
        ),
        pytest.param("urn:x:own:1.0:user.shoe", 43, {"urn:x:own:1.0:user": {"shoe": 43}}, id="of people"),
        pytest.param(
            "urn:x:own:1.0:User:shoe",
            {"a": 1},
            {"urn:x:own:1.0:User": {"shoe": {"a": 1}}},
            id="an object there",
        ),
        pytest.param(
            "urn:x:own:1.0:User:shoe.size", 43, {"urn:x:own:1.0:User": {"shoe": {"size": 43}}}, id="in place"
        ),
        pytest.param("URN:x:ruled.shoe", 43, {"URN:x:ruled": {"shoe": 43}}, id="a rule's"),
        pytest.param("urn:x:Held.shoe", 43, {"urn:x:held": {"a": 1, "shoe": 43}}, id="the person's"),
        pytest.param("urn:x:held:shoe.size", 43, {"urn:x:held": {"a": 1, "shoe": {"size": 43}}}, id="in its"),
    ],
)
def test_a_dot_behind_the_urn_stands_for_its_colon(path, value, result, has_path):
    before = {"userName": "a", "urn:x:held": {"a": 1}}
    operation = op("add", path, value) if has_path else op("add", None, {path: value})

    after = apply_patch(before, {"Operations": [operation]}, "User", frozenset({"urn:x:ruled"}))

    assert after == before | result


GROUP = {"displayName": "g", "description": "d"}


@pytest.mark.parametrize(
    "path",
    [
        "memebers",
        'memebers[value eq "1"]',
        "title",
        "emails.value",
        f"{CORE_GROUP}:memebers",
        CORE_USER,
        f"{CORE_USER}:displayName",
        f"{CORE_USER}:members",
        ENTERPRISE_USER,
        f"{ENTERPRISE_USER}:department",
    ],
)
@pytest.mark.parametrize("verb", ["add", "replace", "remove"])
def test_a_path_that_names_nothing_of_a_group_is_refused(verb, path):
    with pytest.raises(InvalidPath, match=r"^operation 1 .*Group"):
        patched(GROUP, op(verb, path, {"a": "1"}), kind="Group")


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        pytest.param(op("replace", "DisplayName", "h"), {"displayName": "h"}, id="the standard's"),
        pytest.param(op("add", f"{CORE_GROUP}.externalId", "1"), {"externalId": "1"}, id="with its URN"),
        pytest.param(op("replace", "Description", "e"), {"description": "e"}, id="what it came with"),
        pytest.param(op("add", f"{OWN}:a", 1), {OWN: {"a": 1}}, id="of an extension"),
        pytest.param(op("add", "schemas", [OWN]), {}, id="schemas are derived"),
        pytest.param(
            op("replace", None, {"memebers": "1"}), {"memebers": "1"}, id="kept as a document keeps it"
        ),
    ],
)
def test_other_paths_of_a_group_are_followed(operation, result):
    assert patched(GROUP, operation, kind="Group") == GROUP | result


def test_an_attribute_of_people_whom_nobody_knows_may_be_a_target_s_own():
    assert patched({}, op("add", "licenseType", "Talk")) == {"licenseType": "Talk"}


@pytest.mark.parametrize("verb", ["add", "replace"])
@pytest.mark.parametrize(
    ("path", "result"),
    [
        pytest.param("Title", {"title": "x"}, id="a text"),
        pytest.param("externalId", {"externalId": "x"}, id="an exact text"),
        pytest.param("name.familyName", {"name": {"givenName": "A", "familyName": "x"}}, id="a part"),
        pytest.param(
            f"{ENTERPRISE_USER}:department", {ENTERPRISE_USER: {"department": "x"}}, id="an extension"
        ),
        pytest.param(
            'emails[type eq "work"].value', {"emails": [{"type": "work", "value": "x"}]}, id="of an element"
        ),
    ],
)
@pytest.mark.parametrize("value", [{"value": "x"}, ["x"], [{"$ref": None, "VALUE": "x"}]])
@pytest.mark.parametrize("has_path", [True, False], ids=["path", "no path"])
def test_one_value_is_taken_out_of_what_is_around_it(verb, path, value, result, has_path):
    before = {"userName": "a", "title": "t", "name": {"givenName": "A"}}
    operation = op(verb, path, value) if has_path else op(verb, None, {path: value})

    assert patched(before, operation) == before | result


@pytest.mark.parametrize(("value", "active"), [([{"value": "False"}], False), ({"value": True}, True)])
def test_a_boolean_is_taken_out_of_what_is_around_it(value, active):
    assert patched({"active": not active}, op("replace", "active", value)) == {"active": active}


@pytest.mark.parametrize(
    ("path", "name"),
    [("title", "title"), (f"{CORE_USER}:LOCALE", "locale"), (f"{ENTERPRISE_USER}:costCenter", "costCenter")],
)
@pytest.mark.parametrize(
    "value", [5, 0, True, ["a", "b"], {"value": "a", "b": "c"}, {"a": "b"}, [{"value": 5}]]
)
@pytest.mark.parametrize("has_path", [True, False], ids=["path", "no path"])
def test_what_cannot_be_one_text_is_refused_by_its_name(path, name, value, has_path):
    operation = op("replace", path, value) if has_path else op("replace", None, {path: value})

    with pytest.raises(InvalidValue, match=rf"^operation 1 .*: {name} must be text$"):
        patched({"userName": "a"}, operation)


A, B, C = ({"value": name} for name in "abc")


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        pytest.param(
            [op("add", "members", [{**A, "display": "x"}, C])],
            [{**A, "display": "x"}, B, C],
            id="added twice",
        ),
        pytest.param(
            [op("remove", 'members[value eq "a"]'), op("add", "members", [C])], [B, C], id="Okta's batch"
        ),
        pytest.param([op("remove", 'members[value eq "a"]')] * 2, [B], id="removed twice"),
        pytest.param([op("Remove", "members", [{"$ref": None, "value": "a"}])], [B], id="Entra removes"),
        pytest.param([op("Remove", "members", [{"value": "A"}])], [A, B], id="another case is another"),
        pytest.param([op("remove", "members", [])], [A, B], id="nobody is listed"),
        pytest.param([op("replace", "members", [])], None, id="Okta empties"),
        pytest.param([op("replace", "members", [C])], [C], id="Okta pushes all"),
        pytest.param([op("remove", "members"), op("add", "members", A)], [A], id="emptied and filled"),
        pytest.param([op("replace", None, {"id": "9", "displayName": "n"})], [A, B], id="Okta renames"),
    ],
)
def test_members_come_and_go(operations, result):
    assert (
        patched({"displayName": "g", "members": [A, B]}, *operations, kind="Group").get("members") == result
    )


def test_what_was_not_touched_is_shared_with_the_input():
    document = {"name": {"givenName": "A"}, "emails": [WORK, HOME], "roles": ["a"], "title": "x"}

    result = patched(
        document, op("replace", 'emails[type eq "work"].value', "n@x"), op("remove", "roles", ["b"])
    )

    assert result["name"] is document["name"]
    assert result["emails"][1] is document["emails"][1]
    assert result["roles"] is document["roles"]


@pytest.mark.parametrize(
    ("roles", "operation", "result"),
    [
        pytest.param(
            None, op("add", "roles", '{"id":1}'), ['{"id":1}'], id="JSON text is left to a transform"
        ),
        pytest.param(["a"], op("replace", "roles", "b,c"), "b,c", id="text replaces a list"),
        pytest.param("a,b", op("remove", 'roles[value eq "x"]'), "a,b", id="text is not turned into a list"),
        pytest.param(
            [{"value": "a"}],
            op("add", "roles", ["b"]),
            [{"value": "a"}, {"value": "b"}],
            id="text to objects",
        ),
        pytest.param(
            ["a"],
            op("add", "roles", {"value": "b"}),
            [{"value": "a"}, {"value": "b"}],
            id="an object to texts",
        ),
        pytest.param(
            ["a"],
            op("replace", "roles", ["b", {"value": "c"}]),
            [{"value": "b"}, {"value": "c"}],
            id="both at once",
        ),
        pytest.param(
            ["a", "b"],
            op("add", 'roles[value eq "a"].primary', True),
            [{"value": "a", "primary": True}, {"value": "b"}],
            id="one text of two grows",
        ),
        pytest.param(
            ["a"],
            op("add", 'roles[value eq "a"].display', "A"),
            [{"value": "a", "display": "A"}],
            id="text grows into an object",
        ),
    ],
)
def test_roles_come_in_any_shape(roles, operation, result):
    assert patched({} if roles is None else {"roles": roles}, operation)["roles"] == result


@pytest.mark.parametrize(
    ("message", "error", "detail"),
    [
        pytest.param({}, InvalidSyntax, "Operations must be a list", id="no Operations"),
        pytest.param({"Operations": []}, InvalidSyntax, "at least one", id="none"),
        pytest.param({"Operations": {"op": "add"}}, InvalidSyntax, "must be a list", id="one object"),
        pytest.param(
            {"Operations": [op("remove", "title")] * (MAX_OPERATIONS + 1)},
            InvalidValue,
            "more than 1000",
            id="many",
        ),
        pytest.param({"Operations": ["add"]}, InvalidSyntax, "operation 1: must be an object", id="text"),
    ],
)
def test_a_message_that_is_no_patch_is_refused(message, error, detail):
    with pytest.raises(error, match=detail):
        apply_patch({}, message)


@pytest.mark.parametrize(
    ("operation", "error", "detail"),
    [
        pytest.param({"path": "title"}, InvalidSyntax, "op must be add, replace or remove", id="no op"),
        pytest.param(op("move", "title", 1), InvalidSyntax, "op must be", id="unknown op"),
        pytest.param({"op": 1}, InvalidSyntax, "op must be", id="op number"),
        pytest.param(op("add", 5, 1), InvalidPath, "path must be text", id="path number"),
        pytest.param(op("replace", "title"), InvalidValue, "value is missing", id="no value"),
        pytest.param(
            op("add", None, "x"),
            InvalidValue,
            r"\(add without a path\): value must be an object",
            id="text without a path",
        ),
        pytest.param(
            op("add", None, {f"a{n}": n for n in range(1001)}),
            InvalidValue,
            "more than 1000 attributes",
            id="wide",
        ),
        pytest.param(op("remove", None), NoTarget, "remove needs a path", id="remove without a path"),
        pytest.param(op("remove", ""), NoTarget, "remove needs a path", id="remove with an empty path"),
        pytest.param(op("add", "a b", 1), InvalidPath, r"\(add a\): path: invalid syntax", id="two names"),
        pytest.param(op("replace", "/emails/0/value", "a"), InvalidPath, "JSON Patch", id="a JSON pointer"),
        pytest.param(
            op("add", 'userName eq "a"', 1), InvalidPath, "a comparison is no path", id="comparison"
        ),
        pytest.param(op("remove", CORE_USER), InvalidPath, "cannot remove the whole", id="remove the whole"),
        pytest.param(op("add", None, {"urn:": {"a": 1}}), InvalidPath, "path: ", id="half a URN"),
        pytest.param(op("add", None, {"urn:x": {"a": 1}}), InvalidPath, "path: ", id="a URN of two parts"),
        pytest.param(op("add", "urn:x:y", 1), InvalidPath, "no URN of an extension", id="no attribute"),
        pytest.param(
            op("add", f"{OWN}.custom1", "a"),
            InvalidPath,
            "nobody knows the extension",
            id="a dot for a colon",
        ),
        pytest.param(
            op("add", None, {f"{OWN}.custom1": "a"}), InvalidPath, "nobody knows", id="a dot without a path"
        ),
        pytest.param(
            op("add", "urn:x:y:a.b.c", 1), InvalidPath, "path: invalid syntax", id="more dots than names have"
        ),
        pytest.param(
            op("add", f"{CORE_GROUP}:displayName", "a"),
            InvalidPath,
            "of a Group, not of a User",
            id="a group's",
        ),
        pytest.param(
            op("add", None, {CORE_GROUP: {"displayName": "a"}}),
            InvalidPath,
            "of a Group",
            id="all of a group's",
        ),
        pytest.param(op("replace", "id", "2"), Mutability, r"\(replace id\): id is read-only", id="id"),
        pytest.param(op("replace", "META.version", "2"), Mutability, "META is read-only", id="meta"),
        pytest.param(op("remove", f"{CORE_USER}:groups"), Mutability, "groups is read-only", id="groups"),
        pytest.param(
            op("add", 'emails[value eq "x"].type', "a"),
            NoTarget,
            r"\(add emails\[…\]\): no value",
            id="nobody with this value",
        ),
        pytest.param(
            op("add", 'emails[type sw "x"].value', "a"), NoTarget, "what to make", id="not to be made"
        ),
        pytest.param(
            op("add", 'emails[type eq "x" and value pr].value', "a"), NoTarget, "what to make", id="nor this"
        ),
        pytest.param(
            op("add", 'emails[type eq "x" or type eq "y"].value', "a"),
            NoTarget,
            "what to make",
            id="nor one of two",
        ),
        pytest.param(
            op("add", 'emails[type eq "x"]', 5), InvalidValue, "value must be one object", id="element number"
        ),
        pytest.param(
            op("replace", "active", None), InvalidValue, "active must be true or false", id="active null"
        ),
        pytest.param(op("remove", "active"), Mutability, "active cannot be removed", id="no active"),
        pytest.param(
            op("replace", "active", "yes"),
            InvalidValue,
            r"\(replace active\): active must be",
            id="active yes",
        ),
        pytest.param(
            op("remove", "userName"),
            Mutability,
            r"\(remove userName\): userName is missing",
            id="no userName",
        ),
        pytest.param(
            op("replace", None, {"name": "Ann"}), InvalidValue, "name must be an object", id="name text"
        ),
        pytest.param(
            op("add", "emails", "a@x"), InvalidValue, "emails must be a list of objects", id="emails text"
        ),
    ],
)
def test_an_operation_is_refused_by_its_number_and_path(operation, error, detail):
    with pytest.raises(error, match=detail) as raised:
        patched({"userName": "a", "active": True}, op("add", "title", "t"), operation)

    assert raised.value.detail.startswith("operation 2")


@pytest.mark.parametrize(
    "operation",
    [
        op("add", 'emails[value eq "secret"].type', "x"),
        op("add", 'emails[value eq "secret', "x"),
        op("add", 'userName eq "secret"', "x"),
        op("replace", "active", "secret"),
        op("replace", "name", "secret"),
    ],
)
def test_an_error_never_quotes_a_value(operation):
    with pytest.raises(GatewayError) as raised:
        patched({}, operation)

    assert "secret" not in raised.value.detail


FULL = {f"a{n}": n for n in range(1000)}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param(FULL, "title", id="a document"),
        pytest.param({ENTERPRISE_USER: FULL}, f"{ENTERPRISE_USER}:department", id="an extension"),
        pytest.param({"custom": FULL}, "custom.more", id="an object"),
        pytest.param({"ims": [FULL]}, "ims[a1 eq 1].more", id="an element"),
    ],
)
def test_no_object_grows_by_patch_beyond_what_a_body_may_have(document, path):
    with pytest.raises(InvalidValue, match="more than 1000 attributes"):
        patched(document, op("add", path, "x"))


def test_who_has_too_many_attributes_already_can_still_leave():
    crowd = {**FULL, "b": 1, "active": True, "custom": {**FULL, "b": 1}}

    assert patched(crowd, op("replace", "active", False)) == crowd | {"active": False}


def test_a_type_that_was_wrong_before_is_no_reason_to_keep_a_leaver():
    document = {"userName": 5, "name": "Ann", "active": True}

    assert patched(document, op("replace", "active", False))["active"] is False


def test_a_large_group_takes_as_many_operations_as_a_small_one():
    group = {"displayName": "g", "members": [{"value": f"m{n}"} for n in range(20_000)]}
    removals = [op("remove", f'members[value eq "m{n}"]') for n in range(999)]
    added = [{"value": f"n{n}"} for n in range(999)]

    result = patched(group, *removals, op("add", "members", added), kind="Group")

    assert len(result["members"]) == 20_000  # a search member by member would be refused


def calls(function: Callable[[], object]) -> int:
    """Count the calls that a function makes, of Python's functions and of built-in ones."""
    found = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(lambda n: op("remove", f'roles[value eq "r{n}"]'), id="removed by a filter"),
        pytest.param(lambda n: op("remove", "roles", [{"value": f"r{n}"}]), id="removed by a list"),
        pytest.param(lambda n: op("add", "roles", [{"value": f"r{n}"}]), id="added again"),
        pytest.param(lambda n: op("add", "roles", [{"value": f"new{n}"}]), id="added"),
        pytest.param(lambda n: op("replace", f'roles[value eq "r{n}"].display', "d"), id="changed"),
        pytest.param(lambda n: op("replace", None, {"title": f"t{n}"}), id="beside them"),
    ],
)
def test_the_work_grows_with_the_operations_and_not_with_what_is_there(operation):
    def cost(size: int, count: int) -> int:
        document = {"userName": "a", "roles": [{"value": f"r{n}"} for n in range(size)]}
        message = {"Operations": [operation(n) for n in range(count)]}
        return calls(lambda: apply_patch(document, message))

    of_few, of_many = cost(300, 200) - cost(300, 100), cost(700, 200) - cost(700, 100)
    of_twice_as_many = cost(700, 300) - cost(700, 100)

    assert of_many <= 1.1 * of_few
    assert of_twice_as_many <= 2.1 * of_many


NAMES = st.sampled_from(["title", "nickName", "name.givenName", "name.familyName"])
TEXTS = st.sampled_from(["", "x", "y"])
VALUES = st.sampled_from("abc")
MODEL_OPERATIONS = st.one_of(
    st.builds(op, st.sampled_from(["add", "Replace"]), NAMES, TEXTS),
    st.builds(op, st.just("remove"), NAMES),
    VALUES.map(lambda value: op("add", "roles", [{"value": value}])),
    VALUES.map(lambda value: op("remove", f'roles[value eq "{value}"]')),
    VALUES.map(lambda value: op("remove", "roles", [{"value": value}])),
    st.lists(VALUES, unique=True).map(lambda found: op("replace", "roles", [{"value": v} for v in found])),
)


def model(state: dict, operation: dict) -> dict:
    """Return what an operation makes of a flat state: {path: text}, with the roles as a tuple of values."""
    verb, path, value = operation["op"].casefold(), operation["path"], operation.get("value")
    roles = state["roles"]
    if not path.startswith("roles"):
        return {**state, path: value or ""}
    if verb == "remove":
        gone = value[0]["value"] if value else path.split('"')[1]
        return {**state, "roles": tuple(role for role in roles if role != gone)}
    given = tuple(role["value"] for role in value)
    return {**state, "roles": tuple(dict.fromkeys(roles + given)) if verb == "add" else given}


def flat(document: dict) -> dict:
    """Return a document as the model has it."""
    name = document.get("name", {})
    flat_name = {f"name.{sub}": name.get(sub, "") for sub in ("givenName", "familyName")}
    roles = tuple(role["value"] for role in document.get("roles", []))
    return {
        "title": document.get("title", ""),
        "nickName": document.get("nickName", ""),
        **flat_name,
        "roles": roles,
    }


@given(st.lists(MODEL_OPERATIONS, min_size=1, max_size=8))
def test_many_operations_do_what_a_simple_model_says(operations):
    state = flat({})
    for operation in operations:
        state = model(state, operation)

    assert flat(patched({}, *operations)) == state


PATHS = st.sampled_from(
    [
        "title",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        'emails[type eq "work"]',
        "id",
        "active",
        "x.y",
        'emails[type eq "work"].primary',
        "emails[",
        OWN,
        f"{OWN}:a",
        f"{ENTERPRISE_USER}:manager",
        "urn:x:2.0",
        "",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "True"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(PATHS | st.sampled_from(["value", "type", "primary"]), inner, max_size=3)
    ),
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Replace", "REMOVE", "x"])}, optional={"path": PATHS, "value": JSON}
)


@given(
    st.dictionaries(st.sampled_from(["title", "name", "emails", OWN, "x"]), JSON), st.lists(OPERATIONS | JSON)
)
def test_any_message_gives_a_document_or_an_error_of_ours_and_spares_its_input(document, operations):
    with suppress(GatewayError):
        assert isinstance(patched(document, *operations), dict)


@given(MODEL_OPERATIONS, MODEL_OPERATIONS)
def test_an_operation_repeated_changes_nothing_more(first, operation):
    once = patched({}, first, operation)

    assert patched(once, operation) == once
