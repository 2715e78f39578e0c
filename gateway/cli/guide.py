"""`guide`: the page that tells how a provider's generic SCIM app is set up for a target."""

from typing import Annotated

import typer

from gateway.cli.output import CONFIG, Config, ExitStatus, check_name, read_settings
from gateway.guide.data import ProviderKind

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]
Kind = Annotated[ProviderKind, typer.Option("--provider", help="Whose app the page sets up.")]


def guide(target: Target, provider: Kind = ProviderKind.OKTA, config: Config = CONFIG) -> int:
    """Print, as Markdown, how the provider is set up to send people to a target."""
    from gateway.guide.page import guide as page
    from gateway.settings.compiled import subject_of

    settings = read_settings(config)
    check_name("target", target, settings.targets)
    print(page(subject_of(settings, settings.targets[target]), provider), end="")
    return ExitStatus.DONE
