"""The Unix socket beside the journal: commands that change something reach the running gateway here.

Its file mode (0600) is the sign-in.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from gateway.admin import acts, operations
from gateway.admin.acts import Erasures, Export, Pauses, Token, TokenJournal
from gateway.admin.person import shown_now
from gateway.admin.status import ConfigState, Reloaded, Status, Tried
from gateway.errors import ConfigError, GatewayError, InvalidValue, NotFound
from gateway.flow.journal_port import Resource
from gateway.flow.mirror import Mirroring
from gateway.flow.model import ChangeHandler, Services, Target
from gateway.flow.target_port import Attributes, ResourceType
from gateway.log import get_logger
from gateway.scim.jsontext import parse_json
from gateway.server.auth import Credentials, in_their_name
from gateway.server.response import Boundary
from gateway.settings import Settings
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.admin.runs import Lines

RUNS: Final = ("reconcile", "resync")
Told = Mapping[str, Any]
OTHER: Final = "the file is another by now than the configuration in force, by which this goes"


@frozen
class Runs:
    """Starts them."""

    services: Services
    changes: ChangeHandler
    targets: Mapping[str, Target]
    mirroring: Mirroring

    def of(self, name: str) -> list[Target]:
        """Return the targets that a name means: those of a route, the one that answers first."""
        route = [target for target in self.targets.values() if target.route == name]
        return (
            [self.targets[name]] if name in self.targets else sorted(route, key=lambda own: bool(own.follows))
        )

    async def start(self, run: str, name: str, *, option: bool, person: str | None = None) -> "Lines":
        """Return the lines of a run, or of a resync of whom `person` names alone, by userName or id.

        Raises NotFound where no target that is meant knows the person.
        """
        if person is None:
            return self.lines(run, name, option=option)
        from gateway.admin.resync import known_as

        found = [(target, await known_as(self.services, target, person)) for target in self.of(name)]
        runs = {
            target.name: _using(target, self._lines(run, target, option, whom))
            for target, whom in found
            if whom is not None
        }
        if not runs:
            raise NotFound(f"nobody whom the journal knows at {name} has this userName or id")
        return self._one_or_all(name, runs)

    async def told(
        self, run: str, target: Target, whom: Resource | None = None, *, option: bool
    ) -> AsyncGenerator[Told, None]:
        """Yield the lines of a run, or of one of a person or group alone, as they go over the socket."""
        from gateway.admin.runs import render_line

        async with aclosing(_using(target, self._lines(run, target, option, whom))) as lines:
            async for line in lines:
                yield render_line(line)

    def compared(self, target: Target, whom: Resource, entry: Attributes | None) -> tuple[list[Told], bool]:
        """Return what `reconcile` finds between an original and an entry, and whether it would repair."""
        from gateway.admin.reconcile import REPAIRED, Reconciliation

        findings = list(Reconciliation(self.services, self.changes, target).findings(whom, entry))
        return [asdict(one) for one in findings], any(one.finding in REPAIRED for one in findings)

    def lines(self, run: str, name: str, *, option: bool) -> "Lines":
        """Return the lines of a run; nothing is done before the first is asked for.

        Its option is to repair what differs, or to push only what has changed.
        """
        return self._one_or_all(
            name, {target.name: _using(target, self._lines(run, target, option)) for target in self.of(name)}
        )

    def _one_or_all(self, name: str, runs: dict[str, "Lines"]) -> "Lines":
        from gateway.admin.runs import in_turn  # a gateway may never be asked for one

        return runs[name] if name in runs else in_turn(runs)

    def _lines(self, run: str, target: Target, option: bool, only: Resource | None = None) -> "Lines":
        from gateway.admin.reconcile import Reconciliation
        from gateway.admin.resync import Refill, Resync

        if run == "reconcile":
            return Reconciliation(self.services, self.changes, target, option, only).lines()
        if target.follows is not None and not option and only is None:
            return Refill(self.services, self.mirroring, target).lines()
        return Resync(self.services, self.changes, target, option, only).lines()


async def _using(target: Target, lines: "Lines") -> "Lines":
    """Yield the lines of a run, whose target's connector is in use until the last."""
    with target.admission.used():
        async with aclosing(lines):
            async for line in lines:
                yield line


@frozen
class Administration:
    """What the commands of an administrator reach in the running gateway."""

    services: Services
    tokens: TokenJournal
    erasures: Erasures
    credentials: Credentials
    runs: Runs
    pauses: Pauses
    status: Callable[[], Awaitable[Status]]
    try_channels: Callable[[], Awaitable[tuple[Tried, ...]]]  # of alerts
    settings: Callable[[], Settings]  # in force
    config: Callable[[], ConfigState]
    reload: Callable[[], Awaitable[Reloaded]]  # takes the file as it is now; raises ConfigError
    plan: Callable[[Settings, str], Target]  # a target as plans are made for it, which nobody can call
    wake: Callable[[], None]  # has what is due looked at now
    is_stopping: Callable[[], bool]


Act = Callable[[Administration, web.Request], Awaitable[web.StreamResponse]]

log = get_logger()

