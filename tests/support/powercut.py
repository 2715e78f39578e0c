"""A disk whose plug can be pulled and whose calls fail at will: powercut.c and its control."""

import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).with_name("powercut.c")
CONTROL: Final = struct.Struct("6i")  # call, first, last, action, seen, reached
ALWAYS: Final = 2**31 - 1
KILL_BEFORE: Final = -1  # a write: after half of it
KILL_AFTER: Final = -2


class Call(IntEnum):
    """What can fail on a file of the disk."""

    NOTHING = 0
    WRITE = 1
    SYNC = 2
    OPEN = 3  # for writing


@dataclass(frozen=True)
class Disk:
    """A folder, what of it would survive a power cut, and how its calls fail."""

    folder: Path
    shadow: Path
    control: mmap.mmap
    paths: tuple[str, str | None, str]  # as the library takes them

    def fail(self, call: Call, first: int, action: int, last: int = ALWAYS) -> None:
        """Let the first to last call of that kind from now on fail with an errno, or kill the process."""
        self.control[:] = CONTROL.pack(Call.NOTHING, first, last, action, 0, 0)
        self.control[:4] = struct.pack("i", call)

    def work(self) -> None:
        """Let everything succeed again."""
        self.control[:4] = struct.pack("i", Call.NOTHING)

    @property
    def reached(self) -> int:
        """How many calls failed, or killed."""
        return int(CONTROL.unpack(self.control[:])[5])

    def pull_the_plug(self) -> None:
        """Forget what was not synced; whoever wrote to the folder is dead already."""
        for file in self.folder.iterdir():
            file.unlink()
        for file in self.shadow.iterdir():
            shutil.copy2(file, self.folder / file.name)


def make_disk(folder: Path, *, forgets: bool) -> Disk:
    """Make a disk in a new folder; `forgets`: what was synced is kept apart, for the plug to be pulled."""
    disk, shadow, control = folder / "disk", folder / "shadow", folder / "control"
    disk.mkdir(parents=True)
    shadow.mkdir()
    control.write_bytes(bytes(CONTROL.size))
    with control.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), CONTROL.size)
    return Disk(disk, shadow, shared, (str(disk), str(shadow) if forgets else None, str(control)))


def make_library(folder: Path) -> Path:
    """Compile the library to be preloaded."""
    compiler = shutil.which("gcc")
    if compiler is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("there is no gcc: install gcc and libc6-dev (Debian), or gcc and glibc-devel (Fedora)")
    library = folder / "powercut.so"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    return library
