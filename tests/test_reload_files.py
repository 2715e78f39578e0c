"""Secrets, tables and certificates that change beside the configuration, while the gateway runs."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.served import CONFIG, OTHER, PHONEBOOK, Scripted, Serve, Served, gateways, scripted_target
from tests.support.waiting import until

USERS = "/scim/phonebook/v2/Users"
PERSON = {"userName": "ann@example.com", "externalId": "1", "title": "Agent"}
TOKEN_FILE = CONFIG.replace('token = {{ sha256 = "{okta}" }}', 'token = {{ file = "okta.token" }}')
TABLE = (
    '[[targets.phonebook.rules]]\nto = "title"\nvia = [{ name = "map", table = { file = "titles.csv" } }]\n'
)
TLS = 'listen = "127.0.0.1:0"\ntls = {{ cert = "cert.pem", key = "key.pem" }}'


@pytest.fixture
async def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    monkeypatch.setattr("gateway.reload.LOOK", 0.02)
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with scripted_target() as target:
        target.says(200, '{"totalResults": 0}')
        yield target


def put(file: Path, content: str) -> None:
    """Put a file in the place of another, as who rotates secrets should."""
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_text(content)
    new.replace(file)


async def taken(served: Served, event: str = "config.reloaded", count: int = 1) -> list[Any]:
    """Wait until the trail has so many of these events and what they tell is in force, and return them."""
    async with asyncio.timeout(10):
        while len(found := [e for e in await served.events() if e["event"] == event]) < count:
            await asyncio.sleep(0.01)
        async with served.gateway.reloading._alone:  # the trail is told first
            return found


async def asked(served: Served, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with served.session.get(f"http://127.0.0.1:{served.port}{USERS}", headers=headers) as answer:
        return answer.status


async def test_a_token_file_that_changes_lets_the_new_token_in_and_the_old_one_no_more(
    serve, tmp_path
) -> None:
    put(tmp_path / "okta.token", "first-token\n")
    served = await serve(config=TOKEN_FILE)
    before = [await asked(served, "first-token"), await asked(served, "second-token")]

    put(tmp_path / "okta.token", "second-token\n")
    (event,) = await taken(served)

    assert (before, event["outcome"]["reason"]) == ([200, 401], f"changed: {tmp_path / 'okta.token'}")
    assert [await asked(served, "first-token"), await asked(served, "second-token")] == [401, 200]


async def test_a_targets_secret_is_shown_as_soon_as_it_changes(serve, scripted, tmp_path) -> None:
    put(tmp_path / "bearer", "old-secret")
    served = await serve(scripted.toml(auth='{ bearer = { file = "bearer" } }'), OTHER)
    await served.ask("GET", USERS)

    put(tmp_path / "bearer", "new-secret")
    await taken(served)
    await served.ask("GET", USERS)

    shown = [headers["Authorization"] for headers in scripted.headers]
    assert (shown[0], shown[-1]) == ("Bearer old-secret", "Bearer new-secret")


async def test_a_table_is_read_again_when_its_file_changes(serve, tmp_path) -> None:
    put(tmp_path / "titles.csv", "Agent,Old\n")
    served = await serve(PHONEBOOK + TABLE, OTHER)
    before = served.gateway.settings.digest

    put(tmp_path / "titles.csv", "Agent,New\n")
    (event,) = await taken(served)
    await served.ask("POST", USERS, PERSON)

    assert (await served.entries())[0]["title"] == "New"
    assert event["config"]["before"] == before != event["config"]["digest"]


@pytest.mark.parametrize("content", ["", "two\nlines\n"])
async def test_a_secret_that_cannot_be_used_keeps_the_old_one_and_is_told_once(
    serve, tmp_path, content: str
) -> None:
    put(tmp_path / "okta.token", "first-token\n")
    served = await serve(config=TOKEN_FILE)

    with capture_logs() as lines:
        put(tmp_path / "okta.token", content)
        await taken(served, "config.refused")
        await asyncio.sleep(0.2)

    assert [line["event"] for line in lines].count("config.refused") == 1
    assert await asked(served, "first-token") == 200


async def test_what_was_refused_is_taken_once_it_is_right(serve, tmp_path) -> None:
    put(tmp_path / "titles.csv", "Agent,Old\n")
    served = await serve(PHONEBOOK + TABLE, OTHER)

    put(tmp_path / "titles.csv", "Agent\n")
    await taken(served, "config.refused")
    put(tmp_path / "titles.csv", "Agent,New\n")
    await taken(served)

    assert (await served.ask("POST", USERS, PERSON)).status == 201
    assert (await served.entries())[0]["title"] == "New"


async def test_a_token_file_that_is_gone_for_a_while_is_not_made_anew(serve, tmp_path) -> None:
    put(tmp_path / "okta.token", "first-token\n")
    served = await serve(config=TOKEN_FILE)

    with capture_logs() as lines:
        (tmp_path / "okta.token").unlink()
        await until(lambda: any("gone" in str(line.get("reason")) for line in lines))
        kept = await asked(served, "first-token")
        put(tmp_path / "okta.token", "second-token\n")
        await taken(served)

    assert (kept, await asked(served, "second-token")) == (200, 200)


async def test_a_configuration_that_is_being_written_is_not_taken_with_a_secret(serve, tmp_path) -> None:
    put(tmp_path / "okta.token", "first-token\n")
    served = await serve(config=TOKEN_FILE)
    with (tmp_path / "config.toml").open("a") as file:
        file.write("[targets.half")

    put(tmp_path / "okta.token", "second-token\n")
    await taken(served)

    assert await asked(served, "second-token") == 200


def make_certificate(folder: Path, name: str, kind: str = "rsa:2048") -> None:
    """Put a certificate of this name in the place of another."""
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else []
    command = f"openssl req -x509 -newkey {kind} -nodes -keyout new-key.pem -out new-cert.pem -days 1"
    subprocess.run(
        [*command.split(), *curve, "-subj", f"/CN={name}"], cwd=folder, check=True, capture_output=True
    )
    (folder / "new-key.pem").chmod(0o600)
    (folder / "new-key.pem").replace(folder / "key.pem")
    (folder / "new-cert.pem").replace(folder / "cert.pem")


async def shown(port: int) -> bytes:
    """Return the certificate that a new connection is shown."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(found)


@pytest.mark.parametrize("kind", ["rsa:2048", "ec"])
async def test_a_new_certificate_is_shown_to_who_comes_and_who_is_there_stays(
    serve, tmp_path, kind: str
) -> None:
    make_certificate(tmp_path, "first.example.com")
    served = await serve(config=CONFIG.replace('listen = "127.0.0.1:0"', TLS))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusting)
    before = await shown(served.port)

    make_certificate(tmp_path, "second.example.com", kind)
    await taken(served)
    after = await shown(served.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert b"first.example.com" in before
    assert b"second.example.com" in after
    assert line.startswith(b"HTTP/1.1 200")


async def test_a_certificate_without_its_key_is_not_taken(serve, tmp_path) -> None:
    make_certificate(tmp_path, "first.example.com")
    served = await serve(config=CONFIG.replace('listen = "127.0.0.1:0"', TLS))

    (tmp_path / "key.pem").write_text("no key")
    (event,) = await taken(served, "config.refused")

    assert "server.tls" in event["outcome"]["reason"]
    assert b"first.example.com" in await shown(served.port)
