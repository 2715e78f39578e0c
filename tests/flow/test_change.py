"""What becomes of a change: once, in order, remembered, explained."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import (
    Busy,
    GatewayError,
    InvalidValue,
    JournalUnavailable,
    NotFound,
    NotSupported,
    Uniqueness,
)
from gateway.flow.journal_port import Key, Operation, Outcome
from gateway.flow.recovery import Recovery
from gateway.flow.services import Unmetered
from gateway.flow.target_port import (
    Broken,
    Denied,
    Nonsense,
    Page,
    Query,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
)
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.names import ENTERPRISE_USER
from gateway.scim.predicate import predicate
from tests.support.house import FakeTarget, without_groups
from tests.support.rules import make_rule

ANN: dict[str, Any] = {
    "userName": "ann@example.com",
    "externalId": "00u1",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "title": "Agent",
    "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0123"}],
}
BOB = ANN | {"userName": "bob@example.com", "externalId": "00u2"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
RETURN = {"Operations": [{"op": "replace", "value": {"active": True}}]}


def title(text: str) -> dict[str, Any]:
    return {"Operations": [{"op": "replace", "path": "title", "value": text}]}


@pytest.fixture
def phones() -> TargetMapping:
    via = [compile_transform("phone", {})]
    return TargetMapping([make_rule('phoneNumbers[type eq "work"].value', via=via)], region="GB")


async def test_somebody_deleted_while_they_are_created_again_is_somebody_new(house, monkeypatch) -> None:
    gateway = house()
    await gateway.send("create", ANN)
    hold = gateway.services.locks.hold

    @asynccontextmanager
    async def meanwhile(target, keys, patience):
        if Key("id", "t1") in keys and len(keys) == 3:  # the create has learned who that is, and asks anew
            monkeypatch.setattr(gateway.services.locks, "hold", hold)
            assert (await gateway.send("delete", None, "t1")).status == 204
        async with hold(target, keys, patience) as held:
            yield held

    monkeypatch.setattr(gateway.services.locks, "hold", meanwhile)
    again = await gateway.send("create", ANN)

    assert (again.status, again.document["id"], list(gateway.fake.entries)) == (201, "t2", ["t2"])


async def test_a_create_reaches_the_target_and_answers_with_its_id(house, phones) -> None:
    gateway = house(phones)

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"]) == (201, "t1")
    assert reply.document["phoneNumbers"] == ANN["phoneNumbers"]
    assert gateway.fake.entries["t1"]["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]
    assert reply.document["active"] is True


async def test_a_repeated_create_is_refused_once_the_answer_was_delivered(house) -> None:
    gateway = house()
    created = await gateway.send("create", ANN)
    await gateway.replied(created.document["id"])

    with pytest.raises(Uniqueness):
        await gateway.send("create", ANN)

    assert gateway.fake.writes == ["create"]


async def test_a_create_whose_answer_was_lost_is_answered_again_with_the_same_id(house) -> None:
    gateway = house()
    first = await gateway.send("create", ANN)

    again = await gateway.send("create", ANN)

    assert (again.status, again.document["id"]) == (201, first.document["id"])
    assert gateway.fake.writes == ["create"]
    assert [event["outcome"]["result"] for event in await gateway.events()] == ["applied", "replayed"]


async def test_a_value_changed_there_and_back_reaches_the_target_three_times(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN | {"title": "Z"})).document["id"]

    for text in ("A", "B", "A"):
        await gateway.send("replace", ANN | {"title": text}, id)

    assert gateway.fake.writes == ["create", "change", "change", "change"]
    assert gateway.fake.entries["t1"]["title"] == "A"


async def test_a_push_of_what_the_target_has_sends_nothing_and_stores_the_new_original(house, phones) -> None:
    gateway = house(phones)
    id = (await gateway.send("create", ANN)).document["id"]
    respelt = ANN | {"phoneNumbers": [{"type": "work", "value": "020 7946 0123"}]}

    reply = await gateway.send("replace", respelt, id)

    assert gateway.fake.writes == ["create"]
    assert reply.document["phoneNumbers"] == respelt["phoneNumbers"]
    assert (await gateway.get(id))["phoneNumbers"] == respelt["phoneNumbers"]
    assert (await gateway.events())[-1]["outcome"]["result"] == "unchanged"


async def test_a_push_of_what_is_known_word_for_word_leaves_an_event_and_sends_nothing(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("replace", ANN, id)

    await gateway.send("replace", ANN, id)

    assert gateway.fake.writes == ["create"]
    results = [event["outcome"]["result"] for event in await gateway.events()]
    assert results == ["applied", "unchanged", "unchanged"]


async def test_a_put_leaves_absent_external_id_and_active_and_clears_the_rest(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)

    reply = await gateway.send("replace", {"userName": "ann@example.com", "title": ""}, id)

    assert reply.document["externalId"] == "00u1"
    assert reply.document["active"] is False
    assert "title" not in gateway.fake.entries["t1"]
    assert "name" not in gateway.fake.entries["t1"]


async def test_an_edit_at_the_target_is_shown_and_survives_the_next_push(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | {"title": "Boss"}
    shown = await gateway.get(id)

    await gateway.send("replace", shown | {"nickName": "Annie"}, id)

    assert shown["title"] == "Boss"
    assert gateway.fake.entries["t1"]["title"] == "Boss"
    assert gateway.fake.entries["t1"]["nickName"] == "Annie"


async def test_a_read_older_than_trust_is_not_what_a_push_is_compared_with(house) -> None:
    gateway = house(trust=5.0)
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | {"title": "Boss"}
    gateway.clock[0] += 6

    await gateway.send("replace", ANN, id)

    assert gateway.fake.entries["t1"]["title"] == "Agent"


async def test_a_leaver_always_leaves_whatever_the_data(house, phones) -> None:
    gateway = house(phones)
    id = (await gateway.send("create", ANN)).document["id"]
    bad = ANN | {"active": False, "phoneNumbers": [{"type": "work", "value": "n/a"}]}

    reply = await gateway.send("replace", bad, id)

    entry = gateway.fake.entries["t1"]
    assert reply.status == 200
    assert entry["active"] is False
    assert entry["phoneNumbers"] == [{"type": "work", "value": "+442079460123"}]


async def test_a_person_removed_by_deactivation_is_still_found_and_comes_back_with_the_same_id(house) -> None:
    gateway = house(on_deactivate="delete")
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)

    found = [
        (await gateway.get(id))["active"],
        (await gateway.search('userName eq "ANN@example.com"')).entries[0]["id"],
        (await gateway.search('externalId eq "00u1"')).total,
        (await gateway.search(None)).total,
    ]
    reply = await gateway.send("patch", RETURN, id)

    assert found == [False, id, 1, 0]
    assert gateway.fake.writes == ["create", "delete", "create"]
    assert reply.document["id"] == id
    assert (await gateway.get(id))["active"] is True


@pytest.mark.parametrize("operation", ["replace", "patch"])
async def test_an_entry_that_vanished_is_made_again_with_the_same_id(house, operation: str) -> None:
    gateway = house(on_missing="recreate")
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries.clear()
    gateway.clock[0] += 60

    reply = await gateway.send(operation, ANN if operation == "replace" else title("Boss"), id)

    assert (reply.status, reply.document["id"]) == (200, id)
    assert [entry["id"] for entry in gateway.fake.entries.values()] == ["t2"]


async def test_an_entry_that_vanished_is_reported_where_the_target_says_so(house) -> None:
    gateway = house(on_missing="error")
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries.clear()
    gateway.clock[0] += 60

    with pytest.raises(NotFound):
        await gateway.send("replace", ANN, id)


async def test_deactivating_somebody_the_target_lost_succeeds(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries.clear()
    gateway.clock[0] += 60

    reply = await gateway.send("patch", LEAVE, id)

    assert (reply.status, reply.document["active"]) == (200, False)
    assert gateway.fake.writes == ["create"]


async def test_after_a_delete_the_id_is_gone_for_good(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]

    reply = await gateway.send("delete", id=id)

    assert (reply.status, reply.document) == (204, None)
    assert (await gateway.search('userName eq "ann@example.com"')).total == 0
    for operation, body in (("replace", ANN), ("patch", LEAVE), ("delete", None)):
        with pytest.raises(NotFound):
            await gateway.send(operation, body, id)
    with pytest.raises(NotFound):
        await gateway.get(id)


async def test_an_id_the_target_gives_twice_is_given_once(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("delete", id=id)
    gateway.fake.ids = iter([1])

    reply = await gateway.send("create", BOB)

    assert reply.document["id"] != id
    assert (await gateway.get(reply.document["id"]))["userName"] == "bob@example.com"


def there(gateway: Any, **changes: Any) -> None:
    gateway.fake.entries["x9"] = ANN | {"id": "x9", "title": "Old"} | changes


@pytest.mark.parametrize("operation", ["create", "replace", "patch"])
async def test_an_entry_that_was_there_before_is_adopted_and_brought_to_the_wanted_state(
    house, operation: str
) -> None:
    gateway = house()
    there(gateway)
    body = title("Agent") if operation == "patch" else ANN

    reply = await gateway.send(operation, body, None if operation == "create" else "x9")

    assert reply.document["id"] == "x9"
    assert gateway.fake.entries["x9"]["title"] == "Agent"
    assert list(gateway.fake.entries) == ["x9"]
    event = (await gateway.events())[-1]
    assert event["outcome"]["result"] == "adopted"
    assert {"path": "title", "before": "Old", "after": "Agent"}.items() <= event["diff"][0].items()


@pytest.mark.parametrize(
    ("policy", "entry"),
    [
        pytest.param(
            {"adopt_by": ("externalId",)}, {"externalId": None}, id="found by a key outside adopt_by"
        ),
        pytest.param({}, {"externalId": "00u9"}, id="somebody else's externalId"),
        pytest.param({"adopt_by": ()}, {}, id="nothing may be adopted"),
        pytest.param(
            {"protect": predicate(parse_filter('title eq "Old"'))}, {}, id="protected by the administrator"
        ),
    ],
)
@pytest.mark.parametrize("unique", [True, False])
async def test_an_entry_that_may_not_be_adopted_is_left_alone(
    house, policy: dict[str, Any], entry: dict[str, Any], unique: bool
) -> None:
    gateway = house(unique_names=unique, **policy)
    there(gateway, **entry)
    before = dict(gateway.fake.entries)

    with pytest.raises(Uniqueness):
        await gateway.send("create", ANN)

    assert gateway.fake.entries == before


async def test_a_target_without_unique_names_is_looked_at_before_a_create(house) -> None:
    gateway = house(unique_names=False)
    gateway.fake.unique = False
    there(gateway)

    reply = await gateway.send("create", ANN)

    assert reply.document["id"] == "x9"
    assert gateway.fake.writes == ["change"]


async def test_a_target_id_that_goes_by_another_id_here_is_unknown(house) -> None:
    gateway = house(on_deactivate="delete")
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)
    await gateway.send("patch", RETURN, id)  # now t2 at the target, still t1 here

    with pytest.raises(NotFound):
        await gateway.send("replace", ANN, "t2")


async def test_a_rename_keeps_the_id_and_frees_the_old_name(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]

    renamed = await gateway.send("replace", ANN | {"userName": "new@example.com"}, id)
    other = await gateway.send("create", BOB | {"userName": "ann@example.com"})

    assert renamed.document["id"] == id
    assert other.status == 201
    assert other.document["id"] != id


@pytest.mark.parametrize("operation", ["replace", "patch"])
async def test_a_name_that_somebody_else_has_cannot_be_taken(house, operation: str) -> None:
    gateway = house()
    await gateway.send("create", BOB)
    id = (await gateway.send("create", ANN)).document["id"]
    name = {"userName": "BOB@example.com"}
    bodies = {"replace": ANN | name, "patch": {"Operations": [{"op": "replace", "value": name}]}}

    with pytest.raises(Uniqueness, match="userName"):
        await gateway.send(operation, bodies[operation], id)

    assert gateway.fake.writes == ["create", "create"]


async def test_the_same_external_id_under_a_new_name_is_a_rename(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.replied(id)
    await gateway.send("patch", LEAVE, id)

    reply = await gateway.send("create", ANN | {"userName": "new@example.com"})

    assert (reply.status, reply.document["id"]) == (201, id)
    assert gateway.fake.entries["t1"]["userName"] == "new@example.com"
    assert gateway.fake.entries["t1"]["active"] is True


async def test_an_inactive_person_created_again_comes_back_in_place(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.replied(id)
    await gateway.send("patch", LEAVE, id)

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"]) == (201, id)
    assert gateway.fake.entries["t1"]["active"] is True


@pytest.mark.parametrize(
    ("reuse_name", "active"),
    [
        pytest.param("refuse", False, id="inactive, refused"),
        pytest.param("refuse", True, id="active"),
        pytest.param("take", True, id="active is never taken"),
    ],
)
async def test_a_name_under_another_external_id_is_refused(house, reuse_name: str, active: bool) -> None:
    gateway = house(reuse_name=reuse_name)
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", RETURN if active else LEAVE, id)

    with pytest.raises(Uniqueness):
        await gateway.send("create", ANN | {"externalId": "00u7"})


async def test_an_inactive_name_is_rebound_where_the_target_says_so(house) -> None:
    gateway = house(reuse_name="take")
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)

    reply = await gateway.send("create", ANN | {"externalId": "00u7"})

    assert (reply.status, reply.document["id"]) == (201, id)
    assert (await gateway.events())[-1]["event"] == "user.rebound"


@pytest.mark.parametrize(
    ("fault", "error", "attempts"),
    [
        pytest.param(Refused("title is too long", 400), InvalidValue, 1, id="4xx because of the data"),
        pytest.param(Denied("no", 401), Busy, 1, id="our credentials"),
        pytest.param(Throttled("slow", 429, 7), Busy, 1, id="429"),
        pytest.param(Unreachable("refused"), Busy, 3, id="refused"),
        pytest.param(Broken("oops", 500), Busy, 3, id="5xx"),
        pytest.param(Silent("timed out"), Busy, 3, id="timed out"),
        pytest.param(Nonsense("HTML", 200), Busy, 1, id="HTML"),
    ],
)
async def test_the_provider_is_told_what_the_target_said(
    house, fault: TargetError, error: type[Exception], attempts: int
) -> None:
    gateway = house()
    gateway.fake.faults = [fault] * 5

    with pytest.raises(error) as raised:
        await gateway.send("create", ANN)

    assert gateway.fake.writes == ["create"] * attempts
    assert gateway.fake.entries == {}
    if isinstance(fault, Throttled):
        assert (raised.value.retry_after, raised.value.asked_status) == (7, 429)


@pytest.mark.parametrize("fault", [Silent("timed out"), Broken("oops", 500), Nonsense("HTML", 200)])
async def test_a_create_that_happened_unheard_is_found_and_answered_with_its_id(house, fault) -> None:
    gateway = house()
    gateway.fake.faults, gateway.fake.late = [fault], True

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"]) == (201, "t1")
    assert list(gateway.fake.entries) == ["t1"]


async def test_a_change_that_happened_unheard_is_not_made_twice(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.faults, gateway.fake.late = [Silent("timed out")], True

    reply = await gateway.send("patch", title("Boss"), id)

    assert reply.document["title"] == "Boss"
    assert gateway.fake.writes == ["create", "change"]


async def test_nothing_is_looked_up_before_a_silent_target_had_time_to_settle(house) -> None:
    gateway = house(settle=10.0)
    gateway.fake.faults = [Silent("timed out")]

    await gateway.send("create", ANN)

    assert gateway.slept[0] == 10.0


async def test_a_doubt_left_behind_is_settled_before_the_next_change(house) -> None:
    gateway = house(attempts=1, deadline=5.0)
    gateway.fake.faults, gateway.fake.late = [Silent("timed out")], True
    with pytest.raises(Busy):
        await gateway.send("create", ANN)
    gateway.has_time()

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"]) == (201, "t1")
    assert gateway.fake.writes == ["create"]
    events = [event["event"] for event in await gateway.events()]
    assert events == ["user.create", "operation.recovered", "user.create"]


async def test_nothing_is_sent_while_the_journal_cannot_be_written(house, monkeypatch) -> None:
    gateway = house()

    async def unwritable(*_: object) -> Operation:
        raise JournalUnavailable("the disk is full")

    for name in ("begin", "claim"):
        monkeypatch.setattr(gateway.services.operations, name, unwritable)

    with pytest.raises(JournalUnavailable):
        await gateway.send("create", ANN)

    assert gateway.fake.calls == []


async def test_changes_of_one_person_happen_one_after_another(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]

    await asyncio.gather(*(gateway.send("patch", title(str(n)), id) for n in range(10)))

    sent = [what[1]["title"] for name, what in gateway.fake.calls if name == "change"]
    assert sent == [str(n) for n in range(10)]


async def test_racing_creates_of_one_person_make_one_entry(house) -> None:
    gateway = house()
    gateway.fake.unique = False

    replies = await asyncio.gather(*(gateway.send("create", ANN) for _ in range(8)))

    assert {reply.document["id"] for reply in replies} == {"t1"}
    assert list(gateway.fake.entries) == ["t1"]


async def test_a_password_is_nowhere_but_where_a_rule_sends_it(house) -> None:
    gateway = house(TargetMapping([make_rule("password")]))
    plain = house()

    await gateway.send("create", ANN | {"password": "canary"})
    await plain.send("create", ANN | {"password": "canary"})

    assert gateway.fake.entries["t1"]["password"] == "canary"
    assert "password" not in plain.fake.entries["t1"]
    for one in (gateway, plain):
        assert "canary" not in repr(await one.events())
        assert "canary" not in repr(vars(one.journal.resources))


async def test_an_event_says_who_changed_what_by_which_rule(house, phones) -> None:
    gateway = house(phones)

    await gateway.send("create", ANN)

    event = (await gateway.events())[0]
    line = next(line for line in event["diff"] if line["path"].startswith("phoneNumbers"))
    assert event["event"] == "user.create"
    assert event["outcome"] == {"result": "applied", "status": 201, "reason": None}
    assert event["actor"] == {"type": "provider", "name": "okta", "token": "config:1"}
    assert event["target"]["user_name"] == "ann@example.com"
    assert line["after"] == {"type": "work", "value": "+442079460123"}
    assert line["rule"] == 'config:phoneNumbers[type eq "work"].value'
    assert [attempt["status"] for attempt in event["attempts"]] == [200]


async def test_a_refusal_leaves_an_event_with_the_reason_and_sends_nothing(house, phones) -> None:
    gateway = house(phones)

    with pytest.raises(InvalidValue, match="phoneNumbers"):
        await gateway.send("create", ANN | {"phoneNumbers": [{"type": "work", "value": "n/a"}]})

    event = (await gateway.events())[-1]
    assert (event["outcome"]["result"], event["outcome"]["status"]) == ("rejected", 400)
    assert event["target"]["external_id"] == ANN["externalId"]
    assert gateway.fake.calls == []


async def test_an_event_says_why_a_rule_dropped_a_value_and_not_the_value(house) -> None:
    path = 'phoneNumbers[type eq "work"].value'
    phone = make_rule(path, via=[compile_transform("phone", {})], on_invalid="drop")
    gateway = house(TargetMapping([phone], region="GB"))

    await gateway.send("create", ANN | {"phoneNumbers": [{"type": "work", "value": "n/a"}]})

    event = (await gateway.events())[0]
    assert event["dropped"] == [path]
    assert event["reasons"] == [{"path": path, "rule": f"config:{path}", "reason": "has no digits"}]
    assert "n/a" not in repr(event)


@pytest.mark.parametrize("operation", ["create", "replace", "patch", "delete"])
async def test_a_target_without_groups_refuses_them_with_what_to_do_about_it(house, operation) -> None:
    gateway = without_groups(house())

    with pytest.raises(NotSupported, match="untick Push Groups"):
        await gateway.group(operation, {"displayName": "G"}, None if operation == "create" else "g1")

    assert gateway.fake.calls == []


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        pytest.param("create", BOB | {"password": " canary "}, id="create"),
        pytest.param("replace", ANN | {"password": " canary "}, id="replace"),
        pytest.param(
            "patch", {"Operations": [{"op": "add", "path": "password", "value": " canary "}]}, id="patch"
        ),
    ],
)
async def test_a_password_goes_through_the_transforms_of_its_rule(house, operation: str, body: Any) -> None:
    via = [compile_transform("trim", {}), compile_transform("upper", {})]
    gateway = house(TargetMapping([make_rule("password", via=via)]))
    id = (await gateway.send("create", ANN)).document["id"]

    await gateway.send(operation, body, None if operation == "create" else id)

    assert [entry.get("password") for entry in gateway.fake.entries.values()][-1] == "CANARY"


@pytest.mark.parametrize("operation", ["create", "replace"])
async def test_a_password_that_a_rule_refuses_is_refused_without_being_told(house, operation: str) -> None:
    via = [compile_transform("boolean", {})]
    gateway = house(TargetMapping([make_rule("password", via=via)]))
    id = (await gateway.send("create", ANN)).document["id"]

    with pytest.raises(InvalidValue, match="password: ") as refused:
        await gateway.send(operation, BOB | {"password": "canary"}, None if operation == "create" else id)

    assert "canary" not in str(refused.value) + str(await gateway.events())
    assert "password" not in str(gateway.fake.entries)


async def test_a_password_in_a_patch_is_not_kept_either(house) -> None:
    gateway = house(TargetMapping([make_rule("password")]))
    id = (await gateway.send("create", ANN)).document["id"]

    await gateway.send("patch", {"Operations": [{"op": "replace", "value": {"password": "canary"}}]}, id)

    assert gateway.fake.entries["t1"]["password"] == "canary"
    assert "canary" not in repr(await gateway.events())
    assert "canary" not in repr(vars(gateway.journal.resources))
    assert [line["path"] for line in (await gateway.events())[-1]["diff"]] == ["password"]
    assert "password" not in await gateway.get(id)


@pytest.mark.parametrize(
    "filter",
    ['emails.value eq "Ann@Work.example.com"', 'emails[type eq "work"].value eq "ann@work.example.com"'],
)
async def test_a_removed_person_is_found_by_e_mail(house, filter: str) -> None:
    gateway = house(on_deactivate="delete")
    mail = {"emails": [{"type": "work", "value": "ann@work.example.com"}]}
    id = (await gateway.send("create", ANN | mail)).document["id"]
    await gateway.send("patch", LEAVE, id)

    page = await gateway.search(filter)

    assert (page.total, [person["id"] for person in page.entries]) == (1, [id])


DOWN = {
    "cannot be read": lambda gateway: gateway.fake.get_faults.append(Unreachable("refused")),
    "cannot be written": lambda gateway: gateway.fake.faults.extend([Unreachable("refused")] * 3),
}


@pytest.mark.parametrize("down", DOWN)
@pytest.mark.parametrize("on_deactivate", ["send", "delete"])
async def test_a_leaver_whom_the_target_does_not_hear_of_stays_pending_until_it_does(
    house, down: str, on_deactivate: str
) -> None:
    gateway = house(on_deactivate=on_deactivate)
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.clock[0] += 60
    DOWN[down](gateway)
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)
    gateway.clock[0] += 60

    await Recovery(gateway.services).sweep(gateway.target)

    entry = gateway.fake.entries.get("t1", {"active": None})
    assert entry["active"] is (False if on_deactivate == "send" else None)
    assert (await gateway.get(id))["active"] is False
    events = await gateway.events()
    assert [event["outcome"]["result"] for event in events] == ["applied", "pending", "applied"]


class Counts(Unmetered):
    """Remembers what became of changes."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def changed(self, target: str, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


