"""Any JSON service as a target: what to say is in requests.py, what came back in answers.py."""

import time
from collections.abc import Callable, Iterable
from collections.abc import Collection as Some
from dataclasses import replace
from typing import Any, Final, TypeVar

from gateway.address import RestService
from gateway.flow.services import off_loop_if
from gateway.flow.target_port import (
    Attributes,
    CannotFilter,
    Conflict,
    MemberUpdate,
    Missing,
    Nonsense,
    Page,
    Query,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Update,
)
from gateway.mapping.filters import equals
from gateway.mapping.merging import merge_patch
from gateway.scim.difference import Difference, overlay
from gateway.scim.documents import is_active
from gateway.scim.predicate import predicate
from gateway.targets.rest.answers import Answers, ListReader
from gateway.targets.rest.requests import Collection, Listed, Request
from gateway.targets.scim.abilities import IGNORED
from gateway.targets.scim.answers import MAX_ANSWER_VALUES, MAX_PERSON_VALUES
from gateway.targets.scim.requests import with_members, with_unshown
from gateway.targets.transport import Call, HttpReply, TargetFinding, Transport

T = TypeVar("T")
Told = tuple[Attributes | None, bool]  # what a change was answered with, and whether anything was sent

USER, GROUP = ResourceType.USER, ResourceType.GROUP
LARGE_ANSWER: Final = 256 * 1024  # bytes from which to read one would keep other requests waiting
MOST_FOUND: Final = 1000  # entries of a look-up that are sorted out here; more are as good as everybody
MOST: Final = {USER: MAX_PERSON_VALUES, GROUP: MAX_ANSWER_VALUES}  # values in an answer with one entry
MOST_MEMBERS: Final = 100_000  # of one group


