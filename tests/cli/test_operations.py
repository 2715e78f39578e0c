"""`operations`: listed, tried again, dropped and released, with and without a running gateway."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.app import Gateway, open_gateway, serving
from gateway.audit.chain import stamp
from gateway.audit.event import Event
from gateway.flow.change import Changes
from gateway.flow.journal_port import (
    Intent,
    Key,
    OperationState,
    Outcome,
    Resource,
    Settlement,
    State,
    Transition,
)
from gateway.flow.model import Caller, Change
from gateway.flow.target_port import ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.journal.store import JournalLock
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

USER = ResourceType.USER
OPENED = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
WITHOUT = {"tries": None, "due": None, "correlation_id": None}

Work = Callable[[SqliteJournal], Awaitable[Any]]


async def worked(path: Path, work: Work) -> Any:
    journal = await SqliteJournal.open(path, "normal", lambda: OPENED, pytest.fail, "this run")
    try:
        return await work(journal)
    finally:
        await journal.close()


def intent(op_id: str, target: str = "cx", kind: ResourceType = USER, **original: Any) -> Intent:
    document = original or {"userName": f"{op_id}@example.com"}
    keys = (Key("name", op_id),)
    what = (op_id, target, target, kind, "change", keys, f"id-of-{op_id}", "t1")
    return Intent(*what, document, document, State.INACTIVE, f"cid-of-{op_id}", removes=True)


@pytest.fixture
def journal(folder: Path) -> Callable[[Work], Any]:
    """Do something to the folder's journal while no gateway runs."""
    return lambda work: asyncio.run(worked(folder / "var" / "gateway.db", work))


@pytest.fixture
def standing(journal) -> Callable[..., None]:
    """Leave an operation in the journal."""

    def leave(op_id: str, state: OperationState, target: str = "cx", **mark: Any) -> None:
        async def work(opened: SqliteJournal) -> None:
            operation = await opened.operations.claim(intent(op_id, target))
            await opened.operations.mark(operation, Transition(state, **mark))

        journal(work)

    return leave


@pytest.fixture
def created(journal) -> Callable[..., None]:
    """Leave a resource in the journal, created so many hours ago."""

    def store(id: str, hours: float, **changes: Any) -> None:
        at = stamp(datetime.now(UTC) - timedelta(hours=hours))
        fields = {"base": "cx", "type": USER, "id": id, "original": {"userName": f"{id}@example.com"}}
        fields |= {"state": State.ACTIVE, "created": at, "modified": at} | changes
        settlement = Settlement(Outcome.APPLIED, Event(f"e-{id}", {}), Resource(**fields))
        journal(lambda opened: opened.operations.settle(None, settlement))

    return store


def listed(run, *argv: str) -> list[dict[str, Any]]:
    return json.loads(run("operations", "list", *argv, "--format", "json").out)


@pytest.mark.parametrize("state", [s for s in OperationState if s is not OperationState.OPEN], ids=str)
def test_an_operation_is_listed_as_it_stands(run, standing, state) -> None:
    due = "2026-03-01T09:05:00.000000Z"
    standing("op-1", state, reason="no answer", due=due, attempts=3)

    assert listed(run) == [
        {
            "id": "op-1",
            "target": "cx",
            "what": "change",
            "whom": "op-1@example.com",
            "standing": state.value,
            "tries": 3,
            "opened": "2026-03-01T09:00:00.000000Z",
            "due": due,
            "reason": "no answer",
            "correlation_id": "cid-of-op-1",
        }
    ]


def test_an_operation_under_way_is_listed_as_open(run, journal) -> None:
    journal(lambda opened: opened.operations.claim(intent("op-1")))

    (row,) = listed(run)

    assert (row["id"], row["standing"], row["tries"], row["due"]) == ("op-1", "open", 1, None)


def test_a_group_is_listed_by_its_name(run, journal) -> None:
    group = intent("op-1", kind=ResourceType.GROUP, displayName="Sales")
    journal(lambda opened: opened.operations.claim(group))

    assert listed(run)[0]["whom"] == "Sales"


def test_what_is_settled_is_not_listed(run, journal) -> None:
    async def work(opened: SqliteJournal) -> None:
        operation = await opened.operations.claim(intent("op-1"))
        await opened.operations.settle(operation, Settlement(Outcome.APPLIED, Event("e-1", {})))

    journal(work)

    assert listed(run) == []


