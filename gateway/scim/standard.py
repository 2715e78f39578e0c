"""The standard's schemas as data: what RFC 7643 sections 4 and 8.7 say of every attribute. Pure."""

from typing import Any, Final

from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER, SCHEMA

Definition = dict[str, Any]

# RFC 7643 section 2.2: what an attribute is unless its definition says otherwise.
_DEFAULTS: Final[Definition] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}


def define(name: str, description: str, *sub: Definition, **other: Any) -> Definition:
    """Return the definition of an attribute: a text, or complex where it has sub-attributes."""
    plain = {"name": name, "description": description, **_DEFAULTS}
    return plain | ({"type": "complex", "subAttributes": list(sub)} if sub else {}) | other


def schema_document(urn: str, name: str, description: str, *attributes: Definition) -> Definition:
    """Return the document of a schema (RFC 7643 section 7)."""
    named = {"schemas": [SCHEMA], "id": urn, "name": name, "description": description}
    return {**named, "attributes": list(attributes)}


def _list(name: str, description: str, value: Definition, **kind: Any) -> Definition:
    """Return a list of the usual shape (RFC 7643 section 2.4); `kind` adds to its `type`."""
    return define(
        name,
        description,
        value,
        define("display", "The value as people are to read it."),
        define("type", "What the value is for.", **kind),
        define("primary", "Whether this is the preferred value; true at most once.", type="boolean"),
        multiValued=True,
    )


def _membership(mutability: str, *sub: Definition) -> tuple[Definition, ...]:
    return tuple({**definition, "mutability": mutability} for definition in sub)


def _link(description: str, *types: str, name: str = "$ref", **other: Any) -> Definition:
    return define(name, description, type="reference", caseExact=True, referenceTypes=list(types), **other)


USER: Final = schema_document(
    CORE_USER,
    "User",
    "A person who has an account",
    define(
        "userName",
        "What the person signs in with; nobody else at the service has it.",
        required=True,
        uniqueness="server",
    ),
    define(
        "name",
        "The parts of the person's name.",
        define("formatted", "The whole name, with titles and suffixes, as it is shown."),
        define("familyName", "The family name, or last name."),
        define("givenName", "The given name, or first name."),
        define("middleName", "The middle names."),
        define("honorificPrefix", "The titles before the name, such as Dr."),
        define("honorificSuffix", "What follows the name, such as III."),
    ),
    define("displayName", "The person's name as others are to see it."),
    define("nickName", "What the person is called among colleagues."),
    _link("The address of the person's page.", "external", name="profileUrl"),
    define("title", "The person's job title."),
    define("userType", "How the person belongs to the organization, such as Employee or Contractor."),
    define("preferredLanguage", "The languages the person prefers, as in Accept-Language."),
    define("locale", "The language and region by which dates, numbers and currency are written."),
    define("timezone", "The time zone, by its name in the IANA database."),
    define("active", "Whether the person may use the account.", type="boolean"),
    define(
        "password",
        "The password to set; it is never shown.",
        caseExact=True,
        mutability="writeOnly",
        returned="never",
    ),
    _list(
        "emails",
        "The person's e-mail addresses.",
        define("value", "The e-mail address."),
        canonicalValues=["work", "home", "other"],
    ),
    _list(
        "phoneNumbers",
        "The person's telephone numbers.",
        define("value", "The telephone number."),
        canonicalValues=["work", "home", "mobile", "fax", "pager", "other"],
    ),
    _list(
        "ims",
        "The person's addresses for instant messages.",
        define("value", "The address for instant messages."),
        canonicalValues=["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"],
    ),
    _list(
        "photos",
        "Where pictures of the person are.",
        _link("The address of the picture.", "external", name="value"),
        canonicalValues=["photo", "thumbnail"],
    ),
    define(
        "addresses",
        "The person's postal addresses.",
        define("formatted", "The whole address as it is printed on a label."),
        define("streetAddress", "Street, house number and what else leads to the door."),
        define("locality", "The city or town."),
        define("region", "The state, province or region."),
        define("postalCode", "The postal code."),
        define("country", "The country, by its code of two letters (ISO 3166-1)."),
        define("type", "What the address is for.", canonicalValues=["work", "home", "other"]),
        define("primary", "Whether this is the preferred address; true at most once.", type="boolean"),
        multiValued=True,
    ),
    define(
        "groups",
        "The groups the person is in; they are changed at the group.",
        *_membership(
            "readOnly",
            define("value", "The id of the group.", caseExact=True),
            _link("The address of the group.", "Group"),
            define("display", "The group's name."),
            define(
                "type",
                "Whether the person is in the group itself or through another one.",
                canonicalValues=["direct", "indirect"],
            ),
        ),
        multiValued=True,
        mutability="readOnly",
    ),
    _list("entitlements", "What the person is entitled to.", define("value", "The entitlement.")),
    _list("roles", "What the person is, such as Student or Faculty.", define("value", "The role.")),
    _list(
        "x509Certificates",
        "The person's certificates.",
        define("value", "The certificate: DER in Base64.", type="binary", caseExact=True),
    ),
)

GROUP: Final = schema_document(
    CORE_GROUP,
    "Group",
    "A named set of people and groups",
    define("displayName", "The group's name.", required=True),
    define(
        "members",
        "Who is in the group.",
        *_membership(
            "immutable",
            define("value", "The id of the member.", caseExact=True),
            _link("The address of the member.", "User", "Group"),
            define("type", "What the member is.", canonicalValues=["User", "Group"]),
        ),
        define("display", "The member's name."),
        multiValued=True,
    ),
)

ENTERPRISE: Final = schema_document(
    ENTERPRISE_USER,
    "Enterprise User",
    "What an employer knows of a person",
    define("employeeNumber", "The number or code by which the employer knows the person."),
    define("costCenter", "The cost center."),
    define("organization", "The organization."),
    define("division", "The division."),
    define("department", "The department."),
    define(
        "manager",
        "Whom the person reports to.",
        define("value", "The manager's id.", caseExact=True, required=True),
        _link("The manager's address.", "User", required=True),
        define("displayName", "The manager's name.", mutability="readOnly"),
    ),
)
