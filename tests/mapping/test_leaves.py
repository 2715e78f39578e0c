"""Documents taken apart and put together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.leaves import Leaf, flatten, path_of, unflatten

OWN = "urn:example:2.0:User"
ANN: dict[str, Any] = {
    "userName": "ann",
    "name": {"givenName": "Ann"},
    "phoneNumbers": [{"type": "work", "value": "1"}, {"value": "2"}],
    "roles": ["a", "b"],
    OWN: {"badge": "7", "manager": {"value": "m"}, "tags": [{"value": "x"}]},
}


def test_every_value_has_its_place() -> None:
    assert flatten(ANN) == {
        Leaf(None, "userName", None, None): "ann",
        Leaf(None, "name", None, "givenName"): "Ann",
        Leaf(None, "phoneNumbers", 0, "type"): "work",
        Leaf(None, "phoneNumbers", 0, "value"): "1",
        Leaf(None, "phoneNumbers", 1, "value"): "2",
        Leaf(None, "roles", None, None): ["a", "b"],
        Leaf(OWN, "badge", None, None): "7",
        Leaf(OWN, "manager", None, "value"): "m",
        Leaf(OWN, "tags", 0, "value"): "x",
    }


def test_what_is_the_servers_is_no_leaf() -> None:
    assert flatten({"id": "1", "meta": {"x": 1}, "schemas": [], "groups": [{}], "password": "x"}) == {}


def test_a_list_of_texts_and_objects_keeps_its_texts() -> None:
    mixed = {"roles": ["a", {"value": "b"}]}

    assert flatten(mixed) == {Leaf(None, "roles", 0, None): "a", Leaf(None, "roles", 1, "value"): "b"}
    assert unflatten(flatten(mixed), {}) == mixed


def kept(*places: tuple[Any, ...]) -> dict[Leaf, Any]:
    return {leaf: value for leaf, value in flatten(ANN).items() if leaf not in {Leaf(*p) for p in places}}


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param(
            [(None, "phoneNumbers", 0, "value")],
            {"phoneNumbers": [{"value": "2"}]},
            id="an element that only says which one it was",
        ),
        pytest.param(
            [(None, "phoneNumbers", 0, "value"), (None, "phoneNumbers", 1, "value")], {}, id="the whole list"
        ),
        pytest.param(
            [(None, "phoneNumbers", 0, "type")],
            {"phoneNumbers": [{"value": "1"}, {"value": "2"}]},
            id="what says which one it was",
        ),
    ],
)
def test_an_element_goes_with_its_value(lost: list[tuple[Any, ...]], expected: dict[str, Any]) -> None:
    found = unflatten(kept(*lost), flatten(ANN))

    assert {name: value for name, value in found.items() if name == "phoneNumbers"} == expected


def test_an_extension_goes_with_its_last_list() -> None:
    whole = flatten({OWN: {"tags": [{"type": "a", "value": "x"}]}})
    bare = {leaf: value for leaf, value in whole.items() if leaf.sub == "type"}

    assert unflatten(bare, whole) == {}


def test_an_extension_stays_with_what_else_it_holds() -> None:
    whole = flatten({OWN: {"badge": "7", "tags": [{"type": "a", "value": "x"}]}})
    bare = {leaf: value for leaf, value in whole.items() if leaf.sub != "value"}

    assert unflatten(bare, whole) == {OWN: {"badge": "7"}}


def test_an_element_that_never_held_more_than_its_type_stays() -> None:
    bare = flatten({"phoneNumbers": [{"type": "work"}]})

    assert unflatten(bare, bare) == {"phoneNumbers": [{"type": "work"}]}


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        pytest.param(Leaf(None, "userName", None, None), "userName", id="an attribute"),
        pytest.param(Leaf(None, "name", None, "givenName"), "name.givenName", id="a sub-attribute"),
        pytest.param(
            Leaf(None, "phoneNumbers", 0, "value"), 'phoneNumbers[type eq "work"].value', id="by type"
        ),
        pytest.param(Leaf(None, "phoneNumbers", 1, "value"), "phoneNumbers[2].value", id="by number"),
        pytest.param(Leaf(OWN, "badge", None, None), f"{OWN}:badge", id="an extension"),
        pytest.param(Leaf(OWN, "tags", 0, None), f"{OWN}:tags[1]", id="an extension's element"),
    ],
)
def test_a_leaf_is_named_as_an_administrator_would(leaf: Leaf, text: str) -> None:
    assert path_of(leaf, flatten(ANN)) == text


TEXTS = st.text(min_size=1, max_size=3)
OBJECTS = st.dictionaries(st.sampled_from(["value", "type", "display"]), TEXTS, min_size=1)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["title", "name", "emails", "roles"]),
    st.one_of(TEXTS, OBJECTS, st.lists(OBJECTS, min_size=1, max_size=3), st.lists(TEXTS, max_size=2)),
)


@given(DOCUMENTS, st.booleans())
def test_a_document_taken_apart_and_put_together_is_the_same(document: dict[str, Any], own: bool) -> None:
    whole = {OWN: document} if own and document else document

    assert unflatten(flatten(whole), flatten(whole)) == whole
