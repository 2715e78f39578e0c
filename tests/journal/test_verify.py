"""The trail judged: whatever was done to a row of any of its files is found, and named."""

import hashlib
import json
import sqlite3
from contextlib import closing

import orjson
import pytest

from gateway.audit.chain import hash_of, without
from gateway.audit.event import Event
from gateway.journal.archive import archive_of
from gateway.journal.store import note_beside
from gateway.journal.verify import TrailCheck, TrailState, Verdict, verify
from gateway.sqlite_file import read_only
from tests.support.trails import damaged_trail, empty_trail


@pytest.fixture
async def trail(sqlite, event, path, form):
    """A trail of five events, and how to tamper with it."""
    await sqlite.trail.append([event(f"e-{n}") for n in range(1, 5)])
    await sqlite.trail.append([Event("e-5", {"event": "config.loaded"})])

    def tamper(*statements):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.create_function("bare", 1, bare)
            for statement in statements:
                assert connection.execute(statement).rowcount or statement.startswith("PRAGMA")
        return verdict()

    def verdict():
        with closing(read_only(path)) as connection:
            return verify(connection)

    return tamper


async def test_an_untouched_trail_is_whole(trail):
    assert trail() == Verdict(TrailState.WHOLE, None, "5 events, each in its place")


CUT_OFF = (
    "DELETE FROM event WHERE seq > 3",
    "DELETE FROM event_value WHERE seq > 3",
    "UPDATE trail_head SET (seq, hash, published) = (SELECT seq, hash, published FROM event WHERE seq = 3)",
)


def hash_at(path, seq):
    with closing(read_only(path)) as connection:
        return connection.execute("SELECT hash FROM event WHERE seq = ?", (seq,)).fetchone()[0]


@pytest.mark.parametrize("seen", ["noted", "expected"])
@pytest.mark.parametrize(
    ("seq", "statements", "is_seen", "state", "at"),
    [
        pytest.param(5, (), True, "whole", None, id="all is there"),
        pytest.param(2, (), True, "whole", None, id="more came since"),
        pytest.param(5, CUT_OFF, True, "truncated", 4, id="the newest deleted and the record set back"),
        pytest.param(3, CUT_OFF, True, "whole", None, id="nobody saw the newest"),
        pytest.param(5, (), False, "changed", 5, id="the newest made anew"),
        pytest.param(2, (), False, "changed", 2, id="one in the middle made anew"),
        pytest.param(9, (), False, "truncated", 6, id="one that never came"),
    ],
)
async def test_the_trail_has_what_was_seen_of_it(trail, path, seen, seq, statements, is_seen, state, at):
    known = (seq, hash_at(path, seq) if is_seen else "0" * 64)
    if seen == "noted":
        note_beside(path).write_bytes(orjson.dumps({"seq": known[0], "hash": known[1]}))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)

    with closing(read_only(path)) as connection:
        found = verify(connection, known if seen == "expected" else None)

    assert (str(found.state), found.seq) == (state, at)
    assert ("note beside" in found.reason) == (seen == "noted" and state != "whole")


async def test_a_note_that_is_not_whole_says_nothing(trail, path):
    note_beside(path).write_bytes(b"")

    assert trail().state is TrailState.WHOLE


async def test_an_empty_trail_is_whole(sqlite, path):
    with closing(read_only(path)) as connection:
        assert verify(connection).state is TrailState.WHOLE


DAY = 86400
ERASED = {
    "new": ("UPDATE event SET subject = NULL, personal = bare(personal) WHERE seq = 2",),
    "old": (
        "UPDATE event_value SET value = NULL, salt = NULL WHERE seq = 2",
        "UPDATE event SET subject = NULL WHERE seq = 2",
    ),
}
VALUE = "INSERT INTO event_value VALUES ({}, 0, x'00', '1')"
INSERTED = """
    INSERT INTO event SELECT {}, 'e', published, event, target, result, correlation_id, actor, subject,
                             body, hash, personal
    FROM event WHERE seq = {}"""
FORGED = """
    UPDATE event SET body = replace(body, '201', '200'),
        hash = sealed((SELECT hash FROM event WHERE seq = 3), personal,
                      json_array(seq, id, published, event, correlation_id), replace(body, '201', '200'))
    WHERE seq = 4"""


def sealed(previous, personal, own, body):
    """Return the hash that an event gets from who knows how."""
    return hash_of(previous, body if personal is None else own + body)


def bare(personal):
    """Return personal values without themselves, as an erasure leaves them."""
    return without(personal, None)


