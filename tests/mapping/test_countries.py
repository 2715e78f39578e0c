"""Whose country a national number is read in."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import SUPPORTED_REGIONS

from gateway.mapping.countries import region_of
from gateway.mapping.specs import REGIONS, Office

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
OFFICES = {"LDN": Office("London", "GB"), "TYO": Office("Tokyo", "JPN"), "HQ": Office("Head office")}


def address(country, **more):
    return {"country": country, **more}


WORK, HOME = address("JP", type="work"), address("DE", type="home", primary=True)


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        pytest.param({"addresses": [HOME, WORK]}, "JP", id="work address"),
        pytest.param(
            {"addresses": [HOME, address("jpn", type="Work")]}, "JP", id="alpha-3, type in any case"
        ),
        pytest.param({"addresses": [HOME, address("US", type="other")]}, "DE", id="primary address"),
        pytest.param(
            {"Addresses": [address("Japan", Primary="True"), address("US")]}, "JP", id="names in any case"
        ),
        pytest.param({"addresses": [address("FR", type="home")]}, "FR", id="the only address"),
        pytest.param({"addresses": address("FR")}, "FR", id="one address without a list"),
        pytest.param({"addresses": [address("FR"), address("US")]}, "ZA", id="two, and none stands out"),
        pytest.param(
            {"addresses": [{"type": "work"}, HOME], "countryCode": "US"}, "US", id="no country at work"
        ),
        pytest.param({"addresses": [WORK], "countryCode": "US"}, "JP", id="address before countryCode"),
        pytest.param({"countrycode": "UK"}, "GB", id="countryCode in any case"),
        pytest.param({"urn:x:User": {"countryCode": "us"}}, "US", id="countryCode in an extension"),
        pytest.param({"countryCode": "Atlantis", "officeName": "LDN"}, "GB", id="no such country"),
        pytest.param({"countryCode": "US", "officeName": "LDN"}, "US", id="countryCode before the office"),
        pytest.param({"officeName": "tyo"}, "JP", id="office"),
        pytest.param({"officeName": "Tokyo"}, "JP", id="office by the target's name"),
        pytest.param(
            {ENTERPRISE: {"officeName": "TYO"}, "department": "LDN"}, "JP", id="office before department"
        ),
        pytest.param({ENTERPRISE: {"department": "LDN"}}, "GB", id="department"),
        pytest.param({"officeName": "Paris", "department": "TYO"}, "JP", id="unknown office"),
        pytest.param({"officeName": "HQ"}, "ZA", id="office without a country"),
        pytest.param({}, "ZA", id="the target's region"),
        pytest.param(
            {"addresses": ["JP", None], "countryCode": 81, "officeName": ["LDN"]}, "ZA", id="wrong types"
        ),
        pytest.param(
            {"addresses": [address(7, type="work")], "urn:x:User": "GB"}, "ZA", id="more wrong types"
        ),
    ],
)
def test_a_persons_own_country_comes_before_the_targets(original, expected):
    assert region_of(original, OFFICES, "ZA") == expected


def test_nobody_knows_the_country():
    assert region_of({}, {}, None) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["addresses", "type", "country", "primary", "urn:x"]), inner)
    ),
)
NAMES = st.sampled_from(["addresses", "countryCode", "officeName", "department", ENTERPRISE, "urn:x:User"])


@settings(max_examples=50, deadline=None)  # pycountry is loaded when first needed
@given(st.dictionaries(NAMES, JSON))
def test_any_person_has_a_region_or_none_and_is_left_as_they_are(original):
    before = copy.deepcopy(original)

    region = region_of(original, OFFICES, None)

    assert region is None or len(region) == 2
    assert original == before


def test_the_countries_are_those_whose_phone_numbers_can_be_read():
    assert REGIONS == SUPPORTED_REGIONS
