"""An answer as it stands on the wire: what each version of HTTP and each method makes of it."""

import asyncio
import json
import math
from typing import Any

import pytest

from gateway.errors import Busy
from gateway.server.response import error_answer
from tests.support.served import ANN, USERS, Answer

AUTH = "Authorization: Bearer canary-token-of-okta"


@pytest.fixture
async def ann(serve) -> tuple[Any, str]:
    """A gateway that knows somebody, and the path of who that is."""
    served = await serve()
    made = await served.ask("POST", USERS, ANN)
    return served, f"{USERS}/{made.body['id']}"


async def head(served: Any, line: str, *headers: str) -> Answer:
    """Return the answer to a request without a body."""
    answer: Answer = await served.say("\r\n".join([line, "Host: x", AUTH, *headers, "", ""]).encode())
    return answer


@pytest.mark.parametrize(
    ("version", "sent", "told"),
    [
        pytest.param("1.1", [], None, id="1.1 stays open"),
        pytest.param("1.1", ["Connection: close"], "close", id="1.1 closes when asked"),
        pytest.param("1.0", [], None, id="1.0 closes"),
        pytest.param("1.0", ["Connection: keep-alive"], "keep-alive", id="1.0 stays open when asked"),
    ],
)
async def test_each_version_learns_what_becomes_of_its_connection(ann, version: str, sent, told) -> None:
    served, path = ann
    line = f"GET {path} HTTP/{version}"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)

    writer.write("\r\n".join([line, "Host: x", AUTH, *sent, "", ""]).encode())
    start, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    found = dict(line.split(": ", 1) for line in headers)
    body = await reader.readexactly(int(found["Content-Length"]))
    closes = told == "close" or (version == "1.0" and told is None)
    if closes:
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

    assert start == f"HTTP/{version} 200 OK"
    assert found.get("Connection") == told
    assert json.loads(body)["userName"] == ANN["userName"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        pytest.param(0.0, "1", id="at once"),
        pytest.param(0.2, "1", id="less than one"),
        pytest.param(1.0, "1", id="one"),
        pytest.param(1.01, "2", id="a little more"),
        pytest.param(29.5, "30", id="half a second"),
        pytest.param(3599.1, "3600", id="almost an hour"),
        pytest.param(3600.1, "3600", id="more than an hour"),
        pytest.param(math.inf, "3600", id="for ever"),
    ],
)
def test_nobody_is_told_to_come_again_too_early(seconds: float, told: str) -> None:
    assert error_answer(Busy("not now", seconds), "c-1").headers["Retry-After"] == told


async def test_head_tells_the_length_of_a_body_that_it_does_not_have(ann) -> None:
    served, path = ann
    got = await served.ask("GET", path)

    async with asyncio.timeout(5):
        told = await served.ask("HEAD", path)

    assert told.body is None
    for answer in (got, told):
        del answer.headers["X-Correlation-Id"]
        del answer.headers["Date"]
    assert told.headers == got.headers


@pytest.mark.parametrize(
    ("method", "sent", "status"),
    [
        pytest.param("GET", "If-None-Match: *", 304, id="known"),
        pytest.param("DELETE", "Accept: */*", 204, id="gone"),
    ],
)
async def test_what_has_no_body_has_no_length(ann, method: str, sent: str, status: int) -> None:
    served, path = ann

    answer = await head(served, f"{method} {path} HTTP/1.1", sent)

    assert (answer.status, answer.body) == (status, None)
    assert not {"Content-Length", "Transfer-Encoding", "Content-Type"} & set(answer.headers)
    assert answer.headers["X-Correlation-Id"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("GET {} HTTP/1.1", id="as a rule"),
        pytest.param("GET /{} HTTP/1.1", id="doubled slashes"),
        pytest.param("GET http://x{} HTTP/1.1", id="an absolute address"),
        pytest.param("GET {} HTTP/1.1\r\nExpect: 100-continue", id="who waits to be told to go on"),
    ],
)
async def test_by_whichever_way_a_request_comes_in_it_is_answered_logged_and_counted(
    ann, log, line: str
) -> None:
    served, path = ann
    request = "\r\n".join([line.format(path), "Host: x", AUTH, "Connection: close", "", ""])
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)

    writer.write(request.encode())
    text = (await reader.read()).decode().removeprefix("HTTP/1.1 100 Continue\r\n\r\n")
    writer.close()
    await writer.wait_closed()

    told = json.loads(log.getvalue().splitlines()[-1])
    route = "/scim/phonebook/v2/Users/{id}"
    assert text.startswith("HTTP/1.1 200 OK\r\n")
    assert (told["route"], told["status"], told["method"]) == (route, 200, "GET")
    assert f"X-Correlation-Id: {told['correlation_id']}" in text
    page = await served.session.get(f"http://127.0.0.1:{served.port}/metrics")
    assert 'operation="get",provider="okta",status="200",target="phonebook"} 1.0' in await page.text()