FAILURES = {
    "refused connection": lambda gateway: gateway.fake.faults.extend([Unreachable("refused")] * 3),
    "not to be read": lambda gateway: gateway.fake.get_faults.append(Unreachable("refused")),
    "credentials": lambda gateway: gateway.fake.faults.append(Denied("no", 401)),
    "slow down": lambda gateway: gateway.fake.faults.append(Throttled("no", 429)),
    "500": lambda gateway: gateway.fake.faults.extend([Broken("no", 500)] * 3),
    "silence": lambda gateway: gateway.fake.faults.extend([Silent("no"), Silent("no")]),
    "doubt": lambda gateway: (
        gateway.fake.faults.append(Silent("no")),
        gateway.fake.get_faults.extend([None, Unreachable("refused")]),
    ),
    "nonsense": lambda gateway: gateway.fake.faults.append(Nonsense("no", 404)),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        pytest.param("create", BOB, id="create"),
        pytest.param("replace", ANN | {"title": "Boss"}, id="replace"),
        pytest.param("patch", title("Boss"), id="patch"),
        pytest.param("patch", LEAVE, id="deactivation"),
        pytest.param("delete", None, id="delete"),
    ],
)
async def test_what_is_kept_is_pending_and_what_is_not_is_deferred(
    house, operation: str, body: Any, failure: str
) -> None:
    gateway, counts = house(attempts=1), Counts()
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.clock[0] += 60
    FAILURES[failure](gateway)
    gateway = replace(gateway, services=replace(gateway.services, meter=counts))

    with suppress(Busy):
        await gateway.send(operation, body, None if operation == "create" else id)

    kept = await gateway.services.operations.open("phonebook", ())
    (*_, event) = await gateway.events()
    told = event["outcome"]["result"]
    assert counts.outcomes == [told]
    assert (told in ("pending", "applied", "deferred"), told == "pending") == (True, bool(kept))


