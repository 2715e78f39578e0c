"""Everything that can be measured, by name, in the order of the page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.beside import Pace, beside
from bench.cases import CASES, PEOPLE
from bench.console import shown
from bench.database import database, database_growth, replicas
from bench.fill import Filling, fill_directory
from bench.growth import growth, imported, put_journal
from bench.illness import illness
from bench.startup import startup
from bench.storage import flushed, stored
from bench.trail import asked
from bench.world import Bare, Build, World, make_world

Row = dict[str, Any]


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


def cases(plan: Plan) -> Iterator[Row]:
    """Measure each request at each target and number of connections, beside the pass-through."""
    alone = [case for case in plan.cases if CASES[case].variant != "groups"]
    groups = [case for case in plan.cases if CASES[case].variant == "groups"]
    for kind in plan.targets:
        for some in filter(None, (alone, groups)):
            with make_world(kind, plan.build) as world:
                other = Bare(world)
                if some is groups:
                    put_people(world, plan)
                world.serve()
                for case in some:
                    for connections in plan.connections:
                        told = beside(world, other, case, connections, plan.pace)
                        yield {"target": kind, "case": case, "connections": connections, **told}


def put_people(world: World, plan: Plan) -> None:
    """Let the target of groups have people already, as a gateway that made them would."""
    target = world.target("groups")
    put_journal(world, Filling(target, PEOPLE), plan.kept)
    if world.kind == "embedded":
        fill_directory(world.folder / f"{target}.db", plan.build.root, PEOPLE, datetime.now(UTC))


def storage(plan: Plan) -> Iterator[Row]:
    """Measure what creates leave on the disk."""
    for kind in plan.targets:
        for connections in plan.connections:
            yield stored(kind, plan.build, connections, plan.stored)


SECTIONS: Final[Mapping[str, Callable[[Plan], Iterator[Row]]]] = {
    # first: what the system says of a command's memory is never less than its parent's when it began
    "startup": lambda plan: startup(plan.build, plan.pace.rounds),
    "cases": cases,
    "storage": storage,
    "flush": lambda plan: flushed(plan.build, plan.connections, plan.pace),
    "growth": lambda plan: growth(plan.build, plan.events, plan.people, plan.pace, plan.kept),
    "import": lambda plan: imported(plan.build, plan.imports),
    "illness": lambda plan: illness(plan.build, plan.pace),
    "database": lambda plan: database(plan.build, plan.connections, plan.pace),
    "replicas": lambda plan: replicas(plan.build, plan.pace),
    "database-growth": lambda plan: database_growth(plan.build, plan.events, plan.people, plan.pace),
    "trail": lambda plan: asked(plan.build, plan.events, plan.kept, plan.pace.rounds),
    "console": lambda plan: shown(plan.build, plan.events, plan.kept, plan.pace.rounds),
}
