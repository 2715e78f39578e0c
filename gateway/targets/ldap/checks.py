"""Whether a directory can be used as it is configured: what it can do, or what is to be mended."""

import re
from collections.abc import Iterator
from typing import Final

from ldap.controls.libldap import SimplePagedResultsControl

from gateway.flow.target_port import Refused
from gateway.targets.address import TargetFinding
from gateway.targets.ldap.entries import OWN, Raw
from gateway.targets.ldap.inactive import habit_of
from gateway.targets.ldap.layout import Directory
from gateway.targets.ldap.paging import people_listing
from gateway.targets.ldap.session import Session

PAGING: Final = SimplePagedResultsControl.controlType
KINDS: Final = {"attributeTypes": "attribute", "objectClasses": "object class"}  # of a schema
_NAMES: Final = re.compile(r"\bNAME\s+(?:'([^']+)'|\(([^)]*)\))")  # RFC 4512 section 4.1.2


def checked(session: Session, directory: Directory) -> tuple[TargetFinding, ...]:
    """Return what a directory can do, and what is to be mended; raises TargetError where it is of no use."""
    root = session.read("", ["supportedControl", "subschemaSubentry"])
    if root is None:
        raise Refused("the directory does not show what it can do: let this account read its root entry")
    if PAGING not in root.texts("supportedControl"):
        raise Refused("the directory cannot answer page by page (RFC 2696), so long lists cannot be read")
    if session.read(directory.base, ["1.1"]) is None:
        raise Refused(f"there is no entry {directory.base}, or this account may not see it: see ldap.base")
    found = [_place(session, place) for place in dict.fromkeys(_places(directory))]
    return (*found, _ids(session, directory), _schema(session, root, directory), _inactive(directory))


def _place(session: Session, dn: str) -> TargetFinding:
    if session.read(dn, ["1.1"]) is not None:
        return TargetFinding("entry", f"{dn} can be read")
    return TargetFinding("entry", f"{dn} is not there", "make it, or let this account see it")


def _places(directory: Directory) -> Iterator[str]:
    """Yield the entries that must be there."""
    yield directory.base
    _, _, parent = directory.dn.partition(",")
    if "{" not in (made_in := parent.replace("{base}", directory.base)) and made_in:
        yield made_in
    yield from (place for place in (directory.inactive_base, directory.group_base) if place)


def _ids(session: Session, directory: Directory) -> TargetFinding:
    """Say whether people have the id that they are known by."""
    listing = people_listing(directory)
    found = next(session.pages(directory.base, directory.people, [directory.id]))
    if any(listing.id_of(raw) is None for raw in found):
        fix = "let this account read it, or name another attribute in ldap.id"
        return TargetFinding("id", f"people show no {directory.id}", fix)
    return TargetFinding("id", f"people are known by {directory.id}")


def _schema(session: Session, root: Raw, directory: Directory) -> TargetFinding:
    where = root.first("subschemaSubentry")
    schema = session.read(where, list(KINDS), "(objectClass=subschema)") if where else None
    if schema is None or not any(map(schema.all, KINDS)):
        return TargetFinding("schema", "it is not shown, so nobody knows whether every attribute is in it")
    if lacking := list(_lacking(schema, directory)):
        fix = "turn off the rules that write them, name others under [ldap], or extend its schema"
        return TargetFinding("schema", f"it has no {', no '.join(lacking)}", fix)
    return TargetFinding("schema", "it has every attribute that a rule writes")


def _inactive(directory: Directory) -> TargetFinding:
    says = (
        f"is said by {directory.inactive}" if directory.inactive else "cannot be said: who leaves is removed"
    )
    return TargetFinding("inactive", says)


def _lacking(schema: Raw, directory: Directory) -> Iterator[str]:
    """Yield what is written or looked at and the schema does not have, as far as it shows that kind."""
    own = (directory.id, directory.user_name, directory.external_id, *habit_of(directory).reads)
    ruled = (name for name in directory.attributes if name.casefold() not in OWN)
    groups = (directory.group_class, directory.group_external_id) if directory.group_base else (None, None)
    wanted = ((*ruled, *own, groups[1]), (*directory.object_classes, groups[0]))
    for (kind, meant), names in zip(KINDS.items(), wanted, strict=True):
        known = set(_defined(schema, kind))
        missing = [name for name in dict.fromkeys(names) if name and name.casefold() not in known]
        if known and missing:
            yield f"{meant} {', '.join(missing)}"


def _defined(schema: Raw, kind: str) -> Iterator[str]:
    for text in schema.texts(kind):
        if found := _NAMES.search(text):
            names = [found[1]] if found[1] else re.findall(r"'([^']+)'", found[2])
            yield from (name.casefold() for name in names)
