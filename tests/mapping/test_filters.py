"""A provider's filter in the target's words."""

from typing import Any

import pytest

from gateway.mapping.filters import equals, translate
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.names import ENTERPRISE_USER
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'


def mapping(*rules: tuple[Any, ...], **settings: Any) -> TargetMapping:
    """Return a mapping of rules (to, sources, transforms), for a target in Britain."""
    made = [make_rule(to, sources, [compile_transform(v, {}) for v in via]) for to, sources, via in rules]
    return TargetMapping(made, region="GB", **settings)


def translated(filter: str, target: TargetMapping) -> str | None:
    found = translate(parse_filter(filter), target)
    return None if found is None else str(found)


PHONES = mapping(("phoneNumbers.value", (), ["phone"]), ("title", ("jobTitle",), ["lower"]))


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        pytest.param('userName eq "Ann"', 'userName eq "Ann"', id="no rule"),
        pytest.param('displayName sw "A"', 'displayName sw "A"', id="no rule, another operator"),
        pytest.param("nickName pr", "nickName pr", id="present"),
        pytest.param('not (nickName eq "x")', 'not (nickName eq "x")', id="not"),
        pytest.param(
            'emails[type eq "work" and value co "@"]',
            'emails[type eq "work" and value co "@"]',
            id="elements of what no rule names",
        ),
        pytest.param(
            'phoneNumbers.value eq "+44 20 7946 0123"',
            'phoneNumbers.value eq "+442079460123"',
            id="the rule runs on the literal",
        ),
        pytest.param(
            'phoneNumbers eq "+44 20 7946 0123"', 'phoneNumbers.value eq "+442079460123"', id="value is meant"
        ),
        pytest.param('jobTitle eq "AGENT"', 'title eq "agent"', id="the rule's own name"),
        pytest.param(
            'userName eq "a" and jobTitle eq "B"', 'userName eq "a" and title eq "b"', id="both of two"
        ),
        pytest.param('userName eq "a" or jobTitle eq "B"', 'userName eq "a" or title eq "b"', id="either"),
    ],
)
def test_a_filter_is_said_in_the_targets_names_and_values(filter: str, expected: str) -> None:
    assert translated(filter, PHONES) == expected


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        pytest.param('mobile eq "a"', 'phoneNumbers[type eq "mobile" and value eq "a"]', id="an element"),
        pytest.param(
            f'{ENTERPRISE_USER}:department eq "S"',
            f'{ENTERPRISE_USER}:department eq "s"',
            id="an extension",
        ),
    ],
)
def test_where_a_rule_writes_is_asked(filter: str, expected: str) -> None:
    target = mapping(
        ('phoneNumbers[type eq "mobile"].value', ("mobile",), ["trim"]),
        (f"{ENTERPRISE_USER}:department", (), ["lower"]),
    )

    assert translated(filter, target) == expected


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param('phoneNumbers.value sw "+44"', id="an operator other than eq"),
        pytest.param("phoneNumbers.value pr", id="present, where a rule may drop"),
        pytest.param('phoneNumbers[type eq "work"]', id="elements a rule touches"),
        pytest.param('phoneNumbers.value eq "n/a"', id="a literal the rule refuses"),
        pytest.param('phoneNumbers.value eq "020 7946 0123"', id="whose number it is depends on the person"),
        pytest.param('phoneNumbers.value eq ""', id="an empty literal"),
        pytest.param('phoneNumbers.type eq "work"', id="what stands beside a rule's value"),
        pytest.param('userName eq "a" and phoneNumbers.value eq "n/a"', id="part of it"),
        pytest.param('userName eq "a" or phoneNumbers.value pr', id="one side of it"),
        pytest.param('not (phoneNumbers.value eq "n/a")', id="not of it"),
        pytest.param('title eq "agent"', id="the target's name, which the provider does not have"),
        pytest.param('userName eq "a" or id eq "1"', id="ids are ours"),
        pytest.param('ID ne "1"', id="ids in any case"),
        pytest.param('meta.lastModified gt "2026-01-01T00:00:00Z"', id="times are ours"),
        pytest.param("password pr", id="nobody asks for passwords"),
    ],
)
def test_what_the_target_cannot_be_asked_is_searched_here(filter: str) -> None:
    assert translated(filter, PHONES) is None


def conditional(**options: Any) -> TargetMapping:
    via = [compile_transform(name, {}) for name in options.pop("via", ["trim"])]
    return TargetMapping([make_rule("title", options.pop("sources", ()), via, **options)])


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(conditional(when=lambda person: True), id="a condition"),
        pytest.param(conditional(sources=("title", "userType")), id="several sources"),
        pytest.param(conditional(default="Agent"), id="a default"),
        pytest.param(conditional(via=[{"name": "constant", "value": "Agent"}]), id="a constant"),
        pytest.param(conditional(via=[{"name": "template", "text": "{userName}"}]), id="a template"),
        pytest.param(conditional(via=["split"]), id="a list"),
    ],
)
def test_a_rule_that_is_not_the_same_for_all_is_not_asked_for(target: TargetMapping) -> None:
    assert translated('title eq "Boss"', target) is None


def test_what_is_held_is_searched_here_and_what_is_always_sent_is_asked() -> None:
    target = TargetMapping([], unlisted="hold", require=[["title"]])

    assert translated('nickName eq "a"', target) is None
    assert translated('title eq "a"', target) == 'title eq "a"'
    assert translated('userName eq "a"', target) == 'userName eq "a"'


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        pytest.param('userName eq "Ann"', {"username": "Ann"}, id="one"),
        pytest.param(
            'USERNAME eq "a" and (id eq "1" and title pr)',
            {"username": "a", "id": "1"},
            id="and-ed, in any case",
        ),
        pytest.param('emails eq "a@b"', {"emails": "a@b"}, id="an e-mail"),
        pytest.param('emails.value eq "a@b"', {"emails": "a@b"}, id="its value"),
        pytest.param('emails.value eq "a@b" and emails.type eq "work"', {"emails": "a@b"}, id="and its type"),
        pytest.param('emails[type eq "work" and value eq "a@b"]', {"emails": "a@b"}, id="of an element"),
        pytest.param('emails[type eq "work"]', {}, id="no value"),
        pytest.param('phoneNumbers[value eq "1"]', {}, id="other elements"),
        pytest.param('userName eq "a" or id eq "1"', {}, id="or"),
        pytest.param('not (userName eq "a")', {}, id="not"),
        pytest.param('userName sw "a"', {}, id="another operator"),
        pytest.param("active eq true", {}, id="no text"),
        pytest.param('urn:example:2.0:User:id eq "1"', {}, id="an extension's own"),
    ],
)
def test_what_every_match_must_equal_is_known(filter: str, expected: dict[str, str]) -> None:
    assert equals(parse_filter(filter)) == expected
