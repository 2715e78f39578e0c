"""Starts gateways and ledgers from a process that has loaded all they need: each is up in no time.

Usage: nursery.py SOCKET; prints `ready`. Each connection is one life: a line of JSON {"name", "arguments",
"log", "disk", "lease"} starts a process of its own, whose standard output is the connection. It begins with
`pid N` and ends with `ended STATUS` (negative: by a signal). Until the connection is closed the id is not
given to another process: who kills by it kills this one or nobody. What still lives then is killed.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import uvloop

from gateway import app, cli, log, settings
from gateway.cli import commands
from gateway.journal.postgresql.journal import PostgresJournal
from tests.support import ledger

PR_SET_PDEATHSIG: Final = 1
LOADED: Final = (app, commands, log, settings, uvloop)  # which `serve` imports where it needs them
PROGRAMS: Final[Mapping[str, Callable[[list[str]], Any]]] = {"gateway": cli.main, "ledger": ledger.main}
THIS: Final = ctypes.CDLL(None)


def end_with_parent() -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    THIS.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def live(connection: socket.socket, wanted: Mapping[str, Any]) -> int:
    """Be the program that is wanted; return its exit status."""
    end_with_parent()
    if wanted.get("lease"):
        PostgresJournal.reach.__func__.__kwdefaults__["lease"] = wanted["lease"]  # type: ignore[attr-defined]
    if wanted.get("disk"):
        THIS.powercut_use(*(path.encode() if path else None for path in wanted["disk"]))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(connection.fileno(), 1)
    os.dup2(os.open(wanted["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    connection.close()
    try:
        return int(PROGRAMS[wanted["name"]](wanted["arguments"]) or 0)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()


def keep(connection: socket.socket) -> None:
    """Start one process, say how it ends, and hold its id until nobody needs it."""
    asked = connection.makefile("r")
    wanted = json.loads(asked.readline())
    child = os.fork()
    if child == 0:
        os._exit(live(connection, wanted))
    connection.sendall(f"pid {child}\n".encode())

    def end() -> None:
        asked.read()
        os.kill(child, signal.SIGKILL)

    closed = threading.Thread(target=end)
    closed.start()
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    with suppress(BrokenPipeError):
        connection.sendall(f"ended {status}\n".encode())
    closed.join()


def serve(path: str) -> None:
    """Start a keeper for each connection, for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need no one to wait for them
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                keep(connection)
                os._exit(0)
            connection.close()


if __name__ == "__main__":
    end_with_parent()
    serve(sys.argv[1])
