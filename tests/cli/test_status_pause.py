"""`pause` and `resume`, with and without a running gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.app import Gateway, open_gateway, serving
from gateway.flow.services import between
from gateway.journal.store import JournalLock
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS
from tests.support.waiting import until


def paused(run: Any) -> dict[str, Any]:
    targets = json.loads(run("status", "--format", "json").out)["targets"]
    return {target["name"]: target["paused"] is not None for target in targets}


@pytest.mark.parametrize(
    ("acts", "says", "expected"),
    [
        pytest.param(["pause"], "phonebook is paused", True, id="pause"),
        pytest.param(["pause", "pause"], "phonebook was paused already", True, id="pause twice"),
        pytest.param(["pause", "resume"], "phonebook is resumed", False, id="resume"),
        pytest.param(["resume"], "phonebook was not paused", False, id="resume what runs"),
    ],
)
def test_a_target_is_paused_and_resumed_while_no_gateway_runs(run, acts, says, expected) -> None:
    ended = [run(act, "phonebook") for act in acts]

    assert [end.status for end in ended] == [0] * len(acts)
    assert ended[-1].out == f"{says}\n"
    assert paused(run) == {"phonebook": expected, "cx": False}


def test_status_tells_until_when_and_why_a_target_is_paused(run) -> None:
    ended = run("pause", "phonebook", "--for", "2h", "--reason", "moves house")

    (target, _) = json.loads(run("status", "--format", "json").out)["targets"]
    assert ended.out == "phonebook is paused for 2h, then it resumes by itself\n"
    assert between(target["paused"], target["paused_until"]) == 7200
    assert target["pause_reason"] == "moves house"
    assert "moves house" in run("status").out


@pytest.mark.parametrize(
    ("argv", "status", "says"),
    [
        pytest.param(["--for", "soon"], 2, "--for: must be a duration", id="no duration"),
        pytest.param(["--for", "0s"], 2, "--for: must be longer than 0", id="no time"),
        pytest.param(["--for", "400d"], 1, "a year at most", id="too long"),
        pytest.param(["--reason", "a\nb"], 1, "one line of text", id="two lines"),
    ],
)
def test_a_pause_that_nobody_can_mean_is_refused(run, journal, argv, status, says) -> None:
    ended = run("pause", "phonebook", *argv)

    assert (ended.status, says in ended.err) == (status, True)
    assert paused(run)["phonebook"] is False


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_a_target_that_is_not_configured_is_wrong_usage(run, act: str) -> None:
    ended = run(act, "phonebok")

    assert (ended.status, ended.err) == (2, 'there is no target "phonebok"; did you mean "phonebook"?\n')


def test_a_gateway_that_cannot_be_asked_is_not_gone_round(run, journal) -> None:
    lock = JournalLock(journal)

    ended = run("pause", "phonebook")
    lock.release()

    assert ended.status == 3
    assert "another gateway has the journal" in ended.err
    assert "gateway.db.sock cannot be used" in ended.err


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    with capture_logs():
        settings = load_settings(folder / "config.toml", CONNECTORS)
        async with open_gateway(settings) as opened, serving(opened):
            yield opened


async def test_a_running_gateway_pauses_at_once(run, gateway) -> None:
    ended = await asyncio.to_thread(run, "pause", "phonebook")

    assert (ended.status, ended.out) == (0, "phonebook is paused\n")
    assert gateway.services.paused_since("phonebook") is not None
    assert await asyncio.to_thread(paused, run) == {"phonebook": True, "cx": False}


async def test_a_running_gateway_resumes_by_itself_and_says_why_it_was_paused(run, gateway) -> None:
    argv = ("pause", "phonebook", "--for", "100ms", "--reason", "moves house")
    ended = await asyncio.to_thread(run, *argv)
    await until(lambda: gateway.services.paused_since("phonebook") is None)

    assert ended.status == 0
    resumed, was, *_ = await gateway.services.trail.page(None, 2, None, None)
    assert (resumed["event"], resumed["actor"]["type"]) == ("target.resumed", "gateway")
    assert (was["event"], was["outcome"]["reason"]) == ("target.paused", "moves house")
    assert was["until"] is not None


async def test_a_running_gateway_refuses_a_pause_that_nobody_can_mean(run, gateway) -> None:
    ended = await asyncio.to_thread(run, "pause", "phonebook", "--for", "400d")

    assert (ended.status, "a year at most" in ended.err) == (1, True)
    assert gateway.services.paused_since("phonebook") is None


async def test_a_running_gateway_knows_who_came_by_sudo(run, gateway, monkeypatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")

    await asyncio.to_thread(run, "pause", "phonebook")

    (event, *_) = await gateway.services.trail.page(None, 1, None, None)
    assert event["actor"]["name"].startswith("ann via sudo as ")


async def test_a_running_gateway_refuses_a_target_it_does_not_know(run, gateway) -> None:
    config = Path("config.toml")
    config.write_text(config.read_text().replace("[targets.cx]", "[targets.cy]"))

    ended = await asyncio.to_thread(run, "pause", "cy")

    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("the target is not in the running gateway's configuration [")


async def test_a_running_gateway_that_cannot_write_its_journal_ends_with_3(run, gateway) -> None:
    read_only = "PRAGMA query_only = ON"
    await gateway.journal.database.write(lambda connection: connection.execute(read_only).fetchall())

    ended = await asyncio.to_thread(run, "pause", "phonebook")
    await gateway.journal.database._writer.execute("PRAGMA query_only = OFF")

    assert (ended.status, gateway.services.paused_since("phonebook")) == (3, None)
    assert ended.err.startswith("the journal cannot be used now: the file is read-only [")
