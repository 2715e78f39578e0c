"""A target compared with the originals, and brought back to them where that is asked.

First through the target's pages: who is unknown, and of whom all is well. Then through the originals: of
everybody else the truth is told, and repaired, under the person's keys. Between the two only sixteen bytes
a person are kept; what moves between pages meanwhile is looked at once more, so it is never told wrongly.
At last through the groups that the journal knows, with their members.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from gateway.admin.runs import KIND, Lines, Pushed, Run, asked, everybody, pages, push, side_by_side
from gateway.errors import Busy, JournalUnavailable
from gateway.flow.find import is_protected
from gateway.flow.journal_port import Key, Link, Outcome, Resource, State
from gateway.flow.members import by_our_id, by_target_id, without_members
from gateway.flow.model import ChangeHandler, Services, Target, keys_of, keys_of_resource
from gateway.flow.paging import walk
from gateway.flow.resource import as_on_target, document_there, is_left_out, is_still_active, unsent
from gateway.flow.target_port import Attributes, Page, Query, ResourceType, TargetError
from gateway.scim.difference import compare
from gateway.scim.documents import is_active
from gateway.scim.members import Added, Elements
from gateway.scim.names import NAMES
from gateway.values import frozen

Sound = set[bytes]  # digests of the ids of people with whom all is well


class FindingKind(StrEnum):
    """What can be found."""

    MISSING = "missing"  # active here, and the target has no entry
    CHANGED = "changed"  # an attribute was changed at the target
    UNKNOWN = "unknown"  # an entry that the journal does not know
    STILL_ACTIVE = "still_active"  # inactive here, active there
    OUT_OF_SCOPE = "out_of_scope"  # there, though the target is not to have it
    DIFFERS = "differs"  # the rules now make something else of the original than was sent
    NOT_SHOWN = "not_shown"  # the target does not show who is in its groups


REPAIRED: Final = frozenset(FindingKind) - {FindingKind.UNKNOWN, FindingKind.DIFFERS}
HIDDEN: Final = "the target shows nobody's members, so who was delivered counts as there"
DONE: Final = (Outcome.APPLIED, Outcome.ADOPTED, Outcome.UNCHANGED, Outcome.OUT_OF_SCOPE)
LEFT_ALONE: Final = "left alone"
NEVER_TOLD: Final = (
    "the target that it follows has them: `resync` brings them, `operations list` says why not"
)
ADVICE: Final = "a rule or an office changed since: `resync --changed` sends it"


@frozen
class Finding:
    """One thing that differs; `outcome` says what became of the repair, where there was one."""

    finding: FindingKind
    user_name: str | None
    id: str | None
    target_id: str | None
    path: str | None = None
    ours: Any = None
    theirs: Any = None
    outcome: Outcome | None = None
    reason: str | None = None


@frozen
class Reconciliation:
    """One run; `only`: of this person or group alone."""

    services: Services
    changes: ChangeHandler
    target: Target
    repair: bool = False
    only: Resource | None = None

    async def lines(self) -> Lines:
        """Compare, and yield what differs, the progress, and the end."""
        run, sound = Run(self.services, "reconcile", self.target, self.only), Sound()
        try:
            all_found = self._found(run, sound) if self.only is None else self._found_of(run, self.only)
            async with aclosing(all_found) as findings:
                async for finding in findings:
                    if finding is not None:
                        run.counts[finding.finding.value] += 1
                        is_told = finding.outcome in DONE or finding.finding is FindingKind.NOT_SHOWN
                        run.differs = run.differs or not is_told
                        yield finding
                    if progress := run.progress():
                        yield progress
            yield run.end()
        finally:
            await run.close()

    async def _found(self, run: Run, sound: Sound) -> Lines:
        """Yield findings, and None for every step between them."""
        try:
            async with aclosing(self._unknown_entries(run, sound)) as unknown:
                async for found in unknown:
                    yield found
        except TargetError as error:
            run.failed(error)
            return

        async def examined(resource: Resource) -> tuple[Finding, ...]:
            return await self._examined(run, resource)

        async with aclosing(side_by_side(self._doubtful(run, sound), examined)) as results:
            async for findings in results:
                for finding in findings:
                    yield finding
                yield None
        if self.target.follows is not None:
            async for resource in self._never_told(self.target.follows):
                yield replace(self._plain(resource), reason=NEVER_TOLD)
        if not run.is_down and await self.target.has_groups():
            async with aclosing(self._groups(run)) as groups:
                async for found in groups:
                    yield found

    async def _found_of(self, run: Run, resource: Resource) -> Lines:
        run.people += resource.type is KIND
        for finding in await self._examined(run, resource):
            yield finding

    async def _never_told(self, lead: str) -> AsyncIterator[Resource]:
        """Yield those active people of the target that this one follows whom it does not know at all."""
        async for page in pages(self.services, lead, KIND):
            keys = tuple(Key("id", resource.id) for resource in page)
            known = {own.id for own in await self.services.resources.find(self.target.name, KIND, keys)}
            for resource in page:
                is_wanted = resource.state is State.ACTIVE and not is_left_out(self.target, resource)
                if is_wanted and resource.id not in known:
                    yield resource

    async def _groups(self, run: Run) -> AsyncGenerator[Finding | None, None]:
        """Yield what differs of the groups we know, and once whether nobody's members are shown.

        Only once some group has shown somebody does one that shows nobody say that nobody is in it, so those
        are looked at again.
        """
        silent = list[Resource]()
        async for resource in everybody(self.services, self.target, ResourceType.GROUP):
            if run.is_down:
                return
            if resource.links.get(self.target.name) is None:
                continue
            run.counts["groups"] += 1
            for finding in await self._examined(run, resource, is_last=False):
                if finding.finding is FindingKind.NOT_SHOWN:
                    silent.append(resource)
                else:
                    yield finding
            yield None
        is_told = False
        for resource in silent:
            for finding in await self._examined(run, resource):
                if finding.finding is not FindingKind.NOT_SHOWN:
                    yield finding
                elif not is_told:
                    is_told = True
                    yield finding
            yield None

    async def _unknown_entries(self, run: Run, sound: Sound) -> AsyncGenerator[Finding | None, None]:
        """Walk the target's pages: note with whom all is well, yield the entries that nobody knows."""
        async for entries in walk(self._page, self.target.policy.page_size):
            ids = [entry["id"] for entry in entries]
            known = await self.services.resources.read(self.target.name, KIND, self.target.name, ids)
            for entry in entries:
                run.people += 1
                resource = known.get(entry["id"])
                if resource is not None:
                    if self._is_well(resource, entry):
                        sound.add(_digest(resource.id))
                elif not is_protected(self.target, entry) and await self._is_unknown(run, entry):
                    yield self._unknown(entry)
            yield None

    async def _page(self, query: Query) -> Page:
        return await asked(self.services, self.target, lambda: self.target.connector.query(KIND, query))

    def _is_well(self, resource: Resource, entry: Attributes) -> bool:
        return is_protected(self.target, entry) or not any(self.findings(resource, entry))

    async def _is_unknown(self, run: Run, entry: Attributes) -> bool:
        """Say whether the journal does not know an entry, now that no change of its names is under way."""
        keys = keys_of(self.target.mapping.reverse(entry))
        try:
            async with self._alone(keys):
                ids = (entry["id"],)
                return not await self.services.resources.read(self.target.name, KIND, self.target.name, ids)
        except JournalUnavailable:
            raise
        except Busy:
            run.counts["unsettled"] += 1
            return False

    def _unknown(self, entry: Attributes) -> Finding:
        name = self.target.mapping.reverse(entry).get("userName")
        return Finding(
            FindingKind.UNKNOWN, name, None, entry["id"], reason=LEFT_ALONE if self.repair else None
        )

    async def _doubtful(self, run: Run, sound: Sound) -> AsyncIterator[Resource]:
        """Yield those of our people who should be there, and were not met or not as they should be."""
        async for resource in everybody(self.services, self.target):
            if run.is_down:
                return
            link = resource.links.get(self.target.name)
            is_there = link is not None and link.target_id is not None
            resource_there = as_on_target(self.target.mapping, resource)
            if (is_there or resource_there.state is State.ACTIVE) and _digest(resource.id) not in sound:
                yield resource

    async def _examined(self, run: Run, doubtful: Resource, *, is_last: bool = True) -> tuple[Finding, ...]:
        """Return the truth about somebody or a group, repaired where that is asked and `is_last`."""
        try:
            resource, findings, absent = await self._looked(doubtful)
        except JournalUnavailable:
            raise
        except Busy:
            run.counts["unsettled"] += 1
            return ()
        except TargetError as error:
            run.failed(error)
            return ()
        kinds = {finding.finding for finding in findings}
        if not self.repair or not kinds & REPAIRED or (FindingKind.NOT_SHOWN in kinds and not is_last):
            return findings
        pushed = await self._pushed(run, resource, absent)
        return tuple(
            f
            if f.finding is FindingKind.UNKNOWN
            else replace(f, outcome=pushed.outcome, reason=pushed.reason or f.reason)
            for f in findings
        )

    async def _looked(self, doubtful: Resource) -> tuple[Resource, tuple[Finding, ...], Elements]:
        """Read original and entry while no change of it is under way, and who is absent; raises Busy."""
        name, own = self.target.name, (Key("id", doubtful.id),)
        async with self._alone(keys_of_resource(doubtful)):
            resource = next(iter(await self.services.resources.find(name, doubtful.type, own)), doubtful)
            if resource.state is State.DELETED:
                return resource, (), {}
            entry = await self._entry(resource.type, resource.links.get(name))
            if entry is not None and is_protected(self.target, entry):
                return resource, (), {}
            findings = tuple(self.findings(resource, entry))
            is_left_out = self.target.mapping_for(resource.type).leaves_out(resource.original)
            if resource.type is not ResourceType.GROUP or entry is None or is_left_out:
                return resource, findings, {}
            wrong, absent = await self._member_findings(resource, entry)
            return resource, (*findings, *wrong), absent

    async def _member_findings(
        self, group: Resource, entry: Attributes
    ) -> tuple[tuple[Finding, ...], Elements]:
        """Return what differs of a group's members, and those who were delivered and are not shown."""
        name, memberships = self.target.name, self.services.memberships
        rows = await memberships.rows(name, group.id, name)
        owners = await memberships.owners(name, name, list(by_target_id(entry)))
        there = by_our_id(entry, owners)
        absent = {m: row.element for m, row in rows.items() if row.delivered and m not in there}
        others = [member for member in there if member not in rows]
        plain = replace(self._plain(group), path="members")
        if entry.get("members", ()) is None:
            found = replace(plain, finding=FindingKind.NOT_SHOWN, reason=HIDDEN)
            return ((found,) if absent else ()), absent
        wrong = list[Finding]()
        if absent:
            wrong.append(replace(plain, finding=FindingKind.CHANGED, ours=list(absent)))
        if others:
            wrong.append(replace(plain, finding=FindingKind.UNKNOWN, theirs=others, reason=LEFT_ALONE))
        return tuple(wrong), absent

    @asynccontextmanager
    async def _alone(self, keys: frozenset[Key]) -> AsyncIterator[None]:
        """Hold the keys; raises Busy where a change of them is under way or in doubt."""
        name = self.target.name
        async with self.services.locks.hold(name, keys, self.target.policy.deadline):
            if keys and await self.services.operations.open(name, tuple(keys)):
                raise Busy("a change of this person is not settled")
            yield

    async def _entry(self, kind: ResourceType, link: Link | None) -> Attributes | None:
        if link is None or link.target_id is None:
            return None
        id, connector = link.target_id, self.target.connector
        if kind is ResourceType.GROUP:
            return await asked(self.services, self.target, lambda: connector.get(kind, id, members=True))
        return await asked(self.services, self.target, lambda: connector.get(kind, id))

    async def _pushed(self, run: Run, resource: Resource, absent: Elements) -> Pushed:
        """Bring the target back to the original; that the entry is made again is what is asked."""
        policy = replace(self.target.policy, trust=0.0, on_missing="recreate")
        again = replace(self.target, policy=policy)
        members = None if resource.type is ResourceType.USER else (Added(absent),) if absent else ()
        pushed = await push(self.changes, run, again, resource, "repair", members)
        run.counts["repaired" if pushed.outcome in DONE else "not_repaired"] += 1
        return pushed

    def findings(self, resource: Resource, entry: Attributes | None) -> Iterator[Finding]:
        """Yield what differs between an original and the target's entry; of a group, but for its members."""
        link, plain = resource.links.get(self.target.name), self._plain(resource)
        mapping = self.target.mapping_for(resource.type)
        if mapping.leaves_out(resource.original):
            yield from self._of_left_out(resource, entry)
            return
        if entry is None or link is None:
            if resource.state is State.ACTIVE:
                yield plain
            return
        now = document_there(mapping, resource, link, without_members(entry))
        is_still_active = resource.state is State.INACTIVE and is_active(now)
        if is_still_active:
            yield replace(plain, finding=FindingKind.STILL_ACTIVE)
        for d in compare(resource.original, now):
            if not (is_still_active and d.path == "active"):
                yield replace(plain, finding=FindingKind.CHANGED, path=d.path, ours=d.before, theirs=d.after)
        for rule, _ in self.target.mapping.further(now, entry):  # for whose values a document has no room
            path, theirs = rule.sources[0].text, entry[rule.to.attribute]
            yield replace(plain, finding=FindingKind.CHANGED, path=path, ours=theirs[:1], theirs=theirs)
        for d in unsent(mapping, resource, link):
            found = replace(plain, finding=FindingKind.DIFFERS, path=d.path, ours=d.after, theirs=d.before)
            yield replace(found, reason=ADVICE)

    def _of_left_out(self, resource: Resource, entry: Attributes | None) -> Iterator[Finding]:
        """Yield what an entry is found as whose resource the target is not to have."""
        if entry is None:
            return
        mapping, link = self.target.mapping_for(resource.type), resource.links.get(self.target.name)
        was_active = resource.state is State.ACTIVE
        is_removed = was_active and self.target.policy.on_deactivate == "delete"
        is_active = is_still_active(mapping, as_on_target(mapping, resource), link, entry)
        if is_active or is_removed or resource.type is ResourceType.GROUP:
            kind = FindingKind.OUT_OF_SCOPE if was_active else FindingKind.STILL_ACTIVE
            yield replace(self._plain(resource), finding=kind)

    def _plain(self, resource: Resource) -> Finding:
        link, name = resource.links.get(self.target.name), resource.original.get(NAMES[resource.type])
        return Finding(FindingKind.MISSING, name, resource.id, link.target_id if link else None)


def _digest(id: str) -> bytes:
    return blake2b(id.encode(), digest_size=16).digest()
