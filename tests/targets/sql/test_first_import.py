"""A table that is full when the gateway first sees it: listed and adopted, at one price for each."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.support.sql_tables import sqlite_tables
from tests.targets.ldap.test_first_import import CONFIG, PAGE, SIZE, Process, adopt

ROOT: Final = Path(__file__).resolve().parents[3]
LONG: Final = bool(os.environ.get("FAULTS"))
PEOPLE: Final = 100_000 if LONG else 2_000
SAMPLE: Final = 1_000 if LONG else 30  # people adopted first, and last


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A gateway of its own before a table with many people."""
    folder = tmp_path_factory.mktemp("full")
    tables = sqlite_tables(folder)
    with closing(sqlite3.connect(tables.url.removeprefix("sqlite:"))) as connection, connection:
        connection.executemany(
            "INSERT INTO person (login, okta_id, last_name, source, enabled) VALUES (?, ?, 'Lee', 'hr', 1)",
            ((f"p{n:06}", f"00u-p{n:06}") for n in range(PEOPLE)),
        )
    table = tables.table(folder).replace("targets.directory", "targets.phonebook")
    (folder / "config.toml").write_text(CONFIG + table)
    command = [sys.executable, ROOT / "gateway.py", "serve"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while (found := re.search(r"http://127.0.0.1:(\d+)/", text)) is None:
            text = process.stdout.readline()
            assert text
        running = Process(folder, int(found[1]), process.pid)
        with closing(running.line):
            yield running
        process.kill()


def test_everybody_is_listed_and_adopted_at_one_price_and_in_bounded_memory(gateway: Process) -> None:
    gateway.ask("GET", "/scim/phonebook/v2/Users?filter=userName%20eq%20%22p000000%22")
    idle, names, prices = gateway.size(), set(), []
    for start in range(1, PEOPLE + 1, PAGE):
        begun = gateway.seconds()
        page = gateway.page(start)
        prices.append(gateway.seconds() - begun)
        assert page["totalResults"] == PEOPLE
        names |= {found["userName"] for found in page["Resources"]}  # type: ignore[attr-defined]
    first = adopt(gateway, range(SAMPLE))
    last = adopt(gateway, range(PEOPLE - SAMPLE, PEOPLE))

    some = max(5, len(prices) // 10)
    early, late = sum(prices[1 : 1 + some]), sum(prices[-some:])
    sys.stdout.write(
        f"a page: {early / some:.3f} s early, {late / some:.3f} s late; a person: {first:.4f} s first, "
        f"{last:.4f} s last; {idle} bytes idle, {gateway.size()} at most\n"
    )
    assert len(names) == PEOPLE
    assert late < 2 * early
    assert last < 2 * first
    assert gateway.size() - idle < SIZE
    assert gateway.adopted() == 2 * SAMPLE
