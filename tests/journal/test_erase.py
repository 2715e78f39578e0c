"""A person erased: every value gone from every file, and everything else as it was."""

import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from itertools import count

import pytest

from gateway.admin.acts import Erased, Kept, erase_person
from gateway.audit.event import Event, Personal
from gateway.audit.masking import Masking, hashing, masked
from gateway.audit.query import AuditQuery
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import OperationState, Outcome, Settlement, State, Transition
from gateway.flow.target_port import ResourceType
from gateway.journal import erase
from gateway.journal.events import load_events
from gateway.journal.journal import SqliteJournal
from gateway.journal.mirrors import mark
from gateway.journal.store import archives_of
from gateway.journal.verify import verify
from gateway.sqlite import Database
from gateway.sqlite_file import read_only
from tests.support.trails import seqs as told

DAY = 86400
CANARY = "canary"

pytestmark = pytest.mark.usefixtures("form")


@pytest.fixture
def erase_named(sqlite) -> Callable[[str], Awaitable[Erased]]:
    ids = count(1)
    return lambda name: erase_person(sqlite.retention, name, f"erasure-{next(ids)}")


@pytest.fixture
def remember(sqlite, event):
    """Add one event: about whom, by which id, with what else."""
    ids = count(1)

    async def remember_event(name, id="1", kind="User", **other):
        target = {"name": "cx", "type": kind, "id": id, "user_name": name and Personal(name)}
        await sqlite.trail.append([event(f"e-{next(ids)}", target=target, **other)])

    return remember_event


@pytest.fixture
def store(sqlite, resource, event):
    """Store a resource as it is after a change, with a link."""
    ids = count(1)

    async def store_resource(id, name, state, **other):
        links = {"cx": f"t-{id}"} if state is not State.DELETED else {"cx": None}
        kept = resource(id, name, state=state, links=links, **other)
        kept.original["emails"] = [{"value": f"{name}@mail.example"}]
        settlement = Settlement(Outcome.APPLIED, event(f"s-{next(ids)}", name), kept)
        await sqlite.operations.settle(None, settlement)

    return store_resource


def judged(path):
    with closing(read_only(path)) as connection:
        return str(verify(connection).state)


def names(path):
    """Return whom each event of the journal is about, as it can still be read."""
    with closing(read_only(path)) as connection:
        found = connection.execute("SELECT seq, subject IS NOT NULL FROM event ORDER BY seq").fetchall()
        told = load_events(connection, [seq for seq, _ in found])
        shown = [event.get("target", {}).get("user_name") for event in told]
        return [(name, bool(about)) for name, (_, about) in zip(shown, found, strict=True)]


