"""The presets of directories, row by row of the table from SCIM to LDAP."""

import pytest

from tests.support.presets import (
    DIRECTORIES,
    ENTERPRISE,
    check_sent,
    check_shown,
    having,
    mapping_for,
    refusals,
    row,
)

REGION = 'region = "GB"\n[targets.t.offices]\nLDN = { name = "London", country = "GB" }'
UNIX = ("openldap", "389ds")


def phone(kind: str) -> str:
    return f'phoneNumbers[type eq "{kind}"].value'


def address(part: str) -> str:
    return f'addresses[type eq "work"].{part}'


EVERYWHERE = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("externalId", "externalId", "00u4MIA", "00u4MIA"),
    row("sn", "name.familyName", "Lindqvist", "Lindqvist", "sn"),
    row("givenName", "name.givenName", "Mia", "Mia", "givenName"),
    row("displayName", "displayName", "Mia L.", "Mia L."),
    row("title", "title", "Agent", "Agent"),
    row("employeeType", "userType", "Employee", "Employee", "employeeType"),
    row("mail", 'emails[type eq "work"].value', "m@e.com", "m@e.com", "mail"),
    row("mail, the primary", "emails[primary eq true].value", "m@e.com", "m@e.com", "mail"),
    *(
        row(to, phone(kind), "020 7946 0018", "+442079460018", to, changed="+442079460019")
        for kind, to in {
            "work": "telephoneNumber",
            "mobile": "mobile",
            "home": "homePhone",
            "fax": "facsimileTelephoneNumber",
            "pager": "pager",
        }.items()
    ),
    row("l", address("locality"), "Bonn", "Bonn", "l"),
    row("st", address("region"), "NRW", "NRW", "st"),
    row("postalCode", address("postalCode"), "53113", "53113", "postalCode"),
    row("office", f"{ENTERPRISE}:officeName", "LDN", "London", "physicalDeliveryOfficeName"),
    row("another office", "officeName", "Atlantis", "Atlantis", "physicalDeliveryOfficeName"),
    row("preferredLanguage", "preferredLanguage", "en_US", "en_US"),
]
ON_UNIX = [
    row("cn", "name.formatted", "Dr. Mia", "Dr. Mia", "cn"),
    row("cn of displayName", "displayName", "Mia L.", "Mia L.", "cn", changed="changed"),
    row("street", address("streetAddress"), "Main St", "Main St", "street"),
    row("departmentNumber", f"{ENTERPRISE}:department", "Sales", "Sales", "departmentNumber"),
    row("o", f"{ENTERPRISE}:organization", "Example", "Example", "o"),
]
ON_WINDOWS = [
    row("streetAddress", address("streetAddress"), "Main St", "Main St", "streetAddress"),
    row("c", address("country"), "United Kingdom", "GB", "c", changed="DE"),
    row("department", f"{ENTERPRISE}:department", "Sales", "Sales", "department"),
    row("company", f"{ENTERPRISE}:organization", "Example", "Example", "company"),
    row("employeeID", f"{ENTERPRISE}:employeeNumber", "701", "701", "employeeID"),
]
ROWS = [
    pytest.param(preset, *each.values, id=f"{preset} {each.id}")
    for preset in DIRECTORIES
    for each in (*EVERYWHERE, *(ON_UNIX if preset in UNIX else ON_WINDOWS))
]
SHOWN = [each for each in ROWS if "cn of" not in each.id]  # a change of cn is one of the full name


@pytest.mark.parametrize(("preset", "row"), ROWS)
def test_a_row_of_the_table_is_sent(preset, row):
    check_sent(mapping_for(preset, REGION), row)


@pytest.mark.parametrize(("preset", "row"), SHOWN)
def test_a_row_of_the_table_is_shown_as_the_provider_has_it(preset, row):
    check_shown(mapping_for(preset, REGION), row)


@pytest.mark.parametrize("preset", DIRECTORIES)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(phone("work"), "n/a", id="no number"),
        pytest.param(phone("mobile"), "4.4208E+11", id="a spreadsheet's number"),
        pytest.param('emails[type eq "work"].value', "日本@example.com", id="an address in Japanese"),
    ],
)
def test_what_a_directory_would_refuse_is_refused_before_and_keeps_nobody_from_leaving(preset, path, value):
    person = having(path, value)

    assert [where for where, _ in refusals(mapping_for(preset, REGION), person)] == [path]
    assert refusals(mapping_for(preset, REGION), person | {"active": False}) == []


@pytest.mark.parametrize("preset", DIRECTORIES)
def test_a_rule_of_ones_own_leaves_a_bad_number_out(preset):
    rule = f"""
[[targets.t.rules]]
to = "mobile"
from = '{phone("mobile")}'
via = ["phone"]
on_invalid = "drop"
"""
    mapped = mapping_for(preset, REGION + rule).forward(having(phone("mobile"), "n/a"))

    assert (mapped.problems, "mobile" in mapped.form) == ((), False)
    assert mapped.dropped == (phone("mobile"),)


def test_a_password_goes_to_windows_only():
    sent = {preset: mapping_for(preset, REGION).secret("p", {}) for preset in DIRECTORIES}

    assert sent == {"openldap": {}, "389ds": {}, "active_directory": {"password": "p"}}
