"""Whatever is asked, in whatever words, is answered in SCIM, and never by a fault of the gateway."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.served import Served, gateways

WORDS = (
    *(
        "userName",
        "active",
        "name",
        "emails",
        "value",
        "type",
        "primary",
        "members",
        "displayName",
        "op",
        "path",
    ),
    *(
        "Operations",
        "add",
        "Replace",
        "remove",
        "canary",
        "True",
        "urn:",
        "urn:x:y",
        "startIndex",
        "id",
        "meta",
    ),
    *('emails[type eq "work"].value', 'members[value eq "1"]', "urn:ietf:params:scim:schemas:core:2.0:User"),
)
TEXTS = st.sampled_from(WORDS) | st.text(max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Replace", "remove"])}, optional={"path": TEXTS, "value": JSON}
)
PEOPLE = st.dictionaries(TEXTS, JSON, max_size=4).map(lambda body: {"userName": "canary", **body})
MESSAGES = st.lists(OPERATIONS, min_size=1, max_size=3).map(lambda operations: {"Operations": operations})
BODIES = st.binary(max_size=40) | (PEOPLE | MESSAGES | JSON).map(lambda body: json.dumps(body).encode())
QUERIES = st.dictionaries(
    st.sampled_from(
        ["filter", "startIndex", "count", "attributes", "excludedAttributes", "sortBy", "sortOrder"]
    ),
    TEXTS | st.tuples(TEXTS, st.sampled_from(["eq", "sw", "pr"]), TEXTS).map(" ".join),
    max_size=3,
)
PATHS = st.sampled_from(
    ["/Users", "/Groups", "/Users/{id}", "/Groups/{id}", "/.search", "/Schemas", "/{word}"]
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with gateways(tmp_path_factory.mktemp("random")) as serve:
        yield await serve()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(served: Served) -> dict[str, str]:
    """A person and a group, by the path of their type."""
    people = await served.ask("POST", "/scim/phonebook/v2/Users", {"userName": "canary.one"})
    group = {"displayName": "canary", "members": [{"value": people.body["id"]}]}
    groups = await served.ask("POST", "/scim/phonebook/v2/Groups", group)
    return {"/Users/{id}": people.body["id"], "/Groups/{id}": groups.body["id"]}


@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), PATHS, TEXTS, QUERIES, st.none() | BODIES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_request_has_an_answer(
    served: Served, ids: dict[str, str], method: str, path: str, word: str, query: dict[str, str], body: Any
) -> None:
    id = word if method == "DELETE" else ids.get(path, word)  # those who were made stay
    filled = path.replace("{id}", quote(id, safe="")).replace("{word}", quote(word, safe=""))
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())

    answer = await served.ask(method, f"/scim/phonebook/v2{filled}?{asked}", body)

    assert answer.status < 500, answer.body
    assert answer.body is None or answer.body["schemas"]


EVENTS = st.sampled_from(["target.name", "outcome.status", "seq", "published", "diff[path", "id", "nothing"])
MOMENTS = st.sampled_from(["2h", "99999999d", "2026-03-01", "0001-01-01T00:00+23:59", "soon"]) | TEXTS
TRAIL = st.fixed_dictionaries(
    {},
    optional={
        "since": MOMENTS,
        "until": MOMENTS,
        "filter": st.builds("{} {} {}".format, EVENTS, st.sampled_from(["eq", "co"]), TEXTS.map(json.dumps)),
        "q": TEXTS,
        "sort": st.sampled_from(["asc", "desc", "up"]),
        "after": st.integers(1, 9).map(str) | st.integers().map(str) | TEXTS,
        "limit": st.integers(1, 9).map(str) | st.integers().map(str) | TEXTS,
    },
)


@given(TRAIL)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_question_about_the_trail_has_an_answer(served: Served, asked: dict[str, str]) -> None:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())

    answer = await served.ask("GET", f"/audit/v1/events?{query}", None, "alice")

    assert answer.status in (200, 400), answer.body
    assert isinstance(answer.body, list) or answer.body["schemas"]
