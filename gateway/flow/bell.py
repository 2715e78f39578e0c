"""A bell: it wakes everybody who waits, and who is busy when it rings hears it afterwards."""

import asyncio


class Bell:
    """Rung from one event loop, heard on the same."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """Return what is set at the next ring: taken before work begins, it tells of a ring meanwhile."""
        return self._next

    def ring(self) -> None:
        """Wake all who wait for the next ring."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()
