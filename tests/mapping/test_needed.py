"""What a provider must send so that a target has all it requires."""

import pytest

from gateway.mapping.target import TargetMapping
from tests.support.rules import make_rule

BADGE = "urn:example:2.0:User:badge"


@pytest.mark.parametrize(
    ("require", "rules", "needed"),
    [
        pytest.param(["title"], [], ["title"], id="sent as it is"),
        pytest.param(["title"], [make_rule("title", ["nickName"])], ["nickName"], id="made from another"),
        pytest.param(["title"], [make_rule("title", ["nickName", "title"])], [], id="made from one of two"),
        pytest.param(["title"], [make_rule("title", default="Agent")], [], id="with a default"),
        pytest.param(
            ["title"],
            [make_rule("title", ["nickName"]), make_rule("title", ["userType"])],
            [],
            id="made by two rules",
        ),
        pytest.param([BADGE], [make_rule("title")], [BADGE], id="of an extension, beside other rules"),
    ],
)
def test_a_required_value_is_needed_from_where_alone_it_can_come(require, rules, needed):
    mapping = TargetMapping(rules, require=[[path] for path in require])

    assert [where.text for where in mapping.needed()] == needed


def test_of_two_values_that_do_for_each_other_none_is_needed():
    mapping = TargetMapping(require=[["name.givenName", "name.familyName"], ["externalId"]])

    assert [where.text for where in mapping.needed()] == ["externalId"]
