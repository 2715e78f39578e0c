"""The pages of people and groups: who finds whom by what, what is shown to whom, what operators do there."""

import asyncio
import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from gateway.errors import Busy
from gateway.flow.target_port import ResourceType, Update
from gateway.scim.difference import compare
from tests.console.test_pages import HOSTILE
from tests.support.served import ANN, CANARY, OTHER, PHONEBOOK, USERS, Serve, Served
from tests.support.visitor import CONSOLE, Page, Visitor, visitor

GROUPS = "/scim/phonebook/v2/Groups"
HOLDING = (
    OTHER
    + 'unlisted = "hold"\n'
    + """
[[targets.other.rules]]
to = "title"
via = [{ name = "map", table = { "CSR" = "Agent" }, otherwise = "reject" }]
on_invalid = "drop"
"""
)
WHOLE: dict[str, Any] = ANN | {
    "displayName": f"{CANARY} Annabel",
    "title": f"{CANARY} Chief",
    "emails": [{"type": "work", "value": f"{CANARY}-mail@example.com"}],
    "phoneNumbers": [{"type": "work", "value": "020 7946 0123"}],
}


def other(n: int) -> dict[str, Any]:
    return ANN | {"userName": f"{CANARY}.b{n}@example.com", "externalId": f"{CANARY}-b{n}"}


async def made(served: Served, person: dict[str, Any] = WHOLE, path: str = USERS, token: str = "okta") -> str:
    return str((await served.ask("POST", path, person, token=token)).body["id"])


def names(page: Page) -> list[str]:
    """Return who is listed."""
    return re.findall(r'<td class="value"><a href="/console/(?:people|groups)/[^"]+"><bdi>([^<]*)', page.text)


def events(page: Page) -> list[str]:
    return re.findall(r'<a href="/console/events/([\w-]+)"><time', page.text)