HIDDEN = (
    "PRAGMA writable_schema = ON",
    "UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', 'NULL') WHERE name = 'event_target'",
)
SWAP = (
    "UPDATE event SET seq = 99 WHERE seq = 2",
    "UPDATE event SET seq = 2 WHERE seq = 3",
    "UPDATE event SET seq = 3 WHERE seq = 99",
)


OLD = [
    pytest.param(
        ["UPDATE event_value SET value = '\"Bob\"' WHERE seq = 2"], "changed", 2, "value", id="value"
    ),
    pytest.param(["UPDATE event_value SET salt = 'text' WHERE seq = 2"], "changed", 2, "value", id="salt"),
    pytest.param(
        ["UPDATE event_value SET salt = NULL WHERE seq = 2"], "changed", 2, "value", id="salt alone erased"
    ),
    pytest.param(
        ["UPDATE event_value SET value = NULL WHERE seq = 2"], "changed", 2, "value", id="value alone erased"
    ),
    pytest.param(
        ["DELETE FROM event_value WHERE seq = 2 AND n = 1"], "changed", 2, "value", id="value row missing"
    ),
    pytest.param(
        ["DELETE FROM event_value WHERE seq = 4"], "changed", 4, "value", id="all value rows missing"
    ),
    pytest.param(["UPDATE event SET personal = '[]' WHERE seq = 4"], "changed", 4, "text", id="made new"),
]
PERSONAL = "UPDATE event SET personal = {} WHERE seq = 2"
NEW = [
    pytest.param([PERSONAL.format("replace(personal, 'Ann', 'Bob')")], "changed", 2, "value", id="value"),
    pytest.param(
        [PERSONAL.format("json_set(personal, '$[0][0]', 'text')")], "changed", 2, "value", id="salt"
    ),
    pytest.param(
        [PERSONAL.format("json_set(personal, '$[0][0]', NULL)")],
        "changed",
        2,
        "value",
        id="salt alone erased",
    ),
    pytest.param(
        [PERSONAL.format("json_set(personal, '$[0][1]', NULL)")],
        "changed",
        2,
        "value",
        id="value alone erased",
    ),
    pytest.param(
        [PERSONAL.format("json_set(personal, '$[0]', 'no digest')")], "changed", 2, "value", id="no digest"
    ),
    pytest.param([PERSONAL.format("json_remove(personal, '$[1]')")], "changed", 2, "value", id="one missing"),
    pytest.param([PERSONAL.format("'[]'")], "changed", 2, "value", id="all missing"),
    pytest.param(
        [PERSONAL.format("json_insert(personal, '$[#]', json('[\"x\",1]'))")],
        "changed",
        2,
        "value",
        id="one added",
    ),
    pytest.param(
        [
            PERSONAL.format(
                "json_array(json(json_extract(personal, '$[1]')), json(json_extract(personal, '$[0]')))"
            )
        ],
        "changed",
        2,
        "value",
        id="swapped values",
    ),
    *(
        pytest.param([PERSONAL.format(f"'{text}'")], "changed", 2, "value", id=f"no list: {text}")
        for text in ("no JSON", "{}", "7", "[7]", "[[1]]", "[[1,2,3]]", "[null]", '["zz"]')
    ),
    pytest.param(["UPDATE event SET personal = NULL WHERE seq = 2"], "changed", 2, "text", id="made old"),
    pytest.param(["UPDATE event SET event = 'x' WHERE seq = 4"], "changed", 4, "hash", id="event"),
    pytest.param(
        ["UPDATE event SET correlation_id = x'00' WHERE seq = 4"], "changed", 4, "hash", id="no text at all"
    ),
]


