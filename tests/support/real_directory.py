"""What the real directories that tests start have in common: rooms, and a way past the gateway."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import count
from pathlib import Path
from tomllib import loads
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

import pytest

from gateway.address import Basic, Directory, Secret, TargetAddress

PASSWORD = "What-the-directory-is-shown-1"
TREE_DELETE = "1.2.840.113556.1.4.805"  # [MS-ADTS] 3.1.1.3.4.1.15
PATIENCE = 60.0  # seconds to start, also on a busy machine
PAUSE = 0.02  # seconds between looks whether it has


@dataclass
class RealDirectory(ABC):
    """A server in a folder, on an address or a port of its own; `room` makes an empty place in it."""

    preset: ClassVar[str]
    suffix: ClassVar[str]
    root_dn: ClassVar[str]
    gateway_dn: ClassVar[str]  # the account of the gateway, with the rights that docs say

    folder: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    numbers = count()
    _root: Any = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return what starts the server in the foreground."""

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "out").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            said = (self.folder / "out").read_text(errors="replace")
            assert self.process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(PAUSE)  # a process of its own, which cannot tell us

    def stop(self, how: int = signal.SIGKILL) -> None:
        """End the process and all that it has started."""
        assert self.process is not None
        self._root = None
        os.killpg(self.process.pid, how)
        self.process.communicate()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 636

    def root(self) -> Any:
        """Return a connection that may do everything."""
        if self._root is None:
            self._root = self._connected(self.root_dn, PASSWORD)
        return self._root

    def _connected(self, user: str, password: str) -> Any:
        import ldap

        connection = ldap.initialize(self.url)
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_NEVER)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 2.0)
        connection.simple_bind_s(user, password)
        return connection

    def _answers(self) -> bool:
        import ldap

        try:
            self._connected("", "").unbind_s()
        except ldap.SERVER_DOWN:
            return False
        except ldap.LDAPError:  # it answers, though not to everybody
            return True
        return True

    def add(self, dn: str, classes: Sequence[str], **attributes: str | Sequence[str]) -> None:
        """Make an entry past the gateway."""
        named = {"objectClass": classes, **attributes}
        texts = {name: [value] if isinstance(value, str) else value for name, value in named.items()}
        self.root().add_s(dn, [(name, [text.encode() for text in values]) for name, values in texts.items()])

    def there(
        self, base: str, filter: str = "(objectClass=*)", *more: str
    ) -> dict[str, dict[str, list[bytes]]]:
        """Return what really is below a base, by the part of its DN below that."""
        found = self.root().search_s(base, 2, filter, ["*", *more])
        return {dn.removesuffix(f",{base}"): entry for dn, entry in found if dn}

    @abstractmethod
    def empty(self) -> None:
        """Remove all rooms: names are unique in the whole of a directory."""

    def room(self, **habits: Any) -> Directory:
        """Return an empty place for people, inactive people and groups, with the habits of the preset."""
        base = f"OU=room{next(self.numbers)},OU=rooms,{self.suffix}"
        for dn in (base, f"OU=people,{base}", f"OU=left,{base}", f"OU=groups,{base}"):
            self.add(dn, ["organizationalUnit"])
        said = loads((files("gateway.presets") / f"{self.preset}.toml").read_text())["ldap"]
        preset = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
        preset["dn"] = preset["dn"].replace("{base}", "OU=people,{base}")
        plain = Directory(base, group_base=f"OU=groups,{base}", ca=self.ca, **preset)
        return replace(plain, **habits)

    @property
    def ca(self) -> Path | None:
        """Return the authority that the gateway is to trust."""
        return None

    def address(self, directory: Directory | None = None, **more: Any) -> TargetAddress:
        """Return a target in a room of its own."""
        auth = Basic(self.gateway_dn, Secret(PASSWORD))
        plain = TargetAddress("ldap", self.url, auth, directory=directory or self.room())
        return replace(plain, **more)


def lacking(package: str, programs: Sequence[str]) -> None:
    """Skip, or fail in CI, where a server is not installed."""
    say: Callable[[str], NoReturn] = pytest.fail if os.environ.get("CI") else pytest.skip
    if any(shutil.which(name) is None for name in programs):
        say(f"{programs[0]} is not installed: apt-get install --no-install-recommends {package}")
    try:
        import ldap  # noqa: F401
    except ImportError:
        say("python-ldap is not installed: make dev LDAP=1")
