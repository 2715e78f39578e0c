"""Dialpad's API as a target: what to say is in users.py, what came back in answers.py.

Somebody is made in two steps, as a create takes no more than names, office and licence. What ends between
them leaves a half-built person, whom the next look-up finds and the next change completes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final, TypeVar

from gateway.flow.paging import window
from gateway.flow.services import off_loop
from gateway.flow.target_port import (
    Attributes,
    Broken,
    CannotFilter,
    Conflict,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Unreachable,
    Update,
)
from gateway.scim.documents import fold, is_active
from gateway.scim.predicate import predicate
from gateway.targets.dialpad import answers
from gateway.targets.dialpad.lists import Offices, UserPages, by_cursor
from gateway.targets.dialpad.users import (
    NOBODY,
    User,
    UserCalls,
    changed,
    created,
    entry_of,
    is_gone,
    is_id,
    licence_of,
    lookup_of,
    office_name,
    office_of,
    refuse_unsendable,
)
from gateway.targets.scim.abilities import IGNORED
from gateway.targets.transport import Call, HttpReply, TargetFinding, Transport

T = TypeVar("T")

Send = Callable[[Call], Awaitable[HttpReply]]

DEFAULT_LICENCE: Final = "talk"  # of CreateUserMessage
SEATS: Final[Mapping[str, str]] = {  # licence -> what counts its seats; of the others the API does not say it
    "talk": "talk_lines",
    "agents": "sell_lines",  # "For a Sell license, specify the type as `agents`"
}
NO_GROUPS: Final = (
    "Dialpad's API has departments and call centres for groups, and the gateway makes and fills neither"
)
LARGE_ANSWER: Final = 256 * 1024  # bytes from which to read one would keep other requests waiting
FOUND_BY: Final = {"email": "emails", "number": "phone_numbers"}  # parameter -> where the answer has it


class DialpadConnector:
    """A `Connector` to Dialpad's API.

    `options`: `auto_assign` (no | yes) and `seat_guard` (off | counted | on). `follow` sends what must not
    wait to be admitted, as it ends what is begun.
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        options: Mapping[str, Any] | None = None,
        follow: Send | None = None,
        now: Callable[[], float] = time.time,  # POSIX seconds
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._send = transport.send
        self._follow = follow or transport.send
        self._calls = UserCalls(base_url)
        self._now = now
        self._assigns = (options or {}).get("auto_assign") == "yes"
        self._guards = (options or {}).get("seat_guard", "off")
        self._one_by_one = asyncio.Lock()  # so that two people do not take one seat
        self._offices = Offices(self._read_offices)
        self._pages = UserPages(self._read_people, self._shown, clock)

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        if kind is ResourceType.GROUP:
            return None
        if not is_id(id):  # nobody has it, but who asks may want to know whether Dialpad is there
            await self._read_offices("")
            return None
        user = answers.read_found(await self._send(self._calls.get(id)), id, self._now())
        return None if user is None else (await self._shown([user]))[0]

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if kind is ResourceType.GROUP:
            return Page(0, ())
        if query.filter is None:
            return await self._pages.page(query)
        asked = lookup_of(query.filter)
        if asked is None:
            raise CannotFilter("Dialpad looks people up by address and number only")
        holds = predicate(query.filter, kind)
        found = [entry for entry in await self._shown(await self._looked_up(*asked)) if holds(entry)]
        return Page(len(found), window(found, query.start, query.count))

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes | None:
        _refuse_groups(kind)
        refuse_unsendable(wanted, {})
        office = await self._offices.find(office_name(wanted))
        body = created(wanted, office, auto_assign=self._assigns)
        licence = body.get("license", DEFAULT_LICENCE)
        async with self._one_by_one if self._is_guarded(licence) else nullcontext():
            if self._is_guarded(licence):
                await self._refuse_without_seat(office, licence)
            user = answers.read_created(await self._send(self._calls.create(body)), self._now())
        return await self._completed(self._entry(user), wanted)

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        _refuse_groups(kind)
        if not is_id(id):
            raise Missing("there is no such person", 404)
        refuse_unsendable(update.wanted, update.present)
        body = changed(update.present, update.wanted) | await self._moved(update)
        if body:
            licence = _seat_taken(update, body)
            async with self._one_by_one if self._is_guarded(licence) else nullcontext():
                if licence is not None and self._is_guarded(licence):
                    name = office_name(update.wanted) or office_name(update.present)
                    await self._refuse_without_seat(await self._offices.find(name), licence)
                return await self._changed(id, body, self._send)
        shown = await self.get(kind, id)  # what differs is nothing that Dialpad keeps
        if shown is None:
            raise Missing("there is no such person", 404)
        return shown

    async def delete(self, kind: ResourceType, id: str) -> None:
        _refuse_groups(kind)
        if not is_id(id):
            raise Missing("there is no such person", 404)
        answers.read_deleted(await self._send(self._calls.delete(id)), id, self._now())

    async def has_groups(self) -> bool:
        """Say that it has none: see `check`."""
        return False

    async def check(self) -> tuple[TargetFinding, ...]:
        """Read the offices, for the sake of the credentials; raises TargetError."""
        offices = await self._offices.load()
        seats = {
            "off": "are not counted: `options.seat_guard` is off",
            "counted": f"are counted before somebody takes one of {' or '.join(SEATS)}, and no other",
            "on": f"are counted before somebody takes one, which only {' and '.join(SEATS)} can be",
        }
        return (
            TargetFinding("offices", f"known: {offices.known()}"),
            TargetFinding("seats", seats[self._guards]),
            TargetFinding("groups", NO_GROUPS),
        )

    async def close(self) -> None:
        """Nothing: the session belongs to the application."""

    async def _completed(self, made: Attributes, wanted: Attributes) -> Attributes:
        """Say all that a create does not take; whatever goes wrong now, there is somebody half-built.

        Where it is refused they are suspended, so that nobody is left who takes a seat and is not known.
        """
        body = {name: value for name, value in changed(made, wanted).items() if value != ""}
        if not body:
            return made
        try:
            return await self._changed(made["id"], body, self._follow)
        except (Refused, Conflict) as error:
            await self._suspend(made["id"])
            reason = f"made, and suspended again, as the rest was refused: {error.reason}"
            raise Refused(reason, error.status) from error
        except TargetError as error:
            raise _half_built(error) from error

    async def _suspend(self, id: str) -> None:
        try:
            await self._changed(id, {"state": "suspended"}, self._follow)
        except TargetError as error:
            raise _half_built(error) from error

    async def _changed(self, id: str, body: User, send: Send) -> Attributes:
        reply = await send(self._calls.change(id, body))
        return self._entry(answers.read_changed(reply, id, self._now()))

    async def _moved(self, update: Update) -> User:
        """Return the office as a change has it, {} where it stays: nobody is without one."""
        before, after = office_name(update.present), office_name(update.wanted)
        if after is None or after == before:
            return {}
        office = await self._offices.find(after)
        return {} if self._offices.kept.names.get(office) == before else {"office_id": int(office)}

    def _is_guarded(self, licence: str | None) -> bool:
        """Say whether seats are counted before somebody takes one of a licence."""
        return licence is not None and self._guards != "off" and (self._guards == "on" or licence in SEATS)

    async def _refuse_without_seat(self, office: str, licence: str) -> None:
        """Raise Refused where somebody would take a seat that is not there, or that nobody can count."""
        line = SEATS.get(licence)
        reply = await self._send(self._calls.seats(office))
        left = None if line is None else answers.read_seats(reply, line, self._now())
        if left is None:  # the office is not named: whatever the person has is blotted out of an answer
            says = f"Dialpad does not say how many seats are left for licence {licence}"
            raise Refused(f"{says}, and options.seat_guard is {self._guards}", 400)
        if left < 1:
            raise Refused(f"no seat is left: the person's office has {left} {line}", 400)

    async def _looked_up(self, parameter: str, value: str) -> list[User]:
        """Return whom a parameter finds; an address is asked for in lower case, too, as it may be kept so."""
        if (parameter, value) == NOBODY:
            return []
        for spelling in dict.fromkeys((value, value.lower())):
            found = [user async for user in self._asked(parameter, spelling)]
            if found:
                return found
        return []

    async def _asked(self, parameter: str, value: str) -> AsyncIterator[User]:
        async def read(cursor: str) -> answers.CursorPage:
            return await self._read_list(self._calls.people(cursor, **{parameter: value}))

        async for _, page in by_cursor(read):
            for user in page.items:
                if is_gone(user):
                    continue
                held = user.get(FOUND_BY[parameter])
                if not isinstance(held, list) or fold(value) not in [fold(str(one)) for one in held]:
                    raise CannotFilter("Dialpad did not heed what it was asked for", IGNORED)
                yield user

    async def _shown(self, users: Sequence[User]) -> list[Attributes]:
        """Return people as entries, without those who are deleted."""
        there = [user for user in users if not is_gone(user)]
        names = await self._offices.names(map(office_of, there)) if there else {}
        return [entry_of(user, names) for user in there]

    def _entry(self, user: User) -> Attributes:
        """Return somebody as an entry without asking for anything: what was done is done."""
        return entry_of(user, self._offices.kept.names)

    async def _read_people(self, cursor: str) -> answers.CursorPage:
        return await self._read_list(self._calls.people(cursor))

    async def _read_offices(self, cursor: str) -> answers.CursorPage:
        return await self._read_list(self._calls.offices(cursor))

    async def _read_list(self, call: Call) -> answers.CursorPage:
        reply, now = await self._send(call), self._now()
        if len(reply.body) > LARGE_ANSWER:
            return await off_loop(answers.read_collection, reply, now)
        return answers.read_collection(reply, now)


def _seat_taken(update: Update, body: User) -> str | None:
    """Return the licence of which a change takes a seat; None: who leaves, or has one, takes none."""
    had = licence_of(update.present) or DEFAULT_LICENCE
    has = body.get("license", had)
    is_had = is_active(update.present) and has == had
    return None if is_had or not is_active(update.wanted) else has


def _half_built(error: TargetError) -> TargetError:
    """Return the doubt that a create is in whose first step was done: the person is there."""
    if error.maybe_applied:
        return error
    kind = Silent if isinstance(error, Unreachable) else Broken
    return kind(f"the person is made, but not completed: {error.reason}", error.status, error.retry_after)


def _refuse_groups(kind: ResourceType) -> None:
    if kind is ResourceType.GROUP:
        raise Refused(NO_GROUPS, 501)
