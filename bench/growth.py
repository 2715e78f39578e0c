"""Whether creates stay as cheap as they were: on journals that hold much, and during a first import."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.beside import Pace, alone
from bench.fill import Filling, fill_journal
from bench.stats import percentile, rounded
from bench.world import Build, Load, World, make_world

CONNECTIONS: Final = 16
SMALL: Final = 1_000
STEPS: Final = 10
PIECE: Final = 1_000  # creates between two looks at the memory


def growth(build: Build, events: int, people: int, pace: Pace, kept: Path) -> Iterator[dict[str, Any]]:
    """Measure creates on an empty journal, a small one, one of many events and one of many people."""
    for had, known in ((0, 0), (SMALL, SMALL), (events, SMALL), (SMALL, people)):
        with make_world("scim", build, {"": ""}) as world:
            put_journal(world, Filling("scim", known, had), kept)
            ready = world.serve()
            told = alone(world, "create", CONNECTIONS, pace)
            memory = rounded(world.gateway.memory())
            yield {
                "events": had,
                "people": known,
                **told,
                "ready_ms": rounded(ready * 1e3),
                "memory_mib": memory,
            }


def put_journal(world: World, filling: Filling, kept: Path) -> None:
    """Give a gateway that is not started a filled journal, made where it is not kept from before."""
    if not filling.people and not filling.events:
        return
    file = kept / filling.name
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fill_journal(fresh, world.build.root, filling, datetime.now(UTC))
        fresh.rename(file)
    shutil.copyfile(file, world.folder / "gateway.db")


def imported(build: Build, people: int) -> Iterator[dict[str, Any]]:
    """Measure a first import in ten steps: CPU of each create, memory at its highest, and the journal."""
    with make_world("embedded", build, {"": ""}) as world:
        world.serve()
        load = world.load("create", CONNECTIONS)
        for step in range(1, STEPS + 1):
            yield {"imported": people * step // STEPS, **one_step(world, load, people // STEPS)}
        load.end()


def one_step(world: World, load: Load, count: int) -> dict[str, Any]:
    """Create so many people."""
    before, seconds, each, memory = world.gateway.cpu(), 0.0, list[float](), 0.0
    for start in range(0, count, PIECE):
        told = load.run(min(PIECE, count - start))
        seconds += told.seconds
        each += told.each
        memory = max(memory, world.gateway.memory())
    return {
        "memory_mib": rounded(memory),
        "gateway_us": rounded((world.gateway.cpu() - before) / count * 1e6),
        "gateway_rate": rounded(count / seconds),
        "gateway_p50": rounded(percentile(each, 0.5) * 1e3),
        "gateway_p99": rounded(percentile(each, 0.99) * 1e3),
        "journal_mib": rounded(world.size() / 1024**2),
    }
