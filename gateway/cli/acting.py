"""What a command changes: by the running gateway, over its socket, or under the lock, where none runs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.cli.control_client import PATIENCE, Answer, NoGateway, ask
from gateway.cli.failures import Status, Stop
from gateway.users import acting, own_name

if TYPE_CHECKING:
    from gateway.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wish:
    """How the running gateway is asked to act."""

    method: str
    resource: str
    body: Mapping[str, Any] | None = None
    timeout: float = PATIENCE  # seconds
    absent: int | None = None  # the status that is an answer, too: there is nothing to act on


def done(
    settings: "Settings", wish: Wish, read: Callable[[Answer], T], here: Callable[[], Awaitable[T]]
) -> T:
    """Return what came of it: what `read` makes of the gateway's answer, or what `here` returns.

    Raises Stop where the gateway refuses, or cannot be asked though it runs.
    """
    socket = socket_of(settings)
    try:
        answer = ask(socket, wish.method, wish.resource, wish.body, wish.timeout)
    except NoGateway as absent:
        with alone(socket, absent):
            return asyncio.run(_awaited(here))
    if answer.is_well or answer.status == wish.absent:
        return read(answer)
    status = Status.REFUSED if answer.status < 500 else Status.UNREACHABLE
    raise Stop(answer.detail or f"the running gateway answered {answer.status}", status)


def socket_of(settings: "Settings") -> Path:
    """Return where the running gateway listens for commands."""
    path = settings.journal.path
    return path.with_name(f"{path.name}.sock")


@contextmanager
def alone(socket: Path, absent: NoGateway) -> Iterator[None]:
    """Act here, in the name of this user; raises Stop where a gateway runs that cannot be asked."""
    from gateway.journal.store import JournalLocked

    token = acting.set(own_name())
    try:
        yield
    except JournalLocked as error:
        raise Stop(f"{error}, and {socket} cannot be used: {absent}", Status.UNREACHABLE) from error
    finally:
        acting.reset(token)


async def _awaited(here: Callable[[], Awaitable[T]]) -> T:
    return await here()
