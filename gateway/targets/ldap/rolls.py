"""Who is named in which groups: kept right where somebody gets another name, whatever is cut off on the way.

Nobody is out of their groups while that goes on: the new name stands beside the old one before the entry is
renamed, and the old one goes after it. What was not finished is finished when the entry is next looked at.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ldap import MOD_ADD, MOD_DELETE

from gateway.flow.target_port import Attributes, Conflict, Denied, Missing, Refused, TargetError, Unreachable
from gateway.targets.ldap.filters import both, equal
from gateway.targets.ldap.inactive import Modification
from gateway.targets.ldap.membership import MEMBERSHIPS, PLACEHOLDER
from gateway.targets.ldap.names import normal
from gateway.targets.ldap.place import Directory
from gateway.targets.ldap.room import chunks
from gateway.targets.ldap.session import Session, in_doubt
from gateway.targets.ldap.values import Raw

Find = Callable[[Session, str], Raw | None]


class Rolls:
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
        """Carry a change that may give an entry this DN; what is refused leaves the groups as they were.

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
        """Carry the removal of an entry, out of all groups first; where it is refused, they have it again."""
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
