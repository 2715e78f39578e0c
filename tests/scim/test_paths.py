"""Paths on plain documents: found, put and taken away."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidPath
from gateway.scim.grammar import parse_filter, parse_path
from gateway.scim.names import CORE_USER, ENTERPRISE_USER
from gateway.scim.paths import compiled, is_match, place, put, read, select, take

OWN = "urn:example:2.0:User"
ANN: dict[str, Any] = {
    "userName": "ann",
    "Name": {"givenName": "Ann", "familyName": "Lee"},
    "phoneNumbers": [
        {"type": "work", "value": "1", "primary": "True"},
        {"type": "Home", "value": "2"},
        {"value": "3"},
        "4",
    ],
    "roles": ["admin"],
    "title": None,
    ENTERPRISE_USER: {"department": "Sales", "manager": {"value": "m"}},
    OWN: {"badge": "7", "userName": "other"},
    "urn:example:text": "no object",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("userName", ["ann"], id="an attribute"),
        pytest.param("USERNAME", ["ann"], id="in any case"),
        pytest.param(f"{CORE_USER}:userName", ["ann"], id="with the core's URN"),
        pytest.param("name.givenname", ["Ann"], id="a sub-attribute"),
        pytest.param("name.middleName", [], id="no such sub-attribute"),
        pytest.param("userName.value", ["ann"], id="the value of a text"),
        pytest.param("userName.display", [], id="another part of a text"),
        pytest.param("title", [], id="null"),
        pytest.param("nickName", [], id="absent"),
        pytest.param("phoneNumbers.value", ["1", "2", "3", "4"], id="every element"),
        pytest.param("phoneNumbers.type", ["work", "Home"], id="where it is there"),
        pytest.param('phoneNumbers[type eq "home"].value', ["2"], id="an element in any case"),
        pytest.param("phoneNumbers[primary eq true].value", ["1"], id="a boolean that is text"),
        pytest.param('phoneNumbers[type eq "work" and value eq "1"].primary', ["True"], id="two terms"),
        pytest.param('phoneNumbers[type eq "home"]', [{"type": "Home", "value": "2"}], id="the element"),
        pytest.param('phoneNumbers[type eq "fax"].value', [], id="no element"),
        pytest.param("phoneNumbers.^[type=='home'].value", ["2"], id="Okta's notation"),
        pytest.param("roles", [["admin"]], id="the whole list"),
        pytest.param('name[givenName eq "ann"].familyName', ["Lee"], id="an object that matches"),
        pytest.param('name[givenName eq "bob"].familyName', [], id="an object that does not"),
        pytest.param(f"{ENTERPRISE_USER}:department", ["Sales"], id="an extension"),
        pytest.param(f"{ENTERPRISE_USER}:manager.value", ["m"], id="a part of an extension's"),
        pytest.param("urn:example:none:badge", [], id="no such extension"),
        pytest.param("urn:example:text:badge", [], id="an extension that is none"),
        pytest.param("*:badge", ["7"], id="anywhere"),
        pytest.param("*:userName", ["ann", "other"], id="anywhere, the core first"),
    ],
)
def test_a_path_finds_what_it_names(path: str, expected: list[Any]) -> None:
    assert read(ANN, place(path)) == expected


def test_a_parsed_path_reads_as_well() -> None:
    assert read(ANN, parse_path("userName")) == ["ann"]


def test_each_value_comes_with_the_index_of_its_element() -> None:
    assert list(select(ANN, place("phoneNumbers.type"))) == [(0, "work"), (1, "Home")]
    assert list(select(ANN, place("userName"))) == [(None, "ann")]


def test_a_place_keeps_the_text_it_was_made_of() -> None:
    assert place("*:badge").text == "*:badge"
    assert place("phoneNumbers.^[type=='home'].value").text == "phoneNumbers.^[type=='home'].value"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param('emails[type sw "w"].value', id="another operator"),
        pytest.param('emails[type eq "w" or type eq "h"].value', id="or"),
        pytest.param('emails[not (type eq "w")].value', id="not"),
        pytest.param("emails[type pr].value", id="present"),
        pytest.param("emails[", id="half a path"),
        pytest.param("*:emails[", id="half a path anywhere"),
    ],
)
def test_a_path_that_picks_no_certain_element_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        place(path)


def test_a_comparison_is_no_place() -> None:
    with pytest.raises(InvalidPath, match="no place"):
        compiled(parse_filter('title eq "x"'))


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        pytest.param({"type": "WORK", "x": 1}, True, id="has it"),
        pytest.param({"Type": "work"}, True, id="in any case"),
        pytest.param({"type": "home"}, False, id="has another"),
        pytest.param({}, False, id="has none"),
        pytest.param("work", False, id="is a text"),
        pytest.param({"type": 7}, False, id="is a number"),
    ],
)
def test_an_element_matches_that_has_the_values(element: Any, expected: bool) -> None:
    assert is_match(element, (("type", "work"),)) is expected


WORK = 'phoneNumbers[type eq "work"].value'
PUTS = [
    pytest.param("title", {}, {"title": "x"}, False, id="an attribute"),
    pytest.param("title", {"Title": "y"}, {"Title": "x"}, False, id="under the document's own name"),
    pytest.param("name.givenName", {}, {"name": {"givenName": "x"}}, False, id="a sub-attribute"),
    pytest.param(
        "name.givenName", {"name": {"b": 1}}, {"name": {"b": 1, "givenName": "x"}}, False, id="beside"
    ),
    pytest.param(
        "name.givenName", {"name": "text"}, {"name": {"givenName": "x"}}, False, id="in place of text"
    ),
    pytest.param(WORK, {}, {"phoneNumbers": [{"type": "work", "value": "x"}]}, True, id="a new element"),
    pytest.param(
        WORK,
        {"phoneNumbers": [{"type": "work", "value": "y", "primary": True}]},
        {"phoneNumbers": [{"type": "work", "value": "x", "primary": True}]},
        True,
        id="in an element",
    ),
    pytest.param(
        WORK,
        {"phoneNumbers": [{"type": "home"}]},
        {"phoneNumbers": [{"type": "home"}, {"type": "work", "value": "x"}]},
        True,
        id="beside another element",
    ),
    pytest.param("roles.value", {}, {"roles": [{"value": "x"}]}, True, id="any element"),
    pytest.param(
        "roles.value", {"roles": "text"}, {"roles": [{"value": "x"}]}, True, id="instead of no list"
    ),
    pytest.param(f"{OWN}:badge", {}, {OWN: {"badge": "x"}}, False, id="a new extension"),
    pytest.param(f"{OWN}:badge", {OWN: {"a": 1}}, {OWN: {"a": 1, "badge": "x"}}, False, id="in an extension"),
    pytest.param(f"{OWN}:badge", {OWN: "text"}, {OWN: {"badge": "x"}}, False, id="instead of no extension"),
    pytest.param("*:badge", {}, {"badge": "x"}, False, id="anywhere is the core"),
]


@pytest.mark.parametrize(("path", "document", "expected", "many"), PUTS)
def test_a_value_is_put_where_the_path_points(
    path: str, document: dict[str, Any], expected: dict[str, Any], many: bool
) -> None:
    before = repr(document)

    assert put(document, place(path), "x", many=many) == expected
    assert repr(document) == before


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        pytest.param([], [{"type": "work", "value": "x"}], id="new"),
        pytest.param(
            [{"type": "work", "value": "y", "primary": True}], [{"type": "work", "value": "x"}], id="replaced"
        ),
    ],
)
def test_a_whole_element_is_put_with_what_picks_it(present: list[Any], expected: list[Any]) -> None:
    where = place('phoneNumbers[type eq "work"]')

    assert put({"phoneNumbers": present}, where, {"value": "x"}, many=True) == {"phoneNumbers": expected}


TAKES = [
    pytest.param("title", {"title": "x", "a": 1}, {"a": 1}, id="an attribute"),
    pytest.param("TITLE", {"title": "x"}, {}, id="in any case"),
    pytest.param("nickName", {"title": "x"}, {"title": "x"}, id="absent"),
    pytest.param("name.givenName", {"name": {"givenName": "x", "b": 1}}, {"name": {"b": 1}}, id="a part"),
    pytest.param("name.givenName", {"name": {"givenName": "x"}}, {}, id="the last part"),
    pytest.param("name.givenName", {"name": "text"}, {"name": "text"}, id="a part of text"),
    pytest.param(
        WORK,
        {
            "phoneNumbers": [
                {"type": "work", "value": "x", "primary": True},
                {"type": "home", "value": "y"},
                "z",
            ]
        },
        {"phoneNumbers": [{"type": "home", "value": "y"}, "z"]},
        id="an element that has nothing else",
    ),
    pytest.param(
        "phoneNumbers.type",
        {"phoneNumbers": [{"type": "work", "value": "x"}]},
        {"phoneNumbers": [{"value": "x"}]},
        id="a part of every element",
    ),
    pytest.param(
        'phoneNumbers[type eq "work"]', {"phoneNumbers": [{"type": "work", "x": 1}]}, {}, id="element"
    ),
    pytest.param(f"{OWN}:badge", {OWN: {"badge": "x"}}, {}, id="an extension's last"),
    pytest.param(f"{OWN}:badge", {OWN: {"badge": "x", "a": 1}}, {OWN: {"a": 1}}, id="an extension's"),
    pytest.param(f"{OWN}:badge", {"a": 1}, {"a": 1}, id="no such extension"),
    pytest.param(f"{OWN}:badge", {OWN: "text"}, {OWN: "text"}, id="no extension"),
    pytest.param(
        "*:badge", {"badge": 1, OWN: {"badge": 2, "a": 1}, "x:y": 3}, {OWN: {"a": 1}, "x:y": 3}, id="all"
    ),
]


@pytest.mark.parametrize(("path", "document", "expected"), TAKES)
def test_what_a_path_points_to_is_taken_with_what_that_leaves_empty(
    path: str, document: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = repr(document)

    assert take(document, place(path)) == expected
    assert repr(document) == before


PLACES = ["title", "name.givenName", WORK, f"{OWN}:badge", "roles.value"]


@given(st.sampled_from(PLACES), st.text(min_size=1))
def test_what_was_put_is_found_and_what_was_taken_is_not(path: str, value: str) -> None:
    where = place(path)
    document = put({"userName": "ann"}, where, value, many="phone" in path or "roles" in path)

    assert read(document, where) == [value]
    assert take(document, where) == {"userName": "ann"}
