"""What a person types: argv in, exit status out."""

import signal
import sys
from collections.abc import Sequence

OLDEST = (3, 11)
INTERRUPTED = 130  # as shells have it: 128, and SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Do what a command line says, by default this process's own; return the exit status."""
    if sys.version_info < OLDEST:
        return _wrong_python("is older than 3.11")
    argv = sys.argv[1:] if argv is None else argv
    if "serve" in argv:  # before all else, which takes a while: no SIGHUP ends a gateway
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        from gateway.cli.commands import run

        return run(argv)
    except KeyboardInterrupt:  # while modules are read, before anything of a command has begun
        return INTERRUPTED
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "gateway", *sys.stdlib_module_names):
            raise
        return _wrong_python(f"has no {missing}")


def _wrong_python(why: str) -> int:
    """Say which Python to take instead of this one."""
    cure = "`make setup` once, then .venv/bin/python gateway.py"
    print(f"this Python ({sys.executable}) {why}: {cure}", file=sys.stderr)
    return 2
