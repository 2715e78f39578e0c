"""Who is refused, where the trail does not keep their names."""

from contextlib import closing

import pytest

from gateway.audit.event import Event, Personal, Remark
from gateway.audit.masking import Masking, masked
from gateway.flow.journal_port import Outcome, Settlement
from gateway.journal.journal import SqliteJournal
from gateway.journal.reader import refused
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
        told = [name for name, _ in refused(connection, "cx")]
    assert told == (["a*** (7)"] if is_told else ["n*** (6)"])
