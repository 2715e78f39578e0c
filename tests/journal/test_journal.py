"""What the journal in SQLite promises beyond the ports: restarts, full disks, hops, the file."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import combinations_with_replacement

import orjson
import pytest

from gateway.admin.acts import Token
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import Key, KeysTaken, OperationState, Outcome, Settlement, Transition
from gateway.flow.target_port import ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.journal.operations import Owner, SqliteOperations
from gateway.journal.resources import BY, with_links
from gateway.journal.restored import RestoreCheck
from gateway.journal.state import list_tokens
from gateway.journal.store import JournalLock, JournalLocked, read_note
from gateway.sqlite import QUEUE
from gateway.sqlite_file import StoreUnavailable, read_only

USER = ResourceType.USER
DOUBT = Transition(OperationState.DOUBT)


NAME, EXTERNAL, ID = Key("name", "ann"), Key("external", "x-1"), Key("id", "id-1")


def hops_of(journal, thread="_writer"):
    """Count how often a thread is asked for something."""
    writer, hops = getattr(journal.database, thread), []
    execute = writer._execute

    def counted(*arguments):
        hops.append(arguments)
        return execute(*arguments)

    writer._execute = counted
    return hops


def operations_of(journal, clock, owner):
    """Return what another run of the process does with the same journal."""
    return SqliteOperations(
        journal.database, journal.resources, journal.operations._appender, journal.mirrors, owner
    )


async def test_an_operation_open_at_a_crash_is_doubtful_afterwards(reopen, intent, event):
    journal = await reopen()
    operations = [await journal.operations.claim(intent(f"op-{n}", f"name-{n}")) for n in range(3)]
    await journal.operations.mark(operations[1], DOUBT)
    await journal.operations.settle(operations[2], Settlement(Outcome.APPLIED, event()))

    found = await (await reopen()).operations.open("cx", [])
    assert [(operation.intent, operation.standing) for operation in found] == [
        (operations[0].intent, OperationState.DOUBT),
        (operations[1].intent, OperationState.DOUBT),
    ]


@pytest.mark.parametrize("standing", [None, *OperationState])
async def test_the_keys_of_what_is_not_settled_are_held_after_a_crash_too(reopen, intent, event, standing):
    journal = await reopen()
    operation = await journal.operations.claim(intent(keys=(NAME, EXTERNAL)))
    settled = await journal.operations.claim(intent("op-2", "bob"))
    await journal.operations.settle(settled, Settlement(Outcome.APPLIED, event()))
    if standing is not None:
        await journal.operations.mark(operation, Transition(standing))

    operations = (await reopen()).operations
    for key in (NAME, EXTERNAL):
        with pytest.raises(KeysTaken):
            await operations.claim(intent("op-3", keys=(key, Key("name", "bob"))))
        begun = await operations.begin("cx", USER, (key,), intent("op-3", keys=(key,)))
        assert [found.intent for found in begun.unsettled] == [operation.intent]
    assert (await operations.claim(intent("op-3", "bob"))).fence == 1
    await operations.settle(begun.unsettled[0], Settlement(Outcome.FAILED, event("e-2")))
    assert (await operations.claim(intent("op-4", keys=(NAME, EXTERNAL)))).fence == 1


@pytest.mark.parametrize("is_begun", [True, False], ids=["begin", "claim"])
async def test_an_intent_that_could_not_be_recorded_holds_no_key(sqlite, intent, is_begun):
    made = intent()
    writer = sqlite.database._writer
    await writer.execute("PRAGMA query_only = ON")
    operations = sqlite.operations
    with pytest.raises(JournalUnavailable):
        await (operations.begin("cx", USER, made.keys, made) if is_begun else operations.claim(made))
    await writer.execute("PRAGMA query_only = OFF")

    assert (await operations.claim(intent("op-2"))).fence == 1


@pytest.mark.parametrize("is_readable", [True, False], ids=["written", "not written"])
async def test_who_goes_away_meanwhile_leaves_keys_held_only_by_what_was_written(sqlite, intent, is_readable):
    made = intent()
    await sqlite.database._writer.execute(f"PRAGMA query_only = {'OFF' if is_readable else 'ON'}")
    batches = sqlite.database.batches
    claim = asyncio.create_task(sqlite.operations.claim(made))
    while sqlite.database.batches == batches:
        await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    await sqlite.database._writer.execute("PRAGMA query_only = OFF")
    await sqlite.database.write(lambda connection: None)

    found = await sqlite.operations.open("cx", made.keys)
    assert [operation.intent for operation in found] == [made] * is_readable


async def test_a_create_is_two_hops_and_a_question_about_a_person_none(sqlite, intent, event, resource):
    hops, made = hops_of(sqlite), intent()
    begun = await sqlite.operations.begin("cx", USER, made.keys, made)
    settlement = Settlement(Outcome.APPLIED, event(), resource(links={"cx": "t-1"}), is_new=True)
    await sqlite.operations.settle(begun.operation, settlement)
    assert len(hops) == 2

    reads = hops_of(sqlite, "_reader")
    await sqlite.operations.begin("cx", USER, (NAME, ID))
    await sqlite.operations.open("cx", [NAME])
    assert (len(hops), len(reads)) == (2, 0)


@pytest.mark.parametrize(("kind", "most"), [(USER, 0), (ResourceType.GROUP, 1)])
async def test_questions_asked_at_once_are_one_hop_and_about_people_none(sqlite, resource, event, kind, most):
    name = {"userName": "Ann", "displayName": "Ann"}
    known = replace(resource(type=kind), original=name)
    await sqlite.operations.settle(None, Settlement(Outcome.APPLIED, event(), known))
    hops = hops_of(sqlite, "_reader")

    found = await asyncio.gather(*(sqlite.resources.find("cx", kind, [NAME]) for _ in range(20)))
    assert [len(some) for some in found] == [1] * 20
    assert len(hops) == most


async def test_events_nobody_waits_for_are_on_disk_with_the_next_batch_or_at_close(reopen, event):
    journal = await reopen()
    hops = hops_of(journal)
    for n in range(3):
        journal.trail.later(event(f"later-{n}"))
    await journal.trail.append([event("now")])
    assert len(hops) == 1
    journal.trail.later(event("last"))

    told = await (await reopen()).trail.page(None, 9, None, None)
    assert [line["id"] for line in told] == ["last", "now", "later-2", "later-1", "later-0"]


async def test_an_event_nobody_waits_for_is_written_once_the_disk_can_be_again(sqlite, event):
    sqlite.trail.later(event("e-1"))
    await sqlite.database._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnavailable):
        await sqlite.trail.append([event("e-2")])
    with pytest.raises(JournalUnavailable, match="read-only"):
        sqlite.trail.later(event("e-3"))
    await sqlite.database._writer.execute("PRAGMA query_only = OFF")
    assert await sqlite.health() is None
    assert [line["id"] for line in await sqlite.trail.page(None, 9, None, None)] == ["e-1"]

    sqlite.trail.later(event("e-4"))
    await sqlite.trail.append([event("e-5")])
    told = await sqlite.trail.page(None, 9, None, None)
    assert [line["id"] for line in told] == ["e-5", "e-4", "e-1"]


async def test_everything_survives_a_restart(reopen, resource, event):
    journal = await reopen()
    made = resource(links={"cx": "t-1"})
    await journal.operations.settle(None, Settlement(Outcome.APPLIED, event(), made))
    told, head = await journal.trail.page(None, 9, None, None), await journal.trail.head()

    journal = await reopen()
    assert await journal.resources.find("cx", USER, [Key("id", "id-1")]) == (made,)
    assert (await journal.trail.page(None, 9, None, None), await journal.trail.head()) == (told, head)


async def test_a_delivered_answer_is_on_disk_with_the_next_batch_or_at_close(reopen, resource, event):
    journal = await reopen()
    people = [resource(id, id) for id in ("a", "b")]
    for person in people:
        await journal.operations.settle(None, Settlement(Outcome.APPLIED, event(person.id), person))
    hops = hops_of(journal)
    await journal.resources.note_replied("cx", USER, "a")
    await journal.trail.append([event("next")])
    await journal.resources.note_replied("cx", USER, "b")
    assert (len(hops), list(journal.resources._replied)) == (1, [("cx", USER, "b")])

    found = await (await reopen()).resources.page("cx", USER, "", 9)
    assert [person.replied for person in found] == [True, True]


async def test_a_delivered_answer_is_remembered_when_the_disk_fails(sqlite, resource, event):
    await sqlite.operations.settle(None, Settlement(Outcome.APPLIED, event(), resource()))
    await sqlite.database._writer.execute("PRAGMA query_only = ON")
    await sqlite.resources.note_replied("cx", USER, "id-1")
    with pytest.raises(JournalUnavailable):
        await sqlite.trail.append([event("next")])

    (found,) = await sqlite.resources.find("cx", USER, [Key("id", "id-1")])
    assert found.replied
    await sqlite.close()
    await sqlite.resources.note_replied("cx", USER, "id-1")


async def test_a_page_may_be_larger_than_a_statement_takes(sqlite, resource, event):
    people = [resource(f"{n:04}", f"p{n}", links={"cx": f"t{n}"}) for n in range(600)]
    settlements = [Settlement(Outcome.APPLIED, event(person.id), person) for person in people]
    await asyncio.gather(*(sqlite.operations.settle(None, settlement) for settlement in settlements))

    assert await sqlite.resources.page("cx", USER, "", 1000) == tuple(people)
    assert len(await sqlite.resources.read("cx", USER, "cx", [f"t{n}" for n in range(1000)])) == 600


async def test_many_changes_at_once_are_two_hops_a_batch(sqlite, intent, event):
    hops = hops_of(sqlite)
    intents = [intent(f"op-{n}", f"name-{n}") for n in range(64)]
    claimed = await asyncio.gather(*(sqlite.operations.claim(made) for made in intents))
    settlements = [Settlement(Outcome.APPLIED, event(made.op_id)) for made in intents]
    pairs = zip(claimed, settlements, strict=True)

    await asyncio.gather(*(sqlite.operations.settle(*pair) for pair in pairs))
    assert len(hops) <= 4
    assert (await sqlite.trail.head())[0] == 64


async def test_a_settled_operation_names_nobody(sqlite, intent, event, path):
    operation = await sqlite.operations.claim(intent())
    await sqlite.operations.settle(operation, Settlement(Outcome.APPLIED, event()))

    with closing(read_only(path)) as connection:
        assert connection.execute("SELECT count(*) FROM op").fetchone() == (0,)
        body = connection.execute("SELECT body FROM event").fetchone()[0]
    assert "Ann" not in body
    assert "Ag€nt" not in body


@pytest.mark.parametrize(
    ("lease", "owner", "is_taken"),
    [
        pytest.param(90, "other run", False, id="another whose lease lasts"),
        pytest.param(0, "other run", True, id="another whose lease is over"),
        pytest.param(90, "this run", True, id="its own"),
    ],
)
async def test_an_operation_is_taken_over_from_who_is_no_longer_there(
    sqlite, intent, clock, lease, owner, is_taken
):
    other = operations_of(sqlite, clock, Owner(owner, timedelta(seconds=lease)))
    operation = await other.claim(intent())

    if not is_taken:
        with pytest.raises(KeysTaken):
            await sqlite.operations.take_over(operation)
        clock.turn(lease)
    owned = await sqlite.operations.take_over(operation)
    assert owned.fence == 2
    third = operations_of(sqlite, clock, Owner("a third run", timedelta(seconds=90)))
    with pytest.raises(KeysTaken):  # who takes it over has a lease of their own
        await third.take_over(owned)


async def test_an_operation_claimed_twice_keeps_its_keys(sqlite, intent):
    operation = await sqlite.operations.claim(intent())
    with pytest.raises(sqlite3.IntegrityError):
        await sqlite.operations.claim(intent())

    assert await sqlite.operations.open("cx", [Key("name", "ann")]) == (operation,)


async def test_a_doubt_ends_the_lease(sqlite, intent, clock):
    other = operations_of(sqlite, clock, Owner("other run", timedelta(90)))
    operation = await other.mark(await other.claim(intent()), DOUBT)

    assert (await sqlite.operations.take_over(operation)).fence == 2


async def test_a_full_disk_sends_nothing_and_comes_back(sqlite, intent):
    database = sqlite.database
    (pages,) = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone())
    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    large = intent(wanted={"title": "x" * 100_000})

    with pytest.raises(JournalUnavailable, match="the disk is full"):
        await sqlite.operations.claim(large)
    assert await sqlite.operations.open("cx", []) == ()
    await database.write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
    assert (await sqlite.operations.claim(large)).fence == 1


async def test_health_tells_a_failure_until_writing_works_again(sqlite, event):
    writer = sqlite.database._writer
    await writer.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnavailable):
        await sqlite.trail.append([event()])
    assert await sqlite.health() == "the file is read-only"
    await writer.execute("PRAGMA query_only = OFF")
    assert await sqlite.health() is None


async def test_health_is_not_well_on_a_disk_that_has_room_for_next_to_nothing(sqlite, intent, event):
    database = sqlite.database
    (pages,) = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone())
    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 8}").fetchone())
    with pytest.raises(JournalUnavailable, match="the disk is full"):
        await sqlite.operations.claim(intent(wanted={"title": "x" * 100_000}))

    for _ in range(3):
        assert await sqlite.health() == "the disk is full"
    await database.write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())

    assert await sqlite.health() is None
    held = await database.read(
        lambda c: c.execute("SELECT length(value) FROM meta WHERE name = 'probe'").fetchone()
    )
    assert held == (16,)


@pytest.mark.parametrize("is_dangling", [False, True])
async def test_a_link_in_the_place_of_the_note_is_not_followed(sqlite, path, tmp_path, event, is_dangling):
    await sqlite.trail.append([event()])
    other = tmp_path / "other"
    if not is_dangling:
        other.write_text("mine")
    fresh = path.with_name("gateway.db.head.new")
    fresh.symlink_to(other)
    check = RestoreCheck.beside(path, sqlite.database)

    await check.note()

    assert read_note(check.path) == await sqlite.trail.head()
    assert not fresh.is_symlink()
    assert other.exists() != is_dangling
    assert is_dangling or other.read_text() == "mine"


async def test_what_is_left_of_a_note_that_was_not_finished_is_in_nobodys_way(sqlite, path, event):
    await sqlite.trail.append([event()])
    path.with_name("gateway.db.head.new").write_text("x" * 999)
    check = RestoreCheck.beside(path, sqlite.database)

    await check.note()

    assert read_note(check.path) == await sqlite.trail.head()
    assert check.path.stat().st_mode & 0o777 == 0o600


async def test_a_queue_that_is_full_is_busy_not_broken(sqlite, event):
    waiting = [asyncio.create_task(sqlite.trail.append([event(f"e-{n}")])) for n in range(QUEUE + 1)]

    refused = [e for e in await asyncio.gather(*waiting, return_exceptions=True) if e is not None]
    assert [type(error) for error in refused] == [JournalUnavailable]
    assert "too many writes are waiting" in str(refused[0])
    assert await sqlite.health() is None


async def test_what_is_refused_at_once_holds_no_key(sqlite, intent, monkeypatch):
    first, second = intent("op-1"), intent("op-2")
    with monkeypatch.context() as patch:
        patch.setattr("gateway.sqlite.QUEUE", 0)
        with pytest.raises(JournalUnavailable):
            await sqlite.operations.begin("cx", ResourceType.USER, first.keys, first)
        with pytest.raises(JournalUnavailable):
            await sqlite.operations.claim(first)

    begun = await sqlite.operations.begin("cx", ResourceType.USER, second.keys, second)
    assert begun.operation is not None


async def test_a_second_gateway_is_refused_and_harms_nothing(sqlite, path, clock, event):
    with pytest.raises(JournalLocked):
        await SqliteJournal.open(path, "full", clock, print, owner="second")

    await sqlite.trail.append([event()])
    assert path.with_name("gateway.db.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name_again",
    [
        pytest.param(lambda path, other: other.symlink_to(path), id="a symbolic link"),
        pytest.param(lambda path, other: other.hardlink_to(path), id="a hard link"),
        pytest.param(
            lambda path, other: (path.with_name("gateway.db.lock").unlink(), other.symlink_to(path)),
            id="a symbolic link, the lock removed",
        ),
    ],
)
async def test_a_second_gateway_by_another_name_of_the_journal_is_refused(
    sqlite, path, clock, event, name_again
):
    other = path.with_name("other.db")
    name_again(path, other)

    with pytest.raises(JournalLocked):
        await SqliteJournal.open(other, "full", clock, print, owner="second")


async def test_a_second_gateway_is_refused_though_the_lock_was_removed(sqlite, path, clock, event):
    path.with_name("gateway.db.lock").unlink()

    with pytest.raises(JournalLocked):
        await SqliteJournal.open(path, "full", clock, print, owner="second")
    await sqlite.trail.append([event()])


def test_a_lock_alone_makes_no_journal(path):
    JournalLock(path, makes=False).release()

    assert [file.name for file in path.parent.iterdir()] == ["gateway.db.lock"]


async def test_health_finds_a_journal_that_is_gone(sqlite, path):
    path.unlink()

    assert "not there any more" in (await sqlite.health() or "")


async def test_a_journal_that_cannot_be_opened_lets_the_lock_go(path, clock):
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to have a header of one hundred bytes" * 9)
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="no SQLite database"):
            await SqliteJournal.open(path, "full", clock, print, owner="this run")


async def test_a_lock_that_cannot_be_made_is_said(tmp_path, clock):
    (tmp_path / "file").touch()

    with pytest.raises(JournalUnavailable, match="lock"):
        await SqliteJournal.open(tmp_path / "file" / "gateway.db", "full", clock, print, owner="this run")


async def test_a_closed_journal_is_unavailable(sqlite, intent):
    await sqlite.close()

    for refused in (sqlite.operations.claim(intent()), sqlite.operations.open("cx", []), sqlite.trail.head()):
        with pytest.raises(JournalUnavailable, match="closed"):
            await refused
    assert await sqlite.health() == "closed"


async def test_tokens_are_read_beside_a_running_gateway(sqlite, path):
    token = Token("t-1", "okta", "0" * 64, "2026")
    await sqlite.tokens.add(token)

    with closing(read_only(path)) as connection:
        assert list_tokens(connection) == (token,)


async def test_a_token_is_known_once(sqlite):
    await sqlite.tokens.add(Token("t-1", "okta", "0" * 64, "2026"))

    with pytest.raises(sqlite3.IntegrityError):
        await sqlite.tokens.add(Token("t-2", "okta", "0" * 64, "2026"))


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        pytest.param(
            "SELECT * FROM event WHERE correlation_id = ?", "event_correlation", id="correlation id"
        ),
        pytest.param("SELECT * FROM event WHERE subject = ?", "event_subject", id="person"),
        pytest.param("SELECT * FROM event WHERE id = ?", "event_id", id="event id"),
        pytest.param("SELECT * FROM event WHERE event = ?", "event_event", id="event type"),
        pytest.param("SELECT * FROM event WHERE target = ? ORDER BY seq DESC", "event_target", id="target"),
        pytest.param("SELECT * FROM event WHERE result = ? ORDER BY seq DESC", "event_result", id="result"),
        pytest.param("SELECT * FROM event WHERE actor = ? ORDER BY seq DESC", "event_actor", id="actor"),
    ],
)
async def test_what_an_auditor_asks_for_is_indexed(sqlite, path, sql, index):
    with closing(read_only(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", ("x",)).fetchall()

    assert [index in step[3] for step in plan] == [True]


async def test_no_port_scans_a_table(sqlite, intent, resource, event):
    statements, plans = [], []
    await sqlite.database._writer.set_trace_callback(statements.append)
    operation = await sqlite.operations.claim(intent())
    await sqlite.operations.settle(
        operation, Settlement(Outcome.APPLIED, event(), resource(links={"cx": "1"}))
    )
    await sqlite.database._writer.set_trace_callback(None)
    asked = [sql for sql in statements if sql.split()[0] in ("SELECT", "UPDATE", "DELETE")]
    for sql in asked:
        plans += await sqlite.database.read(
            lambda c, sql=sql: c.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        )
    assert [step[3] for step in plans if step[3].startswith("SCAN")] == ["SCAN trail_head"] * 2


async def test_the_subject_of_an_event_is_no_plain_digest_of_the_name(sqlite, path, event, tmp_path, clock):
    other = await SqliteJournal.open(tmp_path / "other.db", "full", clock, print, owner="other")
    subjects = []
    for journal, file in ((sqlite, path), (other, tmp_path / "other.db")):
        await journal.trail.append([event("e-1", "Ann"), event("e-2", "ANN"), event("e-3", "Bob")])
        with closing(read_only(file)) as connection:
            subjects.append([row[0] for row in connection.execute("SELECT subject FROM event ORDER BY seq")])
    await other.close()

    assert [(one == two, one == three) for one, two, three in subjects] == [(True, False)] * 2
    assert subjects[0] != subjects[1]


async def test_the_body_of_an_event_is_canonical_json(sqlite, path, event):
    await sqlite.trail.append([event()])

    with closing(read_only(path)) as connection:
        body = connection.execute("SELECT body FROM event").fetchone()[0]
    assert body.encode() == orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)


def test_a_store_is_unavailable_for_a_reason():
    assert StoreUnavailable("the disk is full").reason == "the disk is full"


@pytest.mark.parametrize("standing", [OperationState.PENDING, OperationState.HELD, OperationState.DEAD])
async def test_how_an_operation_stands_outlives_the_process(reopen, intent, standing):
    journal = await reopen()
    operation = await journal.operations.claim(intent())
    await journal.operations.mark(operation, Transition(standing, "because", "2999"))

    found = await (await reopen()).operations.open("cx", [])
    assert [(o.standing, o.reason, o.due) for o in found] == [(standing, "because", "")]


@pytest.mark.parametrize(
    "kinds", [kinds for n in (1, 2, 3, 4) for kinds in combinations_with_replacement(BY, n)]
)
async def test_whoever_is_asked_for_no_other_row_is_looked_at(sqlite, kinds):
    asked = ["x"] * (3 * len(kinds))
    question = f"EXPLAIN QUERY PLAN {with_links(kinds)}"

    steps = [
        row[3] for row in await sqlite.database.read(lambda file: file.execute(question, asked).fetchall())
    ]
    assert [step for step in steps if "SCAN" in step or "(base=? AND type=?)" in step] == []
    assert len([step for step in steps if step.startswith("SEARCH r USING")]) == len(kinds)
