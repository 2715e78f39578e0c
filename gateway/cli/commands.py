"""The commands by name, and what becomes of their errors."""

import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Final

import typer
from typer.main import get_command

from gateway.cli.output import ExitStatus, stop_of

NAME: Final = "scim-gateway"
COMMANDS: Final[Mapping[str, str]] = {  # in the order of --help -> the module that has it under its name
    "serve": "serve",
    "check": "check",
    "explain": "explain",
    "guide": "guide",
    "problems": "problems",
    "reconcile": "reconcile",
    "resync": "reconcile",
    "status": "status",
    "pause": "status",
    "resume": "status",
    "demo": "demo",
    "audit": "audit",
    "operations": "operations",
    "token": "token",
}


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the program with these commands; a command's module is imported with it."""
    app = typer.Typer(
        name=NAME,
        help="Takes people from an identity provider, and brings them to targets as each wants them.",
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.callback()(lambda: None)  # else a command alone is the whole program
    for name in names:
        found = getattr(import_module(f"gateway.cli.{COMMANDS[name]}"), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def run(argv: Sequence[str]) -> int:
    """Run one command; what it cannot do is a sentence on standard error and an exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the locale, no name ends a command
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for them in all packages
    try:
        named = argv[:1] if argv and argv[0] in COMMANDS else COMMANDS  # else --help, or a slip of the pen
        status = get_command(application(named)).main(args=list(argv), prog_name=NAME, standalone_mode=False)
    except typer.TyperException as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except Exception as error:
        stop = stop_of(error)
        if stop is None:
            raise
        print(stop, file=sys.stderr)
        status = stop.status
    return _flushed(int(status or ExitStatus.DONE))


def _flushed(status: int) -> int:
    """Write out what is left; where the reader has gone, as `head` does, 1 as typer and rich have it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.REFUSED
    return status
