"""Pages about a target: whose data it refuses, how its provider is set up, what other rules would change."""

import csv
import io
import re
from collections import Counter
from html import unescape
from itertools import chain
from pathlib import Path

import pytest

from gateway.console.targets.guides import rendered
from gateway.console.targets.problems import MOST, TroubleQuestion, counted
from gateway.guide.data import ProviderKind
from gateway.guide.page import guide
from gateway.settings.compiled import subject_of
from tests.support.served import ANN, CANARY, OTHER, PHONEBOOK, USERS, Serve, Served
from tests.support.visitor import CONSOLE, Page, Visitor, visitor

PHONES = [{"type": "work", "value": "020 7946 0123"}]
UNUSABLE = [{"type": "work", "value": "<b>no number</b>"}]
DROPS = PHONEBOOK.replace('via = ["phone"]', 'via = ["phone"]\non_invalid = "drop"').replace(
    'region = "GB"', 'region = "GB"\nrequire = ["externalId"]'
)


def rows(page: Page) -> list[list[str]]:
    """Return the cells of the last table, as text."""
    body = page.text.rpartition("<tbody>")[2].partition("</tbody>")[0]
    found = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in found]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


async def shown(browser: Visitor, path: str) -> Page:
    """Return a page once what it tells is counted."""
    page = await browser.get(path)
    while "data-again" in page.text:
        page = await browser.get(path)
    return page


@pytest.fixture
async def troubled(serve: Serve) -> Served:
    """A gateway where one is refused and another loses her number."""
    served = await serve(DROPS, OTHER, config=CONSOLE)
    await served.ask("POST", USERS, ANN | {"phoneNumbers": UNUSABLE})
    await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}2@example.com", "externalId": "2"})
    await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}3@example.com", "externalId": None})
    return served


async def test_problems_are_counted_by_rule_and_reason_and_say_whose_they_are(troubled: Served) -> None:
    async with visitor(troubled.port) as alice:
        await alice.sign_in("alice")
        page = await shown(alice, "/console/problems?target=phonebook")
        refused = await shown(alice, "/console/problems?target=phonebook&what=refused")
        other = await shown(alice, "/console/problems?target=other")
        none = await alice.get("/console/problems?target=none")

    whose = [(row[0], row[2]) for row in rows(page)]
    assert (ANN["userName"], "left out") in whose
    assert (f"{CANARY}3@example.com", "refused") in whose
    assert [row[0] for row in rows(refused)] == [f"{CANARY}3@example.com"]
    assert "Nobody's data is refused" in unescape(other.text)
    assert none.status == 404
    assert "<b>no number" not in page.text


