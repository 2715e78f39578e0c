"""The examples of RFC 7643 and of Okta's reference come back as they were sent."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.served import OTHER, Served, gateways

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "vectors"
OWN = {"id", "meta", "groups", "password"}  # the gateway's own, and what nobody is shown

OF_NOBODY = {  # in no order of names
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:example:z:2.0:User", "urn:example:a:User"],
    "userName": "zoe@example.com",
    "urn:example:z:2.0:User": {"z": [{"deep": [1, 2.5, True]}], "a": {"Upper": "b", "lower": "a"}},
    "shoeSize": "42",
    "emails": [{"value": "z@example.com", "type": "work", "verified": False}],
    "urn:example:a:User": {"accounts": [{"value": "z"}, {"value": "a"}]},
    "active": True,
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


def examples() -> Iterator[Any]:
    """Yield every person and group that the documents show, none where they are not beside the checkout."""
    if VECTORS.exists() or "CI" in os.environ:
        rfc = json.loads((VECTORS / "rfc7643_examples.json").read_text())["examples"]
        okta = json.loads((VECTORS / "okta_reference_examples.json").read_text())["exchanges"]
        named = [(example["section"], example["resource"]) for example in rfc]
        named += [(f"okta {number} {said['kind']}", said["body"]) for number, said in enumerate(okta)]
        for name, body in named:
            for resource in body.get("Resources", [body]) if isinstance(body, dict) else ():
                if {"userName", "displayName"} & resource.keys():
                    yield pytest.param(resource, id=name)
    yield pytest.param(OF_NOBODY, id="what no standard knows")


@pytest_asyncio.fixture(loop_scope="module")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with gateways(tmp_path) as serve:
        yield await serve(OTHER, config=CONFIG)


CONFIG = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
durability = "normal"
[providers.rfc]
token = {{ sha256 = "{rfc}" }}
"""


@pytest.mark.parametrize("sent", list(examples()))
async def test_an_example_comes_back_equal(served: Served, sent: dict[str, Any]) -> None:
    path = "/scim/other/v2/" + ("Users" if "userName" in sent else "Groups")

    made = await served.ask("POST", path, sent, "rfc")
    read = await served.ask("GET", f"{path}/{made.body['id']}", None, "rfc")
    put = await served.ask("PUT", f"{path}/{made.body['id']}", sent, "rfc")

    assert (made.status, read.status, put.status) == (201, 200, 200)
    expected = said({**sent, **({} if "active" in sent or path.endswith("Groups") else {"active": True})})
    assert [in_order(answer.body) for answer in (made, read, put)] == [in_order(expected)] * 3


def said(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a document says: without what is the gateway's own, and what is empty."""
    return {name: value for name, value in without_empty(document).items() if name not in OWN}


def in_order(document: dict[str, Any]) -> str:
    return json.dumps(said(document))


def without_empty(value: Any) -> Any:
    """Return a value without null, "", [] and {}, which are as good as absent (RFC 7643 section 2.5)."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: without_empty(inner) for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner not in (None, "", [], {})}
