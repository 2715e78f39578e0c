"""People in a directory: shown, made, changed and removed, each in one attempt."""

from collections.abc import Collection
from typing import Final

from ldap import MOD_ADD, MOD_REPLACE

from gateway.address import Directory
from gateway.flow.target_port import (
    Attributes,
    Conflict,
    Missing,
    Page,
    Query,
    Refused,
    TargetError,
    Unreachable,
    Update,
)
from gateway.scim.documents import fold, is_active
from gateway.targets.ldap import entries
from gateway.targets.ldap.dn import Rdn, escaped, fitting, is_dn, normal, parent_of, rdn_of, rendered, split
from gateway.targets.ldap.entries import (
    Modification,
    Raw,
    Written,
    encoded,
    meta_of,
    named_anew,
    plain_attributes,
)
from gateway.targets.ldap.filters import any_of, both, equal
from gateway.targets.ldap.groups import Groups
from gateway.targets.ldap.inactive import habit_of
from gateway.targets.ldap.memberships import GroupMemberships
from gateway.targets.ldap.paging import READ, Listing
from gateway.targets.ldap.session import Session, in_doubt

REFERENCES: Final = frozenset({"manager"})  # attributes that hold the DN of another person


class People:
    """What is done to people on one connection."""

    def __init__(self, directory: Directory, listing: Listing, groups: Groups | None = None) -> None:
        self.listing = listing
        self._directory = directory
        self._habit = habit_of(directory)
        self._naming = Naming(directory)
        self._memberships = groups.memberships if groups else GroupMemberships(directory, None)
        said = (directory.id, directory.user_name, directory.external_id, *self._habit.reads, *READ)
        self._own = {name.casefold() for name in said}  # shown under names of ours
        self._spelled = {name.casefold(): name for name in directory.attributes}

    def get(self, session: Session, id: str) -> Attributes | None:
        """Return a person by their id."""
        raw = self.listing.find(session, id) if id else None
        if raw is None:
            return None
        self._memberships.look(session, id, self.listing.find)
        return self.shown(raw)

    def page(self, session: Session, query: Query) -> Page:
        """Return a page of people."""
        total, raws = self.listing.page(session, query, self.shown)
        return Page(total, tuple(self.shown(raw) for raw in raws))

    def shown(self, raw: Raw) -> Attributes:
        """Return a person as our form has them."""
        directory = self._directory
        attributes = {
            self._spelled.get(name.casefold(), name): value
            for name, value in plain_attributes(raw)
            if name.casefold() not in self._own
        }
        named = {"userName": raw.first(directory.user_name), "externalId": raw.first(directory.external_id)}
        return {
            "id": self.listing.id_of(raw) or "",
            **{name: value for name, value in named.items() if value is not None},
            **attributes,
            "active": self._habit.is_active(raw, directory),
            "meta": meta_of(raw),
        }

    def create(self, session: Session, form: Attributes, beside: Collection[str] = ()) -> Attributes:
        """Make a person; raises Conflict where name or externalId are taken, this by others than `beside`."""
        self._refuse_known(session, form, beside)
        self._refuse_taken(session, form)
        dn = fitting(self._naming.place(form))
        if (rdn := rdn_of(dn)) is None:
            raise Refused("the entry cannot be named so")
        attributes = self._resolved(session, entries.new(form, self._directory, rdn))
        born = self._habit.at_birth(is_active(form))
        classes = entries.object_classes(form, self._directory.object_classes)
        try:
            session.add(dn, [("objectClass", classes), *attributes.items(), *born])
        except Missing as error:
            raise Unreachable(f"there is no entry {parent_of(dn)} to make people in") from error
        return self.shown(self.listing.reread(session, dn))

    def change(self, session: Session, id: str, update: Update) -> Attributes:
        """Change a person; a new name or place first, which is taken back where the rest is refused."""
        raw = self._known(session, id)
        if fold(str(update.present.get("userName"))) != fold(str(update.wanted.get("userName"))):
            self._refuse_taken(session, update.wanted, id)
        attributes = entries.changed(update.present, update.wanted, self._directory)
        attributes = self._resolved(session, attributes)
        dn = self._naming.new_dn(raw, update, attributes)
        modifications = self._modifications(raw, update, attributes, dn)
        with self._memberships.renaming(session, id, raw, dn, update.wanted):
            if dn != raw.dn:
                dn = self._moved(session, raw, dn, update)
            if modifications:
                self._modify(session, raw, dn, modifications)
            after = self.listing.reread(session, dn)
            self._memberships.settle(session, id, after)
        return self.shown(after)

    def delete(self, session: Session, id: str) -> None:
        """Remove a person, from their groups first: whoever gets the same DN later shall not be in them."""
        raw = self._known(session, id)
        with self._memberships.leaving(session, id, raw):
            session.delete(raw.dn)

    def _known(self, session: Session, id: str) -> Raw:
        raw = self.listing.find(session, id) if id else None
        if raw is None:
            raise Missing("there is no such entry")
        self._memberships.look(session, id, self.listing.find)
        return raw

    def _refuse_known(self, session: Session, form: Attributes, beside: Collection[str]) -> None:
        """Raise Conflict where somebody has the externalId: they may be there under another userName."""
        name = self._directory.external_id
        for value in encoded("externalId", form.get("externalId")):
            text = both(self.listing.filter, equal(name, value.decode()))
            for raw in session.find(self.listing.base, text, [name, self.listing.id]):
                if value in raw.all(name) and self.listing.id_of(raw) not in beside:
                    raise Conflict("externalId belongs to another entry")

    def _refuse_taken(self, session: Session, form: Attributes, own: str | None = None) -> None:
        """Raise Conflict where somebody has the userName: a directory itself looks at DNs only."""
        values = encoded("userName", form.get("userName"))
        if not values:
            raise Refused("userName is missing")
        text = both(self.listing.filter, equal(self._directory.user_name, values[0].decode()))
        for raw in session.find(self.listing.base, text, self.listing.names):
            if self.listing.id_of(raw) != own:
                raise Conflict("userName belongs to another entry")

    def _modifications(self, raw: Raw, update: Update, attributes: Written, dn: str) -> list[Modification]:
        """Return what is changed beside the name: all of it in one operation."""
        name, value = rdn_of(dn) or ("", "")
        found: list[Modification] = [
            (MOD_REPLACE, attribute, values or None)
            for attribute, values in attributes.items()
            if attribute.casefold() != name.casefold() or values != [value.encode()]
        ]
        there = {text.casefold() for text in raw.texts("objectClass")}
        lacking = [c for c in entries.object_classes(update.wanted) if c.decode().casefold() not in there]
        if lacking:
            found.append((MOD_ADD, "objectClass", lacking))
        if is_active(update.present) != is_active(update.wanted):
            found += self._habit.changes(raw, is_active(update.wanted))
        return found

    def _moved(self, session: Session, raw: Raw, dn: str, update: Update) -> str:
        """Give an entry its new name and place; raises Refused where a leaver's place is not there."""
        try:
            return session.rename(raw.dn, *split(dn))
        except Unreachable as error:
            if isinstance(error.__cause__, Missing) and self._naming.lets_leave(update):
                raise Refused(error.reason) from error
            raise

    def _modify(self, session: Session, raw: Raw, dn: str, modifications: list[Modification]) -> None:
        try:
            session.modify(dn, modifications)
        except TargetError as error:
            if dn == raw.dn or error.maybe_applied:
                raise
            try:
                session.rename(dn, *split(raw.dn))
            except TargetError:
                raise in_doubt(error) from error
            raise

    def _resolved(self, session: Session, attributes: Written) -> Written:
        """Return attributes with other people as the DNs that a directory knows them by."""
        named = {name: values for name, values in attributes.items() if name.casefold() in REFERENCES}
        return attributes | {
            name: [self._dn_of(session, name, value.decode()) for value in values]
            for name, values in named.items()
        }

    def _dn_of(self, session: Session, attribute: str, who: str) -> bytes:
        if is_dn(who):
            return who.encode()
        directory = self._directory
        ways = [equal(name, who) for name in (directory.user_name, directory.external_id)]
        if directory.id.casefold() != "objectguid":
            ways.append(equal(directory.id, who))
        found = session.find(self.listing.base, both(self.listing.filter, any_of(ways)), [directory.id])
        if len(found) != 1:
            raise Refused(f"{attribute}: nobody, or more than one, has this id, userName or externalId")
        return found[0].dn.encode()


