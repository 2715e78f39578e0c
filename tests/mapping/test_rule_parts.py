"""One rule: what it reads, what it makes of it, and the way back."""

from typing import Any

import pytest

from gateway.errors import InvalidPath
from gateway.mapping.rules import Problem, Rule, TransformStep, choose, is_many
from gateway.mapping.specs import Person, Unusable
from gateway.mapping.transforms import compile_transform
from gateway.scim.difference import Difference, compare
from gateway.scim.paths import place
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'
BRITISH = Person(region="GB")
PHONES = [{"type": "home", "value": "1"}, {"type": "work", "value": "2", "primary": "True"}, {"value": "3"}]


def rule(to: str, *via: Any, sources: tuple[str, ...] = ()) -> Rule:
    return make_rule(to, sources, [compile_transform(entry, {}) for entry in via])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(rule("title"), True, id="no source"),
        pytest.param(rule("title", sources=("TITLE",)), True, id="the same in another case"),
        pytest.param(rule("title", sources=("title", "userType")), False, id="several"),
        pytest.param(rule("title", sources=("userType",)), False, id="another"),
        pytest.param(rule(WORK, sources=("phoneNumbers.value",)), False, id="other elements"),
    ],
)
def test_a_rule_works_in_place_where_it_reads_what_it_writes(made: Rule, expected: bool) -> None:
    assert made.in_place is expected


def test_the_first_source_that_is_there_is_read_else_the_first_one_is_named() -> None:
    made = rule("title", sources=("nickName", WORK, "userType"))

    assert made.source({"nickName": "", "phoneNumbers": PHONES})[1] == [(1, "2")]
    assert made.source({"userType": []}) == (place("nickName"), [])


def test_transforms_run_in_order_and_each_is_a_step() -> None:
    steps: list[TransformStep] = []

    assert rule("title", "trim", "lower").apply(" A ", "from", Person(), steps) == "a"
    assert [(step.transform, step.before, step.after) for step in steps] == [
        ("trim", " A ", "A"),
        ("lower", "A", "a"),
    ]


def test_what_becomes_absent_is_none_and_no_further_transform_sees_it() -> None:
    steps: list[TransformStep] = []

    assert rule("title", "trim", "phone").apply("  ", "from", BRITISH, steps) is None
    assert [step.transform for step in steps] == ["trim"]


def test_what_cannot_be_used_is_said_without_the_value() -> None:
    with pytest.raises(Unusable) as raised:
        rule("title", "phone").apply("canary", "from", BRITISH, None)

    assert "canary" not in str(raised.value)


OFFICE = rule("title", {"name": "map", "table": {"LDN": "London"}})


@pytest.mark.parametrize(
    ("made", "value", "expected"),
    [
        pytest.param(OFFICE, "London", "LDN", id="a table"),
        pytest.param(OFFICE, "Paris", "Paris", id="not in the table"),
        pytest.param(rule("title", "lower"), "agent", "agent", id="no way back"),
        pytest.param(OFFICE, None, None, id="nothing"),
    ],
)
def test_a_targets_value_is_turned_back_where_that_is_possible(made: Rule, value: Any, expected: Any) -> None:
    assert made.invert(value) == expected


@pytest.mark.parametrize(
    ("made", "value", "expected"),
    [
        pytest.param(rule("title", "phone"), "020 7946 0123", "+442079460123", id="as the rule writes it"),
        pytest.param(rule("title", "phone"), "n/a", "n/a", id="as it is where the rule cannot"),
        pytest.param(rule("title", "phone"), "", None, id="nothing"),
        pytest.param(rule("title", {"name": "constant", "value": "x"}), "y", "y", id="a value nobody sent"),
    ],
)
def test_values_are_compared_as_the_rule_would_write_them(made: Rule, value: Any, expected: Any) -> None:
    assert made.normal(value, BRITISH) == expected


def change(before: Any, after: Any) -> Difference:
    (difference,) = compare(before, after)
    return difference


WORKS = [{"type": "work", "value": "LDN"}]
MAPPED = rule("phoneNumbers.value", {"name": "map", "table": {"LDN": "London"}})
ELSEWHERE = rule("title", sources=("userType",))
NUMBERED = ([{"value": "a"}], [{"value": "b"}])


