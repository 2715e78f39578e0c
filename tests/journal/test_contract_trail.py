"""What the audit trail and the tokens of every journal promise, whatever they are kept in."""

import asyncio
from itertools import pairwise

import pytest

from gateway.admin.acts import Token
from gateway.audit.event import Event


async def test_an_event_is_read_back_with_its_place_in_the_chain(journal, event):
    await journal.trail.append([event("e-1"), event("e-2")])

    newest, first = await journal.trail.page(None, 9, None, None)
    assert list(newest)[:3] == ["id", "seq", "published"]
    assert (first["seq"], first["prev"], first["published"]) == (1, "", "2026-11-22T01:04:09.000000Z")
    assert (newest["seq"], newest["prev"]) == (2, first["hash"])
    assert newest["target"]["user_name"] == "Ann"
    assert newest["diff"] == [{"path": "title", "before": None, "after": {"b": [1], "a": "Ag€nt"}}]
    assert await journal.trail.head() == (2, newest["hash"])


async def test_an_empty_trail_has_no_head_and_no_page(journal):
    assert await journal.trail.head() == (0, "")
    assert await journal.trail.page(None, 9, None, None) == ()


async def test_concurrent_events_are_numbered_without_gaps(journal, event):
    bad = Event("bad", {"reason": object()})
    events = [bad if n % 20 == 3 else event(f"e-{n}") for n in range(200)]
    results = await asyncio.gather(*(journal.trail.append([e]) for e in events), return_exceptions=True)

    assert [type(result) for result in results].count(TypeError) == 10
    told = await journal.trail.page(None, 500, None, None)
    assert [line["seq"] for line in told] == list(range(190, 0, -1))
    assert all(newer["prev"] == older["hash"] for newer, older in pairwise(told))


async def test_events_given_together_are_added_together(journal, event):
    with pytest.raises(TypeError):
        await journal.trail.append([event(), Event("bad", {"reason": object()})])

    assert await journal.trail.page(None, 9, None, None) == ()


async def test_an_event_that_nobody_waits_for_is_added_in_order_and_seen_by_who_reads(journal, event):
    journal.trail.later(event("e-1"))
    journal.trail.later(event("e-2"))
    assert (await journal.trail.head())[0] == 2

    await journal.trail.append([event("e-3")])
    journal.trail.later(event("e-4"))
    await journal.trail.append([event("e-5")])
    told = await journal.trail.page(None, 9, None, None)
    assert [line["id"] for line in told] == ["e-5", "e-4", "e-3", "e-2", "e-1"]


@pytest.mark.parametrize("bad", [Event("bad", {"reason": object()}), Event("bad", {"a": {"#": "0" * 64}})])
async def test_an_event_that_cannot_be_written_is_refused_where_nobody_waits_too(journal, event, bad):
    with pytest.raises((TypeError, ValueError)):
        journal.trail.later(bad)

    await journal.trail.append([event("e-1")])
    assert (await journal.trail.head())[0] == 1


async def test_time_in_the_trail_never_goes_back(journal, event, clock):
    for seconds in (0, -86400, 86400, 1):
        clock.turn(seconds)
        await journal.trail.append([event(f"e{clock.now}{seconds}")])

    times = [told["published"][17:] for told in await journal.trail.page(None, 9, None, None)]
    assert times == ["10.000000Z", "09.000002Z", "09.000001Z", "09.000000Z"]


@pytest.mark.parametrize(
    ("asked", "seqs"),
    [
        pytest.param((None, 3, None, None), [6, 5, 4], id="newest"),
        pytest.param((4, 2, None, None), [3, 2], id="before"),
        pytest.param((None, 9, "2026-11-22T01:04:11Z", None), [6, 5, 4, 3], id="since, included"),
        pytest.param((None, 9, None, "2026-11-22T01:04:11Z"), [2, 1], id="until, not included"),
        pytest.param((4, 9, "2026-11-22T02:04:10+01:00", "2027-01-01"), [3, 2], id="all of them"),
        pytest.param((None, 9, "2027-01-01T00:00:00", None), [], id="since later than all"),
        pytest.param((None, 9, None, "2026-01-01"), [], id="until earlier than all"),
        pytest.param((1, 9, None, None), [], id="before the first"),
    ],
)
async def test_the_trail_is_paged_newest_first_within_bounds(journal, event, clock, asked, seqs):
    for n in range(6):
        await journal.trail.append([event(f"e-{n}")])
        clock.turn(1)

    assert [told["seq"] for told in await journal.trail.page(*asked)] == seqs


async def test_a_token_is_active_until_it_expires_or_is_revoked(journal, clock):
    made = [
        Token(f"t-{n}", "okta", f"{n}" * 64, f"2026-0{n}", expires)
        for n, expires in ((2, None), (1, "2026-12"))
    ]
    for token in made:
        await journal.tokens.add(token)

    assert await journal.tokens.active() == tuple(reversed(made))
    clock.turn(30 * 86400)
    assert await journal.tokens.active() == (made[0],)
    assert [await journal.tokens.revoke(id) for id in ("t-2", "t-2", "t-9")] == [True, False, False]
    assert await journal.tokens.active() == ()
    assert [token.revoked for token in await journal.tokens.list()] == [None, "2026-12-22T01:04:09.000000Z"]


async def test_a_new_journal_is_well_and_closes(sqlite):
    assert await sqlite.health() is None

    await sqlite.close()
    await sqlite.close()
