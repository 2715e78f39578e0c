"""Distinguished names (RFC 4514)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap.dn import str2dn

from gateway.flow.target_port import Refused
from gateway.targets.ldap.dn import (
    above,
    cut,
    escaped,
    is_below,
    is_dn,
    normal,
    parent_of,
    rdn_of,
    rendered,
    split,
)

BASES = {"base": "ou=people,dc=example"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("ann@example.com", "ann@example.com", id="nothing special"),
        pytest.param("Lee, Ann+x", r"Lee\, Ann\+x", id="comma and plus"),
        pytest.param('"<>;=\\', r"\"\<\>\;\=\\", id="every special character"),
        pytest.param("#lead", r"\#lead", id="a hash in front"),
        pytest.param(" ann ", r"\ ann\ ", id="spaces at both ends"),
        pytest.param(" ", r"\ ", id="a single space"),
        pytest.param("a\x00b\n", r"a\00b\0a", id="NUL and a line break"),
        pytest.param("日本", "日本", id="Japanese"),
    ],
)
def test_a_value_in_a_name_is_escaped(value, expected):
    assert escaped(value) == expected


@given(TEXTS)
def test_whatever_is_escaped_is_read_back_as_it_was(value):
    (((attribute, read, _),), _) = str2dn(f"uid={escaped(value)},dc=example")

    assert (attribute, read) == ("uid", value)


@given(TEXTS)
def test_a_value_never_leaves_its_place(value):
    dn = rendered("uid={userName},{base}", {"userName": value}, BASES)

    assert split(dn)[1] == BASES["base"]


def test_a_template_takes_any_attribute_and_the_first_of_several():
    form = {"cn": ["Lee, Ann", "Ann"], "l": "Bonn"}

    assert rendered("cn={cn},l={l},{base}", form, BASES) == r"cn=Lee\, Ann,l=Bonn,ou=people,dc=example"


@pytest.mark.parametrize("form", [{}, {"cn": ""}, {"cn": []}, {"cn": None}, {"cn": 7}, {"cn": {"a": "b"}}])
def test_a_name_is_not_made_of_nothing(form):
    with pytest.raises(Refused, match="cn: the name of the entry is made of it"):
        rendered("cn={cn},{base}", form, BASES)


@pytest.mark.parametrize(
    ("dn", "rdn", "parent"),
    [
        pytest.param(r"uid=a\,b,ou=x,dc=y", ("uid", "a,b"), "ou=x,dc=y", id="an escaped comma"),
        pytest.param("cn=a+uid=b,dc=y", None, "dc=y", id="two attributes"),
        pytest.param("dc=y", ("dc", "y"), "", id="nothing above"),
        pytest.param("", None, "", id="nothing"),
        pytest.param("nonsense", None, "", id="no DN"),
        pytest.param("uid=\ud800,dc=y", None, "", id="half a surrogate pair"),
    ],
)
def test_a_name_is_taken_apart(dn, rdn, parent):
    assert (rdn_of(dn), parent_of(dn)) == (rdn, parent)


@pytest.mark.parametrize(
    ("dn", "base", "expected"),
    [
        pytest.param("uid=a,ou=left,dc=y", "OU=Left, DC=y", True, id="in another case, with spaces"),
        pytest.param("ou=left,dc=y", "ou=left,dc=y", False, id="the base itself"),
        pytest.param("uid=a,ou=not left,dc=y", "ou=left,dc=y", False, id="a longer name"),
        pytest.param(r"uid=a\,ou=left,dc=y", "ou=left,dc=y", False, id="an escaped comma"),
        pytest.param("uid=a,dc=y", "", False, id="no base"),
    ],
)
def test_an_entry_is_below_a_base(dn, base, expected):
    assert is_below(dn, base) is expected


def test_equal_names_are_equal_however_they_are_written():
    assert normal("UID=Ann,DC=Example") == normal("uid=ann, dc=example")
    assert normal("no dn") == normal("NO DN")


@pytest.mark.parametrize(
    ("text", "expected"), [("uid=a,dc=b", True), ("ann", False), ("", False), ("a=,", False)]
)
def test_a_dn_is_told_from_other_texts(text, expected):
    assert is_dn(text) is expected


@pytest.mark.parametrize("value", ["x" * 65, "Lee, " * 20, "日本" * 40])
def test_a_name_that_is_too_long_is_cut_the_same_way_each_time_and_never_like_another(value):
    dn, other = f"CN={escaped(value)},dc=y", f"CN={escaped(value + 'z')},dc=y"

    name = rdn_of(cut(dn, 64))
    assert name == rdn_of(cut(cut(dn, 64), 64))
    assert (name[0], len(name[1]), name[1][:50]) == ("CN", 64, value[:50])
    assert cut(dn, 64) != cut(other, 64)


def test_a_name_that_fits_stays():
    assert cut(dn := f"CN={'x' * 64},dc=y", 64) == dn
    assert cut(dn := f"CN={'x' * 300},dc=y", None) == dn


@pytest.mark.parametrize(
    ("dn", "expected"),
    [
        pytest.param("OU=a,DC=example,DC=test", "DC=example,DC=test", id="above it"),
        pytest.param("dc=example,dc=test", "dc=example,dc=test", id="itself"),
        pytest.param("ou=a,o=example", None, id="none"),
    ],
)
def test_the_nearest_entry_above_that_is_named_so(dn, expected):
    assert above(dn, "dc") == expected
