"""What people may be entitled to is offered, named, and nothing else is taken."""

from typing import Any

import pytest
from aiohttp import web

from gateway.scim.names import CORE_USER, PATCH_OP
from tests.support.served import CANARY, CONFIG
from tests.support.sql_tables import sqlite_tables

BASE = "/scim/phonebook/v2"
OKTA = "urn:okta:scim:schemas:core:1.0"
RFC = "urn:ietf:params:scim:schemas:core:2.0"
TABLE = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
[[targets.phonebook.entitlements]]
type = "License"
endpoint = "/Licences"
values = ["gold", { id = "s/1", display = "Silver", description = "Calls and texts" }, { id = "tin" }]
[[targets.phonebook.entitlements]]
type = "Role"
values = [{ id = "role-1", display = "First Role" }, { id = "role-2", display = "Second Role" }]
[[targets.phonebook.entitlements]]
type = "Seat"
schema = "rfc"
values = { file = "seats.csv", columns = ["seat", "name"] }
[[targets.phonebook.rules]]
to = "title"
from = 'entitlements[type eq "License"].value'
via = ["upper"]
"""
OTHER = '[targets.other]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/other.db"\n'
SEATS = "seat;name\nA1;By the window\nB2;In the hall\n"


@pytest.fixture
async def served(serve, tmp_path) -> Any:
    (tmp_path / "seats.csv").write_text(SEATS)
    return await serve(TABLE, OTHER)


def somebody(**other: Any) -> dict[str, Any]:
    return {"schemas": [CORE_USER], "userName": f"{CANARY}@example.com", "active": True, **other}


LICENCE = {"value": "gold", "type": "License"}


async def test_each_type_is_a_resource_type_with_its_schema(served) -> None:
    types = (await served.ask("GET", f"{BASE}/ResourceTypes")).body["Resources"]
    schemas = {one["id"]: one for one in (await served.ask("GET", f"{BASE}/Schemas")).body["Resources"]}
    one = (await served.ask("GET", f"{BASE}/ResourceTypes/license")).body

    assert {kind["id"]: (kind["endpoint"], kind["schema"]) for kind in types[2:]} == {
        "License": ("/Licences", f"{OKTA}:Entitlement"),
        "Role": ("/Roles", f"{OKTA}:Role"),
        "Seat": ("/Seats", f"{RFC}:Entitlement"),
    }
    assert {kind["schema"] for kind in types} <= schemas.keys()
    assert [part["name"] for part in schemas[f"{OKTA}:Role"]["attributes"]] == ["displayName", "description"]
    assert one["meta"]["location"] == f"https://gateway.example.com{BASE}/ResourceTypes/License"
    assert [extension["schema"] for extension in types[0]["schemaExtensions"]] == [
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    ]


async def test_the_calls_of_oktas_entitlement_suite_are_answered_as_it_asks(served) -> None:
    for endpoint in ("/Roles", "/Licences", "/Seats"):
        answer = await served.ask("GET", f"{BASE}{endpoint}?count=1&startIndex=1")

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/scim+json")
        assert answer.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
        assert (answer.body["startIndex"], answer.body["itemsPerPage"]) == (1, 1)
        assert answer.body["totalResults"] == {"/Roles": 2, "/Licences": 3, "/Seats": 2}[endpoint]


GOLD = {"schemas": [f"{OKTA}:Entitlement"], "id": "gold", "displayName": "gold", "type": "License"}


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        pytest.param("/Licences", ["gold", "s/1", "tin"], id="all"),
        pytest.param("/Licences?startIndex=2&count=1", ["s/1"], id="a page"),
        pytest.param("/Licences?startIndex=9", [], id="behind the last"),
        pytest.param("/Licences?count=0", [], id="how many"),
        pytest.param('/Licences?filter=displayName%20eq%20"silver"', ["s/1"], id="by name"),
        pytest.param('/Licences?filter=id%20eq%20"tin"', ["tin"], id="by id"),
        pytest.param('/Licences?filter=description%20co%20"text"', ["s/1"], id="by what it means"),
        pytest.param('/Licences?filter=displayName%20eq%20"none"', [], id="no match"),
        pytest.param('/Seats?filter=value%20eq%20"B2"', ["B2"], id="by value, of a file"),
    ],
)
async def test_an_endpoint_lists_filters_and_pages(served, path: str, ids: list[str]) -> None:
    answer = await served.ask("GET", f"{BASE}{path}")

    assert [one["id"] for one in answer.body["Resources"]] == ids


async def test_one_is_found_by_its_id_and_shown_as_asked(served, refused) -> None:
    gold = await served.ask("GET", f"{BASE}/Licences/gold")
    silver = await served.ask("GET", f"{BASE}/Licences/s%2F1?attributes=displayName")
    seat = await served.ask("GET", f"{BASE}/Seats/A1")

    location = f"https://gateway.example.com{BASE}/Licences/gold"
    assert gold.body == GOLD | {"meta": {"resourceType": "License", "location": location}}
    assert silver.body == {"schemas": [f"{OKTA}:Entitlement"], "id": "s/1", "displayName": "Silver"}
    assert (seat.body["display"], seat.body["supported"]) == ("By the window", True)
    refused(await served.ask("GET", f"{BASE}/Licences/lead"), 404, "License has no such value")
    refused(await served.ask("GET", f"{BASE}/Tins"), 404, "no such path")
    refused(await served.ask("GET", "/scim/other/v2/Licences", token="rfc"), 404, "no such path")
    refused(await served.ask("POST", f"{BASE}/Licences", {}), 405, "POST is not possible")
    refused(await served.ask("GET", f"{BASE}/Licences?filter=nonsense"), 400, "filter")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param(
            {"entitlements": [LICENCE, {"value": "lead", "type": "License"}]},
            'entitlements[type eq "License"].value: "lead": no License has this value',
            id="a value that there is not",
        ),
        pytest.param(
            {"entitlements": [{"value": "lead"}]},
            'entitlements.value: "lead": no License or Seat has this value',
            id="of no type",
        ),
        pytest.param(
            {"entitlements": [{"value": "gold", "type": "Car"}]},
            '"gold": the target has no entitlements of this type',
            id="a type that there is not",
        ),
        pytest.param({"roles": ["role-1", "role-9"]}, 'roles.value: "role-9": no Role has', id="a text"),
        pytest.param(
            {"roles": [{"value": "gold"}], "entitlements": [{"value": "A1", "type": "License"}]},
            '"A1": no License has this value (rule entitlements); roles.value: "gold": no Role has',
            id="of another type, each of them",
        ),
    ],
)
async def test_what_there_is_not_is_refused_by_attribute_and_value(
    served, refused, said: dict[str, Any], told: str
) -> None:
    answer = await served.ask("POST", f"{BASE}/Users", somebody(**said))

    refused(answer, 400, told)
    assert answer.body["scimType"] == "invalidValue"
    assert await served.entries() == []


async def test_people_are_given_changed_and_shown_what_they_may_have(served, refused) -> None:
    """Okta's suite that changes people: what they carry comes back by name and is written by rules."""
    given = somebody(
        entitlements=[LICENCE, {"value": "A1"}],
        roles=[{"value": "role-1"}, {"value": "role-2", "display": "As it was said", "type": "Own"}],
    )
    made = await served.ask("POST", f"{BASE}/Users", given)
    path = f"{BASE}/Users/{made.body['id']}"
    read = await served.ask("GET", path)

    assert (made.status, read.status) == (201, 200)
    assert made.body == read.body
    assert read.body["entitlements"] == [
        {**LICENCE, "display": "gold"},
        {"value": "A1", "display": "By the window", "type": "Seat"},
    ]
    assert read.body["roles"] == [
        {"value": "role-1", "display": "First Role"},
        {"value": "role-2", "display": "As it was said", "type": "Own"},
    ]
    assert (await served.entries())[0]["title"] == "GOLD"

    tin = {"value": "tin", "type": "License"}
    put = await served.ask(
        "PUT", path, {**read.body, "entitlements": [tin]}, **{"If-Match": read.headers["ETag"]}
    )
    bad = {"op": "add", "path": "entitlements", "value": [{"value": "lead", "type": "License"}]}
    patched = await served.ask("PATCH", path, {"schemas": [PATCH_OP], "Operations": [bad]})
    listed = await served.ask("GET", f'{BASE}/Users?filter=entitlements.value%20eq%20"tin"')

    assert (put.status, put.body["entitlements"]) == (200, [{**tin, "display": "tin"}])
    assert (await served.entries())[0]["title"] == "TIN"
    refused(patched, 400, '"lead": no License has this value')
    assert [one["entitlements"] for one in listed.body["Resources"]] == [[{**tin, "display": "tin"}]]


