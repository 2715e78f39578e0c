"""What Okta, Entra ID and others ask of a group's members, in all the forms they send."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidPath, InvalidValue
from gateway.scim.grammar import parse_filter
from gateway.scim.members import (
    MAX_OPERATIONS,
    TAKEN,
    Added,
    Delta,
    Edit,
    Emptied,
    Removed,
    RemovedWhere,
    delta_of,
    edited,
    needs_present,
    take_member_operations,
)
from gateway.scim.names import CORE_GROUP
from gateway.scim.patch import apply_patch
from tests.support.grouped import take_members

ADD_A_B = Added({"a": {"value": "a", "display": "a@b"}, "b": {"value": "b"}})


def asked(*operations: Any) -> tuple[Any, tuple[Edit, ...]]:
    """Return what is left of the operations, and what they ask of members."""
    message, edits = take_member_operations({"Operations": list(operations)})
    return message["Operations"], edits


@pytest.mark.parametrize(
    ("operation", "edits"),
    [
        pytest.param(
            {"op": "add", "path": "members", "value": [{"value": "a", "display": "a@b"}, {"value": "b"}]},
            (ADD_A_B,),
            id="Okta adds",
        ),
        pytest.param(
            {"op": "remove", "path": 'members[value eq "a"]'}, (Removed(("a",)),), id="Okta removes one"
        ),
        pytest.param({"op": "replace", "path": "members", "value": []}, (Emptied(),), id="Okta empties"),
        pytest.param(
            {"op": "replace", "path": "members", "value": [{"value": "b", "display": None}]},
            (Emptied(), Added({"b": {"value": "b"}})),
            id="Okta pushes all",
        ),
        pytest.param(
            {"op": "replace", "value": {"members": [], "id": "g", "displayName": "G"}},
            (Emptied(),),
            id="Okta empties without a path",
        ),
        pytest.param(
            {"op": "Add", "path": "members", "value": [{"$ref": None, "value": "b"}]},
            (Added({"b": {"value": "b"}}),),
            id="Entra adds",
        ),
        pytest.param(
            {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "a"}, {"value": "b"}]},
            (Removed(("a", "b")),),
            id="Entra removes those it lists",
        ),
        pytest.param(
            {"op": "remove", "path": "members", "value": []}, (Removed(()),), id="nobody of an empty list"
        ),
        pytest.param({"op": "Remove", "path": "members"}, (Emptied(),), id="everybody"),
        pytest.param({"op": "remove", "path": "members", "value": None}, (Emptied(),), id="everybody, null"),
        pytest.param(
            {"op": "add", "value": {"members": [{"value": "b"}]}},
            (Added({"b": {"value": "b"}}),),
            id="without a path",
        ),
        pytest.param(
            {"op": "add", "path": "members", "value": {"value": "b"}},
            (Added({"b": {"value": "b"}}),),
            id="one object",
        ),
        pytest.param(
            {"op": "add", "path": "members", "value": ["b"]}, (Added({"b": {"value": "b"}}),), id="texts"
        ),
        pytest.param(
            {"op": "ADD", "Path": f"{CORE_GROUP}:Members", "VALUE": [{"Value": "b"}]},
            (Added({"b": {"value": "b"}}),),
            id="names in any case, with the URN",
        ),
        pytest.param(
            {"op": "add", "path": CORE_GROUP, "value": {"members": ["b"]}},
            (Added({"b": {"value": "b"}}),),
            id="the URN as the path",
        ),
        pytest.param(
            {"op": "add", "value": {f"{CORE_GROUP}:members": ["b"]}},
            (Added({"b": {"value": "b"}}),),
            id="a qualified name in the value",
        ),
        pytest.param(
            {"op": "add", "value": {CORE_GROUP: {"members": ["b"]}}},
            (Added({"b": {"value": "b"}}),),
            id="the URN in the value",
        ),
        pytest.param(
            {"op": "remove", "path": 'members[value eq "a" or value eq "b"]'},
            (Removed(("a", "b")),),
            id="several by a filter",
        ),
        pytest.param(
            {"op": "remove", "path": 'members[type eq "User"]'},
            (RemovedWhere(parse_filter('type eq "User"')),),
            id="whom a filter picks",
        ),
        pytest.param({"op": "add", "path": "members", "value": []}, (), id="nobody is added"),
    ],
)
def test_an_operation_asks_this_of_the_members(operation: Any, edits: tuple[Edit, ...]) -> None:
    before = copy.deepcopy(operation)

    assert asked(operation)[1] == edits
    assert operation == before


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        pytest.param({"op": "replace", "path": "displayName", "value": "G"}, None, id="with a path"),
        pytest.param({"op": "replace", "value": {"displayName": "G", "id": "g"}}, None, id="without one"),
        pytest.param({"op": "add", "path": "members", "value": ["b"]}, TAKEN, id="nothing but members"),
        pytest.param(
            {"op": "replace", "value": {"members": [], "displayName": "G"}},
            {"op": "replace", "value": {"displayName": "G"}},
            id="members beside a name",
        ),
        pytest.param({"op": "move", "path": "members"}, None, id="no such operation"),
        pytest.param({"op": "remove", "value": {"members": []}}, None, id="a removal without a path"),
        pytest.param({"op": "remove", "path": CORE_GROUP}, None, id="a removal of all"),
        pytest.param({"path": "members"}, None, id="no operation"),
        pytest.param({"op": "add", "path": 7}, None, id="a path that is no text"),
        pytest.param({"op": "replace", "value": "G"}, None, id="a value that is no object"),
        pytest.param("add", None, id="no object"),
    ],
)
def test_what_is_not_about_members_is_left_to_others(operation: Any, left: Any) -> None:
    assert asked(operation)[0] == [operation if left is None else left]


@pytest.mark.parametrize("message", [{}, {"Operations": {}}, {"Operations": None}])
def test_a_message_without_operations_is_left_as_it_is(message: Any) -> None:
    assert take_member_operations(message) == (message, ())


@pytest.mark.parametrize(
    ("operation", "error", "says"),
    [
        pytest.param({"op": "add", "path": "members"}, InvalidValue, "value is missing", id="no value"),
        pytest.param({"op": "add", "path": "members", "value": 7}, InvalidValue, "a list of obj", id="7"),
        pytest.param(
            {"op": "add", "path": "members", "value": [{"display": "x"}]},
            InvalidValue,
            "each with a value that is text",
            id="no id",
        ),
        pytest.param(
            {"op": "add", "path": "members", "value": [{"value": 7}]}, InvalidValue, "is text", id="a number"
        ),
        pytest.param(
            {"op": "add", "path": "members", "value": [{"value": " "}]}, InvalidValue, "is text", id="a space"
        ),
        pytest.param(
            {"op": "add", "path": 'members[value eq "a"]', "value": "x"},
            InvalidPath,
            "removed by",
            id="where",
        ),
        pytest.param(
            {"op": "remove", "path": "members.value"}, InvalidPath, "removed by members", id="a sub-attribute"
        ),
        pytest.param(
            {"op": "remove", "path": 'members[value eq "a"].display'}, InvalidPath, "removed by", id="a part"
        ),
        pytest.param({"op": "remove", "path": "members[value eq"}, InvalidPath, "path:", id="half a path"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_operation(
    operation: Any, error: type[GatewayError], says: str
) -> None:
    with pytest.raises(error, match=says) as refused:
        asked({"op": "replace", "path": "displayName", "value": "G"}, operation)

    assert str(refused.value).startswith(f"operation 2 ({operation['op']} members): ")


def test_operations_keep_their_numbers_when_those_on_members_are_taken() -> None:
    message, _ = take_member_operations(
        {"Operations": [{"op": "add", "path": "members", "value": ["b"]}, {"op": "add", "path": "x y"}]}
    )

    with pytest.raises(GatewayError, match=r"^operation 2"):
        apply_patch({"displayName": "G"}, message, "Group")


def test_a_message_about_members_only_changes_nothing_else() -> None:
    message, _ = take_member_operations({"operations": [{"op": "remove", "path": "members"}]})

    assert apply_patch({"displayName": "G"}, message, "Group") == {"displayName": "G"}


def test_an_operation_that_looks_like_a_taken_one_is_refused() -> None:
    with pytest.raises(GatewayError, match="op must be"):
        apply_patch({"displayName": "G"}, {"Operations": [dict(TAKEN)]}, "Group")


def test_as_many_go_at_once_as_okta_sends_and_no_endless_number() -> None:
    one = {"op": "remove", "path": 'members[value eq "a"]'}

    assert asked(*[one] * 1001)[1] == (Removed(("a",)),) * 1001
    with pytest.raises(InvalidValue, match="send fewer at once"):
        asked(*[one] * (MAX_OPERATIONS + 1))


@pytest.mark.parametrize(
    ("document", "replaces", "edits"),
    [
        pytest.param({"members": [{"value": "b"}]}, False, (Added({"b": {"value": "b"}}),), id="a create"),
        pytest.param({"members": []}, False, (), id="a create of nobody"),
        pytest.param(
            {"Members": [{"value": "b"}]}, True, (Emptied(), Added({"b": {"value": "b"}})), id="a PUT"
        ),
        pytest.param({"members": None}, True, (Emptied(),), id="a PUT of nobody"),
        pytest.param({}, True, (), id="a PUT that does not say"),
    ],
)
def test_a_document_asks_this_of_the_members(document: Any, replaces: bool, edits: tuple[Edit, ...]) -> None:
    assert take_members({"displayName": "G", **document}, replaces=replaces) == ({"displayName": "G"}, edits)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        pytest.param((ADD_A_B, Removed(("x",))), False, id="a few"),
        pytest.param((Removed(("x",)), Emptied()), True, id="all"),
        pytest.param((RemovedWhere(parse_filter("type pr")),), True, id="a filter"),
    ],
)
def test_only_what_speaks_of_everybody_needs_everybody(edits: tuple[Edit, ...], expected: bool) -> None:
    assert needs_present(edits) is expected


A = {"op": "add", "path": "members", "value": [{"value": "a"}]}
NO_A = {"op": "remove", "path": 'members[value eq "a"]'}


@pytest.mark.parametrize(
    ("operations", "delta"),
    [
        pytest.param((NO_A, A), Delta({"a": {"value": "a"}}), id="removed, then added"),
        pytest.param((A, NO_A), Delta({}, ("a",)), id="added, then removed"),
    ],
)
def test_what_is_said_last_of_a_member_holds(operations: Any, delta: Delta) -> None:
    _, edits = asked(*operations)

    assert delta_of(edits) == delta
    for present in ({}, {"a": {"value": "a"}}):
        assert edited(present, edits) == dict(delta.add)


def test_a_filter_picks_by_what_is_known_of_a_member() -> None:
    present = {
        id: {"value": id, "type": type} for id, type in {"a": "User", "b": "Group", "c": "user"}.items()
    }

    assert list(edited(present, [RemovedWhere(parse_filter('type eq "User"'))])) == ["b"]


@pytest.mark.parametrize(
    ("filter", "left"),
    [
        pytest.param('value eq "a" and type eq "User"', "bcd", id="one of them"),
        pytest.param('type eq "user" and value eq "a"', "bcd", id="the other way round"),
        pytest.param('value eq "a" and type eq "Group"', "bcd", id="named, so whatever it is"),
        pytest.param('value eq "c" and type eq "Group"', "abcd", id="named, and known to be none"),
        pytest.param('type eq "User"', "d", id="people"),
        pytest.param('type eq "Group"', "abc", id="groups"),
        pytest.param('type ne "User"', "abc", id="others"),
        pytest.param('not (type eq "Group")', "d", id="not groups"),
        pytest.param('value eq "a" or type eq "Group"', "bc", id="either"),
    ],
)
def test_a_member_who_came_without_a_type_is_a_person_unless_it_is_named(filter: str, left: str) -> None:
    known = {"a": {}, "b": {"display": "B"}, "c": {"Type": "User"}, "d": {"type": "Group"}}
    present = {id: {"value": id, **more} for id, more in known.items()}

    assert "".join(edited(present, [RemovedWhere(parse_filter(filter))])) == left


def test_what_is_said_of_a_member_again_is_added_to_what_was_known() -> None:
    present = {"a": {"value": "a", "type": "User"}}

    assert edited(present, [ADD_A_B])["a"] == {"value": "a", "type": "User", "display": "a@b"}


IDS = st.sampled_from("abcdef")
SOME = st.lists(IDS, max_size=3)
OPERATIONS = st.lists(
    st.one_of(
        st.builds(lambda ids: {"op": "add", "path": "members", "value": [{"value": i} for i in ids]}, SOME),
        st.builds(
            lambda ids: {"op": "Remove", "path": "members", "value": [{"value": i} for i in ids]}, SOME
        ),
        st.builds(lambda id: {"op": "remove", "path": f"members[value eq {json.dumps(id)}]"}, IDS),
        st.builds(lambda ids: {"op": "replace", "value": {"members": ids}}, SOME),
        st.just({"op": "remove", "path": "members"}),
    ),
    max_size=5,
)


def model(present: set[str], operations: list[dict[str, Any]]) -> set[str]:
    """Return who is in a group after the operations, in the plainest way there is."""
    for operation in operations:
        listed = operation.get("value")
        match operation["op"]:
            case "add":
                present = present | {element["value"] for element in listed}
            case "replace":
                present = set(listed["members"])
            case _ if "[" in operation["path"]:
                present = present - {operation["path"].split('"')[1]}
            case _:
                present = set() if listed is None else present - {element["value"] for element in listed}
    return present


@settings(max_examples=200, deadline=None)
@given(present=st.sets(IDS), operations=OPERATIONS)
def test_members_are_what_the_operations_say_however_often_they_are_done(
    present: set[str], operations: list[dict[str, Any]]
) -> None:
    _, edits = asked(*operations)
    known = {id: {"value": id} for id in sorted(present)}

    after = edited(known, edits)

    assert set(after) == model(present, operations)
    assert all(element == {"value": id} for id, element in after.items())
    assert set(edited(after, edits)) == set(after)
    if not needs_present(edits):
        delta = delta_of(edits)
        assert (set(present) | set(delta.add)) - set(delta.remove) == set(after)
        assert not set(delta.add) & set(delta.remove)


def test_a_delta_of_nothing_is_nothing() -> None:
    assert not Delta()
    assert not delta_of([Removed(())])
    assert Delta(whole=True)
