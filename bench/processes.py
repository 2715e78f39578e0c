"""Processes that a bench starts: few, each ended by its id, and what the system says of them."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

HOME: Final = Path(__file__).resolve().parents[1]
MOST: Final = 8  # processes at one time
PATIENCE: Final = 30.0  # seconds a process gets to end
PR_SET_PDEATHSIG: Final = 1
LIBC: Final = ctypes.CDLL(None)


def end_with_parent() -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Process:
    """A process that was started here."""

    popen: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.popen.pid

    def cpu(self) -> float:
        """Return the seconds of CPU that all its threads have had, to the microsecond."""
        return time.clock_gettime((~self.pid << 3) | 2)  # what clock_getcpuclockid(3) makes of an id

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        return self._number("status", "VmRSS") / 1024

    def written(self) -> int:
        """Return the bytes that it had the disk write."""
        return self._number("io", "write_bytes")

    def end(self, timeout: float = PATIENCE) -> None:
        """Ask it to end, and make it where it does not."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _number(self, file: str, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/{file}").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


class Processes:
    """Those that are running; all of them end with the block."""

    def __init__(self) -> None:
        self._running: list[Process] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running):
            process.end()
        self._running.clear()

    def start(
        self, command: Sequence[str], *, log: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a process whose errors go to `log`; without it, to ours, and its output is read."""
        if len(self._running) >= MOST:
            raise RuntimeError(f"{MOST} processes are running already")
        errors = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            popen = subprocess.Popen(
                command,
                cwd=HOME,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if log else subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - no thread is running here
            )
        finally:
            if errors is not None:
                os.close(errors)
        process = Process(popen)
        self._running.append(process)
        return process

    def helper(self, module: str, *arguments: str) -> Process:
        """Start one of the bench's own modules."""
        return self.start([sys.executable, "-m", f"bench.{module}", *arguments])

    def end(self, process: Process) -> None:
        """End one of them before the others."""
        self._running.remove(process)
        process.end()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def said_port(process: Process) -> int:
    """Return the port that a helper prints once it listens there."""
    assert process.popen.stdout is not None
    return int(process.popen.stdout.readline())


def wait_until_healthy(process: Process, port: int, timeout: float = 600.0) -> float:
    """Return after how many seconds a gateway answers 200; raises RuntimeError where it ends or does not."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < timeout:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return time.perf_counter() - begun
        if process.popen.poll() is not None:
            raise RuntimeError(f"the gateway ended with status {process.popen.returncode}")
        time.sleep(0.005)
    raise RuntimeError("the gateway is not healthy")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a helper until it ends, on the event loop that the gateway has, too: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with suppress(KeyboardInterrupt), runner:
        runner.run(main)