async def test_another_change_that_the_target_did_not_hear_of_is_the_providers_to_repeat(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.clock[0] += 60
    DOWN["cannot be read"](gateway)
    with pytest.raises(Busy):
        await gateway.send("patch", title("Boss"), id)
    gateway.clock[0] += 60

    await Recovery(gateway.services).sweep(gateway.target)

    assert gateway.fake.writes == ["create"]


async def test_a_pending_leaver_who_returns_is_never_deactivated(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.clock[0] += 60
    DOWN["cannot be read"](gateway)
    with pytest.raises(Busy):
        await gateway.send("patch", LEAVE, id)

    await gateway.send("patch", RETURN, id)

    assert gateway.fake.entries["t1"]["active"] is True
    assert gateway.fake.writes == ["create"]
    assert await gateway.services.operations.open("phonebook", ()) == ()


@pytest.mark.parametrize(
    ("fault", "refuses_for_good"), [(Refused("no reads", 400), True), (Broken("oops", 500), False)]
)
async def test_only_what_a_target_refuses_in_itself_for_give_up_is_dead_and_says_why(
    house, fault: TargetError, refuses_for_good: bool
) -> None:
    gateway = house(attempts=1, give_up=6000.0)
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.faults = [Silent("timed out")]
    gateway.fake.get_faults += [fault] * 30
    for _ in range(13):
        with pytest.raises(Busy):
            await gateway.send("patch", title("Boss"), id)
        gateway.clock[0] += 600
    calls = len(gateway.fake.calls)

    with pytest.raises(Busy, match="dead: Refused: no reads" if refuses_for_good else "answered 500"):
        await gateway.send("patch", title("Boss"), id)

    assert (len(gateway.fake.calls) == calls) is refuses_for_good


@pytest.mark.parametrize("id", ["x9", True, ["a", 1], {"a": 1}])
async def test_an_id_in_a_create_is_ignored(house, id: Any) -> None:
    gateway = house()

    reply = await gateway.send("create", ANN | {"id": id, "meta": {"version": "1"}, "groups": 5})

    assert reply.document["id"] == "t1"
    assert "groups" not in reply.document
    assert (await gateway.search('userName eq "ann@example.com"')).entries[0]["id"] == "t1"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "active.x"},
        {"op": "remove", "path": "active[value eq false]"},
        {"op": "replace", "value": {"active.x": None}},
    ],
    ids=str,
)
async def test_nobody_who_left_comes_back_by_accident(house, operation: dict[str, Any]) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]
    await gateway.send("patch", LEAVE, id)

    with pytest.raises(GatewayError):
        await gateway.send("patch", {"Operations": [operation]}, id)

    assert gateway.fake.entries["t1"]["active"] is False


