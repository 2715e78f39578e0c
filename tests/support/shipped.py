"""What `deploy` starts in containers and under systemd, started here: the same words in a root of our own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = {  # what an image has -> what stands for it here
    "scim-gateway": [sys.executable, "-m", "gateway"],
    "python": [sys.executable],
}
PATIENCE = 30.0  # seconds, on a busy machine
PAUSE = 0.05  # seconds between looks: they are processes of their own, which cannot tell us


@dataclass
class Root:
    """A folder that stands for a machine's root; `moved`: what files and words say -> what it is here."""

    folder: Path
    moved: dict[str, str] = field(default_factory=dict)

    def at(self, path: str) -> Path:
        """Return where a path of the machine is."""
        return self.folder / path.lstrip("/")

    def hold(self, *folders: str) -> None:
        """Have these folders, which are named by their absolute paths wherever they are said."""
        for folder in folders:
            self.at(folder).mkdir(parents=True, exist_ok=True)
            self.moved[folder] = str(self.at(folder))

    def said(self, text: str) -> str:
        """Return a text as it is to be read here; what is longer is looked for first."""
        there = "|".join(re.escape(one) for one in sorted(self.moved, key=len, reverse=True))
        return re.sub(there, lambda found: self.moved[found[0]], text) if there else text

    def write(self, path: str, text: str, mode: int = 0o600) -> Path:
        """Write a file as it is to be read here."""
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode)
        file.write_text(self.said(text))
        return file

    def command(self, words: Sequence[str]) -> list[str]:
        """Return a command as it is run here."""
        first, *others = words
        program = PROGRAMS.get(Path(first).name, [self.said(first)])
        return [*program, *map(self.said, others)]

    def environment(self, told: Mapping[str, str]) -> dict[str, str]:
        said = {name: self.said(value) for name, value in told.items()}
        return {**os.environ, "PYTHONPATH": str(CHECKOUT), **said}

    def run(self, words: Sequence[str], cwd: str = "/") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        place, told = self.at(cwd), self.environment({})
        return subprocess.run(
            self.command(words), cwd=place, env=told, capture_output=True, text=True, check=False, timeout=60
        )

    @contextmanager
    def started(
        self, words: Sequence[str], told: Mapping[str, str], cwd: str = "/", umask: int = 0o022
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Have a process meanwhile."""
        process = subprocess.Popen(
            self.command(words),
            cwd=self.at(cwd),
            env=self.environment(told),
            umask=umask,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Ask a process to end, as containers and systemd do; return its status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(seconds)


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody has now."""
    with_them = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in with_them]
    for one in with_them:
        one.close()
    return ports


def until(is_so: Any, process: subprocess.Popen[bytes]) -> None:
    """Wait until it is so, while the process lives."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < end, "it does not become so"
        time.sleep(PAUSE)


def asked(url: str, token: str | None = None, body: Any = None, method: str | None = None) -> tuple[int, Any]:
    """Return the status and the JSON of an answer; 0 where nobody answers."""
    headers = {"Content-Type": "application/scim+json"}
    headers |= {} if token is None else {"Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")
    except OSError:
        return 0, None


def files(folder: Path, *beside: Path) -> dict[Path, float]:
    """Return every file below a folder with when it was written, but for what is below the others."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path: path.stat().st_mtime for path in found if not any(path.is_relative_to(one) for one in beside)
    }
