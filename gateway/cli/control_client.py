"""Asks the running gateway over its Unix socket; only the gateway writes the journal while it runs."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.cli.failures import Status, Stop
from gateway.users import INVOKER, invoker

PATIENCE: Final = 30.0  # seconds
LONG_PATIENCE: Final = 600.0  # seconds between two lines of what lasts


class NoGateway(Exception):
    """Nobody listens on the socket; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said."""

    status: int
    detail: str  # of an error
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
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
        except OSError as error:
            self.sock.close()
            raise NoGateway(error.strerror or str(error)) from error


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
        raise Stop(f"the running gateway does not answer on {path}", Status.UNREACHABLE) from error
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
        raise Stop(f"the running gateway broke off on {path}", Status.UNREACHABLE) from error
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
    return Stop(str(detail), Status.REFUSED if status < 500 else Status.UNREACHABLE)


def _parsed(body: bytes) -> Mapping[str, Any]:
    """Return a JSON object, an empty one where the body is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
