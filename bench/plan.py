"""What a bench is asked to measure, and how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.beside import Pace
from bench.world import Build


@dataclass(frozen=True, slots=True)
class Plan:
    """The amounts of every section."""

    build: Build = field(default_factory=Build)
    pace: Pace = field(default_factory=Pace)
    targets: Sequence[str] = ()
    cases: Sequence[str] = ()
    connections: Sequence[int] = ()
    starts: int = 5
    events: int = 1_000_000  # in a large trail
    people: int = 1_000_000  # in a large journal
    imports: int = 100_000
    kept: Path | None = None  # the folder of filled journals, which are made again where there is none
