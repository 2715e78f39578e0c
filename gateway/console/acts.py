"""What operators do: a page says what an act means, and the same is done as by the command of its name."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.admin import operations
from gateway.console.rendering import SESSION, path_of
from gateway.errors import Forbidden, NotFound
from gateway.log import get_logger

if TYPE_CHECKING:
    from gateway.console.house import Desk
    from gateway.server.admin import Administration

log = get_logger()

Act = Callable[["Administration", str], Awaitable[bool]]  # of an operation or a target; False: nothing to do


async def _retry(admin: "Administration", id: str) -> bool:
    return await operations.retry_operation(admin.services, admin.runs.targets, id)


async def _drop(admin: "Administration", id: str) -> bool:
    return await operations.drop_operation(admin.services, id)


async def _release(admin: "Administration", target: str) -> bool:
    if target not in admin.runs.targets:
        return False
    await operations.release_removals(admin.services, target)
    return True


async def _pause(admin: "Administration", target: str) -> bool:
    return target in admin.runs.targets and await admin.pauses.pause(target)


async def _resume(admin: "Administration", target: str) -> bool:
    return target in admin.runs.targets and await admin.pauses.resume(target)


ACTS: Final[Mapping[str, Act]] = {
    "retry": _retry,
    "drop": _drop,
    "release": _release,
    "pause": _pause,
    "resume": _resume,
}


class Acts:
    """Asks, and does."""

    def __init__(self, desk: "Desk", forget: Callable[[], None]) -> None:
        """`forget` is called after each act: what pages remember is old then."""
        self._desk = desk
        self._forget = forget

    async def ask(self, request: web.Request) -> web.Response:
        """Answer with what an act means, and the button for it."""
        self._refuse_readers(request)
        act, name = self._named(request)
        return self._desk.pages.answer(request, "act", act=act, name=name)

    async def act(self, request: web.Request) -> web.Response:
        """Do it, and lead back to the first page."""
        self._refuse_readers(request)
        act, name = self._named(request)
        if not await ACTS[act](self._desk.admin, name):
            raise NotFound(self._desk.pages.say(request)("error.nothing_to_do"))
        log.info("console.acted", act=act)
        self._desk.admin.wake()
        self._forget()
        return web.Response(status=303, headers={"Location": path_of(done=act)})

    def _named(self, request: web.Request) -> tuple[str, str]:
        return request.match_info["act"], request.match_info["name"]

    def _refuse_readers(self, request: web.Request) -> None:
        if not request[SESSION].may_act:
            raise Forbidden(self._desk.pages.say(request)("error.only_operators"))
