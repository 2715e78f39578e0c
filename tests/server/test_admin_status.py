"""Over the socket: how the gateway stands, and targets paused and resumed."""

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.flow.recovery import Recovery
from gateway.version import VERSION
from tests.support.served import ANN, OTHER, USERS, falls_sick

LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}


async def say(served: Any, method: str, address: str) -> tuple[int, Any]:
    """Say something over the socket."""
    connector = aiohttp.UnixConnector(f"{served.gateway.settings.journal.path}.sock")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://gateway{address}") as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def test_the_status_says_how_everything_stands(serve) -> None:
    served = await serve()
    await served.ask("POST", USERS, ANN)

    status, found = await say(served, "GET", "/status")

    assert (status, found["running"], found["version"]) == (200, True, VERSION)
    journal = found["journal"]
    assert (journal["writable"], journal["reason"], journal["seq"]) == (True, None, 2)
    phonebook, other = found["targets"]
    assert (phonebook["name"], phonebook["state"], other["state"]) == ("phonebook", "ok", "unknown")
    assert found["since"] < phonebook["answered"]
    assert "canary" not in str(found)


async def test_a_target_that_fails_is_shown_with_the_kind_of_its_fault(serve, scripted) -> None:
    served = await serve(scripted.toml(), OTHER)
    scripted.says(500)
    await served.ask("POST", USERS, ANN)

    _, found = await say(served, "GET", "/status")

    target = found["targets"][0]
    assert (target["state"], target["failure"], target["answered"]) == ("failing", "broken", None)
    assert (target["doubt"], target["dead"], target["paused"], target["braked"]) == (1, 0, None, None)


async def test_a_sick_target_is_shown_with_since_when_until_when_and_what_was_not_sent(
    serve, scripted
) -> None:
    served = await serve(scripted.toml(), OTHER)
    await falls_sick(served, scripted)
    await served.ask("POST", USERS, ANN)

    _, found = await say(served, "GET", "/status")

    sick, well = (target["breaker"] for target in found["targets"])
    assert (sick["state"], sick["failures"], sick["refused"]["sick"]) == ("open", 5, 1)
    assert found["since"] < sick["since"] < sick["until"]
    assert (well["state"], well["until"], well["refused"]) == ("closed", None, {})


async def test_a_paused_target_gets_nothing_until_it_is_resumed(serve, refused) -> None:
    served = await serve()
    id = (await served.ask("POST", USERS, ANN)).body["id"]

    assert await say(served, "POST", "/targets/phonebook/pause") == (200, {"changed": True})
    answer = await served.ask("PATCH", f"{USERS}/{id}", LEAVE)
    read = await served.ask("GET", f"{USERS}/{id}")
    during = await served.entries()
    ready = await served.ask("GET", "/readyz", token=None)
    assert await say(served, "POST", "/targets/phonebook/resume") == (200, {"changed": True})
    await left(served)

    refused(answer, 429, "an administrator has paused phonebook")
    assert answer.headers["Retry-After"] == "30"
    assert (read.status, during[0]["active"], ready.body["checks"]) == (200, True, {"journal": "ok"})


async def left(served: Any) -> None:
    """Wait until the leaver has left: what was pending is tried again at once."""
    async with asyncio.timeout(10):
        while (await served.entries())[0]["active"]:
            await asyncio.sleep(0)


async def test_what_waits_for_a_paused_target_is_not_even_looked_at(serve, monkeypatch) -> None:
    looked: list[str] = []

    async def sweep(self: Any, target: Any) -> None:
        looked.append(target.name)

    monkeypatch.setattr(Recovery, "sweep", sweep)
    served = await serve()
    await say(served, "POST", "/targets/phonebook/pause")
    looked.clear()
    served.gateway.wakeup.wake()
    async with asyncio.timeout(10):
        while not looked:
            await asyncio.sleep(0)

    assert looked == ["other"]


async def test_another_target_is_not_paused(serve) -> None:
    served = await serve()
    await say(served, "POST", "/targets/phonebook/pause")

    answer = await served.ask("POST", "/scim/other/v2/Users", ANN, token="rfc")

    assert answer.status == 201


async def test_a_pause_holds_after_a_restart(serve) -> None:
    served = await serve()
    await say(served, "POST", "/targets/phonebook/pause")
    await served.end()

    served = await serve()

    assert (await served.ask("POST", USERS, ANN)).status == 429
    assert await say(served, "POST", "/targets/phonebook/pause") == (200, {"changed": False})
    _, found = await say(served, "GET", "/status")
    assert found["targets"][0]["paused"] is not None


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        pytest.param("POST", "/targets/nowhere/pause", 404, id="no such target"),
        pytest.param("GET", "/targets/phonebook/pause", 405, id="nobody reads it"),
        pytest.param("POST", "/targets/phonebook/stop", 404, id="no such act"),
    ],
)
async def test_what_cannot_be_done_is_said(serve, method: str, address: str, status: int) -> None:
    answered, document = await say(await serve(), method, address)

    assert (answered, document["status"]) == (status, str(status))
