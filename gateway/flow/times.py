"""Arithmetic on times as they are written: RFC 3339, UTC, microseconds. Pure."""

from datetime import datetime, timedelta


def plus(time: str, seconds: float) -> str:
    """Return the time so many seconds later."""
    moved = datetime.fromisoformat(time) + timedelta(seconds=seconds)
    return moved.isoformat(timespec="microseconds").replace("+00:00", "Z")


def between(earlier: str, later: str) -> float:
    """Return the seconds from one time to another, negative where they are the other way round."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
