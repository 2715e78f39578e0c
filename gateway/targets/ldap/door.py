"""Connecting to a directory and signing in, bounded in time; the certificate is always verified."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import ldap

from gateway.flow.target_port import Unreachable
from gateway.targets.address import Basic, External
from gateway.targets.ldap.place import Directory
from gateway.targets.ldap.replies import unreachable
from gateway.targets.ldap.tunnel import secured
from gateway.targets.scim.answers import readable

CONNECT_SHARE: Final = 0.75  # of the time of an attempt; a connection later than that is none
PORTS: Final = {"ldap": 389, "ldaps": 636}
PLAINLY: Final = "ldap://tunnel"  # what libldap is told of a connection that we have made
OURS: Final = {  # whatever the system's ldap.conf says
    ldap.OPT_REFERRALS: ldap.OPT_OFF,
    ldap.OPT_DEREF: ldap.DEREF_NEVER,
    ldap.OPT_SIZELIMIT: 0,
    ldap.OPT_TIMELIMIT: 0,
}


@dataclass(frozen=True, slots=True)
class Door:
    """How a directory is reached and who we are there."""

    url: str
    directory: Directory
    auth: Basic | External | None = None
    timeout: float = 10.0  # seconds for one attempt, all its calls together


def connected(door: Door, seconds: float) -> Any:
    """Return a new connection, signed in within so many seconds; raises Unreachable or Denied."""
    try:
        connection = _initialized(door, seconds * CONNECT_SHARE)
    except OSError as error:
        raise Unreachable(readable(f"the directory cannot be reached ({error})")) from error
    try:
        for option, value in OURS.items():
            connection.set_option(option, value)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, seconds * CONNECT_SHARE)
        connection.set_option(ldap.OPT_TIMEOUT, seconds)
        connection.timeout = seconds
        _sign_in(connection, door.auth)
    except ldap.LDAPError as error:
        with suppress(ldap.LDAPError):
            connection.unbind_ext_s()
        raise unreachable(error) from error
    return connection


def _initialized(door: Door, seconds: float) -> Any:
    """Return a connection on which nothing was said yet; raises OSError."""
    url, start_tls = urlsplit(door.url), door.directory.start_tls
    if url.scheme != "ldaps" and not start_tls:
        return ldap.initialize(door.url)
    address = (url.hostname or "", url.port or PORTS[url.scheme])
    return ldap.initialize(PLAINLY, fileno=secured(address, _trust(door), seconds, start_tls=start_tls))


def _trust(door: Door) -> ssl.SSLContext:
    """Return whom to trust, and what to show."""
    context = ssl.create_default_context(cafile=door.directory.ca)
    if isinstance(door.auth, External) and door.auth.cert:
        context.load_cert_chain(door.auth.cert, door.auth.key)
    return context


def _sign_in(connection: Any, auth: Basic | External | None) -> None:
    if isinstance(auth, External):
        connection.sasl_bind_s("", "EXTERNAL", "")
    elif isinstance(auth, Basic):
        connection.simple_bind_s(auth.user, auth.password)
    else:
        connection.simple_bind_s("", "")
