"""Reading the trail without a gateway, and finding what was done to it."""

import hashlib
import sqlite3
from contextlib import closing

import orjson
import pytest

from gateway.flow.ports import Event
from gateway.journal.trail import TrailState, Verdict, pages, verify
from gateway.sqlite import read_only


@pytest.fixture
async def trail(sqlite, event, path):
    """A trail of five events, and how to tamper with it."""
    await sqlite.trail.append([event(f"e-{n}") for n in range(1, 5)])
    await sqlite.trail.append([Event("e-5", {"event": "config.loaded"})])

    def tamper(*statements):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0
        return verdict()

    def verdict():
        with closing(read_only(path)) as connection:
            return verify(connection)

    return tamper


async def test_an_untouched_trail_is_whole(trail):
    assert trail() == Verdict(TrailState.WHOLE, None, "5 events, each in its place")


async def test_an_empty_trail_is_whole(sqlite, path):
    with closing(read_only(path)) as connection:
        assert verify(connection).state is TrailState.WHOLE


SWAP = (
    "UPDATE event SET seq = 99 WHERE seq = 2",
    "UPDATE event SET seq = 2 WHERE seq = 3",
    "UPDATE event SET seq = 3 WHERE seq = 99",
)


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
            ["UPDATE event_value SET value = '\"Bob\"' WHERE seq = 2"], "changed", 2, "value", id="value"
        ),
        pytest.param(
            ["UPDATE event_value SET salt = 'text' WHERE seq = 2"], "changed", 2, "value", id="salt"
        ),
        pytest.param(
            ["UPDATE event_value SET salt = NULL WHERE seq = 2"],
            "changed",
            2,
            "value",
            id="salt alone erased",
        ),
        pytest.param(
            ["DELETE FROM event_value WHERE seq = 2 AND n = 1"], "changed", 2, "value", id="value row missing"
        ),
        pytest.param(
            ["DELETE FROM event_value WHERE seq = 4"], "changed", 4, "value", id="all value rows missing"
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
    ],
)
async def test_tampering_is_found_and_located(trail, statements, state, seq, word):
    verdict = trail(*statements)

    assert (verdict.state, verdict.seq) == (state, seq)
    assert word in verdict.reason


async def test_an_erased_value_breaks_nothing_and_reads_as_null(trail, sqlite):
    erased = "UPDATE event_value SET salt = NULL, value = NULL WHERE seq = 3"

    assert trail(erased, "UPDATE event SET subject = NULL WHERE seq = 3").state is TrailState.WHOLE
    (told,) = await sqlite.trail.page(4, 1, None, None)
    assert (told["target"]["user_name"], told["diff"][0]["after"]) == (None, None)
    assert told["target"]["name"] == "cx"


async def test_a_forged_event_with_a_right_hash_is_no_event(trail):
    def forged(body):
        hash = hashlib.sha256(b"\x00" + body).hexdigest()
        return trail(f"UPDATE event SET body = '{body.decode()}', hash = '{hash}' WHERE seq = 1")

    for body in (b"no JSON", b"{}", b"[]"):
        assert (forged(body).state, forged(body).seq) == (TrailState.CHANGED, 1)


async def test_values_of_removed_events_do_not_hide_what_follows(trail):
    deleted = "DELETE FROM event WHERE seq = 1"

    assert trail(deleted).seq == 1


async def test_the_trail_is_read_page_after_page(trail, path):
    with closing(read_only(path)) as connection:
        found = [[told["seq"] for told in page] for page in pages(connection, None, 2, None, None)]

    assert found == [[5, 4], [3, 2], [1]]


async def test_the_hash_can_be_recomputed_by_hand(trail, path):
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
