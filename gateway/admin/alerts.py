"""Alerts: logged and counted at once, written and sent later; and what raises them of a target's calls."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from gateway.admin.status import Key, Seen, Standing, Tried
from gateway.audit.event import Event
from gateway.audit.masking import blotted
from gateway.errors import JournalUnavailable
from gateway.flow.model import Services
from gateway.flow.services import AGAIN, ALERTS, Alert, between, log_alert, plus
from gateway.flow.target_port import CannotFilter, Conflict, Denied, Missing, Refused, TargetError
from gateway.log import correlation_id, get_logger
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.admin.sick import Illnesses

PAUSES: Final = (1.0, 5.0, 25.0)  # seconds between the tries to send a message
MOST: Final = 100  # alerts that wait to be told
HOUR: Final = 3600.0
DAY: Final = 86_400.0
REMINDED: Final[Mapping[str, float]] = {  # what lasts -> seconds until it is told once more
    "token.expiring": DAY,
    "token.over": DAY,
    "auth.failing": HOUR,
    "changes.refused": HOUR,
    "trail.broken": DAY,
    "disk.low": HOUR,
}
ENDS: Final = {"target.well": "target.sick"}  # what says by a name of its own that something is over
OVER: Final = "It is over: there is nothing to do."
TEST: Final = "test"
TRIED: Final = "This is a test that an administrator asked for: there is nothing to do."

log = get_logger()

Message = Mapping[str, Any]  # what is sent, docs/operations.md


class Undelivered(Exception):
    """The message was not taken; the text says why, without address and secrets."""


class Messenger(Protocol):
    """Takes messages to administrators."""

    async def send(self, message: Message) -> None:
        """Try once; raises `Undelivered`."""


def title_of(message: Message) -> str:
    """Return what a message is about, as one line."""
    where = f" at {message['target']}" if message["target"] else ""
    return f"{'over: ' if message['resolved'] else ''}{message['alert']}{where}"


def text_of(message: Message) -> str:
    """Return a message for people to read."""
    return f"{title_of(message)}\n\n{message['reason']}\n\n{message['advice']}\n\n{message['at']}\n"


class AlertsKept(Protocol):
    """Where what was told outlives the process."""

    async def read(self) -> tuple[Standing, ...]:
        """Return all that is not over."""

    async def note(self, standing: Standing) -> None:
        """Keep it, in place of what was kept of the same."""

    async def forget(self, key: Key) -> None:
        """Know that it is over."""

    async def take(self, standing: Standing, since: str, *, is_over: bool) -> bool:
        """Take it on to tell it; False where another gateway did after `since`, or ended it."""


@frozen
class _Told:
    """An alert with its moment."""

    alert: Alert
    at: str  # RFC 3339, UTC
    correlation_id: str | None

    def message(self) -> dict[str, Any]:
        alert = self.alert
        is_over = alert.is_good and alert.name not in ENDS
        return {
            "alert": alert.name,
            "target": alert.target,
            "at": self.at,
            "reason": alert.reason,
            "advice": OVER if is_over else ALERTS[alert.name],
            "resolved": alert.is_good,
            "correlation_id": self.correlation_id,
        }


class Alarms:
    """Tells administrators; a call only notes the alert, `run` does what takes time.

    The same is told once, once more after a while as long as it lasts, and once when it is over.
    """

    def __init__(
        self, services: Services, channels: Mapping[str, Messenger], kept: AlertsKept | None = None
    ) -> None:
        self._services = services
        self.channels = channels  # by name, of the configuration in force
        self._kept = kept
        self._waiting: asyncio.Queue[_Told] = asyncio.Queue(MOST)
        self._told: dict[Key, float] = {}  # when, monotonic
        self._raised: dict[Key, float] = {}  # when it was so last, told or not
        self.active: dict[Key, Standing] = {}
        self._shared: frozenset[Key] = frozenset()  # of these, what the journal had when it was read last

    def __call__(self, alert: Alert) -> None:
        """Log and count the alert; have it told elsewhere where it is news."""
        key, now = _key(alert), self._services.monotonic()
        if alert.is_good and not alert.is_rare and key not in self.active:
            return  # nobody was told that it is not well
        log_alert(alert)
        if not alert.is_good or alert.is_rare:
            self._services.meter.alerted(alert.name, alert.target or "")
        self._raised[key] = now
        if not self.is_news(alert):
            return
        at = self._services.now()
        try:
            self._waiting.put_nowait(_Told(alert, at, correlation_id.get() or None))
        except asyncio.QueueFull:
            log.warning("alert.dropped", alert=alert.name, target=alert.target)
            return
        if alert.is_good:
            self._forget(key)
        else:
            since = self.active[key].since if key in self.active else at
            self.active[key] = Standing(*key, since, at, alert.reason)
            self._told[key] = now

    async def load(self) -> None:
        """Know what an earlier process has told; raises `JournalUnavailable`."""
        for key, standing in (await self._read()).items():
            self.active[key] = standing
            self._raised[key] = self._told[key]

    async def follow(self) -> None:
        """Know what other gateways have told meanwhile: who raised something says when it is over."""
        known = self._shared
        for key in known - (await self._read()).keys():
            self._forget(key)

    async def _read(self) -> Mapping[Key, Standing]:
        """Read what was told, and when."""
        now, wall = self._services.monotonic(), self._services.now()
        kept = {one.key: one for one in await self._kept.read()} if self._kept is not None else {}
        self._told |= {key: now - between(standing.told, wall) for key, standing in kept.items()}
        self._shared = frozenset(kept)
        return kept

    async def run(self) -> NoReturn:
        """Tell what waits, one after another, until cancelled."""
        while True:
            await self._tell(await self._waiting.get())

    async def test(self) -> tuple[Tried, ...]:
        """Try every channel once, and say how each took it."""
        told = {"alert": TEST, "target": None, "at": self._services.now(), "reason": "Can you read this?"}
        message = {**told, "advice": TRIED, "resolved": False, "correlation_id": None}
        return tuple([Tried(name, await _tried(channel, message)) for name, channel in self.channels.items()])

    def is_news(self, alert: Alert) -> bool:
        """Say whether it would be told, were it raised now."""
        key = _key(alert)
        if alert.is_rare or alert.is_good or key not in self._told:
            return True
        return self._services.monotonic() - self._told[key] >= REMINDED.get(alert.name, AGAIN)

    def quiet(self, key: Key) -> float:
        """Return for how many seconds this was not raised."""
        return self._services.monotonic() - self._raised.get(key, float("-inf"))

    def _forget(self, key: Key) -> None:
        for known in (self.active, self._told, self._raised):
            known.pop(key, None)

    async def _tell(self, told: _Told) -> None:
        if not await self._taken(told):
            return
        if not told.alert.in_trail:
            with suppress(JournalUnavailable):
                await self._services.trail.append([_event(self._services.new_id(), told)])
        is_heard = await self._sent(told)
        key = _key(told.alert)
        if not is_heard and not told.alert.is_good:
            self._told.pop(key, None)  # nobody heard: it is news again
        if self._kept is None:
            return
        with suppress(JournalUnavailable):
            if told.alert.is_good:
                await self._kept.forget(key)
            elif is_heard and (standing := self.active.get(key)) is not None:
                await self._kept.note(standing)
            elif key not in self._shared:  # another gateway may be heard
                await self._kept.forget(key)

    async def _taken(self, told: _Told) -> bool:
        """Say whether it falls to this gateway to tell it."""
        if self._kept is None:
            return True
        alert, key = told.alert, _key(told.alert)
        standing = self.active.get(key) or Standing(*key, told.at, told.at, alert.reason)
        since = plus(told.at, -REMINDED.get(alert.name, AGAIN) / 2)
        try:
            return await self._kept.take(standing, since, is_over=alert.is_good)
        except JournalUnavailable:  # better told twice
            return True

    async def _sent(self, told: _Told) -> bool:
        """Send it over all channels side by side; say whether one of them took it, if there is any."""
        sent = [self._send(name, channel, told) for name, channel in self.channels.items()]
        return any(await asyncio.gather(*sent)) or not sent

    async def _send(self, name: str, messenger: Messenger, told: _Told) -> bool:
        for pause in (*PAUSES, None):
            reason = await _tried(messenger, told.message())
            if reason is None:
                return True
            if pause is not None:
                await self._services.sleep(pause)
        log.error(f"{name}.failed", alert=told.alert.name, target=told.alert.target, reason=reason)
        return False


def _key(alert: Alert) -> Key:
    return ENDS.get(alert.name, alert.name), alert.target or "", alert.about


async def _tried(messenger: Messenger, message: Message) -> str | None:
    """Send it once; return why it was not taken, None where it was."""
    try:
        await messenger.send(message)
    except Undelivered as error:
        return str(error)
    return None


def _event(id: str, told: _Told) -> Event:
    return Event(
        id,
        {
            "event": told.alert.name,
            "outcome": {
                "result": "applied" if told.alert.is_good else "failed",
                "status": None,
                "reason": told.alert.reason,
            },
            "actor": {"type": "gateway", "name": "alert", "token": None},
            "client": {"ip": None, "user_agent": None},
            "target": {"name": told.alert.target, "type": None, "id": None, "user_name": None},
            "correlation_id": told.correlation_id,
        },
    )


ANSWERS: Final = (Refused, Conflict, Missing, CannotFilter)  # said by a target that is well
OK: Final = "ok"


class CallObserver(Protocol):
    """Sees every call to a target."""

    def admit(self, target: str) -> None:
        """Let a call that alters something go out; raises `Paused`."""

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Take note of a call that has ended."""

    def opened(self, target: str, reason: str) -> None:
        """Take note that a target is sick: no call goes out from now on; `reason` is no text of its own."""

    def closed(self, target: str) -> None:
        """Take note that a target is well again."""


