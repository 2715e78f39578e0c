"""`guide`: the page that tells how a provider's generic SCIM app is set up for a target."""

from typing import Annotated

import typer

from gateway.cli.output import CONFIG, Config, ExitStatus, Stop, read_settings, targets_of
from gateway.guide.data import ProviderKind

Target = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target, or of a route.")]
Kind = Annotated[ProviderKind, typer.Option("--provider", help="Whose app the page sets up.")]


def guide(target: Target, provider: Kind = ProviderKind.OKTA, config: Config = CONFIG) -> int:
    """Print, as Markdown, how the provider is set up to send people to a target or a route."""
    from gateway.guide.page import guide as page
    from gateway.settings.compiled import subject_of

    settings = read_settings(config)
    targets_of(settings, target)
    if target not in settings.addresses:
        route = settings.route_of(target)
        raise Stop(f"{target} is reached by the route {route}: ask for `guide {route}`", ExitStatus.WRONG)
    print(page(subject_of(settings, target), provider), end="")
    return ExitStatus.DONE
