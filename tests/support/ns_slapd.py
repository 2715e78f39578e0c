"""389 Directory Server, Debian's ns-slapd, as a real process on loopback, in a folder of its own."""

import hashlib
import os
import pwd
import re
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.real_directory import PASSWORD, RealDirectory, lacking
from tests.support.slapd import free_port

SUFFIX = "dc=example,dc=org"
TEMPLATE = Path("/usr/share/dirsrv/data/template-dse.ldif")
COLLATIONS = Path("/etc/dirsrv/config/slapd-collations.conf")
FOLDERS = ("etc/schema", "db", "home", "bak", "ldif", "lock", "log", "run", "tmp", "inst")
SCHEMA = "dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\nobjectClass: subschema\ncn: schema\n"
PLUGINS = "cn=plugins,cn=config"
USUAL = {  # plug-ins, as administrators set them who have groups, and names beyond ASCII
    "7-bit check": "off",
    "MemberOf Plugin": "on",
    "referential integrity postoperation": "on",
}
STRICT = USUAL | {"7-bit check": "on", "attribute uniqueness": "on"}  # of mail
RIGHTS = (  # of the gateway: all on people and groups, and no limit to what it may list
    f'(targetattr="*")(version 3.0; acl "gateway"; allow(all) userdn="ldap:///cn=gateway,{SUFFIX}";)'
)


@dataclass
class NsSlapd(RealDirectory):
    """A server, and its plug-ins."""

    preset = "389ds"
    suffix = SUFFIX
    root_dn = "cn=Directory Manager"
    gateway_dn = f"cn=gateway,{SUFFIX}"

    def command(self) -> list[str]:
        return ["ns-slapd", "-D", str(self.folder / "etc"), "-i", str(self.folder / "run/pid"), "-d", "0"]

    def empty(self) -> None:
        root = self.root()
        found = root.search_s(
            f"ou=rooms,{SUFFIX}", 2, "(|(objectClass=*)(objectClass=ldapSubentry))", ["1.1"]
        )
        for dn, _ in sorted(found, key=lambda entry: -len(entry[0]))[:-1]:
            root.delete_s(dn)

    def configure(self, dn: str, **values: str) -> None:
        """Set values below `cn=config`; most plug-ins see them after a restart."""
        import ldap

        self.root().modify_s(dn, [(ldap.MOD_REPLACE, name, [text.encode()]) for name, text in values.items()])


def _hashed(password: str) -> str:
    salt = os.urandom(8)
    return "{SSHA512}" + b64encode(hashlib.sha512(password.encode() + salt).digest() + salt).decode()


def _configured(folder: Path, port: int, plugins: Mapping[str, str]) -> str:
    """Return the server's configuration: Debian's template, every path below the folder."""
    given: dict[str, Any] = {
        **dict.fromkeys(("cert_dir", "config_dir"), folder / "etc"),
        **{
            f"{name}_dir": folder / name
            for name in ("lock", "tmp", "ldif", "bak", "run", "inst", "log", "db")
        },
        "schema_dir": folder / "etc/schema",
        "db_home_dir": folder / "home",
        "db_lib": "bdb",
        "fqdn": "localhost",
        "ds_port": port,
        "ds_user": pwd.getpwuid(os.geteuid()).pw_name,
        "rootdn": NsSlapd.root_dn,
        "ds_passwd": _hashed(PASSWORD),
        "ldapi": folder / "ldapi",
        **dict.fromkeys(("ldapi_enabled", "ldapi_autobind"), "off"),
        "ds_suffix": SUFFIX,
    }
    text = re.sub(r"%(\w+)%", lambda found: str(given[found[1]]), TEMPLATE.read_text())
    for name, state in plugins.items():
        text = re.sub(
            rf"(?si)(^dn: cn={name},.*?nsslapd-pluginenabled:) \w+", rf"\1 {state}", text, count=1, flags=re.M
        )
    text = text.replace("uniqueness-attribute-name: uid", "uniqueness-attribute-name: mail")
    text = text.replace("memberOfGroupAttr: member\n", "memberOfGroupAttr: uniqueMember\n")
    own = "nsslapd-listenhost: 127.0.0.1\nnsslapd-rootpwstoragescheme: SSHA512\nnsslapd-localhost:"
    return text.replace("nsslapd-localhost:", own, 1)


@contextmanager
def ns_slapd(folder: Path, plugins: Mapping[str, str] = USUAL) -> Iterator[NsSlapd]:
    """Start an empty server in a folder, and end it."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    port = free_port()
    (folder / "etc/dse.ldif").write_text(_configured(folder, port, plugins))
    (folder / "etc/schema/99user.ldif").write_text(SCHEMA)
    shutil.copy(COLLATIONS, folder / "etc")
    server = NsSlapd(folder, f"ldap://127.0.0.1:{port}")
    server.start()
    try:
        _filled(server)
        yield server
    finally:
        server.stop()


def _filled(server: NsSlapd) -> None:
    """Make the place of the rooms, and the account of the gateway."""
    backend = {"nsslapd-suffix": SUFFIX}
    server.add(
        f"cn=people,cn=ldbm database,{PLUGINS}", ["top", "extensibleObject", "nsBackendInstance"], **backend
    )
    mapping = {"nsslapd-state": "backend", "nsslapd-backend": "people"}
    server.add(
        f'cn="{SUFFIX}",cn=mapping tree,cn=config', ["top", "extensibleObject", "nsMappingTree"], **mapping
    )
    server.add(SUFFIX, ["top", "domain"], dc="example", aci=RIGHTS)
    server.add(f"OU=rooms,{SUFFIX}", ["organizationalUnit"])
    server.add(
        server.gateway_dn,
        ["organizationalRole", "simpleSecurityObject", "extensibleObject"],
        userPassword=PASSWORD,
    )
    limits = {"nsPagedSizeLimit": "-1", "nsPagedLookThroughLimit": "-1"}
    server.configure(server.gateway_dn, **limits)


def needed() -> None:
    """Skip, or fail in CI, where a 389 Directory Server cannot be started."""
    lacking("389-ds-base", ["ns-slapd"])
