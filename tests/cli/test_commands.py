"""What all commands share: usage, faults, and no traceback."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.cli.output import ExitStatus, Stop, stop_of
from gateway.errors import ConfigError, Fault, InvalidFilter, JournalUnavailable
from gateway.flow.target_port import Unreachable
from gateway.journal.store import JournalLocked

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        pytest.param(["serv"], "No such command 'serv'", id="unknown command"),
        pytest.param([], "Usage: scim-gateway", id="no command"),
        pytest.param(["audit"], "Usage: scim-gateway audit", id="no sub-command"),
        pytest.param(["explain"], "Missing argument 'TARGET'", id="missing argument"),
        pytest.param(["check", "--offline"], "No such option", id="unknown option"),
        pytest.param(["audit", "query", "--limit", "0"], "greater than or equal to 1", id="limit too small"),
        pytest.param(["token", "list", "--format", "xml"], "'xml' is not one of", id="unknown format"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(run, argv, sentence):
    ended = run(*argv)

    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err


def test_output_may_go_where_there_is_no_encoding(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert main(["check"]) == 0
    assert "phonebook: ok" in sys.stdout.getvalue()


def test_help_ends_with_0(run):
    assert run("--help").status == 0


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["serve"], id="serve"),
        pytest.param(["check"], id="check"),
        pytest.param(["explain", "cx"], id="explain"),
        pytest.param(["audit", "query"], id="audit query"),
        pytest.param(["audit", "verify"], id="audit verify"),
        pytest.param(["token", "new", "okta"], id="token new"),
        pytest.param(["token", "list"], id="token list"),
        pytest.param(["token", "revoke", "tok_1"], id="token revoke"),
    ],
)
def test_every_command_takes_a_configuration_and_names_its_faults(run, argv, folder):
    (folder / "other.toml").write_text('[server]\nlissen = "x"\n[journal]\nurl = 3\n')

    ended = run(*argv, "--config", "other.toml")

    assert ended.status == 2
    assert [line.partition(":")[0] for line in ended.err.splitlines()] == ["server.lissen", "journal.url"]


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        pytest.param(Stop("no", ExitStatus.REFUSED), 1, "no", id="stop"),
        pytest.param(ConfigError([Fault("a", "x"), Fault("b", "y")]), 2, "a: x\nb: y", id="faults"),
        pytest.param(InvalidFilter("filter: odd"), 2, "filter: odd", id="bad filter"),
        pytest.param(JournalUnavailable("disk"), 3, "disk", id="journal"),
        pytest.param(JournalLocked("taken"), 3, "taken", id="locked"),
        pytest.param(Unreachable("gone"), 3, "gone", id="target"),
    ],
)
def test_an_error_of_ours_has_an_exit_status(error, status, sentence):
    stop = stop_of(error)

    assert stop is not None
    assert (stop.status, str(stop)) == (status, sentence)


def test_a_fault_of_the_code_is_no_answer():
    assert stop_of(KeyError("x")) is None


def test_a_fault_of_the_code_is_not_hidden(run, folder, monkeypatch):
    monkeypatch.setattr("gateway.settings.load_settings", None)

    with pytest.raises(TypeError):
        run("check")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_gone_gets_no_traceback(folder, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, str(ROOT / "gateway.py"), "check"]

    ended = subprocess.run(
        command, cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )

    os.close(writing)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr
