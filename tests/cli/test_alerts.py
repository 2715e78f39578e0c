"""`alerts test`: every channel is tried, here or by the running gateway."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.app import Gateway, open_gateway, serving
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS
from tests.support.smtp import SmtpServer, smtp_server

MAIL = """
[alerts.mail]
host = "127.0.0.1"
port = {port}
tls = "none"
from = "gateway@example.com"
to = ["ann@example.com"]
"""


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """Take what is posted, in a thread; yield the address, and what was posted."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/s3cret", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def configure(folder: Path, text: str) -> None:
    config = folder / "config.toml"
    config.write_text(config.read_text() + text)


def rows(out: str) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in out.splitlines()]


def test_without_a_channel_there_is_nothing_to_try(run) -> None:
    ended = run("alerts", "test")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "alerts: there is no channel; set alerts.webhook or alerts.mail\n"


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [pytest.param(204, "taken", 0, id="taken"), pytest.param(500, "it answered 500", 3, id="not taken")],
)
def test_a_channel_is_tried_here_where_no_gateway_runs(run, folder, status, answer, expected) -> None:
    with receiver(status) as (url, taken):
        configure(folder, f'[alerts]\nwebhook = "{url}"\nformat = "slack"\n')
        ended = run("alerts", "test")

    assert (ended.status, "s3cret" in ended.out + ended.err) == (expected, False)
    assert answer in ended.out
    assert taken[0]["text"].startswith("test\n")
    (event,) = json.loads(run("audit", "query", "--format", "json").out)
    assert (event["event"], event["outcome"]["reason"]) == ("alerts.tested", f"webhook: {answer}")


@pytest.fixture
async def mailbox(folder: Path) -> AsyncIterator[SmtpServer]:
    async with smtp_server(SmtpServer()) as server:
        configure(folder, MAIL.format(port=server.port))
        yield server


@pytest.fixture
async def gateway(folder: Path, mailbox: SmtpServer) -> AsyncIterator[Gateway]:
    with capture_logs():
        settings = load_settings(folder / "config.toml", CONNECTORS)
        async with open_gateway(settings) as opened, serving(opened):
            yield opened


async def test_a_running_gateway_tries_its_own_channels(run, gateway, mailbox) -> None:
    ended = await asyncio.to_thread(run, "alerts", "test")

    assert ended.status == 0
    assert ("mail" in ended.out, "taken" in ended.out) == (True, True)
    assert [letter["Subject"] for letter in mailbox.letters] == ["[scim-gateway] test"]
    (event, *_) = await gateway.services.trail.page(None, 1, None, None)
    assert (event["event"], event["actor"]["type"]) == ("alerts.tested", "administrator")


async def test_a_running_gateway_says_which_channel_did_not_take_it(run, gateway, mailbox) -> None:
    mailbox.answers["DATA"] = "554 no"

    ended = await asyncio.to_thread(run, "alerts", "test")

    assert (ended.status, "it answered 554" in ended.out) == (3, True)
