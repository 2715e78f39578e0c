"""`operations`: what is not settled, and the removal brake, seen and acted on."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from gateway.cli.client import Answer, GatewayRequest, via_gateway_or_locally
from gateway.cli.output import (
    CONFIG,
    Column,
    Config,
    ExitStatus,
    Format,
    Stop,
    check_name,
    columns,
    read_settings,
    shortened,
    write,
)
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.flow.model import Services
    from gateway.settings import Settings

Act = Callable[["Services"], Awaitable[int]]

PATIENCE: Final = timedelta(hours=24)  # a create whose answer was not delivered by then is listed
TABLE: Final = (
    *columns("id", "target", "what", "whom", "standing", "tries", "opened", "due"),
    Column("reason", "reason", shortened(60)),
    Column("correlation id", "correlation_id"),
)
CSV_COLUMNS: Final = columns(*(column.path for column in TABLE))


@frozen
class Deed:
    """What may be done to one operation: how the running gateway is asked, and how it is done without it."""

    method: str
    path: str  # below the operation's
    here: Act
    said: str  # "it is …"


operations = typer.Typer(help="Changes that are not settled, and held removals.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `operations list` shows it.")]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]
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
    with reading(settings.journal.path) as reader:
        found = reader.waiting(target, stamp(datetime.now(UTC) - PATIENCE))
        write(map(asdict, found), format, TABLE, CSV_COLUMNS)


@operations.command()
def retry(id: Id, config: Config = CONFIG) -> None:
    """Have an operation tried again now, a dead one too."""
    from gateway.admin.operations import retry_operation

    settings = read_settings(config)
    here = partial(retry_operation, targets=settings.targets, id=id)
    _act(settings, id, Deed("POST", "/retry", here, "tried again"))


@operations.command()
def drop(id: Id, config: Config = CONFIG) -> None:
    """Give an operation up for good; what the target holds stays as it is."""
    from gateway.admin.operations import drop_operation

    _act(read_settings(config), id, Deed("DELETE", "", partial(drop_operation, id=id), "dropped"))


@operations.command()
def release(target: Target, config: Config = CONFIG) -> None:
    """Let the removals go that the brake of a target holds."""
    from gateway.admin.operations import release_removals

    settings = read_settings(config)
    check_name("target", target, settings.targets)
    here = partial(release_removals, target=target)
    count = _done(settings, "POST", f"/targets/{target}/release", here)
    print(f"{target}: {count} held removals let go")


def _act(settings: "Settings", id: str, deed: Deed) -> None:
    """Do something to one operation, and say that it is done."""
    resource = f"/operations/{quote(id, safe='')}{deed.path}"
    if not _done(settings, deed.method, resource, deed.here):
        raise Stop(f'there is no operation "{id}" that can be {deed.said}', ExitStatus.REFUSED)
    print(f"{id} is {deed.said}")


def _done(settings: "Settings", method: str, resource: str, act: Act) -> int:
    """Have the running gateway act, or act here where none runs; return how much was done, 0 for nothing."""
    return via_gateway_or_locally(
        settings, GatewayRequest(method, resource, absent=404), _count, lambda: _locally(settings, act)
    )


def _count(answer: Answer) -> int:
    return int(answer.document.get("released", 1)) if answer.is_ok else 0


async def _locally(settings: "Settings", act: Act) -> int:
    from gateway.build import open_journal, services_on

    async with open_journal(settings) as journal:
        return await act(services_on(journal))
