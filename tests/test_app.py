"""The wiring: from a configuration to a gateway that serves, drains and starts again."""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from gateway import app, build
from gateway.admin.acts import Token, issue_token
from gateway.admin.operations import drop_operation
from gateway.flow.target_port import Denied, ResourceType
from gateway.journal.store import JournalLocked
from gateway.settings import load_settings
from gateway.settings.compiled import mapping_of
from gateway.targets.registry import CONNECTORS
from tests.support.authority import token_authority
from tests.support.served import CONFIG, OTHER, PHONEBOOK, Scripted, Serve, gateways, scripted_target, written
from tests.support.waiting import until

USERS = "/scim/phonebook/v2/Users"
PERSON = {"userName": "ann@example.com", "externalId": "1"}
ENTRY = json.dumps(PERSON | {"id": "t1", "active": True})
EMPTY = '{"totalResults": 0}'
PATIENT = {"timeout": '"20s"', "deadline": '"20s"'}


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with scripted_target() as target:
        yield target


async def test_a_change_under_way_is_finished_and_answered_before_the_end(serve, scripted) -> None:
    scripted.holds(201, ENTRY)
    served = await serve(scripted.toml(**PATIENT), OTHER)
    asking = asyncio.create_task(served.ask("POST", USERS, PERSON))
    await until(lambda: scripted.asked)

    async with asyncio.TaskGroup() as ending:
        ending.create_task(served.end())
        await until(lambda: served.gateway.health.draining)
        with pytest.raises(aiohttp.ClientConnectionError):
            await served.ask("GET", "/healthz", Connection="close")
        scripted.held.set()

    assert (await asking).status == 201


async def test_what_was_done_before_the_end_is_known_after_the_start(serve) -> None:
    served = await serve()
    created = await served.ask("POST", USERS, PERSON)
    await served.end()

    served = await serve()

    assert (await served.ask("GET", f"{USERS}/{created.body['id']}")).body == created.body
    assert (await served.ask("POST", USERS, PERSON)).status == 409


async def test_a_start_is_in_the_trail_with_the_configuration_it_had(serve, tmp_path) -> None:
    (tmp_path / "cx.token").write_text("secret-of-cx")
    (tmp_path / "cx.token").chmod(0o600)
    cx = (
        '[targets.cx]\npreset = "cx"\nurl = "http://127.0.0.1:9"\nauth = { bearer = { file = "cx.token" } }\n'
    )
    cx += "shared = true\n"
    served = await serve(PHONEBOOK, OTHER, cx)

    (event,) = await served.gateway.services.trail.page(None, 10, None, None)

    settings = served.gateway.settings
    assert event["event"] == "config.loaded"
    assert event["config"] == {
        "digest": settings.digest,
        "presets": {"cx": str(settings.targets["cx"].preset)},
    }


async def test_a_journal_restored_from_a_backup_is_noticed_and_creates_look_first(serve, tmp_path) -> None:
    served = await serve()
    await served.ask("POST", USERS, PERSON)
    await served.end()
    journal = tmp_path / "var" / "gateway.db"
    backup = journal.read_bytes()
    served = await serve()
    bob = await served.ask("POST", USERS, {"userName": "bob@example.com"})
    await served.end()
    journal.write_bytes(backup)

    served = await serve()
    again = await served.ask("POST", USERS, {"userName": "bob@example.com"})

    *_, restored, create = await served.events()
    assert (again.status, again.body["id"]) == (201, bob.body["id"])
    assert restored["event"] == "journal.restored"
    assert (create["outcome"]["result"], create["attempts"]) == ("adopted", [])


async def test_a_journal_that_was_not_restored_is_not_taken_for_one(serve) -> None:
    served = await serve()
    await served.ask("POST", USERS, PERSON)
    await served.end()

    served = await serve()

    assert not served.gateway.services.looks_first


async def test_two_gateways_on_one_journal_are_one_too_many(serve) -> None:
    await serve()

    with pytest.raises(JournalLocked):
        await serve()


