"""`token`: made, listed and ended, with and without a running gateway."""

import hashlib
import json
import re
import socketserver
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gateway.journal.store import JournalLock


class Gateway(socketserver.UnixStreamServer):
    """A running gateway's socket: it gives one answer, and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        super().__init__(str(path), Handler)
        self.answer: tuple[int, str] | None = (204, "")
        self.asked: list[tuple[str, str, str]] = []


class Handler(BaseHTTPRequestHandler):
    """Answers one request; None hangs up."""

    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.asked.append((self.command, self.path, body))
        if self.server.answer is not None:
            status, text = self.server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    do_DELETE = do_POST

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def gateway(folder):
    with Gateway(folder / "var" / "gateway.db.sock") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tokens(run):
    return json.loads(run("token", "list", "--format", "json").out)


def made_id(ended):
    return ended.err.split()[0]


def test_a_token_is_printed_once_and_alone(run):
    ended = run("token", "new", "okta")

    assert ended.status == 0
    assert re.fullmatch(r"gw_[\w-]{43}\n", ended.out)
    assert re.fullmatch(
        r"tok_[0-9a-f]{8} of okta, valid until it is revoked; it is not shown again\n", ended.err
    )


def test_only_its_hash_is_kept(run, folder):
    secret = run("token", "new", "okta").out.strip()

    kept = (folder / "var" / "gateway.db").read_bytes()
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    assert secret.encode() not in kept


def test_a_token_can_expire(run):
    before = datetime.now(UTC)
    ended = run("token", "new", "okta", "--expires", "90d")

    (token,) = tokens(run)
    expires = datetime.fromisoformat(token["expires"])
    assert f"valid until {token['expires']}" in ended.err
    assert timedelta(days=90) <= expires - before < timedelta(days=90, minutes=5)


def test_tokens_are_listed_without_their_hash(run):
    id = made_id(run("token", "new", "okta"))

    (token,) = tokens(run)
    assert token["id"] == id
    assert (token["provider"], token["state"], token["revoked"]) == ("okta", "active", None)
    assert "sha256" not in token


def test_tokens_are_listed_in_a_table(run):
    id = made_id(run("token", "new", "okta"))

    head, row = run("token", "list").out.splitlines()
    assert head.split() == ["id", "provider", "state", "created", "expires", "revoked"]
    assert row.split()[:3] == [id, "okta", "active"]


@pytest.mark.parametrize(
    ("column", "state"), [pytest.param("expires", "expired"), pytest.param("revoked", "revoked")]
)
def test_a_token_that_is_over_is_listed_as_such(run, folder, column, state):
    run("token", "new", "okta")
    import sqlite3

    connection = sqlite3.connect(folder / "var" / "gateway.db")
    with connection:
        connection.execute(f"UPDATE token SET {column} = '2020-01-01T00:00:00.000000Z'")
    connection.close()

    assert [token["state"] for token in tokens(run)] == [state]


def test_a_token_is_revoked_once(run):
    id = made_id(run("token", "new", "okta"))

    first, second = run("token", "revoke", id), run("token", "revoke", id)

    assert (first.status, first.out) == (0, f"{id} is revoked\n")
    assert (second.status, second.err) == (1, f'there is no live token "{id}"\n')


def test_what_was_done_to_tokens_is_in_the_trail(run):
    run("token", "revoke", made_id(run("token", "new", "okta")))

    ended = run("audit", "query", "--format", "ndjson")

    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == ["token.revoked", "token.issued"]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        pytest.param(["oktaa"], 'there is no provider "oktaa"; did you mean "okta"?', id="provider"),
        pytest.param(
            ["okta", "--expires", "soon"], "--expires: must be a duration such as", id="no duration"
        ),
        pytest.param(["okta", "--expires", "0s"], "--expires: must be longer than 0 seconds", id="no time"),
    ],
)
def test_a_wrong_wish_ends_with_2_and_makes_nothing(run, folder, argv, sentence):
    ended = run("token", "new", *argv)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(sentence)
    assert not (folder / "var").exists()


def test_the_list_of_a_journal_that_is_not_there_ends_with_3(run):
    assert run("token", "list").status == 3


def test_the_running_gateway_gets_the_hash_and_never_the_token(run, gateway, folder):
    gateway.answer = (201, '{"id": "x"}')

    ended = run("token", "new", "okta")

    ((method, path, body),) = gateway.asked
    sent = json.loads(body)
    assert (ended.status, method, path) == (0, "POST", "/tokens")
    assert sent.keys() >= {"id", "provider", "sha256", "created", "expires"}
    assert sent["sha256"] == hashlib.sha256(ended.out.strip().encode()).hexdigest()
    assert not (folder / "var" / "gateway.db").exists()


def test_the_running_gateway_revokes(run, gateway):
    ended = run("token", "revoke", "tok/1")

    assert (ended.status, ended.out) == (0, "tok/1 is revoked\n")
    assert gateway.asked == [("DELETE", "/tokens/tok%2F1", "")]


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        pytest.param((404, '{"detail": "no"}'), 1, 'there is no live token "tok_1"', id="unknown"),
        pytest.param((400, '{"detail": "provider is new"}'), 1, "provider is new", id="refused"),
        pytest.param((503, '{"detail": "the disk is full"}'), 3, "the disk is full", id="journal"),
        pytest.param((500, "[]"), 3, "the running gateway answered 500", id="no SCIM Error"),
        pytest.param(None, 3, "the running gateway does not answer on ", id="hangs up"),
    ],
)
def test_the_running_gateway_can_say_no(run, gateway, answer, status, sentence):
    gateway.answer = answer

    ended = run("token", "revoke", "tok_1")

    assert (ended.status, ended.out) == (status, "")
    assert ended.err.startswith(sentence)


@pytest.mark.parametrize("argv", [["new", "okta"], ["revoke", "tok_1"]], ids=["new", "revoke"])
def test_a_gateway_without_its_socket_ends_with_3(run, folder, argv):
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("token", *argv)

    lock.release()
    assert (ended.status, ended.out) == (3, "")
    assert ended.err == (
        f"another gateway has the journal {folder}/var/gateway.db, "
        f"and {folder}/var/gateway.db.sock cannot be used: No such file or directory\n"
    )


def test_a_socket_that_was_left_behind_is_no_gateway(run, folder):
    Gateway(folder / "var" / "gateway.db.sock").server_close()

    assert run("token", "new", "okta").status == 0
