"""How a connector to a SCIM service decides what to say."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

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
from gateway.targets.http import HttpTransport
from gateway.targets.scim.abilities import (
    NO_COUNT,
    NO_FILTER,
    NO_START,
    NO_TOTALS,
    ONE_AT_A_TIME,
    Abilities,
    Patch,
)
from gateway.targets.scim.connector import ScimConnector
from gateway.targets.scim.discovered import ASK_AGAIN
from gateway.targets.transport import Call, HttpReply
from tests.support.lesser import Lesser, Paging
from tests.support.scim_target import scim_target

USER = ResourceType.USER
ANN = {"id": "1", "userName": "ann", "title": "Clerk", "meta": {"version": "1"}}
PATCHES = HttpReply(200, {}, b'{"patch": {"supported": true}}')
NO_PATCH = HttpReply(200, {}, b'{"patch": {"supported": false}}')
SHOWN = HttpReply(200, {}, json.dumps(ANN).encode())
NOBODY = HttpReply(200, {}, b'{"totalResults": 0, "Resources": []}')
HTML = HttpReply(200, {}, b"<html>")
NO_FILTERS = HttpReply(200, {}, b'{"filter": {"supported": false}}')
SOME = HttpReply(200, {}, json.dumps({"totalResults": 1, "Resources": [ANN]}).encode())
BOTH = HttpReply(
    200, {}, json.dumps({"totalResults": 2, "Resources": [ANN, {"id": "2", "userName": "bob"}]}).encode()
)
CONFIG = "/ServiceProviderConfig"
NAMES = "/Users?filter=userName%20eq%20%22ann%22&startIndex=1&count=2"


class Script:
    """A carrier that gives answers from a list and remembers the calls."""

    def __init__(self, *replies: HttpReply) -> None:
        self.calls: list[Call] = []
        self._replies = list(replies)

    async def send(self, call: Call) -> HttpReply:
        self.calls.append(call)
        await asyncio.sleep(0)
        return self._replies.pop(0)

    @property
    def methods(self) -> list[str]:
        return [call.method for call in self.calls]


def connector(script: Script, patch: Patch | None = None, **told: bool) -> ScimConnector:
    return ScimConnector(script, "https://target.test/scim", Abilities(patch, **told), now=lambda: 0.0)


def update(**changed: object) -> Update:
    wanted = ANN | changed
    return Update(ANN, wanted, compare(ANN, wanted))


@pytest.mark.parametrize(
    ("patch", "replies", "methods"),
    [
        pytest.param(Patch.WHOLE, [SHOWN], ["PATCH"], id="told to"),
        pytest.param(Patch.NONE, [SHOWN], ["PUT"], id="told not to"),
        pytest.param(None, [PATCHES, SHOWN], ["GET", "PATCH"], id="the service promises it"),
        pytest.param(None, [NO_PATCH, SHOWN], ["GET", "PUT"], id="the service does not"),
        pytest.param(None, [HttpReply(404), SHOWN], ["GET", "PUT"], id="the service does not say"),
        pytest.param(None, [HTML, SHOWN], ["GET", "PUT"], id="the service talks HTML"),
        pytest.param(None, [HttpReply(503), SHOWN], ["GET", "PUT"], id="the service cannot say now"),
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
        pytest.param(HttpReply(404), ["GET", "PUT", "PUT"], id="no answer for good"),
    ],
)
async def test_a_target_is_asked_once_what_it_takes(said, methods):
    script = Script(said, SHOWN, SHOWN)
    target = connector(script)

    await asyncio.gather(*(target.change(USER, "1", update(title="Agent")) for _ in range(2)))

    assert script.methods == methods


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_a_target_that_could_not_say_is_asked_again_after_a_while(status):
    script, now = Script(HttpReply(status), SHOWN, SHOWN, PATCHES, SHOWN), [0.0]
    target = ScimConnector(script, "https://target.test/scim", now=lambda: now[0])

    for seconds in (0.0, ASK_AGAIN - 1, 1.0):
        now[0] += seconds
        await target.change(USER, "1", update(title="Agent"))

    assert script.methods == ["GET", "PUT", "PUT", "GET", "PATCH"]


@pytest.mark.parametrize("status", [405, 501])
@pytest.mark.parametrize(
    ("said", "methods"),
    [
        pytest.param(PATCHES, ["GET", "PATCH", "PUT", "PUT"], id="PATCH"),
        pytest.param(HttpReply(404), ["GET", "PUT", "PATCH", "PATCH"], id="PUT"),
    ],
)
async def test_what_is_not_offered_after_all_is_said_the_other_way_from_then_on(said, methods, status):
    script = Script(said, HttpReply(status), SHOWN, SHOWN)
    target = connector(script)

    for _ in range(2):
        assert await target.change(USER, "1", update(title="Agent")) == ANN

    assert script.methods == methods


@pytest.mark.parametrize(
    ("patch", "replies", "methods"),
    [
        pytest.param(Patch.WHOLE, [HttpReply(405)], ["PATCH"], id="told so"),
        pytest.param(None, [PATCHES, HttpReply(405), HttpReply(405)], ["GET", "PATCH", "PUT"], id="neither"),
    ],
)
async def test_a_change_that_is_not_offered_in_any_way_is_refused(patch, replies, methods):
    script = Script(*replies)

    with pytest.raises(Refused):
        await connector(script, patch).change(USER, "1", update(title="Agent"))

    assert script.methods == methods


async def test_changes_at_once_that_are_not_offered_all_go_the_other_way():
    script = Script(PATCHES, HttpReply(405), HttpReply(405), SHOWN, SHOWN)
    target = connector(script)

    await asyncio.gather(*(target.change(USER, "1", update(title="Agent")) for _ in range(2)))

    assert script.methods == ["GET", "PATCH", "PATCH", "PUT", "PUT"]


async def test_a_target_that_takes_one_attribute_at_a_time_gets_each_alone_and_a_leaver_leaves_first():
    script = Script(SHOWN, SHOWN)

    await connector(script, Patch.SINGLE).change(USER, "1", update(title="Agent", active=False))

    assert [json.loads(call.body)["Operations"] for call in script.calls] == [
        [{"op": "add", "path": "active", "value": False}],
        [{"op": "replace", "path": "title", "value": "Agent"}],
    ]


async def test_what_no_patch_can_say_is_put():
    script = Script(SHOWN)

    await connector(script, Patch.WHOLE).change(USER, "1", update(schemas=["a"]))

    assert script.methods == ["PUT"]
    assert json.loads(script.calls[0].body) == {
        "id": "1",
        "userName": "ann",
        "title": "Clerk",
        "schemas": ["a"],
    }


async def test_a_patch_says_the_differences_only():
    script = Script(HttpReply(204))

    assert await connector(script, Patch.WHOLE).change(USER, "1", update(title="Agent")) is None
    assert json.loads(script.calls[0].body)["Operations"] == [
        {"op": "replace", "path": "title", "value": "Agent"}
    ]


@pytest.mark.parametrize(
    "reply", [HttpReply(204), HttpReply(200, {}, b'{"state": "deleted"}')], ids=["204", "a body"]
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
        await connector(Script(HttpReply(400)), filter=True).query(USER, query)


@pytest.mark.parametrize(
    ("reply", "error"), [(HttpReply(401), Denied), (HttpReply(500), Broken), (HttpReply(429), Throttled)]
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
        pytest.param(None, HttpReply(503), "it does not say now whether it takes PATCH", False, id="not now"),
        pytest.param(Patch.WHOLE, PATCHES, "it promises PATCH", False, id="as configured"),
        pytest.param(Patch.NONE, PATCHES, "it promises PATCH", True, id="configured otherwise"),
        pytest.param(
            Patch.SINGLE, PATCHES, f"it promises PATCH; {ONE_AT_A_TIME.made_good}", False, id="one at a time"
        ),
    ],
)
async def test_a_check_tells_how_changes_go_out(patch, reply, says, mends):
    (finding,) = await connector(Script(NOBODY, reply), patch).check()

    assert (finding.about, finding.says, bool(finding.fix)) == ("changes", says, mends)


NAMED = Query(parse_filter('userName eq "ann"'), count=2)


@pytest.mark.parametrize(
    ("told", "replies", "asked"),
    [
        pytest.param({"filter": False}, [], [], id="as configured"),
        pytest.param({}, [NO_FILTERS], [CONFIG], id="as the service says"),
        pytest.param({"filter": True}, [BOTH], [NAMES], id="all come"),
        pytest.param({}, [PATCHES, BOTH], [CONFIG, NAMES], id="all come, though it promises nothing"),
        pytest.param({}, [HttpReply(503), BOTH], [CONFIG, NAMES], id="it cannot say now"),
    ],
)
async def test_a_filter_that_is_not_heeded_is_never_taken_for_an_answer(told, replies, asked):
    script = Script(*replies)

    with pytest.raises(CannotFilter):
        await connector(script, **told).query(USER, NAMED)

    assert [call.url.partition("/scim")[2] for call in script.calls] == asked


async def test_what_is_configured_of_filters_beats_what_the_service_says():
    script = Script(SOME)

    assert (await connector(script, filter=True).query(USER, NAMED)).entries == (ANN,)


async def test_whether_filters_are_taken_is_asked_once():
    script = Script(PATCHES, SOME, SOME)
    target = connector(script)

    for _ in range(2):
        await target.query(USER, NAMED)

    assert len(script.calls) == 3


async def test_a_check_tells_what_is_made_good():
    script = Script(NOBODY, NO_FILTERS)

    _, filters = await connector(script).check()

    assert (filters.about, filters.says, filters.fix) == ("filters", NO_FILTER.made_good, "")


async def test_what_a_target_cannot_do_is_logged_once():
    script = Script(NO_FILTERS)
    target = ScimConnector(script, "https://target.test/scim", name="dialpad", now=lambda: 0.0)

    with capture_logs() as lines:
        for _ in range(2):
            with pytest.raises(CannotFilter):
                await target.query(USER, NAMED)

    assert [(line["event"], line["target"], line["lack"]) for line in lines] == [
        ("target.lacks", "dialpad", "patch"),
        ("target.lacks", "dialpad", "filter"),
    ]


@pytest.mark.parametrize(
    ("service", "told", "lacks"),
    [
        pytest.param(Lesser(), {}, [], id="nothing"),
        pytest.param(Lesser(config={"filter": {"supported": False}}), {}, [NO_FILTER], id="filters"),
        pytest.param(Lesser(), {"filter": False}, [NO_FILTER], id="filters, as configured"),
        pytest.param(Lesser(paging=Paging(starts=False)), {}, [NO_START], id="startIndex"),
        pytest.param(
            Lesser(paging=Paging(starts=False, counts=False)), {}, [NO_COUNT, NO_START], id="all at once"
        ),
        pytest.param(Lesser(paging=Paging(totals="of the page")), {}, [NO_TOTALS], id="totals of the page"),
        pytest.param(Lesser(paging=Paging(totals="missing")), {}, [NO_TOTALS], id="totals"),
    ],
)
async def test_a_check_finds_out_what_is_made_good_in_lists(service, told, lacks, session):
    async with scim_target(service) as served:
        service.fill("ann", "bob", "eve")
        target = ScimConnector(HttpTransport(session), served.url, Abilities(**told))

        _, *found = await target.check()

    assert [(finding.about, finding.says) for finding in found] == [
        (lack.about, lack.made_good) for lack in lacks
    ]
