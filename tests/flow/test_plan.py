"""A plan knows by which names its original is found, whether the request said them or not."""

from typing import Any

import pytest

from gateway.flow.change_event import says_active
from gateway.flow.journal_port import Resource, State
from gateway.flow.model import Caller, Change, Policy, Situation, Target, keys_of
from gateway.flow.plan import decide
from gateway.flow.target_port import ResourceType
from gateway.mapping.target import TargetMapping
from gateway.scim.names import CORE_USER
from tests.support.house import FakeTarget
from tests.support.talk import op

BOTH = {"userName": "Ann@Example.com", "externalId": "1", "title": "Lead"}
ONE = {"userName": "Ann@Example.com", "title": "Lead"}
KNOWN = Resource("x", ResourceType.USER, "a", {"userName": "old", "externalId": "0"}, State.ACTIVE, "", "")


@pytest.mark.parametrize("unlisted", ["send", "hold", "drop"])
@pytest.mark.parametrize("body", [pytest.param(BOTH, id="both"), pytest.param(ONE, id="a name alone")])
@pytest.mark.parametrize(
    ("operation", "id", "situation"),
    [
        pytest.param("create", None, Situation(), id="a create"),
        pytest.param("replace", "a", Situation(KNOWN, present={"id": "a", **KNOWN.original}), id="a replace"),
    ],
)
def test_a_plan_has_the_names_of_its_original(
    operation: str, id: str | None, situation: Situation, body: dict[str, Any], unlisted: str
) -> None:
    mapping = TargetMapping(unlisted=unlisted)
    target = Target("x", FakeTarget({}), mapping, Policy())
    change = Change(operation, ResourceType.USER, target, Caller("okta"), "c1", id, body, keys=keys_of(body))

    plan = decide(change, situation)

    assert plan.keys == keys_of(plan.original)
    assert len(plan.keys) == 2 - (operation == "create" and body is ONE)


@pytest.mark.parametrize("value", [False, "False", [{"value": "False"}], {"value": False}])
@pytest.mark.parametrize("name", ["active", "Active", f"{CORE_USER}:active", f"{CORE_USER.upper()}:ACTIVE"])
@pytest.mark.parametrize("has_path", [True, False], ids=["path", "no path"])
def test_a_patch_says_that_somebody_leaves_however_it_names_the_attribute(has_path, name, value):
    operation = op("replace", name, value) if has_path else op("replace", None, {name: value, "title": "x"})
    target = Target("x", FakeTarget({}), TargetMapping(), Policy())
    body = {"Operations": [op("add", "active", True), operation, op("add", "title", "y")]}

    assert says_active(Change("patch", ResourceType.USER, target, Caller("okta"), "c1", "a", body)) is False
