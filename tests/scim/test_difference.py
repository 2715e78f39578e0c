"""What differs, and laying it over something else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scim.difference import compare, overlay

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def work(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "work", "value": value, **more}


def mobile(value: str) -> dict[str, Any]:
    return {"type": "mobile", "value": value}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({}, {"title": "Agent"}, [("title", "add", None, "Agent")], id="added"),
        pytest.param({"title": "A"}, {"title": "B"}, [("title", "replace", "A", "B")], id="replaced"),
        pytest.param({"title": "A"}, {}, [("title", "remove", "A", None)], id="removed"),
        pytest.param(
            {"name": {"givenName": "Ann", "familyName": "Lee"}},
            {"name": {"givenName": "Anna", "familyName": "Lee"}},
            [("name.givenName", "replace", "Ann", "Anna")],
            id="a sub-attribute",
        ),
        pytest.param(
            {ENTERPRISE: {"department": "Sales"}},
            {ENTERPRISE: {"department": "Support"}},
            [(f"{ENTERPRISE}:department", "replace", "Sales", "Support")],
            id="an extension's attribute",
        ),
        pytest.param(
            {"phoneNumbers": [work("1"), mobile("2")]},
            {"phoneNumbers": [mobile("2"), work("3")]},
            [('phoneNumbers[type eq "work"].value', "replace", "1", "3")],
            id="an element by its type, in any order",
        ),
        pytest.param(
            {"phoneNumbers": [work("1")]},
            {"phoneNumbers": [work("1"), mobile("2")]},
            [('phoneNumbers[type eq "mobile"]', "add", None, mobile("2"))],
            id="a new element",
        ),
        pytest.param(
            {"emails": [work("a"), work("b")]},
            {"emails": [work("b")]},
            [('emails[value eq "a"]', "remove", work("a"), None)],
            id="elements of one type are told apart by value",
        ),
        pytest.param(
            {"roles": ["a"]}, {"roles": ["a", "b"]}, [("roles", "replace", ["a"], ["a", "b"])], id="texts"
        ),
        pytest.param({"id": "1", "meta": {}, "schemas": []}, {"id": "2"}, [], id="the server's own"),
        pytest.param({"title": "A"}, {"title": "A"}, [], id="nothing"),
    ],
)
def test_a_difference_names_the_smallest_part_that_differs(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, str, Any, Any]]
) -> None:
    found = [(d.path, d.op, d.before, d.after) for d in compare(before, after)]

    assert found == expected


def test_what_a_difference_does_not_name_stays_as_the_target_has_it() -> None:
    present = {"title": "A", "nickName": "Al", "phoneNumbers": [work("1", display="desk"), mobile("9")]}
    changes = compare({"phoneNumbers": [work("1")]}, {"phoneNumbers": [work("2")]})

    laid = overlay(present, changes)

    assert laid == {
        "title": "A",
        "nickName": "Al",
        "phoneNumbers": [work("2", display="desk"), mobile("9")],
    }


def test_an_element_of_another_spelling_is_the_same_element() -> None:
    present = {"phoneNumbers": [{"type": "Work", "value": "1"}]}
    changes = compare({"phoneNumbers": [work("1")]}, {"phoneNumbers": [work("2")]})

    assert overlay(present, changes) == {"phoneNumbers": [{"type": "Work", "value": "2"}]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([work("1")], [work("1"), {"type": "Work", "value": "2"}], id="types"),
        pytest.param([{"value": "ann@x"}], [{"value": "ann@x"}, {"value": "Ann@x"}], id="values"),
        pytest.param([work("1"), {"type": "WORK", "value": "2"}], [work("1")], id="one of two"),
    ],
)
def test_elements_that_differ_in_case_alone_take_nothing_from_each_other(before: Any, after: Any) -> None:
    differences = compare({"emails": before}, {"emails": after})

    assert overlay({"emails": before}, differences) == {"emails": after}


def test_removing_the_last_element_removes_the_attribute() -> None:
    assert overlay({"emails": [work("a")], "x": 1}, compare({"emails": [work("a")]}, {})) == {"x": 1}


texts = st.text("ab", min_size=1, max_size=2)
elements = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["work", "mobile", "fax"]), "value": texts}),
    min_size=1,
    max_size=3,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "title": texts,
        "active": st.booleans(),
        "name": st.dictionaries(st.sampled_from(["givenName", "familyName"]), texts, min_size=1),
        "phoneNumbers": elements,
        "roles": st.lists(texts, min_size=1, max_size=3),
        ENTERPRISE: st.dictionaries(st.sampled_from(["department", "division"]), texts, min_size=1),
    },
)


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: unordered(inner) for name, inner in value.items()}
    if isinstance(value, list) and all(isinstance(element, dict) for element in value):
        return sorted(sorted(element.items()) for element in value)
    return value


@given(documents, documents)
def test_laying_the_difference_over_the_first_gives_the_second(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert unordered(overlay(before, compare(before, after))) == unordered(after)


@given(documents)
def test_a_document_does_not_differ_from_itself(document: dict[str, Any]) -> None:
    assert compare(document, document) == ()
