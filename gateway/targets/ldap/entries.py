"""A person's LDAP entry: values as texts and back, what is written of a form, what is made up. Pure."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from gateway.address import Directory
from gateway.flow.target_port import Attributes, Refused
from gateway.scim.names import get
from gateway.targets.ldap.dn import Rdn
from gateway.values import frozen

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


FLAGS: Final = "userAccountControl"

Modification = tuple[int, str, list[bytes] | None]


Attribute = tuple[str, list[bytes]]


@frozen
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


Written = dict[str, list[bytes]]  # by attribute; no values: the attribute goes


def written(form: Mapping[str, Any], directory: Directory) -> Written:
    """Return the attributes that a form stands for; what is empty is left out."""
    found = {name: encoded(name, value) for name, value in _named(form, directory)}
    if password := form.get("password"):
        found[directory.password] = [_password(str(password), directory)]
    return {name: values for name, values in found.items() if values}


def new(form: Attributes, directory: Directory, rdn: Rdn) -> Written:
    """Return the attributes of a new entry: what the form says, what is made, and what names it."""
    missing = {name: made(name, form) for name in directory.makes if not form.get(name)}
    attributes = written(missing | form, directory)
    name, value = rdn
    key = key_in(attributes, name) or name
    values = attributes.get(key, [])
    if value.encode() not in values:
        attributes[key] = [value.encode(), *values]
    return attributes


def changed(present: Attributes, wanted: Attributes, directory: Directory) -> Written:
    """Return the attributes that differ, as they shall be; one that must be there is made again."""
    before, after = written(present, directory), written(wanted, directory)
    differing = {
        name: after.get(name, [])
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    }
    for name in filter(is_made_again, directory.makes):
        if differing.get(name) == []:
            differing[name] = encoded(name, made(name, wanted))
    return differing


def named_anew(rdn: Rdn, attributes: Written) -> str:
    """Return the value that names an entry once its attributes are changed."""
    name, value = rdn
    key = key_in(attributes, name)
    if key is None:
        return value
    values = attributes[key]
    if not values:
        raise Refused(f"{name}: the name of the entry is made of it, so it cannot be removed")
    return value if value.encode() in values else values[0].decode()


def key_in(attributes: Mapping[str, Any], name: str) -> str | None:
    """Return the spelling that an attribute has here, None where it is not here."""
    return next((key for key in attributes if key.casefold() == name.casefold()), None)


def object_classes(form: Attributes, default: tuple[str, ...] = ()) -> list[bytes]:
    """Return the object classes that the rules ask for."""
    return encoded("objectClass", form.get("objectClass") or list(default))


def enabled(classes: Sequence[bytes], attributes: Mapping[str, Any]) -> list[Attribute]:
    """Return what makes an account of Active Directory an active one: unless told, it makes it disabled."""
    is_account = any(name.lower() == b"user" for name in classes)
    return [(FLAGS, [b"512"])] if is_account and key_in(attributes, FLAGS) is None else []


def _named(form: Mapping[str, Any], directory: Directory) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name, value in form.items() if name.casefold() not in OWN)
    yield directory.user_name, form.get("userName")
    yield directory.external_id, form.get("externalId")


def _password(password: str, directory: Directory) -> bytes:
    if directory.password.casefold() == "unicodepwd":
        return unicode_password(password)
    return encoded("password", password)[0]


SHORT_NAME: Final = 20  # characters of a person's sAMAccountName
_NOT_IN_SHORT_NAMES: Final = re.compile(r'["/\\\[\]:;|=,+*?<>@]|[^\S ]')

Form = Mapping[str, Any]


def made(attribute: str, form: Form) -> Any:
    """Return what stands in an attribute of `makes` where a form has nothing."""
    return MAKERS[attribute](form)


def is_made_again(attribute: str) -> bool:
    """Say whether an attribute is made for an entry that lost it, and not for new ones only."""
    return attribute in ("cn", "sn")


def unicode_password(password: str) -> bytes:
    """Return a password as Active Directory takes it: in quotes, in UTF-16."""
    return f'"{password}"'.encode("utf-16-le")


def short_name(text: str, length: int) -> str:
    """Return a text as a sAMAccountName takes it."""
    return " ".join(_NOT_IN_SHORT_NAMES.sub("", text).split())[:length].rstrip(". ")


def _common_name(form: Form) -> Any:
    both = (form.get("givenName"), form.get("sn"))
    whole = " ".join(part for part in both if isinstance(part, str))
    return form.get("displayName") or whole or form.get("userName")


def _family_name(form: Form) -> Any:
    return form.get("displayName") or form.get("userName")


def _short_name(form: Form) -> str:
    return short_name(str(form.get("userName", "")).partition("@")[0].replace(" ", ""), SHORT_NAME)


def _made_password(form: Form) -> str:
    """Return a password that nobody knows: letters of both cases and digits, as policies want."""
    return f"Aa1-{secrets.token_urlsafe(24)}"


MAKERS: Final[Mapping[str, Callable[[Form], Any]]] = {
    "cn": _common_name,
    "sn": _family_name,
    "sAMAccountName": _short_name,
    "password": _made_password,
}