@pytest.mark.parametrize(
    ("hours", "changes", "expected"),
    [
        pytest.param(25, {}, ["ann"], id="a day and more"),
        pytest.param(23, {}, [], id="less than a day"),
        pytest.param(25, {"replied": True}, [], id="acknowledged"),
        pytest.param(25, {"state": State.DELETED}, [], id="deleted"),
        pytest.param(25, {"state": State.INACTIVE}, ["ann"], id="inactive"),
    ],
)
def test_a_create_is_listed_that_was_not_acknowledged_within_a_day(
    run, created, hours, changes, expected
) -> None:
    created("ann", hours, **changes)

    assert [row["id"] for row in listed(run) if row["standing"] == "unacknowledged"] == expected


def test_an_unacknowledged_create_is_listed_with_its_resource(run, created) -> None:
    created("ann", 25)

    (row,) = listed(run)

    expected = {"id": "ann", "target": "cx", "what": "create", "whom": "ann@example.com"}
    expected |= {"standing": "unacknowledged", "reason": "no answer with its id was ever delivered"} | WITHOUT
    assert {name: value for name, value in row.items() if name != "opened"} == expected


def test_a_brake_that_holds_is_listed(run, journal) -> None:
    async def work(opened: SqliteJournal) -> None:
        await opened.removals.trip("cx", "2026-03-01T09:00:00.000000Z")
        await opened.removals.trip("phonebook", "2026-03-01T09:00:00.000000Z")
        await opened.removals.release("phonebook", "2026-03-01T09:00:00.000000Z")

    journal(work)

    expected = {"id": None, "target": "cx", "what": "removals", "whom": None, "standing": "braked"}
    expected |= {"opened": "2026-03-01T09:00:00.000000Z"} | WITHOUT
    assert listed(run) == [expected | {"reason": "removals are held until `operations release cx`"}]


def test_the_list_can_be_of_one_target(run, standing, created, journal) -> None:
    standing("op-1", OperationState.DEAD)
    standing("op-2", OperationState.DEAD, "phonebook")
    created("ann", 25)
    created("bob", 25, base="phonebook")
    journal(lambda opened: opened.removals.trip("cx", "2026-03-01T09:00:00.000000Z"))

    assert [row["id"] for row in listed(run, "--target", "cx")] == [None, "op-1", "ann"]
    assert [row["id"] for row in listed(run, "--target", "phonebook")] == ["op-2", "bob"]
    assert len(listed(run)) == 5


TITLES = ["id", "target", "what", "whom", "standing", "tries", "opened", "due", "reason"]


def test_the_list_is_a_table_for_people(run, standing) -> None:
    standing("op-1", OperationState.DEAD, reason="too long " * 12)

    head, row = run("operations", "list").out.splitlines()

    assert head.split() == [*TITLES, "correlation", "id"]
    assert row.split()[:5] == ["op-1", "cx", "change", "op-1@example.com", "dead"]
    assert row.count("too long") == 12


def test_the_list_is_whole_for_programs(run, standing) -> None:
    standing("op-1", OperationState.DEAD, reason="too long " * 12)

    (row,) = csv.DictReader(io.StringIO(run("operations", "list", "--format", "csv").out))
    line = json.loads(run("operations", "list", "--format", "ndjson").out)

    assert list(row) == list(line) == [*TITLES, "correlation_id"]
    assert row["reason"] == line["reason"] == "too long " * 12


@pytest.mark.parametrize(
    "argv", [["list", "--target", "phonebok"], ["release", "phonebok"]], ids=["list", "release"]
)
def test_an_unknown_target_ends_with_2_and_the_nearest(run, argv) -> None:
    ended = run("operations", *argv)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == 'there is no target "phonebok"; did you mean "phonebook"?\n'


def test_the_list_of_a_journal_that_is_not_there_ends_with_3(run) -> None:
    assert run("operations", "list").status == 3


@pytest.mark.parametrize(
    ("argv", "before", "says", "after"),
    [
        pytest.param(["retry", "op-1"], "dead", "op-1 is tried again\n", ["doubt"], id="retry"),
        pytest.param(["drop", "op-1"], "held", "op-1 is dropped\n", [], id="drop"),
        pytest.param(["release", "cx"], "held", "cx: 1 held removals let go\n", ["pending"], id="release"),
        pytest.param(["release", "cx"], "dead", "cx: 0 held removals let go\n", ["dead"], id="none held"),
    ],
)
def test_an_act_is_done_here_where_no_gateway_runs(run, standing, argv, before, says, after) -> None:
    standing("op-1", OperationState(before))

    ended = run("operations", *argv)

    assert (ended.status, ended.out, ended.err) == (0, says, "")
    assert [row["standing"] for row in listed(run)] == after


