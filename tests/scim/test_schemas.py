import pytest
from scim2_models import EnterpriseUser, Group, ResourceType, Schema, ServiceProviderConfig, User

from gateway.scim import standard
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER, resource
from gateway.scim.paths import place
from gateway.scim.schemas import (
    extension_schema,
    find,
    narrowed,
    requiring,
    resource_types,
    schemas,
    service_provider_config,
)

BASE = "https://gateway.test/scim/phonebook/v2"
WSOS = "urn:ietf:params:scim:schemas:extension:wsos:2.0:User"


def test_the_configuration_promises_only_what_is_done():
    config = service_provider_config(BASE, filter_max=50)

    supported = {
        name: part["supported"] for name, part in config.items() if isinstance(part, dict) and name != "meta"
    }
    assert supported == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "changePassword": False,
        "sort": False,
        "etag": True,
    }
    assert config["filter"]["maxResults"] == 50
    assert config["meta"]["location"] == f"{BASE}/ServiceProviderConfig"


@pytest.mark.parametrize(("has_groups", "endpoints"), [(True, ["/Users", "/Groups"]), (False, ["/Users"])])
def test_only_types_that_are_served_are_listed(has_groups, endpoints):
    assert [found["endpoint"] for found in resource_types(BASE, has_groups)] == endpoints


def test_a_user_type_names_its_extensions():
    user = resource_types(BASE, extensions=[ENTERPRISE_USER, WSOS])[0]

    assert [extension["schema"] for extension in user["schemaExtensions"]] == [ENTERPRISE_USER, WSOS]
    assert user["meta"] == {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"}


@pytest.mark.parametrize(
    ("has_groups", "ids"),
    [(True, [CORE_USER, CORE_GROUP, ENTERPRISE_USER]), (False, [CORE_USER, ENTERPRISE_USER])],
)
def test_the_standards_schemas_are_listed(has_groups, ids):
    found = schemas(BASE, has_groups)

    assert [schema["id"] for schema in found] == ids
    assert found[0]["meta"]["location"] == f"{BASE}/Schemas/{CORE_USER}"


def test_the_user_schema_has_what_is_always_shown():
    names = [attribute["name"] for attribute in schemas(BASE)[0]["attributes"]]

    assert {"userName", "name", "emails", "active", "externalId"} <= set(names)
    assert len(names) == len(set(names))


def test_the_schemas_say_of_every_attribute_what_filters_and_orders_go_by():
    found = []
    for schema in schemas(BASE):
        kind = resource("Group" if schema["id"] == CORE_GROUP else "User")
        known = kind.find(ENTERPRISE_USER) if schema["id"] == ENTERPRISE_USER else kind
        found += [(a, known.find(a["name"])) for a in schema["attributes"]]
        parents = [(a, known.find(a["name"])) for a in schema["attributes"] if a.get("subAttributes")]
        found += [(sub, k.find(sub["name"])) for a, k in parents for sub in a["subAttributes"]]

    for attribute, known in found:
        assert known is not None, attribute["name"]
        assert known.multi_valued is attribute["multiValued"]
        assert known.boolean is (attribute["type"] == "boolean")
        assert known.sub or known.case_exact is bool(attribute.get("caseExact"))


def test_no_description_breaks_a_line():
    assert all("\n" not in attribute["description"] for attribute in schemas(BASE)[0]["attributes"])


def test_an_extension_of_ones_own_is_a_schema_too():
    own = extension_schema(WSOS, ["name.familyNamePhonetic", "name.givenNamePhonetic", "code", "code"])

    assert [(attribute["name"], attribute["type"]) for attribute in own["attributes"]] == [
        ("name", "complex"),
        ("code", "string"),
    ]
    assert [sub["name"] for sub in own["attributes"][0]["subAttributes"]] == [
        "familyNamePhonetic",
        "givenNamePhonetic",
    ]
    assert schemas(BASE, extra=[own])[-1]["id"] == WSOS


@pytest.mark.parametrize(
    ("path", "required"),
    [
        pytest.param("TITLE", {"userName", "active", "title"}, id="in any case"),
        pytest.param("name.givenName", {"userName", "active", "name", "name.givenName"}, id="a part"),
        pytest.param("emails.value", {"userName", "active", "emails"}, id="of a list"),
        pytest.param('emails[type eq "work"].value', {"userName", "active", "emails"}, id="an element"),
        pytest.param("shoeSize", {"userName", "active"}, id="no attribute of the schema"),
    ],
)
def test_what_a_target_requires_is_required_by_its_schema(path, required):
    whole = schemas(BASE)[0]

    attributes = requiring(whole, [place(path)])["attributes"]

    subs = [(f"{a['name']}.", sub) for a in attributes for sub in a.get("subAttributes") or ()]
    found = {prefix + a["name"] for prefix, a in [("", a) for a in attributes] + subs if a["required"]}
    assert found == required
    assert whole == schemas(BASE)[0]


def test_a_schema_can_be_narrowed_to_what_a_target_shows():
    whole = schemas(BASE)[0]

    assert [attribute["name"] for attribute in narrowed(whole, ["USERNAME"])["attributes"]] == ["userName"]
    assert len(whole["attributes"]) > 1


@pytest.mark.parametrize(
    ("id", "found"),
    [pytest.param(CORE_USER.upper(), CORE_USER, id="any case"), pytest.param("urn:x", None, id="unknown")],
)
def test_a_document_is_found_by_its_id(id, found):
    assert (find(schemas(BASE), id) or {}).get("id") == found


def test_a_client_of_the_standard_understands_every_document():
    own = extension_schema(WSOS, ["name.familyNamePhonetic"])

    assert all(Schema.model_validate(document) for document in schemas(BASE, extra=[own]))
    assert all(ResourceType.model_validate(document) for document in resource_types(BASE))
    assert ServiceProviderConfig.model_validate(service_provider_config(BASE)).patch.supported


def characteristics(attributes):
    """Return what is said of each attribute, by name and in order, but for its description."""
    said = [{name: value for name, value in a.items() if name != "description"} for a in attributes]
    return [a | {"subAttributes": characteristics(a.get("subAttributes", []))} for a in said]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(standard.USER, User), (standard.GROUP, Group), (standard.ENTERPRISE, EnterpriseUser)],
)
def test_another_library_knows_the_same_standard(ours, theirs):
    judge = theirs.to_schema().model_dump(mode="json", exclude_none=True)

    assert ours["id"] == judge["id"]
    assert characteristics(ours["attributes"]) == characteristics(judge["attributes"])


def test_every_attribute_of_the_standard_is_described():
    for schema in (standard.USER, standard.GROUP, standard.ENTERPRISE):
        described = [
            *schema["attributes"],
            *(s for a in schema["attributes"] for s in a.get("subAttributes", [])),
        ]
        assert all(attribute["description"].endswith(".") for attribute in described)
