"""What rules made ready make of a resource: its elements, its extensions, and what is left over."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.rules import TransformStep
from gateway.mapping.specs import Person, Transform
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.properties.test_mapping import documents, mappings
from tests.support.rules import make_rule

OWN = "urn:example:2.0:User"
OTHER = "urn:example:2.0:Other"
NOTHING = [compile_transform({"name": "allow", "values": ["-"], "otherwise": "drop"}, {})]
UPPER = [compile_transform("upper", {})]
WORK, HOME = {"type": "work", "value": "a"}, {"type": "home", "value": "b"}


def form_of(original: dict[str, Any], *rules: Any, **settings: Any) -> dict[str, Any]:
    """Return the form without its schemas."""
    form = TargetMapping([make_rule(*rule) for rule in rules], **settings).forward(original).form
    return {name: value for name, value in form.items() if name != "schemas"}


@given(mappings, documents)
def test_telling_the_steps_changes_nothing(mapping: TargetMapping, original: dict[str, Any]) -> None:
    steps: list[TransformStep] = []

    assert mapping.forward(original, steps) == mapping.forward(original)


odd_documents = st.builds(
    lambda document, name, value: {name: value} | document,
    documents,
    st.sampled_from(["Title", "EMAILS", "phonenumbers", "USERNAME"]),
    st.sampled_from(["", "text", [WORK, HOME], [{"Value": "a", "value": "b"}]]),
)


@given(mappings, documents | odd_documents)
def test_a_program_makes_of_a_resource_what_it_makes_with_more_care(
    mapping: TargetMapping, original: dict[str, Any]
) -> None:
    program, person = mapping._program(original), mapping._person(original)

    made, expected = program.forward(person), program._careful.forward(person)
    assert made == expected
    assert json.dumps(made.form) == json.dumps(expected.form)  # in the same order, too


@given(mappings, documents)
def test_schemas_come_first_and_are_those_of_the_form(
    mapping: TargetMapping, original: dict[str, Any]
) -> None:
    form = mapping.forward(original).form

    assert next(iter(form)) == "schemas"
    assert set(form["schemas"][1:]) <= form.keys()


@pytest.mark.parametrize(
    ("original", "rules", "expected"),
    [
        pytest.param({"emails": [WORK, HOME]}, [("emails.value", [], UPPER)], ["A", "B"], id="every element"),
        pytest.param(
            {"emails": [WORK, HOME]}, [('emails[type eq "home"].value', [], UPPER)], ["a", "B"], id="by type"
        ),
        pytest.param(
            {"emails": [WORK, HOME]},
            [('emails[type eq "home"].value', [], NOTHING)],
            ["a"],
            id="one taken away",
        ),
        pytest.param({"emails": [WORK, HOME]}, [("emails.value", [], NOTHING)], [], id="all taken away"),
        pytest.param(
            {"emails": [{"type": "work"}]}, [("emails.value", [], NOTHING)], [None], id="there never was more"
        ),
        pytest.param({"emails": [{}, HOME]}, [("emails.value", [], UPPER)], ["B"], id="an empty one is none"),
        pytest.param({"emails": [{}, HOME]}, [], ["b"], id="nor is it without a rule"),
    ],
)
def test_an_element_goes_with_its_value(original: Any, rules: list[Any], expected: list[Any]) -> None:
    form = form_of(original, *rules)

    assert [element.get("value") for element in form.get("emails", [])] == expected
    assert "emails" not in form or form["emails"]


def test_an_element_keeps_what_says_which_one_it_is_where_the_rest_is_held() -> None:
    original = {"emails": [{"display": "Ann", **WORK, "primary": True}]}

    form = form_of(original, ("emails.value", [], UPPER), unlisted="hold")

    assert form == {"emails": [{"type": "work", "primary": True, "value": "A"}]}


def test_texts_among_objects_are_mapped_as_their_values() -> None:
    assert form_of({"roles": ["a", {"value": "b"}]}, ("roles.value", [], UPPER)) == {
        "roles": ["A", {"value": "B"}]
    }


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param({"tags": [WORK]}, {}, id="with its last list"),
        pytest.param(
            {"badge": "7", "tags": [WORK]}, {OWN: {"badge": "7"}}, id="but not with what else it holds"
        ),
    ],
)
def test_an_extension_goes_with_what_it_held(own: dict[str, Any], expected: dict[str, Any]) -> None:
    assert form_of({OWN: own}, (f"{OWN}:tags.value", [], NOTHING)) == expected


def test_a_name_in_another_case_is_written_as_it_came() -> None:
    assert form_of({"TITLE": "a", "JobTitle": "b"}, ("title", ["jobtitle"])) == {"title": "b"}
    assert form_of({"Emails": [WORK]}, ("emails.value", [], UPPER)) == {
        "Emails": [{"type": "work", "value": "A"}]
    }


def test_what_two_rules_write_is_one_attribute_however_it_is_spelled() -> None:
    assert form_of({"a": "1", "b": "2"}, ("Title", ["a"]), ("title", ["b"])) == {"Title": "2"}
    assert form_of({"Emails": [WORK], "mails": [HOME]}, ("emails.value",), ("emails", ["mails"])) == {
        "Emails": [HOME]
    }


def test_what_no_rule_took_is_told_after_all_else_and_first_of_what_none_has_touched() -> None:
    rules = [
        make_rule("displayName", ['emails[type eq "work"].value']),
        make_rule("x", ["title", "emails.value"]),
        make_rule("y", ["title", "nickName"]),
    ]

    mapped = TargetMapping(rules, unlisted="drop").forward(
        {"emails": [HOME, WORK], "title": "t", "nickName": "n", "locale": "en"}
    )

    assert mapped.dropped == (
        *('emails[type eq "home"].type', "locale"),  # named by no rule
        *("nickName", 'emails[type eq "home"].value'),  # named, and another source was taken
    )


def test_anywhere_is_the_core_level_and_then_each_extension() -> None:
    original = {OWN: {"seat": "1"}, "seat": "2", OTHER: {"seat": "3"}}
    mapping = TargetMapping([make_rule("title", ["*:seat"])])

    mapped = mapping.forward(original)

    assert mapped.form["title"] == "2"
    assert mapped.dropped == (f"{OWN}:seat", f"{OTHER}:seat")


def test_each_set_of_conditions_has_its_rules() -> None:
    rules = [
        make_rule("title", when=predicate(parse_filter(f'userName eq "{name}"')), default=name, origin=name)
        for name in ("ann", "bob")
    ]
    mapping = TargetMapping(rules, unlisted="drop")

    found = {name: mapping.forward({"userName": name}).form.get("title") for name in ("ann", "bob", "cy")}

    assert found == {"ann": "ann", "bob": "bob", "cy": None}


def test_more_sets_of_conditions_than_are_kept_ready_are_made_anew() -> None:
    names = [f"n{index}" for index in range(8)]
    rules = [make_rule(name, when=predicate(parse_filter(f"{name} pr")), via=UPPER) for name in names]
    mapping = TargetMapping(rules)
    sets = [{name: "a" for bit, name in enumerate(names) if number >> bit & 1} for number in range(1, 256)]

    for original in [*sets, *sets]:
        form = mapping.forward(original).form
        assert {name: form[name] for name in original} == dict.fromkeys(original, "A")


def test_a_country_is_looked_for_when_a_number_needs_it() -> None:
    asked: list[str] = []
    phone = compile_transform("phone", {})

    def region() -> str:
        asked.append("country")
        return "GB"

    person = Person({}, region)
    assert phone.apply("+44 20 7946 0018", person) == "+442079460018"
    assert asked == []
    assert [phone.apply("020 7946 0018", person) for _ in range(2)] == ["+442079460018"] * 2
    assert asked == ["country"]


@pytest.mark.parametrize(("active", "kept"), [(True, ()), (False, ('emails[type eq "work"].value',))])
def test_what_somebody_inactive_keeps_is_named_by_its_type(active: bool, kept: tuple[str, ...]) -> None:
    refuse: list[Transform] = [compile_transform({"name": "allow", "values": ["-"]}, {})]
    mapping = TargetMapping([make_rule("emails.value", [], refuse)])

    mapped = mapping.forward({"active": active, "emails": [WORK]})

    assert [where.where for where in mapped.kept] == ([(("type", "work"),)] if kept else [])
    assert bool(mapped.problems) is active


MOBILE = {"type": "mobile", "value": "a"}
PRIMARY = {"value": "A", "type": "work", "primary": True, "display": "d"}
ALIKE = [
    pytest.param([WORK, WORK | {"value": "A"}], [WORK | {"value": "A"}], id="made alike"),
    pytest.param([WORK, WORK, WORK], [WORK | {"value": "A"}], id="three"),
    pytest.param(
        [WORK, WORK | {"value": "b"}], [WORK | {"value": "A"}, WORK | {"value": "B"}], id="two values"
    ),
    pytest.param([WORK, MOBILE], [WORK | {"value": "A"}, MOBILE | {"value": "A"}], id="two types"),
    pytest.param([WORK, WORK | {"type": "Work"}], [WORK | {"value": "A"}], id="type in another case"),
    pytest.param([WORK, PRIMARY], [PRIMARY], id="the second is primary"),
    pytest.param(
        [WORK | {"x": 1}, WORK | {"x": 2}], [WORK | {"value": "A", "x": 1}], id="the first says more"
    ),
]


@pytest.mark.parametrize(("numbers", "form"), ALIKE)
@pytest.mark.parametrize(
    "named",
    [
        pytest.param(["phoneNumbers.value"], id="rule for all"),
        pytest.param(
            ['phoneNumbers[type eq "work"].value', 'phoneNumbers[type eq "mobile"].value'],
            id="rules by type",
        ),
    ],
)
def test_what_rules_make_alike_is_sent_once(numbers: list[Any], form: list[Any], named: list[str]) -> None:
    rules = [make_rule(name, via=UPPER) for name in named]

    assert TargetMapping(rules).forward({"phoneNumbers": numbers}).form["phoneNumbers"] == form


def test_values_that_no_rule_names_are_sent_as_they_come() -> None:
    numbers = [MOBILE, MOBILE]

    assert form_of({"phoneNumbers": numbers}, ("title",)) == {"phoneNumbers": numbers}
