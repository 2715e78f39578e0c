"""Distinguished names: made from templates, taken apart, compared (RFC 4514). Pure."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ldap import DECODING_ERROR
from ldap.dn import dn2str, str2dn

from gateway.flow.target_port import Refused

LONGEST: Final = 240  # bytes; OpenLDAP answers a longer name with a fault of its own, as if it might pass

DIGITS: Final = 8  # of the digest of a name that is cut

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z][\w-]*)\}")
_SPECIAL: Final = re.compile(r'[\\,+"<>;=]')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

Rdn = tuple[str, str]  # an attribute and its value, not escaped


def escaped(value: str) -> str:
    """Return a value as it stands in a DN (RFC 4514 section 2.4)."""
    text = _SPECIAL.sub(r"\\\g<0>", value)
    text = _CONTROL.sub(lambda found: f"\\{ord(found[0]):02x}", text)
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    if value.endswith(" ") and value != " ":
        text = f"{text[:-1]}\\ "
    return text


def rendered(template: str, form: Mapping[str, Any], bases: Mapping[str, str | None]) -> str:
    """Return the DN that a template makes of an entry; raises Refused where it needs what is absent."""

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name in bases:
            return bases[name] or ""
        value = form.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if not isinstance(value, str) or not value:
            raise Refused(f"{name}: the name of the entry is made of it, so it must be text and not empty")
        return escaped(value)

    return _PLACEHOLDER.sub(fill, template)


def cut(dn: str, longest: int | None) -> str:
    """Return a DN whose name has no more characters; one that is cut ends in a digest of all of it."""
    attribute, value = rdn_of(dn) or ("", "")
    if longest is None or len(value) <= longest:
        return dn
    digest = sha256(value.encode(errors="replace")).hexdigest()[:DIGITS]
    return f"{attribute}={escaped(f'{value[: longest - DIGITS - 1]}-{digest}')},{parent_of(dn)}"


def fitting(dn: str, longest: int | None = None) -> str:
    """Return a DN that a new name makes; raises Refused where the name is longer than the directory takes.

    `longest` is in characters.
    """
    attribute, value = rdn_of(dn) or ("", "")
    if longest is not None and len(value) > longest:
        raise Refused(f"{attribute}: an entry cannot be named by more than {longest} characters")
    if len(value.encode()) > LONGEST:
        raise Refused(f"{attribute}: an entry cannot be named by more than {LONGEST} bytes")
    return dn


def rdn_of(dn: str) -> Rdn | None:
    """Return what names an entry below its parent; None where that is several attributes, or no DN."""
    parts = _parts(dn)
    if not parts or len(parts[0]) != 1:
        return None
    attribute, value, _ = parts[0][0]
    return attribute, value


def parent_of(dn: str) -> str:
    """Return the DN above."""
    return str(dn2str(_parts(dn)[1:]))


def split(dn: str) -> tuple[str, str]:
    """Return what names an entry, escaped, and the DN above it."""
    parts = _parts(dn)
    return str(dn2str(parts[:1])), str(dn2str(parts[1:]))


def above(dn: str, attribute: str) -> str | None:
    """Return the nearest DN, itself included, that is named by an attribute; None where there is none."""
    parts = _parts(dn)
    for n, rdn in enumerate(parts):
        if rdn[0][0].casefold() == attribute:
            return str(dn2str(parts[n:]))
    return None


def is_below(dn: str, base: str) -> bool:
    """Say whether an entry stands somewhere below a base."""
    here, above = _folded(dn), _folded(base)
    return len(here) > len(above) > 0 and here[-len(above) :] == above


def normal(dn: str) -> Any:
    """Return a DN in a form that is equal for equal ones, and can be a key."""
    return _folded(dn) or dn.casefold()


def is_dn(text: str) -> bool:
    """Say whether a text is a DN, and not empty."""
    return bool(_parts(text))


def _folded(dn: str) -> tuple[Any, ...]:
    return tuple(
        tuple(sorted((name.casefold(), " ".join(value.casefold().split())) for name, value, _ in rdn))
        for rdn in _parts(dn)
    )


def _parts(dn: str) -> list[list[tuple[str, str, int]]]:
    try:
        return list(str2dn(dn))
    except (DECODING_ERROR, UnicodeEncodeError):
        return []
