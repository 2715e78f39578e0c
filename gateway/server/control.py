"""The Unix socket beside the journal, listened on and removed."""

import os
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from gateway.log import get_logger

log = get_logger()


async def listen_for_commands(path: Path, runner: web.AppRunner) -> None:
    """Listen for this user alone; where that cannot be, commands do without."""
    mask = os.umask(0o177)
    try:
        await web.UnixSite(runner, path).start()
    except OSError as error:  # such as a path longer than the system's 107 bytes
        log.warning("control.unavailable", reason=error.strerror or "the path of its socket is too long")
    finally:
        os.umask(mask)


def remove_socket(path: Path) -> None:
    """Remove a socket, as Python itself does from 3.13 on."""
    with suppress(OSError):  # such as a disk that is read-only by now; the next gateway replaces it
        path.unlink(missing_ok=True)
