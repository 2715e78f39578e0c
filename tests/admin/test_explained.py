"""Why what is not sent, and many counted by reason in bounded memory."""

from typing import Any

import pytest

from gateway.admin import explained
from gateway.admin.explained import Tally, summarize, with_values
from gateway.mapping.program import HELD
from gateway.mapping.target import TargetMapping, explain
from gateway.mapping.transforms import compile_transform
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'
PHONE = compile_transform("phone", {})
DROPPING = make_rule("phoneNumbers.value", via=[PHONE], on_invalid="drop")


def phones(*values: str) -> dict[str, Any]:
    return {"userName": "ann", "phoneNumbers": [{"type": "work", "value": value} for value in values]}


@pytest.mark.parametrize(
    ("mapping", "document", "expected"),
    [
        pytest.param(
            TargetMapping([DROPPING], region="GB"),
            phones("n/a"),
            [("dropped", WORK, "config:phoneNumbers.value", "has no digits")],
            id="a value that its rule cannot use",
        ),
        pytest.param(
            TargetMapping([make_rule("title", via=[compile_transform("strip_spaces", {})])]),
            {"userName": "ann", "title": " "},
            [("dropped", "title", "config:title", "the rule makes nothing of it")],
            id="a value of which its rule makes nothing",
        ),
        pytest.param(
            TargetMapping([], unlisted="hold"),
            {"userName": "ann", "title": "x"},
            [("held", "title", None, HELD)],
            id="held",
        ),
        pytest.param(
            TargetMapping([], unlisted="drop"),
            {"userName": "ann", "title": "x"},
            [("dropped", "title", None, "no rule takes it")],
            id="named by no rule, and forgotten",
        ),
        pytest.param(TargetMapping([]), {"userName": "ann", "title": "x"}, [], id="sent"),
    ],
)
def test_all_that_is_not_sent_has_its_reason(mapping, document, expected) -> None:
    found = mapping.forward(document).unsent()

    assert [(one["what"], one["path"], one["rule"], one["reason"]) for one in found] == expected


def test_a_reason_stands_beside_the_value_only_where_that_is_asked() -> None:
    document = phones("n/a")
    parts = TargetMapping([DROPPING], region="GB").forward(document).unsent()

    assert "n/a" not in repr(parts)
    assert [part["value"] for part in with_values(parts, document)] == ["n/a"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("title", "Agent", id="one"),
        pytest.param("nickName", None, id="none"),
        pytest.param("name.givenName or name.familyName", None, id="several places"),
        pytest.param("emails.value", ["a", "b"], id="several values"),
    ],
)
def test_the_value_is_what_stands_at_the_path(path, value) -> None:
    document = {"title": "Agent", "emails": [{"value": "a"}, {"value": "b"}]}

    (found,) = with_values([{"path": path}], document)

    assert found == {"path": path, "value": value}


def test_a_summary_has_up_to_three_examples_of_each_reason() -> None:
    mapping = TargetMapping([DROPPING], region="GB")
    people = [{"row": n, "userName": f"b{n}", **explain("cx", mapping, phones("n/a"))} for n in range(5)]

    (found,) = summarize("cx", people)["unsent"]

    assert (found["what"], found["path"], found["count"]) == ("dropped", WORK, 5)
    assert found["examples"] == [{"row": n, "userName": f"b{n}"} for n in range(3)]


def test_reasons_without_end_are_counted_together(monkeypatch) -> None:
    monkeypatch.setattr(explained, "MOST", 2)
    tally = Tally("path", "reason")
    for n in range(5):
        tally.add((f"p{n}", "odd"), {"row": n})

    assert [(row["path"], row["count"]) for row in tally.rows()] == [(None, 3), ("p0", 1), ("p1", 1)]
