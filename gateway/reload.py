"""Another configuration in the place of the one in force, between two requests.

A request ends with the targets, rules and credentials that it began with. Connectors whose settings did not
change stay as they are; the others are opened before anything is taken, and closed after their last use.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gateway.admin.status import ConfigState, Reloaded
from gateway.audit.event import Event, act_event
from gateway.audit.masking import Masking
from gateway.errors import ConfigError, Fault, JournalUnavailable
from gateway.flow.model import Services, Target
from gateway.flow.target_port import TargetError
from gateway.ids import new_id
from gateway.journal.store import load_key
from gateway.keeping import Keeping
from gateway.log import get_logger
from gateway.server.runner import Presented, tls_context
from gateway.settings import Settings, TargetSettings, load_settings
from gateway.settings.compiled import address_of, maskings_of, on_port
from gateway.settings.model import Stamp
from gateway.settings.secrets import stamp_of
from gateway.targets.gate import Gate
from gateway.targets.registry import CONNECTORS, Shared, open_connector
from gateway.users import acting
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.journal.journal import SqliteJournal

LOOK: Final = 2.0  # seconds between looks at the files of secrets and tables
LONGEST: Final = 2000  # characters of what an event says of faults

ITSELF: Final = {"type": "gateway", "name": "serve", "token": None}  # who acts where nobody asks

FIXED: Final[Mapping[str, Callable[[Settings], object]]] = {  # what only a start takes
    "server.listen": lambda said: (said.server.host, said.server.port),
    "console": lambda said: said.console,
    "server.tls": lambda said: said.server.tls is None,
    "journal.url": lambda said: (said.journal.path, said.journal.database),
    "journal.durability": lambda said: said.journal.durability,
    "journal.audit_key": lambda said: said.journal.key_file,
}

log = get_logger()


@frozen
class InForce:
    """What the configuration in force has made, and what follows it; dicts are changed in place."""

    targets: dict[str, Target]
    connectors: dict[str, Gate]
    targets_of: Callable[[Settings, Mapping[str, Gate]], dict[str, Target]]
    take: Callable[[Settings, Mapping[str, Target]], None]  # has all that faces the outside follow
    doubt: Callable[[str], None]  # how a target is, which is another one now, or none
    keeping: Keeping
    services: Services
    journal: "SqliteJournal"
    shared: Shared


@frozen
class _Prepared:
    """A configuration whose parts are ready to be taken."""

    settings: Settings
    restart: tuple[str, ...]
    connectors: Mapping[str, Gate]
    targets: Mapping[str, Target]
    maskings: Mapping[str, Masking]
    tls: ssl.SSLContext | None


class Reloading:
    """Knows the configuration in force, and takes another one in its place."""

    def __init__(self, settings: Settings, in_force: InForce, *, any_port: bool) -> None:
        """`any_port`: port 0 was asked for, and `settings` have the one that was got."""
        self.settings = settings
        self._certificate: Presented | None = None  # that the server shows
        self._in_force = in_force
        self._any_port = any_port
        self._since = in_force.services.now()
        self._restart: tuple[str, ...] = ()
        self._alone = asyncio.Lock()

    def state(self) -> ConfigState:
        """Say which configuration is in force."""
        return ConfigState(self.settings.digest, self._since, self._restart)

    def open_tls(self) -> ssl.SSLContext | None:
        """Return what the server is to listen with, whose certificate follows; raises OSError."""
        if (tls := self.settings.server.tls) is None:
            return None
        self._certificate = Presented(tls_context(tls.cert, tls.key))
        return self._certificate.context

    async def reload(self, content: bytes | None = None, why: str | None = None) -> Reloaded:
        """Take the file as it is now, or as `content` has it; `why` is for the trail.

        Raises ConfigError, and JournalUnavailable: then everything is as before.
        """
        async with self._alone:
            try:
                prepared, done = await self._prepared(content, why)
            except ConfigError as error:
                await self._tell_refused(error, why)
                raise
            self._put_in_force(prepared)
            with suppress(JournalUnavailable):  # else what was put off is looked at in its time
                await self._in_force.journal.mirrors.renew()
            log.info("config.reloaded", digest=done.digest, was=done.was, reason=why)
            for told in (*done.warnings, *(f"{key}: needs a restart" for key in done.restart)):
                log.warning("config.doubted", reason=told)
            return done

    async def heed(self, content: bytes | None, why: str) -> None:
        """Reload where nobody waits for what comes of it; the log and the trail have that."""
        try:
            await self.reload(content, why)
        except ConfigError:
            return  # told already
        except Exception as error:  # noqa: BLE001 - whatever it was, the gateway goes on as it was
            log.warning("config.failed", reason=why, error=type(error).__name__)

    async def heed_signals(self, hangup: asyncio.Event) -> NoReturn:
        """Reload at each signal, until cancelled."""
        while True:
            await hangup.wait()
            hangup.clear()
            await self.heed(None, "SIGHUP")

    async def watch(self) -> NoReturn:
        """Read secrets and tables again when their files have changed and stand still, until cancelled.

        The configuration's own file is not read: who is about to change that has not asked for it yet.
        """
        before, tried = self._stamps, None
        while True:
            await asyncio.sleep(LOOK)
            found = await asyncio.to_thread(_stamps, tuple(self._stamps))
            if found == self._stamps:
                tried = None
            elif found == before and found != tried:  # told once, where it cannot be used
                tried = found
                await self._reread(found)
            before = found

    @property
    def _stamps(self) -> Mapping[Path, Stamp | None]:
        source = self.settings.source
        return {} if source is None else dict(source.files)

    async def _reread(self, found: Mapping[Path, Stamp | None]) -> None:
        source, known = self.settings.source, self._stamps
        changed = [str(file) for file, stamp in found.items() if stamp != known.get(file)]
        gone = [str(file) for file, stamp in found.items() if stamp is None]
        if gone:  # on its way to another name, perhaps; a token that is gone is not made anew
            log.warning("config.doubted", reason=f"gone, so what it had is kept: {', '.join(gone)}")
        elif source is not None:
            await self.heed(source.content, f"changed: {', '.join(changed)}")

    async def _prepared(self, content: bytes | None, why: str | None) -> tuple[_Prepared, Reloaded]:
        """Make everything ready, and have the trail say so; raises ConfigError and JournalUnavailable."""
        read = await asyncio.to_thread(self._read, content)
        settings, restart = as_running(self.settings, read)
        faults = [
            *_faults_of_nothing(self.settings, settings),
            *_faults_of_routes(self.settings, settings),
            *await self._faults_of_removed(settings),
        ]
        if faults:
            raise ConfigError(faults)
        with ExitStack() as used:  # what is about to be closed is not, until it is taken again
            async with AsyncExitStack() as opened:
                connectors = await self._opened(settings, opened, used)
                made = await asyncio.to_thread(self._made, settings, connectors)
                prepared = _Prepared(settings, restart, connectors, *made)
                done = self._difference(prepared)
                config = {"digest": done.digest, "before": done.was, "restart": list(restart)}
                event = _asked_event("config.reloaded", why, config=config | _presets(settings))
                await self._in_force.services.trail.append([event])
                opened.pop_all()
        return prepared, done

    def _read(self, content: bytes | None) -> Settings:
        source = self.settings.source
        if source is None or (content is None and source.path.exists() and not source.path.is_file()):
            raise ConfigError([Fault("config", "is no regular file, so it cannot be read again")])
        read = load_settings(source.path, CONNECTORS, make_tokens=content is None, content=content)
        if self._any_port and read.server.port == 0:
            return on_port(read, self.settings.server.port)
        return read

    async def _faults_of_removed(self, settings: Settings) -> list[Fault]:
        """Return why targets cannot go: nobody would settle what is open there."""
        found = []
        for name in self.settings.targets.keys() - settings.targets.keys():
            if count := len(await self._in_force.services.operations.open(name, ())):
                reason = (
                    f"cannot be removed while {count} of its operations are open: see `operations list`; "
                    "wait for them, or give them up with `operations drop`"
                )
                found.append(Fault(f"targets.{name}", reason))
        return found

    async def _opened(
        self, settings: Settings, opened: AsyncExitStack, used: ExitStack
    ) -> Mapping[str, Gate]:
        """Return all connectors, those that are new open; raises ConfigError."""
        in_force, connectors, faults = self._in_force, dict[str, Gate](), list[Fault]()
        for name, target in settings.targets.items():
            if _is_reached_as(self.settings.targets.get(name), target):
                connectors[name] = in_force.connectors[name]
                continue
            if (former := self._with_the_same_file(target)) is not None:
                used.enter_context(former.used())
            try:
                gate = await open_connector(target.connector, address_of(target), in_force.shared, former)
            except TargetError as error:
                faults.append(Fault(f"targets.{name}", f"cannot be opened: {error.reason}"))
                continue
            if former is None:
                opened.push_async_callback(gate.close)
            connectors[name] = gate
        if faults:
            raise ConfigError(faults)
        return connectors

    def _with_the_same_file(self, target: TargetSettings) -> Gate | None:
        """Return the connector that has a target's file open: a file is written by one."""
        if not CONNECTORS[target.connector].owns_file:
            return None
        for name, own in self.settings.targets.items():
            if own.url == target.url:
                return self._in_force.connectors[name]
        return self._in_force.keeping.retired(target.url)

    def _made(self, settings: Settings, connectors: Mapping[str, Gate]) -> tuple[Any, ...]:
        """Return targets, maskings and what serves TLS; raises ConfigError."""
        try:
            maskings = maskings_of(settings, lambda: load_key(settings.journal.key_file))
            tls = settings.server.tls
            context = None if tls is None else tls_context(tls.cert, tls.key)
        except JournalUnavailable as error:
            raise ConfigError([Fault("journal.audit_key", str(error))]) from error
        except OSError as error:
            reason = "certificate and key cannot be read, or not be used together"
            raise ConfigError([Fault("server.tls", reason)]) from error
        return self._in_force.targets_of(settings, connectors), maskings, context

    def _difference(self, prepared: _Prepared) -> Reloaded:
        settings, connectors = prepared.settings, self._in_force.connectors
        before, after = connectors.keys(), prepared.connectors
        return Reloaded(
            digest=settings.digest,
            was=self.settings.digest,
            added=tuple(name for name in after if name not in before),
            removed=tuple(name for name in before if name not in after),
            reconnected=tuple(
                name for name, gate in after.items() if name in before and gate is not connectors[name]
            ),
            restart=prepared.restart,
            made_tokens=tuple(map(str, settings.made_tokens)),
            warnings=settings.warnings,
        )

    def _put_in_force(self, prepared: _Prepared) -> None:
        """Take it, in one step: nobody else runs meanwhile."""
        house, settings = self._in_force, prepared.settings
        former, left = dict(house.connectors), dict(house.targets)
        _exchange(house.connectors, prepared.connectors)
        _exchange(house.targets, prepared.targets)
        house.take(settings, house.targets)
        house.journal.mask(prepared.maskings)
        if self._certificate is not None and prepared.tls is not None:
            self._certificate.show(prepared.tls)
        for name, gate in former.items():
            if name not in house.targets:
                house.keeping.leave(left[name])
            if house.connectors.get(name) is not gate:
                house.doubt(name)
                house.services.entry_cache.forget_all(name)
                house.keeping.retire(gate, self.settings.targets[name].url)
        house.keeping.follow()
        self.settings, self._since, self._restart = settings, house.services.now(), prepared.restart

    async def _tell_refused(self, error: ConfigError, why: str | None) -> None:
        faults = list(map(str, error.faults))
        log.error("config.refused", reason=why, faults=faults)
        said = f"{why}: {'; '.join(faults)}" if why else "; ".join(faults)
        event = _asked_event("config.refused", said[:LONGEST])
        event.fields["outcome"]["result"] = "rejected"
        with suppress(JournalUnavailable):  # the log has it
            await self._in_force.services.trail.append([event])


