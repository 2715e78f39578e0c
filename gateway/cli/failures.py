"""How a command ends that cannot do what it was asked: one sentence and an exit status."""

from enum import IntEnum

from gateway.errors import ConfigError, GatewayError, JournalUnavailable


class Status(IntEnum):
    """Exit statuses (DESIGN section 4)."""

    DONE = 0
    REFUSED = 1  # or differs
    WRONG = 2  # usage or configuration
    UNREACHABLE = 3  # a target or the journal


class Stop(Exception):
    """Ends a command; its text is for standard error."""

    def __init__(self, sentence: str, status: Status) -> None:
        super().__init__(sentence)
        self.status = status


def stop_of(error: Exception) -> Stop | None:
    """Return how a command ends with an error of ours; None for an error that is nobody's answer."""
    if isinstance(error, Stop):
        return error
    if isinstance(error, ConfigError):
        faults = "\n".join(f"{fault.path}: {fault.reason}" for fault in error.faults)
        return Stop(faults, Status.WRONG)
    known = (status for kind, status in _statuses().items() if isinstance(error, kind))
    status = next(known, None)
    return None if status is None else Stop(str(error), status)


def _statuses() -> dict[type[Exception], Status]:
    """Return what each kind of error means here, the special before the general."""
    from gateway.flow.target_port import TargetError
    from gateway.journal.store import JournalLocked
    from gateway.server.runner import CannotListen

    return {
        JournalUnavailable: Status.UNREACHABLE,
        JournalLocked: Status.UNREACHABLE,
        TargetError: Status.UNREACHABLE,
        CannotListen: Status.UNREACHABLE,
        GatewayError: Status.WRONG,
    }
