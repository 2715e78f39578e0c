"""A journal that a release before schema 5 left is taken up whole: `data/make_schema4.py` made it."""

import asyncio
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count, pairwise
from math import inf
from pathlib import Path

import pytest

from gateway.admin.acts import erase_person
from gateway.admin.status import Pause
from gateway.audit.event import Event, Personal
from gateway.audit.masking import Masking, masked
from gateway.audit.query import AuditQuery, parse_event_filter
from gateway.flow.journal_port import Key, KeysTaken, Outcome, Settlement
from gateway.flow.target_port import ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.journal.reader import reading
from gateway.journal.search import find
from gateway.journal.verify import TrailState
from gateway.scim.difference import Line, Lines
from gateway.sqlite_file import read_only
from tests.support.old_events import seal_as_before
from tests.support.trails import seqs

FIXTURE = Path(__file__).parent / "data" / "schema4.json.gz"
NOW = datetime(2026, 4, 12, tzinfo=UTC)
LONG = 100_000
OLDEST_FIRST = AuditQuery(newest_first=False)


@pytest.fixture(scope="module")
def made():
    """What the older release left, and what it read in that."""
    return json.loads(gzip.decompress(FIXTURE.read_bytes()))


@pytest.fixture
def path(made, tmp_path):
    for name, script in made["files"].items():
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.executescript(script)
    return tmp_path / "gateway.db"


@pytest.fixture
async def journal(path):
    opened = await taken_up(path)
    yield opened
    await opened.close()


async def taken_up(path):
    maskings = {"masked": Masking("masked", masked)}
    return await SqliteJournal.open(path, "normal", lambda: NOW, pytest.fail, "o", maskings=maskings)


def plain(value):
    """Return a value as JSON has it."""
    return json.loads(json.dumps(value))


def events_of(path):
    with reading(path) as reader:
        return list(reader.answers(OLDEST_FIRST))


def state_of(path):
    with reading(path) as reader:
        return reader.verify().state


async def test_every_event_is_as_it_was_field_by_field(journal, path, made):
    assert events_of(path) == made["events"]
    assert [list(event) for event in events_of(path)] == [list(event) for event in made["events"]]
    assert (state_of(path), made["verdict"]) == (TrailState.WHOLE, "whole")
    assert len(made["events"]) > 150


async def test_every_resource_and_link_is_as_it_was_and_found(journal, made):
    assert len(made["resources"]) > 80
    for known in made["resources"]:
        base, kind = known["base"], ResourceType(known["type"])
        (found,) = await journal.resources.find(base, kind, [Key("id", known["id"])])
        assert plain(asdict(found)) == known
        for target, link in known["links"].items():
            linked = await journal.resources.read(base, kind, target, [link["target_id"] or ""])
            is_there = link["target_id"] is not None and known["state"] != "deleted"
            assert [plain(asdict(one)) for one in linked.values()] == [known] * is_there
            owners = await journal.memberships.owners(base, target, [link["target_id"] or ""])
            assert owners == ({link["target_id"]: known["id"]} if is_there else {})


async def test_members_tokens_brakes_pauses_and_counts_are_as_they_were(journal, path, made):
    for group, members in made["members"].items():
        rows = await journal.memberships.rows("cx", group, "cx")
        assert {id: plain(asdict(row)) for id, row in rows.items()} == members
        assert len(members) == 6
    assert [plain(asdict(token)) for token in await journal.tokens.list()] == made["tokens"]
    assert await journal.pauses.read() == {name: Pause(since) for name, since in made["pauses"].items()}
    for target in ("cx", "masked"):
        assert await journal.removals.count(target, "2026") == made["removed"][target]
        assert list(await journal.removals.brake(target)) == made["brakes"][target]
    assert made["removed"]["cx"] > 10


