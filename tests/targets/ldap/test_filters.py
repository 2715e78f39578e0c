"""SCIM filters as LDAP filters (RFC 4515)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap.filter import escape_filter_chars

from gateway.address import Directory
from gateway.flow.target_port import CannotFilter
from gateway.scim.grammar import AttrPath, CompareOperator, Comparison, parse_filter
from gateway.targets.ldap.filters import NOBODY, Vocabulary, any_of, both, equal, escaped, translate
from gateway.targets.ldap.inactive import HABITS
from gateway.targets.ldap.paging import people_listing

WORDS = people_listing(Directory("dc=example", inactive="nsAccountLock")).words
GROUPS = Vocabulary({"displayname": "cn", "externalid": None})


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        pytest.param('userName eq "ann"', "(uid=ann)", id="eq"),
        pytest.param('USERNAME ne "ann"', "(!(uid=ann))", id="ne, in any case"),
        pytest.param('sn co "ä"', "(sn=*ä*)", id="co"),
        pytest.param('sn sw "a*"', r"(sn=a\2a*)", id="sw"),
        pytest.param('sn ew ")"', r"(sn=*\29)", id="ew"),
        pytest.param("mail pr", "(mail=*)", id="pr"),
        pytest.param('not (sn eq "a")', "(!(sn=a))", id="not"),
        pytest.param('sn eq "a" and title eq "b" or l pr', "(|(&(sn=a)(title=b))(l=*))", id="and, or"),
        pytest.param("active eq true", "(!(nsAccountLock=true))", id="active"),
        pytest.param('active eq "False"', "(nsAccountLock=true)", id="inactive"),
        pytest.param('id eq "7"', "(entryUUID=7)", id="id"),
        pytest.param("id eq 7", NOBODY, id="an id that is no text"),
        pytest.param(
            'userName eq "*)(uid=*))(|(uid=*"', r"(uid=\2a\29\28uid=\2a\29\29\28|\28uid=\2a)", id="inside out"
        ),
    ],
)
def test_a_filter_says_the_same_to_a_directory(filter, expected):
    assert translate(parse_filter(filter), WORDS).text == expected


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param('emails[type eq "work"]', id="an element"),
        pytest.param('name.familyName eq "x"', id="a sub-attribute"),
        pytest.param('urn:x:User:department eq "x"', id="an extension"),
        pytest.param('userPassword eq "x"', id="a secret"),
        pytest.param('unicodePwd sw "x"', id="part of a secret"),
        pytest.param("password pr", id="our name for a secret"),
        pytest.param('meta.lastModified gt "2026-01-01T00:00:00Z"', id="times"),
        pytest.param('sn gt "a"', id="order"),
        pytest.param('sn eq ""', id="an empty text"),
        pytest.param("sn eq 7", id="a number"),
        pytest.param("sn eq null", id="null"),
        pytest.param("active ne true", id="active with another operator"),
        pytest.param('active eq "maybe"', id="neither true nor false"),
        pytest.param("active eq 1", id="a number for a boolean"),
        pytest.param('not (externalId eq "a")', id="the reverse of what is compared less exactly"),
        pytest.param('externalId ne "a"', id="ne of what is compared less exactly"),
        pytest.param('my_name eq "a"', id="no attribute of LDAP"),
    ],
)
def test_what_a_directory_cannot_be_asked_is_searched_for_elsewhere(filter):
    with pytest.raises(CannotFilter):
        translate(parse_filter(filter), WORDS)


@pytest.mark.parametrize(
    ("filter", "exact"),
    [
        pytest.param('sn eq "a"', True, id="by the directory's own rule"),
        pytest.param('externalId eq "a"', False, id="a directory folds case"),
        pytest.param('sn eq "a" and externalId eq "a"', False, id="one of two"),
    ],
)
def test_a_filter_knows_whether_it_is_exact(filter, exact):
    assert translate(parse_filter(filter), WORDS).exact is exact


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        pytest.param('displayName eq "Sales"', "(cn=Sales)", id="displayName"),
        pytest.param('externalId eq "x"', NOBODY, id="eq on what no entry has"),
        pytest.param("externalId pr", NOBODY, id="pr on what no entry has"),
        pytest.param('externalId ne "x"', "(objectClass=*)", id="ne on what no entry has"),
    ],
)
def test_groups_are_asked_for_in_their_own_words(filter, expected):
    assert translate(parse_filter(filter), GROUPS).text == expected


def test_who_stands_with_the_inactive_cannot_be_asked_for_but_everybody_can():
    asked = [HABITS["move"].asks(literal) for literal in (True, False)]

    assert [(one.text, one.exact) for one in asked] == [("(objectClass=*)", False)] * 2


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_literal_never_becomes_syntax(value):
    text = translate(Comparison(AttrPath("userName"), CompareOperator.eq, value), WORDS).text

    assert text == f"(uid={escape_filter_chars(value)})"


def test_bytes_are_written_in_hex_and_half_a_character_as_none():
    assert escaped(b"\x00*a") == r"\00\2a\61"
    assert escaped("\ud800") == "?"


def test_nothing_is_asked_for_by_an_empty_value_or_an_empty_list():
    assert equal("uid", "") == any_of([]) == NOBODY
    assert both("(a=1)", any_of(["(b=2)", "(c=3)"])) == "(&(a=1)(|(b=2)(c=3)))"
