"""The presets of telephone and workplace services, row by row of what their vendors' pages list."""

from typing import Any

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

REGION = 'region = "GB"'
TALKDESK = "urn:ietf:params:scim:schemas:extension:talkdesk:2.0:User"
ZOOM = "urn:ietf:params:scim:schemas:extension:zoom:1.0:User"
ZOOM_USER = "urn:us:zoom:scim:schemas:extension:1.0:ZoomUser"
WORK_MAIL, PRIMARY_MAIL = 'emails[type eq "work"].value', "emails[primary eq true].value"
WORK, MOBILE = 'phoneNumbers[type eq "work"].value', 'phoneNumbers[type eq "mobile"].value'
TEL, CHANGED_TEL = "tel:+44-20-7946-0018", {"changed": "tel:+44-20-7946-0019"}
NUMBER, CHANGED_NUMBER = "+442079460018", {"changed": "+442079460019"}
ELSEWHERE = 'options = { phone_schema = "zoomuser" }'

EPTURA = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("emails work", WORK_MAIL, "m@e.com", "m@e.com"),
    row("emails work, the primary", PRIMARY_MAIL, "m@e.com", "m@e.com", WORK_MAIL),
    row("name.givenName", "name.givenName", "Mia", "Mia"),
    row("name.familyName", "name.familyName", "Lindqvist", "Lindqvist"),
    row("externalId", "externalId", "00u4MIA", "00u4MIA"),
    row("phone work", WORK, "020 7946 0018", TEL, **CHANGED_TEL),
    row("phone work, with extension", WORK, "020 7946 0018 x12", f"{TEL};ext=12", **CHANGED_TEL),
    row("phone work, the primary", "phoneNumbers[primary eq true].value", NUMBER, TEL, WORK, **CHANGED_TEL),
    row("phone work, as a tel address", WORK, TEL, TEL, **CHANGED_TEL),
    row("phone mobile", MOBILE, "07400 123456", "tel:+44-7400-123456", changed="tel:+44-7400-123457"),
]
GENESYS = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("displayName", "displayName", "Mia Lindqvist", "Mia Lindqvist"),
    row("title", "title", "Agent", "Agent"),
    row("department", f"{ENTERPRISE}:department", "Sales", "Sales"),
    row("division", f"{ENTERPRISE}:division", "Home", "Home"),
    row("emails work", WORK_MAIL, "m@e.com", "m@e.com"),
    row("externalId", "externalId", "00u4MIA", "00u4MIA"),
    *(
        row(
            f"phone {kind}",
            f'phoneNumbers[type eq "{kind}"].value',
            "020 7946 0018",
            NUMBER,
            **CHANGED_NUMBER,
        )
        for kind in ("work", "work2", "work3", "work4", "home", "mobile", "other")
    ),
    row("phone with extension", WORK, "020 7946 0018 x12345", f"tel:{NUMBER}; ext=12345", **CHANGED_NUMBER),
]
TALKDESK_ROWS = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("name.givenName", "name.givenName", "Mia", "Mia"),
    row("name.familyName", "name.familyName", "Lindqvist", "Lindqvist"),
    row("externalId", "externalId", "00u4MIA", "00u4MIA"),
    row("rolesString", f"{TALKDESK}:rolesString", "Agent;Supervisor", "Agent;Supervisor"),
    row("rolesString, with spaces", f"{TALKDESK}:rolesString", "Agent ; Lead, Day", "Agent;Lead, Day"),
    row("teamsString", f"{TALKDESK}:teamsString", "Sales;Night", "Sales;Night"),
    row("rolesString, at the core level", "rolesString", "A;B", "A;B", f"{TALKDESK}:rolesString"),
]
WEBEX = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    *(row(name, f"name.{name}", "Mia", "Mia") for name in ("givenName", "familyName", "middleName")),
    *(row(name, f"name.{name}", "Dr.", "Dr.") for name in ("honorificPrefix", "honorificSuffix")),
    *(row(name, name, "Mia", "Mia") for name in ("displayName", "nickName", "title", "profileUrl")),
    row("timezone", "timezone", "America/Los_Angeles", "America/Los_Angeles"),
    row("preferredLanguage", "preferredLanguage", "fr-FR", "fr_FR", changed="en_US"),
    row("locale", "locale", "en-US", "en_US", changed="fr_FR"),
    row("locale, as it is wanted", "locale", "en_US", "en_US", changed="fr_FR"),
    row("emails work", WORK_MAIL, "m@e.com", "m@e.com"),
    row("emails work, the primary", PRIMARY_MAIL, "m@e.com", "m@e.com", WORK_MAIL),
    row("phone work", WORK, "400 123 1234", "400 123 1234"),
    row("phone mobile", MOBILE, "+44 7400 123456", "+44 7400 123456"),
    *(
        row(name, f'addresses[type eq "work"].{name}', "X", "X")
        for name in ("streetAddress", "locality", "region", "postalCode", "country")
    ),
    row(
        "country, of the primary",
        "addresses[primary eq true].country",
        "GB",
        "GB",
        'addresses[type eq "work"].country',
    ),
    *(
        row(name, f"{ENTERPRISE}:{name}", "X", "X")
        for name in ("employeeNumber", "costCenter", "organization", "division", "department")
    ),
]
PHONE = {
    "zoomPhoneExtNumber": "0",
    "zoomPhoneSite": "London",
    "zoomPhoneCallingPlan": "3000",
    "zoomPhoneNumber": NUMBER,
}
ZOOM_ROWS = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("name.givenName", "name.givenName", "Mia", "Mia"),
    row("name.familyName", "name.familyName", "Lindqvist", "Lindqvist"),
    row("emails work", WORK_MAIL, "m@e.com", "m@e.com"),
    row("emails work, the primary", PRIMARY_MAIL, "m@e.com", "m@e.com", WORK_MAIL),
    row("department", f"{ENTERPRISE}:department", "Sales", "Sales"),
    *(row(name, f"{ZOOM}:{name}", value, value) for name, value in PHONE.items()),
    *(
        row(f"{name}, at the core level", name, value, value, f"{ZOOM}:{name}")
        for name, value in PHONE.items()
    ),
]
ZOOM_USER_ROWS = [
    *(row(name, f"{ZOOM_USER}:{name}", value, value) for name, value in PHONE.items()),
    *(
        row(f"{name}, of the other schema", f"{ZOOM}:{name}", value, value, f"{ZOOM_USER}:{name}")
        for name, value in PHONE.items()
    ),
]