async def test_what_was_in_doubt_at_the_end_is_settled_at_the_start(serve, scripted) -> None:
    scripted.holds(201, ENTRY)
    served = await serve(scripted.toml(settle="0"), OTHER)
    assert (await served.ask("POST", USERS, PERSON)).status == 429
    await served.end()
    scripted.says(200, json.dumps({"totalResults": 1, "Resources": [json.loads(ENTRY)]}))

    served = await serve(scripted.toml(settle="0"), OTHER)

    await until(lambda: "GET /Users" in scripted.asked[1:])
    event = await recovered(served)
    assert (event["outcome"]["result"], event["target"]["user_name"]) == ("applied", PERSON["userName"])


async def recovered(served: Any) -> Any:
    async with asyncio.timeout(10):
        while True:
            for event in await served.events():
                if event["event"] == "operation.recovered":
                    return event
            await asyncio.sleep(0)


async def test_nothing_ends_the_search_for_what_is_not_settled(serve, monkeypatch) -> None:
    looked: list[str] = []

    async def broken(self: Any, target: Any) -> None:
        looked.append(target.name)
        raise KeyError(target.name)

    monkeypatch.setattr(app.Recovery, "sweep", broken)
    with capture_logs() as lines:
        served = await serve()
        await until(lambda: len(looked) == 2)
        served.gateway.wakeup.wake()
        await until(lambda: len(looked) == 4)

    assert [line["error"] for line in lines if line["event"] == "recovery.failed"] == ["KeyError"] * 4


async def test_a_path_too_long_for_a_socket_is_a_warning_and_no_more(serve) -> None:
    config = CONFIG.replace("var/gateway.db", f"{'deep/' * 20}gateway.db")

    with capture_logs() as lines:
        served = await serve(config=config)

    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["control.unavailable"]
    assert (await served.ask("GET", USERS)).status == 200


AUTHS = [
    pytest.param('{ bearer = { env = "SECRET" } }', "Authorization", "Bearer the-secret", id="bearer"),
    pytest.param(
        '{ bearer = { env = "SECRET" }, scheme = "bearer" }',
        "Authorization",
        "bearer the-secret",
        id="scheme",
    ),
    pytest.param(
        '{ basic = { user = "me", password = { env = "SECRET" } } }',
        "Authorization",
        f"Basic {b64encode(b'me:the-secret').decode()}",
        id="basic",
    ),
    pytest.param(
        '{ header = { name = "X-Key", value = { env = "SECRET" } } }', "X-Key", "the-secret", id="a header"
    ),
]


@pytest.mark.parametrize(("auth", "name", "value"), AUTHS)
async def test_a_target_is_signed_in_to_as_the_configuration_says(
    serve, scripted, monkeypatch, auth: str, name: str, value: str
) -> None:
    monkeypatch.setenv("SECRET", "the-secret")
    scripted.says(200, EMPTY)
    served = await serve(scripted.toml(auth=auth), OTHER)

    await served.ask("GET", USERS)

    assert scripted.headers[0][name] == value


async def test_a_target_is_signed_in_to_with_tokens_of_its_token_endpoint(serve, monkeypatch) -> None:
    async with token_authority() as authority:
        monkeypatch.setenv("SECRET", "the-secret")
        said = f'token_url = "{authority.url}/token", client_id = "me", client_secret = {{ env = "SECRET" }}'
        target = f"""
[targets.phonebook]
connector = "scim"
url = "{authority.url}/scim"
auth = {{ scheme = "bearer", oauth2 = {{ {said}, scope = "scim" }} }}
"""
        served = await serve(target, OTHER)

        assert (await served.ask("GET", USERS)).status == 200
        assert authority.tokens == ["bearer canary-token-1"]
        assert authority.asked[0][1] == "grant_type=client_credentials&scope=scim"


async def test_a_target_without_credentials_gets_none_and_not_the_providers(serve, scripted) -> None:
    scripted.says(200, EMPTY)
    served = await serve(scripted.toml(), OTHER)

    await served.ask("GET", USERS, **{"X-Anything": "inbound", "Cookie": "a=b"})

    assert not {"Authorization", "X-Anything", "Cookie"} & set(scripted.headers[0])


