"""The table of transforms: what it holds, and how an entry of `via` is judged."""

import pytest

from gateway.mapping.specs import Person
from gateway.mapping.transforms import TRANSFORMS, BadTransform, compile_transform

NAMES = (
    "strip_spaces trim lower upper nfkc digits phone map office split join allow primary objects "
    "language country template truncate replace match boolean constant"
)


def test_the_table_has_every_transform_of_the_design_in_its_order():
    assert list(TRANSFORMS) == NAMES.split()


@pytest.mark.parametrize("spec", TRANSFORMS.values(), ids=TRANSFORMS)
def test_every_transform_and_option_is_explained_in_a_sentence(spec):
    docs = [spec.doc, *(option.doc for option in spec.options.values())]

    assert all(doc.endswith(".") and doc[0].strip() for doc in docs)


@pytest.mark.parametrize(
    ("name", "option", "choices"),
    [
        pytest.param("phone", "format", ("e164", "e164_digits", "rfc3966", "national", "digits"), id="phone"),
        pytest.param("phone", "extension", ("drop", "append", "reject"), id="extension"),
        pytest.param("map", "otherwise", ("keep", "drop", "reject"), id="map"),
        pytest.param("allow", "otherwise", ("reject", "drop"), id="allow"),
        pytest.param("primary", "mode", ("first", "only", "keep"), id="primary"),
        pytest.param("primary", "literal", ("boolean", "string"), id="literal"),
        pytest.param("language", "format", ("iso639_1", "bcp47"), id="language"),
        pytest.param("country", "format", ("alpha2", "alpha3", "numeric", "name"), id="country"),
    ],
)
def test_the_first_choice_is_the_default(name, option, choices):
    spec = TRANSFORMS[name].options[option]

    assert (spec.choices, spec.default) == (choices, choices[0])


@pytest.mark.parametrize(
    "entry", [pytest.param("trim", id="name"), pytest.param({"name": "trim"}, id="table with a name")]
)
def test_a_transform_is_named_alone_or_in_a_table(entry):
    transform = compile_transform(entry, {})

    assert (transform.name, transform.apply(" a ", Person())) == ("trim", "a")


@pytest.mark.parametrize("name", NAMES.split())
def test_a_compiled_transform_has_the_name_of_its_entry(name):
    required = {
        "map": {"table": {"a": "b"}},
        "allow": {"values": ["a"]},
        "truncate": {"length": 1},
        "replace": {"pattern": "a", "by": "b"},
        "match": {"pattern": "a"},
        "constant": {"value": "a"},
    }

    assert compile_transform({"name": name, **required.get(name, {})}, {}).name == name


@pytest.mark.parametrize(
    ("entry", "where", "reason"),
    [
        pytest.param("fone", "", "did you mean phone?", id="unknown name"),
        pytest.param("Strip_Spaces", "", "did you mean strip_spaces?", id="name in another case"),
        pytest.param("qqqqqqqq", "", "qqqqqqqq is not a transform", id="like no other"),
        pytest.param({"format": "e164"}, "name", "name", id="no name"),
        pytest.param({"name": 7}, "name", "name", id="a number for a name"),
        pytest.param(7, "", "a transform's name", id="not an entry"),
        pytest.param(
            {"name": "phone", "fromat": "e164"}, "fromat", "did you mean format?", id="unknown option"
        ),
        pytest.param({"name": "trim", "on": ","}, "on", "is not an option of trim", id="option of another"),
        pytest.param(
            {"name": "phone", "format": "e165"}, "format", "did you mean e164?", id="no such choice"
        ),
        pytest.param(
            {"name": "phone", "format": ["e164"]}, "format", "must be one of", id="choice of wrong type"
        ),
        pytest.param({"name": "map"}, "table", "is required", id="missing"),
        pytest.param({"name": "map", "table": {}}, "table", "not empty", id="empty table"),
        pytest.param({"name": "map", "table": {"a": [1]}}, "table", "table of texts", id="list in a table"),
        pytest.param({"name": "map", "table": "a"}, "table", "table of texts", id="text for a table"),
        pytest.param(
            {"name": "map", "table": {"a": "b"}, "ignore_case": "yes"},
            "ignore_case",
            "true or false",
            id="text for a boolean",
        ),
        pytest.param({"name": "split", "on": ""}, "on", "not empty", id="no separator"),
        pytest.param({"name": "join", "on": 1}, "on", "must be text", id="number for text"),
        pytest.param({"name": "allow", "values": []}, "values", "not empty", id="empty list"),
        pytest.param({"name": "allow", "values": ["a", 1]}, "values", "list of texts", id="number in a list"),
        pytest.param({"name": "truncate", "length": 0}, "length", "whole number", id="zero"),
        pytest.param(
            {"name": "truncate", "length": True}, "length", "whole number", id="boolean for a number"
        ),
        pytest.param({"name": "truncate", "length": "9"}, "length", "whole number", id="text for a number"),
        pytest.param({"name": "constant", "value": object()}, "value", "must be text", id="no JSON"),
        pytest.param({"name": "constant", "value": {"a": [float("nan")]}}, "value", "must be text", id="NaN"),
        pytest.param({"name": "constant", "value": 10**400}, "value", "must be text", id="endless number"),
        pytest.param({"name": "match", "pattern": "("}, "pattern", "RE2", id="broken pattern"),
        pytest.param({"name": "match", "pattern": r"(a)\1"}, "pattern", "RE2", id="back reference"),
        pytest.param({"name": "match", "pattern": "\ud800"}, "pattern", "Unicode", id="half a character"),
        pytest.param({"name": "replace", "pattern": "(", "by": ""}, "pattern", "missing )", id="replace"),
        pytest.param({"name": "replace", "pattern": "(a)", "by": r"\2"}, "by", "group 2", id="no such group"),
        pytest.param({"name": "template", "text": "{a b}"}, "text", "is no path", id="bad path"),
        pytest.param({"name": "template", "text": "{}"}, "text", "is no path", id="empty path"),
        pytest.param({"name": "template", "text": "{title"}, "text", "brace", id="open brace"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_place_and_the_reason(entry, where, reason):
    with pytest.raises(BadTransform) as caught:
        compile_transform(entry, {})

    assert caught.value.where == where
    assert reason in caught.value.reason


def test_all_faults_of_an_entry_are_told_at_once():
    with pytest.raises(BadTransform) as caught:
        compile_transform({"name": "map", "otherwise": "keeps", "ignorecase": True}, {})

    assert [where for where, _ in caught.value.faults] == ["ignorecase", "otherwise", "table"]
    assert str(caught.value).startswith("ignorecase: is not an option of map; did you mean ignore_case?")


def test_the_entry_is_left_as_it_was():
    entry = {"name": "phone", "format": "national"}

    compile_transform(entry, {})

    assert entry == {"name": "phone", "format": "national"}
