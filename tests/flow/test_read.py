"""What reads return: the target's entries, under the provider's names, values and ids."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from gateway.errors import BadTarget, Busy, GatewayError, InvalidFilter, InvalidValue, NotFound
from gateway.flow.model import ReadQuery
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import (
    Attributes,
    Broken,
    CannotFilter,
    Conflict,
    Denied,
    Missing,
    Nonsense,
    Page,
    Query,
    Refused,
    ResourceType,
    Silent,
    Throttled,
    Unreachable,
    Update,
)
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.support.house import GROUP, USER, FakeTarget, without_groups
from tests.support.rules import make_rule

ANN: dict[str, Any] = {
    "userName": "Ann@example.com",
    "externalId": "00u1",
    "displayName": "Ann Lee",
    "emails": [{"type": "work", "value": "Ann.Lee@example.com"}],
    "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0123"}],
}
BOB = {"userName": "bob@example.com", "externalId": "00u2", "displayName": "Bob"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
PHONES = TargetMapping([make_rule("phoneNumbers.value", via=[compile_transform("phone", {})])], region="GB")
HELD = TargetMapping([make_rule("phoneNumbers.value")], unlisted="hold")


class Blind(FakeTarget):
    """A target that cannot filter."""

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if query.filter is not None:
            raise CannotFilter("no filters here", 400)
        return await super().query(kind, query)


class Deaf(FakeTarget):
    """A target that ignores filters."""

    async def query(self, kind: ResourceType, query: Query) -> Page:
        return await super().query(kind, Query(None, query.start, query.count))


class Forgetful(FakeTarget):
    """A target that has nowhere to keep an externalId, and filters by what it has."""

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        return await super().create(kind, _without_external(wanted))

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        kept = replace(update, wanted=_without_external(update.wanted))
        return await super().change(kind, id, kept)


def _without_external(form: Attributes) -> Attributes:
    return {name: value for name, value in form.items() if name != "externalId"}


class ForgetfulDeaf(Forgetful, Deaf):
    """A target that keeps no externalId, and ignores filters."""


class Down(FakeTarget):
    """A target whose reads fail."""

    async def get(self, kind: ResourceType, id: str) -> None:
        raise self.faults[0]

    async def query(self, kind: ResourceType, query: Query) -> Page:
        raise self.faults[0]


async def filled(gateway: Any) -> str:
    """Create Ann and Bob; return Ann's id."""
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("create", BOB)
    gateway.fake.calls.clear()
    gateway.clock[0] += 60
    return str(id)


FILTERS = [
    pytest.param('userName eq "ann@EXAMPLE.com"', 1, id="userName in any case"),
    pytest.param('userName eq "nobody"', 0, id="nobody"),
    pytest.param('externalId eq "00u1"', 1, id="externalId"),
    pytest.param('externalId eq "00U1"', 0, id="externalId is exact"),
    pytest.param('displayName eq "ann lee"', 1, id="displayName"),
    pytest.param('emails eq "ann.lee@example.com"', 1, id="emails"),
    pytest.param('emails.value eq "ann.lee@example.com"', 1, id="emails.value"),
    pytest.param('emails[type eq "work" and value eq "ann.lee@example.com"]', 1, id="emails by type"),
    pytest.param('emails[type eq "home" and value eq "ann.lee@example.com"]', 0, id="emails of another type"),
    pytest.param('phoneNumbers.value eq "+44 20 7946 0123"', 1, id="a phone as it was sent"),
    pytest.param('phoneNumbers.value eq "+44(20)79460123"', 1, id="a phone in another spelling"),
    pytest.param('phoneNumbers.value eq "+442079460123"', 1, id="a phone as the target has it"),
    pytest.param('userName eq "ann@example.com" and active eq true', 1, id="and"),
    pytest.param('userName eq "ann@example.com" and active eq false', 0, id="and not"),
    pytest.param('userName eq "ann@example.com" or externalId eq "00u2"', 2, id="or"),
    pytest.param('phoneNumbers[type eq "work"]', 1, id="what only we can evaluate"),
    pytest.param('meta.resourceType eq "User"', 2, id="what is ours"),
]


@pytest.mark.parametrize("fake", [FakeTarget, Blind, Deaf])
@pytest.mark.parametrize(("filter", "total"), FILTERS)
async def test_a_filter_finds_whom_it_means(house, fake: type[FakeTarget], filter: str, total: int) -> None:
    gateway = house(PHONES, fake())
    id = await filled(gateway)

    page = await gateway.search(filter)

    assert page.total == len(page.entries) == total
    if total == 1:
        assert page.entries[0]["id"] == id
        assert page.entries[0]["phoneNumbers"] == ANN["phoneNumbers"]