async def test_a_targets_keys_reach_those_who_need_them(serve) -> None:
    keys = """
on_deactivate = "delete"
on_missing = "error"
adopt_by = ["externalId"]
reuse_name = "take"
protect = 'userType eq "Boss"'
unique_names = false
trust = "1s"
deadline = "9s"
settle = "2s"
give_up = "3h"
page_size = 7
busy_status = 503
rate = "1000/s"
"""
    served = await serve(PHONEBOOK.replace("[[", f"{keys}[[", 1), OTHER)

    target = served.gateway.targets["phonebook"]
    policy = target.policy
    assert target.busy_status == 503
    assert policy.protect is not None
    assert (policy.protect({"userType": "boss"}), policy.protect({})) == (True, False)
    assert replace(policy, protect=None, max_removals=None) == build.Policy(
        "delete", "error", ("externalId",), "take", None, False, 1.0, 9.0, 2.0, 10800.0, 7
    )


def test_the_rules_of_a_target_become_its_mapping(tmp_path) -> None:
    rules = PHONEBOOK + 'when = \'userType eq "Agent"\'\non_invalid = "drop"\n'
    settings = load_settings(written(tmp_path, CONFIG, (rules, OTHER)), CONNECTORS)

    mapping = mapping_of(settings.targets["phonebook"])

    person = {"userName": "a", "phoneNumbers": [{"value": "020 7946 0123"}]}
    shown = [mapping.forward(person | {"userType": kind}).form["phoneNumbers"] for kind in ("Agent", "Boss")]
    assert shown == [[{"value": "+442079460123"}], [{"value": "020 7946 0123"}]]


async def test_a_token_made_while_no_gateway_runs_is_valid_when_one_does(serve, tmp_path) -> None:
    settings = load_settings(written(tmp_path, CONFIG, (PHONEBOOK, OTHER)), CONNECTORS)
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # SHA-256 of "secret"
    async with build.open_journal(settings) as journal:
        token = Token("tok_1", "fresh", digest, "2026-03-01T00:00:00.000000Z")
        await issue_token(journal, token, "e1")

    served = await serve()

    answer = await served.ask("GET", "/scim/other/v2/Users", token=None, Authorization="Bearer secret")
    assert answer.status == 200


async def test_operations_can_be_acted_on_while_no_gateway_runs(tmp_path) -> None:
    settings = load_settings(written(tmp_path, CONFIG, (PHONEBOOK, OTHER)), CONNECTORS)

    async with build.open_journal(settings) as journal:
        assert await drop_operation(build.services_on(journal), "nothing") is False


async def test_a_target_can_be_tried_out(tmp_path, scripted) -> None:
    targets = (scripted.toml(), OTHER)
    settings = load_settings(written(tmp_path, CONFIG, targets), CONNECTORS)
    scripted.says(200, EMPTY)

    found = [await build.try_target(settings, target) for target in settings.targets.values()]

    assert [finding.about for finding in found[0]] == ["changes", "people", "look-ups", "paging", "groups"]
    assert [finding.about for finding in found[1]] == ["people", "look-ups", "paging", "groups"]
    scripted.says(401)
    with pytest.raises(Denied):
        await build.try_target(settings, settings.targets["phonebook"])


async def test_a_file_that_the_gateway_has_open_is_not_tried(serve) -> None:
    served = await serve()
    settings = served.gateway.settings

    with pytest.raises(JournalLocked):
        await build.try_target(settings, settings.targets["phonebook"])


def test_the_process_ends_where_its_files_cannot_be_believed(monkeypatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)

    with capture_logs() as lines:
        build.end_process("reading or writing the disk failed")

    assert ended == [3]
    assert lines == [
        {"event": "process.ended", "reason": "reading or writing the disk failed", "log_level": "critical"}
    ]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate of this machine for an hour."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "key.pem").chmod(0o600)
    return tmp_path / "cert.pem"


