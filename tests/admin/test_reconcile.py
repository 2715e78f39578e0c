"""What differs between a target and the originals, told truly, and repaired where that is asked."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.reconcile import Finding, Reconciliation
from gateway.admin.runs import End
from gateway.errors import JournalUnavailable
from gateway.flow.change import Changes
from gateway.flow.journal_port import Intent, Key, State
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Broken, Conflict, Denied, Refused, ResourceType, TargetError
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.support.house import USER, FakeTarget, House
from tests.support.rules import make_rule

ANN: dict[str, Any] = {
    "userName": "ann@example.com",
    "externalId": "00u1",
    "title": "Agent",
    "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0123"}],
}
BOB = ANN | {"userName": "bob@example.com", "externalId": "00u2"}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
FOREIGN = {"id": "x9", "userName": "root", "active": True}


def phones(format: str = "e164") -> TargetMapping:
    via = [compile_transform({"name": "phone", "format": format}, {})]
    return TargetMapping([make_rule('phoneNumbers[type eq "work"].value', via=via)], region="GB")


async def reconciled(gateway: House, repair: bool = False) -> tuple[list[Finding], End]:
    changes = Changes(gateway.services, Recovery(gateway.services))
    run = Reconciliation(gateway.services, changes, gateway.target, repair)
    lines = [line async for line in run.lines()]
    return [line for line in lines if isinstance(line, Finding)], lines[-1]


def edit(gateway: House, **changes: Any) -> None:
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | changes


async def vanished(gateway: House) -> None:
    del gateway.fake.entries["t1"]


async def retitled(gateway: House) -> None:
    edit(gateway, title="Boss")


async def renumbered(gateway: House) -> None:
    edit(gateway, phoneNumbers=[{"type": "work", "value": "+442079460999"}])


async def switched_off(gateway: House) -> None:
    edit(gateway, active=False)


async def back_again(gateway: House) -> None:
    await gateway.send("patch", LEAVE, "t1")
    edit(gateway, active=True)


async def never_left(gateway: House) -> None:
    gateway.fake.deaf = True
    await gateway.send("patch", LEAVE, "t1")
    gateway.fake.deaf = False


class DeafTarget(FakeTarget):
    """Says yes to a deactivation, and shows the person as active all the same."""

    deaf = False

    async def change(self, kind: ResourceType, id: str, update: Any) -> Any:
        if self.deaf:
            update = replace(update, wanted=update.wanted | {"active": True})
        return await super().change(kind, id, update)


DIFFERENCES = [
    pytest.param(vanished, ("missing", None, None, None), id="no entry"),
    pytest.param(retitled, ("changed", "title", "Agent", "Boss"), id="edited there"),
    pytest.param(
        renumbered,
        ("changed", 'phoneNumbers[type eq "work"].value', "+44 20 7946 0123", "+442079460999"),
        id="edited behind a rule",
    ),
    pytest.param(switched_off, ("changed", "active", True, False), id="switched off there"),
    pytest.param(back_again, ("still_active", None, None, None), id="switched on there"),
    pytest.param(never_left, ("still_active", None, None, None), id="never switched off"),
]


@pytest.fixture
async def gateway(house) -> House:
    """A house with Ann in it, the target's t1."""
    made = house(phones(), DeafTarget())
    await made.send("create", ANN)
    return made


async def test_nothing_is_found_where_nothing_differs(gateway) -> None:
    gateway.fake.calls.clear()

    findings, end = await reconciled(gateway)

    assert (findings, end.verdict, end.people, end.counts) == ([], "well", 1, {})
    assert gateway.fake.calls == [("query", None)]


async def test_a_value_spelt_otherwise_by_the_target_is_no_finding(gateway) -> None:
    edit(gateway, phoneNumbers=[{"type": "work", "value": "+44 20 7946 0123"}])

    assert (await reconciled(gateway))[0] == []


@pytest.mark.parametrize(("happened", "found"), DIFFERENCES)
async def test_what_differs_is_told_and_left(gateway, happened, found) -> None:
    await happened(gateway)
    writes = list(gateway.fake.writes)

    (finding,), end = await reconciled(gateway)

    assert (finding.finding, finding.path, finding.ours, finding.theirs) == found
    assert (finding.user_name, finding.id, finding.outcome) == ("ann@example.com", "t1", None)
    assert (end.verdict, end.counts) == ("differs", {found[0]: 1})
    assert gateway.fake.writes == writes


