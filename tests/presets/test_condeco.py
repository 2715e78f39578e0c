"""The preset `condeco`, row by row of the lists in Condeco's Okta page."""

import pytest

from tests.support.presets import (
    ENTERPRISE,
    PERSON,
    check_sent,
    check_shown,
    having,
    lacking,
    mapping_for,
    refusals,
    row,
)

MAIL = "emails[primary eq true].value"
TELEPHONE = 'phoneNumbers[type eq "work" and primary eq true].value'
COUNTRY = 'addresses[type eq "work"].country'
LOCALITY = 'addresses[type eq "work"].locality'

ROWS = [
    row("Username", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("Given name", "name.givenName", "Mia", "Mia"),
    row("Family name", "name.familyName", "Lindqvist", "Lindqvist"),
    row("Primary email", MAIL, "mia@example.com", "mia@example.com"),
    row("Primary email, the work one", 'emails[type eq "work"].value', "m@e.com", "m@e.com", MAIL),
    row("Department", f"{ENTERPRISE}:department", "Sales", "Sales"),
    row("Preferred language", "preferredLanguage", "en_US", "en", changed="fr"),
    row("Cost Center", f"{ENTERPRISE}:costCenter", "4130", "4130"),
    row("Country Code", COUNTRY, "Japan", "JP", changed="GB"),
    row("Country Code, of the primary address", "addresses[primary eq true].country", "jpn", "JP", COUNTRY),
    row("Country Code, by its own name", "countryCode", "jp", "JP", COUNTRY, changed="GB"),
    row("Locality", LOCALITY, "Head Office", "Head Office"),
    row("Locality, of the primary address", "addresses[primary eq true].locality", "HQ", "HQ", LOCALITY),
    row("Primary Phone", "phoneNumbers[primary eq true].value", "020 7946 0018", "02079460018", TELEPHONE),
    row("Primary Phone, work", 'phoneNumbers[type eq "work"].value', "+44 20 7946", "+44207946", TELEPHONE),
    row("Mobile phone", 'phoneNumbers[type eq "mobile"].value', "+44 7400\u2009123456", "+447400123456"),
]


def base(row):
    """Return somebody who has no other e-mail than the row's."""
    return lacking("emails") if row.source.startswith("emails") else PERSON


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_lists_is_sent(row):
    check_sent(mapping_for("condeco"), row, base(row))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_lists_is_shown_as_the_provider_has_it(row):
    check_shown(mapping_for("condeco"), row, base(row))


def test_the_work_number_goes_before_a_primary_mobile():
    numbers = [{"primary": True, "type": "mobile", "value": "1"}, {"type": "work", "value": "2"}]

    form = mapping_for("condeco").forward(PERSON | {"phoneNumbers": numbers}).form

    assert form["phoneNumbers"] == [
        {"type": "mobile", "value": "1"},
        {"type": "work", "primary": True, "value": "2"},
    ]


def test_an_entry_that_was_there_before_is_shown_as_okta_would_have_sent_it():
    numbers = [{"type": "work", "primary": True, "value": "+442079460018"}, {"type": "fax", "value": "9"}]
    entry = having(COUNTRY, "GB", PERSON | {"id": "t1", "preferredLanguage": "en", "phoneNumbers": numbers})

    assert mapping_for("condeco").reverse(entry) == {
        **{name: value for name, value in PERSON.items() if name != "schemas"},
        "preferredLanguage": "en",
        "addresses": [{"type": "work", "country": "GB"}],
        "phoneNumbers": [{"type": "work", "value": "+442079460018"}],
    }


@pytest.mark.parametrize("path", ["userName", "name.givenName", "name.familyName", MAIL])
def test_nobody_is_sent_without_a_mandatory_attribute(path):
    mapping, person = mapping_for("condeco"), lacking(path)

    assert refusals(mapping, person) == [(path, "is required by the target")]
    assert refusals(mapping, person | {"active": False}) == []


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        pytest.param(
            "preferredLanguage", "Klingon", "is not a language with a two-letter code", id="language"
        ),
        pytest.param(COUNTRY, "Atlantis", "is not a country", id="country"),
    ],
)
def test_a_code_that_there_is_not_is_refused_but_not_of_a_leaver(path, value, reason):
    mapping, person = mapping_for("condeco"), having(path, value)

    assert refusals(mapping, person) == [(path, reason)]
    assert refusals(mapping, person | {"active": False}) == []


def test_what_condeco_does_not_read_is_held():
    person = having(f"{ENTERPRISE}:division", "North", PERSON | {"title": "Agent", "displayName": "Mia"})

    mapped = mapping_for("condeco").forward(person)

    assert mapped.form.keys() == {"schemas", "userName", "name", "externalId", "active", "emails"}
    assert {"title", "displayName", f"{ENTERPRISE}:division"} <= set(mapped.held)
