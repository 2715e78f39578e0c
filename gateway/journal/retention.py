"""What of the trail is old enough to leave the journal, month by month, and its leaving."""

import sqlite3
from datetime import datetime
from typing import Final

from gateway.journal.archive import Month
from gateway.journal.chain import Head, stamp
from gateway.journal.lines import READ_HEAD
from gateway.journal.verdict import READ_BASE

BATCH: Final = 250  # events removed in one transaction: nobody waits long for it

PUBLISHED: Final = "SELECT published FROM event WHERE seq = ?"
LAST_BEFORE: Final = """
    SELECT seq, hash, published FROM event WHERE published < ? ORDER BY published DESC LIMIT 1"""
HASH: Final = "SELECT hash FROM event WHERE seq = ?"
REMOVE: Final = ("DELETE FROM event_value WHERE seq <= ?", "DELETE FROM event WHERE seq <= ?")
MOVE_BASE: Final = "UPDATE trail_base SET seq = ?, hash = ?"


def oldest_month(connection: sqlite3.Connection, before: datetime) -> Month | None:
    """Return the journal's oldest month where it had ended at `before`; the newest event never leaves."""
    base = Head(*connection.execute(READ_BASE).fetchone())
    first = connection.execute(PUBLISHED, (base.seq + 1,)).fetchone()
    if first is None or (end := _end(first[0])) > stamp(before):
        return None
    last = Head(*connection.execute(LAST_BEFORE, (end,)).fetchone())
    if last.seq >= connection.execute(READ_HEAD).fetchone()[0]:
        return None
    return Month(first[0][:7], base, last)


def remove_until(connection: sqlite3.Connection, seq: int) -> None:
    """Let the journal begin after this event, which an archive has."""
    (hash,) = connection.execute(HASH, (seq,)).fetchone()
    for sql in REMOVE:
        connection.execute(sql, (seq,))
    connection.execute(MOVE_BASE, (seq, hash))


def _end(published: str) -> str:
    """Return when the month of a time is over."""
    year, month = int(published[:4]), int(published[5:7])
    return f"{year + month // 12:04}-{month % 12 + 1:02}-01T00:00:00.000000Z"
