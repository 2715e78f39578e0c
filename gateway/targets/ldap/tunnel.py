"""TLS before a directory by Python itself, so that every part of it is bounded in time.

libldap over GnuTLS, as Debian builds it, spins for ever where a server goes silent in the handshake. So it
speaks plainly to a socket of this process, and a thread carries that over TLS.
"""

import re
import selectors
import socket
import ssl
import threading
from contextlib import suppress
from typing import Final

CHUNK: Final = 64 * 1024  # bytes
LONGEST: Final = 4096  # bytes of an answer to StartTLS
START_TLS: Final = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14.1

# a message of id 1 that is an ExtendedResponse, its lengths in any form, and its result code
_ANSWER: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x84....)\x02\x01\x01\x78(?:[\x00-\x7f]|\x81.|\x82..|\x84....)\x0a\x01(.)",
    re.DOTALL,
)


class NoTls(OSError):
    """The directory does not do StartTLS."""


def secured(
    address: tuple[str, int], context: ssl.SSLContext, timeout: float, *, start_tls: bool = False
) -> int:
    """Return a file descriptor that is a directory behind TLS; raises OSError. `timeout` is in seconds."""
    plain = socket.create_connection(address, timeout)
    try:
        if start_tls:
            _start_tls(plain)
        tls = context.wrap_socket(plain, server_hostname=address[0])
    except BaseException:
        plain.close()
        raise
    near, far = socket.socketpair()
    threading.Thread(target=_carry, args=(tls, far, timeout), name="ldap-tls", daemon=True).start()
    return near.detach()


def _start_tls(plain: socket.socket) -> None:
    plain.sendall(START_TLS)
    answer = b""
    while (found := _ANSWER.match(answer)) is None:
        some = plain.recv(LONGEST)
        answer += some
        if not some or len(answer) > LONGEST:
            raise NoTls("its answer to StartTLS is not LDAP")
    if found[1] != b"\0":
        raise NoTls("it does not do StartTLS")


def _carry(tls: ssl.SSLSocket, far: socket.socket, timeout: float) -> None:
    """Carry bytes both ways until either side ends."""
    with tls, far, selectors.DefaultSelector() as waiting, suppress(OSError):
        waiting.register(tls, selectors.EVENT_READ)
        waiting.register(far, selectors.EVENT_READ)
        while True:
            waiting.select(0 if tls.pending() else None)
            if not (_inward(tls, far) and _outward(far, tls, timeout)):
                return


def _inward(tls: ssl.SSLSocket, far: socket.socket) -> bool:
    """Carry what has come from the directory; say whether it is still there."""
    tls.setblocking(False)
    try:
        data = tls.recv(CHUNK)
    except ssl.SSLWantReadError:  # nothing, or nothing that is for us
        return True
    far.sendall(data)
    return bool(data)


def _outward(far: socket.socket, tls: ssl.SSLSocket, timeout: float) -> bool:
    """Carry what is for the directory; say whether anybody is still there to say more."""
    try:
        data = far.recv(CHUNK, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    tls.settimeout(timeout)
    tls.sendall(data)
    return bool(data)
