"""How groups hold their members, and in which groups somebody is named, whatever is cut off on the way."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ldap import MOD_ADD, MOD_DELETE, TYPE_OR_VALUE_EXISTS

from gateway.address import Directory
from gateway.flow.target_port import Attributes, Conflict, Denied, Missing, Refused, TargetError, Unreachable
from gateway.targets.ldap.dn import normal, split
from gateway.targets.ldap.entries import Modification, Raw, short_name
from gateway.targets.ldap.filters import both, equal
from gateway.targets.ldap.session import Session, chunks, in_doubt
from gateway.values import frozen

Find = Callable[[Session, str], Raw | None]


class GroupMemberships:
    """The members that the groups of one directory name."""

    def __init__(self, directory: Directory, base: str | None) -> None:
        self._directory = directory
        self._membership = MEMBERSHIPS[directory.group_class]
        self._base = None if self._membership.follows else base  # None: nothing of that is ours to do
        self._filter = equal("objectClass", directory.group_class)
        self._unfinished: dict[str, frozenset[str]] = {}  # id -> names that groups may have
        self._taken: set[str] = set()  # ids whose names somebody is at
        self._taking = threading.Lock()

    def change(self, session: Session, dn: str, adds: Sequence[str], removes: Sequence[str]) -> None:
        """Change a group's members; what is so already is no error. The last to go leaves the placeholder."""
        name = self._membership.attribute
        keeper = [PLACEHOLDER] if self._membership.placeholder else []
        for some in chunks(adds):
            session.amend(dn, [(MOD_ADD, name, _bytes(some))])
        for some in chunks(removes):
            stays: list[Modification] = [(MOD_ADD, name, _bytes(keeper))] if keeper else []
            session.amend(dn, [*stays, (MOD_DELETE, name, _bytes(some))])

    @contextmanager
    def renaming(self, session: Session, id: str, raw: Raw, dn: str, form: Attributes) -> Iterator[None]:
        """Make a change that may give an entry this DN; what is refused leaves the groups as they were.

        Raises Conflict where an entry has that DN already. The change ends with `settle`.
        """
        with self._alone(id):
            try:
                self._announce(session, id, raw, dn, form)
                yield
            except TargetError as error:
                if not error.maybe_applied:
                    self.settle(session, id, raw)
                raise

    def rename(self, session: Session, id: str, raw: Raw, dn: str) -> str:
        """Give an entry a DN, and return it.

        A directory that renames members itself finds the new name there already: it goes first, then.
        """
        try:
            return session.rename(raw.dn, *split(dn))
        except Refused as error:
            if not isinstance(error.__cause__, TYPE_OR_VALUE_EXISTS):
                raise
        self.settle(session, id, raw)
        return session.rename(raw.dn, *split(dn))

    def settle(self, session: Session, id: str, raw: Raw) -> None:
        """Name somebody as they are known now, and by no other name that they may have; raises Silent."""
        try:
            self._settle(session, id, raw)
        except TargetError as error:
            raise in_doubt(error) from error

    def look(self, session: Session, id: str, find: Find) -> None:
        """Settle what was not finished, unless somebody is at it; what the directory refuses cannot be."""
        if id not in self._unfinished or id in self._taken:
            return
        with self._alone(id):
            raw = find(session, id)
            try:
                if raw is not None:
                    self._settle(session, id, raw)
            except (Refused, Denied, Conflict, Missing):
                self._unfinished.pop(id, None)

    @contextmanager
    def leaving(self, session: Session, id: str, raw: Raw) -> Iterator[None]:
        """Remove an entry, out of all groups first; where it is refused, they have it again."""
        with self._alone(id):
            left: list[str] = []
            try:
                for name in self._unfinished.get(id, frozenset()) | {self._name_of(raw)}:
                    for dn in self._having(session, name):
                        self.change(session, dn, [], [name])
                        left.append(dn)
                yield
            except TargetError as error:
                self._rejoin(session, raw, left, error)
                raise
            self._unfinished.pop(id, None)

    @contextmanager
    def _alone(self, id: str) -> Iterator[None]:
        """Keep others from the names of an entry; raises Unreachable where somebody is at them."""
        with self._taking:
            if id in self._taken:
                raise Unreachable("the groups of this entry are being settled")
            self._taken.add(id)
        try:
            yield
        finally:
            self._taken.discard(id)

    def _announce(self, session: Session, id: str, raw: Raw, dn: str, form: Attributes) -> None:
        """Name somebody as they will be known, too."""
        before, after = self._name_of(raw), self._membership.name_for(dn, form)
        if self._base is None or self._key(before) == self._key(after):
            return
        if normal(dn) != normal(raw.dn) and session.read(dn, ["1.1"]) is not None:
            raise Conflict("there is an entry of that name")
        self._unfinished[id] = self._unfinished.get(id, frozenset()) | {before, after}
        self._exchange(session, before, [after], [])

    def _settle(self, session: Session, id: str, raw: Raw) -> None:
        now = self._name_of(raw)
        for name in self._unfinished.get(id, ()):
            if self._key(name) != self._key(now):
                self._exchange(session, name, [now], [name])
        self._unfinished.pop(id, None)

    def _exchange(self, session: Session, name: str, adds: Sequence[str], removes: Sequence[str]) -> None:
        """Change the members of every group that has somebody of this name."""
        for dn in self._having(session, name):
            self.change(session, dn, adds, removes)

    def _rejoin(self, session: Session, raw: Raw, groups: Sequence[str], error: TargetError) -> None:
        """Name an entry that stays in the groups that it had left; raises Silent."""
        if error.maybe_applied or isinstance(error, Missing):
            return
        try:
            for dn in groups:
                self.change(session, dn, [self._name_of(raw)], [])
        except TargetError:
            raise in_doubt(error) from error

    def _having(self, session: Session, name: str) -> list[str]:
        """Return the groups that name somebody so, as far as they are ours to see to."""
        if self._base is None:
            return []
        text = both(self._filter, equal(self._membership.attribute, name))
        return [raw.dn for raw in session.find(self._base, text, ["1.1"])]

    def _name_of(self, raw: Raw) -> str:
        return self._membership.value_of(raw, self._directory)

    def _key(self, name: str) -> object:
        return normal(name) if self._membership.by_dn else name