@pytest.mark.parametrize(
    ("statements", "state", "seq", "word"),
    [
        pytest.param(
            ["UPDATE event SET body = replace(body, '201', '200') WHERE seq = 3"],
            "changed",
            3,
            "text",
            id="text",
        ),
        pytest.param(
            ["UPDATE event SET body = CAST(x'7bff7d' AS TEXT) WHERE seq = 2"],
            "changed",
            2,
            "text",
            id="no UTF-8",
        ),
        pytest.param(["UPDATE event SET body = x'7b7d' WHERE seq = 2"], "changed", 2, "text", id="no text"),
        pytest.param(["UPDATE event SET hash = 'x' WHERE seq = 2"], "changed", 2, "hash", id="hash"),
        pytest.param(["UPDATE event SET id = 'x' WHERE seq = 4"], "changed", 4, "id", id="id"),
        pytest.param(["UPDATE event SET published = '2020' WHERE seq = 1"], "changed", 1, "time", id="time"),
        pytest.param(
            ["UPDATE event SET result = 'failed' WHERE seq = 4"], "changed", 4, "column", id="column"
        ),
        pytest.param(
            ["UPDATE event SET subject = NULL WHERE seq = 4"], "changed", 4, "subject", id="subject"
        ),
        pytest.param(
            ["INSERT INTO event_value VALUES (5, 0, x'00', '1')"], "changed", 5, "value", id="value row added"
        ),
        pytest.param(["DELETE FROM meta WHERE name = 'salt'"], "changed", 1, "subject", id="key of subjects"),
        pytest.param(SWAP, "changed", 2, "hash", id="swapped"),
        pytest.param(["DELETE FROM event WHERE seq = 3"], "gap", 3, "3", id="deleted"),
        pytest.param(["DELETE FROM event WHERE seq IN (1, 2)"], "gap", 1, "1", id="deleted at the start"),
        pytest.param(["DELETE FROM event WHERE seq >= 4"], "truncated", 4, "4 to 5", id="cut off"),
        pytest.param(["DELETE FROM event"], "truncated", 1, "1 to 5", id="emptied"),
        pytest.param(["UPDATE trail_head SET seq = 4"], "changed", 5, "record", id="head set back"),
        pytest.param(["UPDATE trail_head SET hash = ''"], "changed", 5, "record", id="hash of the head"),
        pytest.param(["DELETE FROM trail_head"], "changed", 5, "record", id="head deleted"),
        *(
            pytest.param(
                [f"UPDATE {column} = {value} {where}"], "changed", None, "record", id=f"{column} {value}"
            )
            for column, where in (
                ("trail_head SET seq", ""),
                ("trail_base SET seq", ""),
                ("meta SET value", "WHERE name = 'salt'"),
            )
            for value in ("'x'", "1.5", "''")
        ),
        pytest.param(["UPDATE trail_base SET seq = 2"], "gap", 1, "1 to 2", id="base set forward"),
        pytest.param(["UPDATE trail_base SET hash = 'x'"], "changed", 0, "begins", id="hash of the base"),
        pytest.param(["DELETE FROM trail_base"], "changed", 0, "begins", id="base deleted"),
        pytest.param(
            ["UPDATE event SET subject = 'x' WHERE seq = 5"], "changed", 5, "subject", id="subject of nobody"
        ),
        pytest.param(
            [INSERTED.format(0, 1)], "changed", 0, "not of the trail", id="inserted before the first"
        ),
        pytest.param([INSERTED.format(6, 5)], "changed", 6, "hash", id="inserted after the last"),
        pytest.param([VALUE.format(0)], "changed", 0, "not of the trail", id="value of no event, before"),
        pytest.param([VALUE.format(9)], "changed", 9, "not of the trail", id="value of no event, after"),
        pytest.param(
            ["INSERT INTO event_value VALUES ('x', 0, x'00', '1')"],
            "changed",
            0,
            "trail",
            id="value of nothing",
        ),
        pytest.param([*HIDDEN], "changed", None, "indexes", id="hidden from an index"),
    ],
)
async def test_tampering_is_found_and_located(trail, statements, state, seq, word):
    verdict = trail(*statements)

    assert (verdict.state, verdict.seq) == (state, seq)
    assert word in verdict.reason


@pytest.mark.parametrize("form", ["old"], indirect=True)
@pytest.mark.parametrize(("statements", "state", "seq", "word"), OLD)
async def test_tampering_with_an_event_of_an_older_release_is_found(trail, statements, state, seq, word):
    verdict = trail(*statements)

    assert (verdict.state, verdict.seq) == (state, seq)
    assert word in verdict.reason


@pytest.mark.parametrize("form", ["new"], indirect=True)
@pytest.mark.parametrize(("statements", "state", "seq", "word"), NEW)
async def test_tampering_with_an_event_of_this_release_is_found(trail, statements, state, seq, word):
    verdict = trail(*statements)

    assert (verdict.state, verdict.seq) == (state, seq)
    assert word in verdict.reason


async def test_values_that_were_erased_in_silence_are_found(trail, form):
    verdict = trail(*ERASED[form])

    assert (verdict.state, verdict.seq) == (TrailState.CHANGED, 2)
    assert "without an erasure" in verdict.reason


@pytest.mark.parametrize("words", [b"\xa0REATE TABLE event", b"CREATE TABLE \xa0vent)"])
def test_what_a_file_says_of_its_tables_is_judged_too(tmp_path, words):
    path = tmp_path / "gateway.db"
    empty_trail(path).close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE event", words))

    with closing(sqlite3.connect(path)) as connection:
        assert verify(connection).state is TrailState.CHANGED


