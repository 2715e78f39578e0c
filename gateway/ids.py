"""Ids in order of time: UUIDs of version 7 (RFC 9562). What is made one after another is kept together."""

import os
import struct
import threading
import time
from typing import Final

COUNTED: Final = 12  # bits that count within a millisecond
RANDOM: Final = 62  # bits of chance
MASK: Final = (1 << RANDOM) - 1
FIXED: Final = 0x7 << 76 | 0b10 << RANDOM  # version and variant
POOL: Final = struct.Struct("=256Q")

_lock = threading.Lock()
_newest = 0  # milliseconds and count of the newest id
_pool: list[int] = []  # chance for the next ids


def new_id() -> str:
    """Return a name that nothing else has: 32 hexadecimal digits, each after the one made before it."""
    global _newest  # noqa: PLW0603 - one order for all of the process
    with _lock:
        if not _pool:
            _pool.extend(POOL.unpack(os.urandom(POOL.size)))
        chance = _pool.pop() & MASK
        _newest = made = max(_newest + 1, (time.time_ns() // 1_000_000) << COUNTED)
    moment, counted = made >> COUNTED, made & ((1 << COUNTED) - 1)
    return f"{moment << 80 | counted << 64 | FIXED | chance:032x}"
