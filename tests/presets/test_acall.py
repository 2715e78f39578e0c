"""The preset `acall`, row by row of the tables in ACALL's two documents."""

import pytest

from tests.support.presets import PERSON, check_sent, check_shown, having, lacking, mapping_for, refusals, row

WSOS = "urn:ietf:params:scim:schemas:extension:wsos:2.0:User"
INFORMATION = f"{WSOS}:additionalInformation"
LITERAL = 'primary_literal = "string"'
IN_NAME = 'additional_information = "name"'

ROWS = [
    row("userName", "userName", "Mia@Example.com", "Mia@Example.com"),
    row("familyName", "name.familyName", "山田", "山田"),
    row("givenName", "name.givenName", "花子", "花子"),
    row("Display name", "displayName", "Mia Lindqvist", "Mia Lindqvist"),
    row("Primary role", "roles[primary eq true].value", "Admin", "admin", changed="general"),
    row("Tel to Call Number", 'phoneNumbers[type eq "sms"].value', "+81 90 1234 5678", "+819012345678"),
    row("Extension Number", 'phoneNumbers[type eq "work"].value', " 12\u00a034 ", "1234"),
    row("SMS Number", 'phoneNumbers[type eq "mobile"].value', "090 1234 5678", "09012345678"),
    row("Slack Account", 'accounts[type eq "slack"].value', "mia@example.com", "mia@example.com"),
    row("Google Account", 'accounts[type eq "google"].value', "mia@example.com", "mia@example.com"),
    row("familyNamePhonetic", f"{WSOS}:name.familyNamePhonetic", "ヤマダ", "ヤマダ"),
    row("givenNamePhonetic", f"{WSOS}:name.givenNamePhonetic", "ハナコ", "ハナコ"),
    row("Additional information", INFORMATION, "VIP", "VIP"),
    row(
        "Additional information in the name", f"{WSOS}:name.additionalInformation", "VIP", "VIP", INFORMATION
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_tables_is_sent(row):
    check_sent(mapping_for("acall"), row)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_tables_is_shown_as_the_provider_has_it(row):
    check_shown(mapping_for("acall"), row)


@pytest.mark.parametrize(
    ("roles", "sent"),
    [
        pytest.param("general", "general", id="text"),
        pytest.param("Admin; general", "admin", id="text of several"),
        pytest.param(["General", "admin"], "general", id="list of texts"),
        pytest.param('["admin"]', "admin", id="JSON in a text"),
        pytest.param([{"value": "general"}, {"value": "admin"}], "general", id="objects, none primary"),
        pytest.param([{"value": "guest"}, {"value": "admin", "primary": "True"}], "admin", id="primary"),
        pytest.param([{"value": '{"value": "Admin"}', "primary": False}], "admin", id="JSON in a value"),
    ],
)
@pytest.mark.parametrize(("options", "literal"), [("", True), (LITERAL, "true")], ids=["boolean", "string"])
def test_one_role_is_sent_and_it_is_primary(roles, sent, options, literal):
    mapped = mapping_for("acall", f"options = {{ {options} }}").forward(PERSON | {"roles": roles})

    assert mapped.form["roles"] == [{"value": sent, "primary": literal}]


@pytest.mark.parametrize(
    ("roles", "shown"),
    [
        pytest.param("Admin", "general", id="text"),
        pytest.param(["Admin"], ["general"], id="list of texts"),
        pytest.param([{"value": "Admin"}], [{"value": "general", "primary": True}], id="objects"),
        pytest.param([], [{"value": "general", "primary": True}], id="none"),
    ],
)
def test_a_role_changed_at_the_target_is_shown_in_the_providers_shape(roles, shown):
    mapping, original = mapping_for("acall"), PERSON | {"roles": roles}
    form = mapping.forward(original).form

    view = mapping.view(original, form, form | {"roles": [{"value": "general", "primary": True}]})

    assert view["roles"] == shown


def test_an_entry_that_was_there_before_is_shown_as_okta_would_have_sent_it():
    role = [{"value": "admin", "primary": "true"}]
    mapping = mapping_for("acall", f"options = {{ {LITERAL}, {IN_NAME} }}")
    entry = PERSON | {"id": "t1", "roles": role, WSOS: {"name": {"additionalInformation": "VIP"}}}

    assert mapping.reverse(entry) == {
        **{name: value for name, value in PERSON.items() if name != "schemas"},
        "roles": [{"primary": True, "value": "admin"}],
        WSOS: {"name": {"additionalInformation": "VIP"}},
    }


@pytest.mark.parametrize("roles", ["guest", ["admin", "guest"], [{"primary": True, "value": "owner"}]])
def test_a_role_that_acall_has_not_is_refused_but_not_of_a_leaver(roles):
    mapping, person = mapping_for("acall"), PERSON | {"roles": roles}

    ((path, reason),) = refusals(mapping, person)

    assert (path.partition("[")[0], reason) == ("roles", "is not one of admin, general")
    assert refusals(mapping, person | {"active": False}) == []


@pytest.mark.parametrize("path", ["userName", "name.familyName", "name.givenName"])
def test_nobody_is_sent_without_a_mandatory_attribute(path):
    mapping, person = mapping_for("acall"), lacking(path)

    assert refusals(mapping, person) == [(path, "is required by the target")]
    assert refusals(mapping, person | {"active": False}) == []


@pytest.mark.parametrize("place", ["additionalInformation", "name.additionalInformation"])
@pytest.mark.parametrize(
    ("options", "sent"),
    [
        pytest.param("", {"additionalInformation": "VIP"}, id="top"),
        pytest.param(IN_NAME, {"name": {"additionalInformation": "VIP"}}, id="name"),
    ],
)
def test_additional_information_is_sent_where_the_tenant_reads_it_and_nowhere_else(place, options, sent):
    mapping = mapping_for("acall", f"options = {{ {options} }}")

    assert mapping.forward(having(f"{WSOS}:{place}", "VIP")).form[WSOS] == sent


def test_what_acall_does_not_read_is_held():
    person = PERSON | {"locale": "en-US", "accounts": [{"type": "teams", "value": "m@e.com"}]}

    mapped = mapping_for("acall").forward(person)

    assert mapped.form.keys() == {"schemas", "userName", "name", "externalId", "active"}
    assert {"emails[1].value", "locale", 'accounts[type eq "teams"].value'} <= set(mapped.held)
