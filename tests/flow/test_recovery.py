"""Operations whose end nobody knows: the target is asked, and the journal put right."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import Busy, NotFound, Uniqueness
from gateway.flow.journal_port import Intent, Key, OperationState, State, Transition
from gateway.flow.recovery import Recovery
from gateway.flow.services import plus
from gateway.flow.target_port import (
    Attributes,
    Conflict,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Unreachable,
)
from gateway.log import correlation_id
from tests.support.house import FakeTarget, House

USER = ResourceType.USER
ANN: Attributes = {"userName": "ann@example.com", "externalId": "00u1", "title": "Agent"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
PROMOTE = {"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]}
KEYS = (Key("name", "ann@example.com"), Key("external", "00u1"))


class Down(FakeTarget):
    """A target that can be cut off."""

    cut: TargetError | None = None

    async def get(self, kind: ResourceType, id: str) -> Attributes | None:
        self.check()
        return await super().get(kind, id)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        self.check()
        return await super().query(kind, query)

    def check(self) -> None:
        if self.cut is not None:
            raise self.cut


@pytest.fixture
def gateway(house: Any) -> House:
    """A gateway that tries once, and does not wait for silence to end."""
    return house(fake=Down(), attempts=1, deadline=5.0, settle=10.0)


async def interrupted(gateway: House, operation: str, body: Any = None, *, late: bool) -> str | None:
    """Begin a change of Ann that the target never answers; `late`: it was made all the same."""
    id = None
    if operation != "create":
        id = (await gateway.send("create", ANN)).document["id"]
    gateway.fake.faults, gateway.fake.late = [Silent("timed out")], late
    with pytest.raises(Busy):
        await gateway.send(operation, body, id)
    gateway.fake.late = False
    gateway.clock[0] += 600
    return id


async def swept(gateway: House) -> Any:
    """Look at what is not settled, once it is quiet after a start; return the last event."""
    recovery = Recovery(gateway.services)
    gateway.clock[0] += gateway.target.policy.settle
    await recovery.sweep(gateway.target)
    return (await gateway.events())[-1]


async def test_a_create_that_was_left_half_done_is_completed_before_it_is_settled(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    (id,) = gateway.fake.entries
    del gateway.fake.entries[id]["title"]  # as a target has them that makes people in two steps
    gateway.fake.calls.clear()

    event = await swept(gateway)

    assert event["outcome"]["result"] == "applied"
    assert gateway.fake.writes == ["change"]
    assert gateway.fake.entries[id]["title"] == "Agent"


async def test_a_half_done_create_whose_rest_is_refused_stays_in_doubt(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    (id,) = gateway.fake.entries
    del gateway.fake.entries[id]["title"]
    gateway.fake.faults = [Refused("no titles here", 400)]

    await swept(gateway)

    assert await still_open(gateway) == [OperationState.DOUBT]


async def still_open(gateway: House) -> list[OperationState]:
    waiting = await gateway.services.operations.open(gateway.target.name, ())
    return [operation.standing for operation in waiting]


SETTLED = [
    pytest.param("create", ANN, True, "applied", [], id="a create that was made"),
    pytest.param("create", ANN, False, "failed", [], id="a create that was not made is never sent again"),
    pytest.param("patch", PROMOTE, True, "applied", [], id="a change that was made"),
    pytest.param("patch", PROMOTE, False, "applied", ["change"], id="a change that was not made"),
    pytest.param("patch", LEAVE, True, "applied", [], id="a deactivation that was made"),
    pytest.param("patch", LEAVE, False, "applied", ["change"], id="a deactivation that was not made"),
    pytest.param("delete", None, True, "applied", [], id="a removal that was made"),
    pytest.param("delete", None, False, "applied", ["delete"], id="a removal that was not made"),
]


@pytest.mark.parametrize(("operation", "body", "late", "result", "sent"), SETTLED)
async def test_what_was_left_open_is_settled_with_an_event(
    gateway, operation: str, body: Any, late: bool, result: str, sent: list[str]
) -> None:
    await interrupted(gateway, operation, body, late=late)
    gateway.fake.calls.clear()

    event = await swept(gateway)

    assert (event["event"], event["outcome"]["result"]) == ("operation.recovered", result)
    reason = "found on the target" if result == "applied" else "not found on the target"
    assert event["outcome"]["reason"] == reason
    assert event["actor"] == {"type": "gateway", "name": "recovery", "token": None}
    assert (event["target"]["user_name"], event["correlation_id"]) == ("ann@example.com", "cid-1")
    assert gateway.fake.writes == sent
    assert await still_open(gateway) == []


@pytest.mark.parametrize("late", [True, False])
async def test_a_change_is_shown_once_it_is_settled(gateway, late: bool) -> None:
    id = await interrupted(gateway, "patch", PROMOTE, late=late)

    await swept(gateway)

    assert gateway.fake.entries["t1"]["title"] == (await gateway.get(id))["title"] == "Boss"


async def test_a_person_whose_create_was_made_unheard_is_known_and_answered_again(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    await swept(gateway)

    reply = await gateway.send("create", ANN)

    assert (reply.status, reply.document["id"]) == (201, "t1")
    assert gateway.fake.writes == ["create"]


async def test_a_person_whose_create_was_not_made_is_unknown_and_can_be_created(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=False)
    await swept(gateway)
    assert (await gateway.search('userName eq "ann@example.com"')).total == 0

    reply = await gateway.send("create", ANN)

    assert (reply.status, list(gateway.fake.entries)) == (201, ["t1"])


async def test_somebody_elses_entry_of_that_name_is_not_taken_for_ours(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=False)
    gateway.fake.entries["x9"] = ANN | {"id": "x9", "externalId": "another"}

    event = await swept(gateway)

    assert event["outcome"]["result"] == "failed"
    assert await gateway.services.resources.find("phonebook", USER, KEYS) == ()


@pytest.mark.parametrize("late", [True, False])
async def test_the_deleted_stay_deleted(gateway, late: bool) -> None:
    id = await interrupted(gateway, "delete", late=late)
    await swept(gateway)

    with pytest.raises(NotFound):
        await gateway.get(id)
    assert gateway.fake.entries == {}


GONE = [
    pytest.param("patch", PROMOTE, "failed", id="a change has nothing to change"),
    pytest.param("patch", LEAVE, "applied", id="a leaver has left"),
]


@pytest.mark.parametrize(("operation", "body", "result"), GONE)
async def test_an_entry_that_vanished_meanwhile(gateway, operation: str, body: Any, result: str) -> None:
    await interrupted(gateway, operation, body, late=False)
    gateway.fake.entries.clear()

    assert (await swept(gateway))["outcome"]["result"] == result


@pytest.mark.parametrize("fault", [Missing("none", 404), Refused("too long", 400), Conflict("taken", 409)])
async def test_a_change_that_cannot_be_sent_again_has_failed(gateway, fault: TargetError) -> None:
    await interrupted(gateway, "patch", PROMOTE, late=False)
    gateway.fake.faults = [fault]

    assert (await swept(gateway))["outcome"]["result"] == "failed"
    assert await still_open(gateway) == []


@pytest.mark.parametrize(
    ("operation", "body"), [("patch", LEAVE), ("delete", None)], ids=["deactivated", "deleted"]
)
async def test_a_leaver_whom_the_target_lost_on_the_way_has_left(gateway, operation: str, body: Any) -> None:
    await interrupted(gateway, operation, body, late=False)
    gateway.fake.faults = [Missing("none", 404)]

    assert (await swept(gateway))["outcome"]["result"] == "applied"


async def test_a_leaver_whom_the_target_refuses_is_tried_again(gateway) -> None:
    await interrupted(gateway, "patch", LEAVE, late=False)
    gateway.fake.faults = [Refused("no", 400)]
    events = await gateway.events()

    await swept(gateway)

    assert await gateway.events() == events
    assert await still_open(gateway) == [OperationState.DOUBT]
    gateway.clock[0] += 600
    assert (await swept(gateway))["outcome"]["result"] == "applied"


async def test_a_target_that_is_down_is_asked_again_later(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    gateway.fake.cut = Unreachable("refused")

    recovery = Recovery(gateway.services)
    gateway.clock[0] += 10
    with capture_logs() as lines:
        await recovery.sweep(gateway.target)
        await recovery.sweep(gateway.target)  # not due yet: nobody is asked
    gateway.fake.cut = None
    gateway.clock[0] += 600

    assert [(line["event"], line["reason"]) for line in lines] == [("operation.still_open", "Unreachable")]
    assert (await swept(gateway))["outcome"]["result"] == "applied"


async def test_what_was_sent_again_unheard_is_due_for_others_once_it_can_no_longer_arrive(gateway) -> None:
    await interrupted(gateway, "patch", PROMOTE, late=False)
    gateway.fake.faults = [Silent("timed out")]

    await swept(gateway)

    (operation,) = await gateway.services.operations.open("phonebook", ())
    assert operation.due == plus(gateway.services.now(), gateway.target.policy.settle)


async def test_each_try_is_counted_and_waited_for_longer(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    gateway.fake.cut = Unreachable("refused")
    pauses = []
    for _ in range(3):
        await swept(gateway)
        (operation,) = await gateway.services.operations.open("phonebook", ())
        pauses.append((operation.attempts, operation.fence))
        gateway.clock[0] += 600

    attempts, fences = zip(*pauses, strict=True)
    assert list(attempts) == list(range(attempts[0], attempts[0] + 3))
    assert list(fences) == list(range(fences[0], fences[0] + 3))


async def test_one_that_cannot_be_settled_does_not_keep_the_others_waiting(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    for n in (1, 2):
        gateway.fake.entries[f"x{n}"] = {"id": f"x{n}", "userName": "twice", "externalId": "2"}
    await claimed(gateway, "twice", "2", wanted={"userName": "twice", "externalId": "2"})

    with capture_logs() as lines:
        await swept(gateway)

    warned = [line["reason"] for line in lines if line["event"] == "operation.still_open"]
    assert warned == [Uniqueness.__name__]
    assert len(await still_open(gateway)) == 1


async def claimed(gateway: House, name: str, external: str, **changes: Any) -> None:
    """Record an intent, and no more, as a process that died just then."""
    keys = (Key("external", external), Key("name", name))
    fields = {
        "op_id": name,
        "base": "phonebook",
        "target": "phonebook",
        "type": USER,
        "operation": "create",
        "keys": keys,
        "resource_id": "",
        "target_id": None,
        "wanted": {"userName": name, "externalId": external},
        "original": {"userName": name, "externalId": external},
        "state": State.ACTIVE,
        "correlation_id": f"cid-{name}",
    }
    await gateway.services.operations.claim(Intent(**fields | changes))


async def test_what_a_crash_left_is_given_time_to_take_effect_before_anybody_looks(gateway) -> None:
    await claimed(gateway, "ann", "1")
    recovery = Recovery(gateway.services)
    gateway.clock[0] += 4
    await recovery.sweep(gateway.target)
    assert gateway.fake.calls == []

    gateway.clock[0] += 6
    await recovery.sweep(gateway.target)

    assert [name for name, _ in gateway.fake.calls] == ["query", "query"]


async def test_what_is_long_past_is_looked_at_at_once(gateway) -> None:
    recovery = Recovery(gateway.services)
    await claimed(gateway, "ann", "1")
    gateway.clock[0] += 60

    await recovery.sweep(gateway.target)

    assert gateway.slept == [0.0]


async def test_leavers_come_first(gateway) -> None:
    leaver = {"operation": "delete", "resource_id": "t2", "target_id": "t2", "removes": True}
    await claimed(gateway, "joiner", "1")
    gateway.clock[0] += 1
    await claimed(gateway, "leaver", "2", **leaver)
    recovery = Recovery(gateway.services)
    gateway.clock[0] += 600

    await recovery.sweep(gateway.target)

    order = [event["correlation_id"] for event in await gateway.events()]
    assert order == ["cid-leaver", "cid-joiner"]


async def test_a_change_that_is_still_under_way_is_left_alone(gateway) -> None:
    await claimed(gateway, "ann", "1")
    gateway.clock[0] += 600

    async with gateway.services.locks.hold("phonebook", [Key("name", "ann")], 1):
        await Recovery(gateway.services).sweep(gateway.target)

    assert gateway.fake.calls == []
    assert await still_open(gateway) == [OperationState.OPEN]


@pytest.mark.parametrize("standing", [OperationState.HELD, OperationState.DEAD])
async def test_what_waits_for_an_administrator_is_left_alone_and_keeps_its_people_busy(
    gateway, standing: OperationState
) -> None:
    await claimed(gateway, "ann@example.com", "00u1")
    (operation,) = await gateway.services.operations.open("phonebook", ())
    await gateway.services.operations.mark(operation, Transition(standing, "because"))
    await gateway.services.removals.trip("phonebook", "2026-11-22T00:00:00Z")
    gateway.clock[0] += 600

    await Recovery(gateway.services).sweep(gateway.target)
    with pytest.raises(Busy, match=f"an earlier change of this resource is {standing}: because"):
        await gateway.send("create", ANN)

    assert gateway.fake.calls == []
    assert await still_open(gateway) == [standing]


async def test_a_change_waits_only_for_what_concerns_its_own_kind(gateway) -> None:
    await claimed(gateway, "ann@example.com", "00u1", type=ResourceType.GROUP)

    begun = await gateway.services.operations.begin("phonebook", USER, KEYS)
    await Recovery(gateway.services).settle_doubt(gateway.target, begun.unsettled)

    assert gateway.fake.calls == []


async def test_a_change_is_busy_where_the_doubt_before_it_cannot_be_settled(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    gateway.fake.cut = Unreachable("refused")

    with pytest.raises(Busy, match="phonebook could not be reached"):
        await gateway.send("create", ANN)

    assert gateway.fake.writes == ["create"]


async def test_what_others_settled_in_the_meantime_is_not_settled_twice(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)
    operations = gateway.services.operations
    seen = await operations.open("phonebook", ())
    await swept(gateway)
    events = await gateway.events()

    for operation in seen:
        await Recovery(gateway.services)._resolve(gateway.target, operation, waited_for=True)

    assert await gateway.events() == events


async def test_what_is_sent_again_is_sent_in_the_name_of_the_request_it_came_from(
    gateway, monkeypatch
) -> None:
    names: list[str] = []
    change = FakeTarget.change

    async def noted(self: Any, *arguments: Any) -> Any:
        names.append(correlation_id.get())
        return await change(self, *arguments)

    await interrupted(gateway, "patch", PROMOTE, late=False)
    monkeypatch.setattr(FakeTarget, "change", noted)

    await swept(gateway)

    assert (names, correlation_id.get()) == (["cid-1"], "")


async def test_an_id_that_was_used_before_is_not_given_to_who_is_recovered(gateway) -> None:
    id = (await gateway.send("create", {"userName": "old"})).document["id"]
    await gateway.send("delete", id=id)
    gateway.fake.ids = iter([1])
    await interrupted(gateway, "create", ANN, late=True)

    await swept(gateway)

    (known,) = await gateway.services.resources.find("phonebook", USER, KEYS)
    assert (known.id != id, known.links["phonebook"].target_id) == (True, "t1")


async def test_no_line_of_the_log_names_anybody(gateway) -> None:
    await interrupted(gateway, "create", ANN, late=True)

    with capture_logs() as lines:
        await swept(gateway)

    assert [line["event"] for line in lines] == ["operation.recovered"]
    assert "ann" not in json.dumps(lines)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [(Silent("timed out"), 10.0), (Unreachable("refused"), 0.0)],
    ids=["silent", "refused"],
)
async def test_what_was_sent_again_without_an_answer_is_given_time_too(gateway, fault, pause: float) -> None:
    id = await interrupted(gateway, "patch", LEAVE, late=False)
    recovery = Recovery(gateway.services)
    gateway.clock[0] += 60
    gateway.fake.faults = [fault]
    await recovery.sweep(gateway.target)
    gateway.slept.clear()

    keys = (Key("id", str(id)),)
    begun = await gateway.services.operations.begin("phonebook", USER, keys)
    await recovery.settle_doubt(gateway.target, begun.unsettled)

    assert gateway.slept == [pause]
    assert gateway.fake.entries["t1"]["active"] is False
