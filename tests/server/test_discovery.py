"""What a provider can find out about a target is true."""

from typing import Any

import pytest

from gateway.scim.names import CORE_USER, ENTERPRISE_USER

BASE = "/scim/phonebook/v2"
OWN = "urn:example:2.0:User"
TABLE = '[targets.phonebook]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/phonebook.db"\n'
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


async def attributes(serve: Any, table: str) -> dict[str, list[str]]:
    """Return the names of the attributes by schema."""
    schemas = (await asked(serve, "Schemas", table))["Resources"]
    return {schema["id"]: [a["name"] for a in schema["attributes"]] for schema in schemas}


async def test_what_is_supported_is_what_works(serve) -> None:
    config = await asked(serve, "ServiceProviderConfig", TABLE + "page_size = 50\n")

    assert config["filter"] == {"supported": True, "maxResults": 50}
    supported = {name for name, value in config.items() if isinstance(value, dict) and value.get("supported")}
    assert supported == {"patch", "filter"}
    assert config["meta"]["location"] == f"https://gateway.example.com{BASE}/ServiceProviderConfig"


async def test_there_are_people_and_no_groups(serve) -> None:
    types = await asked(serve, "ResourceTypes")

    assert [(kind["id"], kind["endpoint"], kind["schema"]) for kind in types["Resources"]] == [
        ("User", "/Users", CORE_USER)
    ]


@pytest.mark.parametrize(
    "table", [TABLE, TABLE + RULES, TABLE + 'unlisted = "drop"\n'], ids=["plain", "rules", "drop"]
)
async def test_the_extensions_of_a_person_are_those_with_a_schema(serve, table: str) -> None:
    served = await serve(table, OTHER)

    kind = (await served.ask("GET", f"{BASE}/ResourceTypes/User")).body
    schemas = (await served.ask("GET", f"{BASE}/Schemas")).body["Resources"]

    assert [kind["schema"], *(e["schema"] for e in kind["schemaExtensions"])] == [s["id"] for s in schemas]
    assert {s["meta"]["location"] for s in schemas} == {
        f"https://gateway.example.com{BASE}/Schemas/{s['id']}" for s in schemas
    }


async def test_a_target_without_rules_has_the_standards_attributes(serve) -> None:
    found = await attributes(serve, TABLE)

    assert list(found) == [CORE_USER, ENTERPRISE_USER]
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


async def test_an_extension_of_which_nothing_is_kept_is_not_listed(serve) -> None:
    assert list(await attributes(serve, TABLE + 'unlisted = "drop"\n')) == [CORE_USER]


@pytest.mark.parametrize(
    "name",
    ["ResourceTypes/User", "ResourceTypes/user", f"Schemas/{CORE_USER}", f"Schemas/{CORE_USER.upper()}"],
)
async def test_one_document_can_be_asked_for(serve, name: str) -> None:
    collection = name.partition("/")[0]

    document = await asked(serve, name)

    assert document["meta"]["location"] == f"https://gateway.example.com{BASE}/{collection}/{document['id']}"


@pytest.mark.parametrize(
    "name", ["ResourceTypes/Group", "Schemas/canary", "ServiceProviderConfig/x", "Bulk", "Me", "schemas"]
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
