"""Tokens made and ended by an administrator: each act leaves its event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.audit.event import Event, act_event
from gateway.flow.journal_port import Trail


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a provider; times are RFC 3339, UTC."""

    id: str
    provider: str
    sha256: str  # hex; the token itself is nowhere
    created: str
    expires: str | None = None
    revoked: str | None = None

    def is_active(self, now: str) -> bool:
        """Say whether the token lets its provider in at `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Tokens(Protocol):
    """Where issued tokens are kept."""

    async def add(self, token: Token) -> None:
        """Let the token in from now on."""

    async def list(self) -> tuple[Token, ...]:
        """Return all tokens, the oldest first, those that are over too."""

    async def revoke(self, id: str) -> bool:
        """End a token; False where there is none, or it is revoked already."""


@dataclass(frozen=True, slots=True)
class TokenDesk:
    """Issues and revokes."""

    tokens: Tokens
    trail: Trail
    new_id: Callable[[], str]

    async def issue(self, token: Token) -> None:
        """Let the token in."""
        await self.tokens.add(token)
        await self.trail.append([self._event("token.issued", token.id, token.provider)])

    async def revoke(self, id: str) -> bool:
        """End the token; False where there is none, or it is over already."""
        done = await self.tokens.revoke(id)
        if done:
            await self.trail.append([self._event("token.revoked", id, None)])
        return done

    def _event(self, name: str, id: str, provider: str | None) -> Event:
        return act_event(self.new_id(), name, target={"type": "Token", "id": id}, provider=provider)
