"""Who is let in, in which spelling, and what is remembered of those who are not."""

import base64
from dataclasses import replace

import pytest

from gateway.admin.acts import Token
from gateway.errors import InvalidSyntax, OverToken, Unauthorized
from gateway.server.auth import Credential, Credentials, authenticate

USERS = "/scim/phonebook/v2/Users"
BEFORE, EARLIER, AT, LATER = (f"2026-11-2{n}T00:00:00.000000Z" for n in range(1, 5))
TOKEN = "canary-token-of-okta"


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


ACCEPTED = [
    pytest.param(f"Bearer {TOKEN}", id="Bearer"),
    pytest.param(f"bearer {TOKEN}", id="bearer"),
    pytest.param(f"BEARER   {TOKEN}", id="with spaces"),
    pytest.param(TOKEN, id="bare"),
    pytest.param(basic(b"okta:" + TOKEN.encode()), id="Basic"),
    pytest.param(basic(b":" + TOKEN.encode()), id="Basic without a user"),
    pytest.param(basic(b"okta:" + TOKEN.encode()).replace("Basic", "basic"), id="basic"),
]
REFUSED = [
    pytest.param(None, "no Authorization header", id="none"),
    pytest.param("", "unknown, expired or revoked", id="empty"),
    pytest.param("Bearer", "unknown, expired or revoked", id="only the word"),
    pytest.param("Bearer canary", "unknown, expired or revoked", id="unknown"),
    pytest.param("canary", "unknown, expired or revoked", id="unknown, bare"),
    pytest.param(f"Bearer {TOKEN}x", "unknown, expired or revoked", id="longer"),
    pytest.param(f"Bearer {TOKEN[:-1]}", "unknown, expired or revoked", id="shorter"),
    pytest.param(f"Bearer {TOKEN.upper()}", "unknown, expired or revoked", id="in another case"),
    pytest.param(f"Digest {TOKEN}", "unknown, expired or revoked", id="another scheme"),
    pytest.param(f"Bearer Bearer {TOKEN}", "unknown, expired or revoked", id="twice"),
    pytest.param(basic(TOKEN.encode()), "unknown, expired or revoked", id="Basic without a colon"),
    pytest.param(basic(TOKEN.encode() + b":"), "unknown, expired or revoked", id="Basic as the user"),
    pytest.param("Basic canary!", "unknown, expired or revoked", id="no base64"),
    pytest.param("Basic " + "A" * 7, "unknown, expired or revoked", id="half of base64"),
    pytest.param("Bearer \udcff\udcfe", "unknown, expired or revoked", id="not UTF-8"),
]


@pytest.mark.parametrize("authorization", ACCEPTED)
async def test_a_token_is_taken_in_every_form_that_providers_send(serve, authorization: str) -> None:
    served = await serve()

    answer = await served.ask("GET", USERS, token=None, Authorization=authorization)

    assert answer.status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("authorization", "says"), REFUSED)
async def test_anybody_else_is_refused_and_the_trail_says_so_without_the_token(
    serve, refused, method: str, authorization: str | None, says: str
) -> None:
    served = await serve()
    header = "" if authorization is None else f"Authorization: {authorization}\r\n"
    request = f"{method} {USERS} HTTP/1.1\r\nHost: gateway\r\nUser-Agent: Okta\r\n{header}\r\n"

    answer = await served.say(request.encode("utf-8", "surrogateescape"))

    refused(answer, 401, says)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="scim"'
    (event,) = await served.events()
    assert (event["event"], event["outcome"]["status"]) == ("auth.refused", 401)
    assert event["actor"] == {"type": "unknown", "name": None, "token": None}
    assert event["client"] == {"ip": "127.0.0.1", "user_agent": "Okta"}
    assert "canary" not in str(event)


@pytest.mark.parametrize("second", [f"Bearer {TOKEN}", "Bearer other", ""])
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_two_authorization_headers_are_refused(serve, refused, second: str, name: str) -> None:
    served = await serve()
    both = f"Authorization: Bearer {TOKEN}\r\n{name}: {second}\r\n"

    answer = await served.say(f"POST {USERS} HTTP/1.1\r\nHost: x\r\n{both}Content-Length: 0\r\n\r\n".encode())

    refused(answer, 400, "more than one Authorization header")
    assert [event["event"] for event in await served.events()] == ["request.refused"]


