"""Prints on which other Pythons the tests can run here, one a line: its minor version and its path.

It is told which minor versions are tested anyway (as 3.11). It looks for commands like python3.12 on the PATH
and for what pyenv has built; of each minor version the newest patch counts. What it leaves out it names on
standard error.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FIRST, LAST = 11, 29  # minor versions of Python 3
PROBE: Final = """
import sys, sysconfig
from importlib.util import find_spec
from pathlib import Path
print(*sys.version_info[:3], sep=".")
print(sys.executable)
missing = [name for name in ("_sqlite3", "_ssl", "ensurepip", "venv") if not find_spec(name)]
if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("not the usual build")
elif sys.version_info.releaselevel != "final":
    print("not released yet")
elif missing:
    print("it was built without", *missing)
elif not Path(sysconfig.get_path("include"), "Python.h").exists():
    print("its headers are missing, python-ldap needs them")
"""


@dataclass(frozen=True, order=True, slots=True)
class Python:
    """A Python that starts."""

    version: tuple[int, ...]
    path: str
    lack: str = ""  # why it cannot run the tests

    @property
    def minor(self) -> str:
        return ".".join(map(str, self.version[:2]))


def candidates(search: str, pyenv: Path) -> Iterator[Path]:
    """Yield what may be a Python in the folders of a search path, and in pyenv's."""
    for folder in map(Path, filter(None, search.split(os.pathsep))):
        yield from (folder / f"python3.{minor}" for minor in range(FIRST, LAST + 1))
    yield from sorted(pyenv.glob("versions/3.*/bin/python3"))


def probed(path: Path) -> Python | None:
    """Ask a command what it is; None where it does not start."""
    command = [str(path), "-c", PROBE]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version, executable, lack = (*said.splitlines(), "")[:3]
    return Python(tuple(map(int, version.split("."))), executable, lack)


def chosen(found: Iterable[Python], tested: Iterable[str]) -> tuple[list[Python], dict[Python, str]]:
    """Return the newest of each minor version, and why the others are left out."""
    kept: dict[str, Python] = {}
    left: dict[Python, str] = {}
    for python in sorted(set(found), reverse=True):
        if python.version < (3, FIRST):
            continue
        if python.minor in tested:
            left[python] = f"{python.minor} is tested anyway"
        elif python.lack:
            left[python] = python.lack
        elif python.minor in kept:
            left[python] = f"{kept[python.minor].path} is newer or the same"
        else:
            kept[python.minor] = python
    return list(kept.values()), left


def main(*tested: str) -> None:
    """Print what was found."""
    paths = candidates(os.environ.get("PATH", ""), Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")))
    asked = {path: probed(path) for path in paths if path.exists()}
    kept, left = chosen(filter(None, asked.values()), tested)
    for path in (path for path, python in asked.items() if python is None):
        sys.stderr.write(f"left out: {path} does not start\n")
    for python, reason in left.items():
        sys.stderr.write(f"left out: {python.path}: {reason}\n")
    for python in kept:
        sys.stdout.write(f"{python.minor} {python.path}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
