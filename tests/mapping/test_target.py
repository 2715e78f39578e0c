"""Mapping a resource to a target's form and back."""

from typing import Any

import pytest

from gateway.mapping.rules import Rule, TransformStep
from gateway.mapping.specs import Office
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.names import CORE_USER, ENTERPRISE_USER
from gateway.scim.predicate import predicate
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'
ANN = {
    "userName": "ann@example.com",
    "externalId": "00u1",
    "active": True,
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "phoneNumbers": [
        {"type": "work", "value": "+44 20 7946 0123", "primary": True},
        {"type": "mobile", "value": "+44 7400 123456"},
    ],
}


def rule(to: str, *via: Any, sources: tuple[str, ...] = (), when: str | None = None, **more: Any) -> Rule:
    transforms = [compile_transform(entry, more.pop("offices", {})) for entry in via]
    condition = predicate(parse_filter(when)) if when else None
    return make_rule(to, sources, transforms, condition, origin="test", **more)


def form(mapping: TargetMapping, resource: dict[str, Any]) -> dict[str, Any]:
    mapped = mapping.forward(resource).form
    return {name: value for name, value in mapped.items() if name != "schemas"}


def test_what_no_rule_names_is_sent_as_it_came() -> None:
    assert form(TargetMapping(), ANN) == ANN


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(
            [rule(WORK, "strip_spaces")],
            [
                {"type": "work", "value": "+442079460123", "primary": True},
                {"type": "mobile", "value": "+44 7400 123456"},
            ],
            id="one element",
        ),
        pytest.param(
            [rule("phoneNumbers.value", "strip_spaces")],
            [
                {"type": "work", "value": "+442079460123", "primary": True},
                {"type": "mobile", "value": "+447400123456"},
            ],
            id="every element",
        ),
        pytest.param(
            [rule("phoneNumbers.^[type=='work'].value", "strip_spaces")],
            [
                {"type": "work", "value": "+442079460123", "primary": True},
                {"type": "mobile", "value": "+44 7400 123456"},
            ],
            id="Okta's notation",
        ),
        pytest.param(
            [rule('phoneNumbers[type eq "fax"].value', sources=("phoneNumbers.^[primary=='True'].value",))],
            [
                {"type": "mobile", "value": "+44 7400 123456"},
                {"type": "fax", "value": "+44 20 7946 0123"},
            ],
            id="moved to another element, by a primary that is text",
        ),
    ],
)
def test_a_rule_changes_what_it_names_and_nothing_else(
    rules: list[Rule], expected: list[dict[str, Any]]
) -> None:
    assert form(TargetMapping(rules), ANN)["phoneNumbers"] == expected


def test_a_held_part_is_not_sent_and_is_named_by_element_and_sub_attribute() -> None:
    mapping = TargetMapping([rule(WORK, "strip_spaces")], unlisted="hold")

    mapped = mapping.forward(ANN)

    assert mapped.form == {
        "schemas": [CORE_USER],
        "userName": "ann@example.com",
        "externalId": "00u1",
        "active": True,
        "phoneNumbers": [{"type": "work", "value": "+442079460123"}],
    }
    assert mapped.held == (
        "name.givenName",
        "name.familyName",
        'phoneNumbers[type eq "work"].primary',
        'phoneNumbers[type eq "mobile"].type',
        'phoneNumbers[type eq "mobile"].value',
    )


def test_what_is_required_is_sent_as_it_is() -> None:
    mapping = TargetMapping([], unlisted="hold", require=[["userName"], ["name.givenName"]])

    assert form(mapping, ANN)["name"] == {"givenName": "Ann"}


def test_what_is_dropped_is_forgotten() -> None:
    mapping = TargetMapping([rule(WORK)], unlisted="drop")

    assert mapping.remembered(ANN) == {
        "userName": "ann@example.com",
        "externalId": "00u1",
        "active": True,
        "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0123"}],
    }


@pytest.mark.parametrize(
    ("on_invalid", "phones"),
    [
        pytest.param("drop", [{"type": "mobile", "value": "+447400123456"}], id="drop removes the element"),
        pytest.param(
            "keep",
            [
                {"type": "work", "value": "n/a", "primary": True},
                {"type": "mobile", "value": "+447400123456"},
            ],
            id="keep sends it as it came",
        ),
    ],
)
def test_an_invalid_value_is_dealt_with_as_the_rule_says(on_invalid: str, phones: list[Any]) -> None:
    mapping = TargetMapping([rule("phoneNumbers.value", "phone", on_invalid=on_invalid)], region="GB")
    ann = ANN | {"phoneNumbers": [ANN["phoneNumbers"][0] | {"value": "n/a"}, ANN["phoneNumbers"][1]]}

    assert form(mapping, ann)["phoneNumbers"] == phones