async def test_every_operation_that_is_not_settled_is_as_it_was_and_holds_its_keys(journal, made, intent):
    operations = await journal.operations.open(None, ())
    assert [plain(asdict(one)) | {"members": None} for one in operations] == [
        one
        | {
            "members": None,
            "refused": "",
            "until": inf,
            "standing": {"dead": "doubt"}.get(one["standing"], one["standing"]),  # is tried again
            "intent": one["intent"] | {"keys": [list(key.values()) for key in one["intent"]["keys"]]},
        }
        for one in made["operations"]
    ]
    assert {one["standing"] for one in made["operations"]} == {"doubt", "pending", "held", "dead"}
    for one in operations:
        for key in one.intent.keys:
            with pytest.raises(KeysTaken):
                await journal.operations.claim(intent(base="cx", keys=(key,), type=one.intent.type))


RESTORED = "the journal was restored: look at the target, then retry or drop"


@pytest.mark.parametrize(
    ("reason", "standing"),
    [("Silent: no answer", "doubt"), ("Refused: no", "doubt"), (None, "doubt"), (RESTORED, "dead")],
)
async def test_what_was_given_up_after_ten_tries_is_tried_again_but_not_what_a_restored_journal_had(
    path, reason, standing
):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE op SET reason = ? WHERE state = 'dead'", (reason,))

    journal = await taken_up(path)

    operations = await journal.operations.open(None, ())
    assert {str(one.standing) for one in operations if one.reason == reason} == {standing}
    await journal.close()


async def test_what_waits_is_listed_as_it_was(path, made):
    await (await taken_up(path)).close()

    with reading(path) as reader:
        waiting = [plain(asdict(one)) for one in reader.waiting(None, "2999")]
    changed = {"due": None, "standing": None}  # what a start does with what an earlier run left
    assert [one | changed for one in waiting] == [one | changed for one in made["waiting"]]


async def test_an_operation_of_before_is_settled_now(journal, event):
    for n, operation in enumerate(await journal.operations.open("cx", ())):
        owned = await journal.operations.take_over(operation)
        await journal.operations.settle(owned, Settlement(Outcome.FAILED, event(f"s-{n}")))

    assert await journal.operations.open(None, ()) == ()


QUESTIONS = [
    'event eq "user.create"',
    'event eq "target.paused"',
    'target.name eq "masked"',
    'outcome.result eq "rejected"',
    'actor.name eq "entra" and outcome.result eq "failed"',
    'target.user_name eq "p0031@people.example"',
    'published ge "2026-04-09" and published lt "2026-04-10T12:00:00Z"',
    "seq gt 100 and seq lt 103",
    'diff[path eq "title"]',
]


@pytest.mark.parametrize("text", QUESTIONS)
async def test_every_question_has_the_answers_it_had(journal, path, made, text):
    assert made["events"]
    with reading(path) as reader:
        found = list(reader.answers(AuditQuery(filter=parse_event_filter(text), newest_first=False)))
        everything = AuditQuery(filter=parse_event_filter(f"({text}) or seq lt 0"), newest_first=False)
        assert found == list(reader.answers(everything))
    assert found
    assert all(event in made["events"] for event in found)


async def test_an_id_and_a_correlation_id_find_their_event(journal, path, made):
    with closing(read_only(path)) as connection:
        for event in made["events"][::7]:
            for name in ("id", "correlation_id"):
                if event.get(name):
                    asked = AuditQuery(filter=parse_event_filter(f'{name} eq "{event[name]}"'))
                    assert list(seqs(connection, path, asked)) == [event["seq"]]


async def test_the_trail_goes_on_where_it_was(journal, path, made, event):
    await journal.trail.append(
        [event("e-1"), Event("e-2", {"event": "x"}, Lines.of([Line("title", None, "Agent")]))]
    )

    events = events_of(path)
    assert len(events) == len(made["events"]) + 2
    assert all(later["prev"] == earlier["hash"] for earlier, later in pairwise(events))
    assert events[-1]["diff"][0]["after"] == "Agent"
    assert state_of(path) is TrailState.WHOLE