class TargetMonitor:
    """Counts calls, remembers the newest of each target, and raises the alarm where one is denied."""

    def __init__(self, services: Services, illnesses: "Illnesses") -> None:
        self._services = services
        self.illnesses = illnesses
        self._answered: dict[str, str] = {}  # target -> when, RFC 3339, UTC
        self._failed: dict[str, tuple[str, str]] = {}  # target -> when, and how
        self._denied: set[str] = set()  # targets that refused our credentials the last time

    def remember(self, told: Iterable[Standing]) -> None:
        """Know what an earlier process has told of targets: the first answer of each ends it."""
        for standing in told:
            if standing.name == "target.denied":
                self._denied.add(standing.target)
            elif standing.name == "target.sick":
                self.illnesses.remember(standing.target, standing.since, standing.reason)

    def admit(self, target: str) -> None:
        """Let a call that alters something go out; raises `Paused`."""
        self._services.refuse_paused(target)

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Take note of a call that has ended."""
        kind = OK if error is None else type(error).__name__.lower()
        self._services.meter.called(target, kind, seconds)
        if error is None or isinstance(error, ANSWERS):
            self._answered[target] = self._services.now()
            if target in self._denied:
                self._denied.discard(target)
                reason = f"the target accepts targets.{target}.auth again"
                self._services.alarm(Alert("target.denied", target, reason, in_trail=False, is_good=True))
            if target in self.illnesses.unproven:
                self.illnesses.closed(target)
            return
        self._failed[target] = (self._services.now(), kind)
        log.warning("target.failed", target=target, fault=kind, status=error.status)
        if isinstance(error, Denied):
            self._denied.add(target)
            reason = f"the target does not accept targets.{target}.auth (status {error.status})"
            if error.status is None:  # it was not asked: these are our own words
                reason = blotted(error.reason, ())  # a directory may name somebody
            self._services.alarm(Alert("target.denied", target, reason, in_trail=False))

    def opened(self, target: str, reason: str) -> None:
        """Take note that a target is sick; `reason` is the kind of its last failure."""
        log.warning("breaker.opened", target=target, fault=reason)
        self.illnesses.opened(target, reason)

    def closed(self, target: str) -> None:
        """Take note that a target is well again."""
        log.info("breaker.closed", target=target)
        self.illnesses.closed(target)

    def seen(self, target: str) -> Seen:
        """Return how the target was when it was called last."""
        return Seen(self._answered.get(target), *self._failed.get(target, ()))
