"""The set-up pages: what they say of every target, for every provider, and nothing that is not so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.guide.data import ProviderKind
from gateway.guide.page import guide
from gateway.settings import load_settings
from gateway.settings.compiled import subject_of
from tests.support.pages import cells, section

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "guides"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WSOS = "urn:ietf:params:scim:schemas:extension:wsos:2.0:User"
TALKDESK = "urn:ietf:params:scim:schemas:extension:talkdesk:2.0:User"
ZOOM = "urn:ietf:params:scim:schemas:extension:zoom:1.0:User"
OKTA, AGENT, ENTRA = ProviderKind
PRESETS = (
    *("acall", "condeco", "cx", "dialpad", "dialpad-api"),
    *("eptura", "genesys", "talkdesk", "webex", "zoom"),
)

Page = Callable[..., str]


@pytest.fixture(scope="module")
def page() -> Page:
    """Return the page of a target of the golden configuration."""
    settings = load_settings(GOLDEN / "config.toml", ("embedded", "scim", "dialpad"), read_secrets=False)
    subjects = {name: subject_of(settings, name) for name in settings.targets}
    return lambda target, kind=OKTA: guide(subjects[target], kind)


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize("target", [*PRESETS, "phonebook"])
def test_a_page_is_as_it_was_read_and_approved(page: Page, target: str, kind: ProviderKind) -> None:
    assert page(target, kind) == (GOLDEN / f"{target}-{kind}.md").read_text("utf-8")


# --- every row of the vendors' tables of attributes

ATTRIBUTES = [  # target, display name, variable name, external name, external namespace
    ("acall", "Primary role", "primary_role", "roles.^[primary==true].value", CORE),
    ("acall", "Tel to Call Number", "tel_to_call_numbers", "phoneNumbers.^[type=='sms'].value", CORE),
    ("acall", "Extension Number", "extension_number", "phoneNumbers.^[type=='work'].value", CORE),
    ("acall", "SMS Number", "sms_number", "phoneNumbers.^[type=='mobile'].value", CORE),
    ("acall", "Slack Account", "slack_account", "accounts.^[type=='slack'].value", CORE),
    ("acall", "Google Account", "google_account", "accounts.^[type=='google'].value", CORE),
    ("acall", "familyNamePhonetic", "family_name_phonetic", "name.familyNamePhonetic", WSOS),
    ("acall", "givenNamePhonetic", "given_name_phonetic", "name.givenNamePhonetic", WSOS),
    ("acall", "Additional information", "additional_information", "additionalInformation", WSOS),
    ("acall", "Display name", "displayName", "displayName", CORE),
    ("acall", "Username", "userName", "userName", CORE),
    ("acall", "Family name", "familyName", "name.familyName", CORE),
    ("acall", "Given name", "givenName", "name.givenName", CORE),
    ("condeco", "Username", "userName", "userName", CORE),
    ("condeco", "Given name", "givenName", "name.givenName", CORE),
    ("condeco", "Family name", "familyName", "name.familyName", CORE),
    ("condeco", "Primary email", "email", "emails.^[primary==true].value", CORE),
    ("condeco", "Department", "department", "department", ENTERPRISE),
    ("condeco", "Preferred language", "preferredLanguage", "preferredLanguage", CORE),
    ("condeco", "Cost Center", "costCenter", "costCenter", ENTERPRISE),
    ("condeco", "Country Code", "country", "addresses.^[primary==true].country", CORE),
    ("condeco", "Locality", "locality", "addresses.^[primary==true].locality", CORE),
    ("condeco", "Primary Phone", "primaryPhone", "phoneNumbers.^[primary==true].value", CORE),
    ("condeco", "Mobile phone", "mobile_phone", "phoneNumbers.^[type=='mobile'].value", CORE),
    ("cx", "Username", "userName", "userName", CORE),
    ("cx", "Work phone", "work_phone", "phoneNumbers.^[type=='work'].value", CORE),
    ("cx", "Given name", "givenName", "name.givenName", CORE),
    ("cx", "Family name", "familyName", "name.familyName", CORE),
    ("cx", "Primary email", "email", "emails.^[primary==true].value", CORE),
    ("cx", "Job title", "title", "title", CORE),
    ("dialpad", "First name", "givenName", "name.givenName", CORE),
    ("dialpad", "Last name", "familyName", "name.familyName", CORE),
    ("dialpad", "Username", "userName", "userName", CORE),
    ("dialpad", "Department", "department", "department", ENTERPRISE),
    ("dialpad", "Office name", "officeName", "officeName", ENTERPRISE),
    ("dialpad", "Country code", "countryCode", "countryCode", ENTERPRISE),
    ("dialpad", "Preferred language", "preferredLanguage", "preferredLanguage", CORE),
    ("dialpad", "Title", "title", "title", CORE),
    ("dialpad", "License type", "licenseType", "licenseType", ENTERPRISE),
    ("dialpad-api", "First name", "givenName", "name.givenName", CORE),
    ("dialpad-api", "Last name", "familyName", "name.familyName", CORE),
    ("dialpad-api", "Username", "userName", "userName", CORE),
    ("dialpad-api", "Department", "department", "department", ENTERPRISE),
    ("dialpad-api", "Office name", "officeName", "officeName", ENTERPRISE),
    ("dialpad-api", "Title", "title", "title", CORE),
    ("dialpad-api", "License type", "licenseType", "licenseType", ENTERPRISE),
    ("eptura", "Work phone", "primaryPhone", "phoneNumbers.^[primary==true].value", CORE),
    ("eptura", "Mobile phone", "mobile_phone", "phoneNumbers.^[type=='mobile'].value", CORE),
    ("eptura", "Primary email", "email", "emails.^[primary==true].value", CORE),
    ("genesys", "Display name", "displayName", "displayName", CORE),
    ("genesys", "Division", "division", "division", ENTERPRISE),
    ("genesys", "Work phone", "work_phone", "phoneNumbers.^[type=='work'].value", CORE),
    ("talkdesk", "Roles", "rolesString", "rolesString", TALKDESK),
    ("talkdesk", "Teams", "teamsString", "teamsString", TALKDESK),
    ("webex", "Work phone", "work_phone", "phoneNumbers.^[type=='work'].value", CORE),
    ("webex", "Locale", "locale", "locale", CORE),
    ("zoom", "Phone extension", "zoomPhoneExtNumber", "zoomPhoneExtNumber", ZOOM),
    ("zoom", "Phone site", "zoomPhoneSite", "zoomPhoneSite", ZOOM),
    ("zoom", "Calling plan", "zoomPhoneCallingPlan", "zoomPhoneCallingPlan", ZOOM),
    ("zoom", "Phone number", "zoomPhoneNumber", "zoomPhoneNumber", ZOOM),
]


@pytest.mark.parametrize("kind", [OKTA, AGENT])
@pytest.mark.parametrize("row", ATTRIBUTES, ids=lambda row: f"{row[0]} {row[1]}")
def test_an_attribute_of_the_vendors_table_is_in_the_profile(
    page: Page, row: tuple[str, ...], kind: ProviderKind
) -> None:
    target, *attribute = row

    assert [*attribute, "string"] in cells(section(page(target, kind), "Set up the attributes"))


MAPPINGS = [  # target, attribute, how, value, what it is at the target
    ("acall", "Username", "*Sign On* tab", "Application username format", "user.email"),
    ("acall", "Given name", "Map from Okta Profile", "firstName", "mandatory"),
    ("acall", "Family name", "Map from Okta Profile", "lastName", "mandatory"),
    ("acall", "Display name", "Expression", 'user.firstName + " " + user.lastName', ""),
    (
        "acall",
        "Primary role",
        "Expression",
        'String.stringSwitch(user.email, "general", "admin@ex.com", "admin")',
        "role",
    ),
    ("acall", "Tel to Call Number", "Map from Okta Profile", "mobilePhone", "called"),
    ("acall", "Extension Number", "Map from Okta Profile", "primaryPhone", "extension"),
    ("acall", "SMS Number", "Map from Okta Profile", "mobilePhone", "SMS"),
    ("acall", "Slack Account", "Map from Okta Profile", "email", "Slack"),
    ("acall", "Google Account", "Map from Okta Profile", "email", "Google"),
    ("acall", "Additional information", "Map from Okta Profile", "userType", "text"),
    ("condeco", "Username", "*Sign On* tab", "Application username format", "mandatory"),
    ("condeco", "Given name", "Map from Okta Profile", "firstName", "mandatory"),
    ("condeco", "Family name", "Map from Okta Profile", "lastName", "mandatory"),
    ("condeco", "Primary email", "Map from Okta Profile", "email", "mandatory"),
    ("condeco", "Department", "Map from Okta Profile", "department", "optional"),
    ("condeco", "Preferred language", "Map from Okta Profile", "preferredLanguage", "optional"),
    ("condeco", "Cost Center", "Map from Okta Profile", "costCenter", "optional"),
    ("condeco", "Country Code", "Map from Okta Profile", "countryCode", "optional"),
    ("condeco", "Locality", "Map from Okta Profile", "city", "building"),
    ("condeco", "Primary Phone", "Map from Okta Profile", "primaryPhone", "work"),
    ("condeco", "Mobile phone", "Map from Okta Profile", "mobilePhone", "optional"),
    ("cx", "Username", "*Sign On* tab", "Application username format", "required"),
    ("cx", "External ID", "nothing to map", "Okta sends its own user ID", "required"),
    ("cx", "Work phone", "Map from Okta Profile", "primaryPhone", "required"),
    ("cx", "Given name", "Map from Okta Profile", "firstName", "optional where there is a family name"),
    ("cx", "Family name", "Map from Okta Profile", "lastName", "optional where there is a given name"),
    ("cx", "Primary email", "Map from Okta Profile", "email", "optional"),
    ("cx", "Job title", "Map from Okta Profile", "title", "optional"),
    ("dialpad", "First name", "Map from Okta Profile", "firstName", "combined"),
    ("dialpad", "Last name", "Map from Okta Profile", "lastName", "combined"),
    ("dialpad", "Username", "*Sign On* tab", "Application username format", "name@domain"),
    ("dialpad", "Department", "Map from Okta Profile", "department", "Office"),
    ("dialpad", "Office name", "Map from Okta Profile", "*the attribute that holds it*", "Office"),
    ("dialpad", "Country code", "Map from Okta Profile", "countryCode", "Country"),
    ("dialpad", "Preferred language", "Map from Okta Profile", "preferredLanguage", "Language"),
    ("dialpad", "Title", "Map from Okta Profile", "title", "Job Title"),
    ("dialpad", "License type", "Map from Okta Profile", "*the attribute that holds it*", "License"),
    ("eptura", "Work phone", "Map from Okta Profile", "primaryPhone", "in any spelling"),
    ("genesys", "Display name", "Expression", 'user.firstName + " " + user.lastName', "required"),
    ("genesys", "Work phone", "Map from Okta Profile", "primaryPhone", "in any spelling"),
    ("talkdesk", "Roles", "Map from Okta Profile", "*the attribute that holds it*", "`;` between"),
    ("webex", "Username", "*Sign On* tab", "Application username format", "e-mail"),
    ("zoom", "Phone number", "Map from Okta Profile", "*the attribute that holds it*", "nobody has yet"),
]


@pytest.mark.parametrize("row", MAPPINGS, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_mapping_of_the_vendors_table_is_there(page: Page, row: tuple[str, ...]) -> None:
    target, name, how, value, meaning = row

    found = [line for line in cells(section(page(target), "Map them")) if line[0].startswith(f"{name} (")]

    assert [line[1:3] for line in found] == [[how, value]]
    assert meaning in found[0][4]


LICENCES = [
    ("dialpad_talk", "Dialpad Talk"),
    ("dialpad_lite", "Dialpad Talk (Lite)"),
    ("dialpad_support", "Dialpad Contact Center"),
    ("dialpad_sell", "Dialpad Sell"),
    ("dialpad_tfb", "Dialpad TfB Offer"),
]


@pytest.mark.parametrize("licence", LICENCES, ids=lambda licence: licence[0])
@pytest.mark.parametrize(("kind", "heading"), [(OKTA, "Map them"), (ENTRA, "Map the attributes")])
def test_a_licence_of_dialpads_table_is_there(
    page: Page, kind: ProviderKind, heading: str, licence: tuple[str, str]
) -> None:
    assert list(licence) in cells(section(page("dialpad", kind), heading))


ENTRA_ROWS = [  # target, application attribute, attribute of Entra ID
    ("cx", "userName", "userPrincipalName"),
    ("cx", "externalId", "objectId"),
    ("cx", 'phoneNumbers[type eq "work"].value', "telephoneNumber"),
    ("cx", "name.givenName", "givenName"),
    ("cx", "name.familyName", "surname"),
    ("cx", 'emails[type eq "work"].value', "mail"),
    ("cx", "title", "jobTitle"),
    ("acall", 'roles[primary eq "True"].value', "SingleAppRoleAssignment([appRoleAssignments])"),
    ("acall", 'accounts[type eq "slack"].value', "mail"),
    ("acall", f"{WSOS}:name.familyNamePhonetic", "*the attribute that holds it*"),
    ("condeco", 'addresses[type eq "work"].country', "country"),
    ("condeco", f"{ENTERPRISE}:costCenter", "*the attribute that holds it*"),
    ("dialpad", f"{ENTERPRISE}:officeName", "physicalDeliveryOfficeName"),
    ("dialpad", f"{ENTERPRISE}:department", "department"),
]


@pytest.mark.parametrize("row", ENTRA_ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_entra_maps_what_the_target_reads(page: Page, row: tuple[str, ...]) -> None:
    target, attribute, value = row

    mappings = cells(section(page(target, ENTRA), "Map the attributes"))

    assert [line[2] for line in mappings if line[0] == attribute] == [value]


REPLACED = [  # target, a step of its own guide
    ("cx", "`bearer ABC123`"),
    ("cx", "`String.removeSpaces(user.primaryPhone)`"),
    ("acall", "without a `/` at the end"),
    ("acall", "`user.mobilePhone == null ? null : user.mobilePhone`"),
    ("acall", "`user.primaryPhone == null ? null : user.primaryPhone`"),
    ("acall", "`String.removeSpaces(user.mobilePhone)`"),
    ("acall", "`roles.^[primary=='true'].value`"),
    ("acall", "`name.additionalInformation`"),
    ("condeco", "ISO 639-1"),
    ("condeco", "API Token"),
    ("dialpad", "Dialpad API token"),
    ("dialpad", "Offices spelled as at Dialpad"),
    ("eptura", "RFC 3966"),
    ("genesys", "`tel:+n; ext=x`"),
    ("talkdesk", "`Agent;Supervisor`"),
    ("webex", "`en_US`"),
    ("zoom", "Sites spelled as at Zoom"),
]


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize(("target", "step"), REPLACED)
def test_a_step_that_the_gateway_does_now_is_named(
    page: Page, target: str, step: str, kind: ProviderKind
) -> None:
    assert step in section(page(target, kind), "What no longer applies")


PREREQUISITES = [
    ("cx", "Contact Centre › Customise › Integrations › External Directories"),
    ("cx", "valid work phone number"),
    ("acall", "contact@i.acall.jp"),
    ("acall", "*Basic*"),
    ("acall", "SAML"),
    ("condeco", "SCIM Token Provider"),
    ("dialpad", "API token"),
    ("eptura", "by invitation"),
    ("genesys", "*Client Credentials*"),
    ("talkdesk", "Early Access"),
    ("webex", "**Organization ID**"),
    ("zoom", "Vanity URL"),
    ("zoom", "account ID"),
]


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize(("target", "words"), PREREQUISITES)
def test_what_the_target_needs_first_is_said_first(
    page: Page, target: str, words: str, kind: ProviderKind
) -> None:
    assert words in section(page(target, kind), "Before you begin")


@pytest.mark.parametrize("target", [*PRESETS, "phonebook"])
def test_every_attribute_has_a_namespace(page: Page, target: str) -> None:
    rows = [row for row in cells(section(page(target), "Set up the attributes")) if row[0] != "---"]

    assert {row[3] for row in rows} - {"External namespace"} <= {CORE, ENTERPRISE, WSOS, TALKDESK, ZOOM}


OKTA_STEPS = [
    "SCIM 2.0 Test App (Header Auth)",
    "SCIM 2.0 Test App (OAuth Bearer Token)",
    "`https://gateway.example.com/scim/{target}/v2`",
    "`Bearer TOKEN`",
    "**Create Users**",
    "**Update User Attributes**",
    "**Deactivate Users**",
    "Save one at a time",
    "Delete every other mapping",
    "delete every attribute mapping but **Username**",
    "**Provision User**",
    "**Push Groups**",
    "without one Okta saves it, shows it and never sends it",
]


@pytest.mark.parametrize("target", [*PRESETS, "phonebook"])
def test_the_apps_own_list_of_roles_is_deleted_unless_the_target_reads_it(page: Page, target: str) -> None:
    deleted = "delete the app's attribute `roles`" in page(target)

    assert deleted == (target not in ("genesys", "talkdesk"))


@pytest.mark.parametrize("target", [*PRESETS, "phonebook"])
@pytest.mark.parametrize("words", OKTA_STEPS)
def test_every_page_for_okta_has_every_step(page: Page, target: str, words: str) -> None:
    assert words.format(target=target) in page(target)


@pytest.mark.parametrize(
    "words",
    [
        "Non-gallery",
        "`https://gateway.example.com/scim/cx/v2?aadOptscim062020` or `https://gateway.example.com/scim/cx/v2`",
        "`[providers.entra]`",
        "is removed from CX",
    ],
)
def test_the_page_for_entra_has_its_own_steps(page: Page, words: str) -> None:
    assert words in page("cx", ENTRA)


@pytest.mark.parametrize(
    "words",
    [
        "**Configure SCIM Connector**",
        "version 2.1.0",
        "`Authorization`",
        "`/ServiceProviderConfigs`",
        "| SCIM connector base URL | `https://gateway.example.com/scim/cx/v2/`, with the slash at its end |",
        "at `https://gateway.example.com/scim/cx/v2/`.",
    ],
)
def test_the_page_for_the_agent_has_its_own_steps(page: Page, words: str) -> None:
    assert words in page("cx", AGENT)
    assert "Test App (Header Auth)" not in page("cx", AGENT)
    assert "/scim/cx/v2`" not in page("cx", AGENT)
