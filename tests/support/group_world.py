"""The world with groups: a target that keeps them, and a provider that pushes them."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.flow.groups import Deliveries
from gateway.flow.model import Caller, Change, ReadQuery, Reply
from gateway.flow.target_port import Attributes, Missing, Page, Query, Refused, ResourceType, Update
from gateway.scim.difference import overlay
from gateway.scim.documents import ABSENT_IS_UNCHANGED, canonical
from gateway.scim.grammar import parse_filter
from gateway.scim.members import take_member_operations
from gateway.scim.predicate import predicate
from tests.support.grouped import take_members
from tests.support.world import Client, Crash, Process, World, WorldTarget

GROUP: Final = ResourceType.GROUP
ROUNDS: Final = 3  # looks at what is still to be done, a minute apart


@dataclass
class GroupWorld(World):
    """A world whose target has groups; a strict one takes nobody into them whom it does not know.

    It may show groups as they were `lag` seconds ago, and may never show who is in them.
    """

    groups: dict[str, Attributes] = field(default_factory=dict)  # with their members
    strict: bool = False
    lag: float = 0.0  # seconds
    hides: bool = False
    past: list[tuple[float, dict[str, Attributes]]] = field(default_factory=list)  # until when, and what was
    is_calm: bool = True  # nothing fails before a script begins and after it has ended

    def fails(self, kind: str) -> str | None:
        return None if self.is_calm else super().fails(kind)

    def changes(self) -> None:
        """Remember the groups as they are before a change of them."""
        if self.lag:
            self.past.append((self.clock, deepcopy(self.groups)))

    def shown(self) -> dict[str, Attributes]:
        """Return the groups that a read sees."""
        then = self.clock - self.lag
        groups = next((groups for until, groups in self.past if until > then), self.groups)
        return {id: {**group, "members": None} for id, group in groups.items()} if self.hides else groups

    def leave(self, id: str) -> None:
        """Take somebody out of all groups."""
        for group in self.groups.values():
            group["members"] = [member for member in group.get("members", ()) if member["value"] != id]


class GroupTarget(WorldTarget):
    """A directory with groups; by PATCH, each of their changes takes several calls."""

    _world: GroupWorld

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        if kind is not GROUP:
            return await super().get(kind, id)
        self._read()
        found = self._world.shown().get(id)
        return found if found is None or members else _bare(found)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if kind is not GROUP:
            return await super().query(kind, query)
        self._read()
        matches = predicate(query.filter, kind) if query.filter else lambda entry: True
        found = [group for group in self._world.shown().values() if matches(group)]
        return Page(len(found), tuple(group if query.members else _bare(group) for group in found))

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes:
        def apply() -> Attributes:
            self._world.changes()
            group = {**wanted, "id": f"t{next(self._world.numbers)}"}
            self._world.groups[group["id"]] = group
            return group

        return self._write(apply) if kind is GROUP else await super().create(kind, wanted)

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes:
        if kind is not GROUP:
            return await super().change(kind, id, update)
        if not self._world.by_patch:
            group = await self.get(GROUP, id, members=True) or {"id": id, "members": None}
            assert update.members.others is not None
            others = {"members": await update.members.others(group)}
            members = self._changed(others, update.members.remove, update.members.add)
            return _bare(self._put(id, {**update.wanted, "members": members}))
        if update.differences:
            self._put(id, differences=update.differences)
        for some in ((update.members.remove, ()), ((), update.members.add)):
            if any(some):
                self._put(id, change=some)
        return _bare(self._world.groups.get(id, {"id": id}))  # an answer is of now

    async def delete(self, kind: ResourceType, id: str) -> None:
        def apply() -> None:
            self._world.changes()
            entries = self._world.groups if kind is GROUP else self._world.entries
            if entries.pop(id, None) is None:
                raise Missing("no such entry", 404)
            self._world.leave(id)

        self._write(apply)

    def _put(
        self,
        id: str,
        whole: Attributes | None = None,
        differences: Sequence[Any] = (),
        change: tuple[Sequence[str], Sequence[Attributes]] = ((), ()),
    ) -> Attributes:
        def apply() -> Attributes:
            self._world.changes()
            present = self._world.groups.get(id)
            if present is None:
                raise Missing("no such group", 404)
            wanted = overlay(present, differences) if whole is None else whole
            self._world.groups[id] = {**wanted, "id": id, "members": self._changed(wanted, *change)}
            return self._world.groups[id]

        group: Attributes = self._write(apply)
        return group

    def _changed(
        self, group: Attributes, gone: Sequence[str], come: Sequence[Attributes]
    ) -> list[Attributes]:
        known = {element["value"]: element for element in (*group.get("members", ()), *come)}
        if self._world.strict and any(element["value"] not in self._world.entries for element in come):
            raise Refused("no such member", 400)
        return [element for id, element in known.items() if id not in gone]


def _bare(group: Attributes) -> Attributes:
    return {name: value for name, value in group.items() if name != "members"}


class GroupProcess(Process):
    """The gateway, with the loop that tells groups of their members."""

    def __init__(self, world: GroupWorld, mapping: Any, **policy: Any) -> None:
        super().__init__(world, mapping, **policy)
        self.target = replace(self.target, connector=GroupTarget(world))

    def _start(self) -> None:
        super()._start()
        self.deliveries = Deliveries(self.services, self._changes)

    async def group(self, operation: str, body: Attributes, id: str | None) -> Reply:
        if operation == "patch":
            body, members = take_member_operations(body)
        else:
            keep = ABSENT_IS_UNCHANGED if operation == "replace" else ()
            body, members = take_members(canonical(body, GROUP, keep=keep), replaces=operation == "replace")
        caller = Caller("okta", busy_status=429)
        change = Change(operation, GROUP, self.target, caller, "cid", id, body, members=members)
        return await self._alive(self._changes.handle(change))

    async def groups(self, name: str) -> Sequence[Attributes]:
        question = ReadQuery(parse_filter(f'displayName eq "{name}"'))
        page: Page = await self._alive(self._reads.query(self.target, GROUP, question))
        return page.entries

    async def settle(self) -> None:
        """Do all that the gateway does on its own, until a few minutes have passed."""
        for _ in range(ROUNDS):
            await self.world.sleep(60)
            try:
                await self.recovery.sweep(self.target)
                await self.deliveries.sweep(self.target)
            except Crash:
                await self._restart()


class GroupClient(Client):
    """Pushes groups as Okta does: by PATCH, or whole by PUT."""

    process: GroupProcess

    async def push(self, name: str, *members: str) -> None:
        """Make a group with these members, or overwrite it where it is found."""

        async def push() -> None:
            found = await self.process.groups(name) if self.looks_first else ()
            id, operation = (found[0]["id"], "replace") if found else (None, "create")
            reply = await self.process.group(operation, self._document(name, members), id)
            await self._told(reply)
            assert reply.document is not None
            self.ids[name] = reply.document["id"]

        await self._tried(f"push {name}", push)

    async def change(
        self,
        group: str,
        members: Sequence[str],
        come: Sequence[str] = (),
        go: Sequence[str] = (),
        **more: str,
    ) -> None:
        """Make these the members, of whom some are new and others have left."""
        operations = [
            *({"op": "replace", "value": {"id": self.ids[group], **more}} for _ in more),
            *({"op": "remove", "path": f'members[value eq "{self.ids[who]}"]'} for who in go),
            *({"op": "add", "path": "members", "value": self._elements([who])} for who in come),
        ]
        await self._changed(group, operations, self._document(more.get("displayName", group), members))

    async def overwrite(self, group: str, *members: str) -> None:
        """Push all the members there are."""
        operation = {"op": "replace", "path": "members", "value": self._elements(members)}
        await self._changed(group, [operation], self._document(group, members))

    async def unlink(self, group: str) -> None:
        """Delete the group at the target."""

        async def push() -> None:
            try:
                await self._told(await self.process.group("delete", {}, self.ids[group]))
            except GatewayError as error:
                if error.status != 404:
                    raise

        await self._tried(f"unlink {group}", push)

    async def _changed(self, group: str, operations: list[Any], document: Attributes) -> None:
        async def push() -> None:
            id = self.ids[group]
            if self.by_patch:
                await self._told(await self.process.group("patch", {"Operations": operations}, id))
            else:
                await self._told(await self.process.group("replace", document, id))

        await self._tried(f"change {group}", push)

    async def _told(self, reply: Reply) -> None:
        await self._heard(reply)
        if reply.document is not None:
            await self.process.services.resources.note_replied("phonebook", GROUP, reply.document["id"])

    def _document(self, name: str, members: Sequence[str]) -> Attributes:
        return {"displayName": name, "members": self._elements(members)}

    def _elements(self, members: Sequence[str]) -> list[Attributes]:
        return [{"value": self.ids[who]} for who in members]
