"""What a person types: argv in, exit status out."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Do what a command line says, by default this process's own; return the exit status."""
    from gateway.cli.commands import run

    return run(sys.argv[1:] if argv is None else argv)
