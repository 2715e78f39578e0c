"""A route: one address, several targets; the first answers, the others follow."""

import asyncio

import pytest

from tests.support.served import ANN, CONFIG, PHONEBOOK, TOKENS, check_refused

ROUTED = CONFIG.replace('targets = ["phonebook"]\n', "").replace('targets = ["other"]\n', "targets = []\n")
DIALPAD = """
[targets.dialpad]
connector = "embedded"
url = "sqlite:var/dialpad.db"
unlisted = "drop"
[[targets.dialpad.rules]]
to = "title"
via = ["upper"]
[[targets.dialpad.rules]]
to = "nickName"
from = "urn:agents:2.0:User:alias"
"""
EVERYONE = '[routes.everyone]\ntargets = ["phonebook", "dialpad"]\n'
USERS = "/scim/everyone/v2/Users"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.fixture
async def routed(serve):
    return await serve(PHONEBOOK, DIALPAD, EVERYONE, config=ROUTED)


async def followed(gateway):
    """Wait until the second target has been told all."""
    mirrors = gateway.gateway.services.mirrors
    async with asyncio.timeout(10):
        while (await mirrors.count("phonebook", "dialpad"))[0]:
            await asyncio.sleep(0.01)


async def test_the_first_target_answers_and_the_second_has_the_same_by_its_own_rules(routed):
    created = await routed.ask("POST", USERS, ANN | {"title": "agent", "nickName": "Annie"})
    await followed(routed)

    (first,), (second,) = await routed.entries(), await routed.entries("dialpad")
    assert created.status == 201
    assert created.body["id"] == first["id"]
    assert created.body["meta"]["location"] == f"https://gateway.example.com{USERS}/{first['id']}"
    assert (first["title"], first["nickName"]) == ("agent", "Annie")
    assert (second["title"], second.get("nickName")) == ("AGENT", None)
    assert second["userName"] == ANN["userName"]


async def test_a_whole_life_reaches_the_second_target(routed):
    id = (await routed.ask("POST", USERS, ANN)).body["id"]
    await routed.ask("PUT", f"{USERS}/{id}", ANN | {"title": "lead"})
    operation = {"op": "replace", "value": {"active": False}}
    await routed.ask("PATCH", f"{USERS}/{id}", {"schemas": [PATCH], "Operations": [operation]})
    await followed(routed)
    (left,) = await routed.entries("dialpad")
    await routed.ask("DELETE", f"{USERS}/{id}")
    await followed(routed)

    assert (left["title"], left["active"]) == ("LEAD", False)
    assert await routed.entries("dialpad") == []


async def test_what_the_second_is_told_is_in_the_trail_beside_its_cause(routed):
    created = await routed.ask("POST", USERS, ANN)
    await followed(routed)

    cause, effect = await routed.events()
    assert (cause["event"], cause["target"]["name"], cause["actor"]["name"]) == (
        "user.create",
        "phonebook",
        "okta",
    )
    assert (effect["event"], effect["target"]["name"]) == ("user.mirror", "dialpad")
    assert effect["actor"] == {"type": "gateway", "name": "everyone", "token": None}
    assert effect["correlation_id"] == cause["correlation_id"] == created.headers["X-Correlation-Id"]
    assert effect["target"]["id"] == cause["target"]["id"]


async def test_what_only_the_second_reads_is_in_the_schemas_and_comes_back(routed):
    agents = {"urn:agents:2.0:User": {"alias": "Annie"}}
    created = await routed.ask("POST", USERS, ANN | agents)
    await followed(routed)
    shown = await routed.ask("GET", f"{USERS}/{created.body['id']}")
    schemas = await routed.ask("GET", "/scim/everyone/v2/Schemas")

    (second,) = await routed.entries("dialpad")
    assert second["nickName"] == "Annie"
    assert shown.body["urn:agents:2.0:User"] == agents["urn:agents:2.0:User"]
    assert "urn:agents:2.0:User" in [schema["id"] for schema in schemas.body["Resources"]]


@pytest.mark.parametrize("first", ["phonebook", "dialpad"])
async def test_nothing_is_forgotten_that_another_target_may_need(serve, first):
    order = (
        EVERYONE
        if first == "phonebook"
        else EVERYONE.replace('"phonebook", "dialpad"', '"dialpad", "phonebook"')
    )
    served = await serve(PHONEBOOK, DIALPAD, order, config=ROUTED)

    created = await served.ask("POST", USERS, ANN | {"locale": "en-GB"})
    shown = await served.ask("GET", f"{USERS}/{created.body['id']}")

    assert shown.body["locale"] == "en-GB"


@pytest.mark.parametrize("name", ["phonebook", "dialpad"])
async def test_a_target_in_a_route_has_no_address_of_its_own(routed, name):
    answer = await routed.ask("GET", f"/scim/{name}/v2/Users")

    check_refused(answer, 404, f"{name} is a target of the route everyone: its base URL is /scim/everyone/v2")


async def test_a_token_for_other_addresses_does_not_open_a_route(routed):
    answer = await routed.ask("GET", USERS, token="idle")

    assert TOKENS["idle"] not in answer.body["detail"]
    check_refused(answer, 403, "does not open everyone")
