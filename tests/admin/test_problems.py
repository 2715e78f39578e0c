"""Whose data a mapping refuses or leaves out, and why."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.problems import Fate, Trouble, parse_problems, troubles_in, troubles_of
from gateway.mapping.rules import OnInvalid, Problem
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from tests.support.rules import make_rule

ANN: dict[str, Any] = {"userName": "ann", "externalId": "00u1", "active": True}
WORK = 'phoneNumbers[type eq "work"].value'


def mappings(on_invalid: str, *require: str) -> tuple[TargetMapping, TargetMapping]:
    """Return a mapping whose work phone must be a number and title must be known, and the strict one."""
    known = compile_transform({"name": "map", "table": {"CSR": "Agent"}, "otherwise": "reject"}, {})
    phone = make_rule(WORK, via=[compile_transform("phone", {})], on_invalid=on_invalid, origin="config")
    title = make_rule("title", via=[known], origin="config")
    required = [[path] for path in require]
    strict = replace(phone, on_invalid=OnInvalid.REJECT)
    return (
        TargetMapping([phone, title], region="GB", require=required),
        TargetMapping([strict, title], region="GB", require=required),
    )


def phone(value: str) -> dict[str, Any]:
    return {"phoneNumbers": [{"type": "work", "value": value}]}


def told(troubles: tuple[Trouble, ...]) -> list[tuple[str, str | None, str | None]]:
    return [(trouble.fate.value, trouble.path, trouble.rule) for trouble in troubles]


@pytest.mark.parametrize(
    ("on_invalid", "require", "person", "expected"),
    [
        pytest.param("drop", (), phone("020 7946 0123"), [], id="nothing wrong"),
        pytest.param("reject", (), phone("12"), [("refused", WORK, f"config:{WORK}")], id="refused"),
        pytest.param("drop", (), phone("12"), [("dropped", WORK, f"config:{WORK}")], id="dropped"),
        pytest.param(
            "drop",
            (),
            phone("12") | {"title": "King"},
            [("refused", "title", "config:title"), ("dropped", WORK, f"config:{WORK}")],
            id="both",
        ),
        pytest.param(
            "drop",
            (WORK,),
            phone("12"),
            [("refused", WORK, "require"), ("dropped", WORK, f"config:{WORK}")],
            id="refused because it is dropped",
        ),
    ],
)
def test_a_person_has_the_problems_of_the_mapping(
    on_invalid: str, require: tuple[str, ...], person: dict[str, Any], expected: list[Any]
) -> None:
    assert told(troubles_of(ANN | person, *mappings(on_invalid, *require))) == expected


def test_a_problem_names_the_person_and_the_reason_and_never_the_value() -> None:
    (trouble,) = troubles_of(ANN | phone("12"), *mappings("reject"))

    assert (trouble.user_name, trouble.external_id) == ("ann", "00u1")
    assert "12" not in trouble.reason
    assert trouble.reason


def test_a_person_may_have_no_external_id() -> None:
    (trouble,) = troubles_of({"userName": "ann"} | phone("12"), *mappings("reject"))

    assert trouble.external_id is None


ODD = Problem('emails[value eq "a: b"].value', 'dialpad@1:emails[value eq "(x)"].value', "is: not (much)")


@pytest.mark.parametrize(
    "problems",
    [
        pytest.param([Problem("title", "config:title", "is not in the table")], id="one"),
        pytest.param(
            [Problem("title", "cx@1:title", "is odd"), Problem("name", "require", "is odd")], id="two"
        ),
        pytest.param([ODD], id="odd"),
        pytest.param([ODD, ODD, Problem("urn:x:2.0:User:a", "require", "is odd; very")], id="three"),
    ],
)
def test_the_problems_of_a_refusal_are_read_back(problems: list[Problem]) -> None:
    assert parse_problems("; ".join(map(str, problems))) == tuple(problems)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("userName belongs to another resource", id="no problem"),
        pytest.param("title: is odd (rule x) at cx", id="more than a problem"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_refusal_for_another_reason_is_told_as_it_is(text: str) -> None:
    assert troubles_in("ann", text) == (Trouble(Fate.REFUSED, "ann", None, None, None, text),)


def test_who_was_refused_has_each_problem() -> None:
    troubles = troubles_in("ann", "title: is odd (rule config:title); name: is required (rule require)")

    assert told(troubles) == [("refused", "title", "config:title"), ("refused", "name", "require")]
    assert [trouble.reason for trouble in troubles] == ["is odd", "is required"]
    assert {trouble.user_name for trouble in troubles} == {"ann"}