FORGOTTEN = [
    pytest.param('externalId eq "1"', ["ann"], id="eq"),
    pytest.param('externalId eq "x"', [], id="nobody's"),
    pytest.param('externalId eq "1" and NAME eq "ANN"', ["ann"], id="and the name"),
    pytest.param('externalId eq "1" and NAME eq "bob"', [], id="and another name"),
    pytest.param('externalId eq "1" or NAME eq "bob"', ["ann", "bob"], id="or"),
    pytest.param('not (externalId eq "1")', ["bob"], id="not"),
    pytest.param('externalId ne "1"', ["bob"], id="ne"),
    pytest.param("externalId pr", ["ann", "bob"], id="pr"),
    pytest.param('NAME eq "ann" and externalId sw "1"', ["ann"], id="sw"),
]


@pytest.mark.parametrize("fake", [Forgetful, ForgetfulDeaf])
@pytest.mark.parametrize(("kind", "name"), [(USER, "userName"), (GROUP, "displayName")])
@pytest.mark.parametrize(("filter", "found"), FORGOTTEN)
async def test_an_external_id_that_the_target_does_not_keep_is_shown_and_found(
    house, fake: type[FakeTarget], kind: ResourceType, name: str, filter: str, found: list[str]
) -> None:
    gateway = house(fake=fake())
    make = partial(gateway.send if kind is USER else gateway.group, "create")
    for number, who in enumerate(("ann", "bob"), 1):
        await make({name: who, "externalId": str(number)})

    page = await gateway.search(filter.replace("NAME", name), kind=kind)

    numbers = {"ann": "1", "bob": "2"}
    assert page.total == len(page.entries) == len(found)
    assert [(entry[name], entry["externalId"]) for entry in page.entries] == [(w, numbers[w]) for w in found]


async def test_who_is_found_by_an_external_id_is_asked_of_the_target_once(house) -> None:
    gateway = house()
    await filled(gateway)

    await gateway.search('externalId eq "00u1" or externalId eq "00u2"')

    assert [name for name, _ in gateway.fake.calls] == ["query"]


async def test_an_external_id_that_a_change_gives_is_found_and_the_one_before_is_not(house) -> None:
    gateway = house(fake=Forgetful())
    id = (await gateway.send("create", ANN)).document["id"]

    await gateway.send("replace", {**ANN, "externalId": "00u9"}, id)

    assert [(await gateway.search(f'externalId eq "{text}"')).total for text in ("00u1", "00u9")] == [0, 1]


async def test_the_target_is_asked_in_its_own_words(house) -> None:
    gateway = house(PHONES)
    await filled(gateway)

    await gateway.search('phoneNumbers.value eq "+44 20 7946 0123"')

    assert gateway.fake.calls == [("query", 'phoneNumbers.value eq "+442079460123"')]


async def test_the_target_is_asked_for_a_boolean_as_one(house) -> None:
    gateway = house()
    await filled(gateway)

    assert (await gateway.search('active eq "True"')).total == 2
    assert gateway.fake.calls == [("query", "active eq true")]


async def test_an_id_is_looked_up_as_ours(house) -> None:
    gateway = house(on_deactivate="delete")
    id = await filled(gateway)
    await gateway.send("patch", LEAVE, id)
    await gateway.send("patch", {"Operations": [{"op": "replace", "value": {"active": True}}]}, id)

    assert [e["userName"] for e in (await gateway.search(f'id eq "{id}"')).entries] == [ANN["userName"]]
    assert (await gateway.search(f'id eq "{id}" and userName eq "bob@example.com"')).total == 0
    assert (await gateway.search('id eq "t3"')).total == 0  # what the target calls her now
    assert (await gateway.search(f'id eq "{id}" or userName eq "x"')).total == 1


@pytest.mark.parametrize("filter", ['nickName eq "Annie"', "nickName pr"])
async def test_what_is_held_is_searched_and_shown(house, filter: str) -> None:
    gateway = house(HELD)
    await gateway.send("create", ANN | {"nickName": "Annie"})
    await gateway.send("create", BOB)

    page = await gateway.search(filter)

    assert [entry["nickName"] for entry in page.entries] == ["Annie"]
    assert "nickName" not in gateway.fake.entries["t1"]