def test_a_rejection_names_the_attribute_the_rule_and_the_reason_but_no_value() -> None:
    mapping = TargetMapping([rule(WORK, "phone")])

    problems = mapping.forward(ANN | {"phoneNumbers": [{"type": "work", "value": "n/a"}]}).problems

    assert [(p.path, p.rule) for p in problems] == [(WORK, f"test:{WORK}")]
    assert problems[0].reason
    assert "n/a" not in str(problems[0])


def test_nobody_who_leaves_is_rejected_and_the_target_keeps_what_it_has() -> None:
    mapping = TargetMapping([rule(WORK, "phone")], require=[["title"]])

    mapped = mapping.forward(ANN | {"active": False, "phoneNumbers": [{"type": "work", "value": "n/a"}]})

    assert mapped.problems == ()
    assert [place.text for place in mapped.kept] == [WORK]


@pytest.mark.parametrize(
    ("missing", "path"),
    [
        pytest.param("userName", "userName", id="one path"),
        pytest.param("name", "name.givenName or name.familyName", id="one of several"),
    ],
)
def test_what_is_required_and_missing_is_a_problem(missing: str, path: str) -> None:
    mapping = TargetMapping([], require=[["userName"], ["name.givenName", "name.familyName"]])
    ann = {name: value for name, value in ANN.items() if name != missing}

    problems = mapping.forward(ann).problems

    assert [(p.path, p.rule) for p in problems] == [(path, "require")]


def test_a_refused_value_is_not_called_missing_as_well() -> None:
    mapping = TargetMapping([rule(WORK, "phone")], require=[[WORK]])

    problems = mapping.forward(ANN | {"phoneNumbers": [{"type": "work", "value": "n/a"}]}).problems

    assert [p.rule for p in problems] == [f"test:{WORK}"]


def test_the_first_source_that_is_present_is_taken() -> None:
    work = 'emails[type eq "work"].value'
    mapping = TargetMapping([rule(work, sources=(work, "emails[primary eq true].value"))], unlisted="hold")
    ann = ANN | {"emails": [{"value": "ann@example.com", "primary": True}]}

    assert form(mapping, ann)["emails"] == [{"type": "work", "value": "ann@example.com"}]


def test_from_many_to_one_the_primary_is_taken_and_the_rest_named() -> None:
    mapping = TargetMapping([rule("title", sources=("phoneNumbers.value",))], unlisted="hold")
    fax, work = {"type": "fax", "value": "1"}, {"type": "work", "value": "2", "primary": True}
    ann = ANN | {"phoneNumbers": [fax, work]}

    mapped = mapping.forward(ann)

    assert mapped.form["title"] == "2"
    assert mapped.dropped == ('phoneNumbers[type eq "fax"].value',)


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({"licenseType": "X"}, id="core"),
        pytest.param({ENTERPRISE_USER: {"licenseType": "X"}}, id="enterprise"),
        pytest.param({"urn:example:2.0:User": {"licenseType": "X"}}, id="another extension"),
        pytest.param({"licensetype": "X"}, id="another spelling"),
    ],
)
def test_a_path_with_a_star_is_found_at_the_core_or_in_any_extension(where: dict[str, Any]) -> None:
    to = f"{ENTERPRISE_USER}:licenseType"
    mapping = TargetMapping([rule(to, "lower", sources=("*:licenseType",))], unlisted="hold")

    mapped = mapping.forward({"userName": "a"} | where)

    assert mapped.form[ENTERPRISE_USER] == {"licenseType": "x"}
    assert mapped.form["schemas"] == [CORE_USER, ENTERPRISE_USER]
    assert mapped.held == ()


@pytest.mark.parametrize(
    ("where", "path"),
    [
        pytest.param({"licenseType": "X"}, "licenseType", id="core"),
        pytest.param(
            {ENTERPRISE_USER: {"licenseType": "X"}}, f"{ENTERPRISE_USER}:licenseType", id="extension"
        ),
    ],
)
def test_a_path_with_a_star_is_refused_where_the_value_stood(where: dict[str, Any], path: str) -> None:
    steps: list[TransformStep] = []
    only = {"name": "allow", "values": ["y"]}
    mapping = TargetMapping([rule("title", "lower", only, sources=("*:licenseType",))])

    mapped = mapping.forward({"userName": "a"} | where, steps)

    assert [problem.path for problem in mapped.problems] == [path]
    assert [step.source for step in steps] == [path]


def test_a_default_stands_in_for_an_absent_value() -> None:
    mapping = TargetMapping([rule("userType", default="Agent"), rule("title", default="none")])

    assert form(mapping, {"userName": "a", "title": "Boss"}) == {
        "userName": "a",
        "userType": "Agent",
        "title": "Boss",
    }


@pytest.mark.parametrize("default", [False, 0, 0.0])
@pytest.mark.parametrize("original", [{}, {"licensed": None}, {"licensed": ""}])
def test_a_default_is_written_though_it_is_false_or_nothing(default: Any, original: dict[str, Any]) -> None:
    mapping = TargetMapping([rule("licensed", default=default)])

    written = form(mapping, {"userName": "a"} | original)["licensed"]

    assert (written, type(written)) == (default, type(default))


