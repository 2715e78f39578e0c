"""What `--help` says of a command: the option of all, examples, and what its exit status means."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.terminal import VARIABLE
from gateway.values import frozen

NAME: Final = "scim-gateway"
ALWAYS: Final = {0: "done", 2: "wrong usage or configuration"}
JOURNAL: Final = {3: "the journal could not be read"}
ACT: Final = {3: "neither the running gateway nor the journal could be reached"}


@frozen
class Usage:
    """How one command is used."""

    examples: tuple[str, ...]  # without the program's name
    statuses: dict[int, str]  # beside those of all commands


USAGES: Final[Mapping[str, Usage]] = {
    "serve": Usage(
        ("serve", "serve --config /etc/scim-gateway/config.toml"),
        {3: "the address or the journal is in use, or cannot be used"},
    ),
    "check": Usage(
        ("check", "check --online", "check --online --format json"), {3: "a target could not be reached"}
    ),
    "init": Usage(
        (
            "init",
            "init --yes",
            "init --provider entra --target scim --url https://scim.example.com/v2 --yes",
            "init --target dialpad --credentials env:DIALPAD_TOKEN --config dialpad.toml --yes",
        ),
        {},
    ),
    "explain": Usage(
        (
            "explain phonebook person.json",
            "explain phonebook people.csv --summary",
            "explain phonebook person.json --as-test > tests.toml",
            "explain phonebook --person ava@example.com",
        ),
        {1: "somebody would be rejected", 3: "the journal or the target of --person could not be asked"},
    ),
    "test": Usage(("test", "test phonebook", "test phonebook.toml"), {1: "a test found something else"}),
    "simulate": Usage(
        ("simulate phonebook", "simulate phonebook --format csv"),
        {1: "somebody would be refused"} | JOURNAL,
    ),
    "guide": Usage(("guide phonebook", "guide phonebook --provider entra > set-up.md"), {}),
    "problems": Usage(
        ("problems phonebook", "problems phonebook --format csv > problems.csv"),
        {1: "somebody's data is refused, or partly left out"} | JOURNAL,
    ),
    "reconcile": Usage(
        ("reconcile phonebook", "reconcile phonebook --repair", "reconcile phonebook --format csv"),
        {1: "something differs, or could not be repaired", 3: "the target or the journal could not be used"},
    ),
    "resync": Usage(
        ("resync phonebook --changed", "resync phonebook --person ava@example.com"),
        {1: "somebody was refused", 3: "the target or the journal could not be used"},
    ),
    "status": Usage(
        ("status", "status --watch", "status --wide", "status --columns target,state,failure"),
        {1: "no gateway runs: this is what the journal says"} | JOURNAL,
    ),
    "reload": Usage(("reload",), {3: "no gateway runs, or it does not answer"}),
    "pause": Usage(("pause phonebook", 'pause phonebook --for 2h --reason "moves house"'), ACT),
    "resume": Usage(("resume phonebook",), ACT),
    "demo": Usage(("demo",), {}),
    "alerts test": Usage(("alerts test",), {3: "a channel did not take it"}),
    "audit query": Usage(
        (
            "audit query --since 2h",
            "audit query --filter 'outcome.result eq \"rejected\"' --format csv",
            "audit query --columns time,event,userName",
        ),
        JOURNAL,
    ),
    "audit show": Usage(("audit show CORRELATION-ID",), {1: "there is no such event"} | JOURNAL),
    "audit history": Usage(
        ("audit history ava@example.com", "audit history ava@example.com --target phonebook"),
        {1: "the trail has nothing about this name"} | JOURNAL,
    ),
    "audit tail": Usage(("audit tail", "audit tail --last 50 --format ndjson"), JOURNAL),
    "audit export": Usage(
        (
            "audit export --quarter 2026Q3 --format csv --output 2026Q3.csv",
            "audit export --since 7d > week.ndjson",
        ),
        JOURNAL,
    ),
    "audit erase": Usage(
        ("audit erase ava@example.com",), {1: "nothing was found, or something had to stay"} | ACT
    ),
    "audit verify": Usage(
        ("audit verify", "audit verify --expect 17:2c26b4…"),
        {10: "a gap", 11: "changed", 12: "truncated"} | JOURNAL,
    ),
    "journal archive": Usage(
        ("journal archive",),
        {1: "a file is not what the journal holds", 3: "the journal is in use, or could not be reached"},
    ),
    "journal copy": Usage(
        (
            "journal copy sqlite:var/gateway.db postgresql://gateway@db.example.com/gateway",
            "journal copy postgresql://gateway@db.example.com/gateway sqlite:var/gateway.db",
        ),
        {
            1: "a journal is there already, or the trail is not whole",
            3: "a journal is in use, or could not be reached",
        },
    ),
    "operations list": Usage(("operations list", "operations list --target phonebook --wide"), JOURNAL),
    "operations retry": Usage(("operations retry ID",), {1: "there is no such operation"} | ACT),
    "operations drop": Usage(
        ("operations drop ID", "operations drop --target phonebook"),
        {1: "there is no such operation, or some were left"} | ACT,
    ),
    "operations release": Usage(
        ("operations release phonebook", "operations release phonebook --only ava@example.com"),
        {1: "nobody is held whom --only names"} | ACT,
    ),
    "token new": Usage(("token new okta", "token new okta --expires 90d > okta.token"), ACT),
    "token list": Usage(("token list", "token list --format json"), JOURNAL),
    "token revoke": Usage(("token revoke tok_1a2b3c4d",), {1: "there is no such live token"} | ACT),
}


def epilog(command: str) -> str:
    """Return the end of a command's help, of lines that are kept as they are."""
    return "\n\n".join(_paragraphs(USAGES.get(command, Usage((), {}))))


def _paragraphs(usage: Usage) -> Iterator[str]:
    if usage.examples:
        yield "\n".join(("\b", "Examples:", *(f"  {NAME} {example}" for example in usage.examples)))
    statuses = sorted((ALWAYS | usage.statuses).items())
    yield "\n".join(("\b", "Exit status:", *(f"  {status:<3} {meaning}" for status, meaning in statuses)))


def summary(command: Callable[..., Any]) -> str:
    """Return what a list of commands says of one: the beginning of its sentence."""
    return (inspect.getdoc(command) or "").partition("\n")[0].partition(";")[0].partition(":")[0].rstrip(".")


def _nearest(context: typer.Context, config: Path) -> Path:
    """Return the file that is named after the command, or else what is known before it."""
    source = context.get_parameter_source("config")
    is_said_here = source is not None and source.name == "COMMANDLINE"
    if is_said_here or context.parent is None:
        return config
    return Path(context.parent.params.get("config", config))


Config = Annotated[
    Path,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration.",
        envvar=VARIABLE,
        callback=_nearest,
        readable=False,  # who reads it says better why it cannot be
    ),
]
