"""A target that is down, slow, confused or full: what the provider hears, and what is remembered."""

import json
from email.utils import formatdate
from time import time
from typing import Any

import pytest
from aiohttp import web

from gateway.scim.names import ERROR
from tests.support.scim_target import ScimTarget, scim_target
from tests.support.served import OTHER

USERS = "/scim/phonebook/v2/Users"
PERSON = {"userName": "canary.bob@example.com"}
EMPTY = '{"totalResults": 0}'
HTML = "<html><body>canary</body></html>"
RFC_TOO = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
durability = "normal"
[providers.okta]
dialect = "okta"
token = {{ sha256 = "{okta}" }}
[providers.rfc]
token = {{ sha256 = "{rfc}" }}
"""
CALM = """
[targets.phonebook]
connector = "scim"
url = "{url}"
auth = {{ bearer = {{ file = "token" }} }}
trust = "0s"
shared = true
"""
BUSY = {"okta": 429, "rfc": 503}


def scim_error(status: int, detail: str) -> str:
    return json.dumps({"schemas": [ERROR], "status": str(status), "detail": detail})


@pytest.fixture
def before(serve: Any) -> Any:
    """Start a gateway with two providers before one target."""

    async def run(target: str) -> Any:
        return await serve(target, config=RFC_TOO)

    return run


async def asked(served: Any, method: str, token: str) -> Any:
    return await served.ask(method, USERS, PERSON if method == "POST" else None, token)


def check_busy(refused: Any, answer: Any, status: int, says: str, seconds: int = 30) -> None:
    refused(answer, status, says)
    assert answer.headers["Retry-After"] == str(seconds)


@pytest.fixture(params=["down", "slow"])
def absent(request: pytest.FixtureRequest, scripted: Any) -> Any:
    """A target that cannot be reached, or takes the request and is silent."""
    if request.param == "down":
        scripted.url = "http://127.0.0.1:9"
    else:
        scripted.holds(200, EMPTY)
    return scripted


@pytest.mark.parametrize("token", ["okta", "rfc"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_target_that_does_not_answer_is_busy(
    before, refused, absent, request, method: str, token: str
) -> None:
    served = await before(absent.toml())

    answer = await asked(served, method, token)

    check_busy(refused, answer, BUSY[token], "phonebook could not be reached or did not answer in time")
    if method == "POST":
        (event,) = await served.events()
        result = (
            "deferred" if "down" in request.node.name else "pending"
        )  # nothing was sent, or it is in doubt
        assert event["outcome"] | {"result": result, "status": BUSY[token]} == event["outcome"]
        assert [attempt["status"] for attempt in event["attempts"]] == [None]


CONFUSED = [
    pytest.param(200, HTML, id="HTML"),
    pytest.param(200, "[]", id="a list"),
    pytest.param(302, "", id="a redirect"),
    pytest.param(404, HTML, id="HTML 404"),
    pytest.param(400, HTML, id="HTML 400"),
]


@pytest.mark.parametrize("token", ["okta", "rfc"])
@pytest.mark.parametrize(("status", "body"), CONFUSED)
async def test_nonsense_is_busy_for_a_change(before, refused, scripted, status, body, token: str) -> None:
    scripted.says(status, body, Location="/canary")
    served = await before(scripted.toml())

    answer = await asked(served, "POST", token)

    check_busy(refused, answer, BUSY[token], "phonebook gave an answer that the gateway does not understand")
    (event,) = await served.events()
    assert (event["outcome"]["result"], event["outcome"]["status"]) == ("pending", BUSY[token])


@pytest.mark.parametrize(("status", "body"), CONFUSED)
async def test_nonsense_is_502_for_a_read(before, refused, scripted, status: int, body: str) -> None:
    scripted.says(status, body, Location="/canary")
    served = await before(scripted.toml())

    refused(
        await asked(served, "GET", "okta"),
        502,
        "phonebook gave an answer that the gateway does not understand",
    )


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_an_alert_and_never_401(before, refused, scripted, log, status) -> None:
    scripted.says(status, scim_error(status, "canary"))
    served = await before(scripted.toml())

    change, read = [await asked(served, method, "rfc") for method in ("POST", "GET")]

    check_busy(refused, change, 503, "phonebook does not accept the gateway's credentials")
    refused(read, 502, "credentials (targets.phonebook.auth)")
    (event,) = [event for event in await served.events() if event["event"] == "user.create"]
    assert (event["outcome"]["result"], event["attempts"][0]["status"]) == ("deferred", status)
    alerts = [
        line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "target.denied"
    ]
    reason = f"the target does not accept targets.phonebook.auth (status {status})"
    assert [(line["target"], line["reason"]) for line in alerts] == [("phonebook", reason)] * 2


THROTTLED = [
    pytest.param({"Retry-After": "7"}, 7, id="seconds"),
    pytest.param({"Retry-After": "0"}, 30, id="no time at all"),
    pytest.param({"Retry-After": "1.5"}, 30, id="a fraction"),
    pytest.param({"Retry-After": "-1"}, 30, id="negative"),
    pytest.param({"Retry-After": "canary"}, 30, id="nonsense"),
    pytest.param({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 30, id="a date long ago"),
    pytest.param({}, 30, id="nothing"),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("headers", "seconds"), THROTTLED)
async def test_429_stays_429_with_whole_seconds(
    before, refused, scripted, method, headers, seconds: int
) -> None:
    scripted.says(429, scim_error(429, "canary"), **headers)
    served = await before(scripted.toml())

    answer = await asked(served, method, "rfc")

    check_busy(refused, answer, 429, "phonebook asks to slow down", seconds)
    assert [event["outcome"]["result"] for event in await served.events()] == ["deferred"] * (
        method == "POST"
    )


async def test_a_date_to_come_is_told_in_whole_seconds(before, scripted) -> None:
    scripted.says(429, "", **{"Retry-After": formatdate(time() + 100, usegmt=True)})
    served = await before(scripted.toml())

    assert 90 <= int((await asked(served, "POST", "okta")).headers["Retry-After"]) <= 101


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("token", ["okta", "rfc"])
async def test_a_broken_target_is_busy(before, refused, scripted, method, token: str, status: int) -> None:
    scripted.says(status, "canary", **{"Retry-After": "9"})
    served = await before(scripted.toml())

    answer = await asked(served, method, token)

    check_busy(refused, answer, BUSY[token], f"phonebook answered {status} [", 9)
    assert [event["outcome"]["result"] for event in await served.events()] == ["pending"] * (method == "POST")


@pytest.mark.parametrize(
    ("token", "busy_status"), [pytest.param("okta", 503, id="okta"), pytest.param("rfc", 429, id="rfc")]
)
async def test_a_target_may_say_how_busy_is_told(before, refused, scripted, token: str, busy_status) -> None:
    scripted.says(500)
    served = await before(scripted.toml(busy_status=str(busy_status)))

    answer = await asked(served, "POST", token)

    refused(answer, busy_status, "phonebook answered 500 [")
    assert (await served.events())[0]["outcome"]["status"] == busy_status


async def test_bad_data_is_400_with_the_targets_reason(before, refused, scripted) -> None:
    scripted.says(400, scim_error(400, "title is too long"))
    served = await before(scripted.toml())

    refused(await asked(served, "POST", "okta"), 400, "phonebook refused the change: title is too long")

    (event,) = await served.events()
    assert (event["outcome"]["result"], event["attempts"][0]["status"]) == ("rejected", 400)


async def test_a_name_that_is_taken_by_nobody_we_can_see_is_409(before, refused, scripted) -> None:
    async def reply(request: Any) -> Any:
        scripted.says(409, scim_error(409, "taken")) if request.method == "POST" else scripted.says(
            200, EMPTY
        )
        say, scripted.reply = scripted.reply, reply
        return await say(request)

    scripted.reply = reply
    served = await before(scripted.toml())

    answer = await asked(served, "POST", "okta")

    refused(answer, 409, "phonebook holds such an entry already")
    assert answer.body["scimType"] == "uniqueness"
    assert [event["outcome"]["result"] for event in await served.events()] == ["rejected"]


async def test_a_filter_that_the_target_refuses_is_evaluated_here(before, scripted) -> None:
    async def reply(request: Any) -> Any:
        if "filter" in request.query:
            scripted.says(400, scim_error(400, "no filters"))
        else:
            entry = {"id": "t1", "userName": "canary.ann", "meta": {}}
            scripted.says(200, json.dumps({"totalResults": 1, "Resources": [entry]}))
        say, scripted.reply = scripted.reply, reply
        return await say(request)

    scripted.reply = reply
    served = await before(scripted.toml())

    answer = await served.ask("GET", f"{USERS}?filter=userName%20eq%20%22CANARY.ann%22")

    assert (answer.status, answer.body["totalResults"]) == (200, 1)


ODD = "canary Lee"
ANN = {"id": "t1", "userName": "canary.ann", "title": ODD, "emails": [{"value": ODD}]}
GROUP = {"id": "t1", "displayName": "canary team"}
ASKED = {
    "POST": ("Users", {"userName": "canary.new", "title": ODD}),
    "PUT": ("Users/{id}", {"userName": "canary.ann", "title": ODD, "nickName": "x"}),
    "PATCH": ("Users/{id}", {"Operations": [{"op": "replace", "path": "nickName", "value": ODD}]}),
    "PATCH without a path": ("Users/{id}", {"Operations": [{"op": "add", "value": {"nickName": ODD}}]}),
    "PATCH by value": (
        "Users/{id}",
        {"Operations": [{"op": "remove", "path": f'emails[value eq "{ODD}"]'}]},
    ),
    "DELETE": ("Users/{id}", None),
    "POST group": ("Groups", {"displayName": ODD}),
    "PUT group": ("Groups/{id}", {"displayName": ODD}),
}


def answers(scripted: Any, status: int, body: str, reads: bool = True) -> None:
    """Have the target show one person and one group, and answer every change with this."""

    async def reply(request: Any) -> Any:
        shown = GROUP if "Groups" in request.path else ANN
        if request.method == "GET" and reads:
            is_list = request.path.endswith("s")
            scripted.says(200, json.dumps({"totalResults": 0} if is_list else shown))
        else:
            scripted.says(status, body)
        say, scripted.reply = scripted.reply, reply
        return await say(request)

    scripted.reply = reply


async def known(served: Any, scripted: Any, path: str) -> str:
    """Return the address of a path, of somebody or of a group whom the target has taken."""
    kind = path.partition("/")[0]
    if "{id}" not in path:
        return f"/scim/phonebook/v2/{path}"
    entry = ANN if kind == "Users" else GROUP
    answers(scripted, 201, json.dumps(entry))
    sent = {name: value for name, value in entry.items() if name != "id"}
    made = await served.ask("POST", f"/scim/phonebook/v2/{kind}", sent)
    return f"/scim/phonebook/v2/{path.format(id=made.body['id'])}"


@pytest.mark.parametrize("level", ["full", "masked"])
@pytest.mark.parametrize("asked", ASKED)
async def test_what_a_target_quotes_of_a_request_is_told_to_nobody_but_the_trail(
    serve, refused, scripted, asked: str, level: str
) -> None:
    served = await serve(scripted.toml(audit=f'"{level}"'), OTHER)
    path, body = ASKED[asked]
    where = await known(served, scripted, path)
    answers(scripted, 400, scim_error(400, f"replace of nickName: {ODD} is too long"))

    answer = await served.ask(asked.partition(" ")[0], where, body)

    refused(answer, 400, "replace of nickName: *** is too long")
    event = (await served.events())[-1]
    assert (ODD in event["outcome"]["reason"]) == (level == "full")
    assert event["attempts"][-1]["reason"] == "replace of nickName: *** is too long"


async def test_what_a_target_quotes_of_a_filter_is_told_to_nobody(serve, refused, scripted) -> None:
    served = await serve(scripted.toml(), OTHER)
    scripted.says(400, scim_error(400, f"what is {ODD.upper()}?"))

    answer = await served.ask("GET", f"{USERS}?filter=title%20eq%20%22canary%20Lee%22")

    refused(answer, 400, "phonebook refused to be read: what is ***?")


async def test_what_a_target_quotes_of_its_own_form_is_told_to_nobody(serve, refused, scripted) -> None:
    rule = '[[targets.phonebook.rules]]\nto = "nickName"\nfrom = "title"\nvia = ["strip_spaces"]\n'
    served = await serve(scripted.toml() + rule, OTHER)
    scripted.says(400, scim_error(400, "canaryLee is too long"))

    answer = await served.ask("POST", USERS, {**PERSON, "title": "canary L ee"})

    refused(answer, 400, "phonebook refused the change: *** is too long")


async def test_an_earlier_change_is_told_of_without_what_was_quoted_of_it(serve, refused, scripted) -> None:
    served = await serve(scripted.toml(settle="0"), OTHER)
    where = await known(served, scripted, "Users/{id}")
    answers(scripted, 500, f"no {ODD}", reads=False)

    await served.ask("PATCH", where, ASKED["PATCH"][1])
    (operation,) = await served.gateway.services.operations.open("phonebook", ())
    answer = await served.ask("PATCH", where, {"Operations": [{"op": "add", "path": "title", "value": "x"}]})

    assert "canary" not in (operation.reason or "")
    refused(answer, 429, "phonebook")


async def test_a_password_that_a_target_quotes_is_in_no_trail_either(serve, refused, scripted) -> None:
    rule = '[[targets.phonebook.rules]]\nto = "password"\nvia = ["upper"]\n'
    served = await serve(scripted.toml() + rule, OTHER)
    scripted.says(400, scim_error(400, "password CANARY-7 of title canary is too short"))

    answer = await served.ask("POST", USERS, {**PERSON, "title": "canary", "password": "canary-7"})

    refused(answer, 400, "refused the change: password *** of title *** is too short")
    (event,) = await served.events()
    assert event["outcome"]["reason"].endswith("password *** of title canary is too short")


LOCKED = f"{ODD}: database is locked"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "POST group", "GET"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, f"{LOCKED}\nat line 7", id="a text"),
        pytest.param(503, f"<h1>{LOCKED}</h1>", id="a page"),
        pytest.param(504, scim_error(504, LOCKED), id="SCIM"),
    ],
)
async def test_a_target_that_fails_is_told_of_by_its_status_and_first_line(
    serve, refused, scripted, log, method: str, status: int, body: str
) -> None:
    served = await serve(scripted.toml(settle="0"), OTHER)
    path, sent = ASKED.get(method, ("Users/{id}", None))
    where = await known(served, scripted, path)
    answers(scripted, status, body, reads=method != "GET")

    answer = await served.ask(method.partition(" ")[0], where, sent)

    refused(answer, 429, f"phonebook answered {status} [")
    failed = {"event": "target.failed", "target": "phonebook", "fault": "broken", "status": status}
    assert any(failed.items() <= json.loads(line).items() for line in log.getvalue().splitlines())
    if method != "GET":
        event = (await served.events())[-1]
        assert event["outcome"]["reason"] == f"phonebook answered {status}: {LOCKED}"
        attempt = event["attempts"][-1]
        assert (attempt["status"], attempt["reason"]) == (status, "***: database is locked")


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize("repeated", [r"canary\/t\u006fken", "canary%2Ftoken", r"canary\\/token"])
async def test_our_token_is_in_no_answer_and_no_event_however_a_target_spells_it(
    serve, refused, scripted, monkeypatch, method: str, repeated: str
) -> None:
    monkeypatch.setenv("TOKEN", "canary/token")
    served = await serve(scripted.toml(auth='{ bearer = { env = "TOKEN" } }'), OTHER)
    where = await known(served, scripted, "Users" if method == "POST" else "Users/{id}")
    said = f'{{"schemas": ["{ERROR}"], "detail": "what is {repeated}?"}}'
    answers(scripted, 400, said, reads=method != "GET")

    answer = await served.ask(method, where, None if method == "GET" else ASKED[method][1])

    refused(answer, 400, "what is ***?")
    assert "token" not in str([event["outcome"]["reason"] for event in await served.events()])


async def test_our_token_in_an_entry_is_shown_to_nobody(serve, scripted, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "canary/token")
    served = await serve(scripted.toml(auth='{ bearer = { env = "TOKEN" } }'), OTHER)
    where = await known(served, scripted, "Users/{id}")
    scripted.says(200, r'{"id": "t1", "userName": "canary.ann", "nickName": "canary\/t\u006fken"}')

    assert (await served.ask("GET", where)).body["nickName"] == "***"


class Liar(ScimTarget):
    """Shows one of its people whoever is asked for."""

    shows = ""

    async def _get(self, request: Any) -> Any:
        return web.json_response(self.entries[self.shows]) if self.shows else await super()._get(request)


async def test_nobody_is_shown_or_changed_by_what_is_shown_of_another(before, refused, tmp_path) -> None:
    async with scim_target(Liar(takes_patch=True)) as target:
        (tmp_path / "token").write_text("x")
        (tmp_path / "token").chmod(0o600)
        served = await before(CALM.format(url=target.url))
        ids = [
            (await served.ask("POST", USERS, {"userName": f"canary.{name}"})).body["id"]
            for name in ("ann", "bob")
        ]
        target.shows = ids[1]
        read = await served.ask("GET", f"{USERS}/{ids[0]}")
        left = await served.ask("PUT", f"{USERS}/{ids[0]}", {"userName": "canary.ann", "active": False})
        target.shows = ""
        (standing,) = await served.gateway.services.operations.open("phonebook", ())
        again = await served.ask("PUT", f"{USERS}/{ids[0]}", {"userName": "canary.ann", "active": False})

    refused(read, 502, "gave an answer that the gateway does not understand")
    assert (left.status, standing.standing, again.status) == (429, "pending", 200)
    assert [entry.get("active") for entry in target.entries.values()] == [False, True]


@pytest.mark.parametrize(
    "odd", [5, 1.5, True, "canary", {"value": "1"}, [5, [], None, {"value": 7}]], ids=str
)
@pytest.mark.parametrize("kind", ["Users", "Groups"])
async def test_members_that_are_no_list_of_members_break_nothing(
    serve, scripted, kind: str, odd: Any
) -> None:
    name = {"userName": "canary", "displayName": "canary"}
    entry = {"id": "1", "members": odd, **name}
    served = await serve(scripted.toml(groups="true"), OTHER)
    own = f"/scim/phonebook/v2/{kind}/1"
    change = {"Operations": [{"op": "add", "path": "externalId", "value": "2"}]}
    add = {"Operations": [{"op": "add", "path": "members", "value": [{"value": "2"}]}]}

    for method, path, body in (
        ("GET", own, None),
        ("PATCH", own, change),
        *((("PATCH", own, add), ("PUT", own, name | {"members": []})) if kind == "Groups" else ()),
    ):
        scripted.says(200, json.dumps(entry))
        assert (await served.ask(method, path, body)).status in ({200} if body is None else {200, 204, 429})
    scripted.says(200, json.dumps({"totalResults": 1, "Resources": [entry]}))
    assert (await served.ask("GET", own.removesuffix("/1"))).status == 200
