"""Places made ready, and the single values of an attribute."""

from typing import Any

import pytest

from gateway.mapping.places import Leaf, compile_place, leaves_of, path_of
from gateway.scim.paths import place

OWN = "urn:example:2.0:User"
WORK = {"type": "work", "value": "1"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("ann", [Leaf(None, None, "ann", None)], id="a text"),
        pytest.param(["a", "b"], [Leaf(None, None, ["a", "b"], None)], id="a list of texts is one value"),
        pytest.param({"a": 1}, [Leaf(None, "a", 1, {"a": 1})], id="an object"),
        pytest.param({}, [], id="an object with nothing in it"),
        pytest.param(
            [WORK], [Leaf(0, "type", "work", WORK), Leaf(0, "value", "1", WORK)], id="a list of objects"
        ),
        pytest.param(
            ["a", {"value": "b"}],
            [Leaf(0, None, "a", None), Leaf(1, "value", "b", {"value": "b"})],
            id="texts among objects",
        ),
    ],
)
def test_every_single_value_has_its_place(value: Any, expected: list[Leaf]) -> None:
    assert list(leaves_of(value)) == expected


@pytest.mark.parametrize(
    ("where", "text"),
    [
        pytest.param((None, "userName", None, None, None), "userName", id="an attribute"),
        pytest.param((None, "name", None, "givenName", None), "name.givenName", id="a sub-attribute"),
        pytest.param(
            (None, "phoneNumbers", 0, "value", WORK), 'phoneNumbers[type eq "work"].value', id="by type"
        ),
        pytest.param((None, "phoneNumbers", 1, "value", {}), "phoneNumbers[2].value", id="by number"),
        pytest.param((OWN, "badge", None, None, None), f"{OWN}:badge", id="an extension"),
        pytest.param((OWN, "tags", 0, None, "x"), f"{OWN}:tags[1]", id="an extension's element"),
    ],
)
def test_a_value_is_named_as_an_administrator_would(where: tuple[Any, ...], text: str) -> None:
    assert path_of(*where) == text


@pytest.mark.parametrize(
    ("path", "sub", "element", "expected"),
    [
        pytest.param("emails", "value", WORK, True, id="all of an attribute"),
        pytest.param("emails.value", "Value", WORK, True, id="a sub-attribute in any case"),
        pytest.param("emails.value", "type", WORK, False, id="another sub-attribute"),
        pytest.param("emails.value", None, None, True, id="a text that is its own value"),
        pytest.param('emails[type eq "WORK"].value', "value", WORK, True, id="a picked element"),
        pytest.param('emails[type eq "work"].value', "type", WORK, True, id="what picks it"),
        pytest.param('emails[type eq "work"].value', "display", WORK, False, id="what else it has"),
        pytest.param('emails[type eq "home"].value', "value", WORK, False, id="another element"),
        pytest.param('emails[type eq "work"].value', None, None, False, id="a text cannot be picked"),
    ],
)
def test_a_place_names_values(path: str, sub: str | None, element: Any, expected: bool) -> None:
    assert compile_place(place(path)).names(sub, element) is expected
