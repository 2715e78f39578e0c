"""The dry run of a create."""

from typing import Any

from gateway.admin.explained import summarize
from gateway.mapping.program import HELD
from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping, explain
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'
RULE = make_rule(WORK, via=[compile_transform("phone", {})], origin="cx@1")
MAPPING = TargetMapping([RULE], unlisted="hold", require=[["userName"]], region="GB")


def person(phone: str, **more: Any) -> dict[str, Any]:
    return {"userName": "ann", "title": "Agent", "phoneNumbers": [{"type": "work", "value": phone}]} | more


def test_a_good_resource_is_explained_rule_by_rule() -> None:
    explained = explain("cx", MAPPING, person("020 7946 0123"))

    assert explained.pop("resource")["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]
    assert explained == {
        "target": "cx",
        "accepted": True,
        "steps": [
            {
                "to": WORK,
                "from": WORK,
                "transform": "phone",
                "before": "020 7946 0123",
                "after": "+442079460123",
            }
        ],
        "held": ["title"],
        "dropped": [],
        "unsent": [{"what": "held", "path": "title", "rule": None, "reason": HELD}],
        "problems": [],
    }


def test_a_bad_resource_is_explained_with_its_problems_and_nothing_to_send() -> None:
    explained = explain("cx", MAPPING, person("n/a"))

    assert (explained["accepted"], explained["resource"]) == (False, None)
    (problem,) = explained["problems"]
    assert (problem["path"], problem["rule"]) == (WORK, f"cx@1:{WORK}")


def test_somebody_is_active_unless_it_is_said() -> None:
    assert explain("cx", MAPPING, person("n/a", active=False))["accepted"] is True
    assert explain("cx", MAPPING, {"userName": "ann"})["resource"]["active"] is True


def test_many_are_summed_up_the_commonest_problem_first() -> None:
    people = [person("+44 20 7946 0123"), {"title": "x"}, person("n/a"), person("?")]

    summary = summarize("cx", (explain("cx", MAPPING, one) for one in people))

    assert (summary["target"], summary["accepted"], summary["rejected"]) == ("cx", 1, 3)
    assert [(p["path"], p["count"]) for p in summary["problems"]] == [(WORK, 2), ("userName", 1)]


def test_nobody_is_summed_up_as_nobody() -> None:
    nobody = {"target": "cx", "accepted": 0, "rejected": 0, "problems": [], "unsent": []}
    assert summarize("cx", []) == nobody


def test_who_is_out_of_scope_is_explained_by_it_and_nothing_is_sent() -> None:
    scope = Scope(parse_filter('title ne "Chair"'))
    mapping = TargetMapping([RULE], require=[["userName"]], region="GB", scope=scope)

    left_out = explain("cx", mapping, person("n/a", title="Chair"))
    taken = explain("cx", mapping, person("020 7946 0123"))

    assert left_out == {
        "target": "cx",
        "accepted": True,
        "in_scope": False,
        "scope": 'title ne "Chair"',
        "resource": None,
        "steps": [],
        "held": [],
        "dropped": [],
        "unsent": [],
        "problems": [],
    }
    assert (taken["in_scope"], taken["scope"], taken["resource"]["title"]) == (True, scope.text, "Agent")
    assert summarize("cx", [left_out, taken, explain("cx", mapping, person("n/a"))]) == {
        "target": "cx",
        "accepted": 2,
        "rejected": 1,
        "out_of_scope": 1,
        "problems": [
            {
                "path": WORK,
                "rule": f"cx@1:{WORK}",
                "reason": "has no digits",
                "count": 1,
                "examples": [{}],
            }
        ],
        "unsent": [],
    }
