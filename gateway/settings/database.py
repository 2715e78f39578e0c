"""The url of a PostgreSQL database, judged by how it is written, and the password that goes with it."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gateway.address import Secret
from gateway.settings.faults import Faults
from gateway.settings.fields import is_loopback
from gateway.settings.secrets import Secrets

URL: Final = "journal.url"
PASSWORD: Final = "journal.password"  # noqa: S105 - the name of a key
SCHEMES: Final = ("postgresql", "postgres")
FORM: Final = 'must be "postgresql://USER@HOST/DATABASE", or a file, such as "sqlite:var/gateway.db"'
NEEDED: Final = "needs psycopg: make setup POSTGRES=1, or pip install 'scim-gateway[postgres]'"
DECIDED: Final = frozenset({"verify-full", "verify-ca", "disable"})  # values of sslmode


def is_database(url: str) -> bool:
    """Say whether a url names a database, and not a file."""
    return url.partition(":")[0] in SCHEMES


def load_database(url: str, password: object, faults: Faults, secrets: Secrets) -> Secret | None:
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
    return Secret(f"{url}{'&' if '?' in url else '?'}password={quote(shown.reveal(), safe='')}")


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
