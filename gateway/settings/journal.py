"""Where the journal is: a file and what stands beside it, or a PostgreSQL database and its password."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gateway.address import Secret
from gateway.settings.faults import Faults, read
from gateway.settings.fields import is_loopback, parse_sqlite_url
from gateway.settings.model import JournalSettings
from gateway.settings.secrets import Secrets, is_file
from gateway.settings.tables import JournalTable

URL: Final = "journal.url"
PASSWORD: Final = "journal.password"  # noqa: S105 - the name of a key
SCHEMES: Final = ("postgresql", "postgres")
FORM: Final = 'must be "postgresql://USER@HOST/DATABASE", or a file, such as "sqlite:var/gateway.db"'
NEEDED: Final = "needs psycopg: make setup POSTGRES=1, or pip install 'scim-gateway[postgres]'"
DECIDED: Final = frozenset({"verify-full", "verify-ca", "disable"})  # values of sslmode


def load_journal(raw: object, base: Path, faults: Faults, secrets: Secrets) -> JournalSettings:
    """Return [journal]; what has a fault in it is as if it were not said."""
    table = read(JournalTable, raw, "journal", faults) or JournalTable()
    is_shared = table.url.partition(":")[0] in SCHEMES
    url = JournalTable().url if is_shared else table.url
    file = faults.attempt(lambda url: parse_sqlite_url(url, base), url, URL)
    if file is not None and os.path.islink(file):  # what stands beside the journal stands beside the file
        file = file.resolve()
    key = None if table.audit_key is None else base / table.audit_key
    for kept in (file, Path(f"{file}-wal")) if file is not None else ():
        if is_file(kept):
            secrets.warn_of_readers(kept, URL)
    database = None
    if is_shared:
        database = _database(table.url, table.password, faults, secrets)
    elif table.password is not None:
        faults.add(PASSWORD, "is for a database, and the journal is a file")
    settings = JournalSettings(file or base, table.durability, table.retention, key, database)
    if is_file(settings.key_file):
        secrets.warn_of_readers(settings.key_file, "journal.audit_key")
    return settings


def _database(url: str, password: object, faults: Faults, secrets: Secrets) -> Secret | None:
    """Return the url with its password; None where either has a fault."""
    shown = None if password is None else secrets.shared(password, PASSWORD)
    if find_spec("psycopg") is None:
        faults.add(URL, NEEDED)
    said = faults.attempt(_parts, url, URL)
    if said is None:
        return None
    hosts, options = said
    if options.get("sslmode", ["prefer"])[-1] not in DECIDED:
        for host in hosts:
            faults.warn(
                URL, f"nobody checks that {host} is the database: add sslmode=verify-full, or disable"
            )
    if shown is None:
        return Secret(url)
    scheme, _, rest = url.partition("://")
    netloc = urlsplit(url).netloc
    user, _, places = netloc.rpartition("@")
    return Secret(f"{scheme}://{user}:{quote(shown.reveal(), safe='')}@{places}{rest[len(netloc) :]}")


def _parts(url: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the hosts of other machines that a url names, and its options; raises ValueError."""
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    user, _, places = parts.netloc.rpartition("@")
    if ":" in user or "password" in options:
        raise ValueError(
            'holds a password, which never stands in this file: use password = { file = "PATH" }'
        )
    if not url.partition(":")[2].startswith("//") or parts.fragment:
        raise ValueError(FORM)
    if not (parts.path.strip("/") or "dbname" in options):
        raise ValueError(f"names no database: {FORM}")
    return list(_far(places, options)), options


def _far(places: str, options: dict[str, list[str]]) -> Iterator[str]:
    named = [unquote(place) for place in places.split(",")] + options.get("host", [""])[-1].split(",")
    for place in named:
        host = place.partition("]")[0].strip("[") if place.startswith("[") else place.partition(":")[0]
        if host and not host.startswith("/") and not is_loopback(host):
            yield host
