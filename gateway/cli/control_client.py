"""Asks the running gateway over its Unix socket; only the gateway writes the journal while it runs."""

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.cli.failures import Status, Stop

PATIENCE: Final = 30.0  # seconds


class NoGateway(Exception):
    """Nobody listens on the socket; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said."""

    status: int
    detail: str  # of an error

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
        connection.request(method, resource, None if document is None else json.dumps(document))
        response = connection.getresponse()
        return Answer(response.status, _detail(response.read()))
    except (OSError, http.client.HTTPException) as error:
        raise Stop(f"the running gateway does not answer on {path}", Status.UNREACHABLE) from error
    finally:
        connection.close()


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):  # no SCIM Error
        return ""
