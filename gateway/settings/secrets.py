"""Secrets from environment and files, and the tokens that are made where none is yet."""

import errno
import hashlib
import os
import re
import secrets
import select
import stat
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from gateway.address import MailServer, Secret, SessionLogin
from gateway.settings.faults import Faults, at, parts, read
from gateway.settings.fields import is_loopback, parse_mail_address, parse_request
from gateway.settings.model import Stamp
from gateway.settings.tables import MailTable, SecretTable, SessionTable
from gateway.users import why

LONGEST: Final = 64 * 1024  # bytes of a secret's file
PATIENCE: Final = 5.0  # seconds that a pipe may take
HANDED_IN: Final = Path("/run")  # here systemd and containers mount secrets, with modes of their own

_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BARE: Final = (
    'is a secret, and secrets never stand in this file: write { env = "NAME" } or { file = "PATH" }'
)


class Secrets:
    """Reads the secrets of one configuration; what is missing becomes a fault at its path.

    Without `read` it checks how they are written and looks at none.
    """

    def __init__(self, base: Path, faults: Faults, *, make_tokens: bool, read: bool) -> None:
        self.files: dict[Path, Stamp] = {}  # that were read
        self._base = base
        self._faults = faults
        self._make_tokens = make_tokens
        self._read = read
        self._to_make: dict[Path, tuple[str, str]] = {}  # file -> TOML path, token
        self._holders: dict[bytes, str] = {}  # digest -> TOML path of who has it

    def outbound(self, raw: object, path: str) -> Secret | None:
        """Return a secret that the gateway shows to a target."""
        table = self._own(raw, path)
        value = self._value(table, path) if table is not None and self._read else None
        return None if value is None else Secret(value)

    def shared(self, raw: object, path: str) -> Secret | None:
        """Return a secret that commands show, too: without `read` it is read where it can be."""
        table = self._own(raw, path)
        if table is None or self._read:
            return self.outbound(raw, path)
        quiet = Secrets(self._base, Faults(), make_tokens=False, read=True)
        return quiet.outbound(raw, path)

    def _own(self, raw: object, path: str) -> SecretTable | None:
        table = self._table(raw, path)
        if table is None or table.sha256 is None:
            return table
        self._faults.add(at(path, "sha256"), "a target needs the secret itself: use env or file")
        return None

    def inbound(self, raw: object, path: str) -> tuple[bytes, ...]:
        """Return the digests of tokens that somebody shows to the gateway: one table, or a list of them."""
        digests = []
        for where, entry in parts(raw, path):
            table = self._table(entry, where)
            digest = None if table is None else self._digest(table, where)
            if digest is not None and self._is_new(digest, where):
                digests.append(digest)
        return tuple(digests)

    def make(self) -> tuple[Path, ...]:
        """Name the token files that are missing; those to be made are written for their owner alone."""
        for file, (path, token) in self._to_make.items() if self._make_tokens else ():
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                    stream.write(token + "\n")
                self.files[file] = stamp_of(file.stat())
            except OSError as error:
                self._faults.add(path, f"cannot be made: {why(error, file)}")
        self._faults.raise_all()
        return tuple(self._to_make)

    def warn_of_readers(self, file: Path, path: str) -> None:
        """Warn where others than its owner can use a secret's file."""
        if file.stat().st_mode & 0o077 and not file.absolute().is_relative_to(HANDED_IN):
            self._faults.warn(path, f"others can read {file}; close it with: chmod 600 {file}")

    def _table(self, raw: object, path: str) -> SecretTable | None:
        if isinstance(raw, str):
            self._faults.add(path, _BARE)
            return None
        table = read(SecretTable, raw, path, self._faults)
        if table is not None and len(table.model_fields_set) != 1:
            self._faults.add(path, "needs one of env or file, and only one")
            return None
        return table

    def _digest(self, table: SecretTable, path: str) -> bytes | None:
        if table.sha256 is not None:
            if _SHA256.fullmatch(table.sha256):
                return bytes.fromhex(table.sha256)
            self._faults.add(at(path, "sha256"), "must be a SHA-256 in hex, 64 digits")
            return None
        if not self._read:
            return None
        file = None if table.file is None else self._base / table.file
        if file is not None and not _exists(file):
            _, value = self._to_make.setdefault(file, (path, f"gw_{secrets.token_urlsafe(32)}"))
            return hashlib.sha256(value.encode()).digest()
        found = self._value(table, path)
        return None if found is None else hashlib.sha256(found.encode()).digest()

    def _is_new(self, digest: bytes, path: str) -> bool:
        holder = self._holders.setdefault(digest, path)
        if holder != path:
            self._faults.add(path, f"is the same token as {holder}: nobody could tell who calls")
        return holder == path

    def _value(self, table: SecretTable, path: str) -> str | None:
        if table.env is not None:
            return self._faults.attempt(_from_environment, table.env, at(path, "env"))
        value = self._faults.attempt(self._from_file, table.file or "", at(path, "file"))
        if value is not None:
            self.warn_of_readers(self._base / (table.file or ""), path)
        return value

    def _from_file(self, name: str) -> str:
        if "\0" in name:
            raise ValueError("the name of a file has no null byte")
        file = self._base / name
        try:
            return _usable(read_content(file, LONGEST, self.files, takes_pipe=True).decode())
        except UnicodeDecodeError:
            raise ValueError("the file is no text (UTF-8)") from None
        except OSError as error:
            raise ValueError(f"the file {file} cannot be read: {why(error, file)}") from error


