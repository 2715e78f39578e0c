"""`reconcile` and `resync`: a target compared with what it should hold, repaired, and pushed again."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.client import NoGateway, alone, follow
from gateway.cli.output import (
    CONFIG,
    Column,
    ExitStatus,
    Format,
    Stop,
    columns,
    read_settings,
    targets_of,
    write,
)
from gateway.cli.terminal import ProgressLine
from gateway.cli.terminal.usage import Config
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.settings import Settings

Line = dict[str, Any]

STATUSES: Final = {
    "well": ExitStatus.DONE,
    "differs": ExitStatus.REFUSED,
    "unreachable": ExitStatus.UNREACHABLE,
}
FINDINGS: Final = columns(
    "finding", "user_name", "id", "target_id", "path", "ours", "theirs", "outcome", "reason"
)
UNPUSHED: Final = columns("user_name", "id", "outcome", "path", "rule", "reason")

Target = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target, or of a route.")]
Repair = Annotated[bool, typer.Option("--repair", help="Bring the target back to the originals.")]
Changed = Annotated[
    bool, typer.Option("--changed", help="Only people of whom the rules now make something else.")
]
Person = Annotated[
    str | None, typer.Option("--person", metavar="NAME|ID", help="Only this person, by userName or id.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show what would be sent, as `simulate` does; with --changed.")
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
    return _run(RunRequest(config, "reconcile", target, repair), FINDINGS, format, progress)


def resync(  # noqa: PLR0913, PLR0917 - one parameter for each option
    target: Target,
    changed: Changed = False,
    person: Person = None,
    dry_run: DryRun = False,
    progress: Shown = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> int:
    """Push everybody to a target again, or one person, and list who was refused."""
    if dry_run and (not changed or person is not None):
        raise Stop("--dry-run: only with --changed, of everybody", ExitStatus.WRONG)
    if dry_run:
        from gateway.cli.simulate import simulate

        return simulate(target, False, progress, format, config)
    return _run(RunRequest(config, "resync", target, changed, person), UNPUSHED, format, progress)


@frozen
class RunRequest:
    """What is to be run."""

    config: Path
    run: str
    target: str
    option: bool
    person: str | None = None  # whom alone it is of


class _Progress:
    """The rows of a run; progress and end go to standard error as they pass."""

    def __init__(self, lines: Iterator[Line], progress: bool | None) -> None:
        self._lines = lines
        self._line = ProgressLine("", progress)
        self.end: Line | None = None

    def __iter__(self) -> Iterator[Line]:
        for line in self._lines:
            if "row" in line:
                self._line.clear()
                yield line["row"]
            elif "error" in line:
                raise Stop(line["error"], ExitStatus.UNREACHABLE)
            elif "warning" in line:
                print(f"warning: {line['warning']}", file=sys.stderr)
            elif "end" in line:
                self.end = line["end"]
            else:
                self._line.tell(_speed(**line["progress"]))
        self._line.clear()


def _run(request: RunRequest, table: Sequence[Column], format: Format, progress: bool | None) -> int:
    settings = read_settings(request.config)
    table = table if request.target in settings.targets else (*columns("target"), *table)
    targets_of(settings, request.target)
    with closing(_lines(settings, request)) as lines:
        shown = _Progress(lines, progress)
        write(shown, format, table, empty="")
    if shown.end is None:
        raise Stop("the running gateway broke off before the end", ExitStatus.UNREACHABLE)
    print(_sentence(request, shown.end), file=sys.stderr)
    return STATUSES[shown.end["verdict"]]


def _sentence(request: RunRequest, end: Line) -> str:
    counts = "".join(f", {count} {_counted(name, count)}" for name, count in end["counts"].items())
    reason = f"; stopped: {end['reason']}" if end["reason"] else ""
    return f"{request.run} {request.target}: {end['people']} people{counts}{reason}"


def _counted(name: str, count: int) -> str:
    words = name.replace("_", " ")
    return words.removesuffix("s") if count == 1 else words


def _speed(people: int, seconds: float) -> str:
    return f"{people} people, {people / max(seconds, 1.0):.0f}/s"


def _lines(settings: "Settings", request: RunRequest) -> Generator[Line, None, None]:
    """Yield the lines of a run: in the running gateway, or here where none runs."""
    socket = settings.journal.socket
    resource = f"/targets/{request.target}/{request.run}"
    try:
        yield from follow(socket, resource, _wish(request) | {"digest": settings.digest})
    except NoGateway as absent:
        with alone(socket, absent):
            yield from _locally(request)


def _wish(request: RunRequest) -> dict[str, Any]:
    """Return what a run is asked beside its name."""
    person = {} if request.person is None else {"person": request.person}
    return {"option": request.option} | person


def _locally(request: RunRequest) -> Iterator[Line]:
    """Run it in this process, a line at a time."""
    from gateway.log import set_up_logging

    set_up_logging(sys.stderr, "ERROR")
    with asyncio.Runner() as runner:
        lines = _opened(request)
        try:
            while (line := runner.run(_next(lines))) is not None:
                yield line
        finally:
            runner.run(_closed(lines))


async def _opened(request: RunRequest) -> AsyncGenerator[Line, None]:
    from gateway.admin.runs import render_line
    from gateway.app import open_gateway

    settings = read_settings(request.config, read_secrets=True)
    async with (
        open_gateway(settings) as gateway,
        aclosing(await gateway.runs.start(request.run, request.target, **_wish(request))) as lines,
    ):
        async for line in lines:
            yield render_line(line)


async def _next(lines: AsyncGenerator[Line, None]) -> Line | None:
    return await anext(lines, None)


async def _closed(lines: AsyncGenerator[Line, None]) -> None:
    await lines.aclose()
