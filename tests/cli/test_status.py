"""`status`: one look, from the running gateway or from the journal alone."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.admin.status import BreakerState, JournalState, Status, TargetHealth, TargetState
from gateway.app import Gateway, open_gateway, serving
from gateway.cli import main
from gateway.errors import JournalUnavailable
from gateway.flow.target_port import Query, ResourceType
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS
from gateway.version import VERSION

NOTHING = {"open": 0, "doubt": 0, "pending": 0, "held": 0, "dead": 0}
TARGETS = ["phonebook", "cx"]


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    with capture_logs():
        settings = load_settings(folder / "config.toml", CONNECTORS)
        async with open_gateway(settings) as opened, serving(opened):
            yield opened


def test_without_a_gateway_the_journal_says_what_it_knows_and_the_status_is_1(run, journal) -> None:
    ended = run("status", "--format", "json")

    found = json.loads(ended.out)
    assert (ended.status, found["running"], found["since"], found["version"]) == (1, False, None, VERSION)
    size = found["journal"].pop("bytes")
    assert (found["journal"], size > 4096) == ({"writable": None, "reason": None, "seq": 4}, True)
    unseen = {"state": "unknown", "answered": None, "failed": None, "failure": None}
    unseen |= {"breaker": None, "paused": None, "paused_until": None, "pause_reason": None}
    unseen |= {"braked": None} | NOTHING
    assert found["targets"] == [{"name": name} | unseen for name in TARGETS]


def test_without_a_gateway_a_person_reads_that_none_runs(run, journal) -> None:
    ended = run("status")

    first, second, _, head, *rows = ended.out.splitlines()
    assert first == f"gateway {VERSION} does not run"
    assert second.startswith(f"journal {journal}: ")
    assert second.endswith(" bytes, 4 events")
    assert head.split()[:4] == ["target", "state", "answered", "failed"]
    assert [row.split()[:2] for row in rows] == [[name, "unknown"] for name in TARGETS]


def test_without_a_journal_there_is_nothing_to_show(run) -> None:
    ended = run("status")

    assert (ended.status, ended.out) == (3, "")
    assert "there is no journal" in ended.err


async def test_a_running_gateway_says_it_and_the_status_is_0(run, gateway) -> None:
    await gateway.targets["phonebook"].connector.query(ResourceType.USER, Query())

    ended = await asyncio.to_thread(run, "status")

    first, second, third, _, _, phonebook, cx = ended.out.splitlines()
    assert (ended.status, first) == (0, f"gateway {VERSION} runs since {gateway.oversight.since[:19]}Z")
    assert second.endswith("1 events, writable")
    assert third.startswith(f"configuration {gateway.settings.digest[:12]}, in force since 20")
    assert (phonebook.split()[:2], cx.split()[:2]) == (["phonebook", "ok"], ["cx", "unknown"])


async def test_a_person_sees_which_target_is_sick_since_and_until_when_and_what_was_not_sent(
    run, gateway, monkeypatch
) -> None:
    sick = TargetHealth(
        BreakerState.OPEN,
        "2026-11-22T00:00:00.1Z",
        "2026-11-22T00:00:09.2Z",
        5,
        {"sick": 2, "late": 1},
        0,
        0,
        0,
        0,
    )
    monkeypatch.setattr(type(gateway.connectors["cx"]), "health", lambda gate: sick)

    ended = await asyncio.to_thread(run, "status")

    head, phonebook, _ = ended.out.splitlines()[4:]
    titles = ("breaker", "since", "no calls until", "refused", "open")
    starts = [head.index(title) for title in titles]
    cells = [phonebook[start:end].strip() for start, end in pairwise(starts)]
    assert cells == ["open", "2026-11-22T00:00:00Z", "2026-11-22T00:00:09Z", "3"]


async def test_a_journal_that_cannot_be_written_is_said(run, gateway) -> None:
    read_only = "PRAGMA query_only = ON"
    await gateway.journal.database.write(lambda connection: connection.execute(read_only).fetchall())
    with pytest.raises(JournalUnavailable):
        await gateway.journal.removals.trip("cx", "2026")

    ended = await asyncio.to_thread(run, "status")
    await gateway.journal.database._writer.execute("PRAGMA query_only = OFF")

    assert "cannot be written: the file is read-only" in ended.out


async def test_a_journal_that_cannot_be_read_ends_with_3(run, gateway, monkeypatch) -> None:
    monkeypatch.setattr(gateway.journal.database, "_over", "the file is damaged")

    ended = await asyncio.to_thread(run, "status")
    monkeypatch.undo()

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith("the journal cannot be used now: the file is damaged [")


def test_the_fields_are_a_promise() -> None:
    names = [list(shape.__dataclass_fields__) for shape in (Status, JournalState, TargetState)]

    target: Any = ["name", "state", "answered", "failed", "failure", "breaker"]
    target += ["paused", "paused_until", "pause_reason", "braked", *NOTHING]
    assert list(TargetHealth.__dataclass_fields__) == [
        *("state", "since", "until", "failures", "refused"),
        *("retries", "retries_refused", "under_way", "waiting"),
    ]
    assert names == [
        ["running", "version", "since", "journal", "targets", "config", "replicas"],
        ["writable", "reason", "bytes", "seq"],
        target,
    ]


def test_who_may_not_read_the_journal_is_told_whose_it_is(run, journal, monkeypatch) -> None:
    monkeypatch.setattr("os.access", lambda *asked, **how: False)

    ended = run("status")

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith(f"the journal {journal} cannot be read: Permission denied: {journal} ")


class Screen(io.StringIO):
    """Standard output of a person who watches."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("options", "looks"),
    [
        pytest.param([], "gateway 0.1.0 does not run", id="table"),
        pytest.param(["--format", "json"], '{"running":false', id="json"),
    ],
)
def test_who_watches_is_told_again_every_two_seconds_until_they_leave(
    run, journal, monkeypatch, options, looks
) -> None:
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)

    ended = run("status", "--watch", *options)

    assert (ended.status, waited) == (1, [2.0, 2.0, 2.0])
    assert ended.out.count(looks) == 3
    assert "\x1b" not in ended.out


def test_on_a_terminal_each_look_is_in_the_place_of_the_one_before(folder, journal, monkeypatch) -> None:
    def leave(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", leave)
    monkeypatch.setattr("sys.stdout", screen := Screen())

    assert main(["status", "--watch"]) == 1
    assert screen.getvalue().startswith("\x1b[H\x1b[2Jgateway ")


@pytest.mark.parametrize(
    ("region", "told"),
    [
        pytest.param('"GB"', None, id="as it was"),
        pytest.param('"US"', "the file is another by now", id="another"),
        pytest.param('"', "the file has faults by now: `check` names them", id="with a fault"),
    ],
)
async def test_who_watches_sees_the_file_as_it_is_at_each_look(
    run, gateway, folder, monkeypatch, region, told
) -> None:
    def change(seconds: float) -> None:
        monkeypatch.setattr("time.sleep", leave)
        file = folder / "config.toml"
        file.write_text(file.read_text().replace('"GB"', region))

    def leave(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", change)

    ended = await asyncio.to_thread(run, "status", "--watch")

    first, second = ended.out.split(f"gateway {VERSION} ")[1:]
    assert (ended.status, "the file" in first) == (0, False)
    assert ("the file" in second, (told or "") in second) == (told is not None, True)
