"""A JSON service through its connector: what a check tells, where pages begin, and who signs in when."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from gateway.address import RestCall, Secret, SessionLogin
from gateway.build import try_target
from gateway.cli import main
from gateway.flow.target_port import (
    CannotFilter,
    Conflict,
    Denied,
    Missing,
    Nonsense,
    Query,
    Refused,
    ResourceType,
    TargetError,
    Throttled,
    Unreachable,
    Update,
)
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.settings import load_settings
from gateway.targets.http import HttpTransport
from gateway.targets.oauth import SessionTransport
from gateway.targets.registry import CONNECTORS
from gateway.targets.rest.connector import RestConnector
from gateway.targets.transport import Call, HttpReply
from tests.support.rest_service import RestLesser, address_of
from tests.support.scim_target import scim_target

USER = ResourceType.USER


@pytest.fixture
async def service() -> AsyncIterator[RestLesser]:
    async with scim_target(RestLesser()) as served:
        yield served


@pytest.fixture
def opened(service: RestLesser, tmp_path: Any, session: Any) -> Callable[..., RestConnector]:
    """Open the service as its configuration says it is."""

    def opened(clock: Callable[[], float] = lambda: 0.0, **more: Any) -> RestConnector:
        address = address_of(service, tmp_path)
        assert address.rest is not None
        return RestConnector(HttpTransport(session), address.url, replace(address.rest, **more), clock=clock)

    return opened


async def said(service: RestLesser, tmp_path: Any) -> dict[str, Any]:
    """Return what a check says, by what it is about, with how it is to be mended."""
    (tmp_path / "config.toml").write_text(service.toml())
    settings = load_settings(tmp_path / "config.toml", CONNECTORS)
    found = await try_target(settings, settings.targets["phonebook"])
    return {finding.says: finding.fix for finding in found}


async def test_a_check_prints_what_it_understood_and_changes_nothing(service, tmp_path) -> None:
    service.fill("ann", "ben", "cay")
    service.entries["o1"] |= {"externalId": "00u1", "title": "Agent"}

    found = await said(service, tmp_path)

    assert list(found)[:3] == [
        "a person shows id, userName, externalId, active, title",
        "by userName: who is there is found",
        "by externalId: who is there is found",
    ]
    assert set(found.values()) == {""}
    assert service.changes == []


async def test_a_check_says_what_is_to_be_mended(service, tmp_path) -> None:
    service.fill("ann")
    read = RestLesser.toml

    service.toml = lambda: read(service).replace('userName = "login"', 'userName = "name"')
    ignored = await said(service, tmp_path)
    service.toml = lambda: read(service).replace('userName = "login"', 'userName = "ref"')
    other = await said(service, tmp_path)
    service.toml = lambda: read(service).replace('login = "{userName}"', 'user = "{userName}"')
    nobody = await said(service, tmp_path)

    assert ignored["by userName: who is there is found"] == ""  # everybody is, and sorted out here
    assert "by userName: who is there is not found" in other
    assert nobody["a person shows id, active"].startswith("nobody has a userName: see `entry`")


async def test_a_check_on_the_command_line_tells_of_it(service, tmp_path, capsys) -> None:
    service.fill("ann", "ben")
    (tmp_path / "config.toml").write_text(service.toml())

    status = await asyncio.to_thread(main, ["check", "--online", "--config", str(tmp_path / "config.toml")])

    out = capsys.readouterr().out
    assert status == 0
    assert "entry     a person shows id, userName, active" in out
    assert "groups    are taken" in out
    assert "ann" not in out


@pytest.mark.parametrize("way", ["page", "cursor", "address", "link"])
async def test_where_a_page_begins_is_remembered_for_a_while(service, opened, way: str) -> None:
    service.way = way
    service.fill(*(f"p{n}" for n in range(20)))
    clock = [0.0]
    connector = opened(lambda: clock[0])

    for start in (1, 6, 11):
        await connector.query(USER, Query(start=start, count=5))
    walked = len(service.queries)
    clock[0] = 61.0
    page = await connector.query(USER, Query(start=11, count=5))

    assert walked == 3
    assert len(service.queries) == 6  # from the beginning again
    assert [entry["userName"] for entry in page.entries] == [f"p{n}" for n in range(10, 15)]


async def test_offsets_are_asked_for_at_once(service, opened) -> None:
    service.way = "offset"
    service.fill(*(f"p{n}" for n in range(20)))
    connector = opened()

    page = await connector.query(USER, Query(start=14, count=3))

    assert [entry["userName"] for entry in page.entries] == ["p13", "p14", "p15"]
    assert len(service.queries) == 1


async def test_a_cursor_that_is_no_good_any_more_is_asked_for_again(service, opened) -> None:
    service.way = "cursor"
    service.fill(*(f"p{n}" for n in range(12)))
    connector = opened()
    await connector.query(USER, Query(count=5))
    service.queries.clear()
    service.stale = ["6"]

    page = await connector.query(USER, Query(start=6, count=5))

    assert [entry["userName"] for entry in page.entries] == [f"p{n}" for n in range(5, 10)]
    assert [asked.get("after") for asked in service.queries] == ["6", None, "6"]


async def test_a_look_up_that_finds_more_than_can_be_sorted_out_is_left_to_the_pages(service, opened) -> None:
    service.filters, service.way = "ignored", "offset"
    service.fill(*(f"p{n}" for n in range(1100)))

    with pytest.raises(CannotFilter, match="finds more than 1000"):
        await opened(page_size=500).query(USER, Query(parse_filter('userName eq "p7"')))


async def test_what_the_configuration_does_not_say_cannot_be_done(service, opened, tmp_path) -> None:
    service.fill("ann")
    users = address_of(service, tmp_path).rest.users
    calls = {name: call for name, call in users.calls.items() if name != "delete"}
    connector = opened(users=replace(users, calls=calls), groups=None)

    with pytest.raises(Refused, match="has no `delete`"):
        await connector.delete(USER, "o1")
    with pytest.raises(Refused, match="no groups"):
        await connector.delete(ResourceType.GROUP, "g1")
    assert await connector.has_groups() is False
    assert await connector.get(ResourceType.GROUP, "g1") is None


async def test_a_change_of_nothing_that_the_service_has_sends_nothing_but_sees_who_is_gone(
    service, opened
) -> None:
    service.fill("ann")
    connector = opened()
    present = await connector.get(USER, "o1")
    wanted = present | {"profileUrl": "https://x.example"}
    update = Update(present, wanted, compare(present, wanted))

    shown = await connector.change(USER, "o1", update)
    service.entries.clear()

    assert (shown, service.changes) == (present, [])
    with pytest.raises(Missing):
        await connector.change(USER, "o1", update)


class Scripted:
    """A transport that answers as it is told, and notes what it was asked."""

    def __init__(self, *replies: HttpReply | TargetError) -> None:
        self.replies, self.calls = list(replies), list[Call]()

    async def send(self, call: Call) -> HttpReply:
        self.calls.append(call)
        reply = self.replies.pop(0)
        if isinstance(reply, TargetError):
            raise reply
        return reply


def answer(body: Any, status: int = 200) -> HttpReply:
    return HttpReply(status, {}, json.dumps(body).encode())


@pytest.fixture
def spec(tmp_path: Any) -> Any:
    return address_of(RestLesser(url="https://x.example"), tmp_path).rest


ANN = {"uid": 7, "login": "ann", "enabled": True}


@pytest.mark.parametrize("part", [{"uid": 7}, {"uid": 7, "login": "ann"}], ids=["an id", "a part"])
async def test_a_create_that_answers_no_whole_entry_is_looked_at(spec, part) -> None:
    transport = Scripted(answer({"data": part}, 201), answer({"data": ANN}))

    made = await RestConnector(transport, "https://x.example", spec).create(
        USER, {"userName": "ann", "active": True}
    )

    assert made == {"id": "7", "userName": "ann", "active": True}
    assert [(call.method, call.url) for call in transport.calls] == [
        ("POST", "https://x.example/people"),
        ("GET", "https://x.example/people/7"),
    ]


@pytest.mark.parametrize("reply", [answer({}, 500), Denied("no", 401), Throttled("later", 429), Missing("?")])
async def test_who_was_made_is_in_doubt_where_that_cannot_be_looked_at(spec, reply) -> None:
    transport = Scripted(answer({"data": {"uid": 7}}, 201), reply)

    with pytest.raises(TargetError) as caught:
        await RestConnector(transport, "https://x.example", spec).create(USER, {"userName": "ann"})

    assert caught.value.maybe_applied


async def test_whoever_is_made_inactive_is_told_so_where_a_call_of_its_own_says_it(spec) -> None:
    off = RestCall("POST /people/{id}/off", body={})
    calls = {**spec.users.calls, "deactivate": off}
    service = replace(spec, users=replace(spec.users, calls=calls))
    transport = Scripted(
        answer({"data": ANN}, 201), HttpReply(204), answer({"data": ANN | {"enabled": False}})
    )

    made = await RestConnector(transport, "https://x.example", service).create(
        USER, {"userName": "ann", "active": False}
    )

    assert made is not None
    assert made["active"] is False
    assert [(call.method, call.url[17:], call.body) for call in transport.calls][1] == (
        "POST",
        "/people/7/off",
        b"{}",
    )


@pytest.mark.parametrize(
    ("document", "found"),
    [
        pytest.param({"data": [ANN]}, ["7"], id="a list"),
        pytest.param({"data": ANN}, ["7"], id="alone"),
        pytest.param({"data": None}, [], id="null"),
        pytest.param({"data": []}, [], id="an empty list"),
    ],
)
async def test_a_look_up_of_its_own_answers_a_list_or_one_or_nobody(spec, document, found) -> None:
    call = RestCall("GET /people/by-login/{userName}", items="data", item="data")
    service = replace(spec, users=replace(spec.users, find={"username": call}))
    transport = Scripted(answer(document))

    page = await RestConnector(transport, "https://x.example", service).query(
        USER, Query(parse_filter('userName eq "ANN"'))
    )

    assert [entry["id"] for entry in page.entries] == found
    assert transport.calls[0].url == "https://x.example/people/by-login/ANN"


async def test_a_look_up_whose_answer_is_elsewhere_finds_not_nobody_but_nonsense(spec) -> None:
    call = RestCall("GET /people/by-login/{userName}", items="dta", item="dta")
    service = replace(spec, users=replace(spec.users, find={"username": call}))

    with pytest.raises(TargetError) as caught:
        await RestConnector(Scripted(answer({"data": ANN})), "https://x.example", service).query(
            USER, Query(parse_filter('userName eq "ann"'))
        )

    assert caught.value.maybe_applied


@pytest.mark.parametrize("name", ["a' or 1 eq 1", "a*", "a&b", "a(b)"])
async def test_a_value_in_a_language_of_the_service_says_nothing_there(spec, name: str) -> None:
    call = RestCall("GET /people?q=login%20eq%20'{userName}'", items="data")
    service = replace(spec, users=replace(spec.users, find={"username": call}))
    transport = Scripted(answer({"data": []}))
    connector = RestConnector(transport, "https://x.example", service)

    with pytest.raises(CannotFilter):
        await connector.query(USER, Query(parse_filter(f"userName eq {json.dumps(name)}")))
    await connector.query(USER, Query(parse_filter('userName eq "ann.lee+1@x.test"')))

    assert [call.url for call in transport.calls] == [
        "https://x.example/people?q=login%20eq%20'ann.lee%2B1%40x.test'"
    ]


LOGIN = SessionLogin("POST /in", {"who": "g", "key": Secret("canary-key")}, "s.t", "X-S", "S {token}", (440,))


class Guarded:
    """A service with sessions, each of which lasts until it is told otherwise."""

    def __init__(self) -> None:
        self.opened, self.asked, self.gate = 0, list[str](), asyncio.Event()
        self.url, self.says = "", (200, "")
        self.gate.set()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/in", self._open)
        application.router.add_get("/p", self._answer)
        return application

    async def _open(self, request: web.Request) -> web.Response:
        await self.gate.wait()
        assert await request.json() == {"who": "g", "key": "canary-key"}
        self.opened += 1
        status, text = self.says
        body = text or json.dumps({"s": {"t": f"canary-session-{self.opened}"}})
        return web.Response(status=status, text=body, headers={"Retry-After": "7"})

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers["X-S"])
        is_good = request.headers["X-S"] == f"S canary-session-{self.opened}"
        return web.json_response({"you": request.headers["X-S"]}, status=200 if is_good else 440)


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    async with scim_target(Guarded()) as service:
        yield service


async def test_a_session_is_opened_once_for_all_who_wait_and_again_when_it_is_over(guarded, session) -> None:
    transport = SessionTransport(session, "hr", LOGIN, guarded.url)
    call = Call("GET", f"{guarded.url}/p")
    guarded.gate.clear()
    waiting = [asyncio.create_task(transport.send(call)) for _ in range(8)]
    await asyncio.sleep(0)
    guarded.gate.set()

    replies = [await task for task in waiting]
    opened, guarded.opened = guarded.opened, 7
    again = await transport.send(call)

    assert ({reply.status for reply in replies}, opened) == ({200}, 1)
    assert (again.status, guarded.opened, guarded.asked[-1]) == (200, 8, "S canary-session-8")
    assert b"canary" not in b"".join(reply.body for reply in [*replies, again])


@pytest.mark.parametrize(
    ("status", "text", "error", "says"),
    [
        (401, "", Denied, "the login answered 401; check body and token"),
        (200, "<html>canary-key</html>", Denied, "the login answered 200 without a token"),
        (200, '{"s": {"t": "a\\nb"}}', Denied, "without a token"),
        (302, "", Denied, "the login answered 302"),
        (429, "", Throttled, "the login answered 429"),
        (503, "", Unreachable, "the login answered 503"),
    ],
)
async def test_a_login_that_fails_says_so_and_nothing_was_sent(
    guarded, session, status: int, text: str, error: type[TargetError], says: str
) -> None:
    guarded.says = (status, text or "canary-key")
    transport = SessionTransport(session, "hr", LOGIN, guarded.url)

    with pytest.raises(error, match=r"no token for targets\.hr\.auth\.session") as caught:
        await transport.send(Call("GET", f"{guarded.url}/p"))

    assert says in caught.value.reason
    assert "canary" not in caught.value.reason
    assert not caught.value.maybe_applied
    assert guarded.asked == []


async def test_a_conflict_is_one_by_status_and_by_code(spec) -> None:
    for reply in (answer({}, 409), answer({"error": {"code": "DUPLICATE"}})):
        with pytest.raises(Conflict):
            await RestConnector(Scripted(reply), "https://x.example", spec).create(USER, {"userName": "a"})


async def test_a_put_keeps_what_only_the_service_knows(spec) -> None:
    shown = ANN | {"job": "Agent", "vip": True, "names": {"first": "Ann", "middle": "M"}}
    transport = Scripted(answer({"data": shown}), answer({"data": shown | {"job": "Lead"}}))
    present = {"id": "7", "userName": "ann", "active": True, "title": "Agent", "name": {"givenName": "Ann"}}
    wanted = present | {"title": "Lead", "name": {}}

    changed = await RestConnector(transport, "https://x.example", spec).change(
        USER, "7", Update(present, wanted, compare(present, wanted))
    )

    assert changed is not None
    assert changed["title"] == "Lead"
    assert json.loads(transport.calls[1].body or b"") == {
        "uid": 7,
        "login": "ann",
        "enabled": True,
        "job": "Lead",
        "vip": True,
        "names": {"middle": "M"},
    }


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"error": {"code": None, "text": "canary"}, "ok": False}, id="an error inside a 200"),
        pytest.param({"uid": 8, "login": "bob", "vip": True}, id="somebody else"),
    ],
)
async def test_what_is_no_such_entry_is_not_read_and_nothing_is_laid_over_it(spec, shown) -> None:
    calls = {**spec.users.calls, "get": RestCall("GET /people/{id}"), "change": RestCall("PUT /people/{id}")}
    service = replace(spec, users=replace(spec.users, calls=calls))
    transport = Scripted(answer(shown), answer(shown))
    connector = RestConnector(transport, "https://x.example", service)
    present = {"id": "7", "userName": "ann", "active": True}
    wanted = present | {"title": "Lead"}

    with pytest.raises(Nonsense):
        await connector.get(USER, "7")
    with pytest.raises(Nonsense):
        await connector.change(USER, "7", Update(present, wanted, compare(present, wanted)))

    assert [call.method for call in transport.calls] == ["GET", "GET"]


FAX = {"kind": "fax", "number": "9"}
WORK = {"value": "1", "type": "work"}


@pytest.mark.parametrize(
    ("present", "wanted", "shown", "body"),
    [
        pytest.param(
            {"phoneNumbers": [WORK]},
            {"phoneNumbers": [WORK | {"value": "2"}]},
            {"phones": [{"kind": "work", "number": "1", "seen": 5}, FAX]},
            {"phones": [{"kind": "work", "number": "2", "seen": 5}, FAX]},
            id="a list",
        ),
        pytest.param(
            {"phoneNumbers": [WORK]},
            {},
            {"phones": [{"kind": "work", "number": "1", "seen": 5}, FAX]},
            {"phones": [FAX]},
            id="all of ours in a list",
        ),
        pytest.param({"phoneNumbers": [WORK]}, {}, {"phones": []}, {"phones": None}, id="a list of ours"),
        pytest.param(
            {"name": {"givenName": "Ann"}},
            {},
            {"names": {"first": "Ann", "middle": "M"}},
            {"names": {"first": None}},
            id="all of ours in an object",
        ),
        pytest.param({"title": "Agent"}, {"title": "Lead"}, None, {"job": "Lead"}, id="no list: no read"),
        pytest.param({"title": "Agent"}, {}, None, {"job": None}, id="an end of one value: no read"),
        pytest.param(
            {"name": {"givenName": "Ann"}},
            {"name": {"givenName": "Anna"}},
            None,
            {"names": {"first": "Anna"}},
            id="part of an object: no read",
        ),
    ],
)
async def test_a_patch_keeps_what_only_the_service_knows(spec, present, wanted, shown, body) -> None:
    phones = [{"kind": "work", "number": '{phoneNumbers[type eq "work"].value}'}]
    calls = {**spec.users.calls, "change": RestCall("PATCH /people/{id}")}
    users = replace(spec.users, calls=calls, entry={**spec.users.entry, "phones": phones})
    reads = [] if shown is None else [answer({"data": ANN | shown})]
    transport = Scripted(*reads, HttpReply(204))
    person = {"id": "7", "userName": "ann", "active": True}
    before, after = person | present, person | wanted

    await RestConnector(transport, "https://x.example", replace(spec, users=users)).change(
        USER, "7", Update(before, after, compare(before, after))
    )

    assert [call.method for call in transport.calls] == ["GET"] * len(reads) + ["PATCH"]
    assert json.loads(transport.calls[-1].body or b"") == body


@pytest.mark.parametrize(
    ("sends", "reads", "body"),
    [
        ("changes", [{"names": {"first": "Ann"}}], {"job": "Lead", "names": None}),
        ("whole", [], {"login": "ann", "enabled": True, "job": "Lead"}),
    ],
)
async def test_a_change_sends_what_the_configuration_says(spec, sends, reads, body) -> None:
    calls = {**spec.users.calls, "change": RestCall("PUT /people/{id}", sends=sends)}
    service = replace(spec, users=replace(spec.users, calls=calls))
    transport = Scripted(*[answer({"data": ANN | shown}) for shown in reads], HttpReply(204))
    present = {"id": "7", "userName": "ann", "active": True, "name": {"givenName": "Ann"}}
    wanted = {"id": "7", "userName": "ann", "active": True, "title": "Lead"}

    changed = await RestConnector(transport, "https://x.example", service).change(
        USER, "7", Update(present, wanted, compare(present, wanted))
    )

    assert changed is None
    assert [json.loads(call.body) for call in transport.calls if call.body] == [body]


async def test_a_password_is_sent_and_never_read(spec) -> None:
    entry = {**spec.users.entry, "secret": "{password}"}
    service = replace(spec, users=replace(spec.users, entry=entry))
    transport = Scripted(answer({"data": ANN | {"secret": "canary"}}, 201))

    made = await RestConnector(transport, "https://x.example", service).create(
        USER, {"userName": "ann", "password": "canary"}
    )

    assert json.loads(transport.calls[0].body or b"")["secret"] == "canary"
    assert "canary" not in str(made)
