import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.chain import stamp_of
from gateway.audit.query import parse_moment
from gateway.scim.grammar import parse_filter
from gateway.scim.names import CORE_USER, ENTERPRISE_USER
from gateway.scim.predicate import attributes_named, equal, moment, predicate

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "vectors"


def vectors() -> dict:
    """Return the collected evaluations, empty where they are not beside the checkout."""
    path = VECTORS / "filter_evaluation.json"
    if not path.exists() and "CI" not in os.environ:
        return {"cases": [], "resource": {}}
    return json.loads(path.read_text())


COLLECTED = vectors()
ANN = {
    "schemas": [CORE_USER],
    "id": "Ab1",
    "externalId": "X-1",
    "userName": "Ann@Example.com",
    "active": True,
    "title": "Élan",
    "level": 3,
    "flag": "True",
    "name": {"familyName": "Lee"},
    "emails": [
        {"type": "work", "value": "ann@example.com", "primary": True},
        {"type": "home", "value": "ann@home.test"},
    ],
    "roles": ["admin"],
    "nothing": {"inner": ""},
    "meta": {"version": 'W/"aB"', "created": "2026-01-01T12:00:00+02:00"},
    ENTERPRISE_USER: {"department": "Sales", "manager": {"value": "Mgr1"}},
    "urn:own:Extension": {"shoe": 43},
}


@pytest.mark.parametrize(
    ("text", "match"), [pytest.param(c["filter"], c["match"], id=c["filter"]) for c in COLLECTED["cases"]]
)
def test_a_filter_means_what_others_found_it_to_mean(text, match):
    assert predicate(parse_filter(text))(COLLECTED["resource"]) is match


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('userName eq "ann@example.COM"', True),
        ('USERNAME eq "ann@example.com"', True),
        ('externalId eq "X-1"', True),
        ('externalId eq "x-1"', False),
        ('id eq "ab1"', False),
        ('meta.version eq "w/\\"ab\\""', False),
        ('title eq "e\u0301LAN"', True),
        ('title co "LA"', True),
        ('title co "la" and externalId sw "x"', False),
        ("title sw 3", False),
        ("level eq 3", True),
        ("level eq 3.0", True),
        ('level eq "3"', False),
        ('level ne "3"', True),
        ('level gt "2"', False),
        ('title gt "a"', True),
        ("title gt 1", False),
        ("active gt false", False),
        ('active eq "true"', True),
        ('active eq "True"', True),
        ("active eq false", False),
        ("active eq 1", False),
        ("level eq true", False),
        ("flag eq true", True),
        ('flag eq "TRUE"', True),
        ('flag co "ru"', True),
    ],
)
def test_values_are_compared_by_their_type(text, match):
    assert predicate(parse_filter(text))(ANN) is match


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('emails eq "ann@home.test"', True),
        ('emails.value ew "home.test"', True),
        ('emails.type eq "work" and emails.value eq "ann@home.test"', True),
        ('emails[type eq "work" and value eq "ann@home.test"]', False),
        ('emails[type eq "work"].value eq "ANN@example.com"', True),
        ('emails[primary eq "True"]', True),
        ('emails[primary eq true and type eq "home"]', False),
        ('phoneNumbers[type ne "work"]', False),
        ("phoneNumbers[not (type pr)]", False),
        ("not (phoneNumbers[type pr])", True),
        ('emails.type ne "work"', False),
        ('emails.type ne "mobile"', True),
        ('emails[type ne "work"]', True),
        ('emails ne "ANN@example.com"', False),
        ('roles eq "admin"', True),
        ('roles.value eq "admin"', True),
        ('roles[value eq "ADMIN"]', True),
        ('roles[type eq "admin"]', False),
        ('name[familyName eq "lee"]', True),
        ('title[value eq "élan"]', True),
        ("emails pr", True),
        ("emails[display pr]", False),
        ("name pr", True),
        ("nothing pr", False),
        ("phoneNumbers pr", False),
        ("name.givenName eq null", True),
        ("name.givenName ne null", False),
        ("name ne null", True),
        ("name gt null", False),
        ('nickName ne "x"', True),
        ('nickName eq "x"', False),
        ("not (nickName pr) and (title pr or nickName pr)", True),
        ('name eq "lee"', False),
    ],
)
def test_a_path_leads_to_any_of_its_values(text, match):
    assert predicate(parse_filter(text))(ANN) is match


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (f'{ENTERPRISE_USER}:department eq "sales"', True),
        (f'{ENTERPRISE_USER.upper()}:DEPARTMENT eq "sales"', True),
        (f'{ENTERPRISE_USER}:manager.value eq "Mgr1"', True),
        (f'{ENTERPRISE_USER}:manager eq "Mgr1"', True),
        (f'{ENTERPRISE_USER}:manager eq "mgr1"', False),
        (f'{ENTERPRISE_USER}:userName eq "ann@example.com"', False),
        ("urn:own:Extension:shoe eq 43", True),
        ("urn:own:Extension:shoe pr and urn:own:Extension pr", True),
        ("urn:other:Extension pr", False),
        ('department eq "sales"', False),
        (f'{CORE_USER}:userName eq "ann@example.com"', True),
        (f'{CORE_USER}:name.familyName eq "lee"', True),
        (f'{CORE_USER}:emails[type eq "work"]', True),
    ],
)
def test_a_urn_leads_into_an_extension_or_to_the_top(text, match):
    assert predicate(parse_filter(text))(ANN) is match


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('meta.created eq "2026-01-01T10:00:00Z"', True),
        ('meta.created eq "2026-01-01T10:00:00"', True),
        ('meta.created eq "2026-01-01T12:00:00Z"', False),
        ('meta.created gt "2026-01-01T11:00:00Z"', False),
        ('meta.created ge "2026-01-01T10:00:00.000Z"', True),
        ('meta.created lt "2026-01-01T10:00:01Z"', True),
        ('meta.created gt "2025"', True),
        ('meta.created eq "2026-13-01T10:00:00Z"', False),
        ('title lt "2026-01-01T10:00:00Z"', False),
    ],
)
def test_times_are_compared_as_instants(text, match):
    assert predicate(parse_filter(text))(ANN) is match


