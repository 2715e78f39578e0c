"""What a target's failure means: what the provider is told, and when it is tried again. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import BadTarget, Busy, GatewayError, InvalidValue, Uniqueness
from gateway.flow.target_port import (
    Broken,
    CannotFilter,
    Conflict,
    Contradiction,
    Denied,
    Missing,
    Nonsense,
    Paused,
    Refused,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
)
from gateway.values import frozen

RETRY_AFTER: Final = 30.0  # seconds, where the target does not say


def answer_to_change(target: str, error: TargetError) -> GatewayError:
    """Return what a provider hears of a change that failed: busy, unless its data are at fault."""
    return _of(_TO_CHANGES, target, error)


def answer_to_read(target: str, error: TargetError) -> GatewayError:
    """Return what a provider hears of a read that failed."""
    return _of(_TO_READS, target, error)


def _of(
    table: Mapping[type[TargetError], Callable[[str, TargetError], GatewayError]],
    target: str,
    error: TargetError,
) -> GatewayError:
    return table.get(type(error), _busy)(target, error)


def _refused(target: str, error: TargetError) -> GatewayError:
    return InvalidValue(f"{target} refused the change: {error.reason}")


def _refused_read(target: str, error: TargetError) -> GatewayError:
    return InvalidValue(f"{target} refused to be read: {error.reason}")


def _exists(target: str, error: TargetError) -> GatewayError:
    return Uniqueness(f"{target} holds such an entry already: {error.reason}")


def _denied_change(target: str, error: TargetError) -> GatewayError:
    return Busy(f"{target} does not accept the gateway's credentials; its administrator has been alerted")


def _denied_read(target: str, error: TargetError) -> GatewayError:
    return BadTarget(f"{target} does not accept the gateway's credentials (targets.{target}.auth)")


def _throttled(target: str, error: TargetError) -> GatewayError:
    return Busy(f"{target} asks to slow down", error.retry_after or RETRY_AFTER, status=429)


def _paused(target: str, error: TargetError) -> GatewayError:
    return Busy(f"an administrator has paused {target}: no change is sent until it is resumed")


def _busy(target: str, error: TargetError) -> GatewayError:
    return Busy(f"{target} could not be reached or did not answer in time", error.retry_after or RETRY_AFTER)


def _nonsense_change(target: str, error: TargetError) -> GatewayError:
    return Busy(f"{target} gave an answer that is not SCIM")


def _nonsense_read(target: str, error: TargetError) -> GatewayError:
    return BadTarget(f"{target} gave an answer that is not SCIM")


def _contradiction(target: str, error: TargetError) -> GatewayError:
    return Busy(f"{target} contradicts itself: {error.reason}")


def _contradiction_read(target: str, error: TargetError) -> GatewayError:
    return BadTarget(f"{target} contradicts itself: {error.reason}")


_TO_CHANGES: Final = {
    Refused: _refused,
    CannotFilter: _refused,
    Conflict: _exists,
    Missing: _nonsense_change,
    Denied: _denied_change,
    Throttled: _throttled,
    Paused: _paused,
    Nonsense: _nonsense_change,
    Contradiction: _contradiction,
}
_TO_READS: Final = _TO_CHANGES | {
    Refused: _refused_read,
    CannotFilter: _refused_read,
    Denied: _denied_read,
    Missing: _nonsense_read,
    Nonsense: _nonsense_read,
    Contradiction: _contradiction_read,
}


GAVE_UP: Final = frozenset({408, 502, 504, *range(520, 525)})  # somebody on the way no longer waits
_WORTH_ANOTHER = (Broken, Silent, Unreachable)


@frozen
class Retry:
    """The rule of one target: attempts in all, and the back-off in seconds."""

    attempts: int = 3
    base: float = 0.5
    ceiling: float = 10.0

    def pause(self, attempt: int, error: TargetError, left: float) -> float | None:
        """Return the seconds to wait after `attempt` (from 1), None for no further one.

        `left` are the seconds to the deadline.
        """
        if attempt >= self.attempts or not isinstance(error, _WORTH_ANOTHER):
            return None
        backoff = min(self.base * 2.0 ** (attempt - 1), self.ceiling)
        pause = error.retry_after if error.retry_after is not None else backoff
        return pause if pause < left else None

    def quiet(self, error: TargetError, settle: float) -> float:
        """Return the seconds after which a request that got no answer can no longer take effect."""
        if isinstance(error, Silent) or error.status in GAVE_UP:
            return settle
        return 0.0


LONGEST_PAUSE: Final = 300.0  # seconds
OF_THE_TARGET: Final = (Broken, Contradiction, Denied, Nonsense, Paused, Silent, Throttled, Unreachable)


def is_of_the_target(error: Exception) -> bool:
    """Say whether a failure says nothing of the operation that met it: any other would have met it, too."""
    return isinstance(error, OF_THE_TARGET)


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
    asked = (error.retry_after or 0.0) if isinstance(error, TargetError) else 0.0
    return min(max(pause, asked), LONGEST_PAUSE)
