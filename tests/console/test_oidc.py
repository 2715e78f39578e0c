"""Sign-in by OpenID Connect, before a provider that is a process of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.openid import CLIENT, SECRET, openid_provider, tell
from tests.support.served import Serve, Served
from tests.support.visitor import CONSOLE, Page, Visitor, visitor

OIDC = """
[console.oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret = {{{{ file = "oidc.secret" }}}}
roles = {{{{ "scim-operators" = "operator", "scim-readers" = "auditor", "help" = "helpdesk" }}}}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with openid_provider() as url:
        yield url


@pytest.fixture
async def served(serve: Serve, tmp_path: Path, issuer: str) -> Served:
    (tmp_path / "oidc.secret").write_text(SECRET)
    (tmp_path / "oidc.secret").chmod(0o600)
    tell(issuer)
    return await serve(config=CONSOLE + OIDC.format(issuer=issuer, client=CLIENT))


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Visitor]:
    async with visitor(served.port) as made:
        yield made


async def signed_in(browser: Visitor, path: str = "/console/oidc", back: str | None = None) -> Page:
    """Follow the sign-in to where it leads back to the console, and in."""
    away = await browser.get(path)
    assert away.status == 303, away.text
    async with browser.session.get(away.where, allow_redirects=False) as answer:
        returned = answer.headers["Location"]
    query = returned.partition("?")[2] if back is None else back
    return await browser.get(f"/console/oidc/back?{query}")


async def test_who_is_known_there_is_let_in_by_what_their_claim_says(
    served: Served, browser: Visitor
) -> None:
    assert "organisation" in (await browser.get("/console/sign-in")).text

    page = await signed_in(browser, "/console/oidc?next=/console/verify")

    assert (page.status, page.where) == (303, "/console/verify")
    assert "olga@example.com, operator" in (await browser.get("/console/verify")).text
    told = (await served.events())[-1]
    assert (told["event"], told["actor"]) == (
        "console.signed_in",
        {"type": "operator", "name": "olga@example.com", "token": "oidc"},
    )


@pytest.mark.parametrize(
    ("says", "role"),
    [
        pytest.param({"claims": {"groups": "help"}}, "help desk", id="one text"),
        pytest.param(
            {"claims": {"groups": ["help", "scim-readers"]}}, "auditor", id="who has two gets the higher"
        ),
        pytest.param({"claims": {"groups": None}}, "auditor", id="by userinfo"),
        pytest.param({"claims": {"aud": [CLIENT, "x"], "azp": CLIENT}}, "operator", id="several audiences"),
    ],
)
async def test_the_claim_gives_the_role(
    issuer: str, browser: Visitor, says: dict[str, Any], role: str
) -> None:
    tell(issuer, **says)

    await signed_in(browser)

    assert f", {role}" in (await browser.get("/console/verify")).text


@pytest.mark.parametrize(
    ("says", "status", "reason"),
    [
        pytest.param({"claims": {"groups": []}}, 403, "lets you in here", id="no role"),
        pytest.param(
            {"claims": {"groups": None}, "userinfo": {"sub": "2"}},
            403,
            "lets you in",
            id="another's userinfo",
        ),
        pytest.param({"claims": {"groups": {"a": 1}}}, 403, "lets you in here", id="no list"),
        pytest.param({"claims": {"nonce": "guess"}}, 401, "InvalidClaim", id="another nonce"),
        pytest.param({"claims": {"nonce": None}}, 401, "MissingClaim", id="no nonce"),
        pytest.param({"claims": {"aud": "other"}}, 401, "InvalidClaim", id="for another client"),
        pytest.param({"claims": {"aud": [CLIENT, "x"]}}, 401, "another client", id="no authorized party"),
        pytest.param({"claims": {"azp": "x"}}, 401, "another client", id="another authorized party"),
        pytest.param(
            {"claims": {"iss": "https://evil.example"}}, 401, "InvalidClaim", id="of another issuer"
        ),
        pytest.param({"claims": {"exp": 1}}, 401, "ExpiredToken", id="expired"),
        pytest.param({"claims": {"iat": 9_999_999_999}}, 401, "InvalidClaim", id="of tomorrow"),
        pytest.param({"forged": True}, 401, "BadSignature", id="forged"),
        pytest.param({"header": {"kid": "nobody's"}}, 401, "InvalidKeyId", id="of an unknown key"),
        pytest.param({"error": "access_denied"}, 401, "did not sign you in", id="refused there"),
        pytest.param({"state": "guess"}, 400, "begin again", id="another state"),
    ],
)
async def test_everybody_else_is_refused_and_the_trail_says_so(
    issuer: str, served: Served, browser: Visitor, says: dict[str, Any], status: int, reason: str
) -> None:
    tell(issuer, **says)

    page = await signed_in(browser)

    assert (page.status, reason in page.text) == (status, True), page.text
    assert (await browser.get("/console")).status == 303
    refused = (await served.events())[-1]
    assert (refused["event"], refused["outcome"]["result"]) in (
        ("auth.refused", "rejected"),
        ("request.refused", "rejected"),
    )


async def test_a_provider_that_changes_its_key_is_followed(
    issuer: str, browser: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.console.oidc.AGAIN", 0.0)
    await signed_in(browser)
    tell(issuer, rotate=True)

    page = await signed_in(browser)

    assert page.status == 303


async def test_its_keys_are_not_read_again_for_every_forged_token(issuer: str, browser: Visitor) -> None:
    await signed_in(browser)
    tell(issuer, rotate=True)

    assert (await signed_in(browser)).status == 401
    tell(issuer)


@pytest.mark.parametrize("back", ["", "code=x&state=y", "error=access_denied"])
async def test_who_comes_back_without_having_gone_is_sent_away(browser: Visitor, back: str) -> None:
    page = await browser.get(f"/console/oidc/back?{back}")

    assert page.status == 400


async def test_a_code_is_of_use_once(browser: Visitor) -> None:
    away = await browser.get("/console/oidc")
    async with browser.session.get(away.where, allow_redirects=False) as answer:
        query = answer.headers["Location"].partition("?")[2]
    kept = browser.cookies()
    assert (await browser.get(f"/console/oidc/back?{query}")).status == 303
    browser.session.cookie_jar.update_cookies(kept)

    assert (await browser.get(f"/console/oidc/back?{query}")).status == 502


async def test_a_provider_that_is_away_is_named(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "oidc.secret").write_text(SECRET)
    (tmp_path / "oidc.secret").chmod(0o600)
    served = await serve(config=CONSOLE + OIDC.format(issuer="http://127.0.0.1:9", client=CLIENT))
    async with visitor(served.port) as browser:
        page = await browser.get("/console/oidc")

    assert page.status == 502
    assert "the OpenID provider cannot be reached" in page.text
