"""One process writes a journal: an exclusive lock on a file beside it."""

import fcntl
import os
from pathlib import Path

from gateway.sqlite import StoreUnavailable


class JournalLocked(Exception):
    """Another process has this journal."""


class JournalLock:
    """Holds `<journal>.lock` until released, or until the process ends however it ends."""

    def __init__(self, journal: Path) -> None:
        """Take the lock; raises `JournalLocked`, or `StoreUnavailable` where the file cannot be made."""
        path = journal.with_name(f"{journal.name}.lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = open(path, "ab", opener=_private)  # noqa: SIM115 - held until released
        except OSError as error:
            raise StoreUnavailable(f"its lock cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise JournalLocked(f"another gateway has the journal {journal}") from error

    def release(self) -> None:
        """Let the next one have it. The file stays: removing it would let two in."""
        self._file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
