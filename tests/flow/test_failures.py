"""When there is another attempt, and after how long."""

import pytest

from gateway.errors import Busy, Uniqueness
from gateway.flow.failures import (
    Retry,
    answer_to_change,
    answer_to_read,
    is_of_the_target,
    try_again_in,
)
from gateway.flow.target_port import (
    Broken,
    CannotFilter,
    Conflict,
    Contradiction,
    Crowded,
    Denied,
    Late,
    Missing,
    Nonsense,
    Paused,
    Refused,
    Sick,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
)

RULE = Retry(attempts=4, base=0.5, ceiling=3.0)
DOWN = Unreachable("refused")


@pytest.mark.parametrize(
    ("attempt", "error", "left", "pause"),
    [
        pytest.param(1, DOWN, 50, 0.5, id="the first"),
        pytest.param(2, DOWN, 50, 1.0, id="twice as long"),
        pytest.param(3, DOWN, 50, 2.0, id="and again"),
        pytest.param(4, DOWN, 50, None, id="no more attempts"),
        pytest.param(1, DOWN, 0.5, None, id="no time left"),
        pytest.param(1, DOWN, 0.51, 0.5, id="just time left"),
        pytest.param(1, Broken("oops", 503, 7.0), 50, 7.0, id="as long as was asked"),
        pytest.param(1, Broken("oops", 503, 0.0), 50, 0.0, id="at once, as was asked"),
        pytest.param(1, Broken("oops", 503, 60.0), 50, None, id="longer than there is time"),
        pytest.param(1, Silent("timed out"), 50, 0.5, id="silence"),
    ],
)
def test_the_pause_before_another_attempt(
    attempt: int, error: TargetError, left: float, pause: float | None
) -> None:
    assert RULE.pause(attempt, error, left) == pause


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_a_pause_is_a_chance_share_of_the_back_off(chance: float, pause: float) -> None:
    assert RULE.pause(2, DOWN, 50, chance) == pause


def test_what_the_target_asks_for_is_left_to_no_chance() -> None:
    assert RULE.pause(1, Broken("oops", 503, 7.0), 50, 0.0) == 7.0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Sick("since noon", None, 12.0), "book does not answer"),
        (Crowded("too many", None, 12.0), "too many calls to book"),
        (Late("no time", None, 12.0), "book could not be reached or did not answer in time"),
    ],
    ids=["sick", "crowded", "late"],
)
@pytest.mark.parametrize("answer", [answer_to_change, answer_to_read])
def test_what_was_not_sent_is_busy_with_the_time_that_is_left(answer, error, words) -> None:
    busy = answer("book", error)

    assert isinstance(busy, Busy)
    assert (busy.retry_after, busy.status_for(503), busy.detail.startswith(words)) == (12.0, 503, True)


def test_no_pause_is_longer_than_the_ceiling() -> None:
    assert Retry(attempts=99, ceiling=3.0).pause(50, DOWN, 99) == 3.0


@pytest.mark.parametrize("kind", [Refused, Conflict, Missing, Denied, Throttled, Nonsense, TargetError])
def test_what_another_attempt_cannot_mend_gets_none(kind: type[TargetError]) -> None:
    assert RULE.pause(1, kind("no", 400), 50) is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(Silent("timed out"), 10.0, id="silence"),
        pytest.param(Broken("a proxy gave up", 504), 10.0, id="504"),
        pytest.param(Broken("a proxy lost it", 502), 10.0, id="502"),
        pytest.param(Broken("oops", 500), 0.0, id="500 is an answer"),
        pytest.param(Nonsense("HTML", 200), 0.0, id="nonsense is an answer"),
    ],
)
def test_only_a_request_without_an_answer_may_still_take_effect(error: TargetError, seconds: float) -> None:
    assert RULE.quiet(error, 10.0) == seconds


def test_what_nobody_waits_for_is_tried_again_ever_later_but_within_minutes() -> None:
    assert [try_again_in(attempts) for attempts in (1, 2, 3, 8, 9, 2000)] == [2, 4, 8, 256, 300, 300]


OF_THE_TARGET = [Silent, Unreachable, Broken, Throttled, Denied, Nonsense, Contradiction, Sick, Crowded, Late]


@pytest.mark.parametrize("kind", OF_THE_TARGET)
@pytest.mark.parametrize("attempts", [1, 9, 2000])
def test_what_met_a_target_that_does_not_answer_is_tried_within_half_of_settle(
    kind: type[TargetError], attempts: int
) -> None:
    assert try_again_in(attempts, kind("no"), 10.0) == min(2.0 * attempts, 5.0)


@pytest.mark.parametrize("kind", [Sick, Crowded, Late])
def test_how_long_a_provider_is_to_wait_is_no_time_for_what_is_tried_on_our_own(kind) -> None:
    assert try_again_in(9, kind("no", None, 60.0), 10.0) == 5.0


def test_nothing_is_tried_before_a_target_wants_to_be_asked() -> None:
    assert try_again_in(1, Throttled("slow", 429, 60.0), 10.0) == 60.0


@pytest.mark.parametrize("kind", [*OF_THE_TARGET, Paused])
def test_a_failure_of_the_target_says_nothing_of_the_operation(kind: type[TargetError]) -> None:
    assert is_of_the_target(kind("no"))


@pytest.mark.parametrize("kind", [Refused, Conflict, Missing, CannotFilter, Uniqueness, KeyError])
def test_a_refusal_is_of_the_operation_itself(kind: type[Exception]) -> None:
    assert not is_of_the_target(kind("no"))


def test_what_waits_for_a_paused_target_is_due_as_soon_as_it_is_resumed() -> None:
    assert try_again_in(9, Paused("by an administrator")) == 0