@pytest.mark.parametrize(("happened", "found"), DIFFERENCES)
async def test_what_differs_is_repaired(gateway, happened, found) -> None:
    await happened(gateway)
    wanted = await gateway.services.resources.page("phonebook", USER, "", 9)

    (finding,), end = await reconciled(gateway, repair=True)

    (entry,) = gateway.fake.entries.values()
    assert (finding.outcome, end.verdict, end.counts) == ("applied", "well", {found[0]: 1, "repaired": 1})
    assert entry["active"] is wanted[0].original["active"]
    assert entry["title"] == "Agent"
    assert entry["phoneNumbers"][0]["value"] == "+442079460123"
    assert (await reconciled(gateway))[1].verdict == "well"


@pytest.mark.parametrize("on_missing", ["recreate", "error"])
async def test_a_missing_entry_is_made_again_under_the_same_id(house, on_missing: str) -> None:
    gateway = house(on_missing=on_missing)
    await gateway.send("create", ANN)
    await vanished(gateway)

    await reconciled(gateway, repair=True)

    assert list(gateway.fake.entries) == ["t2"]
    assert (await gateway.get("t1"))["userName"] == "ann@example.com"


async def test_an_entry_that_nobody_knows_is_listed_and_left_alone(gateway) -> None:
    gateway.fake.entries["x9"] = FOREIGN

    (finding,), end = await reconciled(gateway, repair=True)

    assert (finding.finding, finding.user_name, finding.id, finding.target_id) == (
        "unknown",
        "root",
        None,
        "x9",
    )
    assert (finding.reason, end.verdict) == ("left alone", "differs")
    assert gateway.fake.entries["x9"] == FOREIGN


async def test_an_entry_made_anew_by_hand_is_adopted_again(gateway) -> None:
    gateway.fake.entries["x9"] = gateway.fake.entries.pop("t1") | {"id": "x9"}

    findings, _ = await reconciled(gateway, repair=True)

    assert [finding.finding for finding in findings] == ["unknown", "missing"]
    assert list(gateway.fake.entries) == ["x9"]
    assert (await reconciled(gateway))[1].verdict == "well"


async def test_somebody_active_who_never_came_to_the_target_is_missing(gateway) -> None:
    known = (await gateway.services.resources.page("phonebook", USER, "", 9))[0]
    gateway.journal.store(replace(known, id="n1", original=BOB, links={}))

    (finding,), end = await reconciled(gateway, repair=True)

    assert (finding.finding, finding.target_id, finding.outcome) == ("missing", None, "applied")
    assert end.verdict == "well"
    assert (await gateway.get("n1"))["userName"] == "bob@example.com"


async def test_somebody_deleted_meanwhile_is_no_finding(gateway) -> None:
    read = gateway.services.resources.page

    async def read_and_delete(*asked: Any) -> Any:
        page = await read(*asked)
        if page:
            await gateway.send("delete", id="t1")
        return page

    await retitled(gateway)
    gateway.services.resources.page = read_and_delete

    assert (await reconciled(gateway, repair=True))[0] == []


async def test_protected_entries_are_never_shown_nor_touched(house) -> None:
    gateway = house(protect=predicate(parse_filter('title eq "Boss"')))
    await gateway.send("create", ANN)
    await retitled(gateway)
    gateway.fake.entries["x9"] = FOREIGN | {"title": "Boss"}

    findings, end = await reconciled(gateway, repair=True)

    assert (findings, end.verdict) == ([], "well")
    assert gateway.fake.writes == ["create"]


async def test_an_entry_protected_since_its_page_was_read_is_left_alone(house) -> None:
    class Moving(FakeTarget):
        async def get(self, kind: ResourceType, id: str) -> Any:
            entry = await super().get(kind, id)
            return entry and entry | {"nickName": "kept"}

    gateway = house(fake=Moving(), protect=predicate(parse_filter('nickName eq "kept"')))
    await gateway.send("create", ANN)
    await retitled(gateway)

    assert (await reconciled(gateway, repair=True))[0] == []


async def test_a_rule_that_changed_is_left_to_resync(gateway) -> None:
    gateway.target = replace(gateway.target, mapping=phones("e164_digits"))

    (finding,), end = await reconciled(gateway, repair=True)

    assert (finding.finding, finding.theirs, finding.ours) == ("differs", "+442079460123", "442079460123")
    assert (finding.outcome, end.verdict) == (None, "differs")
    assert "resync" in finding.reason
    assert gateway.fake.writes == ["create"]