def test_a_journal_of_an_older_release_is_not_judged(tmp_path):
    with closing(empty_trail(tmp_path / "gateway.db")) as connection:
        connection.execute("DROP TABLE trail_base")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            verify(connection)


async def test_a_forged_event_with_a_right_hash_is_no_event(trail):
    def forged(body):
        hash = hashlib.sha256(b"\x00" + body).hexdigest()
        return trail(f"UPDATE event SET body = '{body.decode()}', hash = '{hash}' WHERE seq = 1")

    for body in (b"no JSON", b"{}", b"[]"):
        assert (forged(body).state, forged(body).seq) == (TrailState.CHANGED, 1)


async def test_values_of_removed_events_do_not_hide_what_follows(trail):
    deleted = "DELETE FROM event WHERE seq = 1"

    assert trail(deleted).seq == 1


@pytest.mark.parametrize("form", ["old"], indirect=True)
async def test_the_hash_of_an_older_release_can_be_recomputed_by_hand(trail, path):
    with closing(read_only(path)) as connection:
        rows = connection.execute("SELECT body, hash FROM event ORDER BY seq").fetchall()
        values = connection.execute("SELECT salt, value FROM event_value WHERE seq = 1 ORDER BY n").fetchall()

    previous = b""
    for body, hash in rows:
        previous = hashlib.sha256(b"\x00" + previous + body.encode()).digest()
        assert previous.hex() == hash
    diff, target = (orjson.loads(rows[0][0])[name] for name in ("diff", "target"))
    digests = [hashlib.sha256(salt + value.encode()).hexdigest() for salt, value in values]
    assert [diff[0]["after"]["#"], target["user_name"]["#"]] == digests


@pytest.mark.parametrize("form", ["new"], indirect=True)
async def test_the_hash_can_be_recomputed_by_hand(trail, path):
    with closing(read_only(path)) as connection:
        rows = connection.execute(
            "SELECT seq, id, published, event, correlation_id, body, hash, personal FROM event ORDER BY seq"
        ).fetchall()

    previous = b""
    for *own, body, hash, _ in rows:
        head = json.dumps(own, separators=(",", ":"))
        previous = hashlib.sha256(b"\x00" + previous + (head + body).encode()).digest()
        assert previous.hex() == hash
    kept = json.loads(rows[0][-1])
    texts = [json.dumps(pair, separators=(",", ":"), ensure_ascii=False, sort_keys=True) for pair in kept]
    made = b"".join(hashlib.sha256(text.encode()).digest() for text in texts)
    assert json.loads(rows[0][5])["#"] == hashlib.sha256(made).hexdigest()


@pytest.fixture
async def months(sqlite, event, clock, path):
    """Eight events of 2026-11 to 2027-01, of which the first two months have left the journal."""
    for n in range(1, 9):
        await sqlite.trail.append([event(f"e-{n}")])
        clock.turn(10 * DAY)
    assert await sqlite.retention.retire(0) == ("2026-11", "2026-12")

    def judge():
        with closing(read_only(path)) as connection:
            return verify(connection)

    return judge


def tampered(path, month, *statements):
    """Change an archive as somebody does who has all rights."""
    archive = archive_of(path, month)
    archive.chmod(0o600)
    with closing(sqlite3.connect(archive, isolation_level=None)) as connection:
        connection.create_function("sealed", 4, sealed)
        for statement in statements:
            assert connection.execute(statement).rowcount > 0


async def test_a_trail_goes_on_from_file_to_file(months):
    assert months() == Verdict(TrailState.WHOLE, None, "8 events, each in its place")


@pytest.mark.parametrize(
    ("gone", "seq"),
    [(["2026-11"], 1), (["2026-12"], 2), (["2026-11", "2026-12"], 1)],
    ids=["oldest", "newest", "all"],
)
async def test_an_archive_that_is_missing_is_a_gap(months, path, gone, seq):
    for month in gone:
        archive_of(path, month).unlink()

    assert (months().state, months().seq) == (TrailState.GAP, seq)


async def test_archives_that_were_swapped_are_found(months, path):
    older, newer = archive_of(path, "2026-11"), archive_of(path, "2026-12")
    older.rename(path.with_name("aside"))
    newer.rename(older)
    path.with_name("aside").rename(newer)

    assert (months().state, months().seq) == (TrailState.GAP, 1)


async def test_an_archive_under_the_name_of_another_month_is_found(months, path):
    archive_of(path, "2026-11").rename(archive_of(path, "2026-10"))

    verdict = months()
    assert (verdict.state, verdict.seq) == (TrailState.CHANGED, 1)
    assert "month" in verdict.reason