def _bytes(texts: Sequence[str]) -> list[bytes]:
    return [text.encode() for text in texts]


PLACEHOLDER: Final = "cn=nobody"  # some classes want a member, and a group may have none
FIRST_NUMBER: Final = 10_000  # of a posixGroup, where there is none yet

_UID_PART: Final = re.compile(r"#'[01]*'B\Z")  # RFC 4517 section 3.3.21
_RANGE: Final = re.compile(r";range=\d+-(\d+|\*)\Z", re.IGNORECASE)


@frozen
class MemberStyle:
    """How one class of groups names its members."""

    attribute: str
    by_dn: bool = True  # else by what userName is
    placeholder: bool = False
    follows: bool = False  # the directory itself keeps members whose entry is renamed or goes
    numbered: bool = False  # gidNumber
    extras: Callable[[str], dict[str, str]] = lambda name: {}  # of a new group of that name

    def value_of(self, raw: Raw, directory: Directory) -> str:
        """Return how a person is named in groups."""
        return raw.dn if self.by_dn else raw.first(directory.user_name) or ""

    def name_for(self, dn: str, form: Mapping[str, Any]) -> str:
        """Return how a person will be named in groups, who gets this DN and this form."""
        return dn if self.by_dn else str(form.get("userName") or "")


def names_of(values: list[str]) -> list[str]:
    """Return the members among an attribute's values, without the placeholder."""
    names = (_UID_PART.sub("", value) for value in values)
    return [name for name in names if name.casefold() != PLACEHOLDER]


def part_of(raw: Raw, attribute: str) -> tuple[list[str], str | None]:
    """Return the values that came, and what to ask for the others ([MS-ADTS] 3.1.1.3.1.3.3)."""
    for name, values in raw.values.items():
        found = _RANGE.search(name)
        if found and name[: found.start()].casefold() == attribute.casefold():
            more = None if found[1] == "*" else f"{attribute};range={int(found[1]) + 1}-*"
            return [value.decode(errors="replace") for value in values], more
    return raw.texts(attribute), None


def _short_name(name: str) -> dict[str, str]:
    found = short_name(name, 256)
    return {"sAMAccountName": found} if found else {}  # without one the directory makes it


MEMBERSHIPS: Final[Mapping[str, MemberStyle]] = {  # by object class
    "groupOfNames": MemberStyle("member", placeholder=True),
    "groupOfUniqueNames": MemberStyle("uniqueMember", placeholder=True),
    "posixGroup": MemberStyle("memberUid", by_dn=False, numbered=True),
    "group": MemberStyle("member", follows=True, extras=_short_name),
}