async def test_problems_of_a_kind_are_found_behind_all_that_a_page_shows(
    troubled: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.console.targets.problems.MOST", 1)
    async with visitor(troubled.port) as alice:
        await alice.sign_in("alice")
        page = await shown(alice, "/console/problems?target=phonebook")
        (link,) = re.findall(r'href="([^"]*)#people"', page.text)
        chosen = await shown(alice, unescape(link))
        refused = await shown(alice, "/console/problems?target=phonebook&what=refused")
        dropped = await shown(alice, "/console/problems?target=phonebook&what=dropped")
        none = await shown(alice, "/console/problems?target=phonebook&rule=none")

    assert "The first 1 of 2; the file has all of them." in page.text
    assert "Problems of further kinds: 1; the file has all of them." in page.text
    assert rows(chosen) == rows(page)
    for found, whom in ((dropped, ANN["userName"]), (refused, f"{CANARY}3@example.com")):
        assert [row[0] for row in rows(found)] == [whom]
        assert "1 of 2 problems." in found.text
    assert "No problem is what you ask for." in none.text


def test_problems_of_a_kind_are_counted_however_many_others_come_before_them() -> None:
    def problem(n: int, path: str, reason: str) -> dict[str, str]:
        return {"what": "refused", "userName": f"{n}", "path": path, "rule": "", "reason": reason}

    others = (problem(n, "userName", f"no {n}") for n in range(MOST))
    wanted = (problem(n, "title", "too long") for n in range(MOST + 1))
    elsewhere = (problem(n, "nickName", "too long") for n in range(2))
    question = TroubleQuestion("phonebook", path="title", reason="too long")

    found = counted(chain(others, wanted, elsewhere), Counter(), question)

    assert [row["userName"] for row in found.rows] == [str(n) for n in range(MOST)]
    assert (found.asked, found.total) == (MOST + 1, 2 * MOST + 3)
    assert (len(found.kinds), found.unlisted) == (MOST, MOST + 3)


@pytest.mark.parametrize("name", ["olga", "henry"])
async def test_all_problems_are_handed_out_as_problems_lists_them(troubled: Served, name: str) -> None:
    async with visitor(troubled.port) as browser:
        await browser.sign_in(name)
        page = await browser.get("/console/problems/export?target=phonebook")

    found = list(csv.DictReader(io.StringIO(page.text, newline="")))
    assert sorted(row["what"] for row in found) == ["dropped", "refused"]
    assert list(found[0]) == ["target", "what", "state", "userName", "externalId", "path", "rule", "reason"]
    assert (ANN["userName"] in page.text) == (name == "olga")
    assert ("c***@example.com" in page.text) == (name == "henry")
    taken = (await troubled.events())[-1]
    assert (taken["event"], taken["actor"]["name"]) == ("export", name)
    assert taken["export"]["filter"] == "problems phonebook"


async def test_the_help_desk_sees_nobodys_values_in_problems_and_simulations(troubled: Served) -> None:
    async with visitor(troubled.port) as henry:
        await henry.sign_in("henry")
        form = (await henry.get("/console/simulate")).fields
        await henry.post("/console/simulate", form | {"target": "phonebook"})
        for path in ("/console/problems?target=phonebook", "/console/simulate", "/console"):
            page = await shown(henry, path)
            assert page.status == 200
            assert CANARY not in page.text
        assert len(rows(await shown(henry, "/console/problems?target=phonebook&reason=x&rule=y"))) == 2


async def test_who_is_refused_is_among_what_needs_somebody(troubled: Served) -> None:
    async with visitor(troubled.port) as alice:
        await alice.sign_in("alice")
        page = await alice.get("/console")

    assert "People refused: 1" in page.text
    assert "/console/problems?target=phonebook&amp;what=refused" in page.text


@pytest.mark.parametrize("kind", ProviderKind)
async def test_the_guide_is_shown_for_each_provider(served: Served, visit, kind: ProviderKind) -> None:
    page = await (await visit("alice")).get(f"/console/guide?target=phonebook&provider={kind}")

    text = guide(subject_of(served.gateway.settings, "phonebook"), kind)
    words = re.findall(r"\w+", re.sub(r"^\d+\. ", "", text, flags=re.MULTILINE))
    article = page.text.partition("<article")[2].partition(">")[2].partition("</article>")[0]
    assert re.findall(r"\w+", unescape(re.sub(r"<[^>]*>", " ", article))) == words
    assert "**" not in article
    assert "<code>/scim" not in article
    assert "<h2>From" in article


@pytest.mark.parametrize(("asked", "status"), [("target=none", 404), ("provider=none", 400), ("", 200)])
async def test_a_guide_of_nothing_is_none(visit, asked: str, status: int) -> None:
    assert (await (await visit("alice")).get(f"/console/guide?{asked}")).status == status


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A `b`", "<h2>A <code>b</code></h2>"),
        ("a\nb **c** *d*", "<p>a b <strong>c</strong> <em>d</em></p>"),
        ("- a\n- b\n  c", "<ul><li>a</li><li>b c</li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("```\n<b>\n\nx\n```", '<pre tabindex="0"><code>&lt;b&gt;\n\nx</code></pre>'),
        (
            "<script>x</script> & [a](javascript:b)",
            "<p>&lt;script&gt;x&lt;/script&gt; &amp; [a](javascript:b)</p>",
        ),
        ("``a ` b``", "<p><code>a ` b</code></p>"),
        ("a\u202eb", "<p>a⟨U+202E⟩b</p>"),
        ("", ""),
    ],
)
def test_markdown_is_shown_and_whatever_else_it_holds_is_text(markdown: str, html: str) -> None:
    assert rendered(markdown) == html


