"""What a target asks for is believed within bounds: a provider that is told to come in a year never does."""

import asyncio
import json
from typing import Any

import pytest

from gateway.flow.target_port import Urgency
from gateway.scim.names import ERROR
from tests.support.served import OTHER

USERS = "/scim/phonebook/v2/Users"
PERSON = {"userName": "canary.bob@example.com"}
SORRY = json.dumps({"schemas": [ERROR], "status": "429", "detail": "sorry"})
FAR_YEAR = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param("3600", "3600", id="an hour"),
        pytest.param("999999999", "3600", id="thirty years"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", "3600", id="the end of all years"),
        pytest.param("9" * 400, "3600", id="400 digits"),
        pytest.param(FAR_YEAR, "3600", id="a year that no calendar has"),
        pytest.param("Mon, 01 Jan 2024 00:00:00 +9999", "30", id="a zone that is none"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", PERSON)], ids=["GET", "POST"])
async def test_a_provider_is_told_to_come_again_within_the_hour(
    serve, refused, scripted, asked: str, told: str, status: int, method: str, body: Any
) -> None:
    served = await serve(scripted.toml(), OTHER)
    scripted.says(status, SORRY, **{"Retry-After": asked})

    answer = await served.ask(method, USERS, body)

    refused(answer, 429, "phonebook")
    assert answer.headers["Retry-After"] == told


@pytest.mark.parametrize("status", [429, 503])
async def test_who_comes_after_a_target_has_asked_for_an_hour_comes_again_within_a_minute(
    serve, refused, scripted, status: int
) -> None:
    served = await serve(scripted.toml(), OTHER)
    scripted.says(status, SORRY, **{"Retry-After": "3600"})
    await served.ask("GET", USERS)
    scripted.asked.clear()

    answer = await served.ask("GET", USERS)

    refused(answer, 429, "phonebook")
    assert (answer.headers["Retry-After"], scripted.asked) == ("60", [])


async def test_an_absurd_date_leaves_no_change_in_doubt(serve, scripted) -> None:
    scripted.says(429, SORRY, **{"Retry-After": FAR_YEAR})
    served = await serve(scripted.toml(), OTHER)

    await served.ask("POST", USERS, PERSON)

    assert await served.gateway.services.operations.open("phonebook", ()) == ()
    assert [event["outcome"]["result"] for event in await served.events()] == ["deferred"]


@pytest.mark.parametrize("limit", [{"rate": '"12/m"'}, {"concurrency": "1"}], ids=["rate", "places"])
async def test_who_would_wait_longer_than_an_attempt_for_a_turn_is_told_to_slow_down(
    serve, refused, scripted, limit: dict[str, str]
) -> None:
    scripted.says(200, '{"totalResults": 0}')
    served = await serve(scripted.toml(timeout='"100ms"', **limit), OTHER)
    await served.gateway.connectors["phonebook"]._lanes.take(Urgency.RUN)

    async with asyncio.timeout(5):
        answer = await served.ask("GET", USERS)

    refused(answer, 429, "too many calls to phonebook")
    assert scripted.asked == []