def test_all_of_a_target_is_dropped_once_that_is_confirmed(run, standing) -> None:
    for op_id, target in (("op-1", "cx"), ("op-2", "cx"), ("op-3", "phonebook")):
        standing(op_id, OperationState.DEAD, target)

    refused = run("operations", "drop", "--target", "cx", stdin="n\n")
    done = run("operations", "drop", "--target", "cx", stdin="y\n")

    assert (refused.status, refused.err) == (1, "nothing was dropped\n")
    assert refused.out == "2 changes never reach cx, leavers among them stay. Go on? [y/N] "
    assert (done.status, done.out.endswith("cx: 2 operations dropped\n")) == (0, True)
    assert [row["id"] for row in listed(run)] == ["op-3"]


def test_what_a_removed_target_left_is_dropped_at_once(run, standing) -> None:
    standing("op-1", OperationState.DEAD, "gone")

    ended = run("operations", "drop", "--target", "gone", "--yes")

    assert (ended.status, ended.out, listed(run)) == (0, "gone: 1 operations dropped\n", [])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        pytest.param([], "say the ID", id="neither"),
        pytest.param(["op-1", "--target", "cx"], "say the ID", id="both"),
        pytest.param(["--target", "phonebok"], 'did you mean "phonebook"?', id="unknown"),
    ],
)
def test_what_to_drop_has_to_be_clear(run, journal, argv, says) -> None:
    journal(lambda opened: opened.operations.open(None, ()))

    ended = run("operations", "drop", *argv)

    assert (ended.status, says in ended.err) == (2, True)


def test_one_held_removal_is_let_go_here_where_no_gateway_runs(run, standing) -> None:
    standing("op-1", OperationState.HELD)
    standing("op-2", OperationState.HELD)

    nobody = run("operations", "release", "cx", "--only", "op-3@example.com")
    ended = run("operations", "release", "cx", "--only", "op-2@example.com")

    assert (nobody.status, nobody.err) == (
        1,
        "no removal of somebody with this userName or id is held\n",
    )
    assert (ended.status, ended.out) == (0, "cx: 1 held removals let go\n")
    assert {row["id"]: row["standing"] for row in listed(run)} == {"op-1": "held", "op-2": "pending"}


@pytest.mark.parametrize(
    ("act", "standings", "says"),
    [
        pytest.param("retry", [], "tried again", id="retry unknown"),
        pytest.param("retry", [OperationState.HELD], "tried again", id="retry held"),
        pytest.param("drop", [], "dropped", id="drop unknown"),
    ],
)
def test_there_is_no_such_operation_ends_with_1(run, standing, act, standings, says) -> None:
    for state in standings:
        standing("op-1", state)

    ended = run("operations", act, "op-1")

    assert (ended.status, ended.err) == (1, f'there is no operation "op-1" that can be {says}\n')


@pytest.mark.parametrize(
    ("act", "status", "left"), [("retry", 1, ["op-1"]), ("drop", 0, [])], ids=["retry", "drop"]
)
def test_what_a_removed_target_left_can_be_dropped_but_not_tried_again(
    run, standing, act, status, left
) -> None:
    standing("op-1", OperationState.DEAD, "gone")

    ended = run("operations", act, "op-1")

    assert ended.status == status
    assert [row["id"] for row in listed(run)] == left


@pytest.mark.parametrize("argv", [["retry", "x"], ["drop", "x"], ["release", "cx"]], ids=lambda a: a[0])
def test_a_gateway_without_its_socket_ends_with_3(run, folder, argv) -> None:
    lock = JournalLock(folder / "var" / "gateway.db")

    ended = run("operations", *argv)

    lock.release()
    assert (ended.status, ended.out) == (3, "")
    assert ended.err == (
        f"another gateway has the journal {folder}/var/gateway.db, "
        f"and {folder}/var/gateway.db.sock cannot be used: No such file or directory\n"
    )


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    """A running gateway whose phonebook lets one person go an hour; everybody else of three is held."""
    config = folder / "config.toml"
    brake = 'connector = "embedded"\nmax_removals = { count = 1, per = "1h" }'
    config.write_text(config.read_text().replace('connector = "embedded"', brake))
    with capture_logs():
        async with open_gateway(load_settings(config, CONNECTORS)) as opened, serving(opened):
            for n in range(3):
                person = await changed(opened, "create", {"userName": f"p{n}", "active": True})
                leaving = changed(opened, "patch", LEAVE, person.document["id"])
                await asyncio.gather(leaving, return_exceptions=True)
            yield opened


