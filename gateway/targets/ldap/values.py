"""What an LDAP entry holds, as texts and back (RFC 4511 section 4.1). Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gateway.flow.target_port import Refused
from gateway.scim.names import get

OWN: Final = frozenset(  # folded names that are not attributes of the same name
    {
        "id",
        "schemas",
        "meta",
        "groups",
        "members",
        "username",
        "externalid",
        "active",
        "password",
        "objectclass",
    }
)
HIDDEN: Final = frozenset(  # folded attributes that are never read: secrets, and what is no text
    {
        "audio",
        "authpassword",
        "jpegphoto",
        "krbprincipalkey",
        "photo",
        "sambalmpassword",
        "sambantpassword",
        "thumbnailphoto",
        "unicodepwd",
        "usercertificate",
        "userpassword",
        "userpkcs12",
        "usersmimecertificate",
    }
)

_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,]\d+)?Z")  # RFC 4517 section 3.3.13


@dataclass(frozen=True, slots=True)
class Raw:
    """An entry as the directory gave it."""

    dn: str
    values: Mapping[str, Sequence[bytes]]

    def all(self, name: str) -> Sequence[bytes]:
        """Return the values of an attribute in any case, () where there is none."""
        return get(self.values, name) or ()

    def texts(self, name: str) -> list[str]:
        """Return the values that are text."""
        return [text for value in self.all(name) if (text := _text(value)) is not None]

    def first(self, name: str) -> str | None:
        """Return the first value that is text."""
        return next(iter(self.texts(name)), None)


def encoded(name: str, value: Any) -> list[bytes]:
    """Return a value of our form as an attribute's values; raises Refused. Empty ones are none."""
    items = value if isinstance(value, list) else [value]
    texts = [_written(name, item) for item in items if item is not None and item != ""]
    try:
        return [text.encode() for text in dict.fromkeys(texts)]
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise Refused(f"{name}: is not Unicode text") from error


def shown(values: Sequence[bytes]) -> Any:
    """Return values as our form has them: one text, a list of several, None where there is no text."""
    texts = [text for value in values if (text := _text(value)) is not None]
    return texts[0] if len(texts) == 1 else texts or None


def read_id(attribute: str, value: bytes) -> str | None:
    """Return an entry's id as text; objectGUID is 16 bytes in Microsoft's order."""
    if attribute.casefold() != "objectguid":
        return _text(value)
    return str(UUID(bytes_le=value)) if len(value) == 16 else None


def sought_id(attribute: str, id: str) -> str | bytes | None:
    """Return an id as it is searched for, None where no entry can have it."""
    if attribute.casefold() != "objectguid":
        return id
    try:
        return UUID(id).bytes_le
    except ValueError:
        return None


def meta_of(raw: Raw) -> dict[str, str]:
    """Return when an entry was made and changed (RFC 4512 section 3.4)."""
    times = {"created": raw.first("createTimestamp"), "lastModified": raw.first("modifyTimestamp")}
    return {name: moment for name, text in times.items() if text and (moment := _moment(text))}


def plain_attributes(raw: Raw) -> Iterator[tuple[str, Any]]:
    """Yield what an entry shows of itself, each as our form has it."""
    for name, values in raw.values.items():
        hidden = name.casefold() in HIDDEN or name.casefold() in OWN or ";" in name
        if not hidden and (value := shown(values)) is not None:
            yield name, value


def _moment(text: str) -> str | None:
    found = _TIME.fullmatch(text)
    return "{}-{}-{}T{}:{}:{}Z".format(*found.groups()) if found else None


def _written(name: str, item: Any) -> str:
    if isinstance(item, bool):
        return str(item).upper()  # RFC 4517 section 3.3.3
    if isinstance(item, str | int | float):
        return str(item)
    raise Refused(f"{name}: an LDAP attribute is text, so a rule has to say which part of it is sent")


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
