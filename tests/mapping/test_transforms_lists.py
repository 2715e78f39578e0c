"""Transforms between texts, lists of texts and lists of objects, forward and back."""

import json

import pytest

from gateway.mapping.specs import Person, Unusable
from gateway.mapping.transforms import compile_transform


def compiled(entry, **options):
    return compile_transform({"name": entry, **options}, {})


def run(entry, value, **options):
    return compiled(entry, **options).apply(value, Person())


ENTRA = [{"value": json.dumps({"id": "1", "value": "Admin", "displayName": "Admin"})}]


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        pytest.param("admin, general;admin ;", {}, ["admin", "general"], id="text"),
        pytest.param("admin|general", {"on": "|"}, ["admin", "general"], id="other separator"),
        pytest.param(
            "a]b^c-d", {"on": "]^-"}, ["a", "b", "c", "d"], id="separators that mean something in a pattern"
        ),
        pytest.param("admin", {}, ["admin"], id="one"),
        pytest.param(" , ;", {}, [], id="nothing in it"),
        pytest.param(["admin", " general ", "", None], {}, ["admin", "general"], id="list"),
        pytest.param(["admin;general", "admin"], {}, ["admin", "general"], id="list of joined texts"),
        pytest.param('["admin", "general"]', {}, ["admin", "general"], id="JSON list"),
        pytest.param('[{"value": "admin"}, {"type": "x"}]', {}, ["admin"], id="JSON objects"),
        pytest.param(ENTRA, {}, ["Admin"], id="Entra's JSON in a value"),
        pytest.param([{"value": "a,b", "primary": True}, "c"], {}, ["a", "b", "c"], id="objects"),
        pytest.param({"value": "admin"}, {}, ["admin"], id="one object"),
        pytest.param("[draft], x", {}, ["[draft]", "x"], id="no JSON"),
        pytest.param('x, "y"', {}, ["x", "y"], id="quotes"),
    ],
)
def test_split_makes_a_list_of_texts(value, options, expected):
    assert run("split", value, **options) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(7, "is not text, but a number", id="number"),
        pytest.param(["a", True], "is not text, but true or false", id="boolean in a list"),
        pytest.param("[1, 2]", "is not text, but a number", id="JSON numbers"),
        pytest.param([[[[[[[[["a"]]]]]]]]], "is nested too deeply", id="deep list"),
        pytest.param("[" * 400 + "]" * 400, "is nested too deeply", id="deep JSON"),
    ],
)
def test_split_refuses_what_holds_no_texts(value, reason):
    with pytest.raises(Unusable, match=f"^{reason}$"):
        run("split", value)


def test_split_survives_json_of_any_depth():
    assert run("split", "[" * 100_000) == ["[" * 100_000]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["a", "b"], "a,b", id="list"),
        pytest.param([{"value": "a"}], "a", id="objects"),
        pytest.param("a", "a", id="text"),
        pytest.param([1], [1], id="no texts"),
    ],
)
def test_split_is_turned_back_by_its_first_separator(value, expected):
    assert compiled("split").invert(value) == expected


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        pytest.param(["a", "", "b", None], {}, "a;b", id="list"),
        pytest.param(["a", "b"], {"on": " / "}, "a / b", id="other text between"),
        pytest.param(["a", "b"], {"on": ""}, "ab", id="nothing between"),
        pytest.param([{"value": "a", "type": "x"}, {"type": "y"}, "b"], {}, "a;b", id="objects"),
        pytest.param("a;b", {}, "a;b", id="text"),
        pytest.param({"value": "a"}, {}, "a", id="one object"),
    ],
)
def test_join_makes_one_text(value, options, expected):
    assert run("join", value, **options) == expected


@pytest.mark.parametrize(("value", "kind"), [(7, "a number"), (["a", 7], "a number"), ([["a"]], "a list")])
def test_join_refuses_what_is_no_text(value, kind):
    with pytest.raises(Unusable, match=f"^is not text, but {kind}$"):
        run("join", value)


@pytest.mark.parametrize(
    ("value", "on", "expected"),
    [("a; b", ";", ["a", "b"]), ("a / b", " / ", ["a", "b"]), ("ab", "", "ab"), (["a"], ";", ["a"])],
)
def test_join_is_turned_back_into_a_list(value, on, expected):
    assert compiled("join", on=on).invert(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["a", "", None, "b"], [{"value": "a"}, {"value": "b"}], id="texts"),
        pytest.param(
            ["a", {"value": "b", "type": "x"}], [{"value": "a"}, {"value": "b", "type": "x"}], id="mixed"
        ),
        pytest.param("a", [{"value": "a"}], id="one text"),
        pytest.param({"value": "a"}, [{"value": "a"}], id="one object"),
    ],
)
def test_objects_are_made_of_texts(value, expected):
    assert run("objects", value) == expected


def test_objects_are_not_made_of_numbers():
    with pytest.raises(Unusable, match=r"^is not text, but a number$"):
        run("objects", ["a", 1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param([{"value": "a", "primary": True}, "b"], ["a", "b"], id="list"),
        pytest.param([{"type": "x"}], [{"type": "x"}], id="no value"),
        pytest.param([], [], id="empty"),
        pytest.param("a", "a", id="text"),
    ],
)
def test_objects_are_turned_back_into_texts(value, expected):
    assert compiled("objects").invert(value) == expected


A, B, C = {"value": "a"}, {"value": "b", "primary": "True"}, {"value": "c", "primary": True}


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        pytest.param([A, {"value": "b"}], {}, [{**A, "primary": True}, {"value": "b"}], id="the first"),
        pytest.param(
            [A, B, C], {}, [A, {**B, "primary": True}, {**C, "primary": False}], id="the primary one"
        ),
        pytest.param([A, B], {"mode": "only"}, [{**B, "primary": True}], id="only"),
        pytest.param([A, C], {"literal": "string"}, [A, {**C, "primary": "true"}], id="as text"),
        pytest.param(
            [B, C],
            {"literal": "string"},
            [{**B, "primary": "true"}, {**C, "primary": "false"}],
            id="both as text",
        ),
        pytest.param([A, B, C], {"mode": "keep"}, [A, B, C], id="keep"),
        pytest.param([], {"mode": "only"}, [], id="none"),
    ],
)
def test_one_element_is_primary(value, options, expected):
    assert run("primary", value, **options) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [("a", "text"), (["a"], "has text in it"), ({"value": "a"}, "an object"), (7, "a number")],
)
def test_only_a_list_of_objects_has_a_primary_one(value, kind):
    with pytest.raises(Unusable, match=f"^is not a list of objects, but {kind}$"):
        run("primary", value)
