"""`pause` and `resume`: whether anything is sent to a target, kept until it is said otherwise."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.acting import Wish, done
from gateway.cli.options import CONFIG, Config, check_name, read_settings

if TYPE_CHECKING:
    from gateway.admin.acts import Pauses
    from gateway.settings import Settings

Act = Callable[["Pauses"], Awaitable[bool]]

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]


def pause(target: Target, config: Config = CONFIG) -> None:
    """Send nothing more to a target until `resume`; providers are told to come again, reads go on."""
    done = _done(config, target, "pause", lambda pauses: pauses.pause(target))
    print(f"{target} is paused" if done else f"{target} was paused already")


def resume(target: Target, config: Config = CONFIG) -> None:
    """Send to a paused target again, what waits first."""
    done = _done(config, target, "resume", lambda pauses: pauses.resume(target))
    print(f"{target} is resumed" if done else f"{target} was not paused")


def _done(config: Config, target: str, name: str, act: Act) -> bool:
    """Have the running gateway act, or act here where none runs; False where it was so already."""
    settings = read_settings(config)
    check_name("target", target, settings.targets)
    wish = Wish("POST", f"/targets/{target}/{name}")
    return done(
        settings, wish, lambda answer: bool(answer.document.get("changed")), lambda: _here(settings, act)
    )


async def _here(settings: "Settings", act: Act) -> bool:
    from gateway.build import open_pauses

    async with open_pauses(settings) as pauses:
        return await act(pauses)
