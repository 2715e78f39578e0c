"""What never becomes a request, and what breaks on the way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from gateway.scim.names import ERROR
from gateway.server.runner import _Connection, _quiet_logger
from gateway.server.scim import ScimApi
from tests.support.served import ANN, CANARY
from tests.support.served import USERS as PEOPLE

USERS = b"/scim/phonebook/v2/Users"
AUTH = b"\r\nAuthorization: Bearer canary-token-of-okta"
UNREADABLE = [
    pytest.param(b"GET " + USERS + b"/canary\x00 HTTP/1.1\r\nHost: x" + AUTH, id="NUL in the path"),
    pytest.param(b"GET " + USERS + b" HTTP/1.1\r\nHost: x" + AUTH + b"\x00", id="NUL in a header"),
    pytest.param(b"GET /" + b"canary" * 2000 + b" HTTP/1.1\r\nHost: x" + AUTH, id="a path without end"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"canary" * 2000 + AUTH, id="a header without end"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x" + b"\r\nX: canary" * 200 + AUTH, id="headers without end"),
    pytest.param(b"CANARY / HTTP/1.1\r\nHost: x" + AUTH, id="an unknown method"),
    pytest.param(b"GET / HTTP/9.9\r\nHost: x" + AUTH, id="an unknown version"),
    pytest.param(b"\x16\x03\x01canary", id="TLS where there is none"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1" + AUTH, id="a length below 0"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked" + AUTH,
        id="two lengths",
    ),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked" + AUTH + b"\r\n\r\ncanary", id="no chunk"
    ),
]


@pytest.mark.parametrize("request_", UNREADABLE)
async def test_what_is_no_http_is_answered_in_scim_and_not_quoted(serve, log, request_: bytes) -> None:
    served = await serve()

    answer = await served.say(request_ + b"\r\n\r\n")

    assert (answer.status, answer.body["schemas"]) == (400, [ERROR])
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert answer.body["detail"].startswith("the request is not valid HTTP")
    assert "canary" not in str(answer)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    names = [line["correlation_id"] for line in lines if line["event"] == "request.unreadable"]
    assert names == [answer.headers["X-Correlation-Id"]]


async def test_a_crash_is_answered_in_scim_and_logged_without_what_it_says(serve, refused, log, monkeypatch):
    async def crash(*_: object) -> None:
        raise ValueError("canary-token-of-okta")

    monkeypatch.setattr(ScimApi, "handle", crash)
    served = await serve()

    answer = await served.ask("GET", "/scim/phonebook/v2/Users")

    refused(answer, 500, "the gateway failed; its log has the reason")
    line = next(line for line in map(json.loads, log.getvalue().splitlines()) if "at" in line)
    assert (line["event"], line["error"]) == ("request.crashed", "ValueError")
    assert line["at"][-1].endswith(" crash")
    assert line["correlation_id"] == answer.headers["X-Correlation-Id"]


async def test_what_the_server_itself_logs_has_no_text(log) -> None:
    logger = _quiet_logger()

    logger.error("canary %s", "canary", exc_info=ValueError("canary"))
    logger.warning("canary")

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["error"]) for line in lines] == [
        ("connection.failed", "ValueError"),
        ("connection.failed", ""),
    ]


def spoken(size: int) -> Any:
    """Return a request of whose answer so many bytes are out."""
    return SimpleNamespace(writer=SimpleNamespace(output_size=size))


def test_what_the_boundary_did_not_catch_is_answered_in_scim_too() -> None:
    answer = _Connection.handle_error(None, spoken(0), 500, ValueError("canary"))

    assert isinstance(answer, web.Response)
    assert isinstance(answer.body, bytes)
    assert (answer.status, json.loads(answer.body)["status"]) == (500, "500")
    assert b"canary" not in answer.body


def test_an_answer_that_is_half_out_is_not_followed_by_another() -> None:
    with pytest.raises(ConnectionError):
        _Connection.handle_error(None, spoken(1), 500)


async def test_every_request_is_one_line_with_its_name_and_route(serve, log) -> None:
    served = await serve()

    answers = [
        await served.ask("GET", "/scim/phonebook/v2/Users/canary"),
        await served.ask("GET", "/scim/phonebook/v2/canary"),
        await served.ask("GET", "/canary/canary", token=None),
        await served.ask("GET", "/healthz"),
    ]

    lines = [
        line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "request.answered"
    ]
    assert [line["route"] for line in lines] == [
        "/scim/phonebook/v2/Users/{id}",
        "/scim/phonebook/v2/{name}",
        "/{path}",
        "/healthz",
    ]
    assert [line["status"] for line in lines] == [answer.status for answer in answers] == [404, 404, 401, 200]
    assert [line["correlation_id"] for line in lines] == [a.headers["X-Correlation-Id"] for a in answers]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(("POST", PEOPLE, ANN), ("okta", "phonebook", "applied"), id="a change"),
        pytest.param(("POST", PEOPLE, b"{"), ("okta", "phonebook", "rejected"), id="no JSON"),
        pytest.param(("GET", PEOPLE), ("okta", "phonebook", "ok"), id="a read"),
        pytest.param(("GET", f"{PEOPLE}/none"), ("okta", "phonebook", "rejected"), id="nobody"),
        pytest.param(("GET", "/healthz"), (None, None, "ok"), id="no provider's"),
    ],
)
async def test_the_line_of_a_request_says_who_asked_for_what_how_it_ended_and_how_long_it_took(
    serve, log, asked, said
) -> None:
    served = await serve()

    await served.ask(*asked)

    (line,) = (line for line in map(json.loads, log.getvalue().splitlines()) if "ms" in line)
    assert (line["provider"], line["target"], line["outcome"]) == said
    assert 0 <= line["ms"] < 60_000
    assert CANARY not in json.dumps(line)


def test_a_key_with_a_passphrase_is_refused_and_no_terminal_asked_for_it(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("openssl is not installed: apt-get install openssl")
    command = (
        "openssl req -x509 -newkey rsa:2048 -subj /CN=x -passout pass:canary -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    opens = "from gateway.server.runner import tls_context; tls_context('cert.pem', 'key.pem')"
    on_terminal = f"import pty, sys; pty.spawn([sys.executable, '-c', {opens!r}])"

    said = subprocess.run(
        [sys.executable, "-c", on_terminal],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=30,
    )

    assert b"SSLError" in said.stdout
    assert b"phrase" not in said.stdout
