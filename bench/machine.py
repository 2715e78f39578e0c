"""The shape of the machine that a run was made on, without its name."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Final

from bench.world import Build

ASKED: Final = (
    "import platform, sqlite3, aiohttp;"
    "print(platform.python_version(), sqlite3.sqlite_version, aiohttp.__version__)"
)


def machine(build: Build) -> dict[str, str | int]:
    """Return the machine as the run found it, and the versions that the gateway runs on."""
    words = [build.python, "-c", ASKED]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, cwd=build.root)
    python, sqlite, aiohttp = said.stdout.split()
    kib = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory GiB": round(kib / 1024**2),
        "kernel": platform.release().partition("-")[0],
        "Python": python,
        "SQLite": sqlite,
        "aiohttp": aiohttp,
    }
