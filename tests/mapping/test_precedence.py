"""Which of the rules with one `to` runs: an exception before the general rule, wherever it is written."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.filters import translate
from gateway.mapping.rules import Rule
from gateway.mapping.target import TargetMapping, explain
from gateway.mapping.transforms import compile_transform
from gateway.scim.difference import Difference
from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.properties.test_mapping import any_rules, documents
from tests.support.rules import make_rule

AGENT, BOSS = 'userType eq "Agent"', 'userType eq "Boss"'
WORK = 'phoneNumbers[type eq "work"].value'


def rule(to: str, *via: Any, sources: tuple[str, ...] = (), when: str | None = None, **more: Any) -> Rule:
    tree = None if when is None else parse_filter(when)
    compiled = [compile_transform(entry, {}) for entry in via]
    condition = None if tree is None else predicate(tree)
    return make_rule(to, sources, compiled, condition, condition=tree, **more)


GENERAL = rule("title", "upper")
EXCEPTION = rule("title", "lower", when=AGENT)


def titles(*rules: Rule) -> list[Any]:
    people = [{"userName": "a", "title": "Mixed", "userType": kind} for kind in ("Agent", "Boss")]
    return [TargetMapping(rules).forward(person).form.get("title") for person in people]


@pytest.mark.parametrize("rules", list(permutations([GENERAL, EXCEPTION])))
def test_an_exception_runs_instead_of_the_general_rule_wherever_it_stands(rules: tuple[Rule, ...]) -> None:
    assert titles(*rules) == ["mixed", "MIXED"]


def test_the_first_exception_that_holds_is_the_one_that_runs() -> None:
    wide = rule("title", {"name": "constant", "value": "wide"}, when="userType pr")

    assert titles(EXCEPTION, wide, GENERAL) == ["mixed", "wide"]
    assert titles(wide, EXCEPTION, GENERAL) == ["wide", "wide"]


def test_who_an_exception_leaves_without_a_value_does_not_get_that_of_the_general_rule() -> None:
    assert titles(GENERAL, rule("title", sources=("nickName",), when=AGENT)) == [None, "MIXED"]


def test_what_the_general_rule_refuses_is_no_matter_to_whom_an_exception_is_for() -> None:
    refusing = rule("title", {"name": "allow", "values": ["Boss"]})
    mapping = TargetMapping([refusing, EXCEPTION])

    assert mapping.forward({"title": "X", "userType": "Agent"}).problems == ()
    assert [one.path for one in mapping.forward({"title": "X"}).problems] == ["title"]


def test_ones_own_exception_comes_before_that_of_a_preset() -> None:
    preset = rule("title", {"name": "constant", "value": "preset"}, when="userType pr", is_own=False)

    assert titles(preset, EXCEPTION, GENERAL) == ["mixed", "preset"]


def test_rules_for_elements_of_several_types_do_not_stand_in_for_each_other() -> None:
    home = rule('phoneNumbers[type eq "home"].value', {"name": "constant", "value": "1"}, when=AGENT)
    numbers = [{"type": "work", "value": "a b"}, {"type": "home", "value": "c"}]

    mapping = TargetMapping([rule(WORK, "strip_spaces"), home])

    form = mapping.forward({"userType": "Agent", "phoneNumbers": numbers}).form
    assert [number["value"] for number in form["phoneNumbers"]] == ["ab", "1"]


def test_the_terms_that_pick_an_element_are_one_place_in_any_order() -> None:
    texts = (
        'emails[type eq "work" and primary eq true].value',
        "emails[primary eq True and Type eq 'Work'].value",
    )
    general = rule(texts[0], "upper")
    exception = rule(texts[1].replace("'", '"').replace("True", '"True"'), "lower", when=AGENT)
    mail = [{"type": "work", "primary": True, "value": "Ann@x"}]

    mapping = TargetMapping([general, exception])

    shown = [
        mapping.forward({"userType": kind, "emails": mail}).form["emails"][0]["value"]
        for kind in ("Agent", "")
    ]
    assert shown == ["ann@x", "ANN@X"]


def test_an_exception_writes_where_the_general_rule_stands_among_the_others() -> None:
    """A later rule for a part of what they write overwrites either."""
    part = rule("name.familyName", {"name": "constant", "value": "Part"})
    general = rule("name", {"name": "constant", "value": {"familyName": "General"}})
    exception = rule("name", {"name": "constant", "value": {"familyName": "Exception"}}, when=AGENT)
    person = {"userType": "Agent", "name": {"familyName": "x"}}

    for rules in ([general, part, exception], [exception, general, part]):
        assert TargetMapping(rules).forward(person).form["name"] == {"familyName": "Part"}


conditions = st.sampled_from([AGENT, "active eq true", 'title sw "w"', 'emails[type eq "work"]'])


@given(st.lists(any_rules(), max_size=3), any_rules(), conditions, documents, st.integers(0, 4))
def test_where_an_exception_is_written_makes_no_difference(
    others: list[Rule], general: Rule, when: str, original: dict[str, Any], at: int
) -> None:
    general = make_rule(
        general.to.text, [s.text for s in general.sources], general.via, default=general.default
    )
    exception = rule(general.to.text, "upper", when=when, default="exception")
    rest = [one for one in others if one.to != general.to]
    after = [general, *rest]
    after.insert(1 + at % len(after), exception)

    found = TargetMapping([exception, general, *rest]), TargetMapping(after)

    assert found[0].forward(original) == found[1].forward(original)
    assert found[0].reverse(original) == found[1].reverse(original)
    assert found[0].view(original, {}, original) == found[1].view(original, {}, original)


SWAP = {"name": "map", "table": {"a": "b"}}
EXCHANGED = [rule("title", sources=("jobTitle",)), rule("title", SWAP, sources=("nickName",), when=AGENT)]


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        pytest.param({"title": "b", "userType": "Agent"}, {"nickName": "a"}, id="the exception's"),
        pytest.param({"title": "b"}, {"jobTitle": "b"}, id="the general one's"),
    ],
)
def test_an_entry_is_read_back_by_the_rule_that_wrote_it(entry: Any, shown: Any) -> None:
    document = TargetMapping(EXCHANGED).reverse(entry)

    assert {name: document.get(name) for name in ("jobTitle", "nickName") if name in document} == shown


def test_a_change_at_the_target_is_read_back_by_the_rule_that_runs_for_that_person() -> None:
    mapping = TargetMapping(EXCHANGED)
    agent, other = {"userType": "Agent", "nickName": "x"}, {"jobTitle": "y"}

    seen = [mapping.forward(person).form for person in (agent, other)]
    shown = [
        mapping.view(person, before, before | {"title": "b"})
        for person, before in zip((agent, other), seen, strict=True)
    ]
    assert shown == [{"userType": "Agent", "nickName": "a"}, {"jobTitle": "b"}]


def test_the_trail_names_the_rule_that_ran() -> None:
    mapping = TargetMapping([rule("title", origin="cx@1", is_own=False), rule("title", when=AGENT)])
    difference = Difference(("title",), None, "x")

    found = [mapping.index_for(person).line(difference).rule for person in ({"userType": "Agent"}, {})]

    assert found == ["config:title", "cx@1:title"]


def test_a_value_that_is_written_in_two_ways_is_looked_for_here_and_not_at_the_target() -> None:
    asked = parse_filter('title eq "a"')

    assert translate(asked, TargetMapping([rule("title", "lower")])) is not None
    assert translate(asked, TargetMapping([rule("title", "lower"), rule("title", when=AGENT)])) is None


def test_what_decides_between_rules_is_remembered_though_all_else_is_forgotten() -> None:
    mapping = TargetMapping(EXCHANGED, unlisted="drop")
    person = {"userType": "Agent", "jobTitle": "y", "nickName": "a", "locale": "en"}

    known = mapping.remembered(person)

    assert known == {name: value for name, value in person.items() if name != "locale"}
    assert mapping.forward({**known, "userType": "Boss"}).form["title"] == "y"


def test_a_password_goes_by_the_rule_for_whom_it_is() -> None:
    rules = [rule("password"), rule("password", "upper", when=AGENT)]

    found = [TargetMapping(rules).secret("pw", {"userType": kind}) for kind in ("Agent", "Boss")]

    assert found == [{"password": "PW"}, {"password": "pw"}]
    assert TargetMapping(rules[1:]).secret("pw", {}) == {}


@pytest.mark.parametrize(("kind", "problems"), [("Agent", []), ("Boss", [WORK])])
def test_what_a_preset_requires_does_not_bind_whom_an_exception_is_for(
    kind: str, problems: list[str]
) -> None:
    exception = rule(WORK, "digits", when=AGENT, excuses=True)
    mapping = TargetMapping([rule(WORK, is_own=False), exception], require=[(WORK,)])

    found = mapping.forward({"active": True, "userType": kind}).problems

    assert [problem.path for problem in found] == problems


def test_explain_names_the_rule_that_lost_and_why() -> None:
    wide = rule("title", "trim", when="userType pr")
    mapping = TargetMapping(
        [rule("title", origin="cx@1", is_own=False), EXCEPTION, wide, rule("x", when=BOSS)]
    )

    found = explain("cx", mapping, {"userName": "a", "userType": "Agent"})["lost"]

    assert [(one["rule"], one["when"], one["reason"]) for one in found] == [
        ("config:title", "userType pr", f"config:title holds and comes first: {AGENT}"),
        ("cx@1:title", None, f"config:title holds: {AGENT}"),
        ("config:x", BOSS, "its condition does not hold"),
    ]