@pytest.mark.parametrize(
    ("statement", "state", "seq"),
    [
        pytest.param("UPDATE event SET actor = 'x' WHERE seq = 3", "changed", 3, id="column"),
        pytest.param(
            "UPDATE event SET personal = replace(personal, 'Ann', 'Bob') WHERE seq = 3",
            "changed",
            3,
            id="value",
        ),
        pytest.param("DELETE FROM event WHERE seq = 3", "gap", 3, id="deleted"),
        pytest.param("DELETE FROM event WHERE seq >= 3", "gap", 3, id="truncated"),
        pytest.param("DELETE FROM event", "gap", 2, id="emptied"),
        pytest.param(VALUE.format(7), "changed", 7, id="value of an event that is elsewhere"),
    ],
)
async def test_tampering_with_an_archive_is_found_and_located(months, path, statement, state, seq):
    tampered(path, "2026-12", statement)

    assert (months().state, months().seq) == (state, seq)


@pytest.mark.parametrize(
    "content", [b"", b"no database" * 100, damaged_trail()], ids=["empty", "something else", "damaged"]
)
async def test_an_archive_that_is_none_is_found(months, path, content):
    archive = archive_of(path, "2026-12")
    archive.chmod(0o600)
    archive.write_bytes(content)

    assert (months().state, months().seq) == (TrailState.CHANGED, 2)
    assert f"{archive.name} cannot be read" in months().reason


async def test_copies_that_a_crash_left_in_the_journal_are_no_fault_unless_they_differ(months, path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ATTACH ? AS old", (str(archive_of(path, "2026-12")),))
        for table in ("event", "event_value"):
            connection.execute(f"INSERT INTO {table} SELECT * FROM old.{table} WHERE seq = 4")
        connection.execute(
            "UPDATE trail_base SET (seq, hash) = (SELECT seq, hash FROM old.event WHERE seq = 3)"
        )

    assert months().state is TrailState.WHOLE
    tampered(path, "2026-12", FORGED)
    assert (months().state, months().seq) == (TrailState.CHANGED, 4)


async def walked(check: TrailCheck, most: int = 20) -> str | None:
    """Go through the trail to its end, or to what is wrong."""
    for _ in range(most):
        fault, is_end = await check.step()
        if fault is not None or is_end:
            return fault
    raise AssertionError("it comes to no end")


@pytest.mark.parametrize("count", [1, 2, 5, 6, 100])
async def test_a_whole_trail_is_whole_slice_by_slice_and_what_comes_meanwhile_too(
    trail, sqlite, event, count: int
) -> None:
    check = TrailCheck(sqlite.database, count)

    found = [await walked(check)]
    await sqlite.trail.append([event("e-6"), event("e-7")])
    found.append(await walked(check))
    check.begin()
    found.append(await walked(check))

    assert found == [None] * 3


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        pytest.param(("UPDATE event SET result = 'x' WHERE seq = 4",), "a column of event 4", id="changed"),
        pytest.param(
            ("DELETE FROM event WHERE seq = 3", "DELETE FROM event_value WHERE seq = 3"),
            "event 3 is missing",
            id="gap",
        ),
        pytest.param(
            ("UPDATE trail_head SET seq = 9",), "events 6 to 9 are missing", id="the newest are missing"
        ),
    ],
)
async def test_a_trail_that_was_changed_is_found_slice_by_slice(trail, sqlite, statements, says) -> None:
    trail(*(statement for statement in statements if "event_value" not in statement))

    assert str(await walked(TrailCheck(sqlite.database, 2))).startswith(says)


async def test_a_trail_that_was_made_anew_is_not_the_one_that_was_seen_before(trail, sqlite, path) -> None:
    check = TrailCheck(sqlite.database, 2)
    assert await walked(check) is None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in CUT_OFF:
            connection.execute(statement)
    check.begin()

    assert await walked(check) == "events 4 to 5 are missing: an earlier look at the trail has the last"


async def test_months_that_leave_the_journal_are_no_gap(trail, sqlite, path, event) -> None:
    check = TrailCheck(sqlite.database, 1)
    await check.step()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE trail_base SET (seq, hash) = (SELECT seq, hash FROM event WHERE seq = 3)")
        connection.execute("DELETE FROM event WHERE seq <= 3")
        connection.execute("DELETE FROM event_value WHERE seq <= 3")

    assert await walked(check) is None


async def test_an_audit_query_reads_as_before_beside_the_check(trail, sqlite) -> None:
    await TrailCheck(sqlite.database).step()

    assert await sqlite.database.read_aside(lambda connection: connection.text_factory) is str
