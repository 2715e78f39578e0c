"""What the connectors' contract speaks of, as each kind of target spells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.flow.target_port import Attributes

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
NAME = 'Ann "the \\ Ace" Exämple 例'


@dataclass(frozen=True)
class Form:
    """One spelling."""

    ann: Attributes
    change: Attributes  # of Ann: replaces, adds and, with None, removes
    words: Mapping[str, str] = field(default_factory=dict)  # in filters: SCIM's -> the target's
    keeps_external_ids: bool = True
    filters_all: bool = True  # else only some, and the gateway evaluates the others

    def filter(self, text: str) -> str:
        """Return a filter in SCIM's words in this target's."""
        for word, own in self.words.items():
            text = text.replace(word, own)
        return text


_SAME: Attributes = {
    "userName": "Ann.Example@example.test",
    "externalId": "00uAnn",
    "displayName": NAME,
    "active": True,
}
SCIM = Form(
    ann={
        **_SAME,
        "schemas": [CORE, ENTERPRISE],
        "name": {"givenName": "Ann", "familyName": "Exämple"},
        "emails": [{"value": "ann@example.test", "type": "work", "primary": True}],
        "phoneNumbers": [{"value": "+442079460018", "type": "work"}],
        ENTERPRISE: {"department": "Sales"},
    },
    change={
        "title": "Agent",
        "phoneNumbers": [{"value": "+819012345678", "type": "mobile"}],
        "displayName": None,
        "name": {"givenName": "Anna"},
    },
)
FLAT = Form(
    ann={
        **_SAME,
        "givenName": "Ann",
        "sn": "Exämple",
        "mail": "ann@example.test",
        "telephoneNumber": "+442079460018",
        "departmentNumber": "Sales",
    },
    change={
        "title": "Agent",
        "telephoneNumber": None,
        "mobile": "+819012345678",
        "displayName": None,
        "givenName": "Anna",
    },
    words={
        'emails[type eq "work" and value eq "ann@example.test"]': 'mail eq "ann@example.test"',
        "emails.value": "mail",
        "phoneNumbers.value": "telephoneNumber",
        "name.familyName": "sn",
        f"{ENTERPRISE}:department": "departmentNumber",
    },
)
DIALPAD = Form(
    ann={
        "userName": "Ann.Example@example.test",
        "active": True,
        "schemas": [CORE, ENTERPRISE],
        "name": {"givenName": "Ann", "familyName": "Exämple"},
        "title": NAME,
        ENTERPRISE: {"officeName": "London", "licenseType": "agents"},
    },
    change={
        "title": None,
        "name": {"givenName": "Anna"},
        ENTERPRISE: {"officeName": "London", "licenseType": "talk", "extension": "123"},
    },
    words={
        'emails[type eq "work" and value eq "ann@example.test"]': 'emails eq "Ann.EXAMPLE@example.test"',
        "ANN@example.test": "ANN.example@example.test",
        'phoneNumbers.value eq "+442079460018"': 'name.givenName eq "ann"',
        'externalId eq "00uAnn"': 'emails eq "ann.example@example.test"',
        "displayName": "title",
        f'{ENTERPRISE}:department eq "Sales"': f'{ENTERPRISE}:licenseType eq "agents"',
    },
    keeps_external_ids=False,
    filters_all=False,
)
