"""Which difference a rule's place points into."""

import pytest

from gateway.mapping.rules import covers
from gateway.scim.difference import Difference, compare
from gateway.scim.names import CORE_USER, ENTERPRISE_USER
from gateway.scim.paths import place

WORK, MOBILE = {"type": "work", "value": "1"}, {"type": "mobile", "value": "2"}
TITLE = ({"title": "A"}, {"title": "B"})
NAME = ({"name": {"givenName": "A"}}, {"name": {"givenName": "B"}})
ADDED = ({}, {"phoneNumbers": [WORK]})
CHANGED = ({"phoneNumbers": [WORK, MOBILE]}, {"phoneNumbers": [WORK | {"value": "3"}, MOBILE]})
LISTS = ({"roles": [{"value": "a"}, {"value": "a"}]}, {"roles": [{"value": "b"}]})
PRIMARY = ({"emails": [{"value": "a"}]}, {"emails": [{"value": "a", "primary": True}]})
DEPARTMENT = ({ENTERPRISE_USER: {"department": "A"}}, {ENTERPRISE_USER: {"department": "B"}})


def difference(pair: tuple[dict, dict]) -> Difference:
    (found,) = compare(*pair)
    return found


@pytest.mark.parametrize(
    ("path", "pair", "expected"),
    [
        pytest.param("title", TITLE, True, id="the attribute"),
        pytest.param("TITLE", TITLE, True, id="in any case"),
        pytest.param("name", TITLE, False, id="another attribute"),
        pytest.param(f"{CORE_USER}:title", TITLE, True, id="with the core's URN"),
        pytest.param(f"{ENTERPRISE_USER}:title", TITLE, False, id="with another URN"),
        pytest.param("name", NAME, True, id="the whole of it"),
        pytest.param("name.givenName", NAME, True, id="the sub-attribute"),
        pytest.param("name.familyName", NAME, False, id="another sub-attribute"),
        pytest.param("phoneNumbers", ADDED, True, id="a list that is new"),
        pytest.param("phoneNumbers.value", ADDED, True, id="every element of it"),
        pytest.param('phoneNumbers[type eq "work"].value', ADDED, True, id="an element of it"),
        pytest.param('phoneNumbers[type eq "home"].value', ADDED, False, id="no element of it"),
        pytest.param('phoneNumbers[type eq "work"].value', CHANGED, True, id="the element"),
        pytest.param('phoneNumbers[type eq "Work"].value', CHANGED, True, id="the element in any case"),
        pytest.param('phoneNumbers[type eq "mobile"].value', CHANGED, False, id="another element"),
        pytest.param("phoneNumbers[primary eq true].value", CHANGED, True, id="chosen by something else"),
        pytest.param("phoneNumbers.display", CHANGED, False, id="another part of the element"),
        pytest.param("roles.value", LISTS, True, id="a list without names"),
        pytest.param("emails.value", PRIMARY, False, id="beside the value"),
        pytest.param("emails.primary", PRIMARY, True, id="the flag"),
        pytest.param(f"{ENTERPRISE_USER}:department", DEPARTMENT, True, id="an extension"),
        pytest.param(f"{ENTERPRISE_USER}:division", DEPARTMENT, False, id="elsewhere in the extension"),
        pytest.param("department", DEPARTMENT, False, id="the core for an extension"),
    ],
)
def test_a_place_covers_what_lies_in_it(path: str, pair: tuple[dict, dict], expected: bool) -> None:
    assert covers(place(path), difference(pair)) is expected


def test_a_place_in_an_extension_covers_the_whole_extension() -> None:
    assert covers(place(f"{ENTERPRISE_USER}:department"), Difference((ENTERPRISE_USER,), None, {"x": 1}))
