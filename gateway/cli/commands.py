"""The commands by name, and what becomes of their errors."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import typer
from typer.main import get_command

from gateway.cli.audit import audit
from gateway.cli.check import check
from gateway.cli.demo import demo
from gateway.cli.explain import explain
from gateway.cli.guide import guide
from gateway.cli.operations import operations
from gateway.cli.output import ExitStatus, stop_of
from gateway.cli.problems import problems
from gateway.cli.reconcile import reconcile, resync
from gateway.cli.serve import serve
from gateway.cli.status import pause, resume, status
from gateway.cli.token import token

NAME: Final = "scim-gateway"

app = typer.Typer(
    name=NAME,
    help="Takes people from an identity provider, and brings them to targets as each wants them.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)
for command in (serve, check, explain, guide, problems, reconcile, resync, status, pause, resume, demo):
    app.command()(command)
app.add_typer(audit, name="audit")
app.add_typer(operations, name="operations")
app.add_typer(token, name="token")


def run(argv: Sequence[str]) -> int:
    """Run one command; what it cannot do is a sentence on standard error and an exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the locale, no name ends a command
    try:
        status = get_command(app).main(args=list(argv), prog_name=NAME, standalone_mode=False)
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
