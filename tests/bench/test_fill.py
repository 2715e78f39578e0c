"""A journal that was filled is what the gateway itself would have written."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.events import correlation_id
from bench.fill import Filling, fill_directory, fill_journal
from bench.people import user_name
from bench.processes import HOME

pytestmark = pytest.mark.long

CONFIG = """
[journal]
url = "sqlite:gateway.db"
[targets.scim]
connector = "embedded"
url = "sqlite:scim.db"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled")
    (path / "config.toml").write_text(CONFIG)
    fill_journal(path / "gateway.db", HOME, Filling("scim", people=3, events=1_001), datetime.now(UTC))
    fill_directory(path / "scim.db", HOME, 3, datetime.now(UTC))
    return path


def command(folder: Path, *arguments: str) -> str:
    words = [sys.executable, str(HOME / "gateway.py"), *arguments, "--config", str(folder / "config.toml")]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout


def test_the_chain_of_a_filled_trail_is_whole(folder):
    assert command(folder, "audit", "verify").startswith("whole: 1001 events")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        pytest.param('target.name eq "crm"', [1000], id="one in a thousand"),
        pytest.param(f'correlation_id eq "{correlation_id(7)}"', [7], id="by correlation id"),
        pytest.param(f'target.user_name eq "{user_name(9)}"', [9], id="by the name of a person"),
    ],
)
def test_events_are_found_by_what_they_are_asked_for(folder, question, expected):
    found = json.loads(command(folder, "audit", "query", "--filter", question, "--format", "json"))

    assert [event["seq"] for event in found] == expected


@pytest.mark.parametrize(
    ("file", "table"), [("gateway.db", "resource"), ("gateway.db", "link"), ("scim.db", "entry")]
)
def test_everybody_is_there(folder, file, table):
    with closing(sqlite3.connect(folder / file)) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)