async def test_a_search_here_reads_page_by_page_and_counts_all(house) -> None:
    gateway = house(HELD, page_size=3)
    for n in range(8):
        await gateway.send("create", {"userName": f"p{n}", "nickName": "x" if n % 2 else "y"})
    gateway.fake.calls.clear()

    page = await gateway.search('nickName eq "x"', start=2, count=2)

    assert (page.total, [entry["userName"] for entry in page.entries]) == (4, ["p3", "p5"])
    assert gateway.fake.calls == [("query", None)] * 3


@pytest.mark.parametrize(
    ("start", "count", "names"),
    [
        pytest.param(1, 2, ["p0", "p1"], id="the first"),
        pytest.param(3, 2, ["p2"], id="the last"),
        pytest.param(4, 2, [], id="behind the last"),
        pytest.param(1, 0, [], id="none"),
        pytest.param(1, 500, ["p0", "p1"], id="no more than a page of the target"),
    ],
)
async def test_a_page_is_the_targets(house, start: int, count: int, names: list[str]) -> None:
    gateway = house(page_size=2)
    for n in range(3):
        await gateway.send("create", {"userName": f"p{n}"})

    page = await gateway.search(None, start, count)

    assert (page.total, [entry["userName"] for entry in page.entries]) == (3, names)


def protecting(house: Any, **policy: Any) -> Any:
    """Return a gateway before five people, two of them protected."""
    gateway = house(protect=predicate(parse_filter('userType eq "Boss"')), **policy)
    for n in range(5):
        kind = {"userType": "Boss"} if n in (1, 2) else {}
        gateway.fake.entries[f"x{n}"] = {"id": f"x{n}", "userName": f"p{n}"} | kind
    return gateway


@pytest.mark.parametrize(
    ("filter", "start", "count", "total", "names"),
    [
        pytest.param(None, 1, 9, 3, ["p0", "p3", "p4"], id="all"),
        pytest.param(None, 1, 2, 3, ["p0", "p3"], id="the first two"),
        pytest.param(None, 3, 2, 3, ["p4"], id="the rest"),
        pytest.param('userName eq "p1"', 1, 9, 0, [], id="by name"),
        pytest.param('userName eq "p1"', 1, 0, 0, [], id="only counted"),
        pytest.param('userName eq "p0"', 1, 9, 1, ["p0"], id="another"),
        pytest.param('id eq "x1"', 1, 9, 0, [], id="by id"),
    ],
)
async def test_protected_entries_are_neither_shown_nor_counted(
    house, filter: str | None, start: int, count: int, total: int, names: list[str]
) -> None:
    page = await protecting(house, page_size=2).search(filter, start, count)

    assert (page.total, [entry["userName"] for entry in page.entries]) == (total, names)


async def test_a_protected_entry_is_not_there(house) -> None:
    with pytest.raises(NotFound):
        await protecting(house).get("x1")


@pytest.mark.parametrize(
    ("filter", "total"),
    [
        pytest.param('userName eq "ANN@example.com"', 1, id="userName"),
        pytest.param('externalId eq "00u1"', 1, id="externalId"),
        pytest.param('emails.value eq "ann.lee@EXAMPLE.com"', 1, id="emails"),
        pytest.param('userName eq "ann@example.com" and active eq false', 1, id="and"),
        pytest.param('userName eq "ann@example.com" and active eq true', 0, id="and not"),
        pytest.param('displayName eq "Ann Lee"', 0, id="other filters show the target's entries"),
        pytest.param('userName sw "ann"', 0, id="other operators too"),
        pytest.param(None, 0, id="lists too"),
    ],
)
@pytest.mark.parametrize("fake", [FakeTarget, Blind])
async def test_people_removed_by_deactivation_are_found_by_what_names_them(
    house, fake: type[FakeTarget], filter: str | None, total: int
) -> None:
    gateway = house(fake=fake(), on_deactivate="delete")
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)

    page = await gateway.search(filter)

    assert (page.total, [entry["id"] for entry in page.entries]) == (total, [id] * total)
    assert (await gateway.get(id))["active"] is False


@pytest.mark.parametrize(
    ("start", "count", "ids"),
    [(1, 9, 1), (1, 0, 0), (2, 9, 0)],
    ids=["all", "only counted", "behind them"],
)
@pytest.mark.parametrize("on_deactivate", ["send", "delete"])
async def test_nobody_is_counted_twice(house, on_deactivate: str, start: int, count: int, ids: int) -> None:
    gateway = house(on_deactivate=on_deactivate)
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)

    page = await gateway.search('userName eq "ann@example.com"', start, count)

    assert (page.total, len(page.entries)) == (1, ids)


