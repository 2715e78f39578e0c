"""Dialpad as a target: two steps of a create, offices, seats, look-ups, and what becomes of what fails."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.flow.target_port import (
    Attributes,
    Broken,
    CannotFilter,
    Conflict,
    Contradiction,
    Denied,
    Missing,
    Query,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
    Update,
)
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.targets.dialpad.connector import NO_GROUPS, DialpadConnector
from gateway.targets.transport import Call, HttpReply
from tests.support.dialpad import Dialpad, needs_openapi
from tests.support.forms import ENTERPRISE

pytestmark = needs_openapi()

USER, GROUP = ResourceType.USER, ResourceType.GROUP
ANN: Attributes = {
    "userName": "ann@example.com",
    "externalId": "00u1",
    "active": True,
    "name": {"givenName": "Ann", "familyName": "Berg"},
    "title": "Agent",
    ENTERPRISE: {"officeName": "London", "licenseType": "talk"},
}
PLAIN = {name: value for name, value in ANN.items() if name != "title"}  # a create takes all of it


class Line:
    """Carries calls to a company; the next call of a method may end otherwise."""

    def __init__(self, company: Dialpad) -> None:
        self.company = company
        self.faults: dict[str, list[TargetError | HttpReply]] = {}
        self.is_late = False  # what fails is done all the same

    async def send(self, call: Call) -> HttpReply:
        await asyncio.sleep(0)  # others go on meanwhile
        fault = next(iter(self.faults.get(call.method, ())), None)
        if fault is None:
            return await self.company.send(call)
        self.faults[call.method].pop(0)
        if self.is_late:
            await self.company.send(call)
        if isinstance(fault, HttpReply):
            return fault
        raise fault


@pytest.fixture
def company() -> Any:
    company = Dialpad(offices={124: "London", 125: "Oslo"})
    yield company
    assert company.violations == []


@pytest.fixture
def line(company: Dialpad) -> Line:
    return Line(company)


@pytest.fixture
def target(line: Line) -> DialpadConnector:
    return DialpadConnector(line, "https://dialpad.test")


def guarded(line: Line, guard: str = "on", **options: str) -> DialpadConnector:
    return DialpadConnector(line, "https://dialpad.test", {"seat_guard": guard, **options})


async def made(target: DialpadConnector, wanted: Attributes = ANN) -> Attributes:
    entry = await target.create(USER, wanted)
    assert entry is not None
    return entry


def update(present: Attributes, **changed: Any) -> Update:
    wanted = {name: value for name, value in (present | changed).items() if value is not None}
    return Update(present, wanted, compare(present, wanted))


def said(company: Dialpad) -> list[tuple[str, Any]]:
    return [(change["method"], change["body"]) for change in company.changes]


CREATED = {
    "email": "ann@example.com",
    "first_name": "Ann",
    "last_name": "Berg",
    "license": "talk",
    "office_id": 124,
}


async def test_a_create_says_first_what_it_takes_and_then_the_rest(company, target) -> None:
    entry = await made(target, ANN | {"active": False})

    assert said(company) == [
        ("POST", CREATED),
        ("PATCH", {"job_title": "Agent", "state": "suspended"}),
    ]
    assert (entry["title"], entry["active"], entry[ENTERPRISE]["officeName"]) == ("Agent", False, "London")
    assert await target.get(USER, entry["id"]) == entry


async def test_a_create_that_takes_everything_is_one_step(company, target) -> None:
    await made(target, PLAIN)

    assert said(company) == [("POST", CREATED)]


async def test_what_dialpad_gives_new_people_of_itself_is_not_taken_away(line, target) -> None:
    given = {
        "id": "7",
        "state": "active",
        "emails": ["ann@example.com"],
        "extension": "55",
        "job_title": "New",
    }
    line.faults["POST"] = [HttpReply(200, {}, json.dumps(given).encode())]

    entry = await target.create(USER, {"userName": "ann@example.com", ENTERPRISE: {"officeName": "Oslo"}})

    assert (entry["title"], entry[ENTERPRISE]["extension"]) == ("New", "55")
    assert said(line.company) == []


@pytest.mark.parametrize(("option", "number"), [("yes", True), ("no", False)])
async def test_a_number_is_assigned_where_the_target_says_so(company, line, option, number) -> None:
    entry = await made(guarded(line, "off", auto_assign=option), PLAIN)

    assert ("auto_assign" in company.changes[0]["body"]) is number
    assert ("phoneNumbers" in entry) is number


@pytest.mark.parametrize("writes_numbers", [True, False], ids=["numbers", "texts"])
async def test_ids_may_be_numbers_or_texts(company, target, writes_numbers) -> None:
    company.writes_numbers = writes_numbers

    entry = await made(target)

    assert isinstance(entry["id"], str)
    assert await target.get(USER, entry["id"]) == entry
    assert entry[ENTERPRISE]["officeName"] == "London"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param({ENTERPRISE: {"officeName": "Paris"}}, "it has: London, Oslo", id="an unknown office"),
        pytest.param({ENTERPRISE: {}}, "needs an officeName; it has: London, Oslo", id="no office"),
        pytest.param({"nickName": "A"}, "cannot set nickName", id="what the API has not"),
        pytest.param({"title": "a\nb"}, "one line of text for title", id="what the second step refuses"),
    ],
)
async def test_nobody_is_made_who_could_not_be_made_whole(company, target, wanted, reason) -> None:
    with pytest.raises(Refused, match=reason):
        await target.create(USER, ANN | wanted)

    assert company.changes == []


async def test_who_is_there_already_is_a_conflict_in_whatever_state(target) -> None:
    ann = await made(target)
    await target.change(USER, ann["id"], update(ann, active=False))

    with pytest.raises(Conflict):
        await target.create(USER, ANN | {"userName": "ANN@example.com"})
    (found,) = (await target.query(USER, Query(parse_filter('userName eq "ANN@example.com"')))).entries
    assert found["active"] is False


DOUBTS = [
    pytest.param(Throttled("slow", 429, 3.0), Broken, 3.0, id="throttled"),
    pytest.param(Denied("no", 403), Broken, None, id="denied"),
    pytest.param(Missing("none", 404), Broken, None, id="not shown yet"),
    pytest.param(Unreachable("refused"), Silent, None, id="unreachable"),
    pytest.param(Silent("timed out"), Silent, None, id="silent"),
    pytest.param(Broken("oops", 500), Broken, None, id="broken"),
]


@pytest.mark.parametrize(("fault", "kind", "wait"), DOUBTS)
async def test_what_fails_after_the_first_step_leaves_the_create_in_doubt(
    company, line, target, fault, kind, wait
) -> None:
    line.faults["PATCH"] = [fault]

    with pytest.raises(kind) as error:
        await target.create(USER, ANN)

    assert error.value.maybe_applied
    assert error.value.retry_after == wait
    assert len(company.users) == 1


async def test_who_is_half_built_is_found_and_completed_by_a_change(company, line, target) -> None:
    line.faults["PATCH"] = [Silent("cut off")]
    with pytest.raises(Silent):
        await target.create(USER, ANN)
    (half,) = (await target.query(USER, Query(parse_filter('userName eq "ann@example.com"')))).entries

    whole = await target.change(USER, half["id"], update(half, **ANN))

    assert "title" not in half
    assert whole["title"] == "Agent"
    assert said(company)[1:] == [("PATCH", {"job_title": "Agent"})]


async def test_where_the_second_step_is_refused_nobody_is_left_who_takes_a_seat(company, target) -> None:
    company.refused = {"extension": "extensions are off"}
    wanted = ANN | {ENTERPRISE: {"officeName": "London", "extension": "55"}}

    with pytest.raises(Refused, match="suspended again, as the rest was refused: extensions are off"):
        await target.create(USER, wanted)

    (user,) = company.users.values()
    assert user["state"] == "suspended"


@pytest.mark.parametrize("fault", [Silent("cut off"), Throttled("slow", 429), Refused("no", 400)])
async def test_where_not_even_that_can_be_done_the_create_is_in_doubt(company, line, target, fault) -> None:
    line.faults["PATCH"] = [HttpReply(400, {}, b'{"error": {"message": "no"}}'), fault]

    with pytest.raises((Silent, Broken)) as error:
        await target.create(USER, ANN)

    assert error.value.maybe_applied


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        pytest.param({"title": "Lead"}, {"job_title": "Lead"}, id="a title"),
        pytest.param({"active": False}, {"state": "suspended"}, id="suspended, not deleted"),
        pytest.param({"userName": "new@example.com"}, {"emails": ["new@example.com"]}, id="renamed"),
        pytest.param(
            {ENTERPRISE: {"officeName": "oslo", "licenseType": "talk"}}, {"office_id": 125}, id="moved"
        ),
    ],
)
async def test_a_change_is_one_call(company, target, changed, body) -> None:
    ann = await made(target)
    company.changes.clear()

    await target.change(USER, ann["id"], update(ann, **changed))

    assert said(company) == [("PATCH", body)]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"externalId": "00u9"}, id="an externalId, which Dialpad does not keep"),
        pytest.param({ENTERPRISE: {"officeName": "LONDON", "licenseType": "talk"}}, id="the same office"),
        pytest.param({ENTERPRISE: {}}, id="no licence and no office: neither can be taken away"),
    ],
)
async def test_what_is_no_change_to_dialpad_is_answered_with_what_is_there(company, target, changed) -> None:
    ann = await made(target)
    company.changes.clear()

    assert await target.change(USER, ann["id"], update(ann, **changed)) == ann
    assert company.changes == []

    await target.delete(USER, ann["id"])
    with pytest.raises(Missing):
        await target.change(USER, ann["id"], update(ann, **changed))


async def test_an_office_that_is_new_at_dialpad_is_known_at_once(company, target) -> None:
    ann = await made(target)
    company.offices[126] = "Rome"

    moved = await target.change(USER, ann["id"], update(ann, **{ENTERPRISE: {"officeName": "Rome"}}))

    assert moved[ENTERPRISE]["officeName"] == "Rome"


async def test_who_is_deleted_is_shown_by_nothing_though_dialpad_shows_them(company, target) -> None:
    ann, bob = await made(target), await made(target, ANN | {"userName": "bob@example.com"})
    await target.delete(USER, ann["id"])

    assert company.users[int(ann["id"])]["state"] == "deleted"
    assert await target.get(USER, ann["id"]) is None
    assert [entry["id"] for entry in (await target.query(USER, Query())).entries] == [bob["id"]]
    with pytest.raises(Missing):
        await target.delete(USER, ann["id"])


@pytest.mark.parametrize("id", ["me", "../offices", "", "7?x=1", "0"])
async def test_whose_id_is_no_number_is_not_asked_for(company, target, id) -> None:
    ann = await made(target)
    company.calls.clear()

    assert await target.get(USER, id) is None
    with pytest.raises(Missing):
        await target.change(USER, id, update(ann, title="x"))
    with pytest.raises(Missing):
        await target.delete(USER, id)
    # but whether Dialpad is there is asked, as a probe of its health wants to know it
    assert company.calls == [("GET", "/api/v2/offices")]


async def test_an_address_is_found_where_dialpad_keeps_it_in_lower_case(company, target) -> None:
    company.keeps_lower = True
    ann = await made(target, ANN | {"userName": "Ann@Example.com"})

    page = await target.query(USER, Query(parse_filter('userName eq "Ann@Example.com"')))

    assert [entry["id"] for entry in page.entries] == [ann["id"]]
    assert said(company)[1:] == [("PATCH", {"job_title": "Agent"})]


async def test_who_has_the_address_as_a_second_one_has_not_that_name(company, target) -> None:
    ann = await made(target)
    await target.change(USER, ann["id"], update(ann, emails=[*ann["emails"], {"value": "two@example.com"}]))

    async def found(text: str) -> list[str]:
        return [entry["userName"] for entry in (await target.query(USER, Query(parse_filter(text)))).entries]

    assert await found('userName eq "two@example.com"') == []
    assert await found('emails.value eq "two@example.com"') == ["ann@example.com"]


async def test_an_external_id_is_nobodys_and_nothing_is_asked(company, target) -> None:
    await made(target)
    company.calls.clear()

    assert (await target.query(USER, Query(parse_filter('externalId eq "00u1"')))).total == 0
    assert company.calls == []


@pytest.mark.parametrize("text", ['title eq "Agent"', 'userName sw "ann"', "active eq true"])
async def test_what_the_api_has_no_parameter_for_is_left_to_us(target, text) -> None:
    with pytest.raises(CannotFilter):
        await target.query(USER, Query(parse_filter(text)))


async def test_a_parameter_that_is_not_heeded_is_noticed(company, line, target) -> None:
    await made(target)
    line.faults["GET"] = [HttpReply(200, {}, json.dumps({"items": list(company.users.values())}).encode())]

    with pytest.raises(CannotFilter):
        await target.query(USER, Query(parse_filter('userName eq "bob@example.com"')))


async def test_a_cursor_that_repeats_is_a_contradiction_in_a_look_up_too(line, target) -> None:
    again = HttpReply(200, {}, b'{"items": [], "cursor": "c1"}')
    line.faults["GET"] = [again, again]

    with pytest.raises(Contradiction):
        await target.query(USER, Query(parse_filter('userName eq "ann@example.com"')))


async def test_thousands_are_listed_page_by_page_without_a_limit(company, target) -> None:
    company.page = 3
    names = {(await made(target, PLAIN | {"userName": f"p{n}@example.com"}))["userName"] for n in range(8)}
    company.calls.clear()

    page = await target.query(USER, Query(count=100))

    assert {entry["userName"] for entry in page.entries} == names
    assert [call for _, call in company.calls] == [
        "/api/v2/users?state=all",
        "/api/v2/users?state=all&cursor=c3",
        "/api/v2/users?state=all&cursor=c6",
    ]


# --- seats


@pytest.mark.parametrize("guard", ["on", "counted"])
@pytest.mark.parametrize(
    ("licence", "line_name"), [("talk", "talk_lines"), ("agents", "sell_lines"), (None, "talk_lines")]
)
async def test_nobody_is_made_without_a_seat(company, line, guard, licence, line_name) -> None:
    company.seats[line_name] = 0
    wanted = ANN | {ENTERPRISE: {"officeName": "Oslo"} | ({"licenseType": licence} if licence else {})}

    with pytest.raises(Refused, match=f"no seat is left: the person's office has 0 {line_name}"):
        await guarded(line, guard).create(USER, wanted)

    assert company.changes == []


def seated(licence: str, *, active: bool = True) -> Any:
    return ANN | {"active": active, ENTERPRISE: {"officeName": "London", "licenseType": licence}}


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        pytest.param(seated("talk", active=False), seated("talk"), "talk_lines", id="is active again"),
        pytest.param(seated("talk"), seated("agents"), "sell_lines", id="gets another licence"),
        pytest.param(seated("lite_lines"), seated("talk"), "talk_lines", id="gets one that is counted"),
        pytest.param(seated("talk", active=False), seated("agents"), "sell_lines", id="both"),
        pytest.param(
            seated("talk"), seated("talk") | {"title": "Lead"}, None, id="keeps the one that is had"
        ),
        pytest.param(seated("talk"), seated("talk", active=False), None, id="leaves"),
        pytest.param(seated("talk"), seated("agents", active=False), None, id="leaves with another"),
        pytest.param(seated("talk"), seated("lite_lines"), None, id="gets one that nobody counts"),
    ],
)
async def test_whoever_takes_another_seat_is_counted_as_the_new_are(
    company, line, before, after, asked
) -> None:
    shown = await made(guarded(line, "off"), before)
    company.seats = dict.fromkeys(company.seats, 0)
    told = len(company.changes)
    target = guarded(line, "counted")

    if asked is None:
        await target.change(USER, shown["id"], update(shown, **after))
    else:
        with pytest.raises(Refused, match=f"no seat is left: the person's office has 0 {asked}"):
            await target.change(USER, shown["id"], update(shown, **after))

    assert (len(company.changes) == told) == (asked is not None)


async def test_seats_are_not_counted_unless_that_is_asked_for(company, target) -> None:
    company.seats["talk_lines"] = 0

    await made(target)

    assert "available_licenses" not in str(company.calls)


@pytest.mark.parametrize("guard", ["on", "counted"])
async def test_a_seat_that_nobody_can_count_is_refused_or_not_guarded(company, line, guard) -> None:
    wanted = ANN | {ENTERPRISE: {"officeName": "London", "licenseType": "lite_lines"}}
    target = guarded(line, guard)

    if guard == "on":
        with pytest.raises(Refused, match="does not say how many seats are left for licence lite_lines"):
            await target.create(USER, wanted)
    else:
        await made(target, wanted)

    assert len(company.users) == (guard == "counted")


async def test_two_creates_at_once_do_not_take_one_seat(company, line) -> None:
    company.seats["talk_lines"] = 1
    target = guarded(line)
    people = [ANN | {"userName": f"p{n}@example.com"} for n in range(3)]

    results = await asyncio.gather(
        *(target.create(USER, person) for person in people), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["Refused", "Refused", "dict"]
    assert company.seats["talk_lines"] == 0


# --- groups, and the check


async def test_there_are_no_groups_and_that_is_said(target) -> None:
    assert await target.has_groups() is False
    assert await target.get(GROUP, "1") is None
    assert (await target.query(GROUP, Query())).total == 0
    for change in (
        lambda: target.create(GROUP, {"displayName": "Sales"}),
        lambda: target.change(GROUP, "1", update({"id": "1"}, displayName="x")),
        lambda: target.delete(GROUP, "1"),
    ):
        with pytest.raises(Refused, match=NO_GROUPS):
            await change()


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        ("off", "are not counted"),
        ("counted", "are counted before somebody takes one of talk or agents, and no other"),
        ("on", "are counted before somebody takes one, which only talk and agents can be"),
    ],
)
async def test_a_check_names_the_offices_and_says_what_is_not_there(line, guard, says) -> None:
    findings = {finding.about: finding.says for finding in await guarded(line, guard).check()}

    assert findings["offices"] == "known: London, Oslo"
    assert says in findings["seats"]
    assert findings["groups"] == NO_GROUPS


# --- what the company of these tests would say of a gateway that is wrong


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        pytest.param(lambda c: c.answer("GET", "/api/v2/users?limit=100"), "no parameter limit", id="limit"),
        pytest.param(lambda c: c.answer("GET", "/api/v2/users?state=gone"), "state is none of", id="a state"),
        pytest.param(
            lambda c: c.answer("POST", "/api/v2/users", {"email": "a", "office_id": "124"}),
            "is not of type",
            id="an office as a text",
        ),
        pytest.param(
            lambda c: c.answer("POST", "/api/v2/users", {"email": "a", "office_id": 124, "job_title": "x"}),
            "job_title",
            id="a title in a create",
        ),
        pytest.param(
            lambda c: c.answer("POST", "/api/v2/users", {"email": "a"}), "office_id", id="no office"
        ),
        pytest.param(
            lambda c: c.answer("PATCH", "/api/v2/users/7", {"state": "deleted"}), "is not one of", id="a word"
        ),
    ],
)
def test_the_company_holds_requests_against_the_published_file(ask: Callable[[Any], Any], says: str) -> None:
    company = Dialpad()

    assert ask(company)[0] == 400
    assert len(company.violations) == 1
    assert says in company.violations[0]


def test_the_company_holds_its_own_answers_against_the_published_file():
    company = Dialpad(users={7: {"id": 7, "state": "asleep"}})

    company.answer("GET", "/api/v2/users/7")

    assert len(company.violations) == 1
