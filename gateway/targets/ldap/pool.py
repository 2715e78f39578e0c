"""A few threads, each with a connection of its own, so that no call to a directory stops the event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from gateway.flow.target_port import Silent, Unreachable
from gateway.targets.ldap.session import Session
from gateway.targets.ldap.sign_in import SignIn

WORKERS: Final = 4  # connections, unless the target's `concurrency` says otherwise
LISTS: Final = 5.0  # attempts that a long list may take the time of
GRACE: Final = 1.0  # seconds after which a call that does not end is left to itself

T = TypeVar("T")


class Pool:
    """Runs work on a directory; no more at a time than there are connections."""

    def __init__(self, sign_in: SignIn, workers: int | None = None) -> None:
        self._sign_in = sign_in
        self._threads = ThreadPoolExecutor(workers or WORKERS, thread_name_prefix="ldap")
        self._places = asyncio.Semaphore(workers or WORKERS)
        self._own = threading.local()
        self._sessions: list[Session] = []

    async def run(self, work: Callable[[Session], T], attempts: float = 1.0) -> T:
        """Return what the work returns; raises TargetError, Unreachable where no connection is free.

        It may take the time of so many attempts.
        """
        timeout = self._sign_in.timeout
        try:
            async with asyncio.timeout(timeout):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unreachable("every connection to the directory is in use") from error
        loop = asyncio.get_running_loop()
        running = self._threads.submit(self._work, work)
        running.add_done_callback(lambda _: self._give_back(loop))
        result = asyncio.wrap_future(running)
        result.add_done_callback(_heard)
        try:
            async with asyncio.timeout(timeout * attempts + GRACE):
                return await asyncio.shield(result)
        except TimeoutError as error:
            raise Silent("the directory did not answer in time") from error

    async def close(self) -> None:
        """Let the work end, and give all connections up."""
        await asyncio.to_thread(self._threads.shutdown)
        for session in self._sessions:
            session.close()

    def _work(self, work: Callable[[Session], T]) -> T:
        session: Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = Session(self._sign_in)
            self._sessions.append(session)
        session.begin()
        return work(session)

    def _give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        """Free the place once the thread is free, which may be after whoever waited has gone."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._places.release)


def _heard(result: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not result.cancelled():
        result.exception()