def test_a_table_is_one_with_what_its_cells_hold_as_text() -> None:
    page = rendered("| a | b |\n| --- | --- |\n| `x \\| <i>` |  |")

    assert '<th scope="col">a</th><th scope="col">b</th>' in page
    assert '<td class="value"><code>x | &lt;i&gt;</code></td><td class="value"></td>' in page


async def simulated(browser: Visitor) -> Page:
    form = (await browser.get("/console/simulate")).fields
    begun = await browser.post("/console/simulate", form | {"target": "phonebook"})
    assert begun.where == "/console/simulate"
    return await shown(browser, begun.where)


async def test_the_file_as_it_is_now_is_simulated_against_what_was_sent(serve: Serve, tmp_path: Path) -> None:
    served = await serve(PHONEBOOK, OTHER, config=CONSOLE)
    await served.ask("POST", USERS, ANN | {"phoneNumbers": PHONES, "title": "<i>Lead</i>"})
    config = tmp_path / "config.toml"
    whole = config.read_text()
    async with visitor(served.port) as alice:
        await alice.sign_in("alice")
        same = await simulated(alice)
        config.write_text(whole.replace('region = "GB"', 'region = "GB"\nunlisted = "drop"'))
        other = await simulated(alice)
        config.write_text(whole.replace('via = ["phone"]', 'via = ["fone"]'))
        faulty = await simulated(alice)
        config.write_text(whole.replace("[targets.phonebook]", "[targets.phones]"))
        gone = await simulated(alice)

    assert "1 people, 1 unchanged. Nothing was sent." in same.text
    assert "1 people, 1 change. Nothing was sent." in other.text
    assert [ANN["userName"], "change", "title", "<i>Lead</i>"] in [row[:4] for row in rows(other)]
    assert "<i>Lead" not in other.text
    line = whole[: whole.index("[[targets.phonebook.rules]]")].count("\n") + 1
    assert "targets.phonebook.rules[" in faulty.text
    assert f"line {line}" in faulty.text
    assert "targets.phonebook" in gone.text.partition("cannot be used")[2]
    assert (await served.entries())[0]["title"] == "<i>Lead</i>"


async def test_one_simulation_goes_on_at_a_time_and_is_ended(
    served: Served, visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    let_on = Event()

    def held(*_: object) -> None:
        let_on.wait()

    for n in range(2):
        await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}{n}@example.com", "externalId": str(n)})
    monkeypatch.setattr("gateway.console.targets.simulation.load_key", held)
    monkeypatch.setattr("gateway.console.targets.simulation.cover_of", held)
    alice, olga = await visit("alice"), await visit("olga")
    form, other = (await alice.get("/console/simulate")).fields, (await olga.get("/console/simulate")).fields
    await alice.post("/console/simulate", form | {"target": "phonebook"})
    await olga.post("/console/simulate", other | {"target": "other"})
    running = await olga.get("/console/simulate")
    await olga.post("/console/simulate/end", other)
    let_on.set()
    ended = await shown(olga, "/console/simulate")

    assert "Under way for phonebook" in running.text
    assert "it was ended before it was through" in ended.text
    for foreign in ({}, form | {"csrf": "x"}):
        assert (await alice.post("/console/simulate", foreign)).status == 403
        assert (await alice.post("/console/simulate/end", foreign)).status == 403
    assert (await alice.post("/console/simulate", form | {"target": "none"})).status == 404
