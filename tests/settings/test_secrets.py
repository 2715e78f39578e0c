"""Secrets: where they are found, what is wrong with them, that they never show; tokens that are made."""

import copy
import dataclasses
import hashlib
import os
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from gateway.settings import Secret

PROVIDER = "[providers.okta]\ntoken = "
TARGET = '[targets.t]\nconnector = "scim"\nurl = "https://t.example.com"\nauth = { bearer = %s }'
DIGEST = hashlib.sha256(b"gw_a-token").digest()


def secret_file(tmp_path, content: bytes = b"s3cret\n", mode: int = 0o600):
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter2")

    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"


def test_no_secret_shows_in_settings(load):
    settings = load(TARGET % '{ env = "DIALPAD_TOKEN" }')
    auth = settings.targets["t"].auth

    assert auth.token.reveal() == "dp-secret-1"
    assert "dp-secret-1" not in repr(settings) + repr(dataclasses.asdict(copy.deepcopy(auth)))


def test_line_breaks_at_the_end_of_a_file_are_no_part_of_the_secret(load, tmp_path):
    secret_file(tmp_path, b"s3cret\r\n")

    assert load(TARGET % '{ file = "secret" }').targets["t"].auth.token.reveal() == "s3cret"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param('{ file = "secret" }', id="file"),
        pytest.param('{ env = "GW" }', id="environment"),
        pytest.param(f'{{ sha256 = "{DIGEST.hex().upper()}" }}', id="digest"),
    ],
)
def test_an_inbound_token_is_kept_as_its_digest_only(load, tmp_path, monkeypatch, token):
    monkeypatch.setenv("GW", "gw_a-token")
    secret_file(tmp_path, b"gw_a-token\n")

    assert load(PROVIDER + token).providers["okta"].digests == (DIGEST,)


def test_a_list_of_tokens_is_for_rotation(load, monkeypatch):
    monkeypatch.setenv("NEW", "gw_new")

    settings = load(PROVIDER + f'[{{ env = "NEW" }}, {{ sha256 = "{DIGEST.hex()}" }}]')

    assert settings.providers["okta"].digests == (hashlib.sha256(b"gw_new").digest(), DIGEST)


@pytest.mark.parametrize(
    ("secret", "below", "words"),
    [
        pytest.param('"plain"', "", "secrets never stand in this file", id="bare string"),
        pytest.param("7", "", "must be a table", id="number"),
        pytest.param("{ }", "", "needs one of env or file", id="nothing"),
        pytest.param('{ env = "X", file = "y" }', "", "only one", id="two sources"),
        pytest.param('{ fiel = "x" }', ".fiel", 'did you mean "file"?', id="near miss"),
        pytest.param('{ env = "GW_UNSET" }', ".env", "no GW_UNSET", id="not in the environment"),
        pytest.param('{ env = "GW_EMPTY" }', ".env", "is empty", id="empty in the environment"),
        pytest.param('{ env = "" }', ".env", "must not be empty", id="no name"),
        pytest.param('{ file = "none" }', ".file", "No such file", id="no file"),
        pytest.param('{ file = "folder" }', ".file", "cannot be read", id="folder"),
        pytest.param('{ file = "a\\u0000b" }', ".file", "null byte", id="NUL in a name"),
        pytest.param('{ file = "empty" }', ".file", "is empty", id="empty file"),
        pytest.param('{ file = "two" }', ".file", "line break", id="two lines"),
        pytest.param('{ file = "bytes" }', ".file", "no text", id="no text"),
        pytest.param(f'{{ sha256 = "{DIGEST.hex()}" }}', ".sha256", "the secret itself", id="digest"),
    ],
)
def test_an_outbound_secret_that_cannot_be_used_is_a_fault(
    faults_of, tmp_path, monkeypatch, secret, below, words
):
    monkeypatch.setenv("GW_EMPTY", "\n")
    (tmp_path / "folder").mkdir()
    for name, content in {"empty": b" \n", "two": b"a\nb", "bytes": b"\xff"}.items():
        (tmp_path / name).write_bytes(content)

    found = faults_of(TARGET % secret)

    assert words in found[f"targets.t.auth.bearer{below}"]
    assert "plain" not in repr(found)


@pytest.mark.parametrize(
    ("token", "path", "words"),
    [
        pytest.param('"plain"', "token", "secrets never stand", id="bare string"),
        pytest.param('[{ env = "NO_SUCH" }]', "token[0].env", "no NO_SUCH", id="in a list"),
        pytest.param('{ sha256 = "abc" }', "token.sha256", "64 digits", id="no digest"),
        pytest.param(f'[{{sha256="{"0" * 64}"}}, {{sha256="{"0" * 64}"}}]', "token[1]", "same", id="twice"),
    ],
)
def test_an_inbound_token_that_cannot_be_used_is_a_fault(faults_of, token, path, words):
    assert words in faults_of(PROVIDER + token)[f"providers.okta.{path}"]


def test_one_token_for_two_callers_is_a_fault(faults_of):
    token = f'token = {{ sha256 = "{DIGEST.hex()}" }}\n'

    found = faults_of(f"[providers.okta]\n{token}[auditors.alice]\n{token}")

    assert "providers.okta.token" in found["auditors.alice.token"]


