"""Tokens near and beyond their end, and an address that guesses: a real gateway tells a real receiver."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.chain import stamp
from tests.cli.test_alerts import receiver

BOOK = '[targets.phonebook]\nconnector = "embedded"\nurl = "sqlite:var/phonebook.db"\n'
USERS = "/scim/phonebook/v2/Users"
NOW = datetime.now(UTC)
ADD = "INSERT INTO token (id, provider, sha256, created, expires) VALUES (?, 'okta', ?, ?, ?)"


def issue(folder: Path, id: str, token: str, days: float) -> None:
    """Leave a token in the journal that was made a quarter of a year ago, and has so many days left."""
    own = (id, hashlib.sha256(token.encode()).hexdigest())
    times = (stamp(NOW - timedelta(days=90)), stamp(NOW + timedelta(days=days)))
    with closing(sqlite3.connect(folder / "var" / "gateway.db")) as journal, journal:
        journal.execute(ADD, own + times)


def heard(taken: list[Any], name: str) -> dict[str, Any]:
    """Return the message of an alert, within ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for message in list(taken):
            if message["alert"] == name:
                return message
        time.sleep(0.01)
    pytest.fail(f"{name} was not told: {taken}")


def test_who_is_to_know_hears_of_tokens_and_of_who_guesses(start: Callable[..., Any], tmp_path: Path) -> None:
    with receiver() as (url, taken):
        targets = f'{BOOK}[alerts]\nwebhook = "{url}"\n'
        assert start(targets).stop() == 0
        issue(tmp_path, "tok_near", "canary-near", 3)
        issue(tmp_path, "tok_over", "canary-over", -3)
        gateway = start(targets)

        near = heard(taken, "token.expiring")
        assert gateway.ask("GET", USERS, authorization="Bearer canary-near").status == 200
        assert gateway.ask("GET", USERS, authorization="Bearer canary-over").status == 401
        over = heard(taken, "token.over")
        for n in range(20):
            assert gateway.ask("GET", USERS, authorization=f"Bearer canary-{n}").status == 401
        guesses = heard(taken, "auth.failing")
        revoked = gateway.command("token", "revoke", "tok_near")
        events = gateway.events()
        assert gateway.stop() == 0

    ends = stamp(NOW + timedelta(days=3))[:19]
    assert near["reason"] == f"token tok_near of okta ends at {ends}Z"
    assert over["reason"].startswith("token tok_over of okta, which ended at ")
    assert over["reason"].endswith("was shown by 127.0.0.1")
    assert guesses["reason"] == "20 requests or more from 127.0.0.1 within 5 minutes had no live token"
    assert all(message["advice"] and not message["resolved"] for message in (near, over, guesses))
    assert revoked.returncode == 0
    refused = [event["actor"] for event in events if event["event"] == "auth.refused"]
    assert {"type": "provider", "name": "okta", "token": "tok_over"} in refused
    told = {event["event"] for event in events}
    assert {"token.expiring", "token.over", "auth.failing"} <= told
    assert "canary" not in json.dumps(taken)
    assert "canary" not in (tmp_path / "log").read_text()
