"""The journal counted."""

from dataclasses import replace

import pytest

from gateway.admin.status import Counts, Pause
from gateway.flow.journal_port import Key, OperationState, Outcome, Settlement, Transition
from gateway.journal.reader import reading
from gateway.sqlite import Database


async def fill(journal, intent, event) -> None:
    """Leave three operations that are not settled and one that is, a brake and a pause."""
    for n, standing in enumerate((OperationState.DEAD, OperationState.DEAD, OperationState.HELD)):
        claimed = await journal.operations.claim(intent(f"op-{n}", keys=(Key("id", f"{n}"),)))
        await journal.operations.mark(claimed, Transition(standing))
    settled = await journal.operations.claim(replace(intent("op-9"), target="book"))
    await journal.operations.settle(settled, Settlement(Outcome.APPLIED, event("e-1")))
    await journal.removals.trip("cx", "2026")
    await journal.removals.release("book", "2026")
    await journal.pauses.note("book", Pause("2027"), event("e-2"))


async def test_what_is_not_settled_is_counted_and_the_file_is_measured(sqlite, intent, event) -> None:
    empty = await sqlite.counts()
    await fill(sqlite, intent, event)

    found = await sqlite.counts()

    assert empty == Counts(bytes=empty.bytes)
    unsettled = {("cx", "dead"): 2, ("cx", "held"): 1}
    assert found == Counts(unsettled, {"cx": "2026"}, {"book": Pause("2027")}, 2, found.bytes)
    assert found.bytes >= empty.bytes > 4096


async def test_a_command_that_only_reads_counts_the_same(sqlite, path, intent, event) -> None:
    await fill(sqlite, intent, event)

    with reading(path) as reader:
        assert reader.counts() == await sqlite.counts()


async def test_only_what_is_not_settled_is_kept(sqlite, intent, event) -> None:
    await fill(sqlite, intent, event)

    kept = await sqlite.database.read(lambda file: file.execute("SELECT id FROM op ORDER BY id").fetchall())
    assert kept == [("op-0",), ("op-1",), ("op-2",)]


async def test_the_writer_tells_what_waits_and_what_was_written(sqlite, monkeypatch) -> None:
    before = sqlite.writer_stats()
    later = []
    for _ in range(3):
        sqlite.database.later(lambda connection: None, later.append)
    waiting = sqlite.writer_stats().waiting
    await sqlite.database.write(lambda connection: None)
    after = sqlite.writer_stats()

    assert (waiting, after.waiting, len(later)) == (3, 0, 3)
    assert (after.batches - before.batches, after.writes - before.writes) == (1, 4)
    assert after.failure is None
    monkeypatch.setattr(Database, "failure", "the disk is full")
    assert sqlite.writer_stats().failure == "the disk is full"


@pytest.mark.parametrize("standing", OperationState)
async def test_every_standing_has_its_count(sqlite, intent, standing: OperationState) -> None:
    claimed = await sqlite.operations.claim(intent())
    await sqlite.operations.mark(claimed, Transition(standing))

    assert (await sqlite.counts()).unsettled == {("cx", standing.value): 1}
