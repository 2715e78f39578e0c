"""Which targets are sick: in the trail each time, told to administrators once an illness, and its end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.admin.alerts import Alarms
from gateway.admin.sick import Illnesses
from gateway.admin.status import Counts
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import OperationState
from gateway.flow.services import ALERTS, Alert
from tests.admin.test_alerts import Mailbox, told
from tests.support.house import House

SICK_AT = "2026-11-22T00:00:00Z"
WAITING = {
    ("cx", OperationState.OPEN): 1,
    ("cx", OperationState.DOUBT): 2,
    ("cx", OperationState.PENDING): 4,
    ("cx", OperationState.HELD): 8,
    ("cx", OperationState.DEAD): 16,
    ("other", OperationState.OPEN): 32,
}


@dataclass
class Scene:
    """A gateway, and who listens to it."""

    house: House
    illnesses: Illnesses
    alerts: list[Alert]
    paused: dict[str, str]
    waiting: dict[tuple[str, str], int] = field(default_factory=lambda: dict(WAITING))

    async def passes(self, seconds: float) -> None:
        """Let time pass, with a look every five seconds."""
        end = self.house.clock[0] + seconds
        while self.house.clock[0] < end:
            self.house.clock[0] = min(self.house.clock[0] + 5, end)
            await self.illnesses.look()

    def told(self) -> list[tuple[str, str]]:
        """Return what administrators were told since the last time."""
        told = [(alert.name, alert.reason) for alert in self.alerts]
        self.alerts.clear()
        return told

    async def events(self) -> list[tuple[str, ...]]:
        return [
            (event["event"], event["target"]["name"], event["outcome"]["result"], event["outcome"]["reason"])
            for event in await self.house.events()
        ]


@pytest.fixture
def scene(house: Callable[..., House]) -> Scene:
    alerts: list[Alert] = []
    made = house()
    paused: dict[str, str] = {}
    services = replace(made.services, alarm=alerts.append, paused_since=paused.get)

    async def counts() -> Counts:
        return Counts(scene.waiting)

    scene = Scene(made, Illnesses(services, counts), alerts, paused)
    return scene


async def test_who_is_told_of_a_sick_target_hears_since_when_of_what_and_how_many_wait(scene: Scene) -> None:
    scene.illnesses.opened("cx", "broken 503")

    await scene.illnesses.look()

    reason = f"sick since {SICK_AT}, last failure: broken 503, changes that wait: 7"
    assert scene.told() == [("target.sick", reason)]
    (event,) = await scene.house.events()
    assert event["actor"] == {"type": "gateway", "name": "breaker", "token": None}
    assert await scene.events() == [("target.sick", "cx", "failed", "broken 503")]


async def test_one_message_tells_when_it_is_well_again_after_how_long_and_how_many_still_wait(scene) -> None:
    scene.illnesses.opened("cx", "silent")
    await scene.passes(130)
    scene.told()

    scene.illnesses.closed("cx")
    scene.waiting = {("cx", OperationState.PENDING): 3}
    await scene.passes(3600)

    assert scene.told() == [("target.well", "well after 2 min 10 s, changes that still wait: 3")]
    assert (await scene.events())[1:] == [("target.well", "cx", "applied", f"it was sick since {SICK_AT}")]


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        pytest.param(5, 1, id="at once"),
        pytest.param(895, 1, id="less than 15 minutes"),
        pytest.param(900, 2, id="15 minutes"),
        pytest.param(3600, 5, id="an hour"),
    ],
)
async def test_a_target_that_stays_sick_is_told_of_again_every_15_minutes(scene, seconds, times) -> None:
    scene.illnesses.opened("cx", "silent")
    await scene.illnesses.look()

    await scene.passes(seconds)

    told = scene.told()
    assert [name for name, _ in told] == ["target.sick"] * times
    assert all(f"sick since {SICK_AT}" in reason for _, reason in told)


async def test_who_has_paused_a_sick_target_is_not_told_of_it_again_until_it_is_resumed(scene) -> None:
    scene.illnesses.opened("cx", "silent")
    await scene.illnesses.look()
    scene.paused["cx"] = SICK_AT

    await scene.passes(3600)
    meanwhile = scene.told()
    scene.paused.clear()
    await scene.illnesses.look()

    assert [[name for name, _ in told] for told in (meanwhile, scene.told())] == [["target.sick"]] * 2


async def test_a_target_that_is_well_for_moments_is_one_illness_to_who_is_told_and_each_is_in_the_trail(
    scene: Scene,
) -> None:
    for n in range(10):
        scene.illnesses.opened("cx", f"silent {n}")
        await scene.passes(5)
        scene.illnesses.closed("cx")
        await scene.passes(55)
    await scene.passes(60)

    assert scene.told() == [
        ("target.sick", f"sick since {SICK_AT}, last failure: silent 0, changes that wait: 7"),
        ("target.well", "well after 9 min 5 s, changes that still wait: 7"),
    ]
    assert [name for name, *_ in await scene.events()] == ["target.sick", "target.well"] * 10


async def test_an_illness_after_another_is_told_of_too(scene: Scene) -> None:
    for _ in range(2):
        scene.illnesses.opened("cx", "silent")
        await scene.passes(5)
        scene.illnesses.closed("cx")
        await scene.passes(65)

    assert [name for name, _ in scene.told()] == ["target.sick", "target.well"] * 2


async def test_a_target_that_was_not_sick_does_not_get_well(scene: Scene) -> None:
    scene.illnesses.closed("cx")

    await scene.passes(120)

    assert (scene.told(), await scene.events()) == ([], [])


async def test_illnesses_are_told_while_the_journal_cannot_be_used_and_recorded_when_it_can(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise JournalUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(scene.house.journal.trail, "append", full)
        patched.setattr(scene.illnesses, "_counts", full)
        scene.illnesses.opened("cx", "silent")
        await scene.illnesses.look()
    before = await scene.events()
    await scene.illnesses.look()

    reason = f"sick since {SICK_AT}, last failure: silent, changes that wait: unknown"
    assert scene.told() == [("target.sick", reason)]
    assert (before, await scene.events()) == ([], [("target.sick", "cx", "failed", "silent")])


async def test_each_illness_is_sent_with_what_to_do_however_soon_it_follows_another(scene: Scene) -> None:
    mailbox = Mailbox()
    alarms = Alarms(scene.house.services, {"webhook": mailbox})
    scene.illnesses.opened("cx", "silent")
    await scene.illnesses.look()
    (alert,) = scene.alerts

    with capture_logs() as lines:
        for one in (alert, alert):
            alarms(one)
    await told(alarms)

    assert [message["advice"] for message in mailbox.messages] == [ALERTS["target.sick"]] * 2
    assert [line["log_level"] for line in lines] == ["error"] * 2


async def test_that_a_target_is_well_is_no_error_in_the_log(scene: Scene) -> None:
    scene.illnesses.opened("cx", "silent")
    await scene.passes(5)
    scene.illnesses.closed("cx")
    await scene.passes(60)

    with capture_logs() as lines:
        Alarms(scene.house.services, {})(scene.alerts[-1])

    assert [(line["event"], line["log_level"]) for line in lines] == [("target.well", "info")]


async def after_a_restart(scene: Scene) -> None:
    """Forget all but what was kept of an illness that was told."""
    scene.illnesses.opened("cx", "silent")
    await scene.illnesses.look()
    scene.told()
    scene.house.clock[0] += 600
    scene.illnesses = Illnesses(scene.illnesses._services, scene.illnesses._counts)
    scene.illnesses.remember("cx", f"{SICK_AT[:-1]}.000000Z", "silent")


async def test_that_a_target_is_well_is_told_by_the_next_process_too(scene: Scene) -> None:
    await after_a_restart(scene)
    await scene.passes(3600)
    meanwhile, unproven = scene.told(), set(scene.illnesses.unproven)

    scene.illnesses.closed("cx")
    await scene.passes(60)

    assert (meanwhile, unproven, scene.illnesses.unproven) == ([], {"cx"}, set())
    assert [name for name, _ in scene.told()] == ["target.well"]
    assert (await scene.events())[-1] == ("target.well", "cx", "applied", f"it was sick since {SICK_AT}")


async def test_a_target_that_is_still_sick_after_a_restart_is_the_same_illness(scene: Scene) -> None:
    await after_a_restart(scene)
    scene.illnesses.opened("cx", "broken 503")
    await scene.passes(300)
    soon = scene.told()
    await scene.passes(600)

    reason = f"sick since {SICK_AT}, last failure: broken 503, changes that wait: 7"
    assert (soon, scene.told()) == ([], [("target.sick", reason)])
