"""Several gateways on one journal: whose a change is, who decides on what, and one trail of all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import psycopg
import pytest

from gateway.errors import Busy, JournalUnavailable
from gateway.flow.journal_port import (
    Key,
    KeysTaken,
    OperationState,
    Outcome,
    Settlement,
    StaleFence,
    Transition,
)
from gateway.flow.services import is_awaited
from gateway.flow.target_port import ResourceType
from gateway.journal.postgresql import database as under_test
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.postgresql.session import Lost, ServerSession
from gateway.journal.reader import reading
from gateway.settings.model import JournalSettings, Secret

USER = ResourceType.USER
ANN = (Key("name", "ann"),)


@pytest.fixture
async def replica(path, clock, database_url) -> AsyncIterator[Callable[[str], Awaitable[PostgresJournal]]]:
    """Open the journal once more, as a gateway of this name."""
    async with AsyncExitStack() as stack:

        async def open_another(name: str) -> PostgresJournal:
            journal = await PostgresJournal.reach(database_url, path, "full", clock, print, owner=name)
            stack.push_async_callback(journal.close)
            return journal

        yield open_another


@pytest.fixture
async def one(replica):
    return await replica("one")


@pytest.fixture
async def other(replica):
    return await replica("other")


def verdict(path, database_url):
    with reading(JournalSettings(path, database=Secret(database_url))) as reader:
        return str(reader.verify().state), reader.newest()


async def test_a_key_that_one_gateway_holds_no_other_gets(one, other, intent, event):
    held = await one.operations.claim(intent())
    with pytest.raises(KeysTaken):
        await other.operations.claim(intent("op-2"))
    await one.operations.settle(held, Settlement(Outcome.APPLIED, event()))

    assert (await other.operations.claim(intent("op-2"))).fence == 1


async def test_of_many_gateways_that_claim_a_key_at_once_one_gets_it(replica, intent):
    journals = [await replica(f"n{n}") for n in range(4)]
    claims = [journal.operations.claim(intent(f"op-{n}")) for n, journal in enumerate(journals * 5)]
    results = await asyncio.gather(*claims, return_exceptions=True)

    assert [type(result) for result in results].count(KeysTaken) == 19


async def test_who_waits_for_anothers_change_is_woken_by_its_end(
    one, other, intent, event, resource, monkeypatch
):
    monkeypatch.setattr("gateway.journal.postgresql.operations.POLL", 60.0)
    held = await one.operations.claim(intent())
    waiting = asyncio.create_task(other.operations.begin("cx", USER, ANN, intent("op-2")))
    while not (other.ear.is_listening and await is_waited(one)):
        await asyncio.sleep(0.01)
    assert not waiting.done()
    await one.operations.settle(held, Settlement(Outcome.APPLIED, event(), resource(), is_new=True))
    begun = await asyncio.wait_for(waiting, 10.0)

    assert [person.id for person in begun.resources] == ["id-1"]
    assert begun.unsettled == ()


async def is_waited(journal):
    return await journal.database.read(
        lambda connection: connection.execute("SELECT 1 FROM op WHERE waited").fetchone()
    )


async def elsewhere(work):
    """Do what another gateway does: it knows nothing of what the change under way here has seen."""

    async def own():
        return await work

    return await asyncio.create_task(own())


async def changed(journal, event, person):
    await journal.operations.begin("cx", USER, ANN)
    await journal.operations.settle(None, Settlement(Outcome.UNCHANGED, event, person))


@pytest.mark.parametrize("is_sent", [True, False])
async def test_what_was_decided_on_another_state_is_decided_anew(
    one, other, intent, event, resource, is_sent
):
    await one.operations.settle(None, Settlement(Outcome.APPLIED, event(), resource(), is_new=True))
    await one.operations.begin("cx", USER, ANN)
    newer = resource(external="7")
    await elsewhere(changed(other, event("e-2"), newer))
    claim = one.operations.claim(intent(resource_id="id-1"))
    settle = one.operations.settle(None, Settlement(Outcome.UNCHANGED, event("e-3"), resource()))
    tried, left = (claim, settle) if is_sent else (settle, claim)
    left.close()
    with pytest.raises(KeysTaken):
        await tried

    begun = await one.operations.begin("cx", USER, ANN)
    assert begun.resources == (newer,)
    assert (await one.operations.claim(intent(resource_id="id-1"))).fence == 1


async def test_a_newcomer_who_came_by_another_gateway_meanwhile_is_looked_up_anew(
    one, other, intent, event, resource
):
    assert (await one.operations.begin("cx", USER, ANN)).resources == ()
    new = Settlement(Outcome.APPLIED, event(), resource(), is_new=True)
    await elsewhere(other.operations.settle(None, new))

    with pytest.raises(KeysTaken):
        await one.operations.claim(intent())


async def test_whose_lease_is_over_writes_nothing_more(one, other, intent, event, resource, clock):
    held = await one.operations.claim(intent())
    with pytest.raises(KeysTaken):
        await other.operations.take_over(held)
    clock.turn(91)
    taken = await other.operations.take_over(held)
    for late in (
        one.operations.renew(held),
        one.operations.mark(held, Transition(OperationState.DOUBT)),
        one.operations.settle(held, Settlement(Outcome.APPLIED, event(), resource(), is_new=True)),
    ):
        with pytest.raises(StaleFence):
            await late

    assert await one.resources.find("cx", USER, ANN) == ()
    assert await one.trail.head() == (0, "")
    await other.operations.settle(taken, Settlement(Outcome.APPLIED, event(), resource(), is_new=True))


@pytest.mark.parametrize("way", ["begin", "claim", "take over", "renew"])
async def test_what_a_gateway_was_stopped_in_is_not_its_own_for_longer_than_its_lease_allows(
    one, other, intent, monkeypatch, way
):
    now = 1000.0  # goes on while the gateway is stopped, or the database away
    held = await other.operations.claim(intent()) if way == "take over" else None
    held = await one.operations.claim(intent()) if way == "renew" else held
    if way == "take over":
        await other.operations.mark(held, Transition(OperationState.DOUBT))
    write = one.database.write

    async def stopped(work, done=None):
        nonlocal now
        result = await write(work, done)
        now += 60.0
        return result

    monkeypatch.setattr("gateway.journal.postgresql.operations.monotonic", lambda: now)
    monkeypatch.setattr(type(one.database), "write", lambda _, work, done=None: stopped(work, done))
    if way == "begin":
        kept = (await one.operations.begin("cx", USER, ANN, intent())).operation
    elif way == "claim":
        kept = await one.operations.claim(intent())
    else:
        kept = await (one.operations.take_over if way == "take over" else one.operations.renew)(held)

    assert kept.until == 1045.0


async def test_who_asks_in_time_keeps_it(one, other, intent, clock):
    held = await one.operations.claim(intent())
    clock.turn(80)
    await one.operations.renew(held)
    clock.turn(80)

    with pytest.raises(KeysTaken):
        await other.operations.take_over(held)


async def test_what_is_in_doubt_is_anybodys_once_it_is_due_and_sent_again_only_by_whom_it_is(
    one, other, intent, clock
):
    held = await one.operations.claim(intent())
    due = "2026-11-22T01:04:39.000000Z"
    held = await one.operations.mark(held, Transition(OperationState.DOUBT, "reset", due))
    with pytest.raises(KeysTaken):
        await other.operations.take_over(held)
    clock.turn(31)

    assert held.until == 0.0
    assert (await other.operations.take_over(held)).fence == 2


async def test_a_gateway_that_ends_leaves_its_changes_to_the_others_once_none_of_them_can_still_arrive(
    replica, other, intent, clock
):
    gone = await replica("gone")
    held = await gone.operations.claim(intent())
    await gone.close()

    (found,) = await other.operations.open("cx", ANN)
    assert found.standing is OperationState.DOUBT
    clock.turn(44)
    with pytest.raises(KeysTaken):
        await other.operations.take_over(found)
    clock.turn(2)
    assert (await other.operations.take_over(found)).fence == held.fence + 1


async def test_what_waits_when_a_gateway_ends_is_for_the_others_when_it_is_due(replica, other, intent, clock):
    gone = await replica("gone")
    held = await gone.operations.claim(intent())
    due = "2026-11-22T01:04:39.000000Z"
    await gone.operations.mark(held, Transition(OperationState.DOUBT, "reset", due))
    await gone.close()
    (found,) = await other.operations.open("cx", ANN)
    with pytest.raises(KeysTaken):
        await other.operations.take_over(found)
    clock.turn(31)

    assert (await other.operations.take_over(found)).fence == 2


@pytest.mark.parametrize("way", ["begin", "claim", "settle"])
async def test_of_a_change_that_nobody_waits_for_any_more_nothing_is_recorded(
    one, intent, event, resource, way
):
    with_awaited = is_awaited.set(lambda: False)
    made = {
        "begin": lambda: one.operations.begin("cx", USER, ANN, intent()),
        "claim": lambda: one.operations.claim(intent()),
        "settle": lambda: one.operations.settle(None, Settlement(Outcome.UNCHANGED, event(), resource())),
    }
    with pytest.raises(Busy, match="nobody waits"):
        await made[way]()
    is_awaited.reset(with_awaited)

    assert await one.operations.open("cx", ()) == ()
    assert await one.resources.find("cx", USER, ANN) == ()


async def test_what_was_sent_is_settled_though_nobody_waits_for_it_any_more(one, intent, event, resource):
    held = await one.operations.claim(intent())
    with_awaited = is_awaited.set(lambda: False)
    await one.operations.settle(held, Settlement(Outcome.APPLIED, event(), resource(), is_new=True))
    is_awaited.reset(with_awaited)

    assert [person.id for person in await one.resources.find("cx", USER, ANN)] == ["id-1"]


async def test_events_of_all_gateways_are_one_chain(replica, event, path, database_url):
    journals = [await replica(f"n{n}") for n in range(3)]
    await asyncio.gather(
        *(
            journal.trail.append([event(f"e-{n}-{m}")])
            for m in range(20)
            for n, journal in enumerate(journals)
        )
    )

    assert verdict(path, database_url) == ("whole", 60)


async def test_the_brake_and_what_it_counts_are_seen_by_all(one, other, intent):
    await one.removals.trip("cx", "2026")
    await one.operations.claim(intent(removes=True))

    assert await other.removals.brake("cx") == ("2026", None)
    assert await other.removals.count("cx", "2026") == 1


@pytest.fixture
def loses(monkeypatch):
    """Have the answer to the next call or statement of this name get lost, though it was carried out."""

    def lose(name: str) -> None:
        left = [1]
        for method in ("call", "run"):
            whole = getattr(ServerSession, method)

            def lossy(self, sql, *arguments, whole=whole):
                answer = whole(self, sql, *arguments)
                if sql == name and left and left.pop():
                    self.close()
                    raise Lost("gone")
                return answer

            monkeypatch.setattr(ServerSession, method, lossy)

    return lose


async def test_a_change_whose_answer_is_lost_is_recorded_once(one, intent, event, resource, loses):
    loses("begin_batch")
    held = (await one.operations.begin("cx", USER, ANN, intent())).operation
    loses("settle_batch")
    await one.operations.settle(held, Settlement(Outcome.APPLIED, event(), resource(), is_new=True))

    assert (await one.trail.head())[0] == 1
    assert await one.operations.open(None, ()) == ()
    assert [person.id for person in await one.resources.find("cx", USER, ANN)] == ["id-1"]


async def test_an_intent_that_is_refused_and_whose_answer_is_lost_stays_refused(one, intent, loses):
    await one.operations.claim(intent())
    loses("begin_batch")
    with pytest.raises(KeysTaken):
        await one.operations.claim(intent("op-2"))


async def test_a_commit_whose_answer_is_lost_is_found_out_and_not_made_twice(one, event, loses):
    loses("COMMIT")
    await one.trail.append([event(), event("e-2")])

    assert (await one.trail.head())[0] == 2


async def test_an_event_that_is_told_again_is_there_once(one, event):
    await one.trail.append([event()])
    await one.trail.append([event(), event("e-2")])

    assert (await one.trail.head())[0] == 2


async def test_a_session_that_holds_the_head_and_hears_nothing_is_ended(one, event, database_url):
    with psycopg.connect(database_url) as stopped:
        stopped.execute("SELECT 1 FROM trail_head FOR UPDATE")
        stopped.execute("INSERT INTO removal VALUES ('cx', '1', '', '')")
        await one.trail.append([event()])
        with pytest.raises(psycopg.OperationalError):
            stopped.execute("SELECT 1")

    assert (await one.trail.head())[0] == 1


async def test_a_database_that_does_not_answer_is_said_and_used_again_when_it_does(
    one, event, postgres, monkeypatch
):
    monkeypatch.setattr(under_test, "PATIENCE", 0.2)
    postgres.stop()
    try:
        with pytest.raises(JournalUnavailable, match="cannot be"):
            await one.trail.append([event()])
        assert await one.health() is not None
    finally:
        postgres.start()
    monkeypatch.setattr(under_test, "PATIENCE", 10.0)
    await one.trail.append([event()])

    assert await one.health() is None


@pytest.mark.parametrize(("version", "is_taken"), [(2, True), (3, False)])
async def test_a_schema_one_step_newer_is_used_and_a_newer_one_is_refused(
    one, replica, database_url, version, is_taken
):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [version])
        try:
            if is_taken:
                await replica("old")
            else:
                with pytest.raises(JournalUnavailable, match="schema version 3, this release knows 1"):
                    await replica("old")
        finally:
            connection.execute("DELETE FROM schema_version WHERE version > 1")


async def test_gateways_that_start_together_make_the_schema_once(postgres_url, path, clock):
    opened = await asyncio.gather(
        *(PostgresJournal.reach(postgres_url, path, "full", clock, print, owner=f"n{n}") for n in range(4))
    )
    for journal in opened:
        await journal.close()

    assert len({journal.retention.salt for journal in opened}) == 1
