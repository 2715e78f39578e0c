"""What a bench is asked to measure, and how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.beside import Pace
from bench.world import Build


@dataclass(frozen=True, slots=True)
class Plan:
    """The amounts of every section."""

    build: Build
    pace: Pace
    targets: Sequence[str]
    cases: Sequence[str]
    connections: Sequence[int]
    events: int  # in a large trail
    people: int  # in a large journal
    imports: int
    stored: int  # creates by which the bytes of one are measured
    kept: Path  # the folder of filled journals