async def test_the_removed_stand_behind_those_who_are_there(house) -> None:
    gateway = house(on_deactivate="delete")
    shared = {"emails": [{"value": "desk@example.com"}]}
    ids = [(await gateway.send("create", {"userName": f"p{n}"} | shared)).document["id"] for n in range(3)]
    await gateway.send("patch", LEAVE, ids[0])

    pages = [await gateway.search('emails eq "desk@example.com"', start, 2) for start in (1, 3)]

    assert [page.total for page in pages] == [3, 3]
    assert [e["id"] for page in pages for e in page.entries] == [ids[1], ids[2], ids[0]]


async def test_a_read_always_reaches_the_target(house) -> None:
    gateway = house()
    id = await filled(gateway)
    gateway.fake.entries["x9"] = {"id": "x9", "userName": "carl"}

    for wanted in (id, "x9", id, "x9"):
        await gateway.get(wanted)

    assert gateway.fake.calls == [("get", "t1"), ("get", "x9")] * 2


async def test_an_entry_the_journal_does_not_know_is_shown_with_the_targets_id_and_times(house) -> None:
    gateway = house(TargetMapping([], unlisted="hold"))
    meta = {"created": "2020-01-01T00:00:00Z", "lastModified": "2021-01-01T00:00:00Z"}
    gateway.fake.entries["a b"] = {"id": "a b", "userName": "carl", "title": "Boss", "meta": meta}

    shown = await gateway.get("a b")

    assert (shown["id"], shown["userName"], "title" in shown) == ("a b", "carl", False)
    assert shown["meta"] | meta == shown["meta"]
    assert shown["meta"]["location"] == "http://gw/v2/Users/a%20b"
    assert (await gateway.search('userName eq "carl"')).entries == (shown,)


async def test_an_entry_without_a_meta_is_shown_too(house) -> None:
    gateway = house()
    gateway.fake.entries["x9"] = {"id": "x9", "userName": "carl", "meta": "odd"}

    assert "created" not in (await gateway.get("x9"))["meta"]


@pytest.mark.parametrize("id", ["nobody", "", "t9"])
async def test_an_unknown_id_is_not_found(house, id: str) -> None:
    gateway = house()
    await filled(gateway)

    with pytest.raises(NotFound, match="phonebook has no user with this id"):
        await gateway.get(id)


async def test_who_becomes_known_by_another_gateway_while_looked_up_is_found(house, monkeypatch) -> None:
    gateway = house()
    id = await filled(gateway)
    resources = gateway.services.resources
    find = resources.find

    async def before(*asked: Any) -> tuple[()]:
        monkeypatch.setattr(resources, "find", find)
        return ()

    monkeypatch.setattr(resources, "find", before)

    assert (await gateway.get(id))["userName"] == (await gateway.get(id))["userName"]


async def test_somebody_whose_entry_vanished_is_not_found(house) -> None:
    gateway = house()
    id = await filled(gateway)
    gateway.fake.entries.clear()

    with pytest.raises(NotFound):
        await gateway.get(id)


async def test_the_deleted_are_found_by_nothing(house) -> None:
    gateway = house()
    id = await filled(gateway)
    await gateway.send("delete", id=id)

    with pytest.raises(NotFound):
        await gateway.get(id)
    for filter in (f'id eq "{id}"', 'userName eq "ann@example.com"', 'externalId eq "00u1"'):
        assert (await gateway.search(filter)).total == 0


@pytest.mark.parametrize(
    "filter",
    ["shoeSize eq 9", 'name.shoe eq "x"', 'emails[shoe eq "x"]', 'userName eq "x" or not (shoe pr)'],
)
async def test_an_unknown_attribute_is_named_and_the_target_not_asked(house, filter: str) -> None:
    gateway = house()

    with pytest.raises(InvalidFilter, match=r"filter: \S*sho\S* is not an attribute that phonebook has"):
        await gateway.search(filter)

    assert gateway.fake.calls == []


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param('badge eq "7"', id="what a rule reads"),
        pytest.param('urn:example:2.0:User:x eq "7"', id="of an extension that is sent as it is"),
    ],
)
async def test_what_the_target_may_have_can_be_asked_for(house, filter: str) -> None:
    gateway = house(TargetMapping([make_rule("title", ["badge"])]))

    assert (await gateway.search(filter)).total == 0


