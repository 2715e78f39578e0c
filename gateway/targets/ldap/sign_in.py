"""Connecting to a directory, with TLS that is always verified, and signing in; all of it bounded in time."""

import re
import selectors
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import ldap

from gateway.address import Basic, Directory, External
from gateway.flow.target_port import Unreachable
from gateway.targets.ldap.results import unreachable
from gateway.targets.transport import readable
from gateway.values import frozen

CONNECT_SHARE: Final = 0.75  # of the time of an attempt; a connection later than that is none
PORTS: Final = {"ldap": 389, "ldaps": 636}
PLAINLY: Final = "ldap://tunnel"  # what libldap is told of a connection that we have made
OURS: Final = {  # whatever the system's ldap.conf says
    ldap.OPT_REFERRALS: ldap.OPT_OFF,
    ldap.OPT_DEREF: ldap.DEREF_NEVER,
    ldap.OPT_SIZELIMIT: 0,
    ldap.OPT_TIMELIMIT: 0,
}


@frozen
class SignIn:
    """How a directory is reached and who we are there."""

    url: str
    directory: Directory
    auth: Basic | External | None = None
    timeout: float = 10.0  # seconds for one attempt, all its calls together


def connected(sign_in: SignIn, seconds: float) -> Any:
    """Return a new connection, signed in within so many seconds; raises Unreachable or Denied."""
    try:
        connection = _initialized(sign_in, seconds * CONNECT_SHARE)
    except OSError as error:
        raise Unreachable(readable(f"the directory cannot be reached ({error})")) from error
    try:
        for option, value in OURS.items():
            connection.set_option(option, value)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, seconds * CONNECT_SHARE)
        connection.set_option(ldap.OPT_TIMEOUT, seconds)
        connection.timeout = seconds
        _sign_in(connection, sign_in.auth)
    except ldap.LDAPError as error:
        with suppress(ldap.LDAPError):
            connection.unbind_ext_s()
        raise unreachable(error) from error
    return connection


def _initialized(sign_in: SignIn, seconds: float) -> Any:
    """Return a connection on which nothing was said yet; raises OSError."""
    url, start_tls = urlsplit(sign_in.url), sign_in.directory.start_tls
    if url.scheme != "ldaps" and not start_tls:
        return ldap.initialize(sign_in.url)
    address = (url.hostname or "", url.port or PORTS[url.scheme])
    return ldap.initialize(PLAINLY, fileno=secured(address, _trust(sign_in), seconds, start_tls=start_tls))


def _trust(sign_in: SignIn) -> ssl.SSLContext:
    """Return whom to trust, and what to show."""
    context = ssl.create_default_context(cafile=sign_in.directory.ca)
    if isinstance(sign_in.auth, External) and sign_in.auth.cert:
        context.load_cert_chain(sign_in.auth.cert, sign_in.auth.key)
    return context


def _sign_in(connection: Any, auth: Basic | External | None) -> None:
    if isinstance(auth, External):
        connection.sasl_bind_s("", "EXTERNAL", "")
    elif isinstance(auth, Basic):
        connection.simple_bind_s(auth.user, auth.password.reveal())
    else:
        connection.simple_bind_s("", "")


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
    threading.Thread(target=_relay, args=(tls, far, timeout), name="ldap-tls", daemon=True).start()
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


def _relay(tls: ssl.SSLSocket, far: socket.socket, timeout: float) -> None:
    """Relay bytes both ways until either side ends."""
    with tls, far, selectors.DefaultSelector() as waiting, suppress(OSError):
        waiting.register(tls, selectors.EVENT_READ)
        waiting.register(far, selectors.EVENT_READ)
        while True:
            waiting.select(0 if tls.pending() else None)
            if not (_inward(tls, far) and _outward(far, tls, timeout)):
                return


def _inward(tls: ssl.SSLSocket, far: socket.socket) -> bool:
    """Relay what has come from the directory; say whether it is still there."""
    tls.setblocking(False)
    try:
        data = tls.recv(CHUNK)
    except ssl.SSLWantReadError:  # nothing, or nothing that is for us
        return True
    far.sendall(data)
    return bool(data)


def _outward(far: socket.socket, tls: ssl.SSLSocket, timeout: float) -> bool:
    """Relay what is for the directory; say whether anybody is still there to say more."""
    try:
        data = far.recv(CHUNK, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    tls.settimeout(timeout)
    tls.sendall(data)
    return bool(data)