@pytest.mark.parametrize(
    ("made", "before", "after", "expected"),
    [
        pytest.param(OFFICE, {"title": "x"}, {"title": "London"}, "LDN", id="a value"),
        pytest.param(OFFICE, {"title": "x"}, {}, None, id="a value that is gone"),
        pytest.param(
            MAPPED,
            {},
            {"phoneNumbers": [{"type": "work", "value": "London"}]},
            [{"type": "work", "value": "London"}],
            id="an element that is new, by its type",
        ),
        pytest.param(
            MAPPED,
            {"phoneNumbers": [{"type": "work", "value": "x"}]},
            {"phoneNumbers": [{"type": "work", "value": "London"}]},
            "LDN",
            id="the value of an element",
        ),
    ],
)
def test_a_change_at_the_target_is_one_at_the_provider(made: Rule, before, after, expected: Any) -> None:
    undone = made.undone(change(before, after))

    if isinstance(expected, list):
        assert undone is not None
        assert undone.after == {"type": "work", "value": "LDN"}
    else:
        assert (undone is not None, undone and undone.after) == (True, expected)


@pytest.mark.parametrize(
    ("made", "before", "after"),
    [
        pytest.param(ELSEWHERE, {"title": "x"}, {"title": "y"}, id="a rule that reads elsewhere"),
        pytest.param(
            MAPPED, {"phoneNumbers": []}, {"phoneNumbers": [{"value": "a"}]}, id="found by its value"
        ),
        pytest.param(
            MAPPED,
            {"phoneNumbers": "text"},
            {"phoneNumbers": [{"type": "a"}, {"type": "a"}]},
            id="a list whose elements have no names",
        ),
    ],
)
def test_a_change_that_has_no_path_at_the_provider_is_none(made: Rule, before: Any, after: Any) -> None:
    assert made.undone(change(before, after)) is None


def test_an_element_without_the_rules_part_comes_back_as_it_is() -> None:
    undone = MAPPED.undone(change({}, {"phoneNumbers": [{"type": "fax"}]}))

    assert undone is not None
    assert undone.after == {"type": "fax"}


UNWRITTEN = [
    pytest.param(OFFICE, {"title": "London"}, {}, {"title": "LDN"}, id="a value"),
    pytest.param(OFFICE, {}, {"title": "LDN", "a": 1}, {"a": 1}, id="a value that is gone"),
    pytest.param(ELSEWHERE, {"title": "x"}, {}, {"userType": "x"}, id="under the provider's name"),
    pytest.param(
        rule("title", sources=("nickName", "userType")),
        {"title": "x"},
        {"userType": "y"},
        {"userType": "x"},
        id="where the provider had it",
    ),
    pytest.param(
        rule("title", sources=(WORK,)),
        {"title": "x"},
        {},
        {"phoneNumbers": [{"type": "work", "value": "x"}]},
        id="in an element",
    ),
    pytest.param(
        MAPPED,
        {"phoneNumbers": [{"type": "work", "value": "London"}, {"type": "home", "value": "x"}, "London"]},
        {"phoneNumbers": [{"type": "work", "value": "old"}]},
        {"phoneNumbers": [{"type": "work", "value": "LDN"}, {"type": "home", "value": "x"}, "LDN"]},
        id="every element",
    ),
]


@pytest.mark.parametrize(("made", "entry", "document", "expected"), UNWRITTEN)
def test_the_entrys_value_is_put_where_the_provider_has_it(
    made: Rule, entry: dict[str, Any], document: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = repr((entry, document))

    assert made.unwrite(entry, document) == expected
    assert repr((entry, document)) == before


@pytest.mark.parametrize(
    ("phones", "chosen"),
    [
        pytest.param(PHONES, 1, id="the primary"),
        pytest.param([PHONES[0], PHONES[2]], 0, id="else the first"),
        pytest.param([PHONES[1]], 0, id="the only one"),
    ],
)
def test_of_several_the_primary_is_taken(phones: list[Any], chosen: int) -> None:
    document = {"phoneNumbers": phones}
    source = place("phoneNumbers.value")
    found = rule("title", sources=("phoneNumbers.value",)).source(document)[1]

    assert choose(found, document, source) == chosen


@pytest.mark.parametrize(
    ("path", "expected"), [(WORK, True), ("emails.value", True), ("title", False), ("name.givenName", False)]
)
def test_a_place_in_a_list_is_known_as_such(path: str, expected: bool) -> None:
    assert is_many(place(path)) is expected


def test_a_rule_has_a_name_for_people() -> None:
    assert make_rule("title", origin="dialpad@1").label == "dialpad@1:title"
    assert (
        str(Problem("title", "dialpad@1:title", "is no text")) == "title: is no text (rule dialpad@1:title)"
    )


@pytest.mark.parametrize("bad", [{"to": "emails["}, {"to": "title", "sources": ["emails["]}])
def test_a_rule_with_a_bad_path_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidPath):
        make_rule(**bad)
