"""Carries calls to a target with a token that it fetches, keeps in memory, and replaces in time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

import aiohttp
import structlog

from gateway.flow.target_port import Denied, Nonsense, Silent, TargetError, Unreachable
from gateway.targets.address import Bearer, OAuth2
from gateway.targets.call import Call, Reply
from gateway.targets.http import Carrier
from gateway.targets.oauth import Client, read_token, token_call

MAX_BYTES: Final = 64 * 1024  # of a token endpoint's answer
NOTHING_SENT: Final = {Silent: Unreachable, Nonsense: Denied}  # the target itself was not asked

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Held:
    """A token in use."""

    carrier: Carrier  # signs with it
    until: float  # monotonic seconds


class OAuthCarrier:
    """Reaches one HTTP target with tokens of its token endpoint."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,  # of the target
        oauth2: OAuth2,
        timeout: float = 10.0,  # seconds, for a token as for a call
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._key = f"targets.{name}.auth.oauth2"
        self._oauth2 = oauth2
        self._timeout = timeout
        self._clock = clock
        self._client = Client(oauth2.client_id, oauth2.client_secret)
        self._endpoint = Carrier(session, self._client, timeout, MAX_BYTES, "the token endpoint")
        self._held: Held | None = None
        self._fetching: asyncio.Task[Held] | None = None

    async def carry(self, call: Call) -> Reply:
        """Send the call; where a token that was held is refused, once more with a new one.

        401 means that the target did nothing. Raises as `Carrier.carry`, and what `read_token` raises.
        """
        held = self._current()
        reply = await (held or await self._new()).carrier.carry(call)
        if held is None or reply.status != 401:
            return reply
        return await (await self._instead_of(held)).carrier.carry(call)

    def _current(self) -> Held | None:
        return self._held if self._held and self._clock() < self._held.until else None

    async def _instead_of(self, refused: Held) -> Held:
        if self._held is refused:
            self._held = None
        return self._current() or await self._new()

    async def _new(self) -> Held:
        """Return a new token: one fetch for all who wait, which goes on when one of them gives up."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> Held:
        try:
            reply = await self._endpoint.carry(token_call(self._oauth2))
            token = read_token(reply, time.time(), self._client.hide)
        except TargetError as error:
            self._explain(error)
        else:
            signing = Carrier(self._session, Bearer(token.value, self._oauth2.scheme), self._timeout)
            self._held = Held(signing, self._clock() + token.seconds)
            return self._held
        finally:
            self._fetching = None

    def _explain(self, error: TargetError) -> NoReturn:
        """Raise what the failure means for the target's call: nothing of it was sent."""
        kind = NOTHING_SENT.get(type(error), type(error))
        reason = f"no token for {self._key}: {error.reason}"
        log.warning("token.not_fetched", key=self._key, status=error.status, reason=error.reason)
        raise kind(reason, error.status, error.retry_after) from error
