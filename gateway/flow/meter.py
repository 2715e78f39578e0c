"""What the flow counts; who keeps the numbers is not its business."""

from typing import Protocol

from gateway.flow.journal_port import Outcome


class Meter(Protocol):
    """Counts. Every method returns at once and raises nothing."""

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Count one call to a target: what came of it, and how long it took."""

    def changed(self, target: str, outcome: Outcome) -> None:
        """Count what became of a change."""

    def alerted(self, alert: str, target: str) -> None:
        """Count an alert; `target` "" where it is about none."""


class Unmetered:
    """Counts nothing."""

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def changed(self, target: str, outcome: Outcome) -> None:
        """Nothing."""

    def alerted(self, alert: str, target: str) -> None:
        """Nothing."""
