"""The gateways that share a journal: each says how it is, and hears what the others were told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn, Protocol

from gateway.errors import JournalUnavailable
from gateway.log import get_logger
from gateway.values import frozen

EVERY: Final = 2.0  # seconds between two meetings

Listen = Callable[[], Awaitable[None]]

log = get_logger()


@frozen
class Replica:
    """A gateway as it said it was; times are RFC 3339, UTC."""

    name: str  # its machine and its port
    since: str
    version: str
    config: str  # digest
    breakers: Mapping[str, str]  # target -> its breaker's state, of those to which not all calls go out
    seen: str = ""  # by the database's clock


class ReplicasKept(Protocol):
    """Where the gateways of a journal meet."""

    async def meet(self, own: Replica) -> tuple[Replica, ...]:
        """Say how this one is; return all who have said so lately, itself too."""

    async def leave(self, name: str) -> None:
        """Be no longer among them."""


class Meeting:
    """Meets the others again and again; alone where the journal is nobody else's."""

    def __init__(self, kept: ReplicasKept | None) -> None:
        self._kept = kept
        self._own: Callable[[], Replica] | None = None
        self._listens: Sequence[Listen] = ()
        self._differing: frozenset[str] = frozenset()
        self.present: tuple[Replica, ...] = ()

    def introduce(self, own: Callable[[], Replica], *listens: Listen) -> None:
        """Say from now on how this one is; `listens` read again what others may have been told."""
        self._own, self._listens = own, listens

    async def meet(self) -> None:
        """Meet them once; raises `JournalUnavailable`."""
        if self._kept is None or self._own is None:
            return
        own = self._own()
        self.present = await self._kept.meet(own)
        for listen in self._listens:
            await listen()
        differing = frozenset(one.name for one in self.present if one.config != own.config)
        if differing - self._differing:
            log.warning("replicas.differ", replicas=sorted(differing), config=own.config[:12])
        self._differing = differing

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> NoReturn:
        """Meet them until cancelled; then be gone."""
        try:
            while True:
                with suppress(JournalUnavailable):  # then nothing is sent either
                    await self.meet()
                await sleep(EVERY)
        finally:
            if self._kept is not None and self._own is not None:
                with suppress(JournalUnavailable):
                    await self._kept.leave(self._own().name)