SERVICE = predicate(parse_filter('userName sw "svc-"'))


async def test_nobody_becomes_an_entry_that_is_protected(house) -> None:
    gateway = house(protect=SERVICE)
    id = (await gateway.send("create", ANN)).document["id"]

    with pytest.raises(InvalidValue, match="protect"):
        await gateway.send("create", BOB | {"userName": "svc-bob"})
    with pytest.raises(InvalidValue, match="protect"):
        await gateway.send("replace", ANN | {"userName": "svc-ann"}, id)


@pytest.mark.parametrize("age", [0.0, 60.0])
async def test_a_deactivation_of_a_protected_entry_does_not_look_done(house, age: float) -> None:
    gateway = house(protect=SERVICE)
    id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | {"userName": "svc-ann"}
    gateway.services.entry_cache.note("phonebook", ResourceType.USER, gateway.fake.entries["t1"])
    gateway.clock[0] += age

    with pytest.raises(NotFound, match="protect"):
        await gateway.send("patch", LEAVE, id)

    assert gateway.fake.entries["t1"]["active"] is True


class Mute(FakeTarget):
    """Says created without showing what, and cannot be read right afterwards."""

    query_faults: int = 1

    async def create(self, kind: ResourceType, wanted: dict[str, Any]) -> None:
        await super().create(kind, wanted)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if self.query_faults:
            self.query_faults -= 1
            raise Unreachable("refused")
        return await super().query(kind, query)


