"""Refused requests in the audit trail; repeated ones are counted, and written once in a while."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Final

from gateway.errors import GatewayError, Unauthorized
from gateway.flow.change_event import NOTHING, Attempted, refused_event
from gateway.flow.model import Caller, Services, Target
from gateway.flow.services import Alert
from gateway.log import correlation_id
from gateway.server.request import network_of
from gateway.values import frozen

MOST: Final = 1000  # kinds told apart at a time; the others share one place of their crowd


@frozen
class Told:
    """When something was told, and how often the same happened since."""

    at: float  # monotonic seconds
    since: int = 0


class RateLimited:
    """Knows what was told of late: once in `pause` seconds is enough."""

    def __init__(self, monotonic: Callable[[], float], pause: float, most: int = MOST) -> None:
        self._monotonic = monotonic
        self._pause = pause
        self._most = most
        self._told: dict[Hashable, Told] = {}  # in the order of `at`

    def admit(self, kind: Hashable, crowd: Hashable) -> int | None:
        """Return how often this happened since it was last told; None where it is not to be told now.

        Where too many kinds are known already, it counts as one of its crowd.
        """
        now = self._monotonic()
        self._forget(now)
        key = kind if kind in self._told or len(self._told) < self._most else crowd
        told = self._told.get(key)
        if told is not None and now < told.at + self._pause:
            self._told[key] = replace(told, since=told.since + 1)
            return None
        self._told.pop(key, None)
        self._told[key] = Told(now)
        return told.since if told else 0

    def _forget(self, now: float) -> None:
        """Make room where all places are taken, by the oldest whose pause is over."""
        while len(self._told) >= self._most:
            key, oldest = next(iter(self._told.items()))
            if now < oldest.at + self._pause:
                return
            del self._told[key]


PAUSE: Final = 60.0  # seconds between two events of the same refusal
FREE: Final = 100  # refusals of somebody known that have an event each, in as long


KNOCKS: Final = 20  # requests without a live token, from one address,
WITHIN: Final = 300.0  # in so many seconds, of which an administrator hears


class Knocks:
    """Counts requests without a live token by the address that they come from; an IPv6 network is one."""

    def __init__(self, monotonic: Callable[[], float], most: int = MOST) -> None:
        self._monotonic = monotonic
        self._most = most
        self._known: dict[str, tuple[float, int]] = {}  # since when, and how many; the oldest first

    def are_many(self, ip: str) -> bool:
        """Count one; say whether there were too many of late."""
        address = network_of(ip)
        now = self._monotonic()
        since, count = self._known.get(address, (now, 0))
        if now - since >= WITHIN:
            self._known.pop(address, None)
            since, count = now, 0
        if address not in self._known and len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[address] = since, count + 1
        return count + 1 >= KNOCKS


class Refusals:
    """Writes events of refusals: to strangers, of one reason and client, one a minute.

    Whoever is known has one for each, up to a hundred a minute, and then one a minute for each kind: a
    provider gone mad does not fill the trail.
    """

    def __init__(self, services: Services, most: int = MOST) -> None:
        self._services = services
        self._limited = RateLimited(services.monotonic, PAUSE, most)
        self._knocks = Knocks(services.monotonic, most)
        self._of_known = RateLimited(services.monotonic, PAUSE, most)
        self._free: dict[str, tuple[float, int]] = {}  # of each caller: since when, and how many

    async def remember(
        self, caller: Caller, target: Target | None, error: GatewayError, attempted: Attempted = NOTHING
    ) -> None:
        """Append the event of a refusal, with how often the same went without one since the last."""
        reason = error.detail
        if isinstance(error, Unauthorized):
            caller = self._told(caller, error)
        if caller.kind == "unknown":
            repeated = self._limited.admit((reason, caller.ip), (reason, ""))
        elif self._is_free(caller.provider):
            repeated = 0
        else:
            asked = (target.name if target else "", attempted.type, attempted.operation)
            repeated = self._of_known.admit((caller.provider, *asked, type(error)), caller.provider)
        if repeated is None:
            return
        event = refused_event(self._services.new_id(), caller, target, correlation_id.get(), error, attempted)
        if repeated:
            event = replace(event, fields={**event.fields, "repeated": repeated})
        await self._services.trail.append([event])

    def _told(self, caller: Caller, error: Unauthorized) -> Caller:
        """Tell administrators what they must hear of; return who asked, by a token that was somebody's."""
        alarm, address = self._services.alarm, network_of(caller.ip)
        if self._knocks.are_many(caller.ip):
            said = (
                f"{KNOCKS} requests or more from {address} within {WITHIN / 60:.0f} minutes had no live token"
            )
            alarm(Alert("auth.failing", None, said, in_trail=False, about=address))
        if (over := error.over) is None:
            return caller
        said = f"token {over.token} of {over.provider}, which ended at {over.ended[:19]}Z, was shown"
        alarm(Alert("token.over", None, f"{said} by {caller.ip}", in_trail=False, about=over.token))
        return replace(caller, provider=over.provider, token=over.token, kind="provider")

    def _is_free(self, provider: str) -> bool:
        now = self._services.monotonic()
        since, count = self._free.get(provider, (now, 0))
        if now >= since + PAUSE:
            since, count = now, 0
        self._free[provider] = since, count + 1
        return count < FREE
