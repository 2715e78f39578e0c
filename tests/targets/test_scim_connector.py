"""How a connector to a SCIM service decides what to say."""

import asyncio
import json

import pytest

from gateway.flow.target_port import (
    Broken,
    CannotFilter,
    Denied,
    Query,
    Refused,
    ResourceType,
    Throttled,
    Update,
)
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.targets.call import Call, Reply
from gateway.targets.scim_connector import ScimConnector

USER = ResourceType.USER
ANN = {"id": "1", "userName": "ann", "title": "Clerk", "meta": {"version": "1"}}
PATCHES = Reply(200, {}, b'{"patch": {"supported": true}}')
NO_PATCH = Reply(200, {}, b'{"patch": {"supported": false}}')
SHOWN = Reply(200, {}, json.dumps(ANN).encode())
NOBODY = Reply(200, {}, b'{"totalResults": 0, "Resources": []}')
HTML = Reply(200, {}, b"<html>")


class Script:
    """A carrier that gives answers from a list and remembers the calls."""

    def __init__(self, *replies: Reply) -> None:
        self.calls: list[Call] = []
        self._replies = list(replies)

    async def carry(self, call: Call) -> Reply:
        self.calls.append(call)
        await asyncio.sleep(0)
        return self._replies.pop(0)

    @property
    def methods(self) -> list[str]:
        return [call.method for call in self.calls]


def connector(script: Script, patch: bool | None = None) -> ScimConnector:
    return ScimConnector(script, "https://target.test/scim", patch, now=lambda: 0.0)


def update(**changed: object) -> Update:
    wanted = ANN | changed
    return Update(ANN, wanted, compare(ANN, wanted))


@pytest.mark.parametrize(
    ("patch", "replies", "methods"),
    [
        pytest.param(True, [SHOWN], ["PATCH"], id="told to"),
        pytest.param(False, [SHOWN], ["PUT"], id="told not to"),
        pytest.param(None, [PATCHES, SHOWN], ["GET", "PATCH"], id="the service promises it"),
        pytest.param(None, [NO_PATCH, SHOWN], ["GET", "PUT"], id="the service does not"),
        pytest.param(None, [Reply(404), SHOWN], ["GET", "PUT"], id="the service does not say"),
        pytest.param(None, [HTML, SHOWN], ["GET", "PUT"], id="the service talks HTML"),
        pytest.param(None, [Reply(503), SHOWN], ["GET", "PUT"], id="the service cannot say now"),
    ],
)
async def test_a_change_is_a_patch_where_the_target_takes_one(patch, replies, methods):
    script = Script(*replies)

    assert await connector(script, patch).change(USER, "1", update(title="Agent")) == ANN
    assert script.methods == methods


@pytest.mark.parametrize(
    ("said", "methods"),
    [
        pytest.param(PATCHES, ["GET", "PATCH", "PATCH"], id="a promise"),
        pytest.param(Reply(404), ["GET", "PUT", "PUT"], id="no answer for good"),
    ],
)
async def test_a_target_is_asked_once_what_it_takes(said, methods):
    script = Script(said, SHOWN, SHOWN)
    target = connector(script)

    await asyncio.gather(*(target.change(USER, "1", update(title="Agent")) for _ in range(2)))

    assert script.methods == methods


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_a_target_that_could_not_say_is_asked_again(status):
    script = Script(Reply(status), SHOWN, PATCHES, SHOWN)
    target = connector(script)

    for _ in range(2):
        await target.change(USER, "1", update(title="Agent"))

    assert script.methods == ["GET", "PUT", "GET", "PATCH"]


async def test_what_no_patch_can_say_is_put():
    script = Script(SHOWN)

    await connector(script, patch=True).change(USER, "1", update(schemas=["a"]))

    assert script.methods == ["PUT"]
    assert json.loads(script.calls[0].body) == {
        "id": "1",
        "userName": "ann",
        "title": "Clerk",
        "schemas": ["a"],
    }


async def test_a_patch_says_the_differences_only():
    script = Script(Reply(204))

    assert await connector(script, patch=True).change(USER, "1", update(title="Agent")) is None
    assert json.loads(script.calls[0].body)["Operations"] == [
        {"op": "replace", "path": "title", "value": "Agent"}
    ]


@pytest.mark.parametrize(
    "reply", [Reply(204), Reply(200, {}, b'{"state": "deleted"}')], ids=["204", "a body"]
)
async def test_a_delete_may_be_answered_with_or_without_a_body(reply):
    script = Script(reply)

    await connector(script).delete(USER, "1")

    assert script.methods == ["DELETE"]


async def test_nothing_is_sent_for_an_empty_id():
    script = Script()

    assert await connector(script).get(USER, "") is None
    assert script.calls == []


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param(Query(parse_filter("title pr")), CannotFilter, id="with a filter"),
        pytest.param(Query(), Refused, id="without"),
    ],
)
async def test_a_refused_query_is_about_its_filter_if_it_has_one(query, error):
    with pytest.raises(error):
        await connector(Script(Reply(400))).query(USER, query)


@pytest.mark.parametrize(
    ("reply", "error"), [(Reply(401), Denied), (Reply(500), Broken), (Reply(429), Throttled)]
)
async def test_a_check_says_what_is_wrong_with_a_target(reply, error):
    script = Script(reply)

    with pytest.raises(error):
        await connector(script).check()

    assert script.calls[0].url == "https://target.test/scim/Users?startIndex=1&count=1"


@pytest.mark.parametrize(
    ("patch", "reply", "says", "mends"),
    [
        pytest.param(None, PATCHES, "it promises PATCH", False, id="promised"),
        pytest.param(None, NO_PATCH, "it promises no PATCH, so whole entries go as PUT", False, id="not"),
        pytest.param(True, Reply(503), "it does not say now whether it takes PATCH", False, id="not now"),
        pytest.param(True, PATCHES, "it promises PATCH", False, id="as configured"),
        pytest.param(False, PATCHES, "it promises PATCH", True, id="configured otherwise"),
    ],
)
async def test_a_check_tells_how_changes_go_out(patch, reply, says, mends):
    (finding,) = await connector(Script(NOBODY, reply), patch).check()

    assert (finding.about, finding.says, bool(finding.fix)) == ("changes", says, mends)
