"""`audit erase`: a person's values removed from the trail, its archives and the journal."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.acting import Wish, done
from gateway.cli.control_client import LONG_PATIENCE, Answer
from gateway.cli.failures import Status, Stop
from gateway.cli.options import CONFIG, Config, read_settings

if TYPE_CHECKING:
    from gateway.admin.acts import Erased
    from gateway.settings import Settings

Name = Annotated[str, typer.Argument(metavar="NAME", help="The person's userName.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def erase(name: Name, yes: Yes = False, config: Config = CONFIG) -> int:
    """Remove a person's values for good; that something was done to them stays, and the chain whole.

    Exit status 1 where nothing was found, or something had to stay.
    """
    settings = read_settings(config)
    if not yes and not _agreed(name):
        raise Stop("nothing was removed", Status.REFUSED)
    erased = _erased(settings, name)
    if not erased.is_anything and not erased.kept:
        raise Stop("nobody of this name is known, or nothing is left of them", Status.REFUSED)
    return _told(erased)


def _agreed(name: str) -> bool:
    print(f"All values of {name} leave the audit trail and its archives, for good. Go on? [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _told(erased: "Erased") -> int:
    archived = f", {erased.archived} of them in archives" if erased.archived else ""
    print(f"removed: the values of {len(erased.events)} events{archived}")
    for target in erased.originals:
        print(f"removed: the original on {target}")
    for kept in erased.kept:
        print(f"kept: the original on {kept.target}, as {kept.reason}; erase again when that is over")
    if not erased.is_done:
        print("not done: freed parts of the files may still show them; the gateway tries again within a day")
    return Status.DONE if erased.is_done and not erased.kept else Status.REFUSED


def _erased(settings: "Settings", name: str) -> "Erased":
    """Have the running gateway do it, or do it here where none runs."""
    path = settings.journal.path
    if not path.exists():
        raise Stop(f"there is no journal {path} yet: `serve` makes it", Status.UNREACHABLE)
    wish = Wish("POST", "/erasures", {"name": name}, timeout=LONG_PATIENCE)
    return done(settings, wish, _read, lambda: _here(settings, name))


def _read(answer: Answer) -> "Erased":
    from gateway.admin.acts import Erased, Kept

    said = dict(answer.document)
    return Erased(**said | {"kept": tuple(Kept(**kept) for kept in said["kept"])})


async def _here(settings: "Settings", name: str) -> "Erased":
    from gateway.build import open_erasures

    async with open_erasures(settings) as desk:
        return await desk.erase(name)
