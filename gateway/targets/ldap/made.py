"""Attributes that an entry must have, made where nobody says them. Pure."""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

SHORT_NAME: Final = 20  # characters of a person's sAMAccountName
_NOT_IN_SHORT_NAMES: Final = re.compile(r'["/\\\[\]:;|=,+*?<>@\s]')

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
    return _NOT_IN_SHORT_NAMES.sub("", text)[:length].rstrip(".")


def _common_name(form: Form) -> Any:
    both = (form.get("givenName"), form.get("sn"))
    whole = " ".join(part for part in both if isinstance(part, str))
    return form.get("displayName") or whole or form.get("userName")


def _family_name(form: Form) -> Any:
    return form.get("displayName") or form.get("userName")


def _short_name(form: Form) -> str:
    return short_name(str(form.get("userName", "")).partition("@")[0], SHORT_NAME)


def _password(form: Form) -> str:
    """Return a password that nobody knows: letters of both cases and digits, as policies want."""
    return f"Aa1-{secrets.token_urlsafe(24)}"


MAKERS: Final[Mapping[str, Callable[[Form], Any]]] = {
    "cn": _common_name,
    "sn": _family_name,
    "sAMAccountName": _short_name,
    "password": _password,
}
