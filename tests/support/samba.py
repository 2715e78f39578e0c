"""A domain controller of Active Directory, Debian's Samba, as a real process on an address of its own."""

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.real_directory import PASSWORD, TREE_DELETE, RealDirectory, lacking

PACKAGES = "samba samba-dsdb-modules samba-ad-provision samba-vfs-modules winbind ldb-tools"
SUFFIX = "DC=example,DC=test"
USER, GROUP, UNIT = (  # classes, as rights name them ([MS-ADTS] 5.1.3.2)
    "bf967aba-0de6-11d0-a285-00aa003049e2",
    "bf967a9c-0de6-11d0-a285-00aa003049e2",
    "bf967aa5-0de6-11d0-a285-00aa003049e2",
)
# make and remove people and groups, everything on those, and make units
RIGHTS = "(OA;CI;CCDC;{user};;{sid})(OA;CI;CCDC;{group};;{sid})(OA;CI;CC;{unit};;{sid})"
RIGHTS += "(OA;CIIO;GA;;{user};{sid})(OA;CIIO;GA;;{group};{sid})"
PORTS = (389, 636, 3268, 3269)
CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"


@dataclass
class Samba(RealDirectory):
    """A domain controller that speaks LDAP alone."""

    preset = "active_directory"
    suffix = SUFFIX
    root_dn = f"CN=Administrator,CN=Users,{SUFFIX}"
    gateway_dn = f"CN=gateway,CN=Users,{SUFFIX}"

    def command(self) -> list[str]:
        options = ("server services=ldap", f"pid directory={self.folder / 'run'}", "ldb:nosync=true")
        told = [f"--option={option}" for option in options]
        return ["samba", "-i", "--debug-stdout", "-d1", "-s", str(self.folder / "etc/smb.conf"), *told]

    @property
    def ca(self) -> Path:
        return self.folder / "private/tls/cert.pem"

    def protect(self, dn: str) -> None:
        """Take everybody's right to change an entry, as the domain does with administrators."""
        _tool(
            "dsacl", "set", f"--objectdn={dn}", "--sddl=(D;;WP;;;AU)", f"-H{self.folder / 'private/sam.ldb'}"
        )

    def empty(self) -> None:
        from ldap.controls import RequestControl

        root, rooms = self.root(), f"OU=rooms,{SUFFIX}"
        # a tree goes in no order that can be told, and a group that is somebody's first cannot go before them
        for dn, _ in root.search_s(rooms, 2, "(&(objectClass=user)(!(primaryGroupID=513)))", ["1.1"]):
            root.delete_s(dn)
        for dn, _ in root.search_s(rooms, 1, "(objectClass=*)", ["1.1"]):
            root.delete_ext_s(dn, [RequestControl(TREE_DELETE, True, None)])


def free_address() -> str:
    """Return an address of loopback where nobody is a domain controller: the ports are fixed."""
    while True:
        address = "127." + ".".join(str(random.randint(2, 250)) for _ in range(3))
        try:
            for port in PORTS:
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError:
            continue
        return address


def provisioned(folder: Path) -> Path:
    """Return a domain that may be copied; it is made once, whichever process comes first.

    `SAMBA_DOMAIN` names a folder where it is kept for the next time, as long as this file stays as it is.
    """
    if kept := os.environ.get("SAMBA_DOMAIN"):
        folder = Path(kept) / sha256(Path(__file__).read_bytes()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    made, domain = folder / "domain.made", folder / "domain"
    with (folder / "domain.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not made.exists():
            provision(domain)
            made.touch()
    return domain


def provision(domain: Path) -> None:
    """Make a domain with an account for the gateway, whose rights end at the unit of the rooms."""
    given = {"realm": "EXAMPLE.TEST", "domain": "EXAMPLE", "adminpass": PASSWORD, "server-role": "dc"}
    given |= {"dns-backend": "NONE", "targetdir": str(domain), "host-ip": "127.0.0.1", "host-name": "dc"}
    _tool("domain", "provision", "--use-rfc2307", *(f"--{name}={value}" for name, value in given.items()))
    store = f"-H{domain / 'private/sam.ldb'}"
    for name in ("gateway", "reader"):
        _tool("user", "create", name, PASSWORD, store)
    _tool("ou", "create", f"OU=rooms,{SUFFIX}", store)
    found = subprocess.run(
        ["ldbsearch", store, "(sAMAccountName=gateway)", "objectSid"], check=True, capture_output=True
    )
    sid = found.stdout.decode().partition("objectSid: ")[2].split()[0]
    rights = RIGHTS.format(user=USER, group=GROUP, unit=UNIT, sid=sid)
    _tool("dsacl", "set", f"--objectdn=OU=rooms,{SUFFIX}", f"--sddl={rights}", store)


def _tool(*words: str) -> None:
    done = subprocess.run(["samba-tool", *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def samba(template: Path, folder: Path) -> Iterator[Samba]:
    """Start a copy of a domain in a folder, and end it."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    address = free_address()
    conf = folder / "etc/smb.conf"
    text = conf.read_text().replace(str(template), str(folder))
    own = f"[global]\n\tinterfaces = {address}/8\n\tbind interfaces only = yes\n"
    conf.write_text(text.replace("[global]\n", own, 1))
    (folder / "private/tls").mkdir(exist_ok=True)
    names = ["-subj", "/CN=dc", "-addext", f"subjectAltName=IP:{address}"]
    command = [*CERTIFICATE.split(), "-keyout", "key.pem", "-out", "cert.pem", *names]
    subprocess.run(command, cwd=folder / "private/tls", check=True, capture_output=True)
    shutil.copy(folder / "private/tls/cert.pem", folder / "private/tls/ca.pem")
    (folder / "private/tls/key.pem").chmod(0o600)
    (folder / "run").mkdir(exist_ok=True)
    server = Samba(folder, f"ldaps://{address}")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def needed() -> None:
    """Skip, or fail in CI, where a domain controller cannot be started."""
    lacking(PACKAGES, ["samba-tool", "samba", "ldbsearch", "openssl"])
    if os.geteuid() != 0:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("a domain controller needs root: its ports are below 1024, and it gives files away")
