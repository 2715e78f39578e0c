"""People in a directory: shown, made, changed and removed, each in one attempt."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from ldap import INSUFFICIENT_ACCESS, MOD_ADD, MOD_REPLACE

from gateway.address import Directory
from gateway.flow.target_port import (
    Attributes,
    Conflict,
    Denied,
    Missing,
    Page,
    Query,
    Refused,
    TargetError,
    Unreachable,
    Update,
)
from gateway.scim.documents import fold, is_active
from gateway.targets.ldap import entries, short_names
from gateway.targets.ldap.dn import (
    Rdn,
    cut,
    escaped,
    fitting,
    is_dn,
    normal,
    parent_of,
    rdn_of,
    rendered,
    split,
)
from gateway.targets.ldap.entries import (
    Modification,
    Raw,
    Written,
    encoded,
    key_in,
    meta_of,
    named_anew,
    plain_attributes,
)
from gateway.targets.ldap.filters import any_of, both, equal
from gateway.targets.ldap.groups import Groups
from gateway.targets.ldap.inactive import habit_of
from gateway.targets.ldap.memberships import GroupMemberships
from gateway.targets.ldap.paging import READ, Listing, id_is
from gateway.targets.ldap.session import Session, in_doubt

CHILDREN: Final = "allowedChildClassesEffective"  # what this account may make below an entry ([MS-ADTS])
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
        dn = self._naming.place(form)
        if (rdn := rdn_of(dn)) is None:
            raise Refused("the entry cannot be named so")
        attributes = self._resolved(session, entries.new(form, self._directory, rdn))
        classes = entries.object_classes(form, self._directory.object_classes)
        born = self._habit.at_birth(is_active(form)) or entries.enabled(classes, attributes)
        whole = [("objectClass", classes), *attributes.items(), *born]
        # a short name that a rule says is not ours to change
        add = (
            session.add
            if key_in(form, short_names.SHORT_NAME)
            else partial(short_names.add, session, self._directory)
        )
        try:
            add(dn, whole)
        except Missing as error:
            self._make_place(session, dn, form, error)
            add(dn, whole)
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
        with (
            self._protected(session, raw, update),
            self._memberships.renaming(session, id, raw, dn, update.wanted),
        ):
            if dn != raw.dn:
                dn = self._moved(session, id, raw, dn, update)
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
            found += self._closing(raw, update, attributes)
        return found

    def _closing(self, raw: Raw, update: Update, attributes: Written) -> list[Modification]:
        """Return what gives a password to somebody who becomes active, and could sign in without one."""
        directory = self._directory
        if not is_active(update.wanted) or directory.password in attributes or not self._habit.is_open(raw):
            return []
        if "password" not in directory.makes:
            return []
        made = entries.written({"password": entries.made("password", update.wanted)}, directory)
        return [(MOD_REPLACE, directory.password, made[directory.password])]

    def _moved(self, session: Session, id: str, raw: Raw, dn: str, update: Update) -> str:
        """Give an entry its new name and place; raises Refused where a leaver's place is not there."""
        try:
            return self._memberships.rename(session, id, raw, dn)
        except Unreachable as error:
            if not isinstance(error.__cause__, Missing):
                raise
            if self._naming.lets_leave(update) and not self._directory.make_ou:
                raise Refused(error.reason) from error
            self._make_place(session, dn, update.wanted, error)
        return self._memberships.rename(session, id, raw, dn)

    def _make_place(self, session: Session, dn: str, form: Attributes, error: TargetError) -> None:
        """Make the units that an entry is to stand in; raises Refused where that is not ours to do.

        Raises Unreachable where the configuration alone says where everybody stands.
        """
        above = parent_of(dn)
        if not self._naming.is_own_place(form):
            raise Unreachable(f"there is no entry {above} to make people in") from error
        if not self._directory.make_ou:
            raise Refused(f"there is no entry {above}: make it, or let make_ou do it") from error
        missing: list[str] = []
        while session.read(above, ["1.1"]) is None:
            if (rdn_of(above) or ("", ""))[0].casefold() != "ou":
                raise Refused(f"there is no entry {above}, and make_ou makes units alone") from error
            missing.append(above)
            above = parent_of(above)
        for unit in reversed(missing):
            with suppress(Conflict):  # somebody else was quicker
                session.add(unit, [("objectClass", [b"top", b"organizationalUnit"])])

    @contextmanager
    def _protected(self, session: Session, raw: Raw, update: Update) -> Iterator[None]:
        """Refuse a change of an entry that is protected from us, where we may write others beside it.

        Who leaves is kept until they can.
        """
        try:
            yield
        except Denied as error:
            leaves = is_active(update.present) and not is_active(update.wanted)
            if leaves or not isinstance(error.__cause__, INSUFFICIENT_ACCESS):
                raise
            place = session.read(parent_of(raw.dn), [CHILDREN])
            may_make = {name.casefold() for name in place.texts(CHILDREN)} if place else set()
            if self._directory.object_classes[-1].casefold() not in may_make:
                raise
            reason = "the directory protects this entry from the gateway's account, as it does administrators"
            raise Refused(f"{reason}: {error.reason}") from error

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
        ways.append(id_is(directory.id, who))
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
        dn = f"{split(dn)[0]},{self._parent(form)}" if self._is_put_away(form) else dn
        return fitting(cut(dn, self._directory.longest_name))

    def is_own_place(self, form: Attributes) -> bool:
        """Say whether a person's own attributes say where they stand."""
        _, _, parent = self._directory.dn.partition(",")
        return "{" in parent.replace("{base}", "") and not self._is_put_away(form)

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
        return fitting(cut(f"{rdn[0]}={escaped(value)},{parent}", self._directory.longest_name))

    def _new_name(self, rdn: Rdn, update: Update, attributes: Written) -> str:
        """Return what names an entry: its attribute, or the template where it said so before."""
        value = named_anew(rdn, attributes)
        template, longest = self._directory.dn.partition(",")[0], self._directory.longest_name
        try:
            before = rdn_of(cut(self._rendered(template, update.present), longest))
        except Refused:  # it was not named by this template
            return value
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
