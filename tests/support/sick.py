"""Targets in a process of their own that fall ill when they are told to, and count what they are asked."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ward:
    """The targets, by the ports they are on."""

    process: subprocess.Popen[str]
    ports: tuple[int, ...]

    def ail(self, moods: Mapping[int, str]) -> None:
        """Give some of them another mood: well, hangs, refuses, trickles or cuts."""
        self._tell(moods)

    def asked(self) -> dict[int, int]:
        """Return how many requests each has got so far."""
        return {int(port): asked for port, asked in self._tell({}).items()}

    def _tell(self, moods: Mapping[int, str]) -> dict[str, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(moods) + "\n")
        self.process.stdin.flush()
        told: dict[str, int] = json.loads(self.process.stdout.readline())
        return told


@contextmanager
def ward(count: int) -> Iterator[Ward]:
    """Serve so many targets, all of them well."""
    command = [sys.executable, "-m", "bench.sick", str(count)]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Ward(process, tuple(json.loads(process.stdout.readline())))
        finally:
            process.kill()
