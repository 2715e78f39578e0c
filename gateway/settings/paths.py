"""The attribute paths of a configuration: read, and compared with what the standard has. Pure."""

from collections.abc import Mapping
from typing import Final

from gateway.errors import InvalidPath
from gateway.scim.grammar import rfc_notation
from gateway.scim.names import ENTERPRISE_USER, Attribute, is_urn, resource
from gateway.scim.paths import Place, place
from gateway.settings.faults import Faults, nearest

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
    known = _attributes(where.urn)
    attribute = known.get(where.attribute.casefold())
    if attribute is not None:
        for name in (where.sub, *(name for name, _ in where.where or ())):
            if name is not None and (fault := _wrong_sub(attribute, name)):
                faults.add(path, fault)
    elif near := nearest(where.attribute, (inner.name for inner in known.values()), CLOSE):
        faults.warn(path, f'there is no standard attribute {where.attribute}; did you mean "{near}"?')
    elif where.urn is None and where.attribute.casefold() in _attributes(ENTERPRISE_USER):
        faults.warn(path, f"the standard {where.attribute} is {ENTERPRISE_USER}:{where.attribute}")


def _wrong_sub(attribute: Attribute, name: str) -> str | None:
    if attribute.find(name):
        return None
    if not attribute.sub:
        return f"{attribute.name} has no sub-attributes"
    near = nearest(name, (sub.name for sub in attribute.sub.values()), CLOSE)
    return f'{attribute.name} has no {name}; did you mean "{near}"?' if near else None


def _attributes(urn: str | None) -> Mapping[str, Attribute]:
    if urn is None:
        core = {**resource("Group").sub, **resource("User").sub}
        return {name: attribute for name, attribute in core.items() if not is_urn(name)}
    extension = resource("User").find(urn)
    return {} if extension is None else extension.sub
