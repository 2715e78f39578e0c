"""The socket beside the journal: what a command asks is done by the running gateway, at once."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from tests.support.served import OTHER

USERS = "/scim/other/v2/Users"
SECRET = "canary-issued-token"
TOKEN = {
    "id": "tok_1",
    "provider": "fresh",
    "sha256": hashlib.sha256(SECRET.encode()).hexdigest(),
    "created": "2026-03-01T00:00:00.000000Z",
    "expires": None,
}
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def served(serve) -> Any:
    return await serve()


@pytest.fixture
async def command(served) -> AsyncIterator[Ask]:
    """Say something over the socket."""
    path = f"{served.gateway.settings.journal.path}.sock"
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:

        async def ask(method: str, address: str, document: Any = None) -> tuple[int, Any]:
            async with session.request(method, f"http://gateway{address}", data=body_of(document)) as answer:
                return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

        yield ask


def body_of(document: Any) -> BytesIO | None:
    return None if document is None else BytesIO(json.dumps(document).encode())


async def status_of(served: Any, token: str = SECRET) -> int:
    return int((await served.ask("GET", USERS, token=None, Authorization=f"Bearer {token}")).status)


async def test_only_the_gateways_own_user_may_use_the_socket(served) -> None:
    path = served.gateway.settings.journal.path

    assert path.with_name(f"{path.name}.sock").stat().st_mode & 0o777 == 0o600


async def test_a_token_is_valid_as_soon_as_it_is_made_and_no_more_when_it_is_revoked(served, command) -> None:
    assert await status_of(served) == 401

    assert await command("POST", "/tokens", TOKEN) == (201, {"id": "tok_1"})
    assert await status_of(served) == 200
    assert await command("DELETE", "/tokens/tok_1") == (204, None)
    assert await status_of(served) == 401

    events = [event for event in await served.events() if event["event"].startswith("token.")]
    # that it was used after its end is told, too
    assert [event["event"] for event in events] == ["token.issued", "token.revoked", "token.over"]
    assert "canary" not in str(events)


async def test_what_an_issued_token_does_is_done_in_its_name(served, command) -> None:
    await command("POST", "/tokens", TOKEN)

    await served.ask("POST", USERS, {"userName": "canary"}, None, Authorization=SECRET)

    assert (await served.events())[-1]["actor"] == {"type": "provider", "name": "fresh", "token": "tok_1"}


async def test_a_token_that_is_over_opens_nothing(served, command) -> None:
    await command("POST", "/tokens", TOKEN | {"expires": "2026-03-02T00:00:00.000000Z"})
    before = await status_of(served)
    other = {"id": "tok_2", "sha256": hashlib.sha256(b"canary-2").hexdigest()}
    await command("POST", "/tokens", TOKEN | other | {"expires": "9999-03-02T00:00:00.000000Z"})

    assert (before, await status_of(served, "canary-2")) == (401, 200)


async def test_a_token_opens_its_providers_targets_only(served, command) -> None:
    await command("POST", "/tokens", TOKEN)

    answer = await served.ask("GET", "/scim/phonebook/v2/Users", token=None, Authorization=SECRET)

    assert answer.status == 403


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"provider": "nobody"}, "provider is not in the running gateway's", id="unknown"),
        pytest.param({"provider": ["fresh"]}, "provider is missing", id="no text"),
        pytest.param({"sha256": "canary"}, "sha256 is missing", id="no digest"),
        pytest.param({"sha256": "AB" * 32}, "sha256 is missing", id="a digest in capitals"),
        pytest.param({"created": "now"}, "created is missing", id="no time"),
        pytest.param({"expires": "never"}, "expires is missing", id="no end"),
        pytest.param({"id": ""}, "id is missing", id="no id"),
        pytest.param({"id": None}, "id is missing", id="null"),
    ],
)
async def test_a_token_that_could_not_be_used_is_refused(served, command, changes: Any, says: str) -> None:
    status, answer = await command("POST", "/tokens", TOKEN | changes)

    assert (status, says in answer["detail"]) == (400, True)
    assert await served.gateway.journal.tokens.list() == ()


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        pytest.param("DELETE", "/tokens/nobody", 404, id="no such token"),
        pytest.param("GET", "/tokens", 405, id="a method that is not possible"),
        pytest.param("POST", "/elsewhere", 404, id="no such address"),
        pytest.param("POST", "/operations/nothing/retry", 404, id="no operation to retry"),
        pytest.param("DELETE", "/operations/nothing", 404, id="no operation to drop"),
        pytest.param("POST", "/targets/nowhere/release", 400, id="no such target"),
    ],
)
async def test_what_cannot_be_done_is_said(served, command, method: str, address: str, status: int) -> None:
    answered, answer = await command(method, address)

    assert (answered, answer["status"]) == (status, str(status))


async def test_releasing_a_target_that_holds_nothing_releases_nothing(command) -> None:
    assert await command("POST", "/targets/phonebook/release") == (200, {"released": 0})


async def test_a_body_beyond_measure_is_refused(command) -> None:
    status, _ = await command("POST", "/tokens", TOKEN | {"id": "x" * 2_000_000})

    assert status == 413


EMPTY = '{"totalResults": 0}'


async def in_doubt(served: Any, scripted: Any) -> str:
    """Leave a create in doubt; return the operation's id."""
    scripted.says(500)
    assert (await served.ask("POST", "/scim/phonebook/v2/Users", {"userName": "canary"})).status == 429
    (operation,) = await served.gateway.services.operations.open("phonebook", ())
    return str(operation.intent.op_id)


@pytest.fixture
async def doubtful(serve, scripted) -> Any:
    return await serve(scripted.toml(settle="0"), OTHER)


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_an_operation_in_doubt_is_dropped_or_tried_again(doubtful, scripted, method: str) -> None:
    id = await in_doubt(doubtful, scripted)
    scripted.says(200, EMPTY)
    path = f"{doubtful.gateway.settings.journal.path}.sock"
    address = f"http://gateway/operations/{id}" + ("" if method == "DELETE" else "/retry")

    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
        async with session.request(method, address) as answer:
            assert answer.status == 204
        async with asyncio.timeout(10):
            while await doubtful.gateway.services.operations.open("phonebook", ()):
                await asyncio.sleep(0)

    events = [event["event"] for event in await doubtful.events()]
    assert events[-1] == ("operation.dropped" if method == "DELETE" else "operation.recovered")


async def test_what_a_target_shows_of_somebody_now_is_told(served, command) -> None:
    made = await served.ask("POST", USERS, {"userName": "canary", "password": "pw-of-canary"}, token="rfc")
    id = made.body["id"]

    status, found = await command("POST", "/targets/other/entry", {"id": id})
    nobody = await command("POST", "/targets/other/entry", {"id": "nobody"})

    assert (status, found["entry"]["userName"]) == (200, "canary")
    assert "pw-of-canary" not in str(found)
    assert nobody == (200, {"entry": None})


@pytest.mark.parametrize(
    ("target", "body", "status", "says"),
    [
        pytest.param("nowhere", {"id": "7"}, 404, "not in the running gateway's", id="unknown target"),
        pytest.param("other", {}, 400, "id is missing", id="no id"),
        pytest.param("other", {"id": 7}, 400, "id is missing", id="no text"),
    ],
)
async def test_a_look_at_somebody_that_names_nobody_is_refused(
    served, command, target: str, body: Any, status: int, says: str
) -> None:
    answered, document = await command("POST", f"/targets/{target}/entry", body)

    assert answered == status
    assert says in document["detail"]
