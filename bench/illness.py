"""What four sick targets of ten cost those who change people on the other six."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.beside import Pace
from bench.load import Job
from bench.processes import Process
from bench.sick import WELL
from bench.stats import middle, percentile, rounded
from bench.world import BLOCK, HEAD, PROVIDER, Build, Load, World, make_world

ILL: Final = ("hangs", "refuses", "trickles", "cuts")
OTHERS: Final = tuple(f"well-{n}" for n in range(1, 7))
TARGETS: Final = (*ILL, *OTHERS)
TABLE: Final = """
[targets.{name}]
connector = "scim"
url = "http://127.0.0.1:{port}"
timeout = "2s"
patch = false
"""
CASE: Final = "put"
HANDS: Final = 24  # connections to the six, and as many to the four
EVERY: Final = 0.5  # seconds from one request of a connection to the next
PIECES: Final = 10  # of a round, between which it is seen what the gateway holds
LENGTH: Final = 16  # rounds are longer than those of other sections: p99 needs many requests

Row = dict[str, Any]


class Ward:
    """The services behind the targets."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.ports: list[int] = self._read()

    def ail(self, *names: str) -> dict[str, int]:
        """Have these be sick and the others well; return how often each target was asked so far."""
        moods = {
            port: name if name in names else WELL for name, port in zip(TARGETS, self.ports, strict=True)
        }
        stdin = self._process.popen.stdin
        assert stdin is not None
        stdin.write(json.dumps(moods) + "\n")
        stdin.flush()
        asked = self._read()
        return {name: asked[str(port)] for name, port in zip(TARGETS, self.ports, strict=True)}

    def _read(self) -> Any:
        assert self._process.popen.stdout is not None
        return json.loads(self._process.popen.stdout.readline())


def illness(build: Build, pace: Pace) -> Iterator[Row]:
    """Measure the six while all are well and while four are sick, in turn; a gateway of its own each time."""
    with make_world("scim", build, {}) as world:
        ward = Ward(world.processes.helper("sick", str(len(TARGETS))))
        tables = (TABLE.format(name=n, port=port) for n, port in zip(TARGETS, ward.ports, strict=True))
        world.config.write_text(HEAD.format(port=world.port) + "".join(tables))
        rounds: dict[tuple[str, ...], list[Row]] = {(): [], ILL: []}
        for _ in range(pace.rounds):
            for sick, rows in rounds.items():
                rows.append(one_round(world, ward, sick, pace.seconds * LENGTH))
        ratios = [s["p99"] / w["p99"] for w, s in zip(rounds[()], rounds[ILL], strict=True)]
        for sick, rows in rounds.items():
            told = {name: middle([row[name] for row in rows]) for name in rows[0]}
            yield {"sick": ", ".join(sick) or "none", **({"ratio": middle(ratios)} if sick else {}), **told}


def one_round(world: World, ward: Ward, sick: tuple[str, ...], seconds: float) -> Row:
    """Measure the six for about so long; all are well when it begins."""
    ward.ail()
    world.serve()
    measured, beside = load(world, OTHERS), load(world, ILL)
    piece = int(seconds / EVERY * HANDS / PIECES)
    measured.run(piece)
    sent = beside.go_on(1.0)
    asked, each, held = ward.ail(*sick), list[float](), [(0, 0.0)]
    for _ in range(PIECES):
        each += measured.run(piece).each
        held.append((files(world.gateway), world.gateway.memory()))
    came, got = beside.go_on(), ward.ail()
    for process in (measured, beside):
        process.end()
    world.stop()
    base = base_of("refuses")
    return {
        "p50": rounded(percentile(each, 0.5) * 1e3),
        "p99": rounded(percentile(each, 0.99) * 1e3),
        "calls": rounded((got["refuses"] - asked["refuses"]) / (came[base] - sent[base])),
        "files": max(one for one, _ in held),
        "memory_mib": rounded(max(one for _, one in held)),
    }


def load(world: World, names: tuple[str, ...]) -> Load:
    """Start who changes people on some targets, at a pace of their own."""
    world.people += BLOCK
    bases = tuple(map(base_of, names))
    return Load(world.processes, Job(world.port, bases, PROVIDER, CASE, HANDS, world.people, EVERY))


def base_of(name: str) -> str:
    """Return the path of a target."""
    return f"/scim/{name}/v2"


def files(process: Process) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
