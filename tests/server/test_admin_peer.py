"""Over the socket everything is done in the name of the user whose process asks."""

import os
from typing import Any

import aiohttp
import pytest

from gateway.users import INVOKER, name_of
from tests.support.served import ANN, USERS

ME = name_of(os.geteuid(), None)


async def say(served: Any, method: str, address: str, body: str = "", **headers: str) -> int:
    """Say something over the socket."""
    connector = aiohttp.UnixConnector(f"{served.gateway.settings.journal.path}.sock")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://gateway{address}", data=body.encode(), headers=headers) as answer,
    ):
        await answer.read()
        return int(answer.status)


@pytest.mark.parametrize(
    ("address", "body", "event"),
    [
        pytest.param("/targets/phonebook/pause", "", "target.paused", id="pause"),
        pytest.param("/targets/phonebook/release", "", "removals.released", id="release"),
        pytest.param("/targets/phonebook/resync", '{"option": false}', "resync", id="resync"),
        pytest.param("/erasures", f'{{"name": "{ANN["userName"]}"}}', "erase", id="erase"),
    ],
)
async def test_an_act_names_who_did_it(serve, address: str, body: str, event: str) -> None:
    served = await serve()
    await served.ask("POST", USERS, ANN)

    assert await say(served, "POST", address, body) == 200

    done = (await served.events())[-1]
    assert (done["event"], done["actor"]) == (event, {"type": "administrator", "name": ME, "token": None})


@pytest.mark.parametrize(
    ("said", "name"),
    [
        pytest.param("ann", f"ann via sudo as {ME}", id="a name"),
        pytest.param("no name", ME, id="what is none"),
    ],
)
async def test_who_came_by_sudo_is_named_beside_whom_they_became(serve, said: str, name: str) -> None:
    served = await serve()

    await say(served, "POST", "/targets/phonebook/pause", **{INVOKER: said})

    assert (await served.events())[-1]["actor"]["name"] == name


async def test_where_the_system_does_not_say_who_asks_it_is_who_owns_the_socket(serve, monkeypatch) -> None:
    served = await serve()
    monkeypatch.delattr("socket.SO_PEERCRED")

    await say(served, "POST", "/targets/phonebook/pause")

    assert (await served.events())[-1]["actor"]["name"] == ME
