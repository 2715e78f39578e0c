"""What a target's table comes to: its mapping, and what its set-up page is about. Pure."""

from dataclasses import replace

from gateway.guide.data import Subject
from gateway.mapping.rules import Rule
from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import Filter
from gateway.settings.model import Settings, TargetSettings


def mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the compiled mapping of a target."""
    return TargetMapping(
        target.rules if target.ldap is None else tuple(_in_directory(rule) for rule in target.rules),
        unlisted=target.unlisted,
        require=target.require,
        offices=target.offices,
        region=target.region,
        scope=_scope(target.scope.people, "User"),
    )


def groups_mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the mapping of a target's groups, which are sent as they come."""
    return TargetMapping(kind="Group", scope=_scope(target.scope.groups, "Group"))


def _scope(filter: Filter | None, kind: str) -> Scope | None:
    return None if filter is None else Scope(filter, kind)


def _in_directory(rule: Rule) -> Rule:
    """Return a rule as it writes to a directory; a password is no attribute like the others."""
    return rule if rule.to.attribute == "password" else replace(rule, in_directory=True)


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