def test_a_rule_with_a_condition_runs_only_where_it_holds() -> None:
    mapping = TargetMapping([rule("title", "upper", when='userType eq "Agent"')])

    assert form(mapping, {"userName": "a", "title": "x", "userType": "Agent"})["title"] == "X"
    assert form(mapping, {"userName": "a", "title": "x", "userType": "Boss"})["title"] == "x"


@pytest.mark.parametrize(
    "roles",
    [
        pytest.param("Admin; general", id="one string"),
        pytest.param(["Admin", "general"], id="a list of strings"),
        pytest.param([{"value": "Admin"}, {"value": "general"}], id="a list of objects"),
        pytest.param('["Admin", "general"]', id="JSON text in a string"),
    ],
)
def test_roles_are_split_whatever_they_come_in(roles: Any) -> None:
    via = ("split", "lower", "objects", "primary")
    mapping = TargetMapping([rule("roles", *via)])

    found = form(mapping, {"userName": "a", "roles": roles})["roles"]

    assert [role["value"] for role in found] == ["admin", "general"]
    assert [role.get("primary", False) for role in found] == [True, False]


def test_every_transform_at_work_is_a_step() -> None:
    steps: list[TransformStep] = []

    TargetMapping([rule(WORK, "trim", "strip_spaces")]).forward(ANN, steps)

    assert [(s.to, s.source, s.transform, s.after) for s in steps] == [
        (WORK, WORK, "trim", "+44 20 7946 0123"),
        (WORK, WORK, "strip_spaces", "+442079460123"),
    ]


def test_the_input_is_left_as_it_was() -> None:
    before = repr(ANN)

    TargetMapping([rule("phoneNumbers.value", "strip_spaces")]).forward(ANN)

    assert repr(ANN) == before


OFFICES = {"LDN": Office("London", "GB")}
OFFICE = rule(f"{ENTERPRISE_USER}:officeName", "office", sources=("*:officeName",), offices=OFFICES)


def test_an_entry_is_shown_under_the_providers_names_and_values() -> None:
    mapping = TargetMapping([OFFICE], unlisted="hold", offices=OFFICES)
    entry = {
        "schemas": [CORE_USER],
        "id": "7",
        "userName": "a",
        "nickName": "hidden",
        ENTERPRISE_USER: {"officeName": "London", "division": "hidden"},
    }

    assert mapping.reverse(entry) == {"userName": "a", "officeName": "LDN"}


def seen_of(mapping: TargetMapping, original: dict[str, Any]) -> dict[str, Any]:
    return mapping.forward(original).form | {"id": "7"}


PHONES = TargetMapping([rule("phoneNumbers.value", "phone")], region="GB")


def test_an_unchanged_entry_is_shown_as_the_provider_sent_it() -> None:
    seen = seen_of(PHONES, ANN)

    assert PHONES.view(ANN, seen, seen) == ANN


def test_a_reformatted_value_is_no_edit() -> None:
    seen = seen_of(PHONES, ANN)
    work = {"type": "work", "value": "+44-20-7946-0123", "primary": True}
    present = seen | {"phoneNumbers": [work, *seen["phoneNumbers"][1:]]}

    assert PHONES.view(ANN, seen, present) == ANN


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param({"title": "Boss"}, {"title": "Boss"}, id="an attribute no rule names"),
        pytest.param({"name": {"givenName": "Anna", "familyName": "Lee"}}, {}, id="a sub-attribute"),
        pytest.param({"userName": "new@example.com"}, {}, id="the name"),
    ],
)
def test_what_was_edited_at_the_target_is_shown(edit: dict[str, Any], expected: dict[str, Any]) -> None:
    seen = seen_of(PHONES, ANN)

    assert PHONES.view(ANN, seen, seen | edit) == ANN | edit | expected


def test_an_edited_element_is_shown_and_the_others_stay_as_sent() -> None:
    mobile = 'phoneNumbers[type eq "mobile"].value'
    mapping = TargetMapping([rule(WORK, "phone"), rule(mobile, "phone")], region="GB")
    seen = seen_of(mapping, ANN)
    work = {"type": "work", "value": "+442079460999", "primary": True}
    present = seen | {"phoneNumbers": [work, *seen["phoneNumbers"][1:]]}

    phones = mapping.view(ANN, seen, present)["phoneNumbers"]

    assert {p["type"]: p["value"] for p in phones} == {"work": "+442079460999", "mobile": "+44 7400 123456"}


def test_an_edit_of_what_is_held_is_not_shown() -> None:
    mapping = TargetMapping([rule(WORK, "phone")], unlisted="hold", region="GB")
    seen = seen_of(mapping, ANN)

    assert mapping.view(ANN, seen, seen | {"nickName": "Annie"}) == ANN
