"""Ids in order of time: UUIDs of version 7 (RFC 9562). What is made one after another is kept together."""

import os
import time
from typing import Final

VERSION: Final = 0x7000  # in the first half of an id: behind the milliseconds, before 12 bits that count
COUNTED: Final = 0xFFF
POOL: Final = 256  # second halves made at once: the variant in two bits, 62 bits of chance
CHANCE: Final = int("3fffffffffffffff" * POOL, 16)
VARIANT: Final = int("8000000000000000" * POOL, 16)

_newest = 0  # the first half of the newest id
_pool: list[str] = []  # second halves of the next ids


def new_id() -> str:
    """Return a name that nothing else has: 32 hexadecimal digits, each after the one made before it.

    For one thread: the gateway makes its ids on that of its event loop.
    """
    global _newest  # noqa: PLW0603 - one order for all of the process
    made = time.time_ns() // 1_000_000 << 16 | VERSION
    if made <= _newest:  # in the same millisecond, or the clock was set back
        made = _newest + 1
        if not made & COUNTED:  # counted to the end: on with the next millisecond
            made += 0xF000  # which leaves the version as it was
    _newest = made
    return f"{made:016x}{_pool.pop() if _pool else _chance()}"


def _chance() -> str:
    """Fill the pool, and return what is taken from it at once."""
    size = 8 * POOL
    halves = int.from_bytes(os.urandom(size)) & CHANCE | VARIANT
    _pool.extend(halves.to_bytes(size).hex(" ", 8).split())
    return _pool.pop()
