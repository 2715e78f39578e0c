"""What operators do: a page says what an act means, and the same is done as by the command of its name."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from yarl import URL

from gateway.admin import operations
from gateway.console.access import local
from gateway.console.rendering import SESSION
from gateway.errors import InvalidValue, NotFound
from gateway.journal.reader import reading
from gateway.journal.waiting import Waiting
from gateway.log import get_logger
from gateway.settings.fields import parse_some_seconds

if TYPE_CHECKING:
    from gateway.console.house import Desk
    from gateway.server.admin import Administration

log = get_logger()

Said = Mapping[str, str]  # what a form says beside the button
Act = Callable[
    ["Administration", str, Said], Awaitable[bool]
]  # of an operation or target; False: nothing to do

LONGEST: Final = 200  # characters of what a form says
REMEMBERED: Final = 1000  # forms that were sent, so that a second click does nothing
OF_OPERATIONS: Final = ("retry", "drop")


async def _retry(admin: "Administration", id: str, said: Said) -> bool:
    return await operations.retry_operation(admin.services, admin.runs.targets, id)


async def _drop(admin: "Administration", id: str, said: Said) -> bool:
    return await operations.drop_operation(admin.services, id)


async def _release(admin: "Administration", target: str, said: Said) -> bool:
    if target not in admin.runs.targets:
        return False
    if only := said.get("only"):
        await operations.release_some(admin.services, target, only)
    else:
        await operations.release_removals(admin.services, target)
    return True


async def _pause(admin: "Administration", target: str, said: Said) -> bool:
    seconds = _seconds(said["for"]) if said.get("for") else None
    return target in admin.runs.targets and await admin.pauses.pause(
        target, seconds, said.get("reason") or None
    )


def _seconds(text: str) -> float:
    try:
        return parse_some_seconds(text)
    except ValueError as error:
        raise InvalidValue(f"for: {error}") from error


async def _resume(admin: "Administration", target: str, said: Said) -> bool:
    return target in admin.runs.targets and await admin.pauses.resume(target)


async def _resync(admin: "Administration", target: str, said: Said) -> bool:
    if target not in admin.runs.targets:
        return False
    if not said.get("person"):
        raise InvalidValue("person: say whom, by userName or id")
    why = list[str]()
    async for line in await admin.runs.start("resync", target, option=False, person=said["person"]):
        why += [str(text) for name in ("path", "reason") if (text := getattr(line, name, None))]
    if why:
        raise InvalidValue(": ".join(why))
    return True


ACTS: Final[Mapping[str, Act]] = {
    "retry": _retry,
    "drop": _drop,
    "release": _release,
    "pause": _pause,
    "resume": _resume,
    "resync": _resync,
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {  # what a form asks beside
    "release": ("only",),
    "pause": ("for", "reason"),
    "resync": ("person",),
}


class Acts:
    """Asks, and does."""

    def __init__(self, desk: "Desk", forget: Callable[[], None]) -> None:
        """`forget` is called after each act: what pages remember is old then."""
        self._desk = desk
        self._forget = forget
        self._sent: dict[
            tuple[str, ...], asyncio.Task[bool]
        ] = {}  # by session, act and form, the oldest first

    async def ask(self, request: web.Request) -> web.Response:
        """Answer with what an act means, and the button for it."""
        self._desk.access.refuse_readers(request)
        return await self._form(request, dict(request.query))

    async def act(self, request: web.Request) -> web.Response:
        """Do it, once for each form, and lead back to where it was asked."""
        self._desk.access.refuse_readers(request)
        act, name = _named(request)
        fields = await self._desk.access.form(request)
        once = request[SESSION].id, act, name, fields.get("once") or secrets.token_hex(8)
        if (task := self._sent.get(once)) is None:
            said = {field: fields.get(field, "").strip()[:LONGEST] for field in FIELDS.get(act, ())}
            task = asyncio.ensure_future(ACTS[act](self._desk.admin, name, said))
            self._remember(once, task)
        await asyncio.wait([task])
        self._forget()
        if task.exception() is not None or not task.result():
            self._sent.pop(once, None)  # nothing was done: the same form may be sent again
        try:
            is_done = task.result()
        except (InvalidValue, NotFound) as error:
            return await self._form(request, fields, error.detail)
        if not is_done:
            raise NotFound(self._desk.pages.say(request)("error.nothing_to_do"))
        log.info("console.acted", act=act)
        self._desk.admin.wake()
        where = URL(local(fields.get("next")), encoded=True).update_query(done=act)
        return web.Response(status=303, headers={"Location": str(where)})

    def _remember(self, once: tuple[str, ...], task: asyncio.Task[bool]) -> None:
        if len(self._sent) >= REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self._sent[once] = task

    async def _form(self, request: web.Request, said: Said, error: str | None = None) -> web.Response:
        act, name = _named(request)
        about = await asyncio.to_thread(self._waiting, name) if act in OF_OPERATIONS else None
        context: dict[str, Any] = {
            "act": act,
            "name": name,
            "fields": {field: said.get(field, "") for field in FIELDS.get(act, ())},
            "about": about,
            "where": local(said.get("next")),
            "once": secrets.token_hex(16),
            "error": error,
        }
        return self._desk.pages.answer(request, "act", 200 if error is None else 400, **context)

    def _waiting(self, id: str) -> Waiting | None:
        with reading(self._desk.settings().journal) as reader:
            return reader.one_waiting(id)


def _named(request: web.Request) -> tuple[str, str]:
    return request.match_info["act"], request.match_info["name"]