@pytest.mark.parametrize("n", [20, 31, 40, 65])
async def test_a_person_of_before_is_erased_from_old_and_new_events_and_archives(journal, path, made, n):
    ids, name = count(1), f"p{n:04}@people.example"
    target = {"name": "cx", "type": "User", "id": f"t-{n:04}", "user_name": Personal(name)}
    await journal.trail.append([Event("e-1", {"event": "user.replace", "target": target})])

    erased = await erase_person(journal.retention, name, f"erased-{next(ids)}")
    about = [event["seq"] for event in made["events"] if (event.get("target") or {}).get("user_name") == name]
    assert set(about) | {len(made["events"]) + 1} <= set(erased.events)
    assert state_of(path) is TrailState.WHOLE
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    with closing(read_only(path)) as connection:
        original = connection.execute(
            "SELECT count(*) FROM resource WHERE name_folded = ?", (name,)
        ).fetchone()
    assert original == (1,)  # active: the gateway works with it
    assert b"x-%04d" % n in content
    for event in events_of(path):
        if event["seq"] in erased.events:
            assert name not in json.dumps(event)
        elif event["seq"] <= len(made["events"]):
            assert event == made["events"][event["seq"] - 1]


async def test_months_of_before_leave_for_an_archive_of_before_and_for_new_ones(path, made, monkeypatch):
    now = datetime(2026, 7, 1, tzinfo=UTC)
    journal = await SqliteJournal.open(path, "normal", lambda: now, pytest.fail, "o")
    await journal.trail.append([Event("e-1", {"event": "x", "note": Personal("Ann")})])

    assert await journal.retention.retire(0) == ("2026-04",)
    assert state_of(path) is TrailState.WHOLE
    assert events_of(path)[: len(made["events"])] == made["events"]
    await journal.close()


async def test_a_month_goes_on_in_its_archive_of_before(path, made):
    """The archive of March gets more events of March, as where a clock was set back."""
    april = path.with_name("gateway.db.2026-04.archive")
    shutil.copyfile(path.with_name("gateway.db.2026-03.archive"), april)
    with closing(sqlite3.connect(april)) as archive, archive:
        first = archive.execute("SELECT max(seq) FROM event").fetchone()[0]
        for table in ("event", "event_value"):
            archive.execute(f"DELETE FROM {table}")
        archive.execute("ATTACH ? AS journal", (str(path),))
        for table in ("event", "event_value"):
            archive.execute(
                f"INSERT INTO {table} SELECT * FROM journal.{table} WHERE seq <= ?", (first + 10,)
            )

    journal = await SqliteJournal.open(path, "normal", lambda: NOW, pytest.fail, "o")
    await journal.trail.append([Event("e-1", {"event": "x", "note": Personal("Ann")})])
    now = datetime(2026, 5, 2, tzinfo=UTC)
    await journal.close()
    journal = await SqliteJournal.open(path, "normal", lambda: now, pytest.fail, "o")
    await journal.trail.append([Event("e-2", {"event": "x"})])
    assert await journal.retention.retire(0) == ("2026-04",)
    await journal.close()

    assert state_of(path) is TrailState.WHOLE
    events = events_of(path)
    assert events[: len(made["events"])] == made["events"]
    assert events[-2]["note"] == "Ann"


async def test_a_restored_journal_is_noticed_across_the_migration(path, made):
    from gateway.journal.restored import RestoreCheck

    newest = made["events"][-1]
    path.with_name("gateway.db.head").write_text(json.dumps({"seq": newest["seq"], "hash": newest["hash"]}))
    journal = await taken_up(path)
    assert await RestoreCheck.beside(path, journal.database).check("2026") == (None, False)
    path.with_name("gateway.db.head").write_text(json.dumps({"seq": newest["seq"] + 1, "hash": "ab"}))
    assert await RestoreCheck.beside(path, journal.database).check("2026") == ("2026", True)
    await journal.close()


