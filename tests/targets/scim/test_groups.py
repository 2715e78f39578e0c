"""What is said to a SCIM service about groups, and how it is found out that it has any."""

import asyncio
import json
from typing import Any

import pytest

from gateway.flow.target_port import Attributes, MemberUpdate, Missing, ResourceType, Silent, Update
from gateway.scim.difference import compare
from gateway.scim.names import CORE_GROUP
from gateway.targets.scim.abilities import Abilities, Patch
from gateway.targets.scim.connector import ScimConnector
from gateway.targets.scim.discovered import ASK_AGAIN
from gateway.targets.scim.requests import member_operations, with_members
from gateway.targets.transport import Call, HttpReply

GROUP = ResourceType.GROUP
SALES: Attributes = {"id": "g", "displayName": "Sales"}
EMPTY = HttpReply(200, {}, b'{"totalResults": 0}')
NOTHING = HttpReply(204)
GONE = HttpReply(404, {}, b'{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}')


class Script:
    """A carrier that gives answers from a list, an exception among them, and remembers the calls."""

    def __init__(self, *replies: HttpReply | Exception) -> None:
        self.calls: list[Call] = []
        self._replies = list(replies)

    async def send(self, call: Call) -> HttpReply:
        self.calls.append(call)
        await asyncio.sleep(0)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def said(self) -> list[tuple[str, Any]]:
        return [(call.method, json.loads(call.body) if call.body else None) for call in self.calls]


def connector(script: Script, *, patch: bool | None = True, groups: bool | None = None) -> ScimConnector:
    told = Abilities(Patch.WHOLE if patch else Patch.NONE, groups=groups)
    return ScimConnector(script, "https://target.test/scim", told, now=lambda: 0.0)


def listed(*types: dict[str, str]) -> HttpReply:
    return HttpReply(200, {}, json.dumps({"totalResults": len(types), "Resources": list(types)}).encode())


def update(add: tuple[str, ...] = (), remove: tuple[str, ...] = (), **changed: str) -> Update:
    wanted = SALES | changed
    members = MemberUpdate(tuple({"value": id} for id in add), remove)
    return Update(SALES, wanted, compare(SALES, wanted), members)


@pytest.mark.parametrize(
    ("replies", "expected", "asked"),
    [
        pytest.param([listed({"id": "User"}, {"id": "Group"})], True, 1, id="listed by id"),
        pytest.param([listed({"name": "Group"})], True, 1, id="by name"),
        pytest.param([listed({"schema": CORE_GROUP})], True, 1, id="by schema"),
        pytest.param([listed({"id": "User"})], False, 1, id="not listed"),
        pytest.param([HttpReply(404), EMPTY], True, 2, id="no list, but groups"),
        pytest.param([HttpReply(404), HttpReply(404)], False, 2, id="neither"),
        pytest.param([HttpReply(200, {}, b'{"Resources": 7}'), EMPTY], True, 2, id="a list that is none"),
        pytest.param([HttpReply(503)], True, 1, id="cannot say now"),
        pytest.param([Silent("timed out")], True, 1, id="says nothing"),
        pytest.param([HttpReply(401)], True, 1, id="refuses our credentials"),
        pytest.param([HttpReply(404), HttpReply(503)], True, 2, id="cannot say now what it has"),
    ],
)
async def test_whether_a_service_has_groups_is_found_out(replies, expected: bool, asked: int) -> None:
    script = Script(*replies)

    assert await connector(script).has_groups() is expected
    assert len(script.calls) == asked


@pytest.mark.parametrize("groups", [True, False])
async def test_who_says_it_need_not_be_asked(groups: bool) -> None:
    assert await connector(Script(), groups=groups).has_groups() is groups


async def test_a_service_is_asked_once_and_one_that_cannot_say_not_at_every_request() -> None:
    now = [0.0]
    script = Script(Silent("timed out"), listed({"id": "User"}))
    target = ScimConnector(script, "https://target.test/scim", now=lambda: now[0])

    early = await asyncio.gather(*(target.has_groups() for _ in range(3)))
    now[0] = ASK_AGAIN
    late = [await target.has_groups() for _ in range(2)]

    assert (early, late, len(script.calls)) == ([True] * 3, [False] * 2, 2)


async def test_a_name_is_sent_before_those_who_go_and_those_who_come() -> None:
    script = Script(NOTHING, NOTHING, NOTHING)

    answer = await connector(script).change(GROUP, "g", update(("a", "b"), ('c"',), displayName="Agents"))

    assert answer is None
    assert [body["Operations"] for _, body in script.said] == [
        [{"op": "replace", "path": "displayName", "value": "Agents"}],
        [{"op": "remove", "path": 'members[value eq "c\\""]'}],
        [{"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]}],
    ]


def test_members_are_sent_a_hundred_at_a_time() -> None:
    members = MemberUpdate(tuple({"value": f"a{n}"} for n in range(201)), tuple(f"r{n}" for n in range(101)))

    messages = list(member_operations(members))

    assert [len(message) for message in messages] == [100, 1, 1, 1, 1]
    assert [len(message[0].get("value", ())) for message in messages] == [0, 0, 100, 100, 1]


def test_nothing_is_said_of_nobody() -> None:
    assert list(member_operations(MemberUpdate())) == []


async def test_a_service_without_patch_gets_the_whole_group_with_its_present_members() -> None:
    shown = SALES | {"members": [{"value": "a", "display": "A"}, {"value": "b"}]}
    script = Script(
        HttpReply(200, {}, json.dumps(shown).encode()), HttpReply(200, {}, json.dumps(shown).encode())
    )

    answer = await connector(script, patch=False).change(
        GROUP, "g", update(("c",), ("b",), displayName="New")
    )

    members = [{"value": "a", "display": "A"}, {"value": "c"}]
    assert script.said == [("GET", None), ("PUT", {"id": "g", "displayName": "New", "members": members})]
    assert answer == SALES


@pytest.mark.parametrize(
    ("said", "members"),
    [
        pytest.param(None, [{"value": "c"}], id="null"),
        pytest.param({"value": "a"}, [{"value": "a"}, {"value": "c"}], id="one object"),
        pytest.param(["a", None], [{"value": "a"}, {"value": "c"}], id="bare ids"),
    ],
)
async def test_whatever_form_a_service_gives_the_present_members_they_stay(said: Any, members: Any) -> None:
    shown = HttpReply(200, {}, json.dumps(SALES | {"members": said}).encode())
    script = Script(shown, NOTHING)

    await connector(script, patch=False).change(GROUP, "g", update(("c",)))

    assert script.said[1] == ("PUT", SALES | {"members": members})


async def test_a_group_that_vanished_before_it_was_put_is_missing() -> None:
    with pytest.raises(Missing):
        await connector(Script(GONE), patch=False).change(GROUP, "g", update(("c",)))


def test_a_group_sent_whole_names_nobody_twice() -> None:
    present = {"members": [{"value": "a"}, {"value": "b"}]}

    assert with_members(present, MemberUpdate(({"value": "a", "display": "A"},), ("b",))) == {
        "members": [{"value": "a", "display": "A"}]
    }


async def test_a_group_read_without_members_has_none_even_where_the_service_shows_them() -> None:
    shown = HttpReply(200, {}, json.dumps(SALES | {"Members": [{"value": "a"}]}).encode())
    script = Script(shown)

    assert await connector(script).get(GROUP, "g") == SALES
    assert script.calls[0].url == "https://target.test/scim/Groups/g?excludedAttributes=members"
