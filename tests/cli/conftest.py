"""A folder with a configuration, commands run in it, and a journal with a small history."""

import asyncio
import io
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.audit.event import Event, Personal
from gateway.cli import main
from gateway.journal.journal import SqliteJournal

CONFIG = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
[providers.okta]
dialect = "okta"
token = { file = "okta.token" }
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
region = "GB"
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
[targets.cx]
preset = "cx"
url = "http://127.0.0.1:9/scim"
auth = { bearer = { file = "cx.token" } }
"""
STARTED = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a configuration and its secrets."""
    (tmp_path / "config.toml").write_text(CONFIG)
    for name in ("okta.token", "cx.token"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(f"the-secret-of-{name}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCIM_GATEWAY_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in the folder."""

    def run_command(*argv: str, stdin: str | bytes = b"") -> Ended:
        content = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        capsys.readouterr()
        status = main(argv)
        return Ended(status, *capsys.readouterr())

    return run_command


def event(
    name: str,
    result: str = "applied",
    target: str | None = "cx",
    user: str | None = None,
    reason: str | None = None,
) -> Event:
    """Return an event as the gateway writes it."""
    return Event(
        f"id-of-{name}",
        {
            "event": name,
            "outcome": {"result": result, "status": 201, "reason": reason},
            "actor": {"type": "provider", "name": "okta", "token": "config:1"},
            "client": {"ip": "192.0.2.1", "user_agent": "Okta SCIM Client 1.0.0"},
            "target": {"name": target, "type": "User", "id": "7", "user_name": user and Personal(user)},
            "diff": [
                {"path": "title", "op": "add", "before": None, "after": Personal("Größe"), "rule": None}
            ],
            "correlation_id": f"cid-{name}",
        },
    )


HISTORY = (
    event("config.loaded", target=None),
    event("user.create", user="ann@example.com"),
    event("user.replace", "rejected", user="bob@example.com", reason="title: \x1b[31m" + "too long " * 12),
    event("user.delete", target="phonebook", user="=cmd()"),
)


async def _write(path: Path, events: Sequence[Event]) -> None:
    seconds = count()
    journal = await SqliteJournal.open(
        path, "normal", lambda: STARTED + timedelta(minutes=next(seconds)), pytest.fail, "this run"
    )
    await journal.trail.append(events)
    await journal.close()


@pytest.fixture
def remember(folder: Path) -> Callable[[Sequence[Event]], Path]:
    """Write events to the folder's journal, one a minute, and return its path."""

    def remember_events(events: Sequence[Event]) -> Path:
        path = folder / "var" / "gateway.db"
        asyncio.run(_write(path, events))
        return path

    return remember_events


@pytest.fixture
def make_event() -> Callable[..., Event]:
    return event


@pytest.fixture
def journal(remember: Callable[[Sequence[Event]], Path]) -> Path:
    """The folder's journal with a history of four events."""
    return remember(HISTORY)
