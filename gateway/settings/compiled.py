"""What a target's table comes to: its mapping, its address, and what its set-up page is about. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

from gateway.address import TargetAddress
from gateway.audit.masking import MASK, Cover, Mask, Masking, covering, hashing, masked, nothing_covered
from gateway.guide.data import Guide, Subject
from gateway.mapping.rules import OnInvalid, Rule, Unlisted
from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.dialects import DIALECTS, Dialect
from gateway.scim.entitlements import Catalogue
from gateway.scim.grammar import Filter
from gateway.settings.model import Settings, TargetSettings

T = TypeVar("T")

MASKS: Final[
    Mapping[str, Callable[[Callable[[], bytes]], Mask]]
] = {  # level of the audit trail -> its making
    "masked": lambda _: masked,
    "hashed": lambda key: hashing(key()),
}


def mapping_of(target: TargetSettings, others: Sequence[TargetSettings] = ()) -> TargetMapping:
    """Return the compiled mapping of a target; nothing is forgotten that the others of its route may need."""
    return TargetMapping(
        target.rules if target.ldap is None else tuple(_in_directory(rule) for rule in target.rules),
        unlisted=target.unlisted,
        require=target.require,
        offices=target.offices,
        region=target.region,
        scope=_scope(target.scope.people, "User"),
        keeps=tuple(rule for other in others for rule in other.rules) if others else None,
        entitlements=_catalogue(target),
    )


def strict_mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the mapping with every rule that drops a value rejecting it, which says why."""
    rules = (
        replace(rule, on_invalid=OnInvalid.REJECT) if rule.on_invalid is OnInvalid.DROP else rule
        for rule in target.rules
    )
    return mapping_of(replace(target, rules=tuple(rules)))


def lead_of(settings: Settings, name: str) -> str | None:
    """Return the target that one follows."""
    return next((first for first, behind in settings.followers.items() if name in behind), None)


def groups_mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the mapping of a target's groups, which are sent as they come."""
    return TargetMapping(kind="Group", scope=_scope(target.scope.groups, "Group"))


def _catalogue(target: TargetSettings) -> Catalogue | None:
    """Return what people may be entitled to: what is read from elsewhere is not known yet."""
    if not target.entitlements:
        return None
    values = {one.type.name: one.values for one in target.entitlements if one.source is None}
    return Catalogue([one.type for one in target.entitlements], values)


def _scope(filter: Filter | None, kind: str) -> Scope | None:
    return None if filter is None else Scope(filter, kind)


def _in_directory(rule: Rule) -> Rule:
    """Return a rule as it writes to a directory; a password is no attribute like the others."""
    return rule if rule.to.attribute == "password" else replace(rule, in_directory=True)


def on_port(settings: Settings, port: int) -> Settings:
    """Return the settings of a gateway that asked for any port and got this one."""
    server = settings.server
    url = server.public_url
    url = f"{url[:-1]}{port}" if url.endswith(":0") else url
    return replace(settings, server=replace(server, port=port, public_url=url))


def address_of(target: TargetSettings) -> TargetAddress:
    """Return where a target is and how calls to it are made."""
    return TargetAddress(
        target.name,
        target.url,
        target.auth,
        target.timeout,
        target.patch,
        target.rate,
        target.concurrency,
        target.options,
        target.groups,
        target.ldap,
        target.filter,
        target.totals,
        target.members,
        target.rest,
        target.sql,
    )


def dialect_of(settings: Settings, target: str) -> Dialect:
    """Return how resources for a target are written: as its provider does, if there is only one."""
    address = settings.route_of(target) or target
    found = {provider.dialect for provider in settings.providers.values() if address in provider.targets}
    return DIALECTS[found.pop() if len(found) == 1 else "rfc"]


def maskings_of(settings: Settings, read_key: Callable[[], bytes]) -> dict[str, Masking]:
    """Return what covers values in the audit trail, of targets where it is not `full`."""
    return {
        name: Masking(target.audit, MASKS[target.audit](read_key))
        for name, target in settings.targets.items()
        if target.audit in MASKS
    }


def cover_of(settings: Settings, name: str, read_key: Callable[[Path], bytes]) -> Cover:
    """Return what covers values of a target's people that are shown to somebody, as its `audit` says.

    Where the key of `hashed` is not there yet, nothing at all is shown.
    """
    key, level = settings.journal.key_file, settings.targets[name].audit
    if level not in MASKS:
        return nothing_covered
    is_blind = level == "hashed" and not key.exists()
    return covering((lambda _: MASK) if is_blind else MASKS[level](lambda: read_key(key)))


def subject_of(settings: Settings, address: str) -> Subject:
    """Return a target, or a route, as its set-up page is about it."""
    targets = [settings.targets[name] for name in settings.addresses[address]]
    writers: dict[str, tuple[str, ...]] = {}
    for provider in settings.providers.values():
        if address in provider.targets:
            writers[provider.dialect] = (*writers.get(provider.dialect, ()), provider.name)
    return Subject(
        address,
        settings.server.public_url,
        _each(target.rules for target in targets),
        _each(target.require for target in targets),
        min((target.unlisted for target in targets), key=list(Unlisted).index),  # what any takes is taken
        targets[0].on_deactivate,
        writers,
        targets[0].guide if len(targets) == 1 else _together(targets),
        _each(tuple(one.type.name for one in target.entitlements) for target in targets),
    )


def _together(targets: Sequence[TargetSettings]) -> Guide:
    """Return what the presets of several targets tell people."""
    guides = [target.guide for target in targets]
    return Guide(
        before=_each(guide.before for guide in guides),
        rows=_each(guide.rows for guide in guides),
        replaced={step: why for guide in guides for step, why in guide.replaced.items()},
        notes=_each(guide.notes for guide in guides),
    )


def _each(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    """Return all of them, each once."""
    found = list[T]()
    found.extend(one for one in chain.from_iterable(parts) if one not in found)
    return tuple(found)
