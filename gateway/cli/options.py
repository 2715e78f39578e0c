"""What several commands take: the configuration, and names that stand in it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.failures import Status, Stop

if TYPE_CHECKING:
    from gateway.settings import Settings

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration.")]
CONFIG: Final = Path("config.toml")


def read_settings(config: Path, *, make_tokens: bool = False, read_secrets: bool = False) -> "Settings":
    """Read the configuration; raises ConfigError.

    Without `read_secrets` no secret has to be there: what only reads or explains needs none.
    """
    from gateway.settings import load_settings
    from gateway.targets.registry import CONNECTORS

    return load_settings(config, CONNECTORS, make_tokens=make_tokens, read_secrets=read_secrets)


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raise Stop with the nearest right name where `name` is not among the known ones."""
    from gateway.settings.faults import hint

    names = tuple(known)
    if name not in names:
        raise Stop(f'there is no {what} "{name}"{hint(name, names)}', Status.WRONG)
