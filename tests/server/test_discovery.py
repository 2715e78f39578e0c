"""What a provider can find out about a target is true."""

from typing import Any

import pytest

from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER

BASE = "/scim/phonebook/v2"
OWN = "urn:example:2.0:User"
TABLE = '[targets.phonebook]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/phonebook.db"\n'
WITHOUT_GROUPS = """
[targets.phonebook]
shared = true
connector = "scim"
url = "http://127.0.0.1:9"
groups = false
"""
OTHER = '[targets.other]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/other.db"\n'
RULES = f"""
[[targets.phonebook.rules]]
to = "title"
from = ["*:licenceType", "title"]
[[targets.phonebook.rules]]
to = 'accounts[type eq "slack"].value'
[[targets.phonebook.rules]]
to = "{OWN}:name.familyNamePhonetic"
[[targets.phonebook.rules]]
to = "{ENTERPRISE_USER}:officeName"
"""


async def asked(serve: Any, name: str, table: str = TABLE) -> Any:
    answer = await (await serve(table, OTHER)).ask("GET", f"{BASE}/{name}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/scim+json")
    return answer.body


def supported_of(config: dict[str, Any]) -> set[str]:
    return {name for name, value in config.items() if isinstance(value, dict) and value.get("supported")}


async def attributes(serve: Any, table: str) -> dict[str, list[str]]:
    """Return the names of the attributes by schema."""
    schemas = (await asked(serve, "Schemas", table))["Resources"]
    return {schema["id"]: [a["name"] for a in schema["attributes"]] for schema in schemas}


async def test_what_is_supported_is_what_works(serve) -> None:
    config = await asked(serve, "ServiceProviderConfig", TABLE + "page_size = 50\n")

    assert config["filter"] == {"supported": True, "maxResults": 50}
    assert supported_of(config) == {"patch", "filter", "sort", "etag"}
    assert config["meta"]["location"] == f"https://gateway.example.com{BASE}/ServiceProviderConfig"


PASSWORD = '[[targets.phonebook.rules]]\nto = "password"\n'


@pytest.mark.parametrize(
    ("table", "supported"),
    [
        pytest.param(WITHOUT_GROUPS, {"patch", "filter", "etag"}, id="a target that we do not sort"),
        pytest.param(
            TABLE + PASSWORD, {"patch", "filter", "etag", "sort", "changePassword"}, id="a password"
        ),
    ],
)
async def test_what_depends_on_the_target_is_said_of_it(serve, table: str, supported: set[str]) -> None:
    config = await asked(serve, "ServiceProviderConfig", table)

    assert supported_of(config) == supported
    assert [scheme["type"] for scheme in config["authenticationSchemes"]] == ["oauthbearertoken", "httpbasic"]


@pytest.mark.parametrize("unlisted", ["send", "drop"])
@pytest.mark.parametrize(("rules", "listed"), [("", False), (PASSWORD, True)])
async def test_a_password_is_listed_where_it_is_sent(serve, unlisted: str, rules: str, listed: bool) -> None:
    names = [a["name"] for a in await core(serve, f'{TABLE}unlisted = "{unlisted}"\n{rules}')]

    assert ("password" in names) is listed


async def test_a_page_holds_no_more_than_is_said(serve) -> None:
    config = await asked(serve, "ServiceProviderConfig", TABLE + "page_size = 5000\n")

    assert config["filter"]["maxResults"] == 1000


async def test_an_own_extension_of_which_rules_pick_elements_has_several(serve) -> None:
    rule = f"[[targets.phonebook.rules]]\nto = '{OWN}:ids[type eq \"x\"].value'\n"

    (ids,) = (await asked(serve, f"Schemas/{OWN}", TABLE + rule))["attributes"]

    assert (ids["name"], ids["multiValued"]) == ("ids", True)


async def test_there_are_people_and_groups(serve) -> None:
    types = await asked(serve, "ResourceTypes")

    assert [(kind["id"], kind["endpoint"], kind["schema"]) for kind in types["Resources"]] == [
        ("User", "/Users", CORE_USER),
        ("Group", "/Groups", CORE_GROUP),
    ]


async def test_a_target_without_groups_has_nothing_of_them(serve, refused) -> None:
    served = await serve(WITHOUT_GROUPS, OTHER)

    for name, ids in {"ResourceTypes": ["User"], "Schemas": [CORE_USER, ENTERPRISE_USER]}.items():
        listed = (await served.ask("GET", f"{BASE}/{name}")).body["Resources"]
        assert [document["id"] for document in listed] == ids
    refused(await served.ask("GET", f"{BASE}/ResourceTypes/Group"), 404, "no such")
    refused(await served.ask("GET", f"{BASE}/Schemas/{CORE_GROUP}"), 404, "no such")


