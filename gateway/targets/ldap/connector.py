"""An LDAP directory as a target: each call of the port is work for a thread; and whether it can be used."""

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final

from ldap.controls.libldap import SimplePagedResultsControl

from gateway.address import Directory
from gateway.flow.target_port import Attributes, Contradiction, Page, Query, Refused, ResourceType, Update
from gateway.targets.ldap.entries import OWN, Raw
from gateway.targets.ldap.groups import Groups
from gateway.targets.ldap.inactive import habit_of
from gateway.targets.ldap.paging import people_listing
from gateway.targets.ldap.people import CHILDREN, People
from gateway.targets.ldap.session import LISTS, Pool, Session, undone
from gateway.targets.ldap.sign_in import SignIn
from gateway.targets.transport import TargetFinding

ACTIVE_DIRECTORY: Final = "1.2.840.113556.1.4.800"  # [MS-ADTS] 3.1.1.3.4.3.1
LOOKED_AT: Final = 12  # pages of people: limits of 2,000 and 5,000 are usual
PAGING: Final = SimplePagedResultsControl.controlType
KINDS: Final = {"attributeTypes": "attribute", "objectClasses": "object class"}  # of a schema
_NAMES: Final = re.compile(r"\bNAME\s+(?:'([^']+)'|\(([^)]*)\))")  # RFC 4512 section 4.1.2


class LdapConnector:
    """A `Connector` to an LDAP directory; entries are flat, under their names there.

    Four names are ours: `userName`, `externalId`, `active` and `password` stand for what the directory says
    them with.
    """

    def __init__(self, sign_in: SignIn, workers: int | None = None) -> None:
        directory = sign_in.directory
        people = people_listing(directory)
        base = directory.group_base
        self._pool = Pool(sign_in, workers)
        self._directory = directory
        self._groups = Groups(directory, base, people) if base else None
        self._people = People(directory, people, self._groups)

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        if kind is ResourceType.USER:
            return await self._pool.run(lambda session: self._people.get(session, id))
        groups = self._groups
        if groups is None:
            return None
        return await self._pool.run(lambda session: groups.get(session, id, members=members))

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if kind is ResourceType.USER:
            return await self._pool.run(lambda session: self._people.page(session, query), LISTS)
        groups = self._groups
        return (
            Page(0, ())
            if groups is None
            else await self._pool.run(lambda session: groups.page(session, query), LISTS)
        )

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes:
        return await self._pool.run(
            undone(lambda session: self._listing(kind).create(session, wanted, beside))
        )

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes:
        return await self._pool.run(undone(lambda session: self._listing(kind).change(session, id, update)))

    async def delete(self, kind: ResourceType, id: str) -> None:
        await self._pool.run(undone(lambda session: self._listing(kind).delete(session, id)))

    async def has_groups(self) -> bool:
        return self._groups is not None

    async def check(self) -> tuple[TargetFinding, ...]:
        """Say what the directory can do and what is to be mended; raises TargetError."""
        return await self._pool.run(lambda session: checked(session, self._directory), LISTS)

    async def close(self) -> None:
        await self._pool.close()

    def _listing(self, kind: ResourceType) -> People | Groups:
        if kind is ResourceType.USER:
            return self._people
        if self._groups is None:
            raise Refused("this directory has no groups: ldap.group_base is not set")
        return self._groups


def checked(session: Session, directory: Directory) -> tuple[TargetFinding, ...]:
    """Return what a directory can do, and what is to be mended; raises TargetError where it is of no use."""
    root = session.read("", ["supportedControl", "subschemaSubentry", "supportedCapabilities"])
    if root is None:
        raise Refused("the directory does not show what it can do: let this account read its root entry")
    if PAGING not in root.texts("supportedControl"):
        raise Refused("the directory cannot answer page by page (RFC 2696), so long lists cannot be read")
    if session.read(directory.base, ["1.1"]) is None:
        raise Refused(f"there is no entry {directory.base}, or this account may not see it: see ldap.base")
    found = [_place(session, place) for place in dict.fromkeys(_places(directory))]
    if ACTIVE_DIRECTORY in root.texts("supportedCapabilities"):
        found += _rights(session, directory)
    found.append(_listed(session, directory))
    return (*found, _schema(session, root, directory), _inactive(directory))


def _rights(session: Session, directory: Directory) -> Iterator[TargetFinding]:
    """Say where this account may make nobody, as far as the directory says so."""
    wanted = [(place, directory.object_classes[-1]) for place in _made_in(directory)]
    if directory.group_base:
        wanted.append((directory.group_base, directory.group_class))
    for place, kind in wanted:
        raw = session.read(place, [CHILDREN])
        if raw is not None and kind.casefold() not in map(str.casefold, raw.texts(CHILDREN)):
            fix = f"give it the right to create and change {kind} objects there"
            yield TargetFinding("rights", f"this account may make no {kind} in {place}", fix)


def _made_in(directory: Directory) -> Iterator[str]:
    """Yield where new people are made, unless their own attributes say so."""
    _, _, parent = directory.dn.partition(",")
    if "{" not in (made_in := parent.replace("{base}", directory.base)) and made_in:
        yield made_in


def _place(session: Session, dn: str) -> TargetFinding:
    if session.read(dn, ["1.1"]) is not None:
        return TargetFinding("entry", f"{dn} can be read")
    return TargetFinding("entry", f"{dn} is not there", "make it, or let this account see it")


def _places(directory: Directory) -> Iterator[str]:
    """Yield the entries that must be there."""
    yield directory.base
    yield from _made_in(directory)
    yield from (place for place in (directory.inactive_base, directory.group_base) if place)


def _listed(session: Session, directory: Directory) -> TargetFinding:
    """Say whether people have the id that they are known by, and whether this account sees all of them."""
    listing, found = people_listing(directory), list[Raw]()
    try:
        for page in islice(session.pages(directory.base, directory.people, [directory.id]), LOOKED_AT):
            found += page
            session.go_on()
    except Contradiction as error:
        return TargetFinding(
            "people", f"{len(found)} are shown: {error.reason}", "give it no limit for lists"
        )
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