async def test_nobody_is_missing_whom_the_target_need_not_have(house) -> None:
    gateway = house(on_deactivate="delete")
    await gateway.send("create", ANN)
    await gateway.send("patch", LEAVE, "t1")
    await gateway.send("create", BOB)
    await gateway.send("delete", id="t2")

    assert (await reconciled(gateway))[0] == []


async def test_somebody_whose_change_is_not_settled_is_counted_only(gateway) -> None:
    await vanished(gateway)
    gateway.fake.entries["x9"] = FOREIGN
    for key in (Key("id", "t1"), Key("name", "root")):
        intent = Intent(
            str(key), "phonebook", "phonebook", USER, "change", (key,), "", None, {}, {}, State.ACTIVE, ""
        )
        await gateway.services.operations.claim(intent)

    findings, end = await reconciled(gateway, repair=True)

    assert (findings, end.counts) == ([], {"unsettled": 2})


async def test_a_deactivation_by_repair_counts_as_a_removal(house) -> None:
    gateway = house(max_removals=(0, 3600.0))
    await gateway.send("create", ANN | {"active": False})
    edit(gateway, active=True)

    (finding,), end = await reconciled(gateway, repair=True)

    assert (finding.finding, finding.outcome) == ("still_active", "pending")
    assert "operations release" in finding.reason
    assert (end.verdict, end.counts["not_repaired"]) == ("differs", 1)
    assert gateway.fake.entries["t1"]["active"] is True


@pytest.mark.parametrize(
    ("fault", "outcome", "verdict"),
    [
        pytest.param(Refused("title is too long", 400), "rejected", "differs", id="the data"),
        pytest.param(Denied("no", 401), "deferred", "unreachable", id="our credentials"),
        pytest.param(Broken("oops", 500), "deferred", "unreachable", id="out of order"),
    ],
)
async def test_a_repair_that_fails_is_told(gateway, fault: TargetError, outcome: str, verdict: str) -> None:
    await retitled(gateway)
    gateway.fake.faults = [fault] * 5

    (finding,), end = await reconciled(gateway, repair=True)

    assert (finding.outcome, end.verdict) == (outcome, verdict)
    assert end.counts == {"changed": 1, "not_repaired": 1}


async def test_a_repair_keeps_what_the_provider_said_meanwhile(gateway) -> None:
    class Racing(Changes):
        async def handle(self, change: Any) -> Any:
            await gateway.send("replace", ANN | {"title": "Lead"}, "t1")
            return await super().handle(change)

    await renumbered(gateway)
    changes = Racing(gateway.services, Recovery(gateway.services))
    [line async for line in Reconciliation(gateway.services, changes, gateway.target, True).lines()]

    assert gateway.fake.entries["t1"]["title"] == "Lead"
    assert (await gateway.get("t1"))["title"] == "Lead"


async def test_a_repair_is_no_answer_that_the_provider_got(gateway) -> None:
    await retitled(gateway)

    await reconciled(gateway, repair=True)

    assert (await gateway.send("create", ANN)).status == 201


async def test_every_repair_leaves_its_event_and_the_run_one_more(gateway) -> None:
    await retitled(gateway)

    await reconciled(gateway, repair=True)

    repair, run = (await gateway.events())[-2:]
    assert (repair["event"], repair["target"]["id"], repair["outcome"]["result"]) == (
        "repair",
        "t1",
        "applied",
    )
    assert {"path": "title", "before": "Boss", "after": "Agent"}.items() <= repair["diff"][0].items()
    assert (run["event"], run["counts"], run["people"]) == ("reconcile", {"changed": 1, "repaired": 1}, 1)
    assert repair["actor"] == run["actor"] == {"type": "administrator", "name": None, "token": None}
    assert repair["correlation_id"] == run["correlation_id"]


async def with_a_stranger(gateway: House) -> None:
    gateway.fake.entries["x9"] = FOREIGN


@pytest.mark.parametrize("happened", [retitled, with_a_stranger])
async def test_a_journal_that_fails_ends_the_run(gateway, happened) -> None:
    async def fail(*_: Any) -> Any:
        raise JournalUnavailable("disk full")

    await happened(gateway)
    gateway.services.operations.open = fail

    with pytest.raises(JournalUnavailable):
        await reconciled(gateway)


async def test_a_conflict_in_a_repair_is_a_rejection(gateway) -> None:
    await vanished(gateway)
    gateway.fake.faults = [Conflict("exists", 409)]

    (finding,), _ = await reconciled(gateway, repair=True)

    assert finding.outcome == "rejected"


GROUP = ResourceType.GROUP


