"""Texts of the configuration to values: durations, addresses, URLs, filters, attribute paths. Pure.

Each function raises ValueError with a sentence in a user's words.
"""

import math
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import PlainValidator

from gateway.errors import InvalidFilter, InvalidPath
from gateway.mapping.specs import REGIONS, nearest
from gateway.scim.grammar import Filter, parse_filter, rfc_notation
from gateway.scim.names import ENTERPRISE_USER, READ_ONLY, Attribute, is_urn, resource
from gateway.scim.paths import Place, place
from gateway.scim.predicate import attributes_named
from gateway.settings.faults import Faults

if TYPE_CHECKING:
    from gateway.mapping.templates import Text

AuditLevel = Literal["full", "masked", "hashed"]
Dialect = Literal["rfc", "okta", "entra"]
Durability = Literal["full", "normal"]
OnDeactivate = Literal["send", "delete"]
OnMissing = Literal["recreate", "error"]
ReuseName = Literal["refuse", "take"]
AdoptKey = Literal["externalId", "userName"]
BusyStatus = Literal[429, 503]
AlertFormat = Literal["json", "slack"]
MailSecurity = Literal["starttls", "tls", "none"]
PhoneFormat = Literal["yealink", "cisco", "snom", "grandstream", "vcard", "csv"]
PhonebookSort = Literal["name", "family", "department"]
Language = Literal["en", "de"]
ReaderRole = Literal["auditor", "helpdesk"]
PersonRole = Literal["operator", "auditor", "helpdesk"]
Inactive = Literal["move", "nsAccountLock", "userAccountControl"]
MadeAttribute = Literal["cn", "sn", "sAMAccountName", "password"]
GroupClass = Literal["groupOfNames", "groupOfUniqueNames", "posixGroup", "group"]
Network = IPv4Network | IPv6Network

RETENTION: Final = 400 * 86400.0  # seconds
TOKEN_EXPIRY: Final = 14 * 86400.0  # seconds
UNITS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}  # seconds
LONGEST: Final = 3650 * 86400.0  # seconds; nothing here is meant to outlast ten years

UNSAID: Final = frozenset({*READ_ONLY, "password", "members"})  # of no original

_MAIL_ADDRESS: Final = re.compile(r"[!#-'*+\-./-9=?A-Z^-~]+@[A-Za-z0-9.-]+")
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(ms|s|m|h|d)")
_RATE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?/ ?(s|m|h|d)")
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_NAME: Final = re.compile(r"[a-z0-9-]+")
_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # RFC 5646 section 2.1
_WORD: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2 token
_REQUEST: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/.*)")
_IN_PATH: Final = re.compile(r"[!$-;=?-~]*")  # what an address has, and no #
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f]")


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_seconds(value: Any) -> float:
    """Return seconds of "10s", "500ms", "5m", "1h", "400d" or a number."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        seconds = float(found[1]) * UNITS[found[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST:
        seconds = float(value)
    else:
        seconds = math.nan
    if not seconds <= LONGEST:
        raise ValueError(
            'must be a duration such as "500ms", "10s", "5m", "1h", "400d", or a number of seconds'
        )
    return seconds


def parse_some_seconds(value: Any) -> float:
    """Return seconds, more than none."""
    if (seconds := parse_seconds(value)) == 0:
        raise ValueError("must be longer than 0 seconds")
    return seconds


def parse_share(value: Any) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("must be a share from 0 to 1, such as 0.5")
    return float(value)


def parse_mail_address(value: Any) -> str:
    """Return an e-mail address alone, without a name beside it."""
    if not isinstance(value, str) or not _MAIL_ADDRESS.fullmatch(value):
        raise ValueError("must be an e-mail address, without a name beside it")
    return str(value)


def parse_rate(value: Any) -> float:
    """Return calls a second of "20/s", "1200/m", "5/h"."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        raise ValueError('must be a rate such as "20/s" or "1200/m"')
    return float(found[1]) / UNITS[found[2]]


