"""Alerts from a gateway that works to somebody's web address, and the eye on the journal."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.admin import sick
from gateway.flow.services import ALERTS
from tests.support.served import (
    ANN,
    CONFIG,
    OTHER,
    USERS,
    Scripted,
    Serve,
    falls_sick,
    gateways,
    scripted_target,
)
from tests.support.waiting import until


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with scripted_target() as target:
        yield target


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Scripted, list[Any]]]:
    """Whom alerts are posted to, and what was posted."""
    messages: list[Any] = []

    async def reply(request: web.Request) -> web.StreamResponse:
        messages.append(await request.json())
        return web.Response()

    async with scripted_target() as target:
        target.reply = reply
        yield target, messages


async def test_refused_credentials_are_told_once_to_everybody_who_must_hear(
    serve, scripted, receiver
) -> None:
    hook, messages = receiver
    scripted.says(401)
    config = f'{CONFIG}[alerts]\nwebhook = "{hook.url}/hook?key=s3cret"\n'
    with capture_logs() as lines:
        served = await serve(scripted.toml(), OTHER, config=config)
        answers = [await served.ask("POST", USERS, ANN) for _ in range(3)]
        await until(lambda: messages)

    reason = "the target does not accept targets.phonebook.auth (status 401)"
    name = answers[0].headers["X-Correlation-Id"]
    (message,) = messages
    expected = {"alert": "target.denied", "target": "phonebook", "reason": reason, "correlation_id": name}
    expected |= {"advice": ALERTS["target.denied"], "resolved": False}
    assert {field: value for field, value in message.items() if field != "at"} == expected
    (event,) = [event for event in await served.events() if event["event"] == "target.denied"]
    assert (event["outcome"]["reason"], event["correlation_id"]) == (reason, name)
    logged = [line for line in lines if line["event"] == "target.denied"]
    assert ([line["target"] for line in logged], "s3cret" in str(lines)) == (["phonebook"] * 3, False)


async def test_a_sick_target_is_told_to_everybody_who_must_hear(serve, scripted, receiver) -> None:
    hook, messages = receiver
    config = f'{CONFIG}[alerts]\nwebhook = "{hook.url}"\n'
    served = await serve(scripted.toml(), OTHER, config=config)
    await served.ask("POST", USERS, ANN)  # nobody answers: in doubt
    with capture_logs() as lines:
        await falls_sick(served, scripted)
        await until(lambda: messages)

    (message,) = messages
    assert (message["alert"], message["target"]) == ("target.sick", "phonebook")
    assert re.fullmatch(r"sick since \S+Z, last failure: broken 503, changes that wait: 1", message["reason"])
    assert message["advice"] == ALERTS["target.sick"]
    (event,) = [event for event in await served.events() if event["event"] == "target.sick"]
    assert (event["outcome"]["reason"], event["actor"]["type"]) == ("broken 503", "gateway")
    assert [line["target"] for line in lines if line["event"] == "target.sick"] == ["phonebook"]


async def test_a_webhook_that_does_not_answer_keeps_nobody_waiting(serve, scripted, receiver) -> None:
    hook, _ = receiver
    hook.holds(200, "")
    scripted.says(401)
    config = f'{CONFIG}[alerts]\nwebhook = "{hook.url}"\n'
    served = await serve(scripted.toml(), OTHER, config=config)

    assert (await served.ask("POST", USERS, ANN)).status == 429
    await until(lambda: hook.asked)
    assert (await served.ask("POST", USERS, ANN)).status == 429


async def test_that_a_target_is_well_is_told_though_the_gateway_was_started_again(
    serve, scripted, receiver, monkeypatch
) -> None:
    hook, messages = receiver
    monkeypatch.setattr(sick, "STEADY", 0.0)
    monkeypatch.setattr(sick, "LOOK", 0.01)
    config = f'{CONFIG}[alerts]\nwebhook = "{hook.url}"\n'
    served = await serve(scripted.toml(), OTHER, config=config)
    await falls_sick(served, scripted)
    await until(lambda: messages)
    while not await served.gateway.journal.alerts.read():
        await asyncio.sleep(0.001)
    await served.end()

    scripted.says(200, '{"totalResults": 0, "Resources": []}')
    again = await serve(scripted.toml(), OTHER, config=config)
    await again.ask("GET", USERS)
    await until(lambda: len(messages) > 1)

    assert [message["alert"] for message in messages] == ["target.sick", "target.well"]
    assert [message["resolved"] for message in messages] == [False, True]