def test_members_are_compared_exactly():
    group = {"members": [{"value": "aB"}]}

    assert predicate(parse_filter('members eq "aB"'), "Group")(group)
    assert not predicate(parse_filter('members[value eq "ab"]'), "Group")(group)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('userName eq "a"', ["userName"]),
        ("not (name.givenName pr) or title pr", ["name.givenName", "title"]),
        ('emails[type eq "work" and not (value pr)]', ["emails.type", "emails.value"]),
        (f'{ENTERPRISE_USER}:manager[value eq "1"]', [f"{ENTERPRISE_USER}:manager.value"]),
    ],
)
def test_a_filter_says_which_attributes_it_names(text, named):
    assert [str(path) for path in attributes_named(parse_filter(text))] == named


@pytest.mark.parametrize(
    ("left", "right", "exact", "same"),
    [
        ("a", "A", False, True),
        ("a", "A", True, False),
        (True, "True", True, True),
        ("true", "TRUE", True, False),
        (None, False, False, False),
        ({"a": 1}, {"a": 1}, False, True),
    ],
)
def test_two_values_are_the_same_or_not(left, right, exact, same):
    assert equal(left, right, exact=exact) is same


TEXTS = st.sampled_from(
    ["a", "True", "2026-01-01T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "B", "value"]), inner),
)
LITERALS = TEXTS.map(json.dumps) | st.sampled_from(["true", "null", "1", "-2.5e300"])
PATHS = st.sampled_from(["a", "a.b", "b.value", "urn:x:y:a", "value"])
OPERATORS = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])
TERMS = st.builds("{} {} {}".format, PATHS, OPERATORS, LITERALS) | PATHS.map("{} pr".format)
FILTERS = TERMS | TERMS.map("a[{}]".format) | st.builds("not ({}) and {}".format, TERMS, TERMS)


@given(FILTERS, st.dictionaries(st.sampled_from(["a", "b", "urn:x:y"]), VALUES))
def test_any_filter_answers_for_any_document(text, document):
    found = predicate(parse_filter(text))(document)

    assert isinstance(found, bool)
    assert predicate(parse_filter(f"not ({text})"))(document) is not found


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the machine into a zone nine hours before UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_a_date_without_a_zone_is_of_utc_wherever_the_machine_is():
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert moment("2026-01-01T12:00:00") == moment("2026-01-01T21:00:00+09:00") == noon
    assert predicate(parse_filter('seen gt "2026-01-01T11:59:59"'))({"seen": "2026-01-01T12:00:00Z"})
    assert not predicate(parse_filter('seen gt "2026-01-01T12:00:00Z"'))({"seen": "2026-01-01T12:00:00"})
    assert datetime.fromisoformat(parse_moment("2026-01-01T12:00:00", noon)) == noon
    assert stamp_of("2026-01-01T12:00:00") == "2026-01-01T12:00:00.000000Z"
