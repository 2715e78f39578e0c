"""How a directory says that somebody is inactive: one habit for each way. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ldap import MOD_ADD, MOD_DELETE, MOD_REPLACE

from gateway.address import Directory
from gateway.flow.target_port import CannotFilter
from gateway.targets.ldap.dn import is_below
from gateway.targets.ldap.entries import Attribute, Modification, Raw
from gateway.targets.ldap.filters import EVERYBODY, NOBODY, Ask, LdapFilter
from gateway.values import frozen

DISABLED: Final = 0x2  # of userAccountControl: ACCOUNTDISABLE
NOT_REQUIRED: Final = 0x20  # PASSWD_NOTREQD
NORMAL: Final = 0x200  # NORMAL_ACCOUNT
BIT: Final = "(userAccountControl:1.2.840.113556.1.4.803:=2)"  # LDAP_MATCHING_RULE_BIT_AND


@frozen
class Habit:
    """One way of being inactive; `moves` says that the entry stands elsewhere then."""

    is_active: Callable[[Raw, Directory], bool]
    at_birth: Callable[[bool], list[Attribute]]  # of a new entry that is active or not
    changes: Callable[[Raw, bool], list[Modification]]  # that make an entry active or not
    asks: Ask  # `active eq …` as a filter
    reads: tuple[str, ...] = ()  # attributes it looks at
    is_open: Callable[[Raw], bool] = lambda raw: False  # once made active, to whoever gives no password
    moves: bool = False


def habit_of(directory: Directory) -> Habit:
    """Return how a directory says that somebody is inactive."""
    return HABITS[directory.inactive]


def _by_literal(active: LdapFilter, inactive: LdapFilter) -> Ask:
    answers = {True: active, "true": active, False: inactive, "false": inactive}

    def ask(literal: Any) -> LdapFilter:
        key = literal.casefold() if isinstance(literal, str) else literal
        if not isinstance(key, str | bool) or key not in answers:
            raise CannotFilter("active is true or false")
        return answers[key]

    return ask


def _is_unlocked(raw: Raw, directory: Directory) -> bool:
    return (raw.first("nsAccountLock") or "").casefold() != "true"


def _lock(raw: Raw, active: bool) -> list[Modification]:
    return [(MOD_REPLACE, "nsAccountLock", None if active else [b"true"])]


def _is_enabled(raw: Raw, directory: Directory) -> bool:
    return not _flags(raw) & DISABLED


def _switch(raw: Raw, active: bool) -> list[Modification]:
    """Change one bit of what is there now; whoever changed it meanwhile makes this fail, and be done anew.

    An account that becomes active needs a password from then on.
    """
    before = raw.first("userAccountControl")
    after = _flags(raw) & ~(DISABLED | NOT_REQUIRED) if active else _flags(raw) | DISABLED
    if before is None:
        return [(MOD_REPLACE, "userAccountControl", [b"%d" % after])]
    gone = (MOD_DELETE, "userAccountControl", [before.encode()])
    return [gone, (MOD_ADD, "userAccountControl", [b"%d" % after])]


def _flags(raw: Raw) -> int:
    text = raw.first("userAccountControl") or ""
    return int(text) if text.lstrip("-").isdecimal() else NORMAL


def _has_no_password(raw: Raw) -> bool:
    return bool(_flags(raw) & NOT_REQUIRED) and raw.first("pwdLastSet") in (None, "0")


def _stands_with_the_active(raw: Raw, directory: Directory) -> bool:
    return not is_below(raw.dn, directory.inactive_base or "")


HABITS: Final[Mapping[str | None, Habit]] = {
    None: Habit(
        lambda raw, directory: True,
        lambda active: [],
        lambda raw, active: [],
        _by_literal(LdapFilter(EVERYBODY), LdapFilter(NOBODY)),
    ),
    "move": Habit(
        _stands_with_the_active,
        lambda active: [],
        lambda raw, active: [],
        _by_literal(LdapFilter(EVERYBODY, exact=False), LdapFilter(EVERYBODY, exact=False)),
        moves=True,
    ),
    "nsAccountLock": Habit(
        _is_unlocked,
        lambda active: [] if active else [("nsAccountLock", [b"true"])],
        _lock,
        _by_literal(LdapFilter("(!(nsAccountLock=true))"), LdapFilter("(nsAccountLock=true)")),
        reads=("nsAccountLock",),
    ),
    "userAccountControl": Habit(
        _is_enabled,
        lambda active: [("userAccountControl", [b"%d" % (NORMAL if active else NORMAL | DISABLED)])],
        _switch,
        _by_literal(LdapFilter(f"(!{BIT})"), LdapFilter(BIT)),
        reads=("userAccountControl", "pwdLastSet"),
        is_open=_has_no_password,
    ),
}