def lengthened(path, events):
    """Add events as the older release made them."""
    from gateway.audit.chain import Head, columns, subject
    from gateway.journal.events import read_salt

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        head = Head(*connection.execute("SELECT seq, hash, published FROM trail_head").fetchone())
        salt, rows, values = read_salt(connection), [], []
        for n in range(events):
            name = f"p{n:06}@people.example"
            fields = {
                "event": ("user.create", "user.replace")[n % 2],
                "target": {"name": "cx", "type": "User", "id": f"l-{n}", "user_name": Personal(name)},
                "outcome": {"result": ("applied", "rejected")[n % 100 == 0], "status": 201, "reason": None},
                "actor": {"type": "provider", "name": "okta"},
                "diff": [{"path": path, "after": Personal(f"{path} {n}")} for path in ("title", "locale")],
                "correlation_id": f"c-{n}",
            }
            head, body, kept = seal_as_before(Event(f"l-{n}", fields), head, NOW, os.urandom)
            about = subject(salt, name)
            rows.append((head.seq, f"l-{n}", head.published, *columns(fields), about, body, head.hash))
            values += [(head.seq, at, *value) for at, value in enumerate(kept)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO event_value VALUES (?, ?, ?, ?)", values)
        connection.execute("UPDATE trail_head SET seq = ?, hash = ?, published = ?", head)
        connection.execute("COMMIT")


@pytest.mark.skipif(not os.environ.get("FAULTS"), reason="a long journal: make faults")
async def test_a_long_journal_is_taken_up_in_seconds_and_nothing_of_it_is_lost(path, made):
    lengthened(path, LONG)

    started = time.perf_counter()
    journal = await taken_up(path)
    took = time.perf_counter() - started
    with closing(read_only(path)) as connection:
        last = find(connection, path, AuditQuery()).events[0]
        asked = AuditQuery(filter=parse_event_filter('outcome.result eq "rejected"'))
        rejected = len(list(seqs(connection, path, asked)))
    await journal.close()

    assert (last["seq"], last["target"]["user_name"]) == (
        len(made["events"]) + LONG,
        f"p{LONG - 1:06}@people.example",
    )
    assert rejected == LONG // 100 + 40
    assert state_of(path) is TrailState.WHOLE
    assert took < 60


BOUNDED = """
import sqlite3, sys
from gateway.journal.store import SCHEMA
from gateway.sqlite_file import load_migrations, set_up
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA hard_heap_limit = 33554432").fetchall()  # of the process, and never raised again
set_up(connection, "normal", load_migrations(SCHEMA))
"""


def test_a_journal_larger_than_memory_is_taken_up(path):
    with closing(sqlite3.connect(path)) as connection:
        (first,) = connection.execute("SELECT max(key) + 1 FROM resource").fetchone()
        people = range(first, first + 12_000)
        connection.executemany(
            "INSERT INTO resource VALUES (?, 'b', 'User', ?, '{}', NULL, NULL, 'active', '', '', 1)",
            ((n, f"large-{n}") for n in people),
        )
        connection.executemany(
            "INSERT INTO link VALUES (?, 'cx', 'User', ?, ?, NULL)",
            ((n, f"t-{n}", "x" * 4000) for n in people),
        )
        connection.commit()
    subprocess.run([sys.executable, "-c", BOUNDED, str(path)], check=True, timeout=60)
    with closing(read_only(path)) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (9,)
        assert connection.execute("SELECT count(*) FROM link WHERE length(sent) = 4000").fetchone() == (
            12_000,
        )


def test_a_migration_that_is_cut_off_leaves_the_journal_as_it_was(path, made, monkeypatch):
    from gateway import sqlite_file

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "NOTE_VERSION", "INSERT INTO nowhere VALUES (?)")
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            asyncio.run(taken_up(path))
    with closing(read_only(path)) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (4,)
        assert connection.execute("SELECT count(*) FROM op_key").fetchone()[0] > 0
    assert state_of(path) is TrailState.WHOLE
    assert events_of(path) == made["events"]