async def test_on_any_free_port_people_are_located_at_the_real_one(serve) -> None:
    served = await serve(config=CONFIG.replace('public_url = "https://gateway.example.com"', ""))

    made = await served.ask("POST", USERS, PERSON)

    base = f"http://127.0.0.1:{served.port}"
    assert made.headers["Location"] == made.body["meta"]["location"] == f"{base}{USERS}/{made.body['id']}"
    assert served.gateway.settings.server.public_url == base


async def test_a_public_address_is_told_on_any_free_port_too(serve) -> None:
    served = await serve()

    made = await served.ask("POST", USERS, PERSON)

    assert made.headers["Location"].startswith("https://gateway.example.com/scim/")
    assert served.gateway.settings.server.port == served.port != 0


async def test_who_does_not_come_to_terms_over_tls_is_cut(serve, certificate, monkeypatch) -> None:
    monkeypatch.setattr("gateway.server.runner.HEADER_TIME", 0.05)
    tls = 'listen = "127.0.0.1:0"\ntls = {{ cert = "cert.pem", key = "key.pem" }}'
    served = await serve(config=CONFIG.replace('listen = "127.0.0.1:0"', tls))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)

    assert await asyncio.wait_for(reader.read(), 10) == b""

    writer.close()
    await writer.wait_closed()


async def test_with_a_certificate_everything_is_over_tls(serve, certificate) -> None:
    tls = 'listen = "127.0.0.1:0"\ntls = {{ cert = "cert.pem", key = "key.pem" }}'
    served = await serve(config=CONFIG.replace('listen = "127.0.0.1:0"', tls))
    trust = ssl.create_default_context(cafile=str(certificate))

    async with served.session.get(f"https://127.0.0.1:{served.port}/healthz", ssl=trust) as answer:
        assert answer.status == 200
    with pytest.raises(aiohttp.ClientError):
        await served.ask("GET", "/healthz")


async def test_people_of_one_target_are_not_shown_to_another(serve) -> None:
    served = await serve()
    id = (await served.ask("POST", USERS, PERSON)).body["id"]

    answers = [
        await served.ask("GET", f"/scim/other/v2/Users/{id}", token="rfc"),
        await served.ask("DELETE", f"/scim/other/v2/Users/{id}", token="rfc"),
    ]

    assert [answer.status for answer in answers] == [404, 404]
    assert await served.gateway.targets["phonebook"].connector.get(ResourceType.USER, id) is not None


async def test_a_target_that_does_not_answer_keeps_no_other_targets_leavers_waiting(
    serve, monkeypatch
) -> None:
    looked: list[str] = []

    async def silent(self: Any, target: Any) -> None:
        looked.append(target.name)
        if target.name == "phonebook":
            await asyncio.Event().wait()

    monkeypatch.setattr(app.Recovery, "sweep", silent)
    served = await serve()
    await until(lambda: "other" in looked)
    looked.clear()

    served.gateway.wakeup.wake()

    await until(lambda: looked == ["other"])


async def test_what_stood_open_in_a_restored_journal_is_not_sent_but_shown(serve, scripted, tmp_path) -> None:
    scripted.says(500)
    target = scripted.toml(settle="0", unique_names="true")
    served = await serve(target, OTHER)
    await served.ask("POST", USERS, PERSON)
    assert [o.standing for o in await served.gateway.services.operations.open(None, ())] == ["doubt"]
    await served.end()
    journal = tmp_path / "var" / "gateway.db"
    backup = journal.read_bytes()
    scripted.says(200, EMPTY)
    served = await serve(target, OTHER)
    await recovered(served)
    await served.end()
    journal.write_bytes(backup)
    scripted.asked.clear()

    served = await serve(target, OTHER)
    await served.gateway.recovery.sweep(served.gateway.targets["phonebook"])

    (operation,) = await served.gateway.services.operations.open(None, ())
    assert (operation.standing, scripted.asked) == ("dead", [])
    assert "the journal was restored" in operation.reason
    assert (await served.ask("POST", USERS, PERSON)).status == 429
