"""Alerts: logged and counted at once, written and sent later; and what raises them of a target's calls."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from gateway.admin.status import Seen
from gateway.audit.event import Event
from gateway.audit.masking import blotted
from gateway.errors import JournalUnavailable
from gateway.flow.model import Services
from gateway.flow.services import AGAIN, ALERTS, Alert, log_alert
from gateway.flow.target_port import CannotFilter, Conflict, Denied, Missing, Refused, TargetError
from gateway.log import correlation_id, get_logger
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.admin.sick import Illnesses

PAUSES: Final = (1.0, 5.0, 25.0)  # seconds between the tries to send a message
MOST: Final = 100  # alerts that wait to be told

log = get_logger()


class Undelivered(Exception):
    """The message was not taken; the text says why, without the address."""


class Messenger(Protocol):
    """Takes messages to administrators."""

    async def send(self, message: Mapping[str, Any]) -> None:
        """Try once; raises `Undelivered`."""


@frozen
class _Told:
    """An alert with its moment."""

    alert: Alert
    at: str  # RFC 3339, UTC
    correlation_id: str | None

    def message(self) -> dict[str, Any]:
        alert = self.alert
        return {
            "alert": alert.name,
            "target": alert.target,
            "at": self.at,
            "reason": alert.reason,
            "advice": ALERTS[alert.name],
            "correlation_id": self.correlation_id,
        }


class Alarms:
    """Tells administrators; a call only notes the alert, `run` does what takes time."""

    def __init__(self, services: Services, messenger: Messenger | None) -> None:
        self._services = services
        self._messenger = messenger
        self._waiting: asyncio.Queue[_Told] = asyncio.Queue(MOST)
        self._told: dict[tuple[str, str | None], float] = {}  # alert and target -> when, monotonic

    def __call__(self, alert: Alert) -> None:
        """Log and count the alert; have it told elsewhere where it is news."""
        log_alert(alert)
        self._services.meter.alerted(alert.name, alert.target or "")
        if not self._is_news(alert):
            return
        try:
            self._waiting.put_nowait(_Told(alert, self._services.now(), correlation_id.get() or None))
        except asyncio.QueueFull:
            log.warning("alert.dropped", alert=alert.name, target=alert.target)

    async def run(self) -> NoReturn:
        """Tell what waits, one after another, until cancelled."""
        while True:
            await self._tell(await self._waiting.get())

    def _is_news(self, alert: Alert) -> bool:
        now, what = self._services.monotonic(), (alert.name, alert.target)
        if not alert.is_rare and what in self._told and now - self._told[what] < AGAIN:
            return False
        self._told[what] = now
        return True

    async def _tell(self, told: _Told) -> None:
        if not told.alert.in_trail:
            with suppress(JournalUnavailable):
                await self._services.trail.append([_event(self._services.new_id(), told)])
        if self._messenger is not None and not await self._send(self._messenger, told):
            self._told.pop((told.alert.name, told.alert.target), None)  # nobody heard: it is news again

    async def _send(self, messenger: Messenger, told: _Told) -> bool:
        for pause in (*PAUSES, None):
            try:
                await messenger.send(told.message())
            except Undelivered as error:
                reason = str(error)
            else:
                return True
            if pause is not None:
                await self._services.sleep(pause)
        log.error("webhook.failed", alert=told.alert.name, target=told.alert.target, reason=reason)
        return False


def _event(id: str, told: _Told) -> Event:
    return Event(
        id,
        {
            "event": told.alert.name,
            "outcome": {"result": "failed", "status": None, "reason": told.alert.reason},
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

    def admit(self, target: str) -> None:
        """Let a call that alters something go out; raises `Paused`."""
        self._services.refuse_paused(target)

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Take note of a call that has ended."""
        kind = OK if error is None else type(error).__name__.lower()
        self._services.meter.called(target, kind, seconds)
        if error is None or isinstance(error, ANSWERS):
            self._answered[target] = self._services.now()
            return
        self._failed[target] = (self._services.now(), kind)
        log.warning("target.failed", target=target, fault=kind, status=error.status)
        if isinstance(error, Denied):
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
