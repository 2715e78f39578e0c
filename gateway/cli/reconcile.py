"""`reconcile` and `resync`: a target compared with what it should hold, repaired, and pushed again."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.client import NoGateway, alone, follow, socket_of
from gateway.cli.output import (
    CONFIG,
    Column,
    Config,
    Format,
    Status,
    Stop,
    check_name,
    columns,
    read_settings,
    write,
)

if TYPE_CHECKING:
    from gateway.settings import Settings

Line = dict[str, Any]

STATUSES: Final = {"well": Status.DONE, "differs": Status.REFUSED, "unreachable": Status.UNREACHABLE}
FINDINGS: Final = columns(
    "finding", "user_name", "id", "target_id", "path", "ours", "theirs", "outcome", "reason"
)
UNPUSHED: Final = columns("user_name", "id", "outcome", "path", "rule", "reason")

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]
Repair = Annotated[bool, typer.Option("--repair", help="Bring the target back to the originals.")]
Changed = Annotated[
    bool, typer.Option("--changed", help="Only people of whom the rules now make something else.")
]
Shown = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Tell how far it is; default: on a terminal."),
]
Formatting = Annotated[Format, typer.Option("--format")]


def reconcile(
    target: Target,
    repair: Repair = False,
    progress: Shown = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> int:
    """Compare a target with the originals: exit status 0 where nothing differs, else 1."""
    return _told(Wish(config, "reconcile", target, repair), FINDINGS, format, progress)


def resync(
    target: Target,
    changed: Changed = False,
    progress: Shown = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> int:
    """Push everybody to a target again, and list who was refused."""
    return _told(Wish(config, "resync", target, changed), UNPUSHED, format, progress)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run."""

    config: Path
    run: str
    target: str
    option: bool


class _Told:
    """The rows of a run; progress and end go to standard error as they pass."""

    def __init__(self, lines: Iterator[Line], progress: bool) -> None:
        self._lines = lines
        self._progress = progress
        self.end: Line | None = None

    def __iter__(self) -> Iterator[Line]:
        for line in self._lines:
            if "row" in line:
                yield line["row"]
            elif "error" in line:
                raise Stop(line["error"], Status.UNREACHABLE)
            elif "end" in line:
                self.end = line["end"]
            elif self._progress:
                _show(**line["progress"])


def _told(wish: Wish, table: Sequence[Column], format: Format, progress: bool | None) -> int:
    settings = read_settings(wish.config)
    check_name("target", wish.target, settings.targets)
    with closing(_lines(settings, wish)) as lines:
        told = _Told(lines, sys.stderr.isatty() if progress is None else progress)
        write(told, format, table)
    if told.end is None:
        raise Stop("the running gateway broke off before the end", Status.UNREACHABLE)
    print(_sentence(wish, told.end), file=sys.stderr)
    return STATUSES[told.end["verdict"]]


def _sentence(wish: Wish, end: Line) -> str:
    counts = "".join(f", {count} {name.replace('_', ' ')}" for name, count in end["counts"].items())
    reason = f"; stopped: {end['reason']}" if end["reason"] else ""
    return f"{wish.run} {wish.target}: {end['people']} people{counts}{reason}"


def _show(people: int, seconds: float) -> None:
    line = f"{people} people, {people / max(seconds, 1.0):.0f}/s"
    print(line, file=sys.stderr, end="\r" if sys.stderr.isatty() else "\n", flush=True)


def _lines(settings: "Settings", wish: Wish) -> Generator[Line, None, None]:
    """Yield the lines of a run: in the running gateway, or here where none runs."""
    socket = socket_of(settings)
    resource = f"/targets/{wish.target}/{wish.run}"
    try:
        yield from follow(socket, resource, {"option": wish.option})
    except NoGateway as absent:
        with alone(socket, absent):
            yield from _here(wish)


def _here(wish: Wish) -> Iterator[Line]:
    """Run it in this process, a line at a time."""
    from gateway.log import set_up_logging

    set_up_logging(sys.stderr, "ERROR")
    with asyncio.Runner() as runner:
        lines = _opened(wish)
        try:
            while (line := runner.run(_next(lines))) is not None:
                yield line
        finally:
            runner.run(_closed(lines))


async def _opened(wish: Wish) -> AsyncGenerator[Line, None]:
    from gateway.admin.runs import render_line
    from gateway.app import open_gateway

    settings = read_settings(wish.config, read_secrets=True)
    async with (
        open_gateway(settings) as gateway,
        aclosing(gateway.runs.lines(wish.run, wish.target, option=wish.option)) as lines,
    ):
        async for line in lines:
            yield render_line(line)


async def _next(lines: AsyncGenerator[Line, None]) -> Line | None:
    return await anext(lines, None)


async def _closed(lines: AsyncGenerator[Line, None]) -> None:
    await lines.aclose()
