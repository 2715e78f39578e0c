"""Tokens an administrator makes and ends."""

from datetime import UTC, datetime

import pytest

from gateway.admin.acts import Token, issue_token, revoke_token
from tests.support.inline import InlineJournal

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOKEN = Token("tok_1", "okta", "ab" * 32, "2026-02-01T00:00:00.000000Z")


@pytest.fixture
def journal() -> InlineJournal:
    return InlineJournal(lambda: NOW)


@pytest.mark.parametrize(
    ("expires", "revoked", "active"),
    [
        pytest.param(None, None, True, id="without an end"),
        pytest.param("2026-03-01T00:00:00.000001Z", None, True, id="not yet over"),
        pytest.param("2026-03-01T00:00:00.000000Z", None, False, id="over"),
        pytest.param(None, "2026-02-02T00:00:00.000000Z", False, id="revoked"),
    ],
)
def test_a_token_lets_in_until_it_ends(expires: str | None, revoked: str | None, active: bool) -> None:
    token = Token("tok_1", "okta", "ab" * 32, TOKEN.created, expires, revoked)

    assert token.is_active("2026-03-01T00:00:00.000000Z") is active


async def test_issuing_a_token_leaves_an_event_without_it(journal) -> None:
    await issue_token(journal, TOKEN, "e1")

    (event,) = await journal.trail.page(None, 10, None, None)
    assert (event["event"], event["target"]["id"], event["provider"]) == ("token.issued", "tok_1", "okta")
    assert event["actor"]["type"] == "administrator"
    assert TOKEN.sha256 not in str(event)
    assert await journal.tokens.active() == (TOKEN,)


async def test_revoking_a_token_leaves_an_event_once(journal) -> None:
    await issue_token(journal, TOKEN, "e1")

    asked = [("tok_1", "e2"), ("tok_1", "e3"), ("tok_9", "e4")]
    assert [await revoke_token(journal, id, event) for id, event in asked] == [True, False, False]

    events = [event["event"] for event in await journal.trail.page(None, 10, None, None)]
    assert events == ["token.revoked", "token.issued"]
    assert await journal.tokens.active() == ()
