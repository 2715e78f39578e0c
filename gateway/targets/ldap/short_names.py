"""The short names of Active Directory (sAMAccountName): made of longer ones, and unique in a domain."""

from collections.abc import Sequence
from typing import Final

from gateway.address import Directory
from gateway.flow.target_port import Conflict, Refused
from gateway.targets.ldap.dn import above
from gateway.targets.ldap.entries import Attribute
from gateway.targets.ldap.filters import equal
from gateway.targets.ldap.session import Session

SHORT_NAME: Final = "sAMAccountName"
LONGEST: Final = {"user": 20, "group": 256}  # characters, by object class ([MS-SAMR] 3.1.1.6)
MOST: Final = 1000  # numbers that are tried
ROUNDS: Final = 3  # times that somebody else may be quicker


def add(session: Session, directory: Directory, dn: str, attributes: Sequence[Attribute]) -> None:
    """Make an entry; its short name gets a number where somebody in the domain has it already."""
    wanted = next((values[0].decode() for name, values in attributes if name == SHORT_NAME), None)
    if wanted is None:
        session.add(dn, attributes)
        return
    kind = "group" if any(b"group" in values for _, values in attributes) else "user"
    others = [attribute for attribute in attributes if attribute[0] != SHORT_NAME]
    domain = above(directory.base, "dc") or directory.base
    for left in reversed(range(ROUNDS)):
        name = _free(session, domain, wanted, LONGEST[kind])
        try:
            session.add(dn, [*others, (SHORT_NAME, [name.encode()])])
        except Conflict:
            if not left or not _is_taken(session, domain, name):
                raise
        else:
            return


def _free(session: Session, domain: str, name: str, longest: int) -> str:
    """Return a name that nobody has, as near to the one that is wanted as can be."""
    for number in range(1, MOST):
        end = str(number) if number > 1 else ""
        candidate = name[: longest - len(end)] + end
        if not _is_taken(session, domain, candidate):
            return candidate
    raise Refused(f"{SHORT_NAME}: every name that begins so is taken")


def _is_taken(session: Session, domain: str, name: str) -> bool:
    return bool(session.find(domain, equal(SHORT_NAME, name), ["1.1"]))