_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
FIELDS: Final = {  # of a token -> its form
    "id": r"[A-Za-z0-9_-]{1,64}",
    "provider": r"[a-z0-9-]+",
    "sha256": r"[0-9a-f]{64}",
    "created": _MOMENT,
    "expires": _MOMENT,
}
FORMATS: Final = ("ndjson", "csv")
TEXTS: Final = ("since", "until", "filter", "q")  # of an export


def administration(admin: Administration) -> web.Application:
    """Return the application of the socket."""
    application = web.Application(middlewares=[Boundary().middleware(), in_their_name])
    application.add_routes([web.route(method, path, partial(act, admin)) for method, path, act in ROUTES])
    return application


async def issue_token(admin: Administration, request: web.Request) -> web.Response:
    """Let a token in that the command has made: only its digest comes here."""
    fields = await _fields(request)
    token = Token(**{name: _text(fields, name) for name in FIELDS})
    if token.provider not in admin.credentials.providers:
        raise InvalidValue("provider is not in the running gateway's configuration")
    await acts.issue_token(admin.tokens, token, admin.services.new_id())
    await admin.credentials.refresh()
    return web.json_response({"id": token.id}, status=201)


async def revoke_token(admin: Administration, request: web.Request) -> web.Response:
    """End a token."""
    if not await acts.revoke_token(admin.tokens, request.match_info["id"], admin.services.new_id()):
        raise NotFound("no live token has this id")
    await admin.credentials.refresh()
    return web.Response(status=204)


async def retry_operation(admin: Administration, request: web.Request) -> web.Response:
    """Have an operation tried again now."""
    id = request.match_info["id"]
    if not await operations.retry_operation(admin.services, admin.runs.targets, id):
        raise NotFound("no operation that can be tried again has this id")
    admin.wake()
    return web.Response(status=204)


async def drop_operation(admin: Administration, request: web.Request) -> web.Response:
    """Give an operation up."""
    if not await operations.drop_operation(admin.services, request.match_info["id"]):
        raise NotFound("no operation that can be dropped has this id")
    return web.Response(status=204)


async def release_target(admin: Administration, request: web.Request) -> web.Response:
    """Let the removals go that a target's brake holds: all, somebody's, or so many, as the body says."""
    name = request.match_info["name"]
    if name not in admin.runs.targets:
        raise InvalidValue("the target is not in the running gateway's configuration")
    only = (await _fields(request, {})).get("only")
    if only is None:
        count = await operations.release_removals(admin.services, name)
    elif isinstance(only, str) and only:
        count = await operations.release_some(admin.services, name, only)
    else:
        raise InvalidValue("only is not as a command writes it")
    log.info("removals.released", target=name, count=count)
    admin.wake()
    return web.json_response({"released": count})


async def drop_operations(admin: Administration, request: web.Request) -> web.Response:
    """Give up all that is not settled of a target, which the configuration need not have any more."""
    name = request.match_info["name"]
    dropped = await operations.drop_operations(admin.services, name)
    log.warning("operations.dropped", target=name, count=dropped.count, left=dropped.left)
    return web.json_response(asdict(dropped))


async def show_status(admin: Administration, request: web.Request) -> web.Response:
    """Answer how everything stands."""
    return web.json_response(asdict(await admin.status()))


async def reload_configuration(admin: Administration, request: web.Request) -> web.Response:
    """Take the configuration's file as it is now, and say what has changed; 422 with its faults."""
    try:
        done = await admin.reload()
    except ConfigError as error:
        return web.json_response({"faults": list(map(str, error.faults))}, status=422)
    return web.json_response(asdict(done))


async def pause_target(admin: Administration, request: web.Request) -> web.Response:
    """Pause a target, for so many seconds and a reason where the body says so; "changed": it is news."""
    name = _target(admin, request)
    fields = await _fields(request, {})
    seconds, reason = fields.get("seconds"), fields.get("reason")
    if not (seconds is None or type(seconds) in (int, float)) or not isinstance(reason, str | None):
        raise InvalidValue("the pause is not as a command writes it")
    changed = await admin.pauses.pause(name, seconds, reason)
    if changed:
        log.warning("target.paused", target=name, seconds=seconds)
    admin.wake()
    return web.json_response({"changed": changed})


async def resume_target(admin: Administration, request: web.Request) -> web.Response:
    """Resume a target; "changed" is false where it was not paused."""
    name = _target(admin, request)
    if changed := await admin.pauses.resume(name):
        log.warning("target.resumed", target=name)
    admin.wake()
    return web.json_response({"changed": changed})


def _target(admin: Administration, request: web.Request) -> str:
    name = request.match_info["name"]
    if name not in admin.runs.targets:
        raise NotFound("the target is not in the running gateway's configuration")
    return name


async def try_alerts(admin: Administration, request: web.Request) -> web.Response:
    """Send a test over every channel of alerts, and say how each took it."""
    tried = await admin.try_channels()
    await acts.note_test(admin.services.trail, tried, admin.services.new_id())
    return web.json_response({"channels": [asdict(one) for one in tried]})


