"""Inbound tokens made with `token new`, in SQLite."""

import sqlite3
from typing import Final

from gateway.flow.tokens import Token
from gateway.journal.chain import stamp
from gateway.journal.store import Clock, Store

ADD: Final = "INSERT INTO token (id, provider, sha256, created, expires, revoked) VALUES (?, ?, ?, ?, ?, ?)"
LIST: Final = "SELECT id, provider, sha256, created, expires, revoked FROM token ORDER BY created, id"
REVOKE: Final = "UPDATE token SET revoked = ? WHERE id = ? AND revoked IS NULL"


class SqliteTokens:
    """The tokens in the journal, beside those in the configuration."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, token: Token) -> None:
        """Let the token in from now on."""
        t = token
        row = (t.id, t.provider, t.sha256, t.created, t.expires, t.revoked)
        await self._store.write(lambda connection: connection.execute(ADD, row).rowcount)

    async def list(self) -> tuple[Token, ...]:
        """Return all tokens, the oldest first, those that are over too."""
        return await self._store.read(list_tokens)

    async def active(self) -> tuple[Token, ...]:
        """Return the tokens that are neither expired nor revoked."""
        now = stamp(self._clock())
        return tuple(token for token in await self.list() if token.is_active(now))

    async def revoke(self, id: str) -> bool:
        """End a token; False where there is none, or it is revoked already."""
        now = stamp(self._clock())
        changed = await self._store.write(lambda connection: connection.execute(REVOKE, (now, id)).rowcount)
        return changed == 1


def list_tokens(connection: sqlite3.Connection) -> tuple[Token, ...]:
    """Return all tokens, the oldest first, without a gateway."""
    return tuple(Token(*row) for row in connection.execute(LIST))
