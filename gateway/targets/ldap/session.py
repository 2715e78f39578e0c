"""Signed-in connections to a directory, each for one thread: every call waits, and is bounded in time.

A few threads have one each, so that no call to a directory stops the event loop.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import Any, Final, TypeVar

import ldap
from ldap.controls import RequestControl
from ldap.controls.libldap import SimplePagedResultsControl

from gateway.flow.target_port import Broken, Missing, Refused, Silent, TargetError, Unreachable
from gateway.targets.ldap.entries import Attribute, Modification, Raw
from gateway.targets.ldap.filters import EVERYBODY, equal
from gateway.targets.ldap.results import BROKEN_LINE, code_of, error_of
from gateway.targets.ldap.sign_in import SignIn, connected

WORKERS: Final = 4  # connections, unless the target's `concurrency` says otherwise
LISTS: Final = 5.0  # attempts that a long list may take the time of
GRACE: Final = 1.0  # seconds after which a call that does not end is left to itself
AT_ONCE: Final = 100  # entries asked for in one search
PAGE: Final = 500  # entries asked for at once; directories give 1,000 at most
IDLE: Final = 60.0  # seconds
LEAST: Final = 0.05  # seconds that a call has, however late it is
PERMISSIVE: Final = "1.2.840.113556.1.4.1413"  # a value that is there is no error, nor one that is not
# what says that a value is there already, or gone; of links between entries Active Directory says 68 and 53
AS_WANTED: Final[Mapping[int, tuple[type[ldap.LDAPError], ...]]] = {
    ldap.MOD_ADD: (ldap.TYPE_OR_VALUE_EXISTS, ldap.ALREADY_EXISTS),
    ldap.MOD_DELETE: (ldap.NO_SUCH_ATTRIBUTE, ldap.UNWILLING_TO_PERFORM),
}
SUBTREE: Final = ldap.SCOPE_SUBTREE
BASE: Final = ldap.SCOPE_BASE

T = TypeVar("T")


class Session:
    """A connection of one thread, opened at its first call and again after it broke."""

    def __init__(self, sign_in: SignIn, clock: Callable[[], float] = time.monotonic) -> None:
        self._sign_in = sign_in
        self._clock = clock
        self._connection: Any = None
        self._is_fresh = True
        self._until = 0.0
        self._used = 0.0
        self.has_sent = False  # a change, in this attempt

    def begin(self) -> None:
        """Start an attempt and its time; a connection that was idle for long may be cut, and is left."""
        now = self._clock()
        if now - self._used > IDLE:
            self.close()
        self._used, self._until = now, now + self._sign_in.timeout
        self._is_fresh = self.has_sent = False

    def go_on(self) -> None:
        """Give what follows the time of an attempt anew: a long list is read in many calls, each in time."""
        self._until = self._clock() + self._sign_in.timeout

    def close(self) -> None:
        """Give the connection up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(ldap.LDAPError):
                connection.unbind_ext_s()

    def find(self, base: str, text: str, names: Sequence[str], scope: int = SUBTREE) -> list[Raw]:
        """Return all entries that match; raises Unreachable where the base is not there."""
        return [raw for page in self.pages(base, text, names, scope) for raw in page]

    def pages(self, base: str, text: str, names: Sequence[str], scope: int = SUBTREE) -> Iterator[list[Raw]]:
        """Yield the entries that match, page by page; the last one is short (RFC 2696)."""
        cookie = b""
        while True:
            page, cookie = self._page(base, text, names, scope, cookie)
            yield page
            if not cookie:
                return

    def read(self, dn: str, names: Sequence[str], text: str = EVERYBODY) -> Raw | None:
        """Return one entry by its DN, None where there is none."""
        try:
            found = self._search(dn, BASE, text, names, [])[0]
        except ldap.NO_SUCH_OBJECT:
            return None
        except ldap.LDAPError as error:
            raise self._failed(error) from error
        return next(iter(found), None)

    def add(self, dn: str, attributes: Sequence[Attribute]) -> None:
        """Make an entry."""
        names = [name for name, _ in attributes]
        self._change(lambda connection: connection.add_ext(dn, list(attributes)), names)

    def modify(self, dn: str, modifications: Sequence[Modification]) -> None:
        """Change an entry's attributes, all or none."""
        self._modify(dn, modifications, [])

    def amend(self, dn: str, modifications: Sequence[Modification]) -> None:
        """Add and remove single values; to add one that is there, or remove one that is not, is no error."""
        try:
            self._modify(dn, modifications, [RequestControl(PERMISSIVE, False, None)])
        except TargetError as error:
            if not isinstance(error.__cause__, tuple(chain(*AS_WANTED.values()))):
                raise
            for kind, name, values in modifications:
                for value in values or ():
                    self._amend_one(dn, kind, name, value)

    def rename(self, dn: str, rdn: str, parent: str) -> str:
        """Give an entry that is there another name or place, and return its DN."""
        name = rdn.partition("=")[0]
        try:
            self._change(lambda connection: connection.rename(dn, rdn, parent, 1), [name])
        except Missing as error:
            raise Unreachable(f"there is no entry {parent} to move people to") from error
        except Broken as error:  # so says Active Directory of a place that is not there
            if self.read(parent, ["1.1"]) is not None:
                raise
            reason = f"there is no entry {parent} to move people to"
            raise Unreachable(reason) from Missing(error.reason)
        return f"{rdn},{parent}"

    def delete(self, dn: str) -> None:
        """Remove an entry."""
        self._change(lambda connection: connection.delete_ext(dn), [])

    def _modify(self, dn: str, modifications: Sequence[Modification], controls: list[Any]) -> None:
        names = list(dict.fromkeys(name for _, name, _ in modifications))
        self._change(lambda connection: connection.modify_ext(dn, list(modifications), controls), names)

    def _amend_one(self, dn: str, kind: int, name: str, value: bytes) -> None:
        try:
            self._modify(dn, [(kind, name, [value])], [])
        except TargetError as error:
            if not isinstance(error.__cause__, AS_WANTED[kind]):
                raise
            is_vague = isinstance(error.__cause__, ldap.UNWILLING_TO_PERFORM)  # it may be for another reason
            if is_vague and self.read(dn, ["1.1"], equal(name, value.decode())) is not None:
                raise

    def _page(
        self, base: str, text: str, names: Sequence[str], scope: int, cookie: bytes
    ) -> tuple[list[Raw], bytes]:
        control = SimplePagedResultsControl(True, PAGE, cookie)
        try:
            found, controls = self._search(base, scope, text, names, [control])
        except ldap.NO_SUCH_OBJECT as error:
            raise Unreachable(
                f"there is no entry {base} in the directory, or this account may not see it"
            ) from error
        except ldap.LDAPError as error:
            raise self._failed(error) from error
        cookies = [c.cookie for c in controls if c.controlType == control.controlType]
        return found, bytes(cookies[0]) if cookies and cookies[0] else b""

    def _search(
        self, base: str, scope: int, text: str, names: Sequence[str], controls: list[Any]
    ) -> tuple[list[Raw], list[Any]]:
        """Search; where the connection had broken while nobody used it, once more on another."""
        try:
            return self._search_once(base, scope, text, names, controls)
        except ldap.SERVER_DOWN:
            if self._is_fresh:
                raise  # and so is a search that goes on: its cookie is known to its connection only
            self.close()
            return self._search_once(base, scope, text, names, controls)

    def _search_once(
        self, base: str, scope: int, text: str, names: Sequence[str], controls: list[Any]
    ) -> tuple[list[Raw], list[Any]]:
        connection = self._opened()
        sent = connection.search_ext(base, scope, text, list(names), serverctrls=controls)
        _, found, _, answered = connection.result3(sent, all=1, timeout=self._left())
        self._is_fresh = True
        return [Raw(dn, values) for dn, values in found if dn is not None], answered  # None: a referral

    def _change(self, send: Callable[[Any], int], names: Collection[str]) -> None:
        """Send a change; raises the error that says whether it may have happened."""
        connection = self._opened()
        self.has_sent = True
        try:
            connection.result3(send(connection), all=1, timeout=self._left())
        except ldap.LDAPError as error:
            raise self._failed(error, names) from error
        except UnicodeEncodeError as error:  # half a surrogate pair in a DN
            raise Refused("the name of an entry is not Unicode text") from error

    def _failed(self, error: ldap.LDAPError, names: Collection[str] = ()) -> TargetError:
        if code_of(error) in BROKEN_LINE:
            self.close()
        return error_of(error, names)

    def _left(self) -> float:
        return max(self._until - self._clock(), LEAST)

    def _opened(self) -> Any:
        if self._connection is None:
            self._is_fresh = True
            self._connection = connected(self._sign_in, self._left())
        return self._connection


def undone(work: Callable[[Session], T]) -> Callable[[Session], T]:
    """Return work on a change that knows, where it fails before anything was sent, that nothing was."""

    def run(session: Session) -> T:
        try:
            return work(session)
        except TargetError as error:
            if error.maybe_applied and not session.has_sent:
                raise Unreachable(error.reason) from error
            raise

    return run


def in_doubt(error: TargetError) -> TargetError:
    """Return what a failure means after an earlier call of the same attempt has changed something."""
    return error if error.maybe_applied else Silent(error.reason)


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield values, as many at a time as one search takes."""
    return (values[n : n + AT_ONCE] for n in range(0, len(values), AT_ONCE))


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
