"""Tokens over real connections: fetched once, kept, replaced, and never shown."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.address import OAuth2, Secret, TargetAddress
from gateway.flow.target_port import Denied, Query, ResourceType, TargetError, Throttled, Unreachable
from gateway.targets.oauth import OAuthTransport
from gateway.targets.registry import open_connector
from gateway.targets.transport import Call
from tests.support.authority import SECRET, Authority, Fault, refusing, token_authority

FIRST, SECOND = "Bearer canary-token-1", "Bearer canary-token-2"
WHO = "Basic bWU6Y2FuYXJ5K3MzY3JldCUyRiVDMyVBNA=="  # me:canary+s3cret%2F%C3%A4


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with token_authority() as authority:
        yield authority


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def transport(authority: Authority, session, clock) -> OAuthTransport:
    oauth2 = OAuth2(f"{authority.url}/token", "me", Secret(SECRET), "scim")
    return OAuthTransport(session, "cx", oauth2, timeout=5.0, clock=lambda: clock[0])


@pytest.fixture
def call(authority: Authority) -> Call:
    return Call("POST", f"{authority.url}/scim/Users", b"{}")


async def test_a_token_is_fetched_at_first_need_and_kept(authority, transport, call):
    assert authority.asked == []

    replies = [await transport.send(call), await transport.send(call)]

    assert [reply.status for reply in replies] == [200, 200]
    assert authority.asked == [(WHO, "grant_type=client_credentials&scope=scim")]
    assert authority.tokens == [FIRST, FIRST]


@pytest.mark.parametrize(
    ("later", "tokens"),
    [pytest.param(3569.0, [FIRST, FIRST], id="before"), pytest.param(3570.0, [FIRST, SECOND], id="after")],
)
async def test_a_token_is_replaced_shortly_before_its_end(authority, transport, call, clock, later, tokens):
    await transport.send(call)
    clock[0] += later
    await transport.send(call)

    assert authority.tokens == tokens


async def test_a_token_that_ends_at_once_is_used_once(authority, transport, call):
    authority.said = {"expires_in": 0}

    await transport.send(call)
    await transport.send(call)

    assert authority.tokens == [FIRST, SECOND]


async def test_however_many_wait_one_token_is_fetched(authority, transport, call):
    authority.gate.clear()
    waiting = [asyncio.create_task(transport.send(call)) for _ in range(20)]
    await asked(authority)
    authority.gate.set()

    await asyncio.gather(*waiting)

    assert len(authority.asked) == 1
    assert authority.tokens == [FIRST] * 20


async def test_a_failed_fetch_fails_for_all_who_wait_and_the_next_one_asks_again(authority, transport, call):
    authority.faults = [refusing(401, error="invalid_client")]
    authority.gate.clear()
    waiting = [asyncio.create_task(transport.send(call)) for _ in range(3)]
    await asked(authority)
    authority.gate.set()

    failures = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(failure) for failure in failures] == [Denied] * 3
    assert (await transport.send(call)).status == 200
    assert len(authority.asked) == 2


async def test_who_gives_up_waiting_does_not_end_the_fetch_for_others(authority, transport, call):
    authority.gate.clear()
    impatient, patient = (asyncio.create_task(transport.send(call)) for _ in range(2))
    await asked(authority)
    impatient.cancel()
    await asyncio.wait([impatient])
    authority.gate.set()

    assert (await patient).status == 200
    assert impatient.cancelled()
    assert len(authority.asked) == 1


async def test_a_fetch_that_fails_when_all_have_given_up_waiting_is_no_fault_of_the_process(
    authority, transport, call
):
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    authority.faults = [refusing(401, error="invalid_client")]
    authority.gate.clear()
    waiting = asyncio.create_task(transport.send(call))
    await asked(authority)
    waiting.cancel()
    await asyncio.wait([waiting])
    with capture_logs() as logs:
        authority.gate.set()
        while not logs:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()

    assert told == []


async def test_a_token_refused_before_its_end_is_replaced_and_the_call_sent_once_more(
    authority, transport, call
):
    await transport.send(call)
    authority.revoked = {"canary-token-1"}

    reply = await transport.send(call)

    assert reply.status == 200
    assert authority.tokens == [FIRST, FIRST, SECOND]
    assert authority.bodies == [b"{}", b"{}"]


async def test_a_token_refused_to_many_at_once_is_replaced_once(authority, transport, call):
    await transport.send(call)
    authority.revoked = {"canary-token-1"}

    replies = await asyncio.gather(*(transport.send(call) for _ in range(10)))

    assert {reply.status for reply in replies} == {200}
    assert len(authority.asked) == 2


async def test_a_refusal_of_the_new_token_too_is_the_answer(authority, transport, call):
    await transport.send(call)
    authority.revoked = {"canary-token-1", "canary-token-2"}

    reply = await transport.send(call)

    assert (reply.status, len(authority.tokens)) == (401, 3)
    assert b"canary" not in reply.body


async def test_a_token_just_fetched_and_refused_is_not_replaced(authority, transport, call):
    authority.revoked = {"canary-token-1"}

    assert (await transport.send(call)).status == 401
    assert len(authority.asked) == len(authority.tokens) == 1


WHO_ARE_YOU = refusing(401, error="invalid_client", error_description="no me")
PAGE = Fault(200, "<html><h1>Sign in</h1></html>")
HUGE = Fault(200, "x" * (64 * 1024 + 1))
ELSEWHERE = Fault(307, "", {"Location": "/scim/x"})
SLOWER = Fault(429, "", {"Retry-After": "7"})


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        pytest.param(WHO_ARE_YOU, Denied, "401 invalid_client (no me); check client_id and", id="client"),
        pytest.param(PAGE, Denied, "without a token; check token_url", id="HTML"),
        pytest.param(ELSEWHERE, Denied, "a redirect, and none is followed", id="redirect"),
        pytest.param(HUGE, Denied, "the token endpoint's answer is larger than 65536 bytes", id="huge"),
        pytest.param(Fault(500, PAGE.text), Unreachable, "the token endpoint answered 500", id="broken"),
        pytest.param(SLOWER, Throttled, "the token endpoint answered 429", id="too often"),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_reason_is_said(
    authority, transport, call, fault, kind, says
):
    authority.faults = [fault]

    with capture_logs() as lines, pytest.raises(TargetError) as raised:
        await transport.send(call)

    assert type(raised.value) is kind
    assert raised.value.reason.startswith("no token for targets.cx.auth.oauth2: ")
    assert says in raised.value.reason
    assert not raised.value.maybe_applied
    assert authority.tokens == []
    assert [(line["event"], line["key"]) for line in lines] == [
        ("token.not_fetched", "targets.cx.auth.oauth2")
    ]


@pytest.mark.parametrize(
    "written", [SECRET, "canary+s3cret%2F%C3%A4", WHO[6:]], ids=["plain", "form", "Basic"]
)
async def test_a_token_endpoint_that_repeats_the_secret_is_not_repeated(authority, transport, call, written):
    authority.faults = [refusing(401, error="invalid_client", error_description=f"bad: {written}")]

    with capture_logs() as lines, pytest.raises(Denied) as raised:
        await transport.send(call)

    assert "(bad: ***)" in raised.value.reason
    assert written not in f"{raised.value.reason}{lines}"


async def test_no_part_of_a_secret_is_left_where_a_long_text_is_cut_off(authority, transport, call):
    authority.faults = [refusing(401, error="x" * 295 + SECRET, error_description="x" * 295 + SECRET)]

    with capture_logs() as lines, pytest.raises(Denied) as raised:
        await transport.send(call)

    assert SECRET[:3] not in f"{raised.value.reason}{lines}"


async def test_a_token_endpoint_that_is_not_there_means_that_nothing_was_sent(
    transport, authority, session, call
):
    absent = OAuthTransport(session, "cx", OAuth2("http://127.0.0.1:9/token", "me", Secret(SECRET)))

    with pytest.raises(Unreachable, match=r"no token for targets\.cx\.auth\.oauth2: nobody listens on "):
        await absent.send(call)


async def test_a_token_endpoint_that_does_not_answer_means_that_nothing_was_sent(authority, session, call):
    authority.gate.clear()
    slow = OAuthTransport(session, "cx", OAuth2(f"{authority.url}/token", "me", Secret(SECRET)), timeout=0.2)

    with pytest.raises(Unreachable, match="the token endpoint did not answer in time"):
        await slow.send(call)

    authority.gate.set()
    assert authority.tokens == []


async def test_a_connector_signs_in_as_its_address_says(authority, around):
    oauth2 = OAuth2(f"{authority.url}/token", "me", Secret(SECRET), scheme="bearer")
    target = await open_connector("scim", TargetAddress("cx", f"{authority.url}/scim", oauth2), around)

    assert (await target.query(ResourceType.USER, Query())).total == 0
    assert authority.tokens == ["bearer canary-token-1"]
    await target.close()


async def asked(authority: Authority) -> None:
    """Wait until somebody has asked for a token."""
    async with asyncio.timeout(5):
        while not authority.asked:
            await asyncio.sleep(0)
