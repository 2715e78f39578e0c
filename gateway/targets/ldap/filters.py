"""A SCIM filter as an LDAP filter (RFC 4515), with every literal escaped. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from gateway.flow.target_port import CannotFilter
from gateway.scim.grammar import (
    AttrPath,
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
)
from gateway.targets.ldap.entries import HIDDEN, OWN
from gateway.values import frozen

NOBODY: Final = "(!(objectClass=*))"
EVERYBODY: Final = "(objectClass=*)"

_UNSAFE: Final = re.compile(r"[\\*()\x00]")
_DESCRIPTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_JOINS: Final = {LogicalOperator.and_: "&", LogicalOperator.or_: "|"}


@frozen
class LdapFilter:
    """An LDAP filter; one that is not exact may match more than was asked, never less."""

    text: str
    exact: bool = True


Ask = Callable[[Any], LdapFilter]  # from the literal of `eq` to the filter


@frozen
class Vocabulary:
    """What an entry's names in a filter mean: by folded name an attribute, or how `eq` is asked."""

    attributes: Mapping[str, str | None] = field(default_factory=dict)  # None: no entry has it
    asks: Mapping[str, Ask] = field(default_factory=dict)
    loose: frozenset[str] = frozenset()  # folded names that the directory compares less exactly


def escaped(value: str | bytes) -> str:
    """Return a value as it stands in a filter: text readable, bytes in hex."""
    if isinstance(value, bytes):
        return "".join(f"\\{byte:02x}" for byte in value)
    text = value.encode(errors="replace").decode()  # half a surrogate pair, which no entry can have
    return _UNSAFE.sub(lambda found: f"\\{ord(found[0]):02x}", text)


def equal(attribute: str, value: str | bytes) -> str:
    """Return the filter for one value of an attribute."""
    return f"({attribute}={escaped(value)})" if value else NOBODY


def any_of(filters: list[str]) -> str:
    """Return the filter for entries that match one of them."""
    return f"(|{''.join(filters)})" if filters else NOBODY


def both(*filters: str) -> str:
    """Return the filter for entries that match all of them."""
    return f"(&{''.join(filters)})"


def translate(tree: Filter, words: Vocabulary) -> LdapFilter:
    """Return the filter for the directory; raises CannotFilter where it cannot be asked this."""
    match tree:
        case LogicalExpr():
            terms = [translate(term, words) for term in tree.terms]
            text = f"({_JOINS[tree.op]}{''.join(term.text for term in terms)})"
            return LdapFilter(text, all(term.exact for term in terms))
        case Not():
            return _not(translate(tree.expr, words))
        case Present(path):
            name = _attribute(path, words)
            return LdapFilter(NOBODY if name is None else f"({name}=*)")
        case Comparison(path, operator, value):
            return _comparison(path, operator, value, words)
    raise CannotFilter("an LDAP filter knows no elements of lists")


def _comparison(path: AttrPath, operator: CompareOperator, value: Any, words: Vocabulary) -> LdapFilter:
    folded = path.attr.casefold()
    if folded in words.asks and path.sub_attr is None:
        if operator is not CompareOperator.eq:
            raise CannotFilter(f"{path.attr} can only be asked for with eq")
        return words.asks[folded](value)
    name, form = _attribute(path, words), _FORMS.get(operator)
    if form is None or not isinstance(value, str) or not value:
        raise CannotFilter("an LDAP filter cannot say this")
    if name is None:
        return LdapFilter(NOBODY if operator is not CompareOperator.ne else EVERYBODY)
    asked = LdapFilter(form.format(name, escaped(value)), folded not in words.loose)
    return _not(asked) if operator is CompareOperator.ne else asked


def _not(inner: LdapFilter) -> LdapFilter:
    if not inner.exact:
        raise CannotFilter("what is not exact cannot be turned round")
    return LdapFilter(f"(!{inner.text})")


def _attribute(path: AttrPath, words: Vocabulary) -> str | None:
    folded = path.attr.casefold()
    if path.uri is not None or path.sub_attr is not None or folded in HIDDEN:
        raise CannotFilter("an LDAP entry has no such attribute")
    if folded in words.attributes:
        return words.attributes[folded]
    if folded in OWN or not _DESCRIPTION.fullmatch(path.attr):
        raise CannotFilter("an LDAP entry has no such attribute")
    return path.attr


_FORMS: Final[Mapping[CompareOperator, str]] = {
    CompareOperator.eq: "({}={})",
    CompareOperator.ne: "({}={})",  # turned round
    CompareOperator.co: "({}=*{}*)",
    CompareOperator.sw: "({}={}*)",
    CompareOperator.ew: "({}=*{})",
}
