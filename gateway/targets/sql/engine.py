"""One database: its connections, a transaction for each change, and what is known where that is cut off."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Executable, event, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.address import Basic, TargetAddress
from gateway.flow.target_port import Silent, Unreachable
from gateway.targets.sql.failures import AttributeOf, target_error

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

DRIVERS: Final = {  # scheme of the URL -> SQLAlchemy's name of the dialect and its driver
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+aiomysql",
    "mariadb": "mariadb+aiomysql",
    "mssql": "mssql+aioodbc",
    "oracle": "oracle+oracledb_async",
}
STRICT: Final = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
RECYCLED: Final = 1800  # seconds after which a connection is not used any more
READS: Final = {"reads": True}


def engine_url(address: TargetAddress) -> URL:
    """Return where the database is, with its driver and who signs in."""
    scheme, _, rest = address.url.partition(":")
    if scheme == "sqlite":
        return URL.create(DRIVERS[scheme], database=rest)
    url = make_url(address.url).set(drivername=DRIVERS[scheme])
    if isinstance(address.auth, Basic):
        url = url.set(username=address.auth.user, password=address.auth.password.reveal())
    return url


class SqlPool:
    """A pool of connections; each call is one attempt within `timeout` and raises only a `TargetError`."""

    def __init__(self, address: TargetAddress, connections: int) -> None:
        self._timeout = address.timeout
        self._engine = _engine(address, connections)
        self._reading = self._engine.execution_options(**_reading(self._engine))
        self._lock_wait = _lock_wait(address) if self._engine.dialect.name == "postgresql" else None
        self._left: set[asyncio.Task[Any]] = set()  # whose callers have gone

    @property
    def dialect(self) -> Any:
        return self._engine.dialect

    async def read(self, work: Work[T], attribute_of: AttributeOf) -> T:
        """Return what is read; nothing is locked, and no transaction stays open."""
        try:
            async with asyncio.timeout(self._timeout), self._connected(self._reading) as connection:
                return await work(connection)
        except TimeoutError as error:
            raise Unreachable(f"it did not answer within {self._timeout:g} s") from error
        except exc.SQLAlchemyError as error:
            raise target_error(error, attribute_of, in_doubt=False) from error
        except OSError as error:
            raise Unreachable(f"no connection: {error.strerror or type(error).__name__}") from error

    async def change(self, work: Work[T], attribute_of: AttributeOf, *, is_ours: bool = True) -> T:
        """Do all of a change in one transaction.

        Unreachable and errors about the data say that nothing of it is in force, Silent that it may be: its
        COMMIT was under way. `is_ours` False: statements of the configuration may have ended transactions.
        """
        change = _Change(work, attribute_of, is_ours)
        task = asyncio.create_task(self._run(change))
        self._left.add(task)
        task.add_done_callback(self._gone)
        try:
            await asyncio.wait({task}, timeout=self._timeout)
        finally:
            if (
                not task.done() and not change.commits
            ):  # a COMMIT is never cut off: nobody knows what that does
                task.cancel()
        if task.done() and not task.cancelled():
            return task.result()  # type: ignore[no-any-return]
        if change.may_be_done:
            raise Silent(f"it did not answer within {self._timeout:g} s, and the change may be in force")
        raise Unreachable(f"it did not do it within {self._timeout:g} s: nothing was changed")

    async def close(self) -> None:
        """Close all connections, after a moment for what is under way."""
        if self._left:
            await asyncio.wait(set(self._left), timeout=1.0)
        await self._engine.dispose()

    async def _run(self, change: "_Change") -> Any:
        try:
            async with self._connected(self._engine) as connection:
                if self._lock_wait is not None:
                    await connection.execute(self._lock_wait)
                change.begun = True
                answer = await change.work(connection)
                change.commits = True
                async with asyncio.timeout(2 * self._timeout):
                    await connection.commit()
                return answer
        except exc.SQLAlchemyError as error:
            raise target_error(error, change.attribute_of, in_doubt=change.may_be_done) from error
        except (OSError, TimeoutError) as error:
            if change.may_be_done:
                raise Silent("its answer to the change was lost") from error
            raise Unreachable(f"no connection: {type(error).__name__}") from error

    def _gone(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # has been told, or its caller has gone

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        connection = await engine.connect()
        try:
            yield connection
        except asyncio.CancelledError:
            await connection.invalidate()  # nobody knows what it is at
            raise
        finally:
            await connection.close()


class _Change:
    """One transaction, and how far it has come."""

    def __init__(self, work: Work[Any], attribute_of: AttributeOf, is_ours: bool) -> None:
        self.work, self.attribute_of, self._is_ours = work, attribute_of, is_ours
        self.begun = self.commits = False

    @property
    def may_be_done(self) -> bool:
        return self.commits or (self.begun and not self._is_ours)


def _reading(engine: AsyncEngine) -> dict[str, Any]:
    """Return how reads are made: without a transaction to begin and to end."""
    return READS if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}


def _engine(address: TargetAddress, connections: int) -> AsyncEngine:
    url = engine_url(address)
    name = url.get_backend_name()
    engine = create_async_engine(
        url,
        connect_args=ARGUMENTS[name](address) if name in ARGUMENTS else {},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=address.timeout,
        pool_recycle=RECYCLED,
        hide_parameters=True,  # people's values are in no error
    )
    if name == "sqlite":
        event.listen(engine.sync_engine, "connect", _open_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _sqlite(address: TargetAddress) -> dict[str, Any]:
    return {"isolation_level": None, "timeout": address.timeout * 0.8}


def _postgresql(address: TargetAddress) -> dict[str, Any]:
    seconds = max(2, round(address.timeout))
    said: dict[str, Any] = {
        "connect_timeout": seconds,
        "prepare_threshold": None,  # behind a pooler the next transaction is another server's
        "application_name": "scim-gateway",
        "tcp_user_timeout": 2000 * seconds,
    }
    assert address.sql is not None
    if address.sql.tls:
        said |= {"sslmode": "verify-full", "sslrootcert": str(address.sql.ca or "system")}
    return said


def _lock_wait(address: TargetAddress) -> Executable:
    """Return what has a lock that is not given in time told as such, within one transaction."""
    return text(f"SET LOCAL lock_timeout = {int(address.timeout * 800)}")  # milliseconds


def _mysql(address: TargetAddress) -> dict[str, Any]:
    seconds = max(1, int(address.timeout * 0.8))
    said: dict[str, Any] = {
        "connect_timeout": address.timeout,
        # what does not fit is refused, whatever the server is set to
        "init_command": f"SET SESSION sql_mode = '{STRICT}', innodb_lock_wait_timeout = {seconds}",
        "charset": "utf8mb4",
    }
    assert address.sql is not None
    if address.sql.tls:
        said["ssl"] = ssl.create_default_context(cafile=address.sql.ca)
    return said


ARGUMENTS: Final[dict[str, Callable[[TargetAddress], dict[str, Any]]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
}


def _open_sqlite(connection: Any, record: Any) -> None:
    connection.create_function("lower", 1, _lower, deterministic=True)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _lower(text: Any) -> Any:
    """SQLite's own knows no letters but English ones."""
    return text.casefold() if isinstance(text, str) else text


def _begin_sqlite(connection: Any) -> None:
    if not connection.get_execution_options().get("reads"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
