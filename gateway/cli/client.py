"""What a command changes: by the running gateway, over its socket, or under the lock where none runs."""

import http.client
import json
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.cli.output import ExitStatus, Stop
from gateway.errors import InvalidValue, NotFound
from gateway.users import INVOKER, acting, invoker, own_name, why
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.settings import Settings


PATIENCE: Final = 30.0  # seconds
LONG_PATIENCE: Final = 600.0  # seconds between two lines of what lasts


class NoGateway(Exception):
    """Nobody listens on the socket; the text says why."""


@frozen
class Answer:
    """What the gateway said."""

    status: int
    detail: str  # of an error
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return self.status < 300


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("gateway", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except FileNotFoundError as error:  # nobody has typed its name, so nothing is said of that
            self.sock.close()
            raise NoGateway(error.strerror) from error
        except OSError as error:
            self.sock.close()
            raise NoGateway(why(error, self._path)) from error


def ask(
    path: Path,
    method: str,
    resource: str,
    document: Mapping[str, Any] | None = None,
    timeout: float = PATIENCE,
) -> Answer:
    """Send one request; raises NoGateway, and Stop where somebody listens but does not answer."""
    connection = _Connection(path, timeout)
    try:
        connection.request(method, resource, _body(document), _headers())
        response = connection.getresponse()
        document = _parsed(response.read())
        return Answer(response.status, str(document.get("detail", "")), document)
    except (OSError, http.client.HTTPException) as error:
        raise Stop(f"the running gateway does not answer on {path}", ExitStatus.UNREACHABLE) from error
    finally:
        connection.close()


def follow(path: Path, resource: str, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Send a wish that lasts, and yield the lines of its answer as they come; raises as `ask`.

    Raises Stop where the gateway refuses it too.
    """
    connection = _Connection(path, LONG_PATIENCE)
    try:
        connection.request("POST", resource, _body(document), _headers())
        with connection.getresponse() as response:
            if response.status != 200:
                raise _refusal(response.status, response.read())
            for line in response:
                yield json.loads(line)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Stop(f"the running gateway broke off on {path}", ExitStatus.UNREACHABLE) from error
    finally:
        connection.close()


def _body(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else json.dumps(document)


def _headers() -> dict[str, str]:
    """Return who ran this command by sudo: the gateway sees only who they became."""
    said = invoker()
    return {INVOKER: said} if said else {}


def _refusal(status: int, body: bytes) -> Stop:
    detail = _parsed(body).get("detail") or f"the running gateway answered {status}"
    return Stop(str(detail), ExitStatus.REFUSED if status < 500 else ExitStatus.UNREACHABLE)


def _parsed(body: bytes) -> Mapping[str, Any]:
    """Return a JSON object, an empty one where the body is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


T = TypeVar("T")


@frozen
class GatewayRequest:
    """How the running gateway is asked to act."""

    method: str
    resource: str
    body: Mapping[str, Any] | None = None
    timeout: float = PATIENCE  # seconds
    absent: int | None = None  # the status that is an answer, too: there is nothing to act on


def via_gateway_or_locally(
    settings: "Settings",
    request: GatewayRequest,
    read: Callable[[Answer], T],
    locally: Callable[[], Awaitable[T]],
) -> T:
    """Return what came of it: what `read` makes of the gateway's answer, or what `locally` returns.

    Raises Stop where the gateway refuses, or cannot be asked though it runs.
    """
    import asyncio

    socket = settings.journal.socket
    try:
        answer = ask(socket, request.method, request.resource, request.body, request.timeout)
    except NoGateway as absent:
        with alone(socket, absent):
            return asyncio.run(_awaited(locally))
    if answer.is_ok or answer.status == request.absent:
        return read(answer)
    status = ExitStatus.REFUSED if answer.status < 500 else ExitStatus.UNREACHABLE
    raise Stop(answer.detail or f"the running gateway answered {answer.status}", status)


@contextmanager
def alone(socket: Path, absent: NoGateway) -> Iterator[None]:
    """Act here, in the name of this user; raises Stop where a gateway runs that cannot be asked.

    What cannot be done is told as the running gateway would.
    """
    from gateway.journal.store import JournalLocked

    token = acting.set(own_name())
    try:
        yield
    except JournalLocked as error:
        raise Stop(f"{error}, and {socket} cannot be used: {absent}", ExitStatus.UNREACHABLE) from error
    except (NotFound, InvalidValue) as error:
        raise Stop(error.detail, ExitStatus.REFUSED) from error
    finally:
        acting.reset(token)


async def _awaited(locally: Callable[[], Awaitable[T]]) -> T:
    return await locally()
