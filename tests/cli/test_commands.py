"""What all commands share: usage, faults, and no traceback."""

import io
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from gateway.cli import main
from gateway.cli.commands import application
from gateway.cli.output import ExitStatus, Stop, stop_of
from gateway.cli.terminal.usage import USAGES
from gateway.errors import ConfigError, Fault, InvalidFilter, JournalUnavailable
from gateway.flow.target_port import Unreachable
from gateway.journal.store import JournalLocked
from gateway.users import why
from gateway.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        pytest.param(["serv"], "No such command 'serv'", id="unknown command"),
        pytest.param([], "Usage: scim-gateway", id="no command"),
        pytest.param(["audit"], "Usage: scim-gateway audit", id="no sub-command"),
        pytest.param(["explain"], "Missing argument 'TARGET'", id="missing argument"),
        pytest.param(["check", "--offline"], "No such option", id="unknown option"),
        pytest.param(["audit", "query", "--limit", "0"], "--limit: must be at least 1", id="limit too small"),
        pytest.param(["audit", "query", "--limit", "x"], "--limit: must be a whole number\n", id="no number"),
        pytest.param(
            ["audit", "query", "--limit", "1.5"], "--limit: must be a whole number\n", id="no whole one"
        ),
        pytest.param(
            ["token", "list", "--format", "xml"], "--format: 'xml' is not one of", id="unknown format"
        ),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(run, argv, sentence):
    ended = run(*argv)

    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err
    assert "Value error" not in ended.err
    assert "Input should" not in ended.err


def test_output_may_go_where_there_is_no_encoding(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert main(["check"]) == 0
    assert "phonebook: ok" in sys.stdout.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["explain", "phonebook", "--person", "J\udcf6rg"], id="somebody"),
        pytest.param(["problems", "phonebook", "--person", "J\udcf6rg"], id="whose problems"),
        pytest.param(["token", "revoke", "\udcff"], id="a token"),
    ],
)
def test_bytes_that_are_no_text_end_a_command_with_2_and_a_sentence(run, journal, words):
    ended = run(*words)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "what was typed has bytes that are no text in UTF-8: is the terminal set to it?\n"


def test_who_interrupts_a_command_before_it_begins_sees_no_traceback(run, monkeypatch):
    def interrupt(names):
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.commands.application", interrupt)

    assert run("status") == (130, "", "")


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
    assert [line.partition(":")[0] for line in ended.err.splitlines()] == [
        "server.lissen (line 2)",
        "journal.url (line 4)",
    ]


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        pytest.param(Stop("no", ExitStatus.REFUSED), 1, "no", id="stop"),
        pytest.param(ConfigError([Fault("a", "x"), Fault("b", "y")]), 2, "a: x\nb: y", id="faults"),
        pytest.param(InvalidFilter("filter: odd"), 2, "filter: odd", id="bad filter"),
        pytest.param(JournalUnavailable("disk"), 3, "disk", id="journal"),
        pytest.param(JournalLocked("taken"), 3, "taken", id="locked"),
        pytest.param(Unreachable("gone"), 3, "gone", id="target"),
        pytest.param(
            PermissionError(13, "Permission denied", "/nowhere/x"),
            2,
            f"/nowhere/x cannot be used: {why(PermissionError(13, 'Permission denied'), '/nowhere/x')}",
            id="a file",
        ),
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


def words_of_commands():
    """Return every command of the program, sub-commands with their group."""
    for name, command in get_command(application()).commands.items():
        below = getattr(command, "commands", None)
        yield from [name] if below is None else (f"{name} {sub}" for sub in below)


@pytest.mark.parametrize("words", list(words_of_commands()))
def test_the_help_of_a_command_has_examples_that_can_be_typed_and_its_exit_statuses(run, words):
    ended = run(*words.split(), "-h")

    assert "Exit status:\n    0   done\n" in ended.out
    assert USAGES[words].examples
    for example in USAGES[words].examples:
        assert f"    scim-gateway {example}\n" in ended.out
        assert example.startswith(words)
        command, rest = get_command(application()), shlex.split(example.partition(" > ")[0])
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        command.make_context("scim-gateway", rest)


def test_h_is_help(run):
    assert run("-h").out == run("--help").out


def test_the_version_is_told(run):
    assert run("--version") == (0, f"scim-gateway {VERSION}\n", "")


@pytest.mark.parametrize(
    ("argv", "file"),
    [
        pytest.param(["token", "list"], "environment.toml", id="environment"),
        pytest.param(["--config", "first.toml", "token", "list"], "first.toml", id="before"),
        pytest.param(["--config=first.toml", "check"], "first.toml", id="before, with ="),
        pytest.param(["token", "--config", "second.toml", "list"], "second.toml", id="between"),
        pytest.param(["token", "list", "--config", "third.toml"], "third.toml", id="after"),
        pytest.param(
            ["--config", "first.toml", "token", "list", "--config", "third.toml"],
            "third.toml",
            id="the nearest",
        ),
    ],
)
def test_the_configuration_is_named_by_the_environment_or_before_or_after_the_command(
    run, monkeypatch, argv, file
):
    monkeypatch.setenv("SCIM_GATEWAY_CONFIG", "environment.toml")

    ended = run(*argv)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"{file}: there is no such file")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        pytest.param("scim-gateway che", ["check"], id="a command"),
        pytest.param("scim-gateway operations ", ["list", "retry", "drop", "release"], id="a group's"),
        pytest.param("scim-gateway token list --fo", ["--format"], id="an option"),
        pytest.param("scim-gateway token list --format n", ["ndjson"], id="what an option may be"),
    ],
)
def test_a_shell_is_told_what_may_come_next(folder, line, offered):
    asked = {
        "_SCIM_GATEWAY_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }

    ended = subprocess.run(
        [sys.executable, str(ROOT / "gateway.py")],
        cwd=folder,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.stdout.split() == offered


def test_completion_is_installed_where_the_shell_looks(tmp_path):
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("there is no bash here")
    command = (
        f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'gateway.py'))} --install-completion; true"
    )

    ended = subprocess.run(
        [shell, "-c", command],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.stdout.startswith("bash completion installed in"), ended.stderr
    assert (
        "_SCIM_GATEWAY_COMPLETE=complete_bash"
        in (tmp_path / ".bash_completions" / "scim-gateway.sh").read_text()
    )
