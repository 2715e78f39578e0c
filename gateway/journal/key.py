"""The key of the digests that stand for values at the level `hashed`: a file, made where there is none."""

import os
import secrets
from pathlib import Path
from typing import Final

import structlog

from gateway.errors import JournalUnavailable

LEAST: Final = 32  # characters

log = structlog.get_logger()


def load_key(file: Path) -> bytes:
    """Return the key in the file, which only its owner can read; raises `JournalUnavailable`."""
    try:
        if not file.exists():
            _make(file)
            log.info("audit_key.made", file=str(file))
        key = file.read_bytes().strip()
    except OSError as error:
        raise JournalUnavailable(f"the audit key {file} cannot be read: {error.strerror}") from error
    if len(key) < LEAST:
        raise JournalUnavailable(f"the audit key {file} must have {LEAST} characters or more")
    return key


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{secrets.token_hex(32)}\n")
        stream.flush()
        os.fsync(stream.fileno())
