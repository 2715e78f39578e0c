"""What is in doubt is looked up, and nothing is taken for certain that is not."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Busy, GatewayError, JournalUnavailable, Uniqueness
from gateway.flow.target_port import Attributes, Broken, Denied, Silent, TargetError, Throttled, Unreachable
from gateway.mapping.target import TargetMapping
from tests.support.rules import make_rule
from tests.support.running import LEAVE, Running, make_running

ANN: Attributes = {"userName": "ann@x", "externalId": "1", "title": "A", "active": True}
PATIENT: dict[str, Any] = {"attempts": 3, "deadline": 50.0}
ONCE: dict[str, Any] = {"attempts": 1, "deadline": 5.0}


async def hired(gateway: Running) -> str:
    """Create Ann and return her id, when all reads of her are too old to be trusted."""
    reply = await gateway.send("create", ANN)
    gateway.clock[0] += 60
    assert reply.document is not None
    return str(reply.document["id"])


async def test_a_change_that_is_not_shown_unlinks_nobody() -> None:
    gateway = make_running()
    id = await hired(gateway)
    await gateway.send("replace", ANN, id)  # looked at just now, so the next read is of the change
    gateway.fake.silent, gateway.fake.absent = True, 1

    with suppress(Busy):
        await gateway.send("replace", ANN | {"title": "B"}, id)
    linked = await gateway.linked()
    gateway.clock[0] += 60
    await gateway.send("patch", LEAVE, id)

    assert linked == {id: id}
    assert (gateway.fake.entries[id]["title"], gateway.is_active(id)) == ("B", False)


@pytest.mark.parametrize(
    "fault",
    [Throttled("slow", 429), Denied("no", 403), Unreachable("refused"), Broken("oops", 500)],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_change_that_cannot_be_read_back_is_no_reason_to_leave_the_next_one_out(
    fault: TargetError,
) -> None:
    gateway = make_running()
    id = await hired(gateway)
    await gateway.send("replace", ANN, id)
    gateway.fake.silent, gateway.fake.get_faults = True, [fault]

    with suppress(Busy):
        await gateway.send("replace", ANN | {"title": "B"}, id)
    await gateway.send("replace", ANN, id)

    assert gateway.fake.entries[id]["title"] == "A"


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda g, id: g.get(id), id="a GET"),
        pytest.param(lambda g, id: g.search('userName eq "ann@x"'), id="a search"),
    ],
)
async def test_a_read_that_was_sent_before_a_change_and_comes_after_it_is_not_believed(read: Any) -> None:
    gateway = make_running()
    id = await hired(gateway)
    delay = gateway.fake.delay = asyncio.Event()
    reading = asyncio.create_task(read(gateway, id))
    while gateway.fake.delay is not None:
        await asyncio.sleep(0)
    await gateway.send("replace", ANN | {"title": "B"}, id)
    delay.set()
    await reading

    await gateway.send("replace", ANN, id)

    assert gateway.fake.entries[id]["title"] == "A"


async def doubted(gateway: Running, fault: TargetError | None = None) -> None:
    """Leave the creation of Ann in doubt; the target never got it."""
    gateway.fake.faults = [fault or Silent("timed out")]
    with pytest.raises(Busy):
        await gateway.send("create", ANN)
    gateway.clock[0] += 60


async def test_two_entries_that_may_be_hers_are_busy_with_the_reason_and_dead_after_give_up() -> None:
    gateway = make_running(**ONCE, give_up=12_000.0)
    await doubted(gateway)
    gateway.fake.entries = {id: ANN | {"id": id} for id in ("x1", "x2")}

    with pytest.raises(Busy, match="several entries with the same externalId"):
        await gateway.send("create", ANN)
    standings = []
    for _ in range(12):
        gateway.clock[0] += 1000
        await gateway.sweep()
        standings += await gateway.standings()

    assert standings == ["doubt"] * 11 + ["dead"]
    with pytest.raises(Busy, match=r"dead: .*several entries"):
        await gateway.send("create", ANN)
    assert gateway.fake.writes == ["create"]


OTHERS: list[Any] = [
    pytest.param({"adopt_by": ("externalId",)}, {"externalId": "9"}, id="a key that does not count"),
    pytest.param(
        {"protect": lambda entry: entry.get("userType") == "service"},
        {"userType": "service"},
        id="a protected one",
    ),
]


@pytest.mark.parametrize(("policy", "entry"), OTHERS)
@pytest.mark.parametrize("tries", [PATIENT, ONCE], ids=["at once", "later"])
async def test_an_entry_that_may_not_become_hers_is_not_taken_for_what_was_made_unheard(
    tries: dict[str, Any], policy: dict[str, Any], entry: Attributes
) -> None:
    gateway = make_running(**tries, **policy)
    gateway.fake.entries = {"x": {"userName": "ann@x", "title": "A", "active": True, "id": "x"} | entry}
    await doubted(gateway, Broken("oops", 503))

    with pytest.raises((Busy, Uniqueness)):  # hers is not there: what is in its way is somebody else's
        await gateway.send("create", ANN)
    gateway.clock[0] += 1000
    await gateway.sweep()

    assert (await gateway.linked(), gateway.fake.entries["x"].get("externalId")) == (
        {},
        entry.get("externalId"),
    )


async def test_somebody_known_is_not_taken_for_who_was_made_unheard() -> None:
    gateway = make_running(**ONCE)
    await gateway.send("create", {"userName": "bob@x"})
    gateway.fake.entries["t1"] |= {"userName": "ann@x"}  # renamed at the target
    await doubted(gateway)

    with pytest.raises(GatewayError):
        await gateway.send("create", ANN)
    await gateway.sweep()

    assert await gateway.linked() == {"t1": "t1"}


async def test_recovery_finds_who_was_created_though_the_target_keeps_less_of_her() -> None:
    gateway = make_running(**ONCE)
    gateway.fake.forgets, gateway.fake.late = "title", True
    await doubted(gateway)

    await gateway.sweep()

    assert (await gateway.linked(), await gateway.open()) == ({"t1": "t1"}, ())
    assert (await gateway.events())[-1]["outcome"]["result"] == "applied"


async def test_a_create_that_may_have_happened_is_never_refused_for_the_name_it_took_itself() -> None:
    gateway = make_running()
    gateway.fake.blind, gateway.fake.late = True, True
    gateway.fake.faults = [Silent("timed out")]

    with pytest.raises(Busy):
        await gateway.send("create", ANN)
    standings = await gateway.standings()
    gateway.fake.blind = False
    gateway.clock[0] += 60
    reply = await gateway.send("create", ANN)

    assert (gateway.fake.writes, standings) == (["create", "create"], ["doubt"])
    assert (reply.status, reply.document["id"], list(gateway.fake.entries)) == (201, "t1", ["t1"])


async def unwritten(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> str:
    """Leave a change silent that was begun 20 seconds before, while its doubt cannot be written down."""

    async def full(*_: Any) -> Any:
        raise JournalUnavailable("the disk is full")

    id = await hired(gateway)
    gateway.fake.faults = [Unreachable("refused", None, 20.0), Silent("timed out")]
    with monkeypatch.context() as patched:
        patched.setattr(gateway.journal.operations, "mark", full)
        with pytest.raises(Busy):
            await gateway.send("replace", ANN | {"title": "B"}, id)
    gateway.fake.calls.clear()
    gateway.clock[0] += 1
    return id


async def test_what_is_in_doubt_is_waited_for_though_that_could_not_be_written_down(monkeypatch) -> None:
    gateway = make_running(settle=10.0)
    await unwritten(gateway, monkeypatch)

    while not gateway.fake.calls:
        await gateway.sweep()
        gateway.clock[0] += 1

    assert gateway.clock[0] >= 60 + 20 + 10


async def test_a_change_waits_for_such_a_doubt_too(monkeypatch) -> None:
    gateway = make_running(settle=10.0)
    id = await unwritten(gateway, monkeypatch)
    gateway.slept.clear()

    await gateway.send("replace", ANN | {"title": "C"}, id)

    assert max(gateway.slept) >= 9.0


async def test_a_sweep_while_a_change_is_under_way_does_not_begin_the_time_of_its_doubt(monkeypatch) -> None:
    gateway = make_running(settle=10.0)

    async def sleep(seconds: float) -> None:
        gateway.clock[0] += 1
        await gateway.sweep()
        gateway.clock[0] += seconds - 1

    gateway.services = replace(gateway.services, sleep=sleep)
    await unwritten(gateway, monkeypatch)

    while not gateway.fake.calls:
        await gateway.sweep()
        gateway.clock[0] += 1

    assert gateway.clock[0] >= 60 + 20 + 10


async def behind(gateway: Running, tries: int) -> str:
    """Leave a change in doubt that was tried so often, and set the clock back an hour."""
    id = await hired(gateway)
    gateway.fake.faults = [Silent("timed out")]
    with pytest.raises(Busy):
        await gateway.send("replace", ANN | {"title": "B"}, id)
    gateway.fake.cut = Unreachable("down")
    for _ in range(tries - 1):
        gateway.clock[0] += 600
        await gateway.sweep()
    gateway.fake.cut = None
    gateway.wall[0] -= 3600
    return id


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_clock_set_back_makes_no_change_wait_longer_than_settle(tries: int) -> None:
    gateway = make_running(**ONCE, settle=10.0)
    id = await behind(gateway, tries)
    gateway.slept.clear()
    gateway.has_time()

    reply = await gateway.send("replace", ANN | {"title": "C"}, id)

    assert (reply.status, sum(gateway.slept) <= 10.0) == (200, True)


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_clock_set_back_keeps_nothing_open_for_an_hour(tries: int) -> None:
    gateway = make_running(**ONCE, settle=10.0)
    await behind(gateway, tries)

    for _ in range(70):
        gateway.clock[0] += 5
        await gateway.sweep()

    assert await gateway.open() == ()


@pytest.mark.parametrize("unique_names", [True, False], ids=["refused by name", "looked up first"])
async def test_an_adoption_sends_the_password_though_nothing_else_differs(unique_names: bool) -> None:
    rule = make_rule("password", None, (), None, None, "reject", "t")
    gateway = make_running(TargetMapping([rule]), unique_names=unique_names)
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"]
    gateway.fake.entries = {"x": ANN | {"schemas": schemas, "id": "x"}}

    reply = await gateway.send("create", ANN | {"password": "s3cret"})

    assert (reply.status, reply.outcome) == (201, "adopted")
    assert [what[1]["password"] for name, what in gateway.fake.calls if name == "change"] == ["s3cret"]
