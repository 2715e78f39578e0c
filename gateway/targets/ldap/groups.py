"""Groups in a directory, and who is in them, each in one attempt."""

import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from ldap import MOD_REPLACE

from gateway.address import Directory
from gateway.flow.target_port import (
    Attributes,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    Unreachable,
    Update,
)
from gateway.targets.ldap import short_names
from gateway.targets.ldap.dn import fitting, normal, parent_of, rdn_of, rendered, split
from gateway.targets.ldap.entries import Attribute, Raw, encoded, meta_of
from gateway.targets.ldap.filters import Vocabulary, any_of, both, equal
from gateway.targets.ldap.memberships import (
    FIRST_NUMBER,
    MEMBERSHIPS,
    PLACEHOLDER,
    GroupMemberships,
    names_of,
    part_of,
)
from gateway.targets.ldap.paging import Listing, asks_for_id
from gateway.targets.ldap.session import Session, chunks

READ: Final = ("createTimestamp", "modifyTimestamp")


class Groups:
    """What is done to groups on one connection."""

    def __init__(self, directory: Directory, base: str, people: Listing) -> None:
        self._directory = directory
        self._base = base
        self._people = people
        self._membership = MEMBERSHIPS[directory.group_class]
        self._numbering = threading.Lock()
        self.listing = listing_of(directory, base)
        self.memberships = GroupMemberships(directory, base)

    def get(self, session: Session, id: str, *, members: bool) -> Attributes | None:
        """Return a group by its id."""
        raw = self.listing.find(session, id) if id else None
        if raw is None:
            return None
        self.memberships.look(session, id, self.listing.find)
        return self._with_members(session, raw) if members else self.shown(raw)

    def page(self, session: Session, query: Query) -> Page:
        """Return a page of groups."""
        total, raws = self.listing.page(session, query, self.shown)
        show = (lambda raw: self._with_members(session, raw)) if query.members else self.shown
        return Page(total, tuple(show(raw) for raw in raws))

    def shown(self, raw: Raw) -> Attributes:
        """Return a group as our form has it, without its members."""
        rdn = rdn_of(raw.dn)
        external = self._directory.group_external_id
        external_id = raw.first(external) if external else None
        return {
            "id": self.listing.id_of(raw) or "",
            "displayName": rdn[1] if rdn else raw.first("cn"),
            **({"externalId": external_id} if external_id else {}),
            "meta": meta_of(raw),
        }

    def create(self, session: Session, form: Attributes, beside: Collection[str] = ()) -> Attributes:
        """Make a group without members; raises Conflict where there is one of that name."""
        bases = {"base": self._directory.base, "group_base": self._base}
        dn = fitting(rendered(self._directory.group_dn, form, bases), self._directory.longest_name)
        with self._numbering:
            attributes = self._new(session, form, dn)
            try:
                short_names.add(session, self._directory, dn, attributes)
            except Missing as error:
                raise Unreachable(f"there is no entry {parent_of(dn)} to make groups in") from error
        return self.shown(self.listing.reread(session, dn))

    def change(self, session: Session, id: str, update: Update) -> Attributes:
        """Change a group's name and members; each part may be sent again."""
        raw = self._known(session, id)
        dn = raw.dn
        adds, removes = self._members_of(session, update)
        if update.present.get("displayName") != update.wanted.get("displayName"):
            dn = self._renamed(session, id, raw, update.wanted)
        external = self._directory.group_external_id
        before, after = update.present.get("externalId"), update.wanted.get("externalId")
        if external and before != after:
            session.modify(dn, [(MOD_REPLACE, external, encoded("externalId", after) or None)])
        self.memberships.change(session, dn, adds, removes)
        return self.shown(self.listing.reread(session, dn))

    def delete(self, session: Session, id: str) -> None:
        """Remove a group."""
        raw = self._known(session, id)
        with self.memberships.leaving(session, id, raw):
            session.delete(raw.dn)

    def _known(self, session: Session, id: str) -> Raw:
        raw = self.listing.find(session, id) if id else None
        if raw is None:
            raise Missing("there is no such group")
        self.memberships.look(session, id, self.listing.find)
        return raw

    def _new(self, session: Session, form: Attributes, dn: str) -> list[Attribute]:
        name, value = rdn_of(dn) or ("cn", "")
        external, membership = self._directory.group_external_id, self._membership
        texts = {name: value, **membership.extras(value)}
        if external and form.get("externalId"):
            texts[external] = form["externalId"]
        if membership.placeholder:
            texts[membership.attribute] = PLACEHOLDER
        if membership.numbered:
            texts["gidNumber"] = str(self._next_number(session))
        classes = [b"top", self._directory.group_class.encode()]
        return [("objectClass", classes), *((name, encoded(name, text)) for name, text in texts.items())]

    def _next_number(self, session: Session) -> int:
        """Return a gidNumber above all that are in use; made by one of ours at a time."""
        raws = session.find(self._base, "(gidNumber=*)", ["gidNumber"])
        numbers = [int(text) for raw in raws for text in raw.texts("gidNumber") if text.isdecimal()]
        return max(numbers, default=FIRST_NUMBER - 1) + 1

    def _renamed(self, session: Session, id: str, raw: Raw, wanted: Attributes) -> str:
        bases = {"base": self._directory.base, "group_base": self._base}
        longest = self._directory.longest_name
        rdn, _ = split(fitting(rendered(self._directory.group_dn, wanted, bases), longest))
        parent = parent_of(raw.dn)
        with self.memberships.renaming(session, id, raw, f"{rdn},{parent}", {}):
            dn = self.memberships.rename(session, id, raw, f"{rdn},{parent}")
            self.memberships.settle(session, id, self.listing.reread(session, dn))
        return dn

    def _members_of(self, session: Session, update: Update) -> tuple[list[str], list[str]]:
        """Return whom to add and to remove, as the directory names them; raises Refused."""
        wanted = [element["value"] for element in update.members.add]
        adds = self._named(session, wanted)
        if len(adds) < len(set(wanted)):
            raise Refused("members: one of them is not in the directory")
        return adds, self._named(session, list(update.members.remove))

    def _named(self, session: Session, ids: Sequence[str]) -> list[str]:
        """Return how the directory names these people, and groups, in groups; without those it has not."""
        found = self._people.found(session, ids)
        missing = [id for id in ids if id not in found]
        if missing and self._membership.by_dn:
            found |= self.listing.found(session, missing)
        return [self._membership.value_of(found[id], self._directory) for id in ids if id in found]

    def _with_members(self, session: Session, raw: Raw) -> Attributes:
        names: list[str] = []
        asked: str | None = self._membership.attribute
        while asked is not None:
            found = session.read(raw.dn, [asked])
            some, asked = ([], None) if found is None else part_of(found, self._membership.attribute)
            names += some
        ids = self._ids_of(session, names_of(names))
        return self.shown(raw) | ({"members": [{"value": id} for id in ids]} if ids else {})

    def _ids_of(self, session: Session, names: list[str]) -> list[str]:
        """Return the ids of members, in their order; entries that are neither people nor groups have none."""
        ids: dict[object, str] = {}
        for listing in (self._people, self.listing) if self._membership.by_dn else (self._people,):
            for some in chunks([name for name in names if self._key(name) not in ids]):
                text = both(listing.filter, any_of(list(self._sought(some))))
                ids |= {
                    self._key(self._membership.value_of(raw, self._directory)): listing.id_of(raw) or ""
                    for raw in session.find(listing.base, text, [listing.id, self._directory.user_name])
                }
        found = (ids.get(self._key(name)) for name in names)
        return [id for id in found if id]

    def _sought(self, names: Sequence[str]) -> Iterator[str]:
        """Yield filters that the entries of these names match, and few others."""
        for name in names:
            rdn = rdn_of(name) if self._membership.by_dn else (self._directory.user_name, name)
            if rdn is not None:
                yield equal(*rdn)

    def _key(self, name: str) -> object:
        return normal(name) if self._membership.by_dn else name.casefold()


def listing_of(directory: Directory, base: str) -> Listing:
    """Return where groups are, and how they are asked for."""
    name = rdn_of(rendered(directory.group_dn, {"displayName": "x"}, {"group_base": base, "base": ""}))
    external = directory.group_external_id
    words = Vocabulary(
        {"displayname": name[0] if name else "cn", "externalid": external},
        {"id": asks_for_id(directory.id)},
        loose=frozenset({"externalid"}),
    )
    names = ("cn", directory.id, *READ, *([external] if external else []))
    groups = directory.groups or equal("objectClass", directory.group_class)
    return Listing(ResourceType.GROUP, base, groups, directory.id, names, words)