def everywhere(path):
    """Return the bytes of all files of the journal."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


async def test_a_persons_values_leave_and_that_something_was_done_to_them_stays(
    erase_named, remember, path, sqlite
):
    for name in ("Ann", "Bob", "ANN"):
        await remember(name, id=name.lower())

    erased = await erase_named("ann")
    assert (erased.events, erased.originals, erased.kept, erased.is_done) == ((1, 3), (), (), True)
    assert judged(path) == "whole"
    newest, third, _, first = await sqlite.trail.page(None, 9, None, None)
    assert (first["event"], first["target"]["user_name"], first["diff"][0]["after"]) == (
        "user.create",
        None,
        None,
    )
    assert third["target"]["id"] == "ann"
    assert (newest["event"], newest["erased"]) == ("erase", {"events": [1, 3], "originals": []})
    assert "ann" not in str(newest).casefold()


async def test_others_keep_theirs(erase_named, remember, path):
    for name in ("Ann", "Bob", "Joann"):
        await remember(name, id=name.lower())

    await erase_named("Ann")
    assert names(path)[:3] == [(None, False), ("Bob", True), ("Joann", True)]


async def test_the_history_of_who_was_erased_is_the_erasure(erase_named, remember, path):
    await remember("Ann")
    await erase_named("Ann")

    with closing(read_only(path)) as connection:
        assert list(told(connection, path, AuditQuery(name="ann"))) == [2]


@pytest.mark.parametrize("name", ["Ann", ""], ids=["unknown", "empty"])
async def test_nobody_leaves_no_event(erase_named, remember, name, sqlite):
    await remember("Bob")

    erased = await erase_named(name)
    assert (erased.is_anything, erased.kept) == (False, ())
    assert (await sqlite.trail.head())[0] == 1


async def test_an_archive_that_cannot_be_written_keeps_its_values_until_the_next_try(
    erase_named, remember, path, sqlite, clock, monkeypatch
):
    for name in ("Ann", "Bob"):
        await remember(name, id=name.lower())
        clock.turn(40 * DAY)
    await sqlite.retention.retire(0)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full_disk)
        assert not (await erase_named("Ann")).is_done
    assert [file.name for file in path.parent.iterdir() if "draft" in file.name] == []

    assert (await erase_named("Nobody")).is_done
    assert b'"Ann"' not in everywhere(path)


def full_disk(descriptor):
    raise OSError(28, "No space left on device")


async def test_who_was_erased_is_not_found_again(erase_named, remember):
    await remember("Ann")
    await erase_named("Ann")

    assert not (await erase_named("Ann")).is_anything


async def test_what_comes_after_an_erasure_can_be_erased_again(erase_named, remember, path):
    for _ in range(2):
        await remember("Ann")
        last = await erase_named("Ann")

    assert last.events == (3,)
    assert judged(path) == "whole"


async def test_the_names_a_person_had_before_are_theirs(erase_named, remember):
    for name in ("Ann", "Ann.Lee", None):
        await remember(name, id="7")

    assert (await erase_named("ann.lee")).events == (1, 2)


async def test_who_has_another_name_now_keeps_all_but_the_old_one(erase_named, remember):
    await remember("Ann", id="7")
    await remember("Ann.Lee", id="7")
    await remember("Ann", id="8")

    assert (await erase_named("ann")).events == (1, 3)


async def test_a_name_given_to_somebody_new_finds_what_its_owner_did_under_others(
    erase_named, remember, store
):
    await remember("Zoe", id="8")
    await store("8", "Ann", State.DELETED)
    await remember("Zoe", id="8")

    assert (await erase_named("ann")).events == (1, 2, 3)


async def test_a_group_of_that_name_is_nobody(erase_named, remember):
    await remember("Sales", kind="Group")

    assert not (await erase_named("sales")).events


@pytest.mark.parametrize(
    ("value", "is_erased"),
    [
        pytest.param("ann@example.com", True, id="the name"),
        pytest.param({"display": "ANN@example.com"}, True, id="within, in another case"),
        pytest.param('target.user_name eq "Ann@example.com"', True, id="in quotes, as in a filter"),
        pytest.param("joann@example.com", False, id="another name"),
        pytest.param('target.user_name eq "joann@example.com"', False, id="another name in quotes"),
        pytest.param("Ask ann@example.com", False, id="part of a sentence"),
    ],
)
async def test_the_name_leaves_the_events_of_others(erase_named, remember, path, value, is_erased):
    diff = [{"path": "members", "after": Personal(value)}, {"path": "title", "after": Personal("Agent")}]
    await remember("Sales", kind="Group", diff=diff)

    erased = await erase_named("ann@example.com")
    assert erased.events == ((1,) if is_erased else ())
    with closing(read_only(path)) as connection:
        (told,) = load_events(connection, [1])
    assert [line["after"] for line in told["diff"]] == [None if is_erased else value, "Agent"]
    assert told["target"]["user_name"] == "Sales"
    assert judged(path) == "whole"


@pytest.mark.parametrize("spelled", ["ZÖRG@example.com", "Zo\u0308rg@example.com"], ids=["upper case", "NFD"])
async def test_a_name_is_found_however_it_is_spelled(erase_named, remember, spelled):
    await remember("Sales", kind="Group", diff=[{"path": "title", "after": Personal(spelled)}])

    assert (await erase_named("zörg@example.com")).events == (1,)


async def test_a_name_is_no_pattern(erase_named, remember):
    for name in ("a_b!%", "axb!%", "a_b!xyz"):
        await remember("Boss", id=name, diff=[{"after": Personal(name)}])

    assert (await erase_named("a_b!%")).events == (1,)


async def test_archives_are_written_anew_and_stay_whole(erase_named, remember, path, sqlite, clock):
    for name in ("Ann", "Bob", "Ann", "Ann"):
        await remember(name, id=name.lower())
        clock.turn(25 * DAY)
    await sqlite.retention.retire(0)

    erased = await erase_named("Ann")
    assert (erased.events, erased.archived) == ((1, 3, 4), 2)
    assert judged(path) == "whole"
    assert {file.stat().st_mode & 0o777 for file in archives_of(path)} == {0o400}
    assert b'"Ann"' not in everywhere(path)
    assert b'"Bob"' in everywhere(path)


async def test_an_erasure_that_was_cut_off_is_finished_later(
    erase_named, remember, path, sqlite, clock, monkeypatch
):
    for name in ("Ann", "Bob"):
        await remember(name, id=name.lower())
        clock.turn(40 * DAY)
    await sqlite.retention.retire(0)
    with monkeypatch.context() as patch:
        patch.setattr(erase, "erase_archived", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await erase_named("Ann")
    assert judged(path) == "whole"
    assert b'"Ann"' in everywhere(path)

    await sqlite.retention.retire(400 * DAY)
    assert judged(path) == "whole"
    assert b'"Ann"' not in everywhere(path)


async def test_an_erasure_is_not_done_while_somebody_reads_the_log(erase_named, remember, path):
    await remember("Ann")
    with closing(read_only(path)) as reader:
        reader.execute("BEGIN").connection.execute("SELECT * FROM event").fetchall()
        assert not (await erase_named("Ann")).is_done
    assert b'"Ann"' in everywhere(path)

    await erase_named("Nobody")
    assert b'"Ann"' not in everywhere(path)


async def test_a_full_disk_does_not_undo_an_erasure(erase_named, remember, path, monkeypatch):
    async def full(self):
        raise JournalUnavailable("the disk is full")

    await remember("Ann")
    monkeypatch.setattr(Database, "rewrite", full)
    assert not (await erase_named("Ann")).is_done
    assert names(path)[0] == (None, False)


@pytest.mark.parametrize("broken", ["archive", "journal"])
async def test_files_that_cannot_be_read_end_an_erasure_before_it_begins(
    erase_named, remember, path, sqlite, broken
):
    await remember("Ann")
    known = names(path)
    if broken == "archive":
        path.with_name(f"{path.name}.2026-01.archive").write_bytes(b"something else" * 99)
    else:
        body = await sqlite.database.read(lambda file: file.execute("SELECT body FROM event").fetchone())
        await sqlite.database.write(lambda file: file.execute("UPDATE event SET body = 'no JSON'").rowcount)

    with pytest.raises(JournalUnavailable):
        await erase_named("Ann")
    if broken == "journal":
        await sqlite.database.write(lambda file: file.execute("UPDATE event SET body = ?", body).rowcount)
    assert names(path) == known == [("Ann", True)]


async def test_what_happens_during_an_erasure_is_erased_too(
    erase_named, remember, sqlite, event, monkeypatch
):
    await remember("Ann")
    find = erase.find

    def find_slowly(*arguments):
        found = find(*arguments)
        with closing(sqlite3.connect(sqlite.retention.path)) as connection, connection:
            appender = sqlite.retention.appender
            appender.begin(connection)
            appender.write(connection, [event("late", "Ann", target=TARGET)])
            appender.end(connection)
        return found

    monkeypatch.setattr(erase, "find", find_slowly)
    assert (await erase_named("Ann")).events == (1, 2)


TARGET = {"name": "cx", "type": "User", "id": "1", "user_name": Personal("Ann")}


@pytest.mark.parametrize(
    "masking", [Masking("masked", masked), Masking("hashed", hashing(b"k" * 32))], ids=lambda v: v.level
)
async def test_covered_values_are_erased_as_well(path, clock, event, masking):
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o", maskings={"cx": masking})
    await journal.trail.append([event("e-1", "Annabel")])
    shown = names(path)[0][0]
    assert shown == "A*** (7)" if masking.level == "masked" else shown.startswith("hmac:")

    erased = await erase_person(journal.retention, "annabel", "e")
    assert (erased.events, names(path)[0]) == ((1,), (None, False))
    await journal.close()
    assert judged(path) == "whole"


async def test_who_is_active_keeps_the_original(erase_named, store, sqlite):
    await store("1", "Ann", State.ACTIVE)

    erased = await erase_named("ann")
    assert (erased.originals, erased.kept) == ((), (Kept("cx", "the person is active there"),))
    assert await sqlite.resources.page("cx", ResourceType.USER, "", 9)


async def test_who_was_deactivated_is_forgotten(erase_named, store, sqlite, path):
    await store("1", "Ann", State.INACTIVE)

    assert (await erase_named("ann")).originals == ("cx",)
    assert await sqlite.resources.page("cx", ResourceType.USER, "", 9) == ()
    assert b"mail.example" not in everywhere(path)


async def test_the_id_of_who_was_deleted_stays_taken(erase_named, store, sqlite, path, resource):
    await store("1", "Ann", State.ACTIVE)
    await store("1", "Ann", State.DELETED, external="canary-external")

    assert (await erase_named("ann")).originals == ("cx",)
    assert not (await erase_named("ann")).is_anything
    with closing(read_only(path)) as connection:
        row = "SELECT id, original, name_folded, external_id, state FROM resource"
        assert connection.execute(row).fetchall() == [("1", "{}", None, None, "deleted")]
    assert b"canary-external" not in everywhere(path)


async def test_an_original_is_removed_once(erase_named, store, remember):
    await store("1", "Ann", State.DELETED)
    await erase_named("ann")
    await remember("Ann", id="1")  # as when the provider still uses the id

    erased = await erase_named("ann")
    assert (erased.originals, len(erased.events)) == ((), 1)


@pytest.mark.parametrize("resource_id", ["1", ""], ids=["by id", "by name"])
async def test_an_unsettled_change_keeps_what_it_needs(
    erase_named, store, sqlite, intent, resource_id, event
):
    await store("1", "Ann", State.INACTIVE)
    operation = await sqlite.operations.claim(intent("op-1", "ann", resource_id=resource_id))
    await sqlite.operations.mark(operation, Transition(OperationState.DEAD, "ann is taken"))

    erased = await erase_named("Ann")
    assert (erased.originals, erased.kept) == ((), (Kept("cx", "a change is not settled there"),))
    await sqlite.operations.settle(operation, Settlement(Outcome.FAILED, event("e-9", "Ann")))
    assert (await erase_named("Ann")).originals == ("cx",)


async def test_what_another_target_has_still_to_be_told_is_kept(erase_named, store, sqlite):
    await store("1", "Ann", State.INACTIVE)
    marks = [("cx", "User", "1", "dialpad", 1, "2026-03-01T00:00:00Z", "c-1")]
    await sqlite.database.write(lambda connection: mark(connection, marks))

    erased = await erase_named("Ann")
    assert (erased.originals, erased.kept) == ((), (Kept("cx", "a change is not settled there"),))
    (due,) = await sqlite.mirrors.due("cx", "dialpad", "", 9)
    assert await sqlite.mirrors.done(due)
    assert (await erase_named("Ann")).originals == ("cx",)


async def test_a_closed_operation_holds_nothing_of_anybody(sqlite, intent, event, path):
    operation = await sqlite.operations.claim(intent())
    operation = await sqlite.operations.mark(operation, Transition(OperationState.DOUBT, "ann is taken"))
    await sqlite.operations.settle(operation, Settlement(Outcome.FAILED, event()))

    with closing(read_only(path)) as connection:
        assert connection.execute("SELECT count(*) FROM op").fetchone() == (0,)


async def test_no_byte_is_left_in_any_file(erase_named, store, remember, sqlite, clock, path):
    people, chance = [f"{CANARY}-{n:03}@example.com" for n in range(40)], random.Random(7)
    for turn in range(3):
        for n, name in enumerate(chance.sample(people, len(people))):
            state = chance.choice([State.ACTIVE, State.INACTIVE]) if turn < 2 else State.DELETED
            await store(name[7:10], name, state, external=f"{name}-{'x' * chance.randrange(200)}")
            if n % 10 == 0:
                await remember(name, id=name[7:10], diff=[{"path": "x", "after": Personal(name * 9)}])
        clock.turn(40 * DAY)
    await remember(None)
    await sqlite.retention.retire(0)

    for name in people[::9]:
        await erase_named(name)
    content = everywhere(path)
    assert [name for name in people[::9] if name.encode() in content] == []
    assert people[1].encode() in content
    assert judged(path) == "whole"


async def test_a_name_in_an_event_that_is_about_nobody_is_found(erase_named, sqlite, path):
    await sqlite.trail.append([Event("e-1", {"event": "x", "note": Personal("ann")})])

    assert (await erase_named("ann")).events == (1,)
    assert judged(path) == "whole"