def following(page: Page) -> str | None:
    found = re.search(r'rel="next" href="([^"]+)"', page.text)
    return found and unescape(found[1])


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A gateway whose two targets have Ann, each by an id of its own."""
    served = await serve(PHONEBOOK, HOLDING, config=CONSOLE)
    await made(served)
    await made(served, path=USERS.replace("phonebook", "other"), token="rfc")
    return served


async def id_of(served: Served, target: str = "phonebook", name: str = ANN["userName"]) -> str:
    found = await served.gateway.services.resources.page(target, ResourceType.USER, "", 100)
    return next(one.id for one in found if one.original["userName"] == name)


async def edit_behind(served: Served, **values: Any) -> None:
    """Change Ann at the target, so that the gateway does not know."""
    entry = next(one for one in await served.entries() if one["userName"] == ANN["userName"])
    whole = {**entry, **values}
    update = Update(entry, whole, compare(entry, whole))
    await served.gateway.targets["phonebook"].connector.change(ResourceType.USER, entry["id"], update)


async def test_somebody_is_found_by_whatever_is_known_of_them(served: Served, visit) -> None:
    for n in range(3):
        await made(served, other(n))
    ann = await id_of(served)
    await served.ask("PUT", f"{USERS}/{ann}", WHOLE | {"userName": f"{CANARY}.anne@example.com"})
    browser = await visit("alice")
    asked = {
        f"{CANARY}.ANNE@example.com": "name of now, in any case",
        ANN["userName"]: "earlier name",
        ann: "our id",
        ANN["externalId"]: "the provider's id",
        f"{CANARY}-MAIL@example.com": "address",
        "+44 20 7946 0123": "number, international",
        "(020) 7946-0123": "number, as at home",
        "0044 (0)20 79460123": "number, dialled from abroad",
        "tel:+44-20-7946-0123": "number, as an address",
        "7946 0123": "end of a number",
        "０２０ ７９４６ ０１２３": "number in wide digits",
        f"annabel {CANARY} chief": "words",
    }

    # each of the two targets has an id of its own for her: her page is under both
    hers = {f"/console/people/{one}" for one in (ann, await id_of(served, "other"))}
    missed = [
        why
        for text, why in asked.items()
        if (await browser.get(f"/console/people?q={quote(text)}")).where not in hers
    ]

    assert missed == []
    for path in hers:
        assert 'id="at-phonebook"' in (page := (await browser.get(path)).text)
        assert 'id="at-other"' in page


async def test_several_who_match_are_listed_page_by_page(served: Served, visit, monkeypatch) -> None:
    for name, value in (
        ("console.people.PAGE", 2),
        ("console.people.PATIENCE", -1.0),
        ("journal.lookup.SLICE", 3),
    ):
        monkeypatch.setattr(f"gateway.{name}", value)
    for n in range(7):
        await made(served, other(n))
    browser, found = await visit("alice"), []

    page = await browser.get(f"/console/people?q={CANARY}.b")
    while True:
        found += names(page)
        if (path := following(page)) is None:
            break
        page = await browser.get(path)

    assert sorted(found) == [other(n)["userName"] for n in range(7)]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("people?q=nobody", "Nobody is what you ask for."),
        ("people/nobody", "knows anybody of this name or id"),
        ("groups/nobody", "knows a group of this name or id"),
        ("people/nobody/history", "knows anybody"),
        ("people/nobody/belongings/phonebook", "knows anybody"),
        ("people?q=nobody&after=x", "after: must be a number"),
        ("people/%ff%00?q=%ff", "knows anybody"),
    ],
)
async def test_who_is_not_there_is_said_not_to_be(visit, asked: str, says: str) -> None:
    page = await (await visit("alice")).get(f"/console/{asked}")

    assert page.status == (200 if asked.endswith("q=nobody") else 400 if "after" in asked else 404)
    assert says in unescape(page.text)


async def test_a_person_is_shown_as_each_target_has_them_and_why(served: Served, visit) -> None:
    await edit_behind(served, title="Boss")

    page = unescape((await (await visit("alice")).get(f"/console/people/{await id_of(served)}")).text)

    phonebook, rest = page.split('id="at-phonebook"')[1].split('id="at-other"')
    assert "Boss" in phonebook
    assert "differs there" in phonebook
    assert "changed there" in phonebook  # as `reconcile` calls it
    assert "+442079460123" in phonebook
    assert re.search(r"title</bdi></code>: left out, <bdi>[^<]+</bdi> \(rule [^)]*title\)", rest)
    assert "held here, never sent" in rest
    assert "Nothing differs" in rest
    assert "<form" not in page.partition("<main")[2]


async def test_the_history_goes_across_renames_and_targets_and_tells_of_no_namesake(
    served: Served, visit, monkeypatch
) -> None:
    monkeypatch.setattr("gateway.console.people.PAGE", 2)
    ann = await id_of(served)
    for n in range(3):
        await served.ask("PUT", f"{USERS}/{ann}", WHOLE | {"userName": f"{CANARY}.{n}@example.com"})
    await made(served, WHOLE | {"externalId": f"{CANARY}-2"})  # somebody new with her first name
    browser, found = await visit("alice"), []
    path: str | None = f"/console/people/{ann}/history"

    while path:
        page = await browser.get(path)
        assert page.status == 200
        found += events(page)
        path = following(page)

    told = [e for e in await served.events() if e["event"].startswith("user.") and e["target"]["id"]]
    theirs = [e["id"] for e in told if e["target"]["id"] in (ann, await id_of(served, "other"))]
    assert found == theirs[::-1]
    assert len(found) == 5


async def test_who_was_only_ever_refused_has_a_page_from_the_trail(served: Served, visit) -> None:
    refused = {
        **ANN,
        "userName": f"{CANARY}.new@example.com",
        "phoneNumbers": [{"type": "work", "value": "12"}],
    }
    assert (await served.ask("POST", USERS, refused)).status == 400
    browser = await visit("alice")

    found = await browser.get(f"/console/people?q={refused['userName'].upper()}")
    page = await browser.get(found.where)

    assert (found.status, page.status) == (303, 200)
    assert "Refused:" in page.text
    assert "phoneNumbers.value" in page.text
    assert "what stands here is from the trail" in page.text
    assert len(events(page)) == 1


@pytest.mark.parametrize("ill", ["silent", "down"])
async def test_a_target_that_does_not_answer_is_said_not_to(
    served: Served, visit, monkeypatch, ill: str
) -> None:
    async def shown_now(*_: Any) -> None:
        if ill == "down":
            raise Busy("phonebook could not be reached", 1.0)
        await asyncio.Event().wait()

    monkeypatch.setattr("gateway.console.dossier.shown_now", shown_now)
    monkeypatch.setattr("gateway.console.dossier.PATIENCE", 0.01)

    page = await (await visit("alice")).get(f"/console/people/{await id_of(served)}")

    assert page.status == 200
    assert "could not be asked:" in page.text
    assert {"silent": "did not answer within", "down": "could not be reached"}[ill] in page.text
    assert "+442079460123" in page.text
    assert "Nothing differs" not in page.text


async def acted(browser: Visitor, id: str, act: str) -> Page:
    form = (await browser.get(f"/console/people/{id}")).fields
    done = await browser.post(f"/console/people/{id}/{act}", {"csrf": form["csrf"], "target": "phonebook"})
    assert done.status == 303
    return await browser.get(done.where.partition("#")[0])


async def test_operators_compare_push_again_and_repair_one_in_their_name(served: Served, visit) -> None:
    ann, olga = await id_of(served), await visit("olga")
    await made(served, other(1))
    await edit_behind(served, title="Boss")

    compared = await acted(olga, ann, "compare")
    title = await title_there(served)
    repaired = await acted(olga, ann, "repair")
    after = await title_there(served)
    await edit_behind(served, title="Boss")
    pushed = await acted(olga, ann, "push")

    assert "Done; this is left:" in compared.text
    assert "Boss" in compared.text
    assert ">Repair<" in compared.text
    assert (title, after, await title_there(served)) == ("Boss", WHOLE["title"], WHOLE["title"])
    assert "Repaired at phonebook" in repaired.text
    assert "nothing is left to be done" in repaired.text
    assert "nothing is left to be done" in pushed.text
    runs = [e for e in await served.events() if e["event"] in ("reconcile", "resync") and "people" in e]
    assert [(e["event"], e["actor"]["name"], e["people"]) for e in runs] == [
        ("reconcile", "olga", 1),
        ("reconcile", "olga", 1),
        ("resync", "olga", 1),
    ]
    assert {e["target"]["id"] for e in runs} == {ann}


async def title_there(served: Served) -> str:
    return next(str(one["title"]) for one in await served.entries() if one["userName"] == ANN["userName"])


@pytest.mark.parametrize("name", ["alice", "henry", "olga"])
async def test_only_operators_act_and_only_by_a_form_of_theirs(served: Served, visit, name: str) -> None:
    ann, browser = await id_of(served), await visit(name)
    form = (await browser.get(f"/console/people/{ann}")).fields
    fields = {"target": "phonebook"} if name == "olga" else {"target": "phonebook", "csrf": form["csrf"]}
    before = len(await served.events())

    for act in ("compare", "push", "repair"):
        assert (await browser.post(f"/console/people/{ann}/{act}", fields)).status == 403
    assert len(await served.events()) == before


@pytest.mark.parametrize(("id", "target"), [("nobody", "phonebook"), ("{ann}", "none")])
async def test_there_is_nothing_to_act_on_where_nobody_is_known(
    served: Served, visit, id: str, target: str
) -> None:
    browser = await visit("olga")
    form = (await browser.get("/console/people")).fields

    where = f"/console/people/{id.format(ann=await id_of(served))}/push"

    assert (await browser.post(where, {"csrf": form["csrf"], "target": target})).status == 404


async def test_the_end_of_a_run_is_shown_to_who_asked_for_it_alone(served: Served, visit) -> None:
    olga, again = await visit("olga"), await visit("olga")
    ann = await id_of(served)
    form = (await olga.get("/console/people")).fields
    where = (
        await olga.post(f"/console/people/{ann}/compare", {"csrf": form["csrf"], "target": "phonebook"})
    ).where

    assert "Compared at phonebook" in (await olga.get(where.partition("#")[0])).text
    assert "Compared at phonebook" not in (await again.get(where.partition("#")[0])).text


async def test_the_help_desk_finds_by_what_is_whole_and_sees_no_value(served: Served, visit) -> None:
    group = {"displayName": f"{CANARY} desk", "members": [{"value": await id_of(served)}]}
    desk = await made(served, group, GROUPS)
    await edit_behind(served, title=f"{CANARY} Boss")
    browser, ann = await visit("henry"), await id_of(served)
    hers = {f"/console/people/{one}" for one in (ann, await id_of(served, "other"))}

    for text in (ANN["userName"], f"{CANARY}-mail@example.com", "+44 20 7946 0123", ANN["externalId"]):
        assert (await browser.get(f"/console/people?q={quote(text)}")).where in hers
    for text in (CANARY, "mail@example.com", "7946 0123", "Annabel"):
        assert names(await browser.get(f"/console/people?q={quote(text)}")) == []
    for path in (
        f"people/{ann}",
        f"people/{ann}/history",
        f"people/{ann}/belongings/phonebook",
        f"groups/{desk}",
        f"groups/{desk}/belongings/phonebook",
        "groups",
    ):
        page = await browser.get(f"/console/{path}")
        assert page.status == 200
        assert CANARY not in page.text
        assert "2079460123" not in page.text


async def test_a_group_shows_its_members_page_by_page(served: Served, visit, monkeypatch) -> None:
    for name, value in (("PAGE", 4), ("FIRST", 2)):
        monkeypatch.setattr(f"gateway.console.people.{name}", value)
    members = [await made(served, other(n)) for n in range(10)]
    desk = {"displayName": f"{CANARY} desk", "members": [{"value": id} for id in members]}
    group = await made(served, desk, GROUPS)
    browser, found = await visit("alice"), []

    first = await browser.get(f"/console/groups?q={CANARY}+desk")
    page = await browser.get(first.where)
    path: str | None = f"/console/groups/{group}/belongings/phonebook"
    assert f'href="{path}"' in page.text
    assert "10 members; the target has not been told of 0." in page.text
    assert len(names(page)) == 2 + 1  # the first, and whom the event is about
    while path:
        page = await browser.get(path)
        found += names(page)
        path = following(page)

    assert first.where == f"/console/groups/{group}"
    assert sorted(found) == [other(n)["userName"] for n in range(10)]
    assert names(await browser.get("/console/groups")) == [f"{CANARY} desk"]
    assert f"{CANARY} desk" in (await browser.get(f"/console/people/{members[0]}")).text


async def test_events_lead_to_whom_they_are_about(served: Served, visit) -> None:
    browser = await visit("henry")
    ann = await id_of(served)

    for path in ("/console", "/console/events", f"/console/events?id={ann}"):
        assert f'href="/console/people/{ann}"' in (await browser.get(path)).text


async def test_readings_of_people_are_in_the_trail_once_an_hour(served: Served, visit) -> None:
    browser = await visit("henry")
    for _ in range(2):
        await browser.get(f"/console/people/{await id_of(served)}")
    await browser.get(f"/console/people?q={quote(ANN['userName'])}")

    read = [e for e in await served.events() if e["event"] == "audit.read"]
    assert [(e["actor"]["name"], e["read"]["fields"]) for e in read] == [
        ("henry", ["target.id"]),
        ("henry", ["target.user_name"]),
    ]


async def test_a_group_is_compared_with_its_members(served: Served, visit) -> None:
    members = [await id_of(served), await made(served, other(1))]
    desk = {"displayName": f"{CANARY} desk", "members": [{"value": id} for id in members]}
    group = await made(served, desk, GROUPS)
    connector = served.gateway.targets["phonebook"].connector
    entry = await connector.get(ResourceType.GROUP, group, members=True)
    assert entry is not None
    await connector.delete(ResourceType.USER, members[1])  # behind the gateway: the target's group loses her
    browser = await visit("olga")
    form = {"csrf": (await browser.get("/console/groups")).fields["csrf"], "target": "phonebook"}

    done = await browser.post(f"/console/groups/{group}/compare", form)
    page = await browser.get(done.where.partition("#")[0])
    found = page.text.partition('id="run"')[2].partition("</section>")[0]

    assert "Compared at phonebook" in found
    assert "changed there" in found
    assert members[1] in found


async def test_who_was_deleted_keeps_their_history(served: Served, visit) -> None:
    bob = await made(served, other(1))
    await served.ask("DELETE", f"{USERS}/{bob}")
    browser = await visit("alice")

    by_name = await browser.get(f"/console/people?q={other(1)['userName']}")
    page = await browser.get(f"/console/people/{bob}")

    assert by_name.where == f"/console/people/{bob}"
    assert ">deleted<" in page.text
    assert len(events(page)) == 2


async def test_whatever_a_person_holds_is_shown_as_text(served: Served, visit) -> None:
    browser, ann = await visit("olga"), await id_of(served)
    texts = [str(row.values[0]) for row in HOSTILE]

    for text in texts:
        hostile = {**WHOLE, "displayName": text, "title": text, "nickName": text, "phoneNumbers": []}
        await served.ask("PUT", f"{USERS}/{ann}", hostile)
        await edit_behind(served, title=f"{text}!")
        asked = (f"people?q={quote(text)}", f"people/{quote(text)}", f"groups/{quote(text)}")
        for path in (f"people/{ann}", f"people/{ann}/history", *asked):
            page = await browser.get(f"/console/{path}")
            assert page.status < 500
            for raw in ("<script>alert", "<img", "<h1>gone", "onfocus='alert", "\u202e", "\x1b", "\x00"):
                assert raw not in page.text


async def test_who_is_not_at_a_target_is_said_to_be_missing_or_out_of_scope_and_why(serve: Serve) -> None:
    scoped = OTHER + '[targets.other.scope]\npeople = "title eq \\"Chief\\""\n'
    served = await serve(PHONEBOOK, scoped, config=CONSOLE)
    ann = await made(served, path=USERS.replace("phonebook", "other"), token="rfc")
    bob = await made(served, other(1))
    await served.gateway.targets["phonebook"].connector.delete(ResourceType.USER, bob)
    async with visitor(served.port) as browser:
        await browser.sign_in("olga")
        left_out, gone = [await browser.get(f"/console/people/{id}") for id in (ann, bob)]

    assert "The target is not to have them: only who is" in left_out.text
    assert "title eq &#34;Chief&#34;" in left_out.text
    assert "The target has no entry of theirs any more." in gone.text
    assert ">missing there<" in gone.text
    assert ">Repair<" in gone.text
