"""Rules of a mapping, written short."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.mapping.rules import OnInvalid, Rule
from gateway.mapping.specs import Transform
from gateway.scim.paths import place


def make_rule(
    to: str,
    sources: Sequence[str] = (),
    via: Sequence[Transform] = (),
    when: Callable[[Mapping[str, Any]], bool] | None = None,
    default: Any = None,
    on_invalid: str = "reject",
    origin: str = "config",
    **more: Any,
) -> Rule:
    """Return a rule as the settings compile it; raises InvalidPath."""
    return Rule(
        to=place(to),
        sources=tuple(place(source) for source in sources or (to,)),
        via=tuple(via),
        when=when,
        default=default,
        on_invalid=OnInvalid(on_invalid),
        label=f"{origin}:{to}",
        **more,
    )
