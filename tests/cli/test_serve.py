"""`serve`: a real process, what it prints, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.serve import announce, without_certificates
from gateway.journal.store import JournalLock
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A gateway in the folder, without a token file."""
    (folder / "okta.token").unlink()
    (folder / "config.toml").write_text((folder / "config.toml").read_text().replace("okta.token", "new/t"))
    command = [sys.executable, str(ROOT / "gateway.py"), "serve"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def announced(process):
    """Read what a gateway prints until it listens."""
    lines = []
    while not lines or not lines[-1].startswith("listening"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line.rstrip())
    return lines


def test_a_gateway_prints_where_it_is_and_where_its_token_is(process, folder):
    *lines, last = announced(process)

    port = re.fullmatch(r"listening on port (\d+); Ctrl\+C stops", last)[1]
    assert lines == [
        f"target phonebook: http://127.0.0.1:{port}/scim/phonebook/v2",
        f"target cx: http://127.0.0.1:{port}/scim/cx/v2",
        f"token made: {folder}/new/t",
    ]
    assert (folder / "new" / "t").stat().st_mode & 0o777 == 0o600
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
        assert json.load(answer) == {"status": "ok"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_well(process, number):
    announced(process)

    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert json.loads(err.splitlines()[-1])["event"] == "gateway.stopped"


def test_a_running_gateway_takes_commands(process, run):
    announced(process)

    made = run("token", "new", "okta")
    revoked = run("token", "revoke", made.err.split()[0])
    refused = run("serve")

    assert (made.status, revoked.status, refused.status) == (0, 0, 3)
    assert refused.err.startswith("another gateway has the journal ")


def test_a_journal_that_is_taken_ends_with_3(run, folder):
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("serve")

    lock.release()
    assert (ended.status, ended.out) == (3, "")
    assert ended.err == f"another gateway has the journal {folder}/var/gateway.db\n"


def test_a_gateway_runs_without_uvloop(run, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("serve")

    lock.release()
    assert ended.status == 3


def test_targets_are_announced_as_the_outside_calls_them(folder, capsys):
    config = folder / "config.toml"
    config.write_text(
        config.read_text().replace("[journal]", 'public_url = "https://gw.example/"\n[journal]')
    )

    announce(load_settings(config, CONNECTORS), 4711)

    assert capsys.readouterr().out.splitlines()[0] == "target phonebook: https://gw.example/scim/phonebook/v2"


def test_phone_books_are_printed_with_their_addresses_and_without_their_tokens(folder, capsys):
    config = folder / "config.toml"
    book = '[phonebooks.desk]\ntarget = "phonebook"\nformat = "csv"\ntoken = { file = "desk.token" }\n'
    config.write_text(config.read_text() + book)

    announce(load_settings(config, CONNECTORS, make_tokens=True), 4711)

    out = capsys.readouterr().out
    assert "phone book desk: http://127.0.0.1:0/phonebook/desk\n" in out
    assert f"token made: {folder}/desk.token\n" in out
    assert (folder / "desk.token").read_text().strip() not in out


def test_a_port_that_is_taken_ends_with_3(run, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = folder / "config.toml"
        config.write_text(config.read_text().replace("127.0.0.1:0", address))
        ended = run("serve")

    assert (ended.status, ended.out) == (3, "")
    assert ended.err == f"cannot listen on {address}: Address already in use\n"


def test_a_certificate_that_is_none_ends_with_2(run, folder):
    (folder / "tls.pem").touch(0o600)
    config = folder / "config.toml"
    config.write_text(
        config.read_text().replace("[journal]", 'tls = { cert = "tls.pem", key = "tls.pem" }\n[journal]')
    )

    ended = run("serve")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "server.tls: certificate and key cannot be used together\n"


def test_warnings_of_the_configuration_are_in_the_log(run, folder):
    (folder / "okta.token").chmod(0o644)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", "no.such.host.invalid:0"))

    line = json.loads(run("serve").err.splitlines()[0])

    assert (line["event"], line["level"]) == ("config.doubted", "warning")
    assert line["reason"].startswith("providers.okta.token")


def test_a_name_that_is_no_address_ends_with_3(run, folder):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", "no.such.host.invalid:0"))

    ended = run("serve")

    assert ended.status == 3
    assert ended.err.startswith("cannot listen on no.such.host.invalid:0: ")


@pytest.mark.parametrize("told", [None, "/etc/our-own.pem"])
def test_where_the_certificates_are_is_as_it_was_once_aiohttp_is_there(monkeypatch, told):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if told is not None:
        monkeypatch.setenv("SSL_CERT_FILE", told)

    with without_certificates():
        assert os.environ["SSL_CERT_FILE"] == os.devnull

    assert os.environ.get("SSL_CERT_FILE") == told