def stamp_of(found: os.stat_result) -> Stamp:
    """Return what changes with a file's content."""
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_content(file: Path, most: int, stamps: dict[Path, Stamp], *, takes_pipe: bool = False) -> bytes:
    """Return up to so many bytes of a file, or of a pipe that is written to within a few seconds.

    Raises OSError, and ValueError for what is neither, or not taken: somebody would wait for it forever.
    """
    number = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # else who opens a FIFO waits already
    with os.fdopen(number, "rb") as stream:
        found = os.fstat(number)
        kind = found.st_mode
        if stat.S_ISREG(kind):
            stamps[file] = stamp_of(found)
            return stream.read(most)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not (takes_pipe and stat.S_ISFIFO(kind)):
            raise ValueError("is no regular file")
        return _piped(number, most)


def _piped(number: int, most: int) -> bytes:
    """Return what a pipe holds, to its end."""
    content, until = bytearray(), time.monotonic() + PATIENCE
    while len(content) < most:
        if not select.select([number], [], [], max(0.0, until - time.monotonic()))[0]:
            raise ValueError(f"is a pipe that nobody wrote to within {PATIENCE:g} s")
        with suppress(BlockingIOError):
            if not (part := os.read(number, most - len(content))):
                break
            content += part
    return bytes(content)


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ValueError(f"the environment has no {name}")
    return _usable(value)


def _usable(value: str) -> str:
    value = value.rstrip("\r\n")
    if not value.strip():
        raise ValueError("the secret is empty")
    if not value.isprintable():
        raise ValueError("the secret holds a line break or another control character")
    return value


def _exists(file: Path) -> bool:
    try:
        return "\0" in str(file) or file.exists()
    except OSError:  # a name or a folder that cannot be used: reading it says so
        return True


def is_file(path: Path) -> bool:
    """Say whether a file is there; a name that none can have is of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def load_session(raw: object, path: str, faults: Faults, secrets: Secrets) -> SessionLogin | None:
    """Return a login of the target's own; None where it has faults, or secrets are not read."""
    table = read(SessionTable, raw, path, faults)
    if table is None:
        return None
    line = faults.attempt(parse_request, table.request, at(path, "request"))
    if line is not None and any(line.places()):
        faults.add(at(path, "request"), "has {…}, and a login is about nobody")
    token = tuple(table.token) if isinstance(table.token, list) else table.token
    from gateway.mapping.templates import compile_spot

    faults.attempt(compile_spot, token, at(path, "token"))
    if "{token}" not in table.value or not table.value.isprintable():
        faults.add(at(path, "value"), "must be a header's value with {token}")
    body = _with_secrets(table.body, at(path, "body"), secrets)
    said = (table.header, table.value, tuple(table.expired))
    return SessionLogin(table.request, body, token, *said)


def _with_secrets(raw: Any, path: str, secrets: Secrets) -> Any:
    if isinstance(raw, dict) and raw and raw.keys() <= {"env", "file"}:
        return secrets.outbound(raw, path)
    if isinstance(raw, dict):
        return {key: _with_secrets(value, at(path, key), secrets) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_with_secrets(value, at(path, n), secrets) for n, value in enumerate(raw)]
    return raw


NEEDED: Final = "needs aiosmtplib: make setup SMTP=1, or pip install 'scim-gateway[smtp]'"
MAIL_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
MAIL: Final = "alerts.mail"


def load_mail(raw: object, faults: Faults, secrets: Secrets) -> MailServer | None:
    """Return who takes alerts as e-mail; None where that has faults."""
    table = read(MailTable, raw, MAIL, faults)
    if table is None:
        return None
    if find_spec("aiosmtplib") is None:
        faults.add(MAIL, NEEDED)
    for path, address in ((at(MAIL, "from"), table.sender), *parts(table.to, at(MAIL, "to"))):
        faults.attempt(parse_mail_address, address, path)
    if (table.user is None) is not (table.password is None):
        faults.add(MAIL, "needs both of user and password, or none of them")
    where = at(MAIL, "password")
    password = None if table.password is None else secrets.outbound(table.password, where)
    if table.password is not None and table.tls == "none" and not is_loopback(table.host):
        faults.add(where, 'would go in clear: say tls = "starttls" or "tls"')
    port = table.port or MAIL_PORTS[table.tls]
    sent = (table.sender, tuple(table.to))
    return MailServer(table.host, port, *sent, tls=table.tls, user=table.user, password=password)
