"""A new entry told attribute by attribute, with the rules that wrote it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.lines import RuleIndex
from gateway.mapping.rules import covers
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import Difference, Line, Lines, compare
from gateway.scim.names import ENTERPRISE_USER
from tests.properties.test_mapping import documents, mappings
from tests.support.diffs import lines_in
from tests.support.rules import make_rule

WORK, HOME = {"type": "work", "value": "1"}, {"type": "home", "value": "2"}


def by_search(mapping: TargetMapping, difference: Difference) -> str | None:
    """Return the label of the last rule that covers a difference, found by asking each."""
    labels = [rule.label for rule in mapping.rules if covers(rule.to, difference)]
    return labels[-1] if labels else None


def line_of(mapping: TargetMapping, difference: Difference) -> Line:
    label = by_search(mapping, difference)
    return Line(difference.path, difference.before, difference.after, label, difference.picks_by_value)


ODD_NAMES = st.sampled_from(
    ["", "@", "@department", f"{ENTERPRISE_USER}:x", ENTERPRISE_USER, "urn:x:y", "roles"]
)
odd_documents = st.dictionaries(ODD_NAMES, documents | st.lists(documents, max_size=2) | st.just("x"))


@given(mappings, documents | odd_documents)
def test_the_lines_of_a_new_entry_are_its_differences_from_nothing(
    mapping: TargetMapping, form: dict[str, Any]
) -> None:
    lines = RuleIndex(mapping.rules).lines(form)

    assert lines == Lines.of(line_of(mapping, difference) for difference in compare({}, form))


@given(mappings, documents, documents)
def test_the_rule_of_a_difference_is_the_last_one_that_covers_it(
    mapping: TargetMapping, before: dict[str, Any], after: dict[str, Any]
) -> None:
    for difference in compare(before, after):
        rule = RuleIndex(mapping.rules).rule_of(difference)

        assert (rule.label if rule else None) == by_search(mapping, difference)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param({"schemas": ["x"], "id": "1", "meta": {}}, [], id="what is no provider's to see"),
        pytest.param({"title": "Boss"}, [("title", "Boss", "config:title")], id="a text"),
        pytest.param({"roles": []}, [], id="an empty list"),
        pytest.param({"name": {"givenName": "Ann"}}, [("name.givenName", "Ann", None)], id="an object"),
        pytest.param(
            {"phoneNumbers": [WORK, HOME]},
            [
                ('phoneNumbers[type eq "work"]', WORK, 'config:phoneNumbers[type eq "work"].value'),
                ('phoneNumbers[type eq "home"]', HOME, None),
            ],
            id="elements by type",
        ),
        pytest.param(
            {"roles": [{"value": "a"}, {"value": "b"}]},
            [('roles[value eq "a"]', {"value": "a"}, None), ('roles[value eq "b"]', {"value": "b"}, None)],
            id="elements by value",
        ),
        pytest.param(
            {"roles": [{"value": "a"}, {"value": "A"}]},
            [("roles", [{"value": "a"}, {"value": "A"}], None)],
            id="elements that nothing names",
        ),
        pytest.param(
            {ENTERPRISE_USER: {"department": "Sales", "manager": {"value": "7"}}},
            [
                (f"{ENTERPRISE_USER}:department", "Sales", f"config:{ENTERPRISE_USER}:department"),
                (f"{ENTERPRISE_USER}:manager.value", "7", None),
            ],
            id="an extension",
        ),
    ],
)
def test_a_new_entry_is_told_line_by_line(form: Mapping[str, Any], expected: list[tuple[Any, ...]]) -> None:
    paths = ("title", 'phoneNumbers[type eq "work"].value', f"{ENTERPRISE_USER}:department")
    mapping = TargetMapping([make_rule(path) for path in paths])

    assert [
        (line.path, line.after, line.rule) for line in lines_in(RuleIndex(mapping.rules).lines(form))
    ] == expected


def test_of_several_rules_the_last_one_has_written_it() -> None:
    mapping = TargetMapping([make_rule("name", ["a"]), make_rule("name.givenName", ["b"])])

    lines = RuleIndex(mapping.rules).lines({"name": {"givenName": "Ann", "familyName": "Lee"}})

    assert [line.rule for line in lines_in(lines)] == ["config:name.givenName", "config:name"]


def test_a_path_that_holds_a_value_is_personal() -> None:
    lines = (
        TargetMapping()
        .index_for({})
        .lines({"phoneNumbers": [WORK], "roles": [{"value": "a"}], "title": "Boss"})
    )

    assert [line.personal_path for line in lines_in(lines)] == [False, True, False]