def parse_removals(value: Any) -> tuple[int, float] | bool:
    """Return people and seconds of `{ count = 50, per = "1h" }`; `false` is no limit."""
    if value is False:
        return False
    if not isinstance(value, dict) or set(value) != {"count", "per"}:
        raise ValueError('must be a table such as { count = 50, per = "1h" }, or false')
    count = value["count"]
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1_000_000:
        raise ValueError("count must be a number of people, 1 or more")
    return count, parse_some_seconds(value["per"])


def parse_patch(value: Any) -> bool | Literal["single"]:
    """Return true, false or "single"."""
    if isinstance(value, bool):
        return value
    if value != "single":
        raise ValueError('must be true, false or "single"')
    return "single"


def parse_address(value: Any) -> Address:
    """Return host and port of "127.0.0.1:8080", "[::1]:8080" or "localhost:0"."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 65535:
        raise ValueError('must be HOST:PORT such as "127.0.0.1:8080"')
    return Address(found[1].strip("[]"), int(found[2]))


def parse_network(text: str) -> Network:
    """Return the network of a CIDR or of a single address."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError('must be a network such as "10.0.0.0/8", or an address') from None


def parse_region(value: Any) -> str:
    """Return the two letters of a country whose phone numbers are known."""
    if not isinstance(value, str) or value.upper() not in REGIONS:
        raise ValueError('must be the two letters of a country (ISO 3166), such as "GB" or "JP"')
    return value.upper()


def parse_text_filter(value: Any) -> Filter:
    """Return the tree of a SCIM filter."""
    if not isinstance(value, str):
        raise ValueError('must be a SCIM filter in quotes, such as "userType eq \\"Employee\\""')  # noqa: TRY004
    try:
        return parse_filter(value)
    except InvalidFilter as error:
        raise ValueError(error.detail) from error


def parse_scope(value: Any) -> Filter:
    """Return the tree of a SCIM filter over what a provider sends."""
    found = parse_text_filter(value)
    for path in attributes_named(found):
        if path.attr.casefold() in UNSAID:
            raise ValueError(f"{path.attr} is no part of what is kept of a resource as the provider sent it")
    return found


def parse_name(text: str) -> str:
    """Return a name that can stand in a URL; Okta refuses the underscore."""
    if not _NAME.fullmatch(text):
        raise ValueError("a name here has only a-z, 0-9 and -")
    return text


def parse_locale(value: Any) -> str:
    """Return a language tag, with or without a country."""
    if not isinstance(value, str) or not _LANGUAGE_TAG.fullmatch(value):
        raise ValueError('must be a language tag such as "en" or "de-CH"')
    return value


def parse_word(value: Any) -> str:
    """Return a header's name or an authorization scheme."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError("must be one word, as HTTP headers take it")
    return value


def parse_request(text: str) -> "Text":
    """Return the path of "GET /contacts/{id}", with its places."""
    from gateway.mapping.templates import compile_text

    found = _REQUEST.fullmatch(text)
    if found is None:
        raise ValueError('must be a method and a path, such as "GET /contacts/{id}"')
    path = compile_text(found[2])
    if not all(_IN_PATH.fullmatch(part) for part in path.parts if isinstance(part, str)):
        raise ValueError("has characters that no address has; write them percent-encoded")
    return path


def parse_web_url(value: Any) -> str:
    """Return an http(s) address without a slash at its end."""
    parts = _web_parts(value)
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without ? and #")
    return str(value).rstrip("/?#")


def parse_token_url(value: Any) -> str:
    """Return an http(s) address as it is written; a query may end it (RFC 6749 section 3.2)."""
    if _web_parts(value).fragment:
        raise ValueError("must not have a #")
    return str(value)


def is_in_clear(url: str) -> bool:
    """Say whether what is sent to a web address can be read on its way."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "http" and not is_loopback(host)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _web_parts(value: Any) -> SplitResult:
    if not isinstance(value, str) or _UNPRINTABLE.search(value) or not _is_web(value):
        raise ValueError('must be a web address: "https://host/path"')
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; that is what auth is for")
    return parts


