"""What a create costs the disk: bytes kept, bytes written, and how it goes where a flush is slow."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench.beside import Pace, alone
from bench.stats import rounded
from bench.world import Build, World, make_world

SOURCE: Final = Path(__file__).with_name("slowdisk.c")
FLUSH_MS: Final = 5
WARM: Final = 200  # creates before the file is measured


def stored(kind: str, build: Build, connections: int, count: int) -> dict[str, Any]:
    """Measure the bytes of a create: by how much files grow, and what the process has the disk write."""
    with make_world(kind, build, {"": ""}) as world:
        create(world, connections, WARM)
        world.stop()
        before = sizes(world)
        world.serve()
        begun = world.gateway.written()
        create(world, connections, count, serve=False)
        written = world.gateway.written() - begun
        world.stop()
        grown = [rounded((now - then) / count) for now, then in zip(sizes(world), before, strict=True)]
        told = {"journal_b": grown[0], "directory_b": grown[1] or None, "written_b": rounded(written / count)}
        return {"target": kind, "connections": connections, **told}


def create(world: World, connections: int, count: int, *, serve: bool = True) -> None:
    """Create people, at a gateway that is started before unless it runs."""
    if serve:
        world.serve()
    load = world.load("create", connections)
    load.run(count)
    load.end()


def sizes(world: World) -> tuple[int, int]:
    """Return the bytes of the journal and of the directory that the target is, if it is one."""
    return world.size(), world.size(f"{world.kind}.db")


def flushed(build: Build, connections: Sequence[int], pace: Pace) -> Iterator[dict[str, Any]]:
    """Measure creates where each flush of the disk takes 5 ms; the target is none of a disk's."""
    with make_world("scim", build, {"": ""}) as world:
        library = slow_disk(world.folder)
        if library is None:
            yield {"connections": "skipped: there is no gcc"}
            return
        world.serve({"LD_PRELOAD": str(library), "FLUSH_MS": str(FLUSH_MS)})
        for count in connections:
            yield {"connections": count, **alone(world, "create", count, pace)}


def slow_disk(folder: Path) -> Path | None:
    """Compile the library that slows flushes down; None where there is no compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / "slowdisk.so"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True, timeout=60)
    return library
