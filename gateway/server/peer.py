"""Who is at the other end of the Unix socket: the user whose process asks, as the system says."""

import asyncio
import os
import socket
import struct
from typing import Final

from aiohttp import web

from gateway.server.boundary import Handler
from gateway.users import INVOKER, acting, name_of

_CREDENTIALS: Final = struct.Struct("iII")  # process, user, group


@web.middleware
async def in_their_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have what a command asks done in the name of its user."""
    user = await asyncio.to_thread(name_of, _peer(request), request.headers.get(INVOKER))
    token = acting.set(user)
    try:
        return await handler(request)
    finally:
        acting.reset(token)


def _peer(request: web.Request) -> int:
    """Return the user at the other end; this process's where the system does not say: others are kept out."""
    end = request.get_extra_info("socket")
    if end is None or not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    said = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(said)[1]
    return uid