async def changed(gateway: Gateway, operation: str, body: dict[str, Any], id: str | None = None) -> Any:
    target = gateway.targets["phonebook"]
    change = Change(operation, USER, target, Caller("okta"), f"cid-{operation}", id, body)
    return await Changes(gateway.services, gateway.recovery).handle(change)


async def waiting(gateway: Gateway) -> list[str]:
    found = await gateway.services.operations.open("phonebook", ())
    return [operation.intent.op_id for operation in found]


async def settled(gateway: Gateway, left: int) -> None:
    """Wait until so many operations are left, for less than the sweep takes to come by itself."""
    async with asyncio.timeout(4):
        while len(await waiting(gateway)) > left:
            pass


async def command(run, *argv: str) -> Any:
    return await asyncio.to_thread(run, "operations", *argv)


async def test_a_running_gateway_lets_the_held_go_at_once(run, gateway) -> None:
    rows = json.loads((await command(run, "list", "--format", "json")).out)
    assert [row["standing"] for row in rows] == ["braked", "held", "held"]

    ended = await command(run, "release", "phonebook")

    assert (ended.status, ended.out) == (0, "phonebook: 2 held removals let go\n")
    await settled(gateway, 0)
    people = await gateway.services.resources.page("phonebook", USER, "", 10)
    assert [person.state for person in people] == [State.INACTIVE] * 3


async def test_a_running_gateway_drops(run, gateway) -> None:
    dropped, kept = await waiting(gateway)

    first, second = await command(run, "drop", dropped), await command(run, "drop", dropped)

    assert (first.status, first.out) == (0, f"{dropped} is dropped\n")
    assert (second.status, second.out) == (1, "")
    assert await waiting(gateway) == [kept]


async def test_a_running_gateway_tries_again_at_once(run, gateway) -> None:
    operation, _ = await gateway.services.operations.open("phonebook", ())
    later = stamp(datetime.now(UTC) + timedelta(hours=1))
    await gateway.services.operations.mark(operation, Transition(OperationState.PENDING, "busy", later))
    id = operation.intent.op_id

    ended = await command(run, "retry", id)

    assert (ended.status, ended.out) == (0, f"{id} is tried again\n")
    await settled(gateway, 1)
    assert id not in await waiting(gateway)


async def test_a_running_gateway_refuses_what_it_does_not_know(run, gateway) -> None:
    unknown = await command(run, "retry", "no/such")
    config = Path("config.toml")
    config.write_text(config.read_text().replace("[targets.cx]", "[targets.cy]"))
    newer = await command(run, "release", "cy")

    assert (unknown.status, newer.status) == (1, 1)
    assert unknown.err == 'there is no operation "no/such" that can be tried again\n'
    assert newer.err.startswith("the target is not in the running gateway's configuration [")


async def test_what_somebody_works_on_is_left_to_them(run, gateway) -> None:
    operation, _ = await gateway.services.operations.open("phonebook", ())

    async with gateway.services.locks.hold("phonebook", operation.intent.keys, patience=0):
        ended = await command(run, "drop", operation.intent.op_id)

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith("another change of this resource is still under way [")


async def test_a_running_gateway_lets_one_go_and_holds_the_other(run, gateway) -> None:
    ended = await command(run, "release", "phonebook", "--only", "p2")

    await settled(gateway, 1)
    (left,) = await gateway.services.operations.open("phonebook", ())
    assert (ended.status, ended.out) == (0, "phonebook: 1 held removals let go\n")
    assert (left.intent.original["userName"], left.standing) == ("p1", OperationState.HELD)


@pytest.mark.parametrize(
    ("only", "says"),
    [("p7", "no removal of somebody"), ("3", "2 removals are held: say a number from 1 to that")],
)
async def test_a_running_gateway_lets_nobody_go_where_nobody_is_meant(run, gateway, only, says) -> None:
    ended = await command(run, "release", "phonebook", "--only", only)

    assert (ended.status, ended.err.startswith(says)) == (1, True)
    assert len(await waiting(gateway)) == 2


async def test_a_running_gateway_drops_all_of_a_target(run, gateway) -> None:
    ended = await command(run, "drop", "--target", "phonebook", "--yes")

    assert (ended.status, ended.out) == (0, "phonebook: 2 operations dropped\n")
    assert await waiting(gateway) == []