def rows(preset: str, rest: str, rows: list[Any]) -> list[Any]:
    return [pytest.param(preset, rest, *one.values, id=f"{preset} {one.id}") for one in rows]


ROWS = [
    *rows("eptura", REGION, EPTURA),
    *rows("genesys", REGION, GENESYS),
    *rows("talkdesk", "", TALKDESK_ROWS),
    *rows("webex", "", WEBEX),
    *rows("zoom", "", ZOOM_ROWS),
    *rows("zoom", ELSEWHERE, ZOOM_USER_ROWS),
]
BASES = {
    "eptura": having(WORK_MAIL, "mia.lindqvist@example.com"),
    "genesys": PERSON | {"displayName": "Mia Lindqvist"},
}


def base(preset, source=""):
    """Return somebody who has what the preset requires, and no other e-mail than the row's."""
    person = BASES.get(preset, PERSON)
    return lacking("emails", person) if source.startswith("emails") else person


@pytest.mark.parametrize(("preset", "rest", "row"), ROWS)
def test_a_row_of_the_vendors_list_is_sent(preset, rest, row):
    check_sent(mapping_for(preset, rest), row, base(preset, row.source))


@pytest.mark.parametrize(("preset", "rest", "row"), ROWS)
def test_a_row_of_the_vendors_list_is_shown_as_the_provider_has_it(preset, rest, row):
    check_shown(mapping_for(preset, rest), row, base(preset, row.source))


