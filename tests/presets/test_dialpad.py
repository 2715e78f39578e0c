"""The preset `dialpad`, row by row of the tables in its help page."""

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

OFFICES = '[targets.t.offices]\nLDN = { name = "London", country = "GB" }\nTYO = { name = "Tokyo" }\n'
BY_DEPARTMENT = 'options = { office_field = "department" }\n'
LICENCE = f"{ENTERPRISE}:licenseType"
OFFICE = f"{ENTERPRISE}:officeName"
COUNTRY = 'addresses[type eq "work"].country'

ROWS = [
    row("First Name", "name.givenName", "Mia", "Mia"),
    row("Last Name", "name.familyName", "Lindqvist", "Lindqvist"),
    row("Username", "userName", "mia@example.com", "mia@example.com"),
    row("department", f"{ENTERPRISE}:department", "ldn", "London", OFFICE, changed="Tokyo", shown="TYO"),
    row("officeName", OFFICE, "LDN", "London", changed="Tokyo", shown="TYO"),
    row("officeName at the core level", "officeName", "London", "London", OFFICE),
    row("officeName elsewhere", "urn:example:2.0:User:officeName", "Oslo", "Oslo", OFFICE),
    row("countryCode", "countryCode", "gbr", "GB", COUNTRY, changed="JP"),
    row("countryCode in the extension", f"{ENTERPRISE}:countryCode", "UK", "GB", COUNTRY, changed="JP"),
    row("countryCode, the work address", COUNTRY, "Japan", "JP", changed="GB"),
    row("preferredLanguage", "preferredLanguage", "en-US", "en-US"),
    row("title", "title", "Agent", "Agent"),
    row("licenseType", LICENCE, "Dialpad_Sell", "dialpad_sell", changed="dialpad_lite"),
    row("licenseType at the core level", "licenseType", "DIALPAD_TFB", "dialpad_tfb", LICENCE),
    row("dialpad_talk", LICENCE, "dialpad_talk", "dialpad_talk"),
    row("dialpad_lite", LICENCE, " Dialpad_Lite ", "dialpad_lite"),
    row("dialpad_support", LICENCE, "dialpad_support", "dialpad_support"),
    row("dialpad_sell", LICENCE, "dialpad_sell", "dialpad_sell"),
    row("dialpad_tfb", LICENCE, "dialpad_tfb", "dialpad_tfb"),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_tables_is_sent(row):
    check_sent(mapping_for("dialpad", OFFICES), row)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_tables_is_shown_as_the_provider_has_it(row):
    check_shown(mapping_for("dialpad", OFFICES), row)


@pytest.mark.parametrize("source", [OFFICE, f"{ENTERPRISE}:department"], ids=["officeName", "department"])
@pytest.mark.parametrize(("office", "sent"), [("TYO", "Tokyo"), ("Oslo", "Oslo")], ids=["known", "unknown"])
def test_the_office_is_sent_where_the_tenant_reads_it(source, office, sent):
    form = mapping_for("dialpad", BY_DEPARTMENT + OFFICES).forward(having(source, office)).form

    assert form[ENTERPRISE] == {"department": sent}


ALLOWED = "is not one of dialpad_talk, dialpad_lite, dialpad_support, dialpad_sell, dialpad_tfb"


@pytest.mark.parametrize("licence", ["dialpad_gold", "", "talk"])
def test_a_licence_that_dialpad_has_not_is_refused_but_not_of_a_leaver(licence):
    mapping, person = mapping_for("dialpad"), having(LICENCE, licence)
    wanted = [(LICENCE, ALLOWED)] if licence else []

    assert refusals(mapping, person) == wanted
    assert refusals(mapping, person | {"active": False}) == []


@pytest.mark.parametrize("path", ["userName", "name.givenName", "name.familyName"])
def test_nobody_is_sent_without_a_required_attribute(path):
    mapping, person = mapping_for("dialpad"), lacking(path)

    assert refusals(mapping, person) == [(path, "is required by the target")]
    assert refusals(mapping, person | {"active": False}) == []


def test_a_licence_of_your_own_name_is_an_ordinary_rule():
    rule = (
        f'[[targets.t.rules]]\nto = "{LICENCE}"\nfrom = "*:licenseType"\n'
        'via = [{ name = "map", table = { Sales = "dialpad_sell" }, otherwise = "reject" }]\n'
    )

    form = mapping_for("dialpad", rule).forward(having(LICENCE, "Sales")).form

    assert form[ENTERPRISE] == {"licenseType": "dialpad_sell"}


def test_no_phone_is_sent():
    person = PERSON | {"phoneNumbers": [{"type": "work", "value": "+442079460018"}]}

    mapped = mapping_for("dialpad").forward(person)

    assert "phoneNumbers" not in mapped.form
    assert 'phoneNumbers[type eq "work"].value' in mapped.held
