"""Commands on a route: for each of its targets in turn, with one end for all."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app import open_gateway
from gateway.cli import main
from gateway.flow.model import Caller, Change
from gateway.flow.target_port import ResourceType
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

ROUTED = """
[journal]
url = "sqlite:var/gateway.db"
[providers.okta]
dialect = "okta"
token = { file = "okta.token" }
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
[targets.dialpad]
connector = "embedded"
url = "sqlite:var/dialpad.db"
require = ["title"]
[[targets.dialpad.rules]]
to = "nickName"
via = ["upper"]
[routes.everyone]
targets = ["phonebook", "dialpad"]
"""
ANN = {"userName": "ann@example.com", "externalId": "1", "title": "Agent", "nickName": "annie"}
BOB = {"userName": "bob@example.com", "externalId": "2"}


@pytest.fixture
def routed(folder: Path) -> Path:
    """The folder, with the configuration of a route."""
    (folder / "config.toml").write_text(ROUTED)
    return folder


@pytest.fixture
def peopled(routed: Path) -> Path:
    """The folder, with people whom the first target has; the second was told of them and took one."""

    async def work() -> None:
        settings = load_settings(routed / "config.toml", CONNECTORS, make_tokens=True)
        async with open_gateway(settings) as gateway:
            handle = gateway.runs.changes.handle
            for person in (ANN, BOB):
                body = dict(person)
                target = gateway.targets["phonebook"]
                await handle(Change("create", ResourceType.USER, target, Caller("okta"), "c", None, body))
            await gateway.runs.mirroring.sweep(gateway.targets["dialpad"])

    asyncio.run(work())
    return routed


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_resource_is_explained_for_each_target(run, routed) -> None:
    ended = run("explain", "everyone", "--format", "json", stdin=json.dumps(ANN))

    first, second = lines(ended.out)
    assert ended.status == 0
    assert (first["target"], first["resource"]["nickName"]) == ("phonebook", "annie")
    assert (second["target"], second["resource"]["nickName"]) == ("dialpad", "ANNIE")


def test_a_resource_that_one_of_them_rejects_ends_with_1(run, routed) -> None:
    ended = run("explain", "everyone", "--format", "json", stdin=json.dumps(BOB))

    assert (ended.status, [line["accepted"] for line in lines(ended.out)]) == (1, [True, False])


def test_many_are_counted_for_each_target(run, routed) -> None:
    ended = run("explain", "everyone", "--summary", stdin=f"{json.dumps(ANN)}\n{json.dumps(BOB)}\n")

    counts = [(line["target"], line["accepted"], line["rejected"]) for line in lines(ended.out)]
    assert counts == [("phonebook", 2, 0), ("dialpad", 1, 1)]


def test_the_guide_of_a_route_has_its_address_and_what_any_of_its_targets_reads(run, routed) -> None:
    ended = run("guide", "everyone")

    assert ended.status == 0
    assert "/scim/everyone/v2`" in ended.out
    assert "`nickName`" in ended.out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("guide", "dialpad"), "dialpad is reached by the route everyone: ask for `guide everyone`"),
        (("explain", "everyon"), 'there is no target or route "everyon"; did you mean "everyone"?'),
        (("reconcile", "everyon"), 'there is no target or route "everyon"; did you mean "everyone"?'),
        (("problems", "nobody"), 'there is no target or route "nobody"'),
    ],
)
def test_a_name_that_means_nothing_here_is_refused(run, routed, argv, words) -> None:
    ended = run(*argv)

    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err


def test_problems_say_whose_data_a_target_of_the_route_refuses(run, peopled) -> None:
    ended = run("problems", "everyone", "--format", "json")

    (row,) = json.loads(ended.out)
    assert ended.status == 1
    assert (row["target"], row["what"], row["userName"]) == ("dialpad", "refused", "bob@example.com")
    assert row["path"] == "title"


def test_what_is_refused_is_an_open_operation_that_can_be_tried_again_and_dropped(run, peopled) -> None:
    (row,) = json.loads(run("operations", "list", "--format", "json", "--target", "dialpad").out)
    retried, dropped = run("operations", "retry", row["id"]), run("operations", "drop", row["id"])
    left = json.loads(run("operations", "list", "--format", "json", "--target", "dialpad").out)

    assert (row["what"], row["whom"], row["standing"]) == ("mirror", "bob@example.com", "refused")
    assert "title" in row["reason"]
    assert (retried.status, dropped.status, left) == (0, 0, [])


def test_all_that_a_target_of_a_route_was_not_told_is_dropped_with_the_rest(run, peopled) -> None:
    before = [row["standing"] for row in json.loads(run("operations", "list", "--format", "json").out)]

    ended = run("operations", "drop", "--target", "dialpad", "--yes")

    assert (before, ended.out) == (["refused"], "dialpad: 1 operations dropped\n")
    assert json.loads(run("operations", "list", "--format", "json").out) == []


def test_the_status_counts_what_a_target_has_still_to_be_told(run, peopled) -> None:
    found = json.loads(run("status", "--format", "json").out)

    assert [(target["name"], target["pending"]) for target in found["targets"]] == [
        ("phonebook", 0),
        ("dialpad", 1),
    ]


def test_whoever_a_target_was_told_of_in_vain_counts_once(run, peopled) -> None:
    with closing(sqlite3.connect(peopled / "var" / "gateway.db")) as journal, journal:
        journal.execute("""
            INSERT INTO op (id, base, target, type, operation, resource, correlation_id, removes, intent,
                            owner, lease_until, opened, state, fence, attempts)
            SELECT 'o1', target, target, type, 'create', resource, 'c', 0, '{"keys": []}',
                   '', '', '', 'doubt', 1, 1
            FROM mirror""")

    (_, dialpad) = json.loads(run("status", "--format", "json").out)["targets"]

    assert (dialpad["doubt"], dialpad["pending"]) == (1, 0)


def test_a_route_is_compared_target_by_target(run, peopled) -> None:
    ended = run("reconcile", "everyone", "--format", "json")

    (row,) = json.loads(ended.out)
    assert ended.status == 1
    assert (row["target"], row["finding"], row["user_name"]) == ("dialpad", "missing", "bob@example.com")
    assert "reconcile everyone: 3 people, 1 missing" in ended.err


def test_a_route_is_pushed_again_and_who_is_refused_is_listed(run, peopled) -> None:
    ended = run("resync", "everyone", "--format", "json")

    (row,) = json.loads(ended.out)
    assert ended.status == 1
    assert (row["target"], row["user_name"], row["path"]) == ("dialpad", "bob@example.com", "title")
    assert "resync everyone: 4 people" in ended.err


def test_a_target_of_a_route_is_pushed_again_by_itself(run, peopled) -> None:
    config = peopled / "config.toml"
    config.write_text(config.read_text().replace('require = ["title"]\n', ""))

    assert main(["resync", "dialpad"]) == 0
    assert main(["reconcile", "everyone"]) == 0
