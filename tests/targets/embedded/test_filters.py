"""Which entries SQL leaves over for a filter."""

import pytest

from gateway.scim.grammar import AttrPath, CompareOperator, Comparison, parse_filter
from gateway.targets.embedded.filters import EVERY, Condition, looked_up, narrow

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
IN_VALUES = "seq IN (SELECT entry FROM value WHERE path = ? AND folded = ?)"


@pytest.mark.parametrize(
    ("text", "sql", "parameters"),
    [
        pytest.param('userName eq "ANN"', "name_folded = ?", ("ann",), id="userName"),
        pytest.param('USERNAME eq "Ann"', "name_folded = ?", ("ann",), id="userName in another case"),
        pytest.param(f'{CORE}:userName eq "ann"', "name_folded = ?", ("ann",), id="userName with its URN"),
        pytest.param('externalId eq "X1"', "external_id = ?", ("X1",), id="externalId"),
        pytest.param('id eq "A-1"', "id = ?", ("A-1",), id="id"),
        pytest.param('emails.value eq "A@b"', IN_VALUES, ("emails", "a@b"), id="an address"),
        pytest.param('emails eq "a@b"', IN_VALUES, ("emails", "a@b"), id="an address, short"),
        pytest.param(
            'emails[value eq "a@b" and primary eq true]',
            f"({IN_VALUES})",
            ("emails", "a@b"),
            id="one of many",
        ),
        pytest.param('displayName eq "Straße"', IN_VALUES, ("displayName", "strasse"), id="displayName"),
        pytest.param('phoneNumbers.value eq "+1"', IN_VALUES, ("phoneNumbers", "+1"), id="a number"),
        pytest.param('userName eq "a" and title pr', "(name_folded = ?)", ("a",), id="one of two"),
        pytest.param(
            'userName eq "a" or id eq "b"', "(name_folded = ?) OR (id = ?)", ("a", "b"), id="either of two"
        ),
        pytest.param(
            '(userName eq "a" or id eq "b") and id eq "c"',
            "((name_folded = ?) OR (id = ?)) AND (id = ?)",
            ("a", "b", "c"),
            id="nested",
        ),
    ],
)
def test_what_is_indexed_is_looked_up(text, sql, parameters):
    assert narrow(parse_filter(text)) == Condition(sql, parameters)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('userName ne "ann"', id="ne"),
        pytest.param('userName sw "ann"', id="sw"),
        pytest.param("active eq true", id="no text"),
        pytest.param('title eq "Agent"', id="not indexed"),
        pytest.param('emails.type eq "work"', id="another sub-attribute"),
        pytest.param('emails[type eq "work"]', id="another sub-attribute of one"),
        pytest.param('not (userName eq "ann")', id="not"),
        pytest.param('userName eq "ann" or title pr', id="or with what is not indexed"),
        pytest.param(f'{ENTERPRISE}:displayName eq "x"', id="an extension's attribute"),
        pytest.param('name[userName eq "ann"]', id="a sub-attribute of that name"),
    ],
)
def test_what_is_not_indexed_narrows_nothing(text):
    assert narrow(parse_filter(text)) == EVERY


def test_no_filter_narrows_nothing():
    assert narrow(None) == EVERY


def test_half_a_character_can_be_looked_up():
    condition = narrow(Comparison(AttrPath("userName"), CompareOperator.eq, "a\ud800"))

    assert condition.parameters == ("a?",)


def test_values_are_found_in_every_form_they_come_in():
    document = {
        "DisplayName": "Änn",
        "emails": [{"value": "A@b"}, {"VALUE": "C@d"}, {"type": "work"}, "E@f", 7],
        "phoneNumbers": {"value": "+1"},
        "title": "Agent",
    }

    assert list(looked_up(document)) == [
        ("displayName", "änn"),
        ("emails", "a@b"),
        ("emails", "c@d"),
        ("emails", "e@f"),
        ("phoneNumbers", "+1"),
    ]
