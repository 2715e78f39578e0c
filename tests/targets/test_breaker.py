"""A target that is sick is left alone, asked by one probe at a time, and called again once it answers."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.target_port import (
    Broken,
    CannotFilter,
    Conflict,
    Denied,
    Errand,
    Late,
    Missing,
    Nonsense,
    Query,
    Refused,
    ResourceType,
    Sick,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
    Urgency,
    errand,
)
from gateway.targets.breaker import BreakerState, CallCount, RetryBudget
from gateway.targets.gate import Gate
from gateway.targets.lanes import Lanes
from tests.support.virtual import run

USER: Final = ResourceType.USER
CLOSED, OPEN, HALF_OPEN = BreakerState
DOWN: Final = Unreachable("refused")


@dataclass
class Patient:
    """A target that is well unless it is said how it fails; what is asked of it is remembered."""

    fault: BaseException | None = None
    asked: list[str] = field(default_factory=list)
    hangs: asyncio.Event | None = None

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> None:
        await self._answer("get")

    async def query(self, kind: ResourceType, query: Query) -> None:
        await self._answer("query")

    async def has_groups(self) -> bool:
        await self._answer("has_groups")
        return False

    create = change = get

    async def _answer(self, name: str) -> None:
        self.asked.append(name)
        if self.hangs is not None:
            await self.hangs.wait()
        if self.fault is not None:
            raise self.fault


@dataclass
class Ward:
    """A gate before a patient, on a clock that moves when it is told to."""

    chance: float = 0.0  # 0: the shortest pauses
    lanes: Lanes | None = None
    now: float = 1000.0
    patient: Patient = field(default_factory=Patient)
    heard: list[str] = field(default_factory=list)
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(self.patient, "book", self, self.lanes, lambda: self.now, lambda: self.chance)

    def admit(self, target: str) -> None: ...

    def called(self, target: str, seconds: float, error: TargetError | None) -> None: ...

    def opened(self, target: str, reason: str) -> None:
        self.heard.append(f"{target} opened: {reason}")

    def closed(self, target: str) -> None:
        self.heard.append(f"{target} closed")

    async def call(self, *faults: BaseException | None) -> list[BaseException | None]:
        """Make a call for each, which fails so; return what was raised."""
        raised = []
        for fault in faults:
            self.patient.fault = fault
            try:
                await self.gate.query(USER, Query())
            except (TargetError, asyncio.CancelledError) as error:
                raised.append(error)
            else:
                raised.append(None)
        return raised

    async def opens(self) -> "Ward":
        """Return it once the target has fallen ill."""
        await self.call(*[DOWN] * 5)
        assert self.state is OPEN
        self.patient.asked.clear()
        return self

    @property
    def state(self) -> BreakerState:
        return self.gate.breaker.state


NOT_THERE: Final = [
    Unreachable("refused"),
    Silent("timed out"),
    *(Broken("oops", status) for status in (408, 502, 503, 504, 520, 524)),
]
ANSWERS: Final = [
    Refused("no", 400),
    Conflict("no", 409),
    Missing("no", 404),
    CannotFilter("no", 400),
    Denied("no", 401),
    Throttled("slow", 429),
    Broken("oops", 500),
    Broken("oops", 501),
    Nonsense("a page", 200),
]


def named(error: TargetError) -> str:
    return f"{type(error).__name__} {error.status or ''}".strip()


@pytest.mark.parametrize("fault", NOT_THERE, ids=named)
async def test_five_calls_in_a_row_that_are_not_answered_open_it(fault: TargetError) -> None:
    ward = Ward()

    await ward.call(*[fault] * 4)
    before = ward.state
    await ward.call(fault)

    assert (before, ward.state) == (CLOSED, OPEN)
    assert ward.heard == [f"book opened: {named(fault).lower()}"]


@pytest.mark.parametrize("fault", ANSWERS, ids=named)
async def test_what_the_target_itself_answers_never_opens_it(fault: TargetError) -> None:
    ward = Ward()

    await ward.call(*[DOWN] * 4, fault, *[DOWN] * 4, fault, *[fault] * 20)

    assert (ward.state, ward.heard) == (CLOSED, [])


async def test_failures_with_an_answer_between_them_open_it_where_they_are_half_of_the_last_ten_seconds() -> (
    None
):
    ward = Ward()

    await ward.call(*[None, None, DOWN, DOWN] * 4, None, None)
    before = ward.state
    await ward.call(DOWN, DOWN)

    assert (before, ward.state) == (CLOSED, OPEN)


async def test_fewer_than_half_do_not_open_it() -> None:
    ward = Ward()

    await ward.call(*[None, None, DOWN] * 40)

    assert ward.state is CLOSED


async def test_failures_of_long_ago_do_not_count() -> None:
    ward = Ward()
    await ward.call(*[None, DOWN] * 9)

    ward.now += 20.0
    await ward.call(DOWN, DOWN)

    assert ward.state is CLOSED


async def test_while_it_is_open_nothing_is_sent_and_everybody_hears_when_to_come_again() -> None:
    ward = await Ward().opens()
    ward.now += 2.0

    found = await ward.call(None, None)

    assert ward.patient.asked == []
    assert [(type(error), error.retry_after) for error in found] == [(Sick, 3.0)] * 2


async def test_a_target_that_is_sick_is_not_asked_for_groups_and_what_it_said_last_holds() -> None:
    ward = Ward()
    first = await ward.gate.has_groups()
    await ward.opens()

    assert (first, await ward.gate.has_groups(), ward.patient.asked) == (False, False, [])


async def test_a_question_for_groups_is_no_probe() -> None:
    ward = await Ward().opens()
    ward.now += 5.0

    await ward.gate.has_groups()

    assert (ward.patient.asked, ward.state) == ([], OPEN)


async def test_as_many_wait_for_a_target_to_say_whether_it_has_groups_as_calls_may_be_under_way() -> None:
    ward = Ward(lanes=Lanes(2))
    ward.patient.hangs = asyncio.Event()
    first = [asyncio.create_task(ward.gate.has_groups()) for _ in range(2)]
    await asyncio.sleep(0)

    async with asyncio.timeout(1.0):
        crowd = [await ward.gate.has_groups() for _ in range(9)]
    ward.patient.hangs.set()

    assert crowd == [True] * 9  # as it is believed to until it says no
    assert [await task for task in first] == [False] * 2
    assert (await ward.gate.has_groups(), len(ward.patient.asked)) == (False, 3)


async def test_nobody_waits_longer_than_they_have_time_for_a_target_to_say_whether_it_has_groups() -> None:
    ward = Ward()
    ward.patient.hangs = asyncio.Event()
    token = errand.set(Errand(ends=ward.now + 0.05))

    async with asyncio.timeout(5.0):
        believed = await ward.gate.has_groups()
    errand.reset(token)

    assert (believed, ward.patient.asked) == (True, ["has_groups"])


async def test_after_the_pause_the_first_call_asks_whether_it_is_well_and_goes_on() -> None:
    ward = await Ward().opens()
    ward.now += 5.0

    assert await ward.call(None) == [None]
    assert (ward.patient.asked, ward.state) == (["get", "query"], CLOSED)
    assert ward.heard == ["book opened: unreachable", "book closed"]


@pytest.mark.parametrize("answer", ANSWERS, ids=named)
async def test_any_answer_to_the_probe_says_that_it_is_well(answer: TargetError) -> None:
    ward = await Ward().opens()
    ward.now += 5.0

    await ward.call(answer)

    assert (ward.state, ward.heard[-1]) == (CLOSED, "book closed")


@pytest.mark.parametrize("fault", NOT_THERE, ids=named)
async def test_a_probe_that_is_not_answered_begins_a_longer_pause_and_nobody_is_told_again(
    fault: TargetError,
) -> None:
    ward = await Ward().opens()
    ward.now += 5.0

    (found,) = await ward.call(fault)

    assert (ward.patient.asked, ward.state, len(ward.heard)) == (["get"], OPEN, 1)
    assert (type(found), found.retry_after) == (Sick, 10.0)


@pytest.mark.parametrize(
    ("chance", "pauses"),
    [
        pytest.param(0.0, [5, 10, 20, 30, 30, 30], id="the shortest"),
        pytest.param(1.0, [10, 20, 40, 60, 60, 60], id="the longest"),
    ],
)
async def test_pauses_grow_from_five_to_sixty_seconds(chance: float, pauses: list[float]) -> None:
    ward = await Ward(chance).opens()
    found = []
    for _ in pauses:
        (refused,) = await ward.call(DOWN)
        found.append(refused.retry_after)
        ward.now += refused.retry_after
        await ward.call(DOWN)

    assert found == pauses


@pytest.mark.parametrize(("well", "pause"), [(60.0, 10.0), (300.0, 5.0)])
async def test_how_ill_it_was_is_forgotten_once_it_was_well_for_long(well: float, pause: float) -> None:
    ward = await Ward().opens()
    ward.now += 5.0
    await ward.call(None)
    ward.now += well

    await ward.opens()
    (found,) = await ward.call(None)

    assert found.retry_after == pause


async def test_while_the_probe_is_out_everybody_else_is_refused() -> None:
    ward = await Ward().opens()
    ward.now += 5.0
    ward.patient.fault, ward.patient.hangs = None, asyncio.Event()
    first = asyncio.create_task(ward.gate.query(USER, Query()))
    await asyncio.sleep(0)

    with pytest.raises(Sick):
        await ward.gate.query(USER, Query())

    assert (ward.state, ward.patient.asked) == (HALF_OPEN, ["get"])
    ward.patient.hangs.set()
    await first
    assert (ward.state, ward.patient.asked) == (CLOSED, ["get", "query"])


async def test_a_probe_that_is_given_up_lets_the_next_one_out() -> None:
    ward = await Ward().opens()
    ward.now += 5.0
    ward.patient.hangs = asyncio.Event()
    first = asyncio.create_task(ward.gate.query(USER, Query()))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    ward.patient.fault, ward.patient.hangs = None, None
    ward.now += 60.0
    await ward.call(None)

    assert ward.state is CLOSED


async def test_a_probe_takes_a_place_as_any_call_does() -> None:
    ward = await Ward(lanes=Lanes(1)).opens()
    ward.now += 5.0
    assert ward.lanes is not None
    await ward.lanes.take(Urgency.RUN)

    (found,) = await ward.call(None)
    asked = list(ward.patient.asked)
    ward.lanes.leave()

    assert (type(found), asked, await ward.call(None)) == (Sick, [], [None])


async def test_what_had_begun_before_it_was_well_again_says_nothing_of_it_now() -> None:
    ward = Ward()
    ward.patient.hangs = go = asyncio.Event()
    old = [asyncio.create_task(ward.gate.query(USER, Query())) for _ in range(9)]
    await asyncio.sleep(0)
    ward.patient.hangs = None
    await ward.opens()
    ward.now += 5.0
    await ward.call(None)

    ward.patient.fault = DOWN
    go.set()
    await asyncio.gather(*old, return_exceptions=True)

    assert ward.state is CLOSED


async def test_what_had_begun_before_it_was_well_again_is_no_part_of_the_share_that_fails() -> None:
    ward = Ward()
    ward.patient.hangs = asyncio.Event()
    slow = [asyncio.create_task(ward.call(Silent("timed out"))) for _ in range(30)]
    await asyncio.sleep(0)
    hangs, ward.patient.hangs = ward.patient.hangs, None
    await ward.opens()
    ward.now += 5.0
    await ward.call(None)
    ward.now += 1.0
    ward.patient.fault = Silent("timed out")
    hangs.set()
    await asyncio.gather(*slow)

    await ward.call(DOWN)

    assert ward.state is CLOSED


async def test_what_waits_for_its_turn_is_refused_at_once_when_it_opens() -> None:
    ward = Ward(lanes=Lanes(5))
    ward.patient.fault, ward.patient.hangs = DOWN, asyncio.Event()
    calls = [asyncio.create_task(ward.gate.query(USER, Query())) for _ in range(9)]
    await asyncio.sleep(0)

    ward.patient.hangs.set()
    found = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(error) for error in found] == [Unreachable] * 5 + [Sick] * 4
    assert len(ward.patient.asked) == 5


async def test_somebody_for_whom_work_waits_may_probe_before_the_pause_is_over() -> None:
    ward = await Ward(chance=1.0).opens()  # for ten seconds

    found = []
    for _ in range(4):
        ward.patient.fault = DOWN
        found.append((await ward.gate.probe(2.0), await ward.gate.probe(), len(ward.patient.asked)))
        ward.now += 1.0
    (refused,) = await ward.call(None)

    assert found == [(False, False, 0), (False, False, 0), (False, False, 1), (False, False, 1)]
    assert (ward.state, refused.retry_after) == (OPEN, 6.0)
    ward.patient.fault = None
    assert await ward.gate.probe(2.0)
    assert ward.state is CLOSED


async def test_without_traffic_it_is_found_well_by_whoever_probes_after_the_pause() -> None:
    ward = await Ward().opens()
    ward.patient.fault = None

    before = await ward.gate.probe()
    ward.now += 5.0

    assert (before, await ward.gate.probe(), ward.state) == (False, True, CLOSED)


ASKED: Final = [
    pytest.param(7.0, 7.0, id="seconds"),
    pytest.param(0.0, None, id="at once"),
    pytest.param(None, None, id="nothing"),
    pytest.param(1e9, 60.0, id="for ever"),
]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Throttled), (503, Sick)], ids=["slow down", "not available"]
)
@pytest.mark.parametrize(("asked", "left"), ASKED)
async def test_a_target_that_asks_to_be_left_alone_is_left_alone_by_all(
    asked: float | None, left: float | None, status: int, kind: type[TargetError]
) -> None:
    ward = Ward()
    await ward.call((Throttled if status == 429 else Broken)("not now", status, asked))

    (found,) = await ward.call(None)
    ward.now += left or 0.0
    (later,) = await ward.call(None)

    assert (type(found), getattr(found, "retry_after", None)) == (
        (kind, left) if left else (type(None), None)
    )
    assert (later, ward.state) == (None, CLOSED)


async def test_a_target_that_asks_to_be_left_alone_is_not_probed_before() -> None:
    ward = Ward()
    await ward.call(*[DOWN] * 4, Broken("not now", 503, 30.0))
    ward.now += 20.0

    early = await ward.gate.probe(1.0)
    (found,) = await ward.call(None)

    assert (early, type(found), found.retry_after, len(ward.patient.asked)) == (False, Sick, 10.0, 5)


async def test_no_call_begins_later_than_its_errand_has_time() -> None:
    ward = Ward()
    token = errand.set(Errand(latest=ward.now + 40.0))
    try:
        in_time = await ward.call(None)
        ward.now += 40.1
        (late,) = await ward.call(None)
    finally:
        errand.reset(token)

    assert (in_time, type(late), len(ward.patient.asked)) == ([None], Late, 1)


async def test_how_a_target_is_can_be_read() -> None:
    ward = Ward()
    well = ward.gate.health()
    await ward.opens()
    await ward.call(None, None)
    sick = ward.gate.health()

    assert (well.state, well.until, well.failures, well.refused) == (CLOSED, None, 0, {})
    assert (sick.state, sick.failures, sick.refused) == (OPEN, 5, {"sick": 2})
    assert sick.until is not None
    assert sick.since < sick.until


async def test_a_quiet_target_gets_ten_retries_a_minute() -> None:
    ward = Ward()

    found = [ward.gate.may_retry() for _ in range(12)]
    ward.now += 60.0

    assert (found, ward.gate.may_retry()) == ([True] * 10 + [False] * 2, True)


async def test_a_target_that_is_sick_gets_none() -> None:
    ward = await Ward().opens()

    assert not ward.gate.may_retry()


STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["call", "retry", "both"]), st.integers(0, 40).map(lambda n: n / 4)),
    max_size=300,
)


@given(STEPS)
def test_of_any_minute_a_fifth_of_the_calls_is_sent_again_at_most_or_ten(
    steps: list[tuple[str, float]],
) -> None:
    counted, now, calls, retries = CallCount(), 0.0, list[float](), list[float]()
    budget = RetryBudget(counted)
    for step, seconds in steps:
        now += seconds
        again = step == "retry" and budget.take(2, now)
        made = {"call": 1, "retry": 2 * again, "both": 25}[step]
        for _ in range(made):
            if now >= counted.due:
                counted.marks.append((now, counted.calls, counted.failed))
                counted.due = now + 1.0
            counted.calls += 1
        (retries if again else calls).extend([now] * made)
        minute = [at for at in calls if at > now - 60.0]
        assert len([at for at in retries if at > now - 60.0]) <= max(10, 0.2 * len(minute)) or not again


EVENTS: Final = st.lists(
    st.tuples(
        st.integers(0, 60).map(lambda n: n / 4),  # seconds until it comes
        st.integers(0, 20).map(lambda n: n / 4),  # seconds that its answer takes
        st.booleans(),  # whether it is answered
    ),
    max_size=60,
)


@dataclass
class Fickle(Patient):
    """A target that counts how many probes, and how many calls in all, are in it at a time."""

    takes: float = 0.0
    inside: int = 0
    probes: int = 0
    most: int = 0
    most_probes: int = 0
    sent_while_open: int = 0
    gate: Gate | None = None

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> None:
        self.probes += 1
        self.most_probes = max(self.most_probes, self.probes)
        try:
            await self._answer("get")
        finally:
            self.probes -= 1

    async def query(self, kind: ResourceType, query: Query) -> None:
        assert self.gate is not None
        self.sent_while_open += self.gate.breaker.state is not CLOSED
        await super().query(kind, query)

    async def _answer(self, name: str) -> None:
        fault, self.inside = self.fault, self.inside + 1
        self.most = max(self.most, self.inside)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.inside -= 1
        if fault is not None:
            raise fault


@given(EVENTS, st.integers(1, 4))
def test_however_a_target_behaves_one_probe_is_out_at_most_and_nothing_goes_to_a_sick_one(
    events: list[tuple[float, float, bool]], concurrency: int
) -> None:
    async def play() -> Fickle:
        loop, fickle = asyncio.get_running_loop(), Fickle()
        fickle.gate = gate = Gate(fickle, "book", None, Lanes(concurrency), loop.time, lambda: 0.5)
        calls = []
        for seconds, takes, is_answered in events:
            await asyncio.sleep(seconds)
            fickle.takes, fickle.fault = takes, None if is_answered else DOWN
            calls.append(asyncio.create_task(gate.query(USER, Query())))
        await asyncio.gather(*calls, return_exceptions=True)
        fickle.takes, fickle.fault = 0.0, None
        await asyncio.sleep(61.0)
        assert await gate.probe()
        return fickle

    fickle = run(play())

    assert fickle.most_probes <= 1
    assert fickle.most <= concurrency
    assert fickle.sent_while_open == 0
