"""`check`: every fault of the configuration, and with `--online` whether the targets answer."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.failures import Status
from gateway.cli.options import CONFIG, Config, read_settings

if TYPE_CHECKING:
    from gateway.flow.ports import TargetError
    from gateway.settings import Settings, TargetSettings

Online = Annotated[bool, typer.Option("--online", help="Ask each target as well, with its credentials.")]


def check(online: Online = False, config: Config = CONFIG) -> int:
    """Name every fault of the configuration at once."""
    settings = read_settings(config, read_secrets=True)
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if online:
        return asyncio.run(_ask_all(settings))
    for name, target in settings.targets.items():
        print(f"{name}: ok ({target.connector}, {target.url})")
    return Status.DONE


async def _ask_all(settings: "Settings") -> int:
    status = Status.DONE
    for name, target in settings.targets.items():
        failure = await _ask(settings, target)
        print(f"{name}: {failure or 'reachable'}", flush=True)
        status = Status.UNREACHABLE if failure else status
    return status


async def _ask(settings: "Settings", target: "TargetSettings") -> str | None:
    """Return why a target cannot be used, None where it can."""
    from gateway.app import try_target
    from gateway.flow.ports import TargetError
    from gateway.journal.lock import JournalLocked

    try:
        await try_target(settings, target)
    except JournalLocked:  # a directory of our own, open in the running gateway
        return None
    except TargetError as error:
        return _sentence(target.name, error)
    return None


def _sentence(name: str, error: "TargetError") -> str:
    from gateway.flow.ports import Denied, Nonsense, Silent, Unreachable

    beginnings: dict[type[TargetError], str] = {
        Denied: f"credentials refused, see targets.{name}.auth",
        Nonsense: f"answers, but not in SCIM, see targets.{name}.url",
        Silent: "does not answer",
        Unreachable: "cannot be reached",
    }
    return f"{beginnings.get(type(error), 'cannot be used now')}: {error.reason}"
