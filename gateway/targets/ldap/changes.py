"""What is written for a person: a form as attributes, and what differs between two forms. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.flow.target_port import Attributes, Refused
from gateway.targets.ldap.made import is_made_again, made, unicode_password
from gateway.targets.ldap.names import Rdn
from gateway.targets.ldap.place import Directory
from gateway.targets.ldap.values import OWN, encoded

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


def _named(form: Mapping[str, Any], directory: Directory) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name, value in form.items() if name.casefold() not in OWN)
    yield directory.user_name, form.get("userName")
    yield directory.external_id, form.get("externalId")


def _password(password: str, directory: Directory) -> bytes:
    if directory.password.casefold() == "unicodepwd":
        return unicode_password(password)
    return encoded("password", password)[0]
