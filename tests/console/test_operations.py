"""What is not settled, and what operators do about it: changes that a target refuses, or the brake holds."""

import asyncio
import sqlite3
from contextlib import closing
from html import unescape
from urllib.parse import quote

import pytest

from gateway.console.acts import ACTS
from gateway.console.operations import STANDINGS
from tests.console.conftest import LEAVERS as NAMES
from tests.console.conftest import opened
from tests.support.served import ANN, CANARY, USERS, Served
from tests.support.visitor import Page, Visitor, visitor

PATH = "/console/operations"


def plain(page: Page) -> str:
    return unescape(page.text)


def rows(page: Page) -> int:
    return page.text.partition("<tbody>")[2].count("<tr>")


async def standings(served: Served) -> list[str]:
    return [one.standing.value for one in await opened(served)]


async def sweep(served: Served) -> None:
    """Try what is due now."""
    await served.gateway.recovery.sweep(served.gateway.targets["phonebook"])


async def settled(served: Served, left: int = 0) -> None:
    """Try what is due, beside the gateway that does so, too, until so much is left."""
    async with asyncio.timeout(10):
        while len(await opened(served)) > left:
            await sweep(served)


async def test_what_was_given_up_is_listed_with_what_an_act_would_do_and_tried_again(
    dead: Served, mended: asyncio.Event
) -> None:
    (one,) = await opened(dead)
    async with visitor(dead.port) as olga:
        await olga.sign_in("olga")
        page = await olga.get(f"{PATH}?standing=dead&target=phonebook")
        assert "the target is asked whether it has happened" in page.text
        assert "the target keeps what it has until their next change" in page.text
        assert "&lt;b&gt;no such plan" in page.text
        form = await olga.get(f"/console/acts/retry/{one.intent.op_id}?next={quote(PATH)}")
        assert ANN["userName"] in form.text
        assert "no such plan" in form.text

        mended.set()
        done = await olga.post(f"/console/acts/retry/{one.intent.op_id}", form.fields)
        again = await olga.post(f"/console/acts/retry/{one.intent.op_id}", form.fields)
        await settled(dead)

        assert (done.where, again.where) == (f"{PATH}?done=retry",) * 2
        assert "It is tried again now." in (await olga.get(done.where)).text
        assert "Nothing is open." in (await olga.get(PATH)).text
    retried = [event for event in await dead.events() if event["event"] == "operation.retried"]
    assert [(event["actor"]["type"], event["actor"]["name"]) for event in retried] == [("operator", "olga")]


async def test_what_is_given_up_for_good_is_settled_once_and_who_comes_later_is_told(dead: Served) -> None:
    (one,) = await opened(dead)
    path = f"/console/acts/drop/{one.intent.op_id}"
    async with visitor(dead.port) as olga, visitor(dead.port) as other:
        await olga.sign_in("olga")
        await other.sign_in("olga")
        form, others = (await olga.get(path)).fields, (await other.get(path)).fields

        clicks = await asyncio.gather(*(olga.post(path, form) for _ in range(3)))
        late = await other.post(path, others)

        assert [page.where for page in clicks] == ["/console?done=drop"] * 3
        assert late.status == 404
        assert "somebody, or the gateway itself, was quicker" in late.text
    assert await standings(dead) == []
    assert [e["event"] for e in await dead.events()].count("operation.dropped") == 1


async def test_one_held_removal_is_let_go_and_the_others_stay_held(held: Served) -> None:
    async with visitor(held.port) as olga:
        await olga.sign_in("olga")
        page = await olga.get(f"{PATH}?standing=held")
        assert rows(page) == 3
        assert page.text.count("KEEPS their account") == 3
        path = f"/console/acts/release/phonebook?only={NAMES[2]}&next={quote(PATH)}"
        form = await olga.get(path)
        assert f'name="only" value="{NAMES[2]}"' in form.text

        done = await olga.post("/console/acts/release/phonebook", {**form.fields, "only": NAMES[2]})
        await settled(held, 2)

        assert done.where == f"{PATH}?done=release"
        left = await olga.get(f"{PATH}?standing=held")
        assert (rows(left), NAMES[2] in left.text) == (2, False)
        nobody = await olga.get("/console/acts/release/phonebook")
        wrong = await olga.post("/console/acts/release/phonebook", {**nobody.fields, "only": "nobody"})
        assert wrong.status == 400
        assert "no removal of somebody with this userName or id is held" in wrong.text

        await olga.post("/console/acts/release/phonebook", nobody.fields)
        await settled(held)
        assert "Nothing is open." in (await olga.get(PATH)).text


