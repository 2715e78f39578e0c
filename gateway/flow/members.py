"""What becomes of a group's members: decided by our ids, sent in the target's. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from gateway.flow.journal_port import MemberRow, MemberRows
from gateway.flow.target_port import NOBODY, Attributes, MemberUpdate
from gateway.scim.members import NO_CHANGE, Delta, Elements
from gateway.values import frozen


@frozen
class Members:
    """The part of a plan that is about members."""

    delta: Delta = NO_CHANGE  # by our ids: what is remembered
    update: MemberUpdate = NOBODY  # in the target's ids: what is sent
    absent: frozenset[str] = frozenset()  # ours without an entry on the target, so it cannot be told of them
    unasked: frozenset[str] = frozenset()  # perhaps the target's: too many to be asked about in one change
    targets: Mapping[str, str] = field(default_factory=dict)  # our id -> the target's, of those who are sent

    def rows(self, target: str, *, delivered: bool) -> MemberRows | None:
        """Return what becomes of the rows once that was sent, or where it could not be; None for nothing."""
        if not self.delta:
            return None
        rows = {member: self._row(member, element, delivered) for member, element in self.delta.add.items()}
        entries = {**dict.fromkeys(self.absent), **self.targets}
        return MemberRows(target, rows, self.delta.remove, self.delta.whole, entries)

    def _row(self, member: str, element: Attributes, delivered: bool) -> MemberRow:
        if member in self.absent:
            return MemberRow(element, delivered=False)
        sent = delivered and member not in self.unasked
        return MemberRow(element, sent, due=not sent)


NOBODYS: Final = Members()


def members_for(
    delta: Delta, add: Elements, remove: Iterable[str], found: Mapping[str, str | None]
) -> Members:
    """Return the part of a plan that adds and removes these; who is not in `found` was not asked about."""
    there = {member: id for member, id in found.items() if id is not None}
    update = MemberUpdate(
        tuple(
            {**_said(element), "value": there[member]} for member, element in add.items() if member in there
        ),
        tuple(there[member] for member in remove if member in there),
    )
    unasked = frozenset(add).difference(found)
    return Members(delta, update, frozenset(found).difference(there), unasked, there)


def present_members(rows: Mapping[str, MemberRow], shown: Elements | None, *, recent: bool) -> Elements:
    """Return who is in a group on the target, as far as can be known.

    What was delivered counts where the target shows nobody's members (`shown` None), and, just after we have
    changed the group (`recent`), beside what it shows: its reads may lag behind.
    """
    if shown is not None and not recent:
        return shown
    told = {member: row.element for member, row in rows.items() if row.delivered}
    return told | dict(shown or {})


@frozen
class KnownMembers:
    """Who is in a group on the target: what the journal knows, what it shows, and what that comes to."""

    rows: Mapping[str, MemberRow]
    shown: Elements  # by our ids
    there: Elements  # by our ids
    left: frozenset[str]  # whom we took out just now, by the target's: it may show them still


def shown_members(rows: Mapping[str, MemberRow], there: Elements) -> list[Attributes]:
    """Return the members a provider is shown: whom it named, unless the target removed them, and others."""
    ours = [row.element for member, row in rows.items() if not row.delivered or member in there]
    return [*ours, *(element for member, element in there.items() if member not in rows)]


def by_our_id(entry: Mapping[str, Any], owners: Mapping[str, str]) -> dict[str, Attributes]:
    """Return the members of a target's entry by our ids."""
    found: dict[str, Attributes] = {}
    for id, element in by_target_id(entry).items():
        found[owners.get(id, id)] = {**_said(element), "value": owners.get(id, id)}
    return found


def by_target_id(entry: Mapping[str, Any]) -> dict[str, Attributes]:
    """Return the members of a target's entry by its own ids."""
    members = entry.get("members")
    elements = [m for m in members if isinstance(m, dict)] if isinstance(members, list) else []
    return {element["value"]: element for element in elements if isinstance(element.get("value"), str)}


def without_members(entry: Mapping[str, Any]) -> Attributes:
    """Return a group without its members: what else there is of it does not depend on them."""
    return {name: value for name, value in entry.items() if name != "members"}


def _said(element: Mapping[str, Any]) -> Attributes:
    """Return a member without the address that it has on one side only."""
    return {name: value for name, value in element.items() if name.casefold() != "$ref" and value is not None}