async def grouped(gateway: House, *ids: str, name: str = "Sales") -> str:
    body = {"displayName": name, "members": [{"value": id} for id in ids]}
    id: str = (await gateway.group("create", body)).document["id"]
    return id


def set_members(gateway: House, group: str, *ids: str) -> None:
    gateway.fake.groups[group]["members"] = [{"value": id} for id in ids]


async def lost_a_member(gateway: House, group: str) -> None:
    set_members(gateway, group)


async def lost_a_member_to_a_stranger(gateway: House, group: str) -> None:
    set_members(gateway, group, "alien")


async def renamed(gateway: House, group: str) -> None:
    gateway.fake.groups[group]["displayName"] = "Selling"


async def deleted(gateway: House, group: str) -> None:
    del gateway.fake.groups[group]


GONE = ("changed", "members", ["t1"], None)
STRANGER = ("unknown", "members", None, ["alien"])


@pytest.mark.parametrize(
    ("edited", "expected", "left"),
    [
        pytest.param(lost_a_member, [GONE], [], id="a member is not there"),
        pytest.param(lost_a_member_to_a_stranger, [GONE, STRANGER], ["alien"], id="somebody else is"),
        pytest.param(renamed, [("changed", "displayName", "Sales", "Selling")], [], id="another name"),
        pytest.param(deleted, [("missing", None, None, None)], [], id="no such group"),
    ],
)
async def test_what_differs_of_a_group_is_found_and_repaired(gateway, edited, expected, left) -> None:
    group = await grouped(gateway, "t1")
    await edited(gateway, group)

    findings, end = await reconciled(gateway)
    assert [(f.finding, f.path, f.ours, f.theirs) for f in findings] == expected
    assert {(f.user_name, f.id) for f in findings} == {("Sales", group)}
    assert (end.verdict, end.counts["groups"]) == ("differs", 1)

    repaired, _ = await reconciled(gateway, repair=True)
    assert [f.outcome for f in repaired] == ["applied"] + [None] * (len(expected) - 1)
    (there,) = gateway.fake.groups
    assert gateway.fake.groups[there]["displayName"] == "Sales"
    assert sorted(gateway.fake.members(there)) == sorted(["t1", *left])
    assert [f.finding for f in (await reconciled(gateway))[0]] == ["unknown"] * len(left)


async def test_a_group_with_whom_all_is_well_is_no_finding(gateway) -> None:
    await grouped(gateway, "t1", "nobody")

    findings, end = await reconciled(gateway)

    assert (findings, end.verdict, end.counts) == ([], "well", {"groups": 1})


class Discreet(DeafTarget):
    """Shows nobody's members, or only once it has shown somebody's; and it may forget who is told."""

    shows = False
    forgets = False

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Any:
        entry = await super().get(kind, id, members=members)
        if kind is not GROUP or not members or entry is None:
            return entry
        self.shows = self.shows or (entry["displayName"] == "Shown" and bool(entry.get("members")))
        return entry if self.shows else entry | {"members": None}

    async def change(self, kind: ResourceType, id: str, update: Any) -> Any:
        if self.forgets:
            update = replace(update, members=replace(update.members, add=()))
        return await super().change(kind, id, update)


async def test_a_target_that_shows_nobodys_members_is_named_once_and_told_again_by_a_repair(
    house,
) -> None:
    gateway = house(phones(), Discreet())
    await gateway.send("create", ANN)
    gateway.fake.forgets = True
    groups = [await grouped(gateway, "t1", name=name) for name in ("One", "Two")]
    gateway.fake.forgets = False

    findings, end = await reconciled(gateway)
    assert [(f.finding, f.path, f.user_name) for f in findings] == [("not_shown", "members", "One")]
    assert "shows nobody's members" in findings[0].reason
    assert end.verdict == "well"

    await reconciled(gateway, repair=True)
    assert [gateway.fake.members(group) for group in groups] == [["t1"], ["t1"]]


async def test_a_group_that_shows_nobody_where_another_shows_somebody_has_lost_its_members(house) -> None:
    gateway = house(phones(), Discreet())
    await gateway.send("create", ANN)
    gateway.fake.forgets = True
    lost = await grouped(gateway, "t1", name="Lost")
    gateway.fake.forgets = False
    await grouped(gateway, "t1", name="Shown")

    findings, _ = await reconciled(gateway, repair=True)

    assert [(f.finding, f.id, f.ours, f.outcome) for f in findings] == [("changed", lost, ["t1"], "applied")]
    assert gateway.fake.members(lost) == ["t1"]
