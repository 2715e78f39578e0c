"""What a provider sees of a person whose entry was changed at the target, and what is left of a person."""

from typing import Any

import pytest

from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.names import ENTERPRISE_USER
from gateway.scim.paths import place
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'
OFFICE = compile_transform({"name": "map", "table": {"LDN": "London", "PAR": "Paris"}}, {})
SPLIT = compile_transform("split", {})
LOWER = compile_transform("lower", {})


def mapping(*rules: Any, **settings: Any) -> TargetMapping:
    return TargetMapping([make_rule(*rule[:3]) for rule in rules], **settings)


def viewed(target: TargetMapping, original: dict[str, Any], **edits: Any) -> dict[str, Any]:
    """Return what is shown of a person after edits at the target; None takes an attribute away there."""
    seen = target.forward(original).form | {"id": "7"}
    present = {name: value for name, value in (seen | edits).items() if value is not None}
    return target.view(original, seen, present)


MOVED = mapping(("title", ["jobTitle"], [OFFICE]))
MANY = mapping((WORK, ["mobile"], []))


@pytest.mark.parametrize(
    ("target", "original", "edits", "expected"),
    [
        pytest.param(
            MOVED, {"jobTitle": "LDN"}, {"title": "Paris"}, {"jobTitle": "PAR"}, id="by another name"
        ),
        pytest.param(MOVED, {"jobTitle": "LDN"}, {"title": None}, {}, id="taken away"),
        pytest.param(MOVED, {}, {"title": "Paris"}, {"jobTitle": "PAR"}, id="given"),
        pytest.param(
            MOVED, {"jobTitle": "LDN"}, {"nickName": "x"}, {"jobTitle": "LDN", "nickName": "x"}, id="else"
        ),
        pytest.param(
            MANY,
            {"mobile": "1"},
            {"phoneNumbers": [{"type": "work", "value": "2"}]},
            {"mobile": "2"},
            id="element",
        ),
    ],
)
def test_an_edit_is_shown_under_the_providers_name_and_in_its_words(
    target: TargetMapping, original: dict[str, Any], edits: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert viewed(target, {"userName": "a"} | original, **edits) == {"userName": "a"} | expected


def test_a_value_that_only_looks_different_is_no_edit() -> None:
    lower = mapping(("title", ["jobTitle"], [LOWER]))

    assert viewed(lower, {"userName": "a", "jobTitle": "Boss"}, title="BOSS") == {
        "userName": "a",
        "jobTitle": "Boss",
    }


def test_one_rule_is_undone_once_for_all_that_changed() -> None:
    target = mapping(("name", ["fullName"], []))
    original = {"userName": "a", "fullName": {"givenName": "Ann", "familyName": "Lee"}}

    shown = viewed(target, original, name={"givenName": "Bea", "familyName": "May"})

    assert shown == {"userName": "a", "fullName": {"givenName": "Bea", "familyName": "May"}}


def test_what_is_forgotten_is_named_as_dropped() -> None:
    target = mapping(("title", [], []), unlisted="drop")

    mapped = target.forward(
        {"userName": "a", "title": "x", "nickName": "y", ENTERPRISE_USER: {"division": "z"}}
    )

    assert mapped.dropped == ("nickName", f"{ENTERPRISE_USER}:division")
    assert mapped.form == {"schemas": mapped.form["schemas"], "userName": "a", "title": "x"}


def test_a_value_of_which_nothing_is_left_is_named_as_dropped() -> None:
    target = mapping(("title", [], [compile_transform("strip_spaces", {})]))

    mapped = target.forward({"userName": "a", "title": " "})

    assert ("title" in mapped.form, mapped.dropped) == (False, ("title",))


def test_two_rules_may_read_the_same_value() -> None:
    target = mapping(("title", ["userName"], []), ("nickName", ["userName"], []))

    mapped = target.forward({"userName": "a"})

    assert (mapped.form["title"], mapped.form["nickName"], mapped.dropped) == ("a", "a", ())


@pytest.mark.parametrize(
    ("path", "unlisted", "expected"),
    [
        pytest.param("userName", "drop", True, id="the standard's"),
        pytest.param("name.givenName", "drop", True, id="its sub-attribute"),
        pytest.param("name.shoe", "send", False, id="a sub-attribute it does not have"),
        pytest.param("jobTitle", "drop", True, id="a rule's"),
        pytest.param("shoe", "send", False, id="nobody's"),
        pytest.param("urn:example:2.0:User:shoe", "send", True, id="an extension's that is sent"),
        pytest.param("urn:example:2.0:User:shoe", "hold", False, id="an extension's that is held"),
        pytest.param(f"{ENTERPRISE_USER}:shoe", "send", False, id="not in the standard's extension"),
    ],
)
def test_a_path_is_known_where_there_may_be_a_value(path: str, unlisted: str, expected: bool) -> None:
    assert mapping(("title", ["jobTitle"], []), unlisted=unlisted).knows(place(path)) is expected


def test_the_sources_are_what_rules_read_and_what_goes_as_it_is() -> None:
    target = mapping(("title", ["jobTitle", "title"], []), require=[["nickName"]])

    assert [source.text for source in target.sources()] == ["jobTitle", "title", "nickName"]


@pytest.mark.parametrize(
    ("original", "kept"),
    [
        pytest.param({"phoneNumbers": [{"type": "work", "value": "1", "display": "x"}]}, True, id="named"),
        pytest.param({"phoneNumbers": [{"type": "home", "value": "1"}]}, False, id="another element"),
        pytest.param({ENTERPRISE_USER: {"phoneNumbers": "1"}}, False, id="in an extension"),
    ],
)
def test_only_what_is_named_is_remembered_where_the_rest_is_forgotten(original: Any, kept: bool) -> None:
    remembered = mapping((WORK, [], []), unlisted="drop").remembered({"userName": "a"} | original)

    found = {"phoneNumbers": [{"type": "work", "value": "1"}]} if kept else {}
    assert remembered == {"userName": "a"} | found


@pytest.mark.parametrize(
    ("rules", "entry", "expected"),
    [
        pytest.param([("title", [], [OFFICE])], {"title": "Paris"}, {"title": "PAR"}, id="in its words"),
        pytest.param([("title", [], [OFFICE])], {"TITLE": "Paris"}, {"title": "PAR"}, id="in any case"),
        pytest.param([("title", [], [OFFICE])], {"title": ""}, {}, id="nothing"),
        pytest.param(
            [("tags", ["roles"], []), ("roles", [], [SPLIT])],
            {"tags": ["p"], "roles": ["a", "b"]},
            {"roles": ["a", "b"]},
            id="a list that another rule has given its shape",
        ),
        pytest.param([("roles", [], [SPLIT])], {"roles": ["a", "b"]}, {"roles": "a,b"}, id="a list alone"),
    ],
)
def test_an_entry_is_undone_rule_by_rule(
    rules: list[Any], entry: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert mapping(*rules).reverse({"id": "t1", **entry}) == expected
