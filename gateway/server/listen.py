"""The address that requests come in on."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager


class CannotListen(Exception):
    """Nobody can listen there; the text says where, and why."""


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Raise CannotListen for what the system has against an address."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error


async def take_any_port(host: str) -> socket.socket:
    """Listen on a free port, so that it is known before anything is served; raises CannotListen."""
    with listening(host, 0):
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family)
