"""`operations`: what is not settled, and the removal brake, seen and acted on."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeVar
from urllib.parse import quote

import typer

from gateway.cli.client import LONG_PATIENCE, Answer, GatewayRequest, via_gateway_or_locally
from gateway.cli.output import (
    CONFIG,
    Column,
    ExitStatus,
    Format,
    Stop,
    check_name,
    columns,
    read_settings,
    second,
    write,
)
from gateway.cli.terminal.usage import Config
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.flow.model import Services
    from gateway.settings import Settings

T = TypeVar("T")
Act = Callable[["Services"], Awaitable[T]]

PATIENCE: Final = timedelta(hours=24)  # a create whose answer was not delivered by then is listed
TABLE: Final = (
    Column("id", "id", rank=0),
    Column("target", "target"),
    Column("what", "what", rank=0),
    Column("whom", "whom", rank=0),
    Column("standing", "standing", rank=0),
    Column("tries", "tries", rank=2),
    Column("opened", "opened", second, rank=2),
    Column("due", "due", second, rank=3),
    Column("reason", "reason"),
    Column("correlation id", "correlation_id", rank=4),
)
CSV_COLUMNS: Final = columns(*(column.path for column in TABLE))


@frozen
class Deed:
    """What may be done to one operation: how the running gateway is asked, and how it is done without it."""

    method: str
    path: str  # below the operation's
    here: Act[int]
    said: str  # "it is …"


operations = typer.Typer(help="Changes that are not settled, and held removals.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `operations list` shows it.")]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]
MaybeId = Annotated[str | None, typer.Argument(metavar="ID", help="As `operations list` shows it.")]
AllOf = Annotated[str | None, typer.Option("--target", metavar="TARGET", help="All of this target.")]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="NAME|N", help="Only of this userName or id, or the oldest N."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OfTarget = Annotated[str | None, typer.Option("--target", metavar="TARGET", help="Only of this target.")]
Formatting = Annotated[Format, typer.Option("--format")]


@operations.command("list")
def list_(target: OfTarget = None, format: Formatting = Format.TABLE, config: Config = CONFIG) -> None:
    """List what is not settled, brakes that hold, and creates never acknowledged within a day."""
    from gateway.audit.chain import stamp
    from gateway.journal.reader import reading

    settings = read_settings(config)
    if target is not None:
        check_name("target", target, settings.targets)
    with reading(settings.journal) as reader:
        found = reader.waiting(target, stamp(datetime.now(UTC) - PATIENCE))
        write(map(asdict, found), format, TABLE, CSV_COLUMNS, empty="no operations are open")


@operations.command()
def retry(id: Id, config: Config = CONFIG) -> None:
    """Have an operation tried again now, a dead one too."""
    from gateway.admin.operations import retry_operation

    settings = read_settings(config)
    here = partial(retry_operation, targets=settings.targets, id=id)
    _act(settings, id, Deed("POST", "/retry", here, "tried again"))


@operations.command()
def drop(id: MaybeId = None, target: AllOf = None, yes: Yes = False, config: Config = CONFIG) -> None:
    """Give an operation up for good, or all of a target; what the target holds stays as it is."""
    from gateway.admin.operations import drop_operation

    if (id is None) is (target is None):
        raise Stop("say the ID of an operation, or --target TARGET for all of one", ExitStatus.WRONG)
    settings = read_settings(config)
    if target is not None:
        _drop_all(settings, target, yes)
    elif id is not None:
        _act(settings, id, Deed("DELETE", "", partial(drop_operation, id=id), "dropped"))


@operations.command()
def release(target: Target, only: Only = None, config: Config = CONFIG) -> None:
    """Let the removals go that the brake of a target holds: all of them, or some, and it holds on."""
    from gateway.admin.operations import release_removals, release_some

    settings = read_settings(config)
    check_name("target", target, settings.targets)
    here = partial(release_removals, target=target)
    if only is not None:
        here = partial(release_some, target=target, only=only)
    body = None if only is None else {"only": only}
    request = GatewayRequest("POST", f"/targets/{target}/release", body)
    count = via_gateway_or_locally(settings, request, _count, lambda: _locally(settings, here))
    print(f"{target}: {count} held removals let go")


def _drop_all(settings: "Settings", target: str, yes: bool) -> None:
    """Give up all of a target, which the configuration may not have any more."""
    from gateway.admin.operations import Dropped, drop_operations

    waiting = _waiting_for(settings, target)
    if not waiting:
        check_name("target", target, settings.targets)
    elif not yes and not _agreed(target, waiting):
        raise Stop("nothing was dropped", ExitStatus.REFUSED)
    path = f"/targets/{quote(target, safe='')}/operations"
    dropped = via_gateway_or_locally(
        settings,
        GatewayRequest("DELETE", path, timeout=LONG_PATIENCE),
        lambda answer: Dropped(**answer.document),
        lambda: _locally(settings, partial(drop_operations, target=target)),
    )
    print(f"{target}: {dropped.count} operations dropped")
    if dropped.left:
        reason = f"{dropped.left} are under way and were left; drop them again in a moment"
        raise Stop(f"{target}: {reason}", ExitStatus.REFUSED)


def _waiting_for(settings: "Settings", target: str) -> int:
    """Return how many operations of a target are not settled."""
    from gateway.journal.reader import reading

    with reading(settings.journal) as reader:
        unsettled = reader.counts().unsettled
    return sum(count for (name, _), count in unsettled.items() if name == target)


def _agreed(target: str, waiting: int) -> bool:
    print(f"{waiting} changes never reach {target}, leavers among them stay. Go on? [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _act(settings: "Settings", id: str, deed: Deed) -> None:
    """Do something to one operation, and say that it is done."""
    resource = f"/operations/{quote(id, safe='')}{deed.path}"
    if not _done(settings, deed.method, resource, deed.here):
        raise Stop(f'there is no operation "{id}" that can be {deed.said}', ExitStatus.REFUSED)
    print(f"{id} is {deed.said}")


def _done(settings: "Settings", method: str, resource: str, act: Act[int]) -> int:
    """Have the running gateway act, or act here where none runs; return how much was done, 0 for nothing."""
    return via_gateway_or_locally(
        settings, GatewayRequest(method, resource, absent=404), _count, lambda: _locally(settings, act)
    )


def _count(answer: Answer) -> int:
    return int(answer.document.get("released", 1)) if answer.is_ok else 0


async def _locally(settings: "Settings", act: Act[T]) -> T:
    from gateway.build import open_journal, services_on

    async with open_journal(settings) as journal:
        return await act(services_on(journal))
