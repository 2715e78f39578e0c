"""Command line of the bench: measures sections, then writes a run and the page."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from bench.beside import Pace
from bench.cases import CASES, QUICK_CASES
from bench.machine import machine
from bench.processes import HOME
from bench.report import Row, Run, load_run, render, save_run
from bench.sections import SECTIONS, Plan
from bench.stats import rounded
from bench.world import KINDS, Build

RUNS: Final = HOME / "bench" / "runs"
PAGE: Final = HOME / "bench" / "results.md"
BEFORE: Final = "before"  # the run that the page shows first
AFTER: Final = "after"
FULL: Final = {
    "only": tuple(SECTIONS),
    "case": tuple(CASES),
    "target": KINDS,
    "connections": (1, 16, 64),
    "rounds": 5,
    "seconds": 1.0,
}
QUICK: Final = {
    "only": ("cases", "startup"),
    "case": QUICK_CASES,
    "target": ("scim",),
    "connections": (16,),
    "rounds": 3,
    "seconds": 0.7,
}


def main(argv: Sequence[str]) -> int:
    """Do what the command line says."""
    asked = parsed(argv)
    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGALRM, stopped)
    signal.alarm(asked.limit)
    with tempfile.TemporaryDirectory(prefix="bench-kept-") as name:
        run = measure(asked, planned(asked, asked.kept or Path(name)))
    if asked.quick:
        sys.stdout.write(render([run]))
    else:
        write_page(asked.label)
    return 0


def measure(asked: argparse.Namespace, plan: Plan) -> Run:
    """Measure the sections; unless it is quick, what is measured is kept at once."""
    run: Run = {"label": asked.label, "machine": machine(plan.build), "loads": {}, "sections": {}}
    for name in asked.only:
        run["loads"][name] = rounded(os.getloadavg()[0])
        rows = run["sections"].setdefault(name, [])
        for row in SECTIONS[name](plan):
            say(name, row)
            rows.append(row)
            if not asked.quick:
                save_run(RUNS / f"{asked.label}.json", run)
    return run


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a few cases in under a minute, printed and not kept")
    add("--only", type=words(SECTIONS), help=f"sections: {', '.join(SECTIONS)}")
    add("--label", default=AFTER, help="name of the run; the same rows of that name are replaced")
    add("--page", dest="only", action="store_const", const=(), help="measure nothing, make the page again")
    add("--target", type=words(KINDS), help=f"targets: {', '.join(KINDS)}")
    add("--case", type=words(CASES), help=f"requests: {', '.join(CASES)}")
    add("--connections", type=numbers, help="such as 1,16,64")
    add("--rounds", type=int, help="rounds that the median is taken of")
    add("--seconds", type=float, help="of each side in each round")
    add("--events", type=int, default=1_000_000, help="events of a large trail")
    add("--people", type=int, default=1_000_000, help="people of a large journal")
    add("--imports", type=int, default=100_000, help="people that are imported")
    add("--stored", type=int, default=2_000, help="creates by which the bytes of one are measured")
    add("--kept", type=Path, help="folder that keeps filled journals for the next time")
    add("--root", type=Path, default=HOME, help="checkout of the gateway that is measured")
    add("--python", default=sys.executable, help="Python that runs it")
    add("--limit", type=int, default=5400, help="seconds after which the bench ends in any case")
    parser.set_defaults(**(QUICK if "--quick" in argv else FULL))
    return parser.parse_args(argv)


def planned(asked: argparse.Namespace, kept: Path) -> Plan:
    """Return what the command line asks for."""
    return Plan(
        build=Build(asked.python, asked.root.resolve()),
        pace=Pace(asked.rounds, asked.seconds),
        targets=asked.target,
        cases=asked.case,
        connections=asked.connections,
        events=asked.events,
        people=asked.people,
        imports=asked.imports,
        stored=asked.stored,
        kept=kept,
    )


def words(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads a list of names, all of them known."""

    def read(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if unknown := [word for word in found if word not in known]:
            raise argparse.ArgumentTypeError(
                f"no such name: {', '.join(unknown)}; there are {', '.join(known)}"
            )
        return found

    return read


def numbers(text: str) -> tuple[int, ...]:
    """Read a list of numbers."""
    return tuple(int(word) for word in text.split(","))


def say(section: str, row: Row) -> None:
    """Tell what was measured just now."""
    told = " ".join(f"{name}={value}" for name, value in row.items())
    print(f"{section}: {told}", file=sys.stderr, flush=True)


def write_page(label: str) -> None:
    """Make the page of the run before and of this one, or of the one after it."""
    labels = (BEFORE, AFTER if label == BEFORE else label)
    runs = [run for name in labels if (run := load_run(RUNS / f"{name}.json"))]
    PAGE.write_text(render(runs))


def stopped(number: int, _: FrameType | None) -> NoReturn:
    """End in an orderly way, so that all that was started ends."""
    raise SystemExit(f"ended by {signal.Signals(number).name}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