async def test_oktas_suite_that_makes_and_changes_people_runs_in_its_order(served) -> None:
    """What is offered is found as Okta finds it: types, schemas, endpoints; then one person's life."""
    types = (await served.ask("GET", f"{BASE}/ResourceTypes")).body["Resources"]
    known = {one["id"] for one in (await served.ask("GET", f"{BASE}/Schemas")).body["Resources"]}
    offered = {kind["schema"].rpartition(":")[2].casefold(): kind for kind in types if OKTA in kind["schema"]}
    first = {
        name: (await served.ask("GET", f"{BASE}{kind['endpoint']}?startIndex=1&count=100")).body["Resources"][
            0
        ]
        for name, kind in offered.items()
    }
    role, licence = first["role"], first["entitlement"]
    nobody = await served.ask("GET", f'{BASE}/Users?filter=userName%20eq%20"{CANARY}@example.com"')
    given = {
        "roles": [{"value": role["id"], "display": role["displayName"]}],
        "entitlements": [
            {"value": licence["id"], "display": licence["displayName"], "type": licence["type"]}
        ],
    }
    made = await served.ask("POST", f"{BASE}/Users", somebody(**given))
    path = f"{BASE}/Users/{made.body['id']}"
    imported = (await served.ask("GET", f"{BASE}/Users?startIndex=1&count=100")).body["Resources"]
    taken = await served.ask("PUT", path, somebody(roles=[], entitlements=given["entitlements"]))
    off = [{"op": "replace", "value": {"active": False}}]
    left = await served.ask("PATCH", path, {"schemas": [PATCH_OP], "Operations": off})

    assert {kind["schema"] for kind in types} <= known
    assert (role["schemas"], licence["schemas"]) == ([f"{OKTA}:Role"], [f"{OKTA}:Entitlement"])
    assert (nobody.body["totalResults"], made.status, taken.status, left.status) == (0, 201, 200, 200)
    assert [{name: one[name] for name in given} for one in imported] == [given]
    assert (taken.body.get("roles"), taken.body["entitlements"]) == (None, given["entitlements"])
    assert left.body["active"] is False


