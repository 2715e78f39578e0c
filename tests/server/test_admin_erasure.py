"""A person erased over the socket of a running gateway."""

import json

import aiohttp
import pytest

from tests.support.served import ANN, CANARY, OTHER, PHONEBOOK, USERS

HIDDEN = PHONEBOOK.replace('region = "GB"', 'region = "GB"\naudit = "{}"')


async def command(served, body):
    """Say something over the socket."""
    path = f"{served.gateway.settings.journal.path}.sock"
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
        session.post("http://gateway/erasures", data=json.dumps(body).encode()) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_person_is_erased_while_the_gateway_runs(serve, tmp_path):
    served = await serve()
    created = await served.ask("POST", USERS, ANN)
    status, said = await command(served, {"name": ANN["userName"]})
    assert (status, said["events"], said["originals"]) == (200, [2], [])
    assert said["kept"] == [{"target": "phonebook", "reason": "the person is active there"}]

    await served.ask("DELETE", f"{USERS}/{created.body['id']}")
    status, said = await command(served, {"name": ANN["userName"]})
    assert (said["originals"], said["kept"], said["is_done"]) == (["phonebook"], [], True)
    files = [
        file for file in (tmp_path / "var").iterdir() if file.name.startswith("gateway.db") and file.is_file()
    ]
    assert [file.name for file in files if CANARY.encode() in file.read_bytes()] == []


@pytest.mark.parametrize("body", [{}, {"name": 7}, {"name": ""}], ids=["none", "number", "empty"])
async def test_without_a_name_nothing_is_done(serve, body):
    status, said = await command(await serve(), body)

    assert (status, said["detail"].split(" [")[0]) == (400, "name is missing, or not as a command writes it")


@pytest.mark.parametrize("level", ["masked", "hashed"])
async def test_a_targets_level_hides_its_people_from_the_trail(serve, tmp_path, level):
    served = await serve(HIDDEN.format(level), OTHER)
    refused = {**ANN, "userName": f"{CANARY}.bob@example.com", "phoneNumbers": [{"value": f"{CANARY} 12"}]}
    for body in (ANN, ANN, refused):
        await served.ask("POST", USERS, body)

    events = json.dumps(await served.events())
    assert CANARY not in events
    assert events.count(f'"level": "{level}"') == 3
    assert (tmp_path / "var" / "gateway.db.key").exists() == (level == "hashed")


async def test_what_a_target_quotes_of_a_person_is_hidden_too(serve, scripted):
    served = await serve(scripted.toml(audit='"masked"'), OTHER)
    scripted.says(400, json.dumps({"detail": f"externalId {ANN['externalId']} belongs to the family Lee"}))
    answer = await served.ask("POST", USERS, ANN)

    (event,) = await served.events()
    assert "externalId *** belongs to the family ***" in answer.body["detail"]
    assert event["outcome"]["reason"].endswith("externalId c*** (8) belongs to the family *** (3)")