class RestConnector:
    """A `Connector` to a service that the configuration describes."""

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        service: RestService,
        *,
        members: bool | None = None,  # False: no group shows who is in it
        now: Callable[[], float] = time.time,  # POSIX seconds
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._answers = Answers(service.errors)
        self._shows_members = members is not False
        self._now = now
        self._lists = ListReader(self._ask_for_list, service.page_size, clock)
        self._kinds = {USER: Collection(USER, service.users, base_url)}
        if service.groups is not None:
            self._kinds[GROUP] = Collection(GROUP, service.groups, base_url)

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        own = self._kinds.get(kind)
        if own is None or not id:
            return None
        entry = await self._got(own, id)
        return None if entry is None else await self._with_members(own, entry, members=members)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        own = self._kinds.get(kind)
        if own is None:
            return Page(0, ())
        if query.filter is not None:
            return await self._found(own, query)
        listed, total, is_known = await self._lists.window(own.need("list"), {}, {}, query)
        entries = await off_loop_if(len(listed) > 1000, _all_shown, own, listed)
        shown = [await self._with_members(own, entry, members=query.members) for entry in entries]
        return Page(total, tuple(shown), is_known)

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Some[str] = ()
    ) -> Attributes | None:
        own = self._of(kind)
        request = own.need("create")
        form = _without_members(wanted)
        document = own.document(form)
        body = own.body(document) if request.body is None else None
        reply = await self._transport.send(request.call(document, body))
        try:
            raw = request.item.of(await self._document(own, reply))
        except Missing as error:
            raise Nonsense(error.reason, error.status) from error
        id = own.id_of(raw)
        if id is None:
            return None
        try:
            return await self._completed(own, form, raw)
        except TargetError as error:  # it is there by now
            raise Silent(error.reason, error.status) from error

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        own, update = self._of(kind), _whole(update)
        before, after = own.document(update.present, id), own.document(update.wanted, id)
        was, will, is_told = is_active(update.present), is_active(update.wanted), False
        if was and not will and "deactivate" in own.requests:
            await self._told(own, "deactivate", after)
            before |= {"active": after.get("active")}  # the rest is another call
            is_told = True
        if kind is GROUP:
            answer, told = await self._change_group(own, id, before, after, update.members)
        else:
            answer, told = await self._changed(own, id, before, after)
        if will and not was and "reactivate" in own.requests:
            await self._told(own, "reactivate", after)
            answer, told = None, True
        if told or is_told:
            return answer  # where it shows nothing, what it is now is read by who asked
        if (shown := await self._got(own, id)) is None:
            raise Missing("there is no such entry", 404)
        return _without_members(shown)

    async def delete(self, kind: ResourceType, id: str) -> None:
        own = self._of(kind)
        await self._told(own, "delete", {"id": id})

    async def has_groups(self) -> bool:
        return GROUP in self._kinds

    async def check(self) -> tuple[TargetFinding, ...]:
        """List, get and look up one person, and say what was understood; raises TargetError."""
        own = self._kinds[USER]
        page = await self.query(USER, Query(count=1))
        if not page.entries:
            return (TargetFinding("entry", "nobody is there, so what people look like was not seen"),)
        shown = page.entries[0]
        alone = await self._got(own, shown["id"])
        if alone is None:
            fix = "what `get` asks for must be there for the `id` that `list` shows"
            return (TargetFinding("entry", "whoever is listed is not found by their id", fix),)
        found = [self._seen(own, shown | alone)]
        return (*found, *[await self._try(own, name, alone) for name in (*own.find, *own.search)])

    async def close(self) -> None:
        """Nothing: the session belongs to the application."""

    def _seen(self, own: Collection, entry: Attributes) -> TargetFinding:
        names = ", ".join(name for name in entry if name != "id")
        lacking = [name for name in ("userName", "active") if name in own.named and name not in entry]
        says = f"a person shows id, {names}"
        if "userName" in lacking:
            return TargetFinding("entry", says, "nobody has a userName: see `entry`, and `item` of `get`")
        return TargetFinding("entry", says)

    async def _try(self, own: Collection, name: str, entry: Attributes) -> TargetFinding:
        """Look somebody up who is there, and in another case where that is to make no difference."""
        spelled = next((key for key in entry if key.casefold() == name), name)
        value = entry.get(spelled)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0].get("value")
        if not isinstance(value, str):
            return TargetFinding("look-ups", f"by {spelled}: the first person has none, so it was not tried")
        values = [value] if name == "externalid" else [value, value.swapcase()]
        for text in values:
            found, _, _ = await self._candidates(own, name, text)
            if entry["id"] not in [own.id_of(raw) for raw in found]:
                case = "" if text == value else " in another case"
                fix = "see its parameter, or leave the look-up out: then all pages are read for it"
                return TargetFinding("look-ups", f"by {spelled}: who is there is not found{case}", fix)
        return TargetFinding("look-ups", f"by {spelled}: who is there is found")

    def _of(self, kind: ResourceType) -> Collection:
        if kind not in self._kinds:
            raise Refused("this target has no groups: rest.groups is not set")
        return self._kinds[kind]

    async def _completed(self, own: Collection, form: Attributes, raw: Any) -> Attributes | None:
        """Return a new entry as it is shown, inactive where it is to be so."""
        entry, document = own.shown(raw), own.document(form)
        if own.kind is USER and not is_active(form) and "deactivate" in own.requests:
            await self._told(own, "deactivate", document | {"id": entry["id"]})
        elif own.is_whole(raw, own.body(document)):
            return _without_members(entry)
        found = await self._got(own, entry["id"])
        return None if found is None else _without_members(found)

    async def _got(self, own: Collection, id: str) -> Attributes | None:
        raw = await self._raw(own, id)
        return None if raw is None else own.shown(raw, id)

    async def _raw(self, own: Collection, id: str) -> Any:
        """Return an entry as the service writes it, None where there is none; raises Nonsense for another."""
        request = own.need("get")
        reply = await self._transport.send(request.call({"id": id}))
        try:
            document = await self._document(own, reply)
        except Missing:
            return None
        if request.spec.items is not None:  # a list of those with that id
            entries = request.items.of(document)
            entries = entries if isinstance(entries, list) else []
            return next((raw for raw in entries if own.id_of(raw) == id), None)
        raw = request.item.of(document)
        if request.item.is_null(document):
            return None
        if not isinstance(raw, dict):
            raise Nonsense("the target's answer has no entry where `item` says that it is", reply.status)
        if own.shown(raw, id).keys() == {"id"} and own.id_of(raw) is None:
            raise Nonsense("the target's answer shows nothing of the entry that was asked for", reply.status)
        return raw

    async def _told(self, own: Collection, operation: str, document: Attributes, body: Any = None) -> Any:
        """Send a change, and return what is answered about the entry; raises Missing."""
        request = own.need(operation)
        reply = await self._transport.send(request.call(document, body))
        return request.item.of(await self._document(own, reply))

    async def _changed(self, own: Collection, id: str, before: Attributes, after: Attributes) -> Told:
        """Send what differs; return the entry where the answer shows it, and whether anything was sent."""
        request = own.need("change")
        make = own.body if request.body is None else request.filled
        whole = make(after)
        patch = merge_patch(make(before), whole)
        if patch == {}:
            return None, False
        body = patch if request.sends == "changes" else whole
        # a read may lag behind; where the entry is gone, the call is answered so
        if request.sends == "merged":
            body = own.laid(await self._raw(own, id), whole)
        elif request.body is None and request.sends == "changes" and own.loses(patch):
            body = own.sparing(await self._raw(own, id), patch)
        raw = await self._told(own, "change", after, body)
        shown = own.shown(raw, id) if isinstance(raw, dict) else {}
        return _without_members(shown) if own.is_whole(raw, own.body(after)) else None, True

    async def _change_group(
        self, own: Collection, id: str, before: Attributes, after: Attributes, members: MemberUpdate
    ) -> Told:
        is_whole = "add" not in own.requests  # all members are told at once
        if is_whole and (members or own.need("change").sends != "changes"):
            shown = await self.get(GROUP, id, members=True)
            if shown is None and members.others is None:
                raise Missing("there is no such group", 404)
            shown = shown or {"id": id, "members": None}
            ask = members.others
            others = shown.get("members") or [] if ask is None else await ask(shown)
            before = before | {"members": others}
            after = after | with_members({"members": list(others)}, members)
        else:
            before, after = _without_members(before), _without_members(after)
        answer, told = await self._changed(own, id, before, after)
        if "add" in own.requests and members:
            await self._change_members(own, id, members)
            told = True
        return answer, told

    async def _change_members(self, own: Collection, id: str, members: MemberUpdate) -> None:
        """Tell of each member; who is in the group, or is not, already, is as they shall be."""
        for member in members.remove:
            try:
                await self._told(own, "remove", {"id": id, "member": member})
            except Missing:
                continue
        for element in members.add:
            try:
                await self._told(own, "add", {"id": id, "member": element["value"]})
            except Conflict:
                continue
            except Missing as error:
                if await self._got(own, id) is None:
                    raise
                raise Refused("a member is not there", error.status) from error

    async def _with_members(self, own: Collection, entry: Attributes, *, members: bool) -> Attributes:
        """Return a group with its members, None for those where none are ever shown."""
        if own.kind is USER:
            return entry
        bare = _without_members(entry)
        if not members:
            return bare
        if "members" not in own.requests:
            return bare | {"members": entry.get("members") if self._shows_members else None}
        request = own.requests["members"]
        question = Query(count=MOST_MEMBERS)
        listed, _, _ = await self._lists.window(request, {"id": entry["id"]}, {}, question)
        return bare | {"members": [{"value": id} for raw in listed if (id := own.member_of(raw))]}

    async def _found(self, own: Collection, query: Query) -> Page:
        """Return who matches, sorted out here of those whom a look-up finds; raises CannotFilter."""
        assert query.filter is not None
        asked = equals(query.filter)
        name = next((name for name in (*own.find, *own.search) if name in asked), None)
        if name is None:
            raise CannotFilter("the configuration has no look-up for this filter")
        found, total, is_known = await self._candidates(own, name, asked[name])
        if not is_known or total > len(found):
            raise CannotFilter(f"the look-up by {name} finds more than {len(found)}", IGNORED)
        holds = predicate(query.filter, own.kind)
        matches = [entry for raw in found if holds(entry := own.shown(raw))]
        first = query.start - 1
        shown = matches[first:] if query.rest else matches[first : first + query.count]
        entries = [await self._with_members(own, entry, members=query.members) for entry in shown]
        return Page(len(matches), tuple(entries))

    async def _candidates(self, own: Collection, name: str, value: str) -> tuple[list[Any], int, bool]:
        """Return whom a look-up finds, how many there are, and whether those are all; raises CannotFilter."""
        about = {name: value}
        is_own = name in own.find
        request = own.find[name] if is_own else own.need("list")
        asked = {} if is_own else {own.search[name]: value}
        try:
            return await self._lists.window(request, about, asked, Query(count=MOST_FOUND, rest=True))
        except Missing:
            return [], 0, True
        except Refused as error:
            if error.status is None:  # the value cannot stand in the address
                raise CannotFilter(error.reason) from error
            raise

    async def _document(self, own: Collection, reply: HttpReply) -> Any:
        return await self._read(reply, self._answers.document, MOST[own.kind])

    async def _ask_for_list(self, request: Request, call: Call) -> Listed:
        reply = await self._transport.send(call)
        return await self._read(reply, self._answers.listed, request)

    async def _read(self, reply: HttpReply, read: Callable[..., T], *arguments: Any) -> T:
        """Read an answer; a large one in a thread."""
        return await off_loop_if(len(reply.body) > LARGE_ANSWER, read, reply, *arguments, self._now())


def _whole(update: Update) -> Update:
    """Return an update that says what is held and not shown, too, as it is and as it shall be."""
    wanted = with_unshown(update.wanted, update.present, update.held)
    if wanted == update.wanted:
        return update
    undone = [Difference(one.steps, one.after, one.before) for one in update.differences]
    present = with_unshown(update.present, update.present, overlay(update.held, undone))
    return replace(update, present=present, wanted=wanted)


def _all_shown(own: Collection, raws: Iterable[Any]) -> list[Attributes]:
    return [own.shown(raw) for raw in raws]


def _without_members(entry: Attributes) -> Attributes:
    return {name: value for name, value in entry.items() if name != "members"}
