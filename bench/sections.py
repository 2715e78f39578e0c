"""Everything that can be measured, by name, in the order of the page."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bench.beside import beside
from bench.plan import Plan
from bench.startup import startup
from bench.world import bare, make_world

Row = dict[str, Any]


def cases(plan: Plan) -> Iterator[Row]:
    """Measure each request at each target and number of connections, beside the pass-through."""
    for kind in plan.targets:
        with make_world(kind, plan.build) as world, bare(world) as other:
            world.serve()
            for case in plan.cases:
                for connections in plan.connections:
                    told = beside(world, other, case, connections, plan.pace)
                    yield {"target": kind, "case": case, "connections": connections, **told}


def starts(plan: Plan) -> Iterator[Row]:
    """Measure starts."""
    yield from startup(plan.build, plan.starts)


SECTIONS: Final[Mapping[str, Callable[[Plan], Iterator[Row]]]] = {"cases": cases, "startup": starts}
