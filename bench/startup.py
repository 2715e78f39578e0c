"""How long the gateway and its commands take to be there, and what it needs while nothing happens."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bench.people import dumps, person
from bench.stats import middle
from bench.world import Build, World, make_world

SETTLED: Final = 1.0  # seconds after which it idles
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "check": ("check",),
    "explain": ("explain", "scim", "person.json"),
    "status": ("status",),
}


def startup(build: Build, rounds: int) -> Iterator[dict[str, Any]]:
    """Measure `serve` until it is ready, and commands beside it."""
    with make_world("scim", build, {"": ""}) as world:
        (world.folder / "person.json").write_bytes(dumps(person(1)))
        ready, cpu, memory = [], [], []
        for number in range(rounds):
            ready.append(world.serve() * 1e3)
            cpu.append(world.gateway.cpu() * 1e3)
            time.sleep(SETTLED)
            memory.append(world.gateway.memory())
            if number < rounds - 1:
                world.stop()
        serve = {"wall_ms": middle(ready), "cpu_ms": middle(cpu), "memory_mib": middle(memory)}
        yield {"what": "serve", **serve}
        for name in COMMANDS:
            yield command(world, name, rounds)


def command(world: World, name: str, rounds: int) -> dict[str, Any]:
    """Measure one command, the gateway running."""
    took = [run_command(world, *COMMANDS[name]) for _ in range(rounds)]
    return {"what": name} | {key: middle([one[key] for one in took]) for key in took[0]}


def run_command(world: World, *arguments: str) -> dict[str, float]:
    """Run a command of the gateway's to its end; raises RuntimeError where it fails."""
    words = [*world.build.command(*arguments), "--config", str(world.config)]
    begun = time.perf_counter()
    with (world.folder / "command.log").open("w") as log:
        process = subprocess.Popen(words, cwd=world.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (world.folder / "command.log").read_text()
        raise RuntimeError(f"{' '.join(arguments)} ended with status {process.returncode}: {said[-300:]}")
    cpu = used.ru_utime + used.ru_stime
    return {"wall_ms": wall * 1e3, "cpu_ms": cpu * 1e3, "memory_mib": used.ru_maxrss / 1024}
