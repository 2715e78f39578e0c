"""`status`, `pause`, `resume`, `alerts`: how it stands, what is sent to, and who hears of trouble."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from gateway.cli.client import NoGateway, ask
from gateway.cli.output import (
    CONFIG,
    Column,
    ExitStatus,
    Format,
    Stop,
    columns,
    read_settings,
    second,
    text,
    write,
)
from gateway.cli.terminal.usage import Config
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.admin.replicas import Replica
    from gateway.settings import Settings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.cli.client import LONG_PATIENCE, GatewayRequest, via_gateway_or_locally
from gateway.cli.output import check_name

if TYPE_CHECKING:
    from gateway.admin.acts import Pauses
    from gateway.settings import Settings


Document = Mapping[str, Any]


class StatusFormat(StrEnum):
    """How a status is written."""

    TABLE = "table"
    JSON = "json"


def _sum(value: Any) -> str:
    return "" if value is None else text(sum(value.values()))


TABLE: Final = (
    Column("target", "name", rank=0),
    Column("state", "state", rank=0),
    Column("answered", "answered", second, rank=3),
    Column("failed", "failed", second, rank=2),
    Column("failure", "failure"),
    Column("breaker", "breaker.state"),
    Column("since", "breaker.since", second),
    Column("no calls until", "breaker.until", second),
    Column("refused", "breaker.refused", _sum),
    *columns("open", "doubt", "pending", "held", "dead"),
    Column("paused since", "paused", second),
    Column("paused until", "paused_until", second),
    Column("reason of the pause", "pause_reason"),
    Column("removals held since", "braked", second),
)

EVERY: Final = 2.0  # seconds between two looks of --watch
CLEARED: Final = "\x1b[H\x1b[2J"  # the cursor home, and nothing on the screen

Formatting = Annotated[StatusFormat, typer.Option("--format")]
Watch = Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until interrupted.")]


def status(format: Formatting = StatusFormat.TABLE, watch: Watch = False, config: Config = CONFIG) -> int:
    """Show the gateway, its journal and its targets; 1 where no gateway runs: then as the journal has it."""
    settings = read_settings(config)
    found = _tell(settings, format, settings.digest, is_alone=watch)
    if watch:
        with suppress(KeyboardInterrupt):
            while True:
                sys.stdout.flush()
                time.sleep(EVERY)
                found = _tell(settings, format, _digest_of(config), is_alone=watch)
    return ExitStatus.DONE if found["running"] else ExitStatus.REFUSED


def _digest_of(config: Path) -> str | None:
    """Return which configuration the file is now, None where it has faults."""
    try:
        return read_settings(config).digest
    except ConfigError:
        return None


def _tell(settings: "Settings", format: StatusFormat, in_file: str | None, *, is_alone: bool) -> Document:
    """Write how it stands now, where that is alone on a terminal in place of what stood there."""
    found = _asked(settings) or _read(settings)
    if is_alone and sys.stdout.isatty():
        print(CLEARED, end="")
    if format is StatusFormat.JSON:
        print(orjson.dumps(found).decode())
    else:
        _show(found, settings, in_file)
    return found


def _asked(settings: "Settings") -> Document | None:
    """Return what the running gateway says, None where none runs."""
    try:
        answer = ask(settings.journal.socket, "GET", "/status")
    except NoGateway:
        return None
    if not answer.is_ok:
        raise Stop(answer.detail or f"the running gateway answered {answer.status}", ExitStatus.UNREACHABLE)
    return answer.document


def _read(settings: "Settings") -> Document:
    """Return what the journal says by itself."""
    from gateway.admin import status
    from gateway.journal.reader import reading
    from gateway.version import VERSION

    with reading(settings.journal) as reader:
        counts = reader.counts()
    states = status.target_states(settings.targets, counts, lambda target: status.Seen(), {})
    journal = status.JournalState(None, None, counts.bytes, counts.seq)
    present = _present(settings)
    since = min((one.since for one in present), default=None)
    return asdict(status.Status(bool(present), VERSION, since, journal, states, replicas=present))


def _present(settings: "Settings") -> tuple["Replica", ...]:
    if settings.journal.database is None:  # nobody shares a file
        return ()
    from gateway.build import present_on

    return present_on(settings.journal)


def _show(found: Document, settings: "Settings", in_file: str | None) -> None:
    journal, reason = found["journal"], found["journal"]["reason"]
    runs = f"runs since {second(found['since'])}" if found["running"] else "does not run"
    print(f"gateway {found['version']} {runs}")
    state = {True: ", writable", False: f", cannot be written: {reason}", None: ""}[journal["writable"]]
    print(f"journal {settings.journal.place}: {journal['bytes']:,} bytes, {journal['seq']:,} events{state}")
    print(*_about_configuration(found["config"], in_file), *_about_replicas(found), "", sep="\n", flush=True)
    write(found["targets"], Format.TABLE, TABLE, empty="there is no target")


def _about_configuration(config: Document | None, in_file: str | None) -> Iterator[str]:
    """Yield which configuration is in force, and how it differs from the file."""
    if config is None:
        return
    yield f"configuration {config['digest'][:12]}, in force since {second(config['since'])}"
    if in_file is None:
        yield "the file has faults by now: `check` names them"
    elif config["digest"] != in_file:
        yield f"the file is another by now ({in_file[:12]}): `check` it, then `reload`"
    for key in config["restart"]:
        yield f"the file has another {key}, which needs a restart"


def _about_replicas(found: Document) -> Iterator[str]:
    """Yield how each gateway is that shares the journal, and which has another configuration or release."""
    present = found.get("replicas", ())
    common = Counter((one["config"], one["version"]) for one in present).most_common(1)
    for one in present:
        notes = [f"configuration {one['config'][:12]}, release {one['version']}"]
        if (one["config"], one["version"]) != common[0][0]:
            notes.append("which is not what most have: reload or restart it")
        notes += [f"{target} is {state}" for target, state in one["breakers"].items()]
        yield f"replica {one['name']}: since {second(one['since'])}, {', '.join(notes)}"


Act = Callable[["Pauses"], Awaitable[bool]]

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]
Lasts = Annotated[
    str | None,
    typer.Option("--for", metavar="DURATION", help='How long, such as "2h"; default: until `resume`.'),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for `status` and trail.")]


def pause(target: Target, lasts: Lasts = None, reason: Reason = None, config: Config = CONFIG) -> None:
    """Send nothing more to a target until `resume`; providers are told to come again, reads go on."""
    seconds = None if lasts is None else _seconds(lasts)
    said = {name: value for name, value in (("seconds", seconds), ("reason", reason)) if value is not None}
    is_news = _done(config, target, "pause", lambda pauses: pauses.pause(target, seconds, reason), said)
    length = f" for {lasts}, then it resumes by itself" if lasts is not None else ""
    print(f"{target} is paused{length}" if is_news else f"{target} was paused already")


def resume(target: Target, config: Config = CONFIG) -> None:
    """Send to a paused target again, what waits first."""
    is_news = _done(config, target, "resume", lambda pauses: pauses.resume(target))
    print(f"{target} is resumed" if is_news else f"{target} was not paused")


def _seconds(lasts: str) -> float:
    from gateway.settings.fields import parse_some_seconds

    try:
        return parse_some_seconds(lasts)
    except ValueError as error:
        raise Stop(f"--for: {error}", ExitStatus.WRONG) from error


def _done(config: Config, target: str, name: str, act: Act, said: Mapping[str, Any] | None = None) -> bool:
    """Have the running gateway act, or act here where none runs; False where it was so already."""
    settings = read_settings(config)
    check_name("target", target, settings.targets)
    request = GatewayRequest("POST", f"/targets/{target}/{name}", said or None)
    return via_gateway_or_locally(
        settings,
        request,
        lambda answer: bool(answer.document.get("changed")),
        lambda: _locally(settings, act),
    )


async def _locally(settings: "Settings", act: Act) -> bool:
    from gateway.admin.acts import Pauses
    from gateway.build import now, open_journal
    from gateway.ids import new_id

    async with open_journal(settings) as journal:
        pauses = Pauses(journal.pauses, now, new_id)
        await pauses.load()
        return await act(pauses)


CHANNELS: Final = columns("channel", "answer")

alerts = typer.Typer(help="Where alerts go besides the log.", no_args_is_help=True)


@alerts.callback()
def several() -> None:
    """Where alerts go besides the log."""


@alerts.command("test")
def try_channels(config: Config = CONFIG) -> int:
    """Send a test over every channel, and say how each answered; 3 where one did not take it."""
    settings = read_settings(config)
    tried = via_gateway_or_locally(
        settings,
        GatewayRequest("POST", "/alerts/test", timeout=LONG_PATIENCE),
        lambda answer: list(answer.document["channels"]),
        lambda: _tried_here(config),
    )
    if not tried:
        raise Stop("alerts: there is no channel; set alerts.webhook or alerts.mail", ExitStatus.WRONG)
    rows = [{"channel": one["channel"], "answer": one["error"] or "taken"} for one in tried]
    write(rows, Format.TABLE, CHANNELS)
    return ExitStatus.UNREACHABLE if any(one["error"] for one in tried) else ExitStatus.DONE


async def _tried_here(config: Path) -> list[dict[str, Any]]:
    """Try the channels of the file from here."""
    from dataclasses import asdict

    from gateway.admin.acts import note_test
    from gateway.admin.alerts import Alarms
    from gateway.build import channels_of, open_journal, services_on
    from gateway.targets.http import open_session

    settings = read_settings(config, read_secrets=True)
    async with open_journal(settings) as journal, open_session() as session:
        services = services_on(journal)
        tried = await Alarms(services, channels_of(settings.alerts, session)).test()
        await note_test(journal.trail, tried, services.new_id())
    return [asdict(one) for one in tried]
