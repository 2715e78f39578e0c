"""`explain --person`: somebody of the journal, what the target shows now, and what is left out since when."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.app import open_gateway
from gateway.errors import GatewayError
from gateway.flow.model import Caller, Change
from gateway.flow.target_port import ResourceType
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

ROOT = Path(__file__).resolve().parents[2]
WORK = 'phoneNumbers[type eq "work"].value'
RULE = "config:phoneNumbers.value"
ANN = {"userName": "ann@example.com", "externalId": "00u1", "active": True, "title": "Agent"}
PICKY = '[[targets.phonebook.rules]]\nto = "title"\nvia = [{ name = "allow", values = ["Agent", "Boss"] }]\n'


def numbered(value: str, **more: Any) -> dict[str, Any]:
    return {**ANN, "phoneNumbers": [{"type": "work", "value": value}], **more}


async def _live(config: Path, *changes: tuple[str, dict[str, Any]]) -> None:
    settings = load_settings(config, CONNECTORS, read_secrets=True)
    async with open_gateway(settings) as gateway:
        target, handle, id = gateway.targets["phonebook"], gateway.runs.changes.handle, None
        for operation, body in changes:
            change = Change(operation, ResourceType.USER, target, Caller("okta"), "cid", id, dict(body))
            with suppress(GatewayError):
                reply = await handle(change)
                id = reply.document["id"] if reply.document else id


@pytest.fixture
def live(folder: Path) -> Iterator[Any]:
    """Have things happen to Ann in the phonebook."""
    (folder / "var").mkdir(mode=0o700)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield lambda *changes: asyncio.run(_live(folder / "config.toml", *changes))
    structlog.reset_defaults()


def told(ended: Any) -> dict[str, Any]:
    return json.loads(ended.out)


def explained(run: Any, person: str, *options: str) -> Any:
    return run("explain", "phonebook", "--person", person, "--format", "json", *options)


@pytest.mark.parametrize("asked", ["ANN@example.com", "00u1"], ids=["userName", "externalId"])
def test_somebody_is_told_with_the_original_the_form_and_what_the_target_shows_now(run, live, folder, asked):
    live(("create", numbered("020 7946 0123")))
    connection = sqlite3.connect(folder / "var" / "phonebook.db")
    with connection:
        connection.execute("UPDATE entry SET document = json_set(document, '$.title', 'Edited')")
    connection.close()

    ended = explained(run, asked)

    found = told(ended)
    assert ended.status == 0
    assert (found["userName"], found["externalId"], found["state"]) == ("ann@example.com", "00u1", "active")
    assert found["original"]["phoneNumbers"][0]["value"] == "020 7946 0123"
    assert found["resource"]["phoneNumbers"] == found["sent"]["phoneNumbers"]
    assert found["sent"]["phoneNumbers"][0]["value"] == "+442079460123"
    assert (found["shows"]["title"], found["original"]["title"]) == ("Edited", "Agent")
    assert found["asked"] == "the target itself, as no gateway runs"
    assert (found["unasked"], found["standing"], found["problems"]) == (None, None, [])


def test_what_is_left_out_says_why_and_since_when(run, live):
    live(
        ("create", numbered("n/a")),
        ("replace", numbered("020 7946 0123")),
        ("replace", numbered("n/a")),
        ("replace", numbered("n/a", title="Boss")),
    )

    ended = explained(run, "00u1", "--show-values")
    events = [
        json.loads(line)
        for line in run("audit", "history", ANN["userName"], "--format", "ndjson").out.splitlines()
    ]

    (part,) = told(ended)["unsent"]
    assert ended.status == 0
    assert (part["what"], part["path"], part["rule"], part["value"]) == ("dropped", WORK, RULE, "n/a")
    assert (part["reason"], part["since"]) == ("has no digits", events[2]["published"])


def test_who_was_refused_is_told_why_and_since_when(run, live, folder):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("[targets.cx]", f"{PICKY}[targets.cx]"))
    live(("create", ANN), ("replace", ANN | {"title": "King"}), ("replace", ANN | {"title": "Queen"}))

    ended = explained(run, "00u1")
    people = run("explain", "phonebook", "--person", "00u1")

    found = told(ended)
    (problem,) = found["problems"]
    assert ended.status == 1
    assert (problem["path"], problem["rule"]) == ("title", "config:title")
    assert problem["since"] is not None
    assert found["original"]["title"] == "Agent"
    assert any(
        line.startswith("problem: title: ") and ", since 20" in line for line in people.out.splitlines()
    )
    assert "King" not in ended.out + people.out


def test_whose_create_was_refused_is_told_from_the_trail(run, live, folder):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("[targets.cx]", f"{PICKY}[targets.cx]"))
    live(("create", ANN | {"title": "King"}))

    ended = explained(run, "00u1")

    found = told(ended)
    assert (ended.status, found["state"], found["original"], found["shows"]) == (1, None, None, None)
    assert (found["userName"], found["externalId"]) == ("ann@example.com", "00u1")
    assert [(problem["path"], bool(problem["since"])) for problem in found["problems"]] == [("title", True)]


def test_nobody_is_nobody(run, live):
    live(("create", ANN))

    ended = explained(run, "zoe")

    assert (ended.status, ended.err) == (1, 'neither the journal nor the trail knows "zoe" there\n')


def test_it_is_told_to_people(run, live):
    live(("create", numbered("n/a")))

    ended = run("explain", "phonebook", "--person", "00u1")

    lines = ended.out.splitlines()
    assert lines[0] == "phonebook: accepted"
    assert lines[1].startswith("ann@example.com 00u1, active, changed 20")
    assert any(line.startswith(f"dropped: {WORK}: has no digits (rule {RULE}), since 20") for line in lines)
    headings = ["original: {", "would be sent: {", "was sent: {"]
    headings.append("the target shows now (asked the target itself, as no gateway runs): {")
    assert [line for line in lines if line.endswith(": {") and not line.startswith(" ")] == headings


@pytest.mark.parametrize("level", ["masked", "hashed"])
def test_values_are_covered_as_the_trail_of_the_target_covers_them(run, live, folder, level):
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('region = "GB"', f'region = "GB"\naudit = "{level}"'))
    name = {"nickName": "Annie Nightingale"}
    live(("create", numbered("n/a", **name)), ("replace", numbered("020 7946 0123", **name)))

    shown = [explained(run, "00u1", "--show-values"), run("explain", "phonebook", "--person", "00u1")]

    assert [ended.status for ended in shown] == [0, 0]
    assert not any(value in ended.out for value in ("7946", "Nightingale") for ended in shown)


def test_a_target_that_cannot_be_asked_ends_with_3_and_the_rest_is_told(run, live, folder):
    live(("create", ANN))
    config = folder / "config.toml"
    config.write_text(
        config.read_text()
        .replace('connector = "embedded"', 'connector = "scim"')
        .replace('url = "sqlite:var/phonebook.db"', 'url = "http://127.0.0.1:9/scim"')
    )

    ended = explained(run, "00u1")

    found = told(ended)
    assert (ended.status, found["shows"], found["original"]["title"]) == (3, None, "Agent")
    assert found["unasked"]


def test_the_running_gateway_is_asked_where_one_runs(run, live, folder):
    live(("create", ANN))
    command = [sys.executable, str(ROOT / "gateway.py"), "serve"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("listening"):
            assert line

        ended = explained(run, "00u1")

        process.terminate()
        process.wait(timeout=60)

    found = told(ended)
    assert (ended.status, found["asked"], found["shows"]["title"]) == (0, "the running gateway", "Agent")


def test_a_history_tells_what_was_dropped_and_why_under_every_name(run, live):
    live(("create", numbered("n/a")), ("replace", numbered("n/a", userName="lee@example.com")))

    ended = run("audit", "history", "lee@example.com", "--wide")
    found = run("audit", "history", "ann@example.com", "--format", "ndjson").out.splitlines()

    assert ended.out.count(f"{WORK}: has no digits (rule {RULE})") == 2
    assert [json.loads(line)["event"] for line in found] == ["user.create", "user.replace"]


@pytest.mark.parametrize("more", [["people.csv"], ["--summary"], ["--as-test"]], ids=lambda more: more[0])
def test_somebody_of_the_journal_goes_with_no_file(run, folder, more):
    ended = run("explain", "phonebook", *more, "--person", "00u1")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("--person: goes with no file")
