"""What a target's failure means: what the provider is told, and when it is tried again. Pure."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from gateway.audit.masking import blotted
from gateway.errors import BadTarget, Busy, GatewayError, InvalidValue, Uniqueness
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
from gateway.values import frozen

RETRY_AFTER: Final = 30.0  # seconds, where the target does not say


def answer_to_change(target: str, error: TargetError, quotes: Iterable[Any] = ()) -> GatewayError:
    """Return what a provider hears of a change that failed: busy, unless its data are at fault.

    `quotes` are the documents whose values the target may have repeated.
    """
    return _of(_TO_CHANGES, target, error, quotes)


def answer_to_read(target: str, error: TargetError, quotes: Iterable[Any] = ()) -> GatewayError:
    """Return what a provider hears of a read that failed; `quotes` as in `answer_to_change`."""
    return _of(_TO_READS, target, error, quotes)


Row = tuple[type[GatewayError], str]  # what is answered, and its words


def _of(
    table: Mapping[type[TargetError], Row], target: str, error: TargetError, quotes: Iterable[Any]
) -> GatewayError:
    kind, words = table.get(type(error), _SILENT)
    answered = f"answered {error.status}" if error.status else "could not do it"
    detail = words.format(target=target, answered=answered)
    told = f"{detail}: {blotted(error.reason, quotes)}" if isinstance(error, _ABOUT_DATA) else detail
    if issubclass(kind, Busy):
        status = 429 if isinstance(error, Throttled) else None
        answer: GatewayError = kind(told, error.retry_after or RETRY_AFTER, status)
    else:
        answer = kind(told)
    answer.verbatim = f"{detail}: {error.reason}"
    return answer


_ABOUT_DATA: Final = (Refused, CannotFilter, Conflict, Contradiction)  # whose reasons a provider can act on
_SILENT: Final[Row] = (Busy, "{target} could not be reached or did not answer in time")
_TO_CHANGES: Final[Mapping[type[TargetError], Row]] = {
    Refused: (InvalidValue, "{target} refused the change"),
    CannotFilter: (InvalidValue, "{target} refused the change"),
    Conflict: (Uniqueness, "{target} holds such an entry already"),
    Missing: (Busy, "{target} gave an answer that the gateway does not understand"),
    Denied: (
        Busy,
        "{target} does not accept the gateway's credentials; its administrator has been alerted",
    ),
    Throttled: (Busy, "{target} asks to slow down"),
    Paused: (Busy, "an administrator has paused {target}: no change is sent until it is resumed"),
    Sick: (Busy, "{target} does not answer, so nothing is sent to it until it is well again"),
    Crowded: (Busy, "too many calls to {target} wait for their turn"),
    Broken: (Busy, "{target} {answered}"),
    Nonsense: (Busy, "{target} gave an answer that the gateway does not understand"),
    Contradiction: (Busy, "{target} contradicts itself"),
}
_TO_READS: Final[Mapping[type[TargetError], Row]] = {
    **_TO_CHANGES,
    Refused: (InvalidValue, "{target} refused to be read"),
    CannotFilter: (InvalidValue, "{target} refused to be read"),
    Denied: (BadTarget, "{target} does not accept the gateway's credentials (targets.{target}.auth)"),
    Missing: (BadTarget, "{target} gave an answer that the gateway does not understand"),
    Nonsense: (BadTarget, "{target} gave an answer that the gateway does not understand"),
    Contradiction: (BadTarget, "{target} contradicts itself"),
}


def crowded(target: str, seconds: float) -> Busy:
    """Return what a provider hears where too many requests are in progress: to come again so much later."""
    return Busy(f"too many requests for {target} are in progress", seconds)


def not_yet(error: GatewayError) -> Busy:
    """Return what a newer change is told of an older one: never that its own data are at fault."""
    if isinstance(error, Busy):
        return error
    return Busy(f"an earlier change of this resource is not settled yet: {error.detail}")


GAVE_UP: Final = frozenset({408, 502, 504, *range(520, 525)})  # somebody on the way no longer waits
_WORTH_ANOTHER = (Broken, Silent, Unreachable)
_NOT_THERE: Final = GAVE_UP | {HTTPStatus.SERVICE_UNAVAILABLE}


def is_unavailable(error: TargetError) -> bool:
    """Say whether a failure means that the target is not there: it gave no answer of its own."""
    is_broken = isinstance(error, Broken) and error.status in _NOT_THERE
    return is_broken or isinstance(error, (Silent, Unreachable))


@frozen
class Retry:
    """The rule of one target: attempts in all, and the back-off in seconds."""

    attempts: int = 3
    base: float = 0.5
    ceiling: float = 10.0

    def pause(self, attempt: int, error: TargetError, left: float, chance: float = 1.0) -> float | None:
        """Return the seconds to wait after `attempt` (from 1), None for no further one.

        `left` are the seconds in which it may begin. `chance`, from 0 to 1, is the share of the back-off:
        those who failed at once shall not come back at once.
        """
        if attempt >= self.attempts or not isinstance(error, _WORTH_ANOTHER):
            return None
        backoff = min(self.base * 2.0 ** (attempt - 1), self.ceiling)
        pause = error.retry_after if error.retry_after is not None else backoff * chance
        return pause if pause < left else None

    def quiet(self, error: TargetError, settle: float) -> float:
        """Return the seconds after which a request that got no answer can no longer take effect."""
        if isinstance(error, Silent) or error.status in GAVE_UP:
            return settle
        return 0.0


LONGEST_PAUSE: Final = 300.0  # seconds
OF_THE_TARGET: Final = (
    Broken,
    Contradiction,
    Crowded,
    Denied,
    Late,
    Nonsense,
    Paused,
    Sick,
    Silent,
    Throttled,
    Unreachable,
)

_OF_OURS: Final = (Crowded, Late, Sick)  # the time that these say is for who waits, and none of the target's


def is_of_the_target(error: Exception) -> bool:
    """Say whether a failure says nothing of the operation that met it: any other would have met it, too."""
    return isinstance(error, OF_THE_TARGET)


def may_be_of_the_data(error: TargetError) -> bool:
    """Say whether a target may mean what it was told: some answer 500, or a page, to any fault in it."""
    is_broken = isinstance(error, Broken) and error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    return is_broken or isinstance(error, (Refused, Conflict, Nonsense))


def back_off(attempts: int) -> float:
    """Return the seconds for which an operation rests that was tried so often."""
    return min(2.0 ** min(attempts, 9), LONGEST_PAUSE)


def try_again_in(attempts: int, error: Exception | None = None, settle: float = LONGEST_PAUSE) -> float:
    """Return the seconds until an operation is tried again on our own: not before the target asked for.

    Who asks a target that does not answer is soon there when it does. For a paused target that is at once:
    nothing is tried there until it is resumed.
    """
    if isinstance(error, Paused):
        return 0.0
    pause = back_off(attempts)
    if error is not None and is_of_the_target(error):
        pause = min(pause, settle / 2)
    is_ours = isinstance(error, _OF_OURS)
    asked = (error.retry_after or 0.0) if isinstance(error, TargetError) and not is_ours else 0.0
    return min(max(pause, asked), LONGEST_PAUSE)