def _is_web(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bad port or IPv6 address
        return False


def parse_sqlite_url(value: Any, base: Path) -> Path:
    """Return the absolute file of "sqlite:PATH", relative to `base`."""
    scheme, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    if scheme != "sqlite" or not rest.strip() or "\0" in rest or rest.startswith(":"):
        raise ValueError('must be "sqlite:" and a file, such as "sqlite:var/phonebook.db"')
    return base / rest


Seconds = Annotated[float, PlainValidator(parse_seconds)]
SomeSeconds = Annotated[float, PlainValidator(parse_some_seconds)]
RemovalLimit = Annotated[tuple[int, float] | bool, PlainValidator(parse_removals)]
PatchWay = Annotated[bool | Literal["single"], PlainValidator(parse_patch)]
Rate = Annotated[float, PlainValidator(parse_rate)]
Share = Annotated[float, PlainValidator(parse_share)]
ListenAddress = Annotated[Address, PlainValidator(parse_address)]
WebUrl = Annotated[str, PlainValidator(parse_web_url)]
TokenUrl = Annotated[str, PlainValidator(parse_token_url)]
Region = Annotated[str, PlainValidator(parse_region)]
Locale = Annotated[str, PlainValidator(parse_locale)]
TextFilter = Annotated[Filter, PlainValidator(parse_text_filter)]
ScopeFilter = Annotated[Filter, PlainValidator(parse_scope)]
Word = Annotated[str, PlainValidator(parse_word)]


CLOSE: Final = 0.75  # how like a standard name one must be to be taken for a slip of the pen


def read_path(text: object, path: str, faults: Faults, *, flat: bool = False) -> str | None:
    """Return a path in RFC notation; `*:name` means the core level or any extension.

    Where a target is `flat`, as LDAP is, it is the name of an attribute and has no parts.
    """
    if not isinstance(text, str):
        faults.add(path, "must be a path in quotes, or a list of them")
        return None
    try:
        where = place(text)
    except InvalidPath as error:
        faults.add(path, error.detail)
        return None
    if not flat:
        _compare(where, path, faults)
    elif where.urn or where.where or where.sub:
        faults.add(path, "must be the name of an LDAP attribute")
    return rfc_notation(text)


def _compare(where: Place, path: str, faults: Faults) -> None:
    """Custom attributes are welcome; a slip of the pen is a warning, inside a known attribute a fault."""
    known = attributes_of(where.urn)
    attribute = known.get(where.attribute.casefold())
    if attribute is not None:
        for name in (where.sub, *(name for name, _ in where.where or ())):
            if name is not None and (fault := wrong_sub(attribute, name)):
                faults.add(path, fault)
    elif near := nearest(where.attribute, (inner.name for inner in known.values()), CLOSE):
        faults.warn(path, f'there is no standard attribute {where.attribute}; did you mean "{near}"?')
    elif where.urn is None and where.attribute.casefold() in attributes_of(ENTERPRISE_USER):
        faults.warn(path, f"the standard {where.attribute} is {ENTERPRISE_USER}:{where.attribute}")


def wrong_sub(attribute: Attribute, name: str) -> str | None:
    """Say what is wrong with the name of a sub-attribute, or None."""
    if attribute.find(name):
        return None
    if not attribute.sub:
        return f"{attribute.name} has no sub-attributes"
    near = nearest(name, (sub.name for sub in attribute.sub.values()), CLOSE)
    return f'{attribute.name} has no {name}; did you mean "{near}"?' if near else None


def attributes_of(urn: str | None) -> Mapping[str, Attribute]:
    """Return what the standard has on the core level, or in an extension, by folded name."""
    if urn is None:
        core = {**resource("Group").sub, **resource("User").sub}
        return {name: attribute for name, attribute in core.items() if not is_urn(name)}
    extension = resource("User").find(urn)
    return {} if extension is None else extension.sub