class Naming:
    """The DNs of one directory's people."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._moves = habit_of(directory).moves

    def place(self, form: Attributes) -> str:
        """Return the DN that a person has by the template, or among the inactive."""
        dn = self._rendered(self._directory.dn, form)
        return f"{split(dn)[0]},{self._parent(form)}" if self._is_put_away(form) else dn

    def _parent(self, form: Attributes) -> str:
        """Return where a person stands by the template, or among the inactive."""
        if self._is_put_away(form):
            return self._directory.inactive_base or ""
        return self._rendered(self._directory.dn.partition(",")[2], form)

    def _is_put_away(self, form: Attributes) -> bool:
        return self._moves and not is_active(form)

    def lets_leave(self, update: Update) -> bool:
        """Say whether an update deactivates somebody, who need not stand elsewhere for it."""
        return is_active(update.present) and not is_active(update.wanted) and not self._moves

    def _rendered(self, template: str, form: Attributes) -> str:
        return rendered(template, form, {"base": self._directory.base})

    def new_dn(self, raw: Raw, update: Update, attributes: Written) -> str:
        """Return the DN that an entry shall have; one that stands elsewhere than the template says stays."""
        rdn = rdn_of(raw.dn)
        if rdn is None:
            return raw.dn
        value, parent = self._new_name(rdn, update, attributes), self._new_parent(raw, update)
        if value == rdn[1] and parent == parent_of(raw.dn):
            return raw.dn
        return fitting(f"{rdn[0]}={escaped(value)},{parent}")

    def _new_name(self, rdn: Rdn, update: Update, attributes: Written) -> str:
        """Return what names an entry: its attribute, or the template where it said so before."""
        value = named_anew(rdn, attributes)
        template = self._directory.dn.partition(",")[0]
        before = rdn_of(self._rendered(template, update.present))
        if value != rdn[1] or before is None or _folded(before) != _folded(rdn):
            return value
        after = rdn_of(self._rendered(template, update.wanted))
        return after[1] if after is not None else value

    def _new_parent(self, raw: Raw, update: Update) -> str:
        """Return where an entry shall stand: elsewhere only where the change says so."""
        here = parent_of(raw.dn)
        if self._is_put_away(update.present) != self._is_put_away(update.wanted):
            return self._parent(update.wanted)
        try:
            before = self._parent(update.present)
        except Refused:  # it was not placed by this template
            return here
        after = self._parent(update.wanted)
        return here if normal(before) == normal(after) else after


def _folded(rdn: Rdn) -> tuple[str, str]:
    return rdn[0].casefold(), rdn[1].casefold()