async def test_a_target_without_groups_shows_none(house) -> None:
    gateway = without_groups(house())
    await filled(gateway)
    reads = Reads(gateway.services, Recovery(gateway.services))

    page = await reads.query(gateway.target, ResourceType.GROUP, ReadQuery())

    assert page == Page(0, ())
    with pytest.raises(NotFound, match="has no group"):
        await gateway.get_group("g1")
    assert gateway.fake.calls == []


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        pytest.param(Denied("no", 401), BadTarget, r"credentials \(targets.phonebook.auth\)", id="denied"),
        pytest.param(Nonsense("HTML", 200), BadTarget, "does not understand", id="HTML"),
        pytest.param(Missing("none", 404), BadTarget, "does not understand", id="no collection"),
        pytest.param(Throttled("slow", 429, 7.0), Busy, "asks to slow down", id="throttled"),
        pytest.param(Broken("oops", 500), Busy, "answered 500", id="broken"),
        pytest.param(Silent("timed out"), Busy, "could not be reached", id="silent"),
        pytest.param(Unreachable("refused"), Busy, "could not be reached", id="refused"),
        pytest.param(Refused("too many", 400), InvalidValue, "refused to be read: too many", id="refuses"),
        pytest.param(CannotFilter("too many", 400), InvalidValue, "refused to be read", id="refuses pages"),
        pytest.param(Conflict("odd", 409), GatewayError, "odd", id="an odd answer"),
    ],
)
@pytest.mark.parametrize("read", ["get", "search"])
async def test_a_read_that_fails_says_why(
    house, fault, error: type[GatewayError], says: str, read: str
) -> None:
    gateway = house(fake=Down(faults=[fault]))

    with pytest.raises(error, match=says) as raised:
        await (gateway.get("x9") if read == "get" else gateway.search(None))

    if isinstance(fault, Throttled):
        assert (raised.value.retry_after, raised.value.asked_status) == (7, 429)


async def test_an_entry_linked_without_a_first_answer_is_shown_as_the_original(house) -> None:
    gateway = house()
    id = await filled(gateway)
    for known in await gateway.journal.resources.page("phonebook", ResourceType.USER, "", 9):
        bare = {name: replace(link, seen=None) for name, link in known.links.items()}
        gateway.journal.store(replace(known, links=bare))
    gateway.fake.entries["t1"]["title"] = "Boss"

    assert "title" not in await gateway.get(id)


@pytest.mark.parametrize("late", [True, False], ids=["removed", "not removed"])
async def test_somebody_whose_removal_is_in_doubt_is_read_once_that_is_settled(house, late: bool) -> None:
    gateway = house(on_deactivate="delete", attempts=1, deadline=5.0)
    id = await filled(gateway)
    gateway.fake.faults, gateway.fake.late = [Silent("timed out")], late
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)
    gateway.clock[0] += 60
    gateway.has_time()

    shown = await gateway.get(id)

    assert shown["active"] is not late
    assert ("operation.recovered" in [event["event"] for event in await gateway.events()]) is late


INACTIVE = [
    pytest.param("active eq false", ["p0", "p1", "p2", "p3"], id="inactive"),
    pytest.param('active eq "False"', ["p0", "p1", "p2", "p3"], id="as text"),
    pytest.param('active eq false and userName ne "p1"', ["p0", "p2", "p3"], id="and more"),
    pytest.param('userName eq "p1" and active eq false', ["p1"], id="one of them"),
    pytest.param('externalId eq "x-2" and active eq false', ["p2"], id="by externalId"),
    pytest.param("active eq true", ["p4", "p5"], id="active"),
    pytest.param("active eq false and active eq true", [], id="both"),
    pytest.param(None, ["p4", "p5"], id="everybody on the target"),
]


@pytest.mark.parametrize("on_deactivate", ["delete", "send"])
@pytest.mark.parametrize(("text", "expected"), INACTIVE)
async def test_inactive_people_are_listed_where_they_are_asked_for_though_they_are_removed(
    house, on_deactivate: str, text: str | None, expected: list[str]
) -> None:
    gateway = house(on_deactivate=on_deactivate)
    for n in range(6):
        await gateway.send("create", {"userName": f"p{n}", "externalId": f"x-{n}"})
    for n in range(4):
        await gateway.send(
            "patch", {"Operations": [{"op": "replace", "value": {"active": False}}]}, f"t{n + 1}"
        )
    await gateway.send("create", {"userName": "gone", "active": False})
    if text is None and on_deactivate == "send":
        expected = [f"p{n}" for n in range(6)]
    await gateway.send("delete", id=(await gateway.search('userName eq "gone"')).entries[0]["id"])

    pages = [await gateway.search(text, start, 2) for start in (1, 3, 5)]
    none = await gateway.search(text, 1, 0)

    assert [one["userName"] for page in pages for one in page.entries] == expected
    assert [page.total for page in (*pages, none)] == [len(expected)] * 4
