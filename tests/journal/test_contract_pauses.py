"""What every journal promises of pauses."""

from gateway.admin.status import Pause
from gateway.journal.state import SqlitePauses


async def test_a_pause_is_kept_with_its_event_until_it_is_taken_back(journal, event) -> None:
    seen = [await journal.pauses.read()]
    await journal.pauses.note("cx", Pause("2026"), event("e-1"))
    await journal.pauses.note("book", Pause("2027"), event("e-2"))
    seen.append(await journal.pauses.read())
    await journal.pauses.note("cx", None, event("e-3"))
    seen.append(await journal.pauses.read())

    assert seen == [{}, {"cx": Pause("2026"), "book": Pause("2027")}, {"book": Pause("2027")}]
    assert [told["id"] for told in await journal.trail.page(None, 9, None, None)] == ["e-3", "e-2", "e-1"]


async def test_to_take_back_what_is_not_there_changes_nothing(journal, event) -> None:
    await journal.pauses.note("cx", None, event())

    assert await journal.pauses.read() == {}


async def test_a_pause_outlives_the_process(reopen, event) -> None:
    pauses: SqlitePauses = (await reopen()).pauses
    await pauses.note("cx", Pause("2026"), event())

    assert await (await reopen()).pauses.read() == {"cx": Pause("2026")}