@pytest.mark.parametrize(
    "table", [TABLE, TABLE + RULES, TABLE + 'unlisted = "drop"\n'], ids=["plain", "rules", "drop"]
)
async def test_the_extensions_of_a_person_are_those_with_a_schema(serve, table: str) -> None:
    served = await serve(table, OTHER)

    kind = (await served.ask("GET", f"{BASE}/ResourceTypes/User")).body
    schemas = (await served.ask("GET", f"{BASE}/Schemas")).body["Resources"]

    shown = [schema["id"] for schema in schemas if schema["id"] != CORE_GROUP]
    assert [kind["schema"], *(e["schema"] for e in kind["schemaExtensions"])] == shown
    assert {s["meta"]["location"] for s in schemas} == {
        f"https://gateway.example.com{BASE}/Schemas/{s['id']}" for s in schemas
    }


async def test_a_target_without_rules_has_the_standards_attributes(serve) -> None:
    found = await attributes(serve, TABLE)

    assert sorted(found) == sorted([CORE_USER, CORE_GROUP, ENTERPRISE_USER])
    assert {"userName", "externalId", "active", "phoneNumbers", "roles"} <= set(found[CORE_USER])


async def test_what_rules_read_is_listed_where_the_provider_finds_it(serve) -> None:
    found = await attributes(serve, TABLE + RULES)

    assert found[CORE_USER][-2:] == ["licenceType", "accounts"]
    assert found[ENTERPRISE_USER][-1] == "officeName"
    assert found[OWN] == ["name"]


async def test_an_attribute_of_which_rules_pick_elements_has_several(serve) -> None:
    (accounts,) = [a for a in await core(serve, TABLE + RULES) if a["name"] == "accounts"]

    assert accounts["multiValued"] is True
    assert [sub["name"] for sub in accounts["subAttributes"]] == ["value"]


async def core(serve: Any, table: str) -> list[Any]:
    body = await asked(serve, f"Schemas/{CORE_USER}", table)
    return list(body["attributes"])


async def test_what_is_forgotten_is_not_listed(serve) -> None:
    found = await attributes(serve, TABLE + 'unlisted = "drop"\nrequire = ["nickName"]\n' + RULES)

    shown = {
        "userName",
        "externalId",
        "active",
        "name",
        "emails",
        "nickName",
        "title",
        "licenceType",
        "accounts",
    }
    assert set(found[CORE_USER]) == shown
    assert found[ENTERPRISE_USER] == ["officeName"]
    assert found[OWN] == ["name"]


async def test_what_the_target_requires_is_required_of_the_provider(serve) -> None:
    require = f'require = ["name.familyName", "{ENTERPRISE_USER}:department", "badge"]\n'
    rule = f'[[targets.phonebook.rules]]\nto = "badge"\nfrom = "{OWN}:badge"\n'

    schemas = (await asked(serve, "Schemas", TABLE + require + rule))["Resources"]

    required = {s["id"]: {a["name"] for a in s["attributes"] if a["required"]} for s in schemas}
    assert required == {
        CORE_USER: {"userName", "active", "name"},
        CORE_GROUP: {"displayName"},
        ENTERPRISE_USER: {"department"},
        OWN: {"badge"},
    }


async def test_an_extension_of_which_nothing_is_kept_is_not_listed(serve) -> None:
    found = await attributes(serve, TABLE + 'unlisted = "drop"\n')

    assert sorted(found) == sorted([CORE_USER, CORE_GROUP])
    assert {"displayName", "members"} <= set(found[CORE_GROUP])


@pytest.mark.parametrize(
    "name",
    ["ResourceTypes/User", "ResourceTypes/user", f"Schemas/{CORE_USER}", f"Schemas/{CORE_USER.upper()}"],
)
async def test_one_document_can_be_asked_for(serve, name: str) -> None:
    collection = name.partition("/")[0]

    document = await asked(serve, name)

    assert document["meta"]["location"] == f"https://gateway.example.com{BASE}/{collection}/{document['id']}"


@pytest.mark.parametrize(
    "name", ["ResourceTypes/canary", "Schemas/canary", "ServiceProviderConfig/x", "Bulk", "Me", "schemas"]
)
async def test_what_is_not_served_is_404(serve, refused, name: str) -> None:
    served = await serve()

    refused(await served.ask("GET", f"{BASE}/{name}"), 404, "no such")


@pytest.mark.parametrize("name", ["ServiceProviderConfig", "ResourceTypes", "Schemas", "Schemas/x"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_discovery_can_only_be_read(serve, refused, method: str, name: str) -> None:
    served = await serve()

    answer = await served.ask(method, f"{BASE}/{name}", {})

    refused(answer, 405, f"{method} is not possible on {BASE}/")
    assert answer.headers["Allow"] == "GET, HEAD"


async def test_discovery_is_for_those_whose_target_it_is(serve, refused) -> None:
    served = await serve()

    refused(await served.ask("GET", f"{BASE}/Schemas", token=None), 401, "no Authorization header")
    refused(await served.ask("GET", f"{BASE}/Schemas", token="rfc"), 403, "does not open phonebook")
