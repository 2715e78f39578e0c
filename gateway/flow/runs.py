"""The long runs over a target, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.flow.change import Changes
from gateway.flow.model import Services, Target
from gateway.flow.passes import Lines
from gateway.flow.reconcile import Reconciliation
from gateway.flow.resync import Resync

RUNS: Final[Mapping[str, type[Reconciliation] | type[Resync]]] = {
    "reconcile": Reconciliation,  # its option: repair
    "resync": Resync,  # its option: changed
}


@dataclass(frozen=True, slots=True)
class Runs:
    """Starts them."""

    services: Services
    changes: Changes
    targets: Mapping[str, Target]

    def lines(self, run: str, target: str, *, option: bool) -> Lines:
        """Return the lines of a run; nothing is done before the first is asked for."""
        return RUNS[run](self.services, self.changes, self.targets[target], option).lines()
