"""What a target's table comes to: its mapping, and what its set-up page is about. Pure."""

from gateway.guide.data import Subject
from gateway.mapping.target import TargetMapping
from gateway.settings.model import Settings, TargetSettings


def mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the compiled mapping of a target."""
    return TargetMapping(
        target.rules,
        unlisted=target.unlisted,
        require=target.require,
        offices=target.offices,
        region=target.region,
    )


def subject_of(settings: Settings, target: TargetSettings) -> Subject:
    """Return a target as its set-up page is about it."""
    writers: dict[str, tuple[str, ...]] = {}
    for provider in settings.providers.values():
        if target.name in provider.targets:
            writers[provider.dialect] = (*writers.get(provider.dialect, ()), provider.name)
    return Subject(
        target.name,
        settings.server.public_url,
        target.rules,
        target.require,
        target.unlisted,
        target.on_deactivate,
        writers,
        target.guide,
    )