def test_secrets_need_not_be_there_where_none_is_read(load, tmp_path):
    token = f'[{{ file = "none" }}, {{ sha256 = "{DIGEST.hex()}" }}]\n'
    settings = load(PROVIDER + token + TARGET % '{ env = "GW_UNSET" }', make_tokens=True, read_secrets=False)

    assert settings.providers["okta"].digests == (DIGEST,)
    assert (settings.targets["t"].auth, settings.made_tokens, settings.warnings) == (None, (), ())
    assert not (tmp_path / "none").exists()


def test_how_a_secret_is_written_is_checked_where_none_is_read(faults_of):
    found = faults_of(PROVIDER + '"plain"\n' + TARGET % '"plain"', read_secrets=False)

    assert set(found) == {"providers.okta.token", "targets.t.auth.bearer"}


def test_a_missing_token_file_is_made_where_asked(load, tmp_path):
    settings = load(PROVIDER + '{ file = "var/new/okta.token" }', make_tokens=True)
    file = tmp_path / "var/new/okta.token"
    token = file.read_text().rstrip("\n")

    assert settings.made_tokens == (file,)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token.startswith("gw_")
    assert len(token) >= 3 + 43  # 256 bits in base64
    assert settings.providers["okta"].digests == (hashlib.sha256(token.encode()).digest(),)


def test_a_missing_token_file_is_named_and_not_made_where_that_is_not_asked(load, tmp_path):
    settings = load(PROVIDER + '{ file = "okta.token" }')

    assert settings.made_tokens == (tmp_path / "okta.token",)
    assert not (tmp_path / "okta.token").exists()


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A FIFO, as `mkfifo` makes it."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    return tmp_path / "pipe"


def test_a_pipe_that_nobody_writes_to_keeps_nobody_waiting(faults_of, pipe, monkeypatch):
    monkeypatch.setattr("gateway.settings.secrets.PATIENCE", 0.05)

    found = faults_of(TARGET % '{ file = "pipe" }')

    assert "nobody wrote to" in found["targets.t.auth.bearer.file"]


def test_a_secret_may_come_from_a_pipe_that_is_written_to(load):
    reader, writer = os.pipe()
    writing = threading.Thread(target=lambda: (os.write(writer, b"secr"), os.write(writer, b"et\n")))

    with closing(os.fdopen(reader, "rb")):
        writing.start()
        writing.join()
        os.close(writer)
        settings = load(TARGET % f'{{ file = "/dev/fd/{reader}" }}')

    assert settings.targets["t"].auth.token.reveal() == "secret"


def test_a_device_is_no_secret(faults_of):
    assert "no regular file" in faults_of(TARGET % '{ file = "/dev/zero" }')["targets.t.auth.bearer.file"]


def test_a_token_that_was_made_is_read_the_next_time(load):
    text = PROVIDER + '{ file = "okta.token" }'
    first = load(text, make_tokens=True)
    second = load(text, make_tokens=True)

    assert second.made_tokens == ()
    assert second.providers == first.providers
    assert not any("chmod" in line for line in second.warnings)


def test_no_token_is_made_while_there_is_a_fault(faults_of, tmp_path):
    faults_of(PROVIDER + '{ file = "okta.token" }\n[server]\nlisten = 1', make_tokens=True)

    assert not (tmp_path / "okta.token").exists()


def test_a_token_file_that_cannot_be_made_is_a_fault(faults_of, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is meant")

    found = faults_of(PROVIDER + '{ file = "taken/okta.token" }', make_tokens=True)

    assert "cannot be made" in found["providers.okta.token"]


@pytest.mark.parametrize(
    ("name", "words"),
    [pytest.param("a\\u0000b", "null byte", id="NUL"), pytest.param("a" * 300, "too long", id="long")],
)
def test_a_name_that_no_file_can_have_is_a_fault_though_tokens_are_made(faults_of, name, words):
    found = faults_of(PROVIDER + f'{{ file = "{name}" }}', make_tokens=True)

    assert words in found["providers.okta.token.file"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_secret_file_that_others_can_use_is_warned_about(load, tmp_path, mode):
    file = secret_file(tmp_path, mode=mode)

    settings = load(TARGET % '{ file = "secret" }')

    assert any(
        line.startswith("targets.t.auth.bearer: others can read") and f"chmod 600 {file}" in line
        for line in settings.warnings
    )


def test_a_secret_that_the_system_hands_in_has_a_mode_of_its_own(load, tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.settings.secrets.HANDED_IN", tmp_path)
    secret_file(tmp_path, mode=0o440)

    assert not any("others can read" in line for line in load(TARGET % '{ file = "secret" }').warnings)


def test_a_secret_file_of_its_owner_alone_is_fine(load, tmp_path):
    secret_file(tmp_path)

    assert not any("secret" in line for line in load(TARGET % '{ file = "secret" }').warnings)


def test_a_key_that_others_can_read_is_warned_about(load, tmp_path):
    secret_file(tmp_path, mode=0o644)

    settings = load('[server]\ntls = { cert = "secret", key = "secret" }')

    assert any(line.startswith("server.tls.key: others can read") for line in settings.warnings)
