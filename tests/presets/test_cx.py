"""The preset `cx`, row by row of the table in its guide."""

import pytest

from tests.support.presets import PERSON, check_sent, check_shown, having, lacking, mapping_for, refusals, row

WORK = 'phoneNumbers[type eq "work"].value'
MAIL = 'emails[type eq "work"].value'
REGION = 'region = "GB"'
AGENT = having(WORK, "020 7946 0018")
NAME = "name.givenName or name.familyName"

ROWS = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("id", "externalId", "00u4MIA", "00u4MIA"),
    row("phoneNumber", WORK, "+44 20\u00a07946\u20090018", "+442079460018", changed="+442079460019"),
    row("firstName", "name.givenName", "Mia", "Mia"),
    row("lastName", "name.familyName", "Lindqvist", "Lindqvist"),
    row("email", MAIL, "mia@example.com", "mia@example.com"),
    row("email, the primary", "emails[primary eq true].value", "m@e.com", "m@e.com", MAIL),
    row("jobTitle", "title", "Agent", "Agent"),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table_is_sent(row):
    check_sent(mapping_for("cx", REGION), row, AGENT)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table_is_shown_as_the_provider_has_it(row):
    check_shown(mapping_for("cx", REGION), row, AGENT)


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        pytest.param(["userName"], "userName", id="userName"),
        pytest.param(["externalId"], "externalId", id="id"),
        pytest.param([WORK], WORK, id="phoneNumber"),
        pytest.param(["name.givenName", "name.familyName"], NAME, id="both names"),
    ],
)
def test_nobody_is_sent_without_a_required_attribute(paths, named):
    mapping, person = mapping_for("cx", REGION), AGENT
    for path in paths:
        person = lacking(path, person)

    assert refusals(mapping, person) == [(named, "is required by the target")]
    assert refusals(mapping, person | {"active": False}) == []


@pytest.mark.parametrize("path", ["name.givenName", "name.familyName"])
def test_one_name_will_do(path):
    assert refusals(mapping_for("cx", REGION), lacking(path, AGENT)) == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param("n/a", "has no digits", id="no number"),
        pytest.param(
            "+44 20 7946 0018 ext. 12",
            'has an extension; the option extension = "drop" leaves it out',
            id="extension",
        ),
        pytest.param("1234", "is not a valid phone number", id="too short"),
    ],
)
def test_a_number_it_could_not_use_is_refused_but_not_of_a_leaver(number, reason):
    mapping, person = mapping_for("cx", REGION), having(WORK, number)

    assert refusals(mapping, person) == [(WORK, reason)]
    assert refusals(mapping, person | {"active": False}) == []


def test_nothing_else_is_sent():
    mobile = [*AGENT["phoneNumbers"], {"type": "mobile", "value": "+447400123456"}]

    form = mapping_for("cx", REGION).forward(AGENT | {"phoneNumbers": mobile, "locale": "en"}).form

    assert form == PERSON | {
        "phoneNumbers": [{"type": "work", "value": "+442079460018"}],
        "emails": [{"type": "work", "value": PERSON["userName"]}],
    }
