"""Who is refused, where the trail does not keep their names."""

from contextlib import closing

import pytest

from gateway.audit.event import Event, Personal, Remark
from gateway.audit.masking import Masking, masked
from gateway.audit.query import named
from gateway.flow.journal_port import Outcome, Settlement
from gateway.journal.journal import SqliteJournal
from gateway.journal.reader import reading, refused
from gateway.sqlite_file import read_only


def rejected(name, event):
    target = {"name": "cx", "type": "User", "id": None, "user_name": Personal(name)}
    outcome = {"result": "rejected", "status": 400, "reason": Remark("title: is odd (rule cx@1:title)")}
    return Event(f"{event}-{name}", {"event": event, "outcome": outcome, "target": target})


@pytest.mark.parametrize(
    ("event", "is_told"), [("user.replace", True), ("user.create", False)], ids=["change", "create"]
)
async def test_who_is_known_is_known_by_a_covered_name_too(path, clock, resource, event, is_told):
    maskings = {"cx": Masking("masked", masked)}
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o", maskings=maskings)
    await journal.operations.settle(
        None, Settlement(Outcome.APPLIED, Event("e", {}), resource(name="Annabel"))
    )
    await journal.trail.append([rejected("annabel", event), rejected("nobody", event)])
    await journal.close()

    with closing(read_only(path)) as connection:
        told = [one.user_name for one in refused(connection, "cx")]
    assert told == (["a*** (7)"] if is_told else ["n*** (6)"])


def told(seq, name, id="1", target="cx", **renamed):
    """Return the event of a change, of a rename where it says `before`."""
    diff = [
        {"path": "userName", "op": "replace", "rule": None, **{k: Personal(v) for k, v in renamed.items()}}
    ]
    about = {"name": target, "type": "User", "id": id, "user_name": Personal(name)}
    return Event(f"e-{seq}", {"event": "user.patch", "target": about, "diff": diff if renamed else []})


LIFE = [
    told(1, "old@x"),
    told(2, "bob@x", "2"),
    told(3, "mid@x", before="Old@x", after="mid@x"),
    told(4, "mid@x"),
    told(5, "New@x", before="mid@x", after="New@x"),
    told(6, "old@x", "3"),  # somebody else, who has the name now
    told(7, "new@x", target="dialpad"),
    told(8, "old@x", None),  # refused, so nobody knows whose it would have been
]
LEVELS = {"full": {}, "masked": {"cx": Masking("masked", masked)}}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("NEW@x", [1, 3, 4, 5, 7], id="the name now"),
        pytest.param("mid@x", [1, 3, 4, 5], id="one between"),
        pytest.param("old@x", [1, 3, 4, 5, 6, 8], id="the first, which is another's now"),
        pytest.param("bob@x", [2], id="never renamed"),
        pytest.param("nobody@x", [], id="nobody"),
    ],
)
async def test_a_history_has_what_happened_under_the_other_names(path, clock, resource, level, name, found):
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o", maskings=LEVELS[level])
    for id, now in (("1", "New@x"), ("2", "bob@x"), ("3", "old@x")):
        known = Settlement(Outcome.APPLIED, Event(f"r-{id}", {"target": {}}), resource(id, now))
        await journal.operations.settle(None, known)
    await journal.trail.append(LIFE)
    await journal.close()

    with reading(path) as reader:
        assert [event["seq"] - 3 for event in reader.history(name)] == found


async def test_a_history_at_one_target_has_what_happened_there(path, clock, resource):
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o")
    await journal.trail.append(LIFE)
    await journal.close()

    with reading(path) as reader:
        assert [event["seq"] for event in reader.history("new@x", named("target.name", "cx"))] == [1, 3, 4, 5]
