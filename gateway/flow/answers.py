"""What the provider is told when a target did not do as asked (DESIGN section 7). Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import BadTarget, Busy, GatewayError, InvalidValue, Uniqueness
from gateway.flow.target_port import (
    CannotFilter,
    Conflict,
    Contradiction,
    Denied,
    Missing,
    Nonsense,
    Paused,
    Refused,
    TargetError,
    Throttled,
)

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
