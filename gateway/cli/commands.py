"""The commands by name, and what becomes of their errors."""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from gateway.cli.output import CONFIG, VIEW, ExitStatus, View, finished
from gateway.cli.terminal.usage import Config, epilog, summary
from gateway.version import VERSION

NAME: Final = "scim-gateway"
COMPLETE: Final = "_SCIM_GATEWAY_COMPLETE"  # typer's own, where a shell asks what may come next
COMMANDS: Final[Mapping[str, str]] = {  # in the order of --help -> the module that has it under its name
    "init": "init",
    "serve": "serve",
    "reload": "serve",
    "check": "check",
    "explain": "explain",
    "test": "check",
    "guide": "init",
    "problems": "problems",
    "simulate": "simulate",
    "reconcile": "reconcile",
    "resync": "reconcile",
    "status": "status",
    "pause": "status",
    "resume": "status",
    "demo": "demo",
    "audit": "audit",
    "operations": "operations",
    "token": "token",
    "journal": "journal",
    "alerts": "status",
}


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the program with these commands; a command's module is imported with it."""
    app = typer.Typer(
        name=NAME,
        help="Takes people from an identity provider, and brings them to targets as each wants them.",
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    for name in names:
        found = getattr(import_module(f"gateway.cli.{COMMANDS[name]}"), name)
        if isinstance(found, typer.Typer):
            about = str(found.info.help).rstrip(".")
            app.add_typer(_group(found, name), name=name, callback=_anywhere, short_help=about)
        else:
            app.command(name, epilog=epilog(name), short_help=summary(found))(with_view(with_config(found)))
    return app


def _group(group: typer.Typer, name: str) -> typer.Typer:
    """Return the group, its commands with what all have: views, examples and exit statuses."""
    whole = typer.Typer(help=group.info.help, no_args_is_help=True)
    for command in group.registered_commands:
        assert command.callback is not None
        own = command.name or command.callback.__name__
        about = summary(command.callback)
        whole.command(own, epilog=epilog(f"{name} {own}"), short_help=about)(with_view(command.callback))
    return whole


def _show_version(asked: bool) -> None:
    if asked:
        print(f"{NAME} {VERSION}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show which release this is.")
]


def _program(version: Version = False, config: Config = CONFIG) -> None:
    pass  # `--config` is taken by the command


def _anywhere(config: Config = CONFIG) -> None:
    pass


Command = Callable[..., Any]


def with_config(command: Command) -> Command:
    """Return a command with the option for its file, where its module does without typer."""
    if command.__annotations__.get("config") is not Path:
        return command

    def configured(config: Config = CONFIG) -> Any:
        return command(config)

    configured.__doc__ = command.__doc__
    return configured


Chosen = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B", help="The columns of the table or of CSV, and their order."),
]
Wide = Annotated[bool, typer.Option("--wide", help="All columns, however long the lines are.")]


def with_view(command: Command) -> Command:
    """Return a command that shows tables with the options for which of their columns, and how wide."""
    signature = inspect.signature(command, eval_str=True)
    form = signature.parameters.get("format")
    if form is None or "table" not in _choices(form.annotation) or "columns" in signature.parameters:
        return command

    @wraps(command)
    def viewed(*, columns: str | None, wide: bool, **given: Any) -> Any:
        chosen = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
        token = VIEW.set(View(chosen, wide))
        try:
            return command(**given)
        finally:
            VIEW.reset(token)

    own = list(signature.parameters.values())
    for name, kind, default in (("columns", Chosen, None), ("wide", Wide, False)):
        own.insert(
            -1, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        )
    keyed = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    viewed.__signature__ = signature.replace(parameters=keyed)  # type: ignore[attr-defined]
    return viewed


def _choices(annotation: Any) -> Sequence[str]:
    """Return what an option may be, of an enumeration."""
    kind = getattr(annotation, "__origin__", annotation)
    return [str(member) for member in kind] if isinstance(kind, type(ExitStatus)) else []


def run(argv: Sequence[str]) -> int:
    """Run one command; what it cannot do is a sentence on standard error and an exit status."""
    return finished(partial(_called, argv), argv)


def _called(argv: Sequence[str]) -> int | None:
    try:
        status: int | None = get_command(application(named(argv))).main(
            args=list(argv), prog_name=NAME, standalone_mode=False
        )
    except typer.TyperException as error:
        print(_worded(error.format_message()), file=sys.stderr)
        return error.exit_code
    return status


WORDS: Final = (  # what libraries say -> what people read
    (re.compile(r"^Invalid value for '([^']+)'(?: \([^)]*\))?: "), r"\1: "),
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer\b.*", re.DOTALL), "must be a whole number"),
    (re.compile(r"Input should be a valid number\b.*", re.DOTALL), "must be a number"),
    (re.compile(r"Input should be greater than or equal to"), "must be at least"),
    (re.compile(r"Input should be less than or equal to"), "must be at most"),
    (re.compile(r"Input should be"), "must be"),
)


def _worded(message: str) -> str:
    """Return a library's message in the words of all others."""
    for pattern, words in WORDS:
        message = pattern.sub(words, message)
    return message


def named(argv: Sequence[str]) -> Iterable[str]:
    """Return the command that a line is about; all where that is not seen: --help, or a slip of the pen."""
    rest = list(argv)
    if rest[:1] == ["--config"]:
        del rest[:2]
    elif rest and rest[0].startswith("--config="):
        del rest[:1]
    return rest[:1] if rest and rest[0] in COMMANDS and COMPLETE not in os.environ else COMMANDS