def as_running(before: Settings, said: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return what can be taken of what a file says, and the keys that need a restart. Pure."""
    restart = tuple(key for key, of in FIXED.items() if of(before) != of(said))
    server = replace(said.server, host=before.server.host, port=before.server.port)
    if "server.tls" in restart:
        server = replace(server, tls=before.server.tls)
    if {"server.listen", "server.tls"} & set(restart):  # unless it is written down, it comes from these
        server = replace(server, public_url=before.server.public_url)
    journal = replace(before.journal, retention=said.journal.retention)
    return replace(said, server=server, journal=journal, console=before.console), restart


def _faults_of_nothing(before: Settings, said: Settings) -> Iterator[Fault]:
    """Yield what is gone altogether: so reads a file that somebody is about to write."""
    for what, was, now in (
        ("providers", before.providers, said.providers),
        ("targets", before.targets, said.targets),
    ):
        if was and not now:
            reason = "there is none any more: is the file whole? The last one goes with a restart only"
            yield Fault(what, reason)


def _faults_of_routes(before: Settings, said: Settings) -> Iterator[Fault]:
    """Yield why routes cannot change: whose ids are whose is put right at a start only."""
    now, then = _following(said), _following(before)
    for name in sorted(now.keys() ^ then.keys() | {name for name in now if now[name] != then.get(name)}):
        reason = f"whom {name} follows, or who follows it, changes with a restart only"
        yield Fault("routes", reason)


def _following(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    return {lead: behind for lead, behind in settings.followers.items() if behind}


def _is_reached_as(before: TargetSettings | None, target: TargetSettings) -> bool:
    """Say whether a target's connector can stay as it is."""
    if before is None or before.connector != target.connector:
        return False
    return address_of(before) == address_of(target)


def _exchange(table: dict[str, Any], other: Mapping[str, Any]) -> None:
    table.clear()
    table.update(other)


def _stamps(files: tuple[Path, ...]) -> Mapping[Path, Stamp | None]:
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> Stamp | None:
    try:
        return stamp_of(file.stat())
    except OSError:
        return None


def loaded_event(settings: Settings) -> Event:
    """Return the event of a start with this configuration."""
    return own_event("config.loaded", None, config={"digest": settings.digest} | _presets(settings))


def _presets(settings: Settings) -> dict[str, Any]:
    targets = settings.targets.items()
    return {"presets": {name: str(target.preset) for name, target in targets if target.preset}}


def own_event(name: str, reason: str | None, **more: Any) -> Event:
    """Return the event of what the gateway does by itself."""
    event = act_event(new_id(), name, reason=reason, **more)
    return replace(event, fields={**event.fields, "actor": ITSELF})


def _asked_event(name: str, reason: str | None, **more: Any) -> Event:
    """Return the event of what an administrator asks for, or the gateway does by itself."""
    if acting.get():
        return act_event(new_id(), name, reason=reason, **more)
    return own_event(name, reason, **more)
