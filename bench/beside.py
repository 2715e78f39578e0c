"""Measures the gateway and the bare pass-through in turn, in one run, and takes the median of the rounds."""

from dataclasses import dataclass
from typing import Final

from bench.cases import CASES
from bench.processes import Process
from bench.stats import middle, percentile, rounded
from bench.world import Bare, Load, World

WARM: Final = 0.3  # of a round's time
FIRST: Final = 30  # requests, by which it is seen how long one takes
LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 1.0  # of one side in one round, as far as the case allows


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one side."""

    cpu: float  # seconds of a request
    rate: float  # requests a second
    each: list[float]  # seconds


class Side:
    """One of the two."""

    def __init__(self, process: Process, load: Load, pace: Pace, most: int) -> None:
        self._process = process
        self._load = load
        self._most = most
        self.rounds: list[Round] = []
        first = self._round(FIRST)
        self.count = self._fitting(first.rate * pace.seconds * WARM)
        self.count = self._fitting(self._round(self.count).rate * pace.seconds)

    def go(self) -> None:
        """Measure one round."""
        self.rounds.append(self._round(self.count))

    def row(self, prefix: str) -> dict[str, float]:
        """Return what the rounds come to."""
        each = [seconds for one in self.rounds for seconds in one.each]
        return {
            f"{prefix}_us": middle([one.cpu * 1e6 for one in self.rounds]),
            f"{prefix}_rate": middle([one.rate for one in self.rounds]),
            f"{prefix}_p50": rounded(percentile(each, 0.5) * 1e3),
            f"{prefix}_p99": rounded(percentile(each, 0.99) * 1e3),
        }

    def _fitting(self, count: float) -> int:
        return int(min(max(count, LEAST), self._most))

    def _round(self, count: int) -> Round:
        self._load.ready(count)
        before = self._process.cpu()
        told = self._load.run(count)
        return Round((self._process.cpu() - before) / count, count / told.seconds, told.each)


def beside(world: World, other: Bare, case: str, connections: int, pace: Pace) -> dict[str, float]:
    """Measure one case; the ratio is the CPU of the pass-through divided by the gateway's."""
    most = CASES[case].most
    through, past = world.load(case, connections), other.load(case, connections)
    try:
        gateway = Side(world.gateway, through, pace, most)
        bare = Side(other.process, past, pace, most)
        for _ in range(pace.rounds):
            bare.go()
            gateway.go()
    finally:
        through.end()
        past.end()
    ours, theirs = gateway.row("gateway"), bare.row("bare")
    return {"ratio": rounded(theirs["bare_us"] / ours["gateway_us"]), **ours, **theirs}


def alone(world: World, case: str, connections: int, pace: Pace) -> dict[str, float]:
    """Measure one case at the gateway alone."""
    load = world.load(case, connections)
    try:
        side = Side(world.gateway, load, pace, CASES[case].most)
        for _ in range(pace.rounds):
            side.go()
    finally:
        load.end()
    return side.row("gateway")
