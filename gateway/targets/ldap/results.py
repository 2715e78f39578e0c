"""What a directory's result means: the error that says what happened (RFC 4511 section 4.1.9). Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import ldap

from gateway.flow.target_port import (
    Broken,
    Conflict,
    Contradiction,
    Denied,
    Missing,
    Nonsense,
    Refused,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
)
from gateway.targets.transport import readable

TOO_MANY: Final = (
    "the directory gives this account fewer entries than there are: raise its limits for paged results "
    "(in 389 nsPagedSizeLimit and nsPagedLookThroughLimit, -1, on its entry)"
)
ELSEWHERE: Final = "this directory is a copy and refers to another: let `url` name the one that takes changes"
GARBLED: Final = "the directory's answer is not LDAP"

Meaning = tuple[type[TargetError], str]

DATA: Final[Mapping[int, str]] = {  # code -> what is wrong with an attribute
    17: "the directory has no such attribute",
    18: "cannot be compared so",
    19: "breaks a rule of the directory",
    20: "has the same value twice",
    21: "has a value that the directory's syntax does not take",
    34: "is no distinguished name",
    64: "cannot name an entry so",
    65: "is needed by the entry's object classes, or not allowed by them",
    66: "the entry has others below it",
    67: "names the entry, and cannot be changed so",
    69: "the entry's object classes cannot be changed so",
}
UNWILLING: Final = "the directory is not willing to do it"
# what a directory says without naming an attribute: whose it is, and what is to be done
HINTS: Final = (
    (re.compile(r"0000052D|password", re.IGNORECASE), ("unicodePwd", "userPassword"), ""),
    (re.compile("7-bit clean"), ("uid", "mail"), "its plug-in `7-bit check` lets ASCII through only"),
)
SIGN_INS: Final[Mapping[str, str]] = {  # what Active Directory says of them after "data"
    "525": "there is no such account",
    "52e": "the password is wrong",
    "530": "the account may not sign in at this time",
    "531": "the account may not sign in from here",
    "532": "the account's password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the account's password must be changed first",
    "775": "the account is locked",
}
MEANINGS: Final[Mapping[int, Meaning]] = {
    **{code: (Refused, text) for code, text in DATA.items()},
    53: (Refused, UNWILLING),
    71: (Refused, "the directory does not move entries so far"),
    68: (Conflict, "there is an entry of that name"),
    32: (Missing, "there is no such entry"),
    7: (Denied, "the directory does not take this way of signing in"),
    8: (Denied, "the directory wants a stronger sign-in, such as over TLS"),
    13: (Denied, "the directory wants TLS: ldaps:// or start_tls"),
    48: (Denied, "the directory does not take this way of signing in"),
    49: (Denied, "the directory does not accept the credentials"),
    50: (Denied, "the account may not do this"),
    51: (Throttled, "the directory is busy"),
    52: (Unreachable, "the directory is not available now"),
    10: (Unreachable, ELSEWHERE),
    4: (Contradiction, TOO_MANY),
    11: (Contradiction, TOO_MANY),
    12: (Nonsense, "the directory lacks a control that is needed, such as paged results"),
    2: (Nonsense, GARBLED),
    -4: (Nonsense, GARBLED),
    -1: (Silent, "the connection to the directory broke before its answer was whole"),
    -5: (Silent, "the directory did not answer in time"),
    3: (Silent, "the directory did not finish in time"),
    -11: (Silent, "the connection to the directory broke"),
}
OTHER: Final[Meaning] = (Broken, "the directory could not do it")
NO_DN: Final = 34  # invalidDNSyntax
_SIGN_IN: Final = re.compile(r"\bdata ([0-9a-fA-F]{3})\b")
BROKEN_LINE: Final = frozenset({-1, -2, -4, -5, -11, 2, 51, 52})  # after these the connection is given up


def code_of(error: ldap.LDAPError) -> int:
    """Return the result code; those below zero are the library's."""
    said = _said(error).get("result", getattr(type(error), "errnum", 80))
    return said if isinstance(said, int) else 80


def error_of(error: ldap.LDAPError, names: Collection[str] = ()) -> TargetError:
    """Return what a failed operation means; `names` are the attributes that it was about."""
    code = code_of(error)
    kind, sentence = MEANINGS.get(code, OTHER)
    info = readable(str(_said(error).get("info") or ""))
    hinted, advice = _hinted(info, names)
    if code in DATA or hinted:
        sentence = f"{_named(info, hinted or names)}{sentence}{advice}"
    return kind(readable(f"{sentence} ({info})" if info and code > 0 else sentence))


def unreachable(error: ldap.LDAPError) -> TargetError:
    """Return what a failed attempt to connect and sign in means: nothing was asked yet."""
    found = error_of(error)
    if isinstance(found, Denied):
        meant = _SIGN_IN.search(found.reason)
        said = SIGN_INS.get(meant[1].casefold()) if meant else None
        return Denied(f"{said}: {found.reason}") if said else found
    if code_of(error) == NO_DN:
        return Denied("the user to sign in as is no distinguished name")
    info = readable(str(_said(error).get("info") or ""))
    reason = "the directory cannot be reached" if code_of(error) < 0 else found.reason
    return Unreachable(f"{reason} ({info})" if info and info not in reason else reason)


def _hinted(info: str, names: Collection[str]) -> tuple[list[str], str]:
    """Return the attributes that a result is about though it does not name them, and what is to be done."""
    for pattern, about, advice in HINTS:
        found = [name for name in names if name.casefold() in map(str.casefold, about)]
        if found and pattern.search(info):
            return found, f": {advice}" if advice else ""
    return [], ""


def _named(info: str, names: Collection[str]) -> str:
    """Return the attributes that a result is about: those it names, else all that were sent."""
    said = [
        name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", info, re.IGNORECASE)
    ]
    found = said or list(names)
    return f"{', '.join(found)}: " if found else ""


def _said(error: ldap.LDAPError) -> Mapping[str, Any]:
    said = error.args[0] if error.args else None
    return said if isinstance(said, dict) else {}