async def test_a_create_that_was_answered_without_a_body_is_never_sent_twice(house) -> None:
    gateway = house(fake=Mute(unique=False))

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"]) == (201, "t1")
    assert list(gateway.fake.entries) == ["t1"]


async def test_an_adopted_entry_gets_the_schemas_of_what_it_is_given(house) -> None:
    gateway = house()
    there(gateway, schemas=["urn:ietf:params:scim:schemas:core:2.0:User"])

    await gateway.send("create", ANN | {ENTERPRISE_USER: {"department": "Sales"}})

    assert ENTERPRISE_USER in gateway.fake.entries["x9"]["schemas"]


async def test_the_event_of_a_refused_patch_names_whom_it_was_about(house) -> None:
    gateway = house()
    id = (await gateway.send("create", ANN)).document["id"]

    with pytest.raises(InvalidValue):
        await gateway.send("patch", {"Operations": [{"op": "replace", "path": "userName", "value": 5}]}, id)

    event = (await gateway.events())[-1]
    assert (event["outcome"]["result"], event["target"]["user_name"]) == ("rejected", ANN["userName"])


async def test_somebody_inactive_is_not_made_where_leavers_are_removed_but_known(house) -> None:
    gateway = house(on_deactivate="delete")

    reply = await gateway.send("create", ANN | {"active": False})
    await gateway.replied(reply.document["id"])
    found = await gateway.search('userName eq "ann@example.com"')
    made = await gateway.send("patch", RETURN, reply.document["id"])

    assert (reply.status, reply.document["active"], found.total) == (201, False, 1)
    assert (made.document["id"], gateway.fake.writes) == (reply.document["id"], ["create"])


async def test_somebody_inactive_is_made_where_leavers_stay(house) -> None:
    gateway = house(on_deactivate="send")

    await gateway.send("create", ANN | {"active": False})

    assert [entry["active"] for entry in gateway.fake.entries.values()] == [False]
