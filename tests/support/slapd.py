"""Debian's slapd as a real process on loopback: unprivileged, in a temporary directory, empty."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.address import Basic, Directory, Secret, TargetAddress

SUFFIX = "dc=example,dc=org"
ROOT = f"cn=root,{SUFFIX}"
GATEWAY = f"cn=gateway,{SUFFIX}"  # may write, and has limits
READER = f"cn=reader,{SUFFIX}"  # may only read
PASSWORD = "what-the-directory-is-shown"
PROGRAM = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin:/usr/local/sbin")
SCHEMAS = Path("/etc/ldap/schema")
PATIENCE = 10.0  # seconds to start
PAUSE = 0.02  # seconds between looks whether it has
ROOMS = count()

CONFIG = """\
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {schemas}/nis.schema
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.3 NAME ( 'userPrincipalName' ) EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.4 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.5 NAME 'unicodePwd' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.6 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'lockable' AUXILIARY MAY nsAccountLock )
objectclass ( 1.3.6.1.4.1.99999.2.2 NAME 'user' SUP organizationalPerson STRUCTURAL MAY (
  userAccountControl $ userPrincipalName $ sAMAccountName $ unicodePwd $ objectGUID $ employeeNumber $
  displayName $ givenName $ mail $ manager $ mobile $ uid ) )
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload constraint
TLSCACertificateFile {folder}/cert.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
TLSVerifyClient try
authz-regexp gidNumber=.*,cn=peercred,cn=external,cn=auth {gateway}
authz-regexp cn=gateway-client {gateway}
database mdb
suffix {suffix}
rootdn {root}
rootpw {password}
directory {folder}/data
dbnosync
maxsize 268435456
index objectClass,uid,employeeNumber,entryUUID,member eq
limits dn.exact="{gateway}" size=100 size.prtotal=unlimited
overlay constraint
constraint_attribute title,employeeType size 128
constraint_attribute userPassword regex ^.{{5,}}$
access to attrs=userPassword by dn.exact="{gateway}" write by anonymous auth
access to * by dn.exact="{gateway}" write by dn.exact="{reader}" read by * none
"""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Slapd:
    """A directory server that can be stopped and started again; `room` makes an empty place in it."""

    folder: Path
    port: int
    tls_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def socket_url(self) -> str:
        return f"ldapi://{str(self.folder / 'ldapi').replace('/', '%2F')}"

    @property
    def ca(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        assert PROGRAM is not None
        urls = f"{self.url} {self.tls_url} {self.socket_url}"
        command = [PROGRAM, "-f", str(self.folder / "slapd.conf"), "-h", urls, "-d", "0"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, "slapd does not answer"
            time.sleep(PAUSE)  # a process of its own, which cannot tell us

    def stop(self) -> None:
        """End the process at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def fill(self, ldif: Path) -> None:
        """Put many entries into the stopped server at once."""
        assert PROGRAM is not None
        program = Path(PROGRAM).with_name("slapadd")
        subprocess.run([program, "-q", "-f", self.folder / "slapd.conf", "-l", ldif], check=True)

    def root(self) -> Any:
        """Return a connection that may do everything."""
        import ldap

        connection = ldap.initialize(self.url)
        connection.simple_bind_s(ROOT, PASSWORD)
        return connection

    def add(self, dn: str, classes: Sequence[str], **attributes: str | Sequence[str]) -> None:
        """Make an entry past the gateway."""
        named = {"objectClass": classes, **attributes}
        texts = {name: [value] if isinstance(value, str) else value for name, value in named.items()}
        self.root().add_s(dn, [(name, [text.encode() for text in values]) for name, values in texts.items()])

    def room(self, **habits: Any) -> Directory:
        """Return an empty place for people, inactive people and groups, with the openldap habits."""
        base = f"ou=room{next(ROOMS)},{SUFFIX}"
        names = (base, f"ou=people,{base}", f"ou=left,{base}", f"ou=groups,{base}")
        for dn in names:
            self.add(dn, ["organizationalUnit"])
        plain = Directory(
            base,
            dn="uid={userName},ou=people,{base}",
            inactive="move",
            inactive_base=f"ou=left,{base}",
            group_base=f"ou=groups,{base}",
        )
        return replace(plain, **habits)

    def address(self, directory: Directory | None = None, **more: Any) -> TargetAddress:
        """Return a target in a room of its own."""
        auth = Basic(GATEWAY, Secret(PASSWORD))
        plain = TargetAddress("ldap", self.url, auth, directory=directory or self.room())
        return replace(plain, **more)

    def _answers(self) -> bool:
        import ldap

        connection = ldap.initialize(self.url)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 1.0)
        try:
            connection.simple_bind_s("", "")
        except ldap.LDAPError:
            return False
        connection.unbind_s()
        return True


def needed() -> None:
    """Skip, or fail in CI, where what an LDAP test needs is not installed."""
    missing = pytest.fail if os.environ.get("CI") else pytest.skip
    if PROGRAM is None or not SCHEMAS.is_dir():
        missing("slapd is not installed: apt-get install slapd")
    if shutil.which("openssl") is None:
        missing("openssl is not installed: apt-get install openssl")
    try:
        import ldap  # noqa: F401
    except ImportError:
        missing("python-ldap is not installed: make dev LDAP=1")


@contextmanager
def slapd(folder: Path) -> Iterator[Slapd]:
    """Start a server in a folder, and end it."""
    needed()
    (folder / "data").mkdir()
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command += " -keyout key.pem -out cert.pem -days 2"
    names = ["-subj", "/CN=gateway-client", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    named = {"folder": folder, "schemas": SCHEMAS, "suffix": SUFFIX, "root": ROOT, "password": PASSWORD}
    (folder / "slapd.conf").write_text(CONFIG.format(**named, gateway=GATEWAY, reader=READER))
    server = Slapd(folder, free_port(), free_port())
    server.start()
    try:
        server.add(SUFFIX, ["dcObject", "organization"], dc="example", o="Example")
        for dn in (GATEWAY, READER):
            classes = ["organizationalRole", "simpleSecurityObject"]
            server.add(dn, classes, userPassword=PASSWORD)
        yield server
    finally:
        server.stop()