async def test_who_leaves_leaves_whatever_they_carry(serve, served, tmp_path) -> None:
    made = await served.ask("POST", f"{BASE}/Users", somebody(entitlements=[LICENCE]))
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace('["gold", ', "["))
    await served.gateway.reloading.reload()
    path = f"{BASE}/Users/{made.body['id']}"
    gone = await served.ask("GET", f"{BASE}/Licences/gold")
    stays = await served.ask("PUT", path, somebody(entitlements=[LICENCE], title="Boss"))
    leaves = await served.ask("PUT", path, somebody(entitlements=[LICENCE], active=False))

    assert (gone.status, stays.status, leaves.status) == (404, 400, 200)
    assert leaves.body["entitlements"] == [LICENCE]


GROUPS = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
page_size = 2
[[targets.phonebook.entitlements]]
type = "Profile"
values = { groups = 'displayName sw "p-"' }
"""


def read_anew(served: Any, kind: str) -> None:
    """Have the time come for a type to be read again."""
    served.gateway.targets["phonebook"].renew.__self__._due[kind] = 0.0


async def test_groups_of_the_target_are_values_and_read_again(serve, refused) -> None:
    served = await serve(GROUPS, OTHER)
    ids = [
        (await served.ask("POST", f"{BASE}/Groups", {"displayName": name})).body["id"]
        for name in ("p-agents", "all", "p-bosses")
    ]
    read_anew(served, "Profile")
    listed = await served.ask("GET", f"{BASE}/Profiles")
    made = await served.ask("POST", f"{BASE}/Users", somebody(entitlements=[{"value": ids[0]}]))
    refused(
        await served.ask("POST", f"{BASE}/Users", somebody(entitlements=[{"value": ids[1]}])), 400, ids[1]
    )
    await served.ask("POST", f"{BASE}/Groups", {"displayName": "p-more"})
    before = await served.ask("GET", f"{BASE}/Profiles")
    read_anew(served, "Profile")
    after = await served.ask("GET", f"{BASE}/Profiles")

    assert [one["displayName"] for one in listed.body["Resources"]] == ["p-agents", "p-bosses"]
    assert made.body["entitlements"] == [{"value": ids[0], "display": "p-agents", "type": "Profile"}]
    assert [found.body["totalResults"] for found in (before, after)] == [2, 3]


ENDPOINT = """[[targets.phonebook.entitlements]]
type = "License"
values = { endpoint = "/Seats" }
"""


async def test_an_endpoint_of_the_target_has_the_values(serve, scripted, refused, log) -> None:
    licences = [
        {"id": "gold", "displayName": "Gold", "description": "All of it"},
        {"id": "7", "value": "tin", "display": "Tin"},
    ]

    async def reply(request: web.Request) -> web.Response:
        start = int(request.query["startIndex"])
        page = licences[start - 1 : start - 1 + int(request.query["count"])]
        answer = {"totalResults": len(licences), "startIndex": start, "Resources": page}
        return web.json_response(answer if request.path == "/Seats" else {}, status=200)

    scripted.says(503)
    served = await serve(scripted.toml() + ENDPOINT, OTHER)
    refused(await served.ask("GET", f"{BASE}/Licenses"), 502, "the values of License could not be read yet")
    scripted.reply = reply
    read_anew(served, "License")
    listed = await served.ask("GET", f"{BASE}/Licenses")
    bad = await served.ask("POST", f"{BASE}/Users", somebody(entitlements=[{"value": "7"}]))

    assert [(one["id"], one["displayName"]) for one in listed.body["Resources"]] == [
        ("gold", "Gold"),
        ("tin", "Tin"),
    ]
    refused(bad, 400, '"7": no License has this value')
    assert '"type":"License","error":"broken","event":"entitlements.unread"' in log.getvalue()


QUERY = """
[[targets.directory.entitlements]]
type = "Desk"
values = { query = "SELECT code, 'Desk ' || code, NULL FROM desk ORDER BY code" }
"""


async def test_rows_of_a_database_are_values(serve, tmp_path, refused) -> None:
    tables = sqlite_tables(tmp_path)
    for code in ("B2", "A1"):
        tables.run(f"INSERT INTO desk VALUES ('{code}')")
    config = CONFIG.replace('targets = ["phonebook"]', 'targets = ["directory"]')
    served = await serve(tables.table(tmp_path) + QUERY, OTHER, config=config)
    listed = await served.ask("GET", "/scim/directory/v2/Desks")
    carried = somebody(entitlements=[{"value": "A1"}])
    made = await served.ask("POST", "/scim/directory/v2/Users", carried)
    bad = await served.ask("POST", "/scim/directory/v2/Users", somebody(entitlements=[{"value": "C3"}]))

    assert [(one["id"], one["displayName"]) for one in listed.body["Resources"]] == [
        ("A1", "Desk A1"),
        ("B2", "Desk B2"),
    ]
    assert made.body["entitlements"] == [{"value": "A1", "display": "Desk A1", "type": "Desk"}]
    refused(bad, 400, '"C3": no Desk has this value')
