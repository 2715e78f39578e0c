"""Whether a directory can be used as it is configured: what it can do, or what is to be mended."""

import re
from collections.abc import Iterator
from typing import Final

from ldap.controls.libldap import SimplePagedResultsControl

from gateway.flow.target_port import Refused
from gateway.targets.finding import Finding
from gateway.targets.ldap.people import room_of
from gateway.targets.ldap.place import Directory
from gateway.targets.ldap.session import Session
from gateway.targets.ldap.values import OWN, Raw

PAGING: Final = SimplePagedResultsControl.controlType
_NAMES: Final = re.compile(r"\bNAME\s+(?:'([^']+)'|\(([^)]*)\))")  # RFC 4512 section 4.1.2


def checked(session: Session, directory: Directory) -> tuple[Finding, ...]:
    """Return what a directory can do, and what is to be mended; raises TargetError where it is of no use."""
    root = session.read("", ["supportedControl", "subschemaSubentry"])
    if root is None:
        raise Refused("the directory does not show what it can do: let this account read its root entry")
    if PAGING not in root.texts("supportedControl"):
        raise Refused("the directory cannot answer page by page (RFC 2696), so long lists cannot be read")
    found = [_place(session, place) for place in _places(directory)]
    return (*found, _ids(session, directory), _attributes(session, root, directory), _inactive(directory))


def _place(session: Session, dn: str) -> Finding:
    if session.read(dn, ["1.1"]) is not None:
        return Finding("entry", f"{dn} can be read")
    return Finding("entry", f"{dn} is not there", "make it, or let this account see it")


def _places(directory: Directory) -> Iterator[str]:
    """Yield the entries that must be there."""
    yield directory.base
    _, _, parent = directory.dn.partition(",")
    if "{" not in (made_in := parent.replace("{base}", directory.base)) and made_in:
        yield made_in
    yield from (place for place in (directory.inactive_base, directory.group_base) if place)


def _ids(session: Session, directory: Directory) -> Finding:
    """Say whether people have the id that they are known by."""
    room = room_of(directory)
    found = next(session.pages(directory.base, directory.people, [directory.id]))
    if any(room.id_of(raw) is None for raw in found):
        fix = "let this account read it, or name another attribute in ldap.id"
        return Finding("id", f"people show no {directory.id}", fix)
    return Finding("id", f"people are known by {directory.id}")


def _attributes(session: Session, root: Raw, directory: Directory) -> Finding:
    if unknown := _unknown(session, root, directory):
        fix = "turn off the rules that write them, or extend its schema"
        return Finding("schema", f"it has no attribute {', '.join(unknown)}", fix)
    return Finding("schema", "it has every attribute that a rule writes")


def _inactive(directory: Directory) -> Finding:
    says = (
        f"is said by {directory.inactive}" if directory.inactive else "cannot be said: who leaves is removed"
    )
    return Finding("inactive", says)


def _unknown(session: Session, root: Raw, directory: Directory) -> list[str]:
    """Return the attributes that rules write and the schema does not have; nothing where it is not shown."""
    where = root.first("subschemaSubentry")
    schema = session.read(where, ["attributeTypes"], "(objectClass=subschema)") if where else None
    known = set(_defined(schema)) if schema else set()
    wanted = [name for name in directory.attributes if name.casefold() not in OWN]
    return [name for name in wanted if known and name.casefold() not in known]


def _defined(schema: Raw) -> Iterator[str]:
    for text in schema.texts("attributeTypes"):
        if found := _NAMES.search(text):
            names = [found[1]] if found[1] else re.findall(r"'([^']+)'", found[2])
            yield from (name.casefold() for name in names)
