"""`check`: faults, warnings, and whether the targets answer."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog

from gateway.journal.store import JournalLock

REMOTE = """
[targets.dialpad]
connector = "scim"
url = "{url}"
auth = {{ bearer = {{ file = "okta.token" }} }}
"""


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


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

        do_POST = do_GET

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


def test_phone_books_are_named_behind_the_targets(run, folder):
    book = """[phonebooks.desk]
target = "phonebook"
format = "snom"
token = { file = "desk.token" }
"""
    with (folder / "config.toml").open("a") as file:
        file.write(book)

    ended = run("check")

    assert ended.status == 0
    assert ended.out.splitlines()[-1] == (
        "phone book desk: ok (snom, the people of phonebook, http://127.0.0.1:0/phonebook/desk)"
    )


def test_a_missing_token_file_is_no_fault_before_the_first_start(run, folder):
    (folder / "okta.token").unlink()

    ended = run("check")

    assert ended.status == 0
    assert ended.err == f"note: {folder}/okta.token is not there yet; `serve` makes it, with a new token\n"
    assert not (folder / "okta.token").exists()


def test_warnings_are_told_and_are_no_faults(run, folder):
    (folder / "okta.token").chmod(0o644)

    ended = run("check")

    assert ended.status == 0
    assert ended.err.startswith("warning: providers.okta.token")


LIST = (
    '{"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []}'
)
FOREIGN = "answers, but not in SCIM, see targets.dialpad.url: the target's answer is not a JSON object"
URL_IS = "targets.dialpad.url is the base address without /Users, and no sign-in page may stand before it"
STILL = "is the secret still valid, and may its owner read people there?"
WELL = """\
dialpad: reachable, credentials accepted
  changes   it promises no PATCH, so whole entries go as PUT
  people    0 can be read
  look-ups  filters on externalId and userName are answered
  paging    cannot be seen with fewer than two people
  groups    it has none
            to fix: leave Push Groups off at the provider
"""
ERROR = '{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "detail": "no such key"}'


@pytest.mark.parametrize(
    ("status", "body", "ends", "told"),
    [
        pytest.param(200, LIST, 0, WELL, id="well"),
        pytest.param(
            401,
            ERROR,
            3,
            f"dialpad: credentials refused, see targets.dialpad.auth: no such key\n  to fix: {STILL}\n",
            id="credentials",
        ),
        pytest.param(
            200,
            "<html>",
            3,
            f"dialpad: {FOREIGN}\n  to fix: {URL_IS}\n",
            id="not SCIM",
        ),
        pytest.param(
            500,
            ERROR,
            3,
            "dialpad: cannot be used now: no such key\n"
            "  to fix: its administrator knows more; nothing is lost meanwhile\n",
            id="broken",
        ),
        pytest.param(
            400,
            ERROR,
            3,
            "dialpad: cannot be used: no such key\n  to fix: what it says, and targets.dialpad.url\n",
            id="refused",
        ),
    ],
)
def test_a_target_is_asked_with_its_credentials(run, answering, status, body, ends, told):
    answering(status, body)

    ended = run("check", "--online")

    assert (ended.status, ended.out) == (ends, told)


def test_a_token_endpoint_that_refuses_the_client_is_told_with_what_to_look_at(run, answering, folder):
    config = folder / "config.toml"
    url = config.read_text().split('url = "')[1].split("/scim")[0]
    client = f'token_url = "{url}/token", client_id = "me", client_secret = {{ file = "okta.token" }}'
    config.write_text(config.read_text().partition("auth")[0] + f"auth = {{ oauth2 = {{ {client} }} }}\n")
    answering(401, '{"error": "invalid_client", "error_description": "no the-secret-of-okta.token"}')

    ended = run("check", "--online")

    assert (ended.status, ended.out) == (
        3,
        "dialpad: credentials refused, see targets.dialpad.auth: no token for targets.dialpad.auth.oauth2: "
        "the token endpoint answered 401 invalid_client (no ***); check client_id and client_secret\n"
        f"  to fix: {STILL}\n",
    )


def test_a_target_that_is_not_there_ends_with_3_and_the_others_are_asked(run):
    ended = run("check", "--online")

    told = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert ended.status == 3
    assert told[0] == "phonebook: reachable"
    assert told[1].startswith("cx: cannot be reached: ")


def test_a_directory_that_the_running_gateway_has_open_is_left_alone(run, folder):
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("check", "--online")

    lock.release()
    assert ended.out.startswith("phonebook: the running gateway has it open\n")
    assert not (folder / "var" / "phonebook.db").exists()


def test_programs_get_the_same_as_json(run):
    ended = run("check", "--online", "--format", "json")

    phonebook, cx = json.loads(ended.out)
    assert ended.status == 3
    assert (phonebook["target"], phonebook["connector"], phonebook["state"]) == (
        "phonebook",
        "embedded",
        "ok",
    )
    assert phonebook["found"][0] == {"about": "people", "says": "0 can be read", "fix": ""}
    assert (cx["state"], cx["found"]) == ("failing", [])
    assert cx["fix"].startswith("host and port in targets.cx.url")


def test_a_target_that_was_not_asked_has_no_state(run):
    ended = run("check", "--format", "json")

    assert [(row["target"], row["state"]) for row in json.loads(ended.out)] == [
        ("phonebook", None),
        ("cx", None),
    ]


def test_targets_are_asked_before_the_first_start(run, folder):
    (folder / "okta.token").unlink()
    (folder / "config.toml").write_text((folder / "config.toml").read_text().partition("[targets.cx]")[0])

    ended = run("check", "--online")

    assert (ended.status, ended.out.splitlines()[0]) == (0, "phonebook: reachable")


def test_warnings_are_told_beside_faults_and_rules_by_their_line(run, folder):
    rules = '[[targets.cx.rules]]\nto = "titel"\n[[targets.cx.rules]]\nto = "title"\nvia = ["tirm"]\n'
    (folder / "config.toml").write_text((folder / "config.toml").read_text() + rules)

    ended = run("check")

    at = (folder / "config.toml").read_text().splitlines().index("[[targets.cx.rules]]") + 1
    assert (ended.status, ended.out) == (2, "")
    assert [line.partition(": ")[::2] for line in ended.err.splitlines()] == [
        (
            "warning",
            f'targets.cx.rules[0].to (line {at}, "titel"): there is no standard attribute titel; '
            'did you mean "title"?',
        ),
        (
            f'targets.cx.rules[1].via[0] (line {at + 2}, "title")',
            "tirm is not a transform; did you mean trim?",
        ),
    ]