async def show_entry(admin: Administration, request: web.Request) -> web.Response:
    """Answer what a target shows now of somebody of ours, whom the body names by id: addresses are logged."""
    name, id = request.match_info["name"], (await _fields(request)).get("id")
    if name not in admin.runs.targets:
        raise NotFound("the target is not in the running gateway's configuration")
    if not isinstance(id, str):
        raise InvalidValue("id is missing, or not as a command writes it")
    entry = await shown_now(admin.services, admin.runs.targets[name], ResourceType.USER, id)
    return web.json_response({"entry": entry})


async def note_export(admin: Administration, request: web.Request) -> web.Response:
    """Have an export in the trail before it is made."""
    export = _export(await _fields(request))
    await acts.note_export(admin.services.trail, export, admin.services.new_id())
    return web.Response(status=204)


async def erase_person(admin: Administration, request: web.Request) -> web.Response:
    """Remove the values of whom the body names (addresses are logged), and say what was and was not."""
    name = (await _fields(request)).get("name")
    if not isinstance(name, str) or not name:
        raise InvalidValue("name is missing, or not as a command writes it")
    erased = await acts.erase_person(admin.erasures, name, admin.services.new_id())
    log.info("person.erased", events=len(erased.events), originals=len(erased.originals))
    return web.json_response(asdict(erased))


async def start_run(admin: Administration, request: web.Request) -> web.StreamResponse:
    """Answer with the lines of a run as they become known, one JSON object each.

    Its option is `true` or `false` in the body, where `person` may say whom a resync is of, and `digest` what
    the command has read as the configuration. A command that goes away, or a gateway that stops, ends it
    after the people who are under way.
    """
    name, run = request.match_info["name"], request.match_info["run"]
    if not admin.runs.of(name):
        raise NotFound("the target is not in the running gateway's configuration")
    fields = await _fields(request)
    option, person = fields.get("option"), fields.get("person")
    is_other = fields.get("digest") not in (None, admin.config().digest)
    if not isinstance(option, bool):
        raise InvalidValue("option is missing, or not as a command writes it")
    if not (person is None or (isinstance(person, str) and person and run == "resync")):
        raise InvalidValue("person is not as a command writes it")
    if is_other and run == "resync" and option:  # which the new rules are asked for, as a rule
        raise InvalidValue(f"{OTHER}: `reload` first, then resync")
    lines = await admin.runs.start(run, name, option=option, person=person)
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    with suppress(ConnectionError):  # the command has gone
        if is_other:
            await _write(response, {"warning": f"{OTHER}; `reload` takes it"})
        await _stream(response, lines, admin.is_stopping)
    return response


ROUTES: Final[tuple[tuple[str, str, Act], ...]] = (
    ("POST", "/tokens", issue_token),
    ("DELETE", "/tokens/{id}", revoke_token),
    ("POST", "/operations/{id}/retry", retry_operation),
    ("DELETE", "/operations/{id}", drop_operation),
    ("DELETE", "/targets/{name}/operations", drop_operations),
    ("GET", "/status", show_status),
    ("POST", "/reload", reload_configuration),
    ("POST", "/targets/{name}/entry", show_entry),
    ("POST", "/targets/{name}/release", release_target),
    ("POST", "/targets/{name}/pause", pause_target),
    ("POST", "/targets/{name}/resume", resume_target),
    ("POST", f"/targets/{{name}}/{{run:{'|'.join(RUNS)}}}", start_run),
    ("POST", "/alerts/test", try_alerts),
    ("POST", "/exports", note_export),
    ("POST", "/erasures", erase_person),
)


class Stopping(GatewayError):
    """The gateway ends before the run does."""


async def _stream(response: web.StreamResponse, lines: "Lines", is_stopping: Callable[[], bool]) -> None:
    from gateway.admin.runs import render_line

    try:
        async with aclosing(lines):
            async for line in lines:
                if is_stopping():
                    raise Stopping("the gateway stops")
                await _write(response, render_line(line))
    except GatewayError as error:
        await _write(response, {"error": error.detail})


async def _write(response: web.StreamResponse, line: dict[str, Any]) -> None:
    await response.write(orjson.dumps(line) + b"\n")


async def _fields(request: web.Request, default: dict[str, Any] | None = None) -> dict[str, Any]:
    body = await request.read()
    return default if default is not None and not body else parse_json(body, refuse_duplicates=True)


def _text(fields: dict[str, Any], name: str) -> Any:
    """Return a field of a token."""
    value = fields.get(name)
    if value is None and name == "expires":
        return None
    if not isinstance(value, str) or not re.fullmatch(FIELDS[name], value, re.ASCII):
        raise InvalidValue(f"{name} is missing, or not as a command writes it")
    return value


def _export(fields: dict[str, Any]) -> Export:
    texts = {name: fields.get(name) for name in TEXTS}
    format, last = fields.get("format"), fields.get("last")
    are_texts = all(text is None or isinstance(text, str) for text in texts.values())
    if format not in FORMATS or type(last) is not int or not are_texts:
        raise InvalidValue("the export is not as a command writes it")
    return Export(format=format, last=last, **texts)
