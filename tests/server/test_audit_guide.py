"""`/guide/{target}`: who may read it, and what they get."""

import pytest

from tests.support.served import TOKENS

PAGE = "/guide/phonebook"


async def read(served, path: str = PAGE, method: str = "GET") -> tuple[int, str, str]:
    """Return status, content type and text of a page, as alice asks for it."""
    headers = {"Authorization": f"Bearer {TOKENS['alice']}"}
    url = f"http://127.0.0.1:{served.port}{path}"
    async with served.session.request(method, url, headers=headers) as response:
        return response.status, response.headers["Content-Type"], await response.text()


@pytest.mark.parametrize(
    ("query", "title"),
    [
        pytest.param("", "# From Okta to phonebook", id="Okta unless you say"),
        pytest.param("?provider=okta-agent", "# From Okta's Provisioning Agent to phonebook", id="agent"),
        pytest.param("?provider=entra", "# From Microsoft Entra ID to phonebook", id="entra"),
    ],
)
async def test_an_auditor_reads_the_page_of_a_target(serve, query: str, title: str) -> None:
    served = await serve()

    status, kind, text = await read(served, PAGE + query)

    assert (status, kind) == (200, "text/markdown; charset=utf-8")
    assert text.splitlines()[0] == title
    assert "https://gateway.example.com/scim/phonebook/v2" in text


async def test_reading_a_page_leaves_no_event_and_its_head_no_text(serve) -> None:
    served = await serve()

    assert await read(served, method="HEAD") == (200, "text/markdown; charset=utf-8", "")
    assert await served.events() == []


@pytest.mark.parametrize(
    ("token", "status", "says"),
    [
        pytest.param(None, 401, "no Authorization header", id="without a token"),
        pytest.param("okta", 403, "provider okta", id="a provider's"),
    ],
)
@pytest.mark.parametrize("path", [PAGE, "/guide/nobody"], ids=["known", "unknown target"])
async def test_nobody_else_does_and_the_trail_says_so(
    serve, refused, path: str, token: str | None, status: int, says: str
) -> None:
    served = await serve()

    answer = await served.ask("GET", path, token=token)

    refused(answer, status, says)
    refused(answer, status, "`Authorization: Bearer TOKEN`, the token of an `[auditors.NAME]`")
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert [event["event"] for event in await served.events()] == ["auth.refused"]


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        pytest.param("GET", "/guide/nobody", 404, "no target of that name", id="unknown target"),
        pytest.param("GET", f"{PAGE}?provider=canary", 400, "okta, okta-agent, entra", id="unknown provider"),
        pytest.param("POST", PAGE, 405, "can only be read", id="a change"),
    ],
)
async def test_what_is_no_page_is_refused(
    serve, refused, method: str, path: str, status: int, says: str
) -> None:
    served = await serve()

    refused(await served.ask(method, path, token="alice"), status, says)
