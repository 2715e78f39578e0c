"""Who is to be on a target: a filter over the whole document, extensions and all."""

from typing import Any

import pytest

from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import parse_filter
from gateway.scim.names import ENTERPRISE_USER

OWN = "urn:example:2.0:User"


def scope(text: str) -> Scope:
    return Scope(parse_filter(text))


@pytest.mark.parametrize(
    ("text", "document", "expected"),
    [
        pytest.param(
            'department ne "Board"', {ENTERPRISE_USER: {"department": "Board"}}, False, id="enterprise"
        ),
        pytest.param('department ne "Board"', {ENTERPRISE_USER: {"department": "Sales"}}, True, id="another"),
        pytest.param('department ne "Board"', {}, True, id="absent differs"),
        pytest.param('department eq "Sales"', {}, False, id="absent is not the same"),
        pytest.param('department ne "board"', {"department": "Board"}, False, id="core level, any case"),
        pytest.param(
            'Department ne "Board"', {ENTERPRISE_USER: {"department": "Board"}}, False, id="name's case"
        ),
        pytest.param('site eq "LDN"', {OWN: {"site": "LDN"}}, True, id="an extension of one's own"),
        pytest.param('site eq "LDN"', {OWN: {"Site": ["NYC", "LDN"]}}, True, id="one of several"),
        pytest.param(
            'department eq "Board"',
            {OWN: {"department": "Board"}, ENTERPRISE_USER: {"department": "Sales"}},
            True,
            id="either of two extensions",
        ),
        pytest.param('title eq "B"', {"title": "A", OWN: {"title": "B"}}, False, id="the core's own name"),
        pytest.param(
            f'{ENTERPRISE_USER}:department eq "Board"', {OWN: {"department": "Board"}}, False, id="by its URN"
        ),
        pytest.param(
            'manager.value eq "7"', {ENTERPRISE_USER: {"manager": {"value": "7"}}}, True, id="a part"
        ),
        pytest.param(
            'emails[type eq "work"]', {"emails": [{"type": "home", "value": "a"}]}, False, id="emails"
        ),
        pytest.param("costCenter pr", {ENTERPRISE_USER: {"costCenter": "7"}}, True, id="present"),
        pytest.param('not (userType eq "Guest") and title pr', {"title": "A"}, True, id="joined"),
    ],
)
def test_a_scope_is_asked_of_the_whole_document(text: str, document: dict[str, Any], expected: bool) -> None:
    before = repr(document)

    assert scope(text).holds(document) is expected
    assert TargetMapping(scope=scope(text)).leaves_out(document) is not expected
    assert repr(document) == before


def test_without_a_scope_nobody_is_left_out() -> None:
    assert TargetMapping().leaves_out({"department": "Board"}) is False


def test_what_a_scope_looks_at_is_remembered_though_no_rule_names_it() -> None:
    asked = scope(f'department ne "Board" and emails[type eq "work"] and {OWN}:site eq "LDN" and title pr')
    mapping = TargetMapping(unlisted="drop", scope=asked)
    document = {
        "userName": "ann",
        "title": "Agent",
        "nickName": "Annie",
        "emails": [{"type": "work", "value": "a@x"}],
        ENTERPRISE_USER: {"department": "Sales", "costCenter": "7"},
        OWN: {"site": "LDN", "desk": 4},
    }

    known = mapping.remembered(document)

    assert known == {
        "userName": "ann",
        "title": "Agent",
        "emails": [{"type": "work", "value": "a@x"}],
        ENTERPRISE_USER: {"department": "Sales"},
        OWN: {"site": "LDN"},
    }
    assert mapping.forward(document).form == {
        "schemas": mapping.forward(document).form["schemas"],
        "userName": "ann",
    }
    assert mapping.leaves_out(known) is mapping.leaves_out(document)
