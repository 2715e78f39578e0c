"""What a person types: argv in, exit status out."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

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
        return _reader(argv)(argv)
    except KeyboardInterrupt:  # while modules are read, before anything of a command has begun
        return INTERRUPTED
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "gateway", *sys.stdlib_module_names):
            raise
        return _wrong_python(f"has no {missing}")


def _reader(argv: Sequence[str]) -> Callable[[Sequence[str]], int]:
    """Return what does a command line, with no look of the collector at what is read for it: that stays."""
    is_first = "gateway.cli.output" not in sys.modules
    if is_first:
        gc.disable()
    try:
        run: Callable[[Sequence[str]], int] = import_module(
            "gateway.cli.serve" if _is_plain(argv) else "gateway.cli.commands"
        ).run
    finally:
        if is_first:
            gc.freeze()
            gc.enable()
    return run


def _is_plain(argv: Sequence[str]) -> bool:
    """Say whether it is `serve [--config FILE]`, read without typer, a sixth of a start."""
    plain = list(argv[:1]) == ["serve"] and "_SCIM_GATEWAY_COMPLETE" not in os.environ
    if len(argv) == 3:
        return plain and argv[1] == "--config" and argv[2][:1] not in ("", "-")
    return plain and len(argv) == 1


def _wrong_python(why: str) -> int:
    """Say which Python to take instead of this one."""
    cure = "`make setup` once, then .venv/bin/python gateway.py"
    print(f"this Python ({sys.executable}) {why}: {cure}", file=sys.stderr)
    return 2
