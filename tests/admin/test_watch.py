"""What the gateway sees by itself: what is so is told once, and that it is over."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import watch as watching
from gateway.admin.acts import Token
from gateway.admin.alerts import Alarms
from gateway.admin.status import Counts
from gateway.admin.watch import Limits, Sources, Watch
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import OperationState, Outcome
from gateway.flow.services import Alert, plus
from tests.admin.test_alerts import Mailbox, told
from tests.support.house import House

NOW = "2026-11-22T00:00:00.000000Z"
DAY = 86_400.0
GB = 1_000_000_000


@dataclass
class Scene:
    """A gateway, what it looks at, and who hears of it."""

    house: House
    tokens: list[Token] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    changes: dict[tuple[str, str], int] = field(default_factory=dict)
    free: int = 50 * GB
    size: int = 100 * GB
    steps: list[tuple[str | None, bool]] = field(default_factory=list)
    begun: int = 0
    fails: bool = False
    mailbox: Mailbox = field(default_factory=Mailbox)
    alarms: Alarms = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.house.services, {"webhook": self.mailbox})
        services = replace(self.house.services, alarm=self.alarms)
        sources: Any = Sources(self.counted, Listed(self), lambda: dict(self.changes), self, Path("x/y"))
        self.watch = Watch(services, self.alarms, sources)
        self.watch.limits, self.watch.providers = Limits(14 * DAY, 0.5), {"okta"}

    async def counted(self) -> Counts:
        if self.fails:
            raise JournalUnavailable("the disk is full")
        return self.counts

    async def step(self) -> tuple[str | None, bool]:
        if not self.steps:
            raise EOFError
        return self.steps.pop(0)

    def begin(self) -> None:
        self.begun += 1

    async def looks(self, times: int = 1) -> list[tuple[str, bool]]:
        """Look each minute, and return what was told, and whether as over."""
        for _ in range(times):
            self.house.clock[0] += 60
            await self.watch.look()
        return await self.heard()

    async def heard(self) -> list[tuple[str, bool]]:
        await told(self.alarms)
        found = [(message["alert"], message["resolved"]) for message in self.mailbox.messages]
        self.reasons = [message["reason"] for message in self.mailbox.messages]
        self.mailbox.messages.clear()
        return found


@dataclass
class Listed:
    """The tokens of a scene."""

    scene: Scene

    async def list(self) -> tuple[Token, ...]:
        return tuple(self.scene.tokens)


@pytest.fixture
def scene(house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(house())
    monkeypatch.setattr(watching, "room_at", lambda folder: (made.free, made.size))
    return made


async def test_where_all_is_well_nobody_hears_anything(scene: Scene) -> None:
    assert await scene.looks(100) == []


def token(days: float, life: float = 90, **more: Any) -> Token:
    """Return a token with so many days left of so many."""
    created, ends = plus(NOW, (days - life) * DAY), plus(NOW, days * DAY)
    return Token("tok_1", more.pop("provider", "okta"), "00", created, ends, **more)


@pytest.mark.parametrize(
    ("own", "is_told"),
    [
        pytest.param(token(13.9), True, id="near"),
        pytest.param(token(14.1), False, id="not near"),
        pytest.param(token(0.5, life=1), False, id="half of a short life left"),
        pytest.param(token(0.15, life=1), True, id="a short life nearly over"),
        pytest.param(token(13, revoked=NOW), False, id="revoked"),
        pytest.param(token(-1), False, id="over"),
        pytest.param(token(13, provider="gone"), False, id="of a provider that is not configured"),
        pytest.param(Token("tok_1", "okta", "00", NOW), False, id="without an end"),
    ],
)
async def test_a_token_whose_end_is_near_is_told(scene: Scene, own: Token, is_told: bool) -> None:
    scene.tokens = [own]

    assert await scene.looks(3) == [("token.expiring", False)] * is_told
    assert scene.reasons == [f"token tok_1 of okta ends at {str(own.expires)[:19]}Z"] * is_told


async def test_a_token_that_is_revoked_in_time_is_told_as_over(scene: Scene) -> None:
    scene.tokens = [token(13)]
    first = await scene.looks()
    scene.tokens = [replace(scene.tokens[0], revoked=NOW)]

    assert (first, await scene.looks(3)) == ([("token.expiring", False)], [("token.expiring", True)])
    assert scene.reasons[0].startswith(
        "it is so no more; since 2026-11-22T00:01:00Z it was: token tok_1 of okta"
    )


async def test_a_full_disk_is_told_and_its_end_once_there_is_clearly_room(scene: Scene) -> None:
    scene.free = GB
    low = await scene.looks(3)
    said = scene.reasons
    scene.free = int(1.1 * 1024**3)
    still = await scene.looks(3)
    scene.free = 2 * GB

    assert (low, said) == ([("disk.low", False)], ["1,000 MB are left of 100,000 MB"])
    assert (still, await scene.looks(3)) == ([], [("disk.low", True)])


async def test_of_a_small_disk_a_tenth_is_enough(scene: Scene) -> None:
    scene.size, scene.free = 2 * GB, GB // 4

    assert await scene.looks() == []


async def test_what_cannot_be_seen_stays_as_it_was_said(scene: Scene, monkeypatch) -> None:
    def unseen(folder: Path) -> tuple[int, int]:
        raise OSError

    scene.free, scene.tokens = GB, [token(13)]
    await scene.looks()
    scene.fails = True
    monkeypatch.setattr(watching, "room_at", unseen)

    assert await scene.looks(3) == []


def changed(scene: Scene, **counts: int) -> None:
    for outcome, count in counts.items():
        scene.changes["cx", outcome] = scene.changes.get(("cx", outcome), 0) + count


@pytest.mark.parametrize(
    ("counts", "reasons"),
    [
        pytest.param(
            {"applied": 9, "rejected": 11},
            ["11 of 20 changes were refused or failed within 15 minutes"],
            id="more than half",
        ),
        pytest.param({"applied": 10, "rejected": 5, "failed": 5}, [], id="half"),
        pytest.param({"rejected": 19}, [], id="few"),
        pytest.param({"applied": 500, "rejected": 100}, [], id="a sixth"),
    ],
)
async def test_refusals_above_a_share_are_told(scene: Scene, counts, reasons) -> None:
    scene.changes |= {("cx", str(outcome)): 1000 for outcome in Outcome}
    await scene.looks(20)
    changed(scene, **counts)

    await scene.looks(3)

    assert scene.reasons == reasons


async def test_refusals_are_over_once_they_are_a_quarter_of_an_hour_ago(scene: Scene) -> None:
    changed(scene, rejected=40)
    first = await scene.looks()

    assert (first, await scene.looks(14)) == ([("changes.refused", False)], [])
    assert await scene.looks(2) == [("changes.refused", True)]


async def test_the_end_of_what_others_have_told_is_told(scene: Scene) -> None:
    scene.counts = Counts({("cx", OperationState.DEAD): 1}, {"cx": NOW})
    scene.alarms(Alert("operation.dead", "cx", "tried ten times"))
    scene.alarms(Alert("removals.held", "cx", "more than 50"))
    at_first = await scene.looks(3)
    scene.counts = Counts({("cx", OperationState.DEAD): 0})

    assert at_first == [("operation.dead", False), ("removals.held", False)]
    assert sorted(await scene.looks(3)) == [("operation.dead", True), ("removals.held", True)]


@pytest.mark.parametrize(("name", "minutes"), [("auth.failing", 15), ("token.over", 60)])
async def test_what_was_not_so_for_a_while_is_over(scene: Scene, name: str, minutes: int) -> None:
    scene.alarms(Alert(name, None, "so it was", about="192.0.2.1"))
    await scene.looks(10)
    scene.alarms(Alert(name, None, "so it was", about="192.0.2.1"))

    assert await scene.looks(minutes - 1) == []
    assert await scene.looks() == [(name, True)]


async def test_a_trail_that_is_broken_is_told_once_and_again_whole_where_it_is(scene: Scene) -> None:
    fault = "event 7 was changed"
    scene.steps = [(None, False), (fault, True), (None, False), (fault, True), (None, True)]
    with pytest.raises(EOFError):
        await scene.watch.walk()

    assert await scene.heard() == [("trail.broken", False), ("trail.broken", True)]
    assert scene.house.slept == [60.0, 0.5, 60.0, 0.5, 60.0, 60.0]
    assert scene.begun == 2
    assert [event["event"] for event in await scene.house.events()] == ["trail.broken"] * 2


async def test_the_trail_is_gone_through_again_each_day(scene: Scene, monkeypatch) -> None:
    async def sleep(seconds: float) -> None:
        scene.house.clock[0] += 30_000

    scene.steps = [(None, True)] * 6
    scene.watch._services = replace(scene.watch._services, sleep=sleep)
    with pytest.raises(EOFError):
        await scene.watch.walk()

    assert scene.begun == 2


async def test_a_journal_that_cannot_be_written_raises_the_alarm_until_it_can(scene: Scene) -> None:
    reasons = iter([None, "the disk is full", "the disk is full", None, None])

    async def health() -> str | None:
        return next(reasons)

    with pytest.raises(RuntimeError, match="StopIteration"):
        await scene.watch.watch_journal(health)

    assert await scene.heard() == [("journal.unwritable", False), ("journal.unwritable", True)]
    said = "the journal can be written again; since 2026-11-22T00:00:05Z it was: the disk is full"
    assert scene.reasons[1] == said


def test_the_room_of_a_file_system_is_what_the_gateway_may_take(tmp_path: Path) -> None:
    free, size = watching.room_at(tmp_path)

    assert 0 < free <= size
