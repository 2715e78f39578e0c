"""Alerts as JSON to a web address."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.admin.alerts import Undelivered
from gateway.targets.http import Webhook, open_session

MESSAGE = {"alert": "operation.dead", "target": "phonebook", "reason": "tried ten times"}


class Receiver:
    """Answers with a status, and remembers what it was sent."""

    def __init__(self) -> None:
        self.status, self.headers, self.bodies = 200, {}, []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append((request.path_qs, request.content_type, await request.json()))
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made, application = Receiver(), web.Application()
    application.router.add_post("/{path:.*}", made.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/s3cret?key=s3cret"
    yield made
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


async def test_a_message_is_posted_as_json(receiver, session) -> None:
    await Webhook(session, receiver.url).send(MESSAGE)

    assert receiver.bodies == [("/hooks/s3cret?key=s3cret", "application/json", MESSAGE)]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(500, {}, id="it failed"),
        pytest.param(404, {}, id="nobody is there"),
        pytest.param(302, {"Location": "/elsewhere"}, id="a redirect is not followed"),
    ],
)
async def test_anything_but_success_is_undelivered(receiver, session, status: int, headers: Any) -> None:
    receiver.status, receiver.headers = status, headers

    with pytest.raises(Undelivered, match=f"^it answered {status}$"):
        await Webhook(session, receiver.url).send(MESSAGE)

    assert len(receiver.bodies) == 1


async def test_an_address_where_nobody_listens_is_not_told(session, unused_tcp_port_factory) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port_factory()}/s3cret"

    with pytest.raises(Undelivered) as undelivered:
        await Webhook(session, url).send(MESSAGE)

    assert "s3cret" not in json.dumps(str(undelivered.value))


async def test_chat_services_get_one_text_in_which_nothing_is_theirs(receiver, session) -> None:
    message = {"alert": "target.sick", "target": "cx", "resolved": False, "at": "T"}
    message |= {"reason": "a <b> & c", "advice": "See to it."}

    await Webhook(session, receiver.url, "slack").send(message)

    ((_, _, body),) = receiver.bodies
    assert body == {"text": "target.sick at cx\n\na &lt;b&gt; &amp; c\n\nSee to it.\n\nT"}