async def test_what_waits_is_shown_by_pages_that_leave_nothing_out(held: Served, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.operations.PAGE", 1)
    async with visitor(held.port) as olga:
        await olga.sign_in("olga")
        path, seen = PATH, ""
        while path:
            page = await olga.get(path)
            assert rows(page) == 1
            seen += page.text.partition("<tbody>")[2]
            path = unescape(page.text.partition('rel="next" href="')[2].partition('"')[0])
        wrong = [await olga.get(f"{PATH}?after={after}") for after in ("x", "9~a~b", "-1~a~b", "1~", "~")]

    assert "Let the removals go" in seen
    assert [name for name in NAMES if f"<bdi>{name}</bdi>" in seen] == NAMES[1:]
    assert [page.status for page in wrong] == [400] * 5


@pytest.mark.parametrize("standing", STANDINGS)
async def test_the_list_is_narrowed_by_how_things_stand(held: Served, standing: str) -> None:
    async with visitor(held.port) as alice:
        await alice.sign_in("alice")
        page = await alice.get(f"{PATH}?standing={standing}")
        wrong = await alice.get(f"{PATH}?standing=<b>")

    assert rows(page) == {"braked": 1, "held": 3}.get(standing, 0)
    assert "/console/acts/" not in page.text
    assert (wrong.status, "<b>" in wrong.text) == (400, False)


async def test_the_help_desk_sees_nobodys_values_and_acts_on_nothing(held: Served) -> None:
    (one, *_) = await opened(held)
    async with visitor(held.port) as henry, visitor(held.port) as olga:
        await henry.sign_in("henry")
        await olga.sign_in("olga")
        form = (await olga.get("/console/acts/pause/phonebook")).fields
        page = await henry.get(PATH)
        fields = (await henry.get("/console")).fields
        assert "c***@example.com" in page.text
        assert not any(name in page.text for name in NAMES)
        for act in ACTS:
            path = f"/console/acts/{act}/{one.intent.op_id}"
            assert (await henry.get(path)).status == 403
            assert (await henry.post(path, fields)).status == 403
            for foreign in ({}, form | {"csrf": "x"}, fields):
                assert (await olga.post(path, foreign)).status == 403
    assert await standings(held) == ["held"] * 3


@pytest.mark.parametrize(
    ("said", "is_paused", "says"),
    [
        pytest.param({"for": "2h", "reason": "A <new> release"}, True, "A <new> release", id="for"),
        pytest.param({"reason": "until they call"}, True, "until they call", id="until somebody resumes"),
        pytest.param({"for": "soon"}, False, "for: ", id="no length"),
        pytest.param({"for": "0s"}, False, "for: ", id="nothing"),
        pytest.param({"reason": "two\nlines"}, False, "one line of text", id="no line"),
    ],
)
async def test_a_pause_has_a_length_and_a_reason(
    served: Served, visit, said: dict[str, str], is_paused: bool, says: str
) -> None:
    olga: Visitor = await visit("olga")
    form = await olga.get("/console/acts/pause/phonebook")

    page = await olga.post("/console/acts/pause/phonebook", form.fields | said)

    assert page.status == (303 if is_paused else 400)
    shown = plain(await olga.get("/console")) if is_paused else plain(page)
    assert says in shown
    assert ("Paused until" in shown) == ("2h" in said.values())
    assert (served.gateway.oversight.pauses.since("phonebook") is not None) == is_paused


async def test_one_person_is_pushed_again_and_who_is_refused_is_told(served: Served, visit) -> None:
    made = await served.ask("POST", USERS, ANN)
    olga: Visitor = await visit("olga")
    path = "/console/acts/resync/phonebook"
    form = await olga.get(f"{path}?person={ANN['userName']}")

    done = await olga.post(path, form.fields | {"person": made.body["id"]})
    other = (await olga.get(path)).fields
    nobody = await olga.post(path, other | {"person": "nobody"})
    unsaid = await olga.post(path, other)

    assert ANN["userName"] in form.text
    assert done.where == "/console?done=resync"
    assert (nobody.status, unsaid.status) == (400, 400)
    assert "nobody whom the journal knows" in nobody.text
    ran = [e for e in await served.events() if e["event"] == "resync" and e.get("counts")]
    assert [(e["actor"]["name"], e["target"]["id"]) for e in ran] == [("olga", made.body["id"])]


@pytest.mark.parametrize("kept", ["nonsense", "[]", "{}", "5", '[["x"]]', '["zz"]', "null", "[[1,2,3]]"])
async def test_personal_values_that_somebody_changed_are_told_and_shut_no_page(
    served: Served, visit, kept: str
) -> None:
    await served.ask("POST", USERS, ANN)
    (event,) = await served.events()
    with closing(sqlite3.connect(served.gateway.settings.journal.path)) as file, file:
        file.execute("UPDATE event SET personal = ? WHERE seq = ?", (kept, event["seq"]))

    for name in ("alice", "henry"):
        browser = await visit(name)
        page = await browser.get(f"/console/events/{event['seq']}")

        assert page.status == 200
        assert "Changed: a personal value is not what its hash covers." in page.text
        assert (await browser.get("/console/events")).status == 200
        assert (await browser.get("/console")).status == 200


async def test_a_crash_is_a_page_too(visit, monkeypatch, log) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError(f"{CANARY} value")

    browser = await visit("alice")
    monkeypatch.setattr("gateway.console.events.find_page", fails)

    page = await browser.get("/console/events")

    assert (page.status, page.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert "<h1>That did not work</h1>" in page.text
    assert "its log has the reason" in page.text
    assert CANARY not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "request.crashed" in log.getvalue()