@pytest.mark.parametrize(
    ("preset", "path", "named"),
    [
        ("eptura", "userName", "userName"),
        ("eptura", "emails", WORK_MAIL),
        ("eptura", "name.givenName", "name.givenName"),
        ("eptura", "name.familyName", "name.familyName"),
        ("eptura", "externalId", "externalId"),
        ("genesys", "userName", "userName"),
        ("genesys", "displayName", "displayName"),
        ("talkdesk", "userName", "userName"),
        ("talkdesk", "name.givenName", "name.givenName"),
        ("talkdesk", "name.familyName", "name.familyName"),
        ("webex", "userName", "userName"),
        ("zoom", "userName", "userName"),
    ],
)
def test_nobody_is_sent_without_what_the_vendor_requires(preset, path, named):
    mapping, person = mapping_for(preset), lacking(path, base(preset))

    assert refusals(mapping, person) == [(named, "is required by the target")]
    assert refusals(mapping, person | {"active": False}) == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param("9001", "is not a valid phone number", id="extension alone"),
        pytest.param("n/a", "has no digits", id="no number"),
    ],
)
@pytest.mark.parametrize("preset", ["eptura", "genesys"])
def test_a_number_it_would_not_take_is_refused_but_not_of_a_leaver(preset, number, reason):
    mapping, person = mapping_for(preset, REGION), having(WORK, number, base(preset))

    assert refusals(mapping, person) == [(WORK, reason)]
    assert refusals(mapping, person | {"active": False}) == []


ROLES = [
    pytest.param(["Agent", "Lead, Day"], id="texts"),
    pytest.param([{"value": "Agent"}, {"value": "Lead, Day", "primary": True}], id="objects"),
    pytest.param("Agent;Lead, Day", id="one text"),
    pytest.param(["Agent; Lead, Day", "Agent"], id="text in a list, twice"),
]


@pytest.mark.parametrize("roles", ROLES)
def test_talkdesk_gets_roles_in_one_text(roles):
    form = mapping_for("talkdesk").forward(PERSON | {"roles": roles}).form

    assert form[TALKDESK] == {"rolesString": "Agent;Lead, Day"}
    assert "roles" not in form


@pytest.mark.parametrize("roles", ROLES)
def test_genesys_gets_every_role_by_its_name(roles):
    form = mapping_for("genesys").forward(base("genesys") | {"roles": roles}).form

    assert [role["value"] for role in form["roles"]] == ["Agent", "Lead, Day"]


def test_genesys_takes_the_formatted_name_where_none_is_shown():
    person = having("name.formatted", "Mia Lindqvist")

    assert mapping_for("genesys").forward(person).form["displayName"] == "Mia Lindqvist"


@pytest.mark.parametrize("kind", [None, "Employee"])
def test_everybody_is_a_user_at_webex(kind):
    person = dict(PERSON) if kind is None else PERSON | {"userType": kind}

    assert mapping_for("webex").forward(person).form["userType"] == "user"


@pytest.mark.parametrize("locale", ["en", "zh-Hans-CN", "Klingon"])
def test_webex_is_sent_no_locale_that_it_has_no_form_for(locale):
    mapped = mapping_for("webex").forward(PERSON | {"locale": locale})

    assert mapped.problems == ()
    assert "locale" not in mapped.form
    assert mapped.dropped == ("locale",)


def test_a_site_of_zoom_is_translated_by_the_offices():
    offices = 'offices = { LON = { name = "London Office" } }'

    form = mapping_for("zoom", offices).forward(having(f"{ZOOM}:zoomPhoneSite", "LON")).form

    assert form[ZOOM] == {"zoomPhoneSite": "London Office"}


@pytest.mark.parametrize(
    ("preset", "held"),
    [
        ("eptura", {"title", "preferredLanguage", "displayName"}),
        (
            "genesys",
            {"name.givenName", "name.familyName", f"{ENTERPRISE}:manager.value", "preferredLanguage"},
        ),
        ("talkdesk", {"title", "displayName", f"{MOBILE}"}),
        ("webex", {f"{ENTERPRISE}:manager.value"}),
        ("zoom", {"title", "displayName", "userType", f"{MOBILE}"}),
    ],
)
def test_what_the_vendor_says_nothing_of_is_held(preset, held):
    more = {"title": "Agent", "displayName": "Mia", "preferredLanguage": "en-GB", "userType": "Licensed"}
    person = having(MOBILE, NUMBER, having(f"{ENTERPRISE}:manager.value", "00u4boss", base(preset) | more))

    assert held <= set(mapping_for(preset).forward(person).held)
