import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidFilter
from gateway.scim.filters import boolean_literals, for_type, refuse_unordered
from gateway.scim.grammar import parse_filter
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER, resource
from gateway.scim.predicate import predicate

USER, GROUP = "User", "Group"


@pytest.mark.parametrize(
    ("text", "user", "group"),
    [
        ('meta.resourceType eq "User"', True, False),
        ('meta.resourceType ne "User"', False, True),
        ('userName eq "a"', 'userName eq "a"', False),
        ("userName ne null", "userName ne null", False),
        ("members pr", False, "members pr"),
        ('members[value eq "1"]', False, 'members[value eq "1"]'),
        ('displayName eq "a"', 'displayName eq "a"', 'displayName eq "a"'),
        (
            'userName eq "a" or displayName eq "a"',
            'userName eq "a" or displayName eq "a"',
            'displayName eq "a"',
        ),
        ('userName eq "a" and displayName eq "a"', 'userName eq "a" and displayName eq "a"', False),
        ("not (userName pr)", "not (userName pr)", True),
        ('meta.resourceType eq "User" and userName pr', "userName pr", False),
        ('(meta.resourceType eq "User") or (meta.resourceType eq "Group")', True, True),
        (f"{ENTERPRISE_USER}:department pr", f"{ENTERPRISE_USER}:department pr", False),
        (f"{CORE_USER}:displayName pr", f"{CORE_USER}:displayName pr", False),
        (f"{CORE_GROUP}:displayName pr", False, f"{CORE_GROUP}:displayName pr"),
        ("urn:own:Thing:shoe pr", "urn:own:Thing:shoe pr", "urn:own:Thing:shoe pr"),
    ],
)
def test_a_filter_on_all_types_is_what_it_means_for_each(text, user, group):
    filter = parse_filter(text)

    for kind, left in ((USER, user), (GROUP, group)):
        assert for_type(filter, kind) == (left if isinstance(left, bool) else parse_filter(left))


def test_what_a_type_does_not_know_is_absent():
    filter = parse_filter("accounts pr or title pr")

    assert for_type(filter, USER, lambda path: path.attr != "accounts") == parse_filter("title pr")


PATHS = st.sampled_from(
    ["userName", "displayName", "members", "meta.resourceType", f"{ENTERPRISE_USER}:division"]
)
TERMS = PATHS.map("{} pr".format) | st.builds(
    '{} {} "{}"'.format, PATHS, st.sampled_from(["eq", "ne", "sw"]), st.sampled_from(["a", "User", "Group"])
)
FILTERS = st.recursive(
    TERMS,
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=5,
).map(parse_filter)
OWN = {
    USER: {"userName": "a", "displayName": "b", ENTERPRISE_USER: {"division": "a"}},
    GROUP: {"displayName": "a", "members": [{"value": "a"}]},
}


@given(FILTERS, st.sampled_from([USER, GROUP]), st.data())
def test_what_is_left_of_a_filter_finds_the_same(filter, kind, data):
    held = data.draw(st.sets(st.sampled_from(sorted(OWN[kind]))))
    document = {name: OWN[kind][name] for name in held} | {"meta": {"resourceType": kind}}

    left = for_type(filter, kind)

    found = left if isinstance(left, bool) else predicate(left, kind)(document)
    assert found is predicate(filter, kind)(document)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ('active eq "True"', "active eq true"),
        ('userName eq "True"', 'userName eq "True"'),
        ('not (ACTIVE eq "false") and title pr', "not (ACTIVE eq false) and title pr"),
        ('emails[primary eq "True" and type eq "true"]', 'emails[primary eq true and type eq "true"]'),
        ('emails.primary eq "TRUE"', "emails.primary eq true"),
        ('emails eq "true"', 'emails eq "true"'),
        ('active eq "yes"', 'active eq "yes"'),
        ('urn:own:Thing:active eq "true"', 'urn:own:Thing:active eq "true"'),
    ],
)
def test_a_boolean_is_asked_for_as_one(text, typed):
    assert boolean_literals(parse_filter(text), resource(USER)) == parse_filter(typed)


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le"])
@pytest.mark.parametrize(
    ("before", "value"),
    [
        ("active", "true"),
        ("active", '"False"'),
        (f"{CORE_USER}:Active", "1"),
        ("emails.primary", "true"),
        ("title", "false"),
        ("not (title pr) and active", "true"),
    ],
)
def test_true_and_false_have_no_order(before, operator, value):
    with pytest.raises(InvalidFilter, match="true and false have no order"):
        refuse_unordered(parse_filter(f"{before} {operator} {value}"))


@pytest.mark.parametrize(
    "text",
    [
        "active eq true",
        'active co "t"',
        'title gt "a"',
        "level le 1",
        'emails[type gt "a" and primary eq true]',
    ],
)
def test_everything_else_may_be_asked_for(text):
    refuse_unordered(parse_filter(text))


def test_an_element_s_true_and_false_have_no_order_either():
    with pytest.raises(InvalidFilter, match=r"emails\.primary gt"):
        refuse_unordered(parse_filter('emails[type eq "work" and primary gt true]'))
