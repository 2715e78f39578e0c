"""The preset `dialpad_api`, row by row of what the API takes."""

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
LICENCE = f"{ENTERPRISE}:licenseType"
OFFICE = f"{ENTERPRISE}:officeName"

ROWS = [
    row("first_name", "name.givenName", "Mia", "Mia"),
    row("last_name", "name.familyName", "Lindqvist", "Lindqvist"),
    row("email", "userName", "mia@example.com", "mia@example.com"),
    row("job_title", "title", "Agent", "Agent"),
    row("office, as the provider says it", OFFICE, "ldn", "London", changed="Tokyo", shown="TYO"),
    row(
        "office of the department",
        f"{ENTERPRISE}:department",
        "LDN",
        "London",
        OFFICE,
        changed="Tokyo",
        shown="TYO",
    ),
    row("office at the core level", "officeName", "London", "London", OFFICE),
    row("office that no table has", OFFICE, "Oslo", "Oslo"),
    row("talk", LICENCE, "Dialpad_Talk", "talk", changed="agents", shown="dialpad_sell"),
    row("agents", LICENCE, "dialpad_sell", "agents", changed="talk", shown="dialpad_talk"),
    row("lite_lines", LICENCE, " dialpad_lite ", "lite_lines", changed="talk", shown="dialpad_talk"),
    row("magenta_lines", "licenseType", "DIALPAD_TFB", "magenta_lines", LICENCE, changed="admins"),
    row(
        "a licence by its own name", LICENCE, "lite_support_agents", "lite_support_agents", changed="dpde_all"
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_field_of_the_api_is_sent(row):
    check_sent(mapping_for("dialpad_api", OFFICES), row)


@pytest.mark.parametrize("row", ROWS)
def test_a_field_of_the_api_is_shown_as_the_provider_has_it(row):
    check_shown(mapping_for("dialpad_api", OFFICES), row)


ALLOWED = (
    "is not one of admins, agents, dpde_all, dpde_one, lite_lines, lite_support_agents, magenta_lines, talk"
)


@pytest.mark.parametrize("licence", ["dialpad_gold", "dialpad_support", "support"])
def test_a_licence_that_the_api_has_not_is_refused_but_not_of_a_leaver(licence):
    mapping, person = mapping_for("dialpad_api"), having(LICENCE, licence)

    assert refusals(mapping, person) == [(LICENCE, ALLOWED)]
    assert refusals(mapping, person | {"active": False}) == []


def test_what_support_is_may_be_said_by_a_rule():
    table = '{ name = "map", otherwise = "reject", table = { dialpad_support = "lite_support_agents" } }'
    rule = f'[[targets.t.rules]]\nto = "{LICENCE}"\nfrom = "*:licenseType"\nvia = [{table}]\n'

    form = mapping_for("dialpad_api", rule).forward(having(LICENCE, "dialpad_support")).form

    assert form[ENTERPRISE] == {"licenseType": "lite_support_agents"}


@pytest.mark.parametrize("path", ["userName", "name.givenName", "name.familyName"])
def test_nobody_is_sent_without_a_required_attribute(path):
    mapping, person = mapping_for("dialpad_api"), lacking(path)

    assert refusals(mapping, person) == [(path, "is required by the target")]
    assert refusals(mapping, person | {"active": False}) == []


def test_no_phone_is_sent():
    person = PERSON | {"phoneNumbers": [{"type": "work", "value": "+442079460018"}]}

    assert "phoneNumbers" not in mapping_for("dialpad_api").forward(person).form
