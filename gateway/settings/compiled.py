"""What a target's table comes to: its compiled rules, and what its set-up page is about. Pure."""

from gateway.guide.data import Subject
from gateway.mapping.rules import Rule, make_rule
from gateway.mapping.target import TargetMapping
from gateway.scim.predicate import predicate
from gateway.settings.model import RuleSettings, Settings, TargetSettings


def mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the compiled mapping of a target."""
    return TargetMapping(
        [_rule(rule) for rule in target.rules],
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
        tuple(_rule(rule) for rule in target.rules),
        target.require,
        target.unlisted,
        target.on_deactivate,
        writers,
        target.guide,
    )


def _rule(settings: RuleSettings) -> Rule:
    return make_rule(
        settings.to,
        settings.from_,
        settings.via,
        predicate(settings.when) if settings.when is not None else None,
        settings.default,
        settings.on_invalid,
        settings.source,
    )
