"""Starts gateways, one after another, from a process that has loaded all they need: they are up in no time.

Each is a process of its own that runs `serve`, and may be killed as any other. On standard input: `start`.
On standard output: `ready`, `pid N`, what the gateway says, `ended STATUS` (negative: by a signal). Its id is
not given back before the next `start`: who kills by that id kills this gateway or nobody.
"""

import ctypes
import os
import signal
import sys
import traceback

import uvloop

from gateway import app, log, settings
from gateway.cli import commands, main

PR_SET_PDEATHSIG = 1
LOADED = (app, commands, log, settings, uvloop)  # which `serve` imports where it needs them


def end_with_parent() -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def start(config: str, log_file: str) -> int:
    """Start a gateway and return its id."""
    pid = os.fork()
    if pid:
        return pid
    end_with_parent()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    status = 1
    try:
        status = main(["serve", "--config", config])
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


def end_of(pid: int) -> int:
    """Wait for its end and return its status, a signal as its negative number."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert end is not None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


if __name__ == "__main__":
    end_with_parent()
    say("ready")
    child = 0
    while sys.stdin.readline() == "start\n":
        if child:
            os.waitpid(child, 0)
        child = start(*sys.argv[1:])
        say(f"pid {child}")
        say(f"ended {end_of(child)}")
