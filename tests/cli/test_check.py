"""`check`: faults, warnings, and whether the targets answer."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.journal.lock import JournalLock

REMOTE = """
[targets.dialpad]
connector = "scim"
url = "{url}"
auth = {{ bearer = {{ file = "okta.token" }} }}
"""


@pytest.fixture
def answering(folder: Path) -> Iterator[Callable[[int, str], None]]:
    """Make the folder's only target answer every request so."""
    said: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = said[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        (folder / "config.toml").write_text(REMOTE.format(url=f"http://127.0.0.1:{server.server_port}/scim"))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield lambda status, body: said.append((status, body))
        server.shutdown()
        thread.join()


def test_a_configuration_without_a_fault_names_its_targets(run, folder):
    ended = run("check")

    assert ended.status == 0
    assert ended.out.splitlines() == [
        f"phonebook: ok (embedded, sqlite:{folder}/var/phonebook.db)",
        "cx: ok (scim, http://127.0.0.1:9/scim)",
    ]


def test_a_missing_token_file_is_a_fault(run, folder):
    (folder / "okta.token").unlink()

    ended = run("check")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("providers.okta.token.file: the file cannot be read")


def test_warnings_are_told_and_are_no_faults(run, folder):
    (folder / "okta.token").chmod(0o644)

    ended = run("check")

    assert ended.status == 0
    assert ended.err.startswith("warning: providers.okta.token")


LIST = (
    '{"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []}'
)
FOREIGN = "answers, but not in SCIM, see targets.dialpad.url: the target's answer is not a JSON object"
ERROR = '{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "detail": "no such key"}'


@pytest.mark.parametrize(
    ("status", "body", "ends", "told"),
    [
        pytest.param(200, LIST, 0, "dialpad: reachable\n", id="well"),
        pytest.param(
            401,
            ERROR,
            3,
            "dialpad: credentials refused, see targets.dialpad.auth: no such key\n",
            id="credentials",
        ),
        pytest.param(
            200,
            "<html>",
            3,
            f"dialpad: {FOREIGN}\n",
            id="not SCIM",
        ),
        pytest.param(500, ERROR, 3, "dialpad: cannot be used now: no such key\n", id="broken"),
    ],
)
def test_a_target_is_asked_with_its_credentials(run, answering, status, body, ends, told):
    answering(status, body)

    ended = run("check", "--online")

    assert (ended.status, ended.out) == (ends, told)


def test_a_target_that_is_not_there_ends_with_3_and_the_others_are_asked(run):
    ended = run("check", "--online")

    phonebook, cx = ended.out.splitlines()
    assert ended.status == 3
    assert phonebook == "phonebook: reachable"
    assert cx.startswith("cx: cannot be reached: ")


def test_a_directory_that_the_running_gateway_has_open_is_left_alone(run, folder):
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("check", "--online")

    lock.release()
    assert ended.out.startswith("phonebook: reachable\n")
    assert not (folder / "var" / "phonebook.db").exists()