@pytest.mark.parametrize(
    ("token", "path", "kind"),
    [
        pytest.param("okta", "/scim/other/v2/Users", "provider", id="another target"),
        pytest.param("idle", USERS, "provider", id="no target at all"),
        pytest.param("alice", USERS, "auditor", id="an auditor"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_for_something_else_is_forbidden_and_named(
    serve, refused, token: str, path: str, kind: str, method: str
) -> None:
    served = await serve()

    answer = await served.ask(method, path, {"userName": "canary"} if method == "POST" else None, token)

    target = path.split("/")[2]
    refused(answer, 403, f"this token of {kind} {token} does not open {target}")
    (event,) = await served.events()
    assert (event["event"], event["target"]["name"]) == ("auth.refused", target)
    assert event["actor"] == {"type": kind, "name": token, "token": "config:1"}
    assert await served.entries("other") == await served.entries() == []


async def test_who_is_unknown_does_not_learn_which_targets_there_are(serve) -> None:
    served = await serve()

    answers = [await served.ask("GET", f"/scim/{name}/v2/Users", token=None) for name in ("phonebook", "x")]

    assert [answer.status for answer in answers] == [401, 401]


@pytest.mark.parametrize(
    ("agent", "kept"),
    [
        pytest.param(b"Okta SCIM Client 1.0.0", "Okta SCIM Client 1.0.0", id="plain"),
        pytest.param(b"a\xff\xfeb", "a??b", id="not UTF-8"),
        pytest.param("ä\u202e\u200b".encode(), "ä", id="marks nobody sees"),
        pytest.param(b"x" * 1000, "x" * 200, id="long"),
        pytest.param(b"\xed\xa0\x80", "???", id="half a surrogate pair"),
    ],
)
async def test_a_user_agent_is_kept_as_it_can_be_printed(serve, agent: bytes, kept: str) -> None:
    served = await serve()

    await served.say(b"GET " + USERS.encode() + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + agent + b"\r\n\r\n")

    assert (await served.events())[0]["client"]["user_agent"] == kept


# --- without a server

NOW = "2026-03-01T00:00:00.000000Z"
ISSUED = Token("tok_1", "okta", "ab" * 32, NOW)


def credentials(*tokens: Token, now: str = NOW) -> Credentials:
    async def load() -> tuple[Token, ...]:
        return tokens

    found = Credentials(load, lambda: now)
    found.configure((), {"okta": frozenset({"phonebook"})})
    return found


@pytest.mark.parametrize(
    ("token", "count"),
    [
        pytest.param(ISSUED, 1, id="live"),
        pytest.param(replace(ISSUED, expires="2026-03-01T00:00:00.000001Z"), 1, id="not over yet"),
        pytest.param(replace(ISSUED, expires=NOW), 0, id="over"),
        pytest.param(replace(ISSUED, provider="gone"), 0, id="of a provider that is gone"),
    ],
)
async def test_an_issued_token_opens_its_providers_targets_until_it_ends(token: Token, count: int) -> None:
    live = credentials(token)
    assert live.current() == {}

    await live.refresh()

    found = Credential("provider", "okta", "tok_1", bytes.fromhex("ab" * 32), frozenset({"phonebook"}))
    assert list(live.current().values()) == [found] * count


async def test_each_token_ends_at_its_own_moment_though_nobody_reads_them_again() -> None:
    moments = [NOW.replace("00:00:00", f"00:00:0{second}") for second in range(4)]
    tokens = [
        replace(ISSUED, id=f"tok_{n}", sha256=f"{n}{n}" * 32, expires=moments[n] if n else None)
        for n in (3, 1, 0, 2)
    ]
    now = [moments[0]]

    async def load() -> list[Token]:
        return tokens

    live = Credentials(load, lambda: now[0])
    live.configure((), {"okta": frozenset({"phonebook"})})
    await live.refresh()

    seen = []
    for now[0] in moments:
        seen.append("".join(sorted(credential.token[-1] for credential in live.current().values())))
    assert seen == ["0123", "023", "03", "0"]


@pytest.mark.parametrize(
    ("headers", "error"), [(["a", "b"], InvalidSyntax), ([], Unauthorized), (["a"], Unauthorized)], ids=str
)
def test_nobody_is_let_in_without_a_credential(headers: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        authenticate(headers, {})


@pytest.mark.parametrize(
    ("own", "ended"),
    [
        pytest.param({"expires": LATER}, None, id="live"),
        pytest.param({"expires": EARLIER}, EARLIER, id="expired"),
        pytest.param({"revoked": EARLIER}, EARLIER, id="revoked"),
        pytest.param({"revoked": BEFORE, "expires": EARLIER}, BEFORE, id="revoked before it expired"),
        pytest.param({"sha256": "11" * 32, "expires": EARLIER}, None, id="another"),
    ],
)
async def test_a_token_that_is_over_is_known_for_whose_it_was(own: dict[str, str], ended: str | None) -> None:
    async def load() -> list[Token]:
        return [Token(**{"id": "tok_1", "provider": "okta", "sha256": "00" * 32, "created": BEFORE} | own)]

    credentials = Credentials(load, lambda: AT)
    credentials.configure((), {"okta": frozenset()})
    await credentials.refresh()

    over = credentials.over(bytes(32))
    assert over == (None if ended is None else OverToken("tok_1", "okta", ended))
    assert bool(credentials.current()) is (own == {"expires": LATER})
