"""From what the configuration says to the values that the house works with. Opens nothing."""

from typing import Final

from gateway.flow.model import Policy, Target
from gateway.mapping.rules import Rule, make_rule
from gateway.mapping.target import TargetMapping
from gateway.scim.dialects import DIALECTS
from gateway.scim.predicate import predicate
from gateway.server.auth import Credential
from gateway.server.scim_api import Provider
from gateway.settings import Auth as AuthSettings
from gateway.settings import RuleSettings, Settings, TargetSettings
from gateway.targets.registry import Auth, Basic, Bearer, Header, OpenTarget, TargetAddress

BUSY_STATUS: Final = {"okta": 429}  # dialect -> status; Okta reschedules only what it is told with 429


def mapping_of(target: TargetSettings) -> TargetMapping:
    """Return the compiled mapping of a target."""
    return TargetMapping(
        [_rule(rule) for rule in target.rules],
        unlisted=target.unlisted,
        require=target.require,
        offices=target.offices,
        region=target.region,
    )


def target_of(settings: TargetSettings, public_url: str, connector: OpenTarget) -> Target:
    """Return a target as the flow knows it."""
    policy = Policy(
        on_deactivate=settings.on_deactivate,
        on_missing=settings.on_missing,
        adopt_by=settings.adopt_by,
        reuse_name=settings.reuse_name,
        protect=predicate(settings.protect) if settings.protect is not None else None,
        unique_names=settings.unique_names,
        trust=settings.trust,
        deadline=settings.deadline,
        settle=settings.settle,
        page_size=settings.page_size or 100,
        max_removals=settings.max_removals,
    )
    location = f"{public_url}/scim/{settings.name}/v2"
    return Target(settings.name, connector, mapping_of(settings), policy, location, settings.busy_status)


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


def address_of(target: TargetSettings) -> TargetAddress:
    """Return where a target is and how calls to it are made."""
    return TargetAddress(
        target.name,
        target.url,
        _auth(target.auth),
        target.timeout,
        target.patch,
        target.rate,
        target.concurrency,
        target.options,
    )


def _auth(auth: AuthSettings | None) -> Auth | None:
    if auth is None:
        return None
    secret = auth.secret.reveal()
    if auth.kind == "basic":
        return Basic(auth.user, secret)
    return Bearer(secret, auth.scheme) if auth.kind == "bearer" else Header(auth.header, secret)


def providers_of(settings: Settings) -> dict[str, Provider]:
    """Return the providers as the server knows them."""
    return {
        name: Provider(name, DIALECTS[provider.dialect], BUSY_STATUS.get(provider.dialect, 503))
        for name, provider in settings.providers.items()
    }


def credentials_of(settings: Settings) -> tuple[Credential, ...]:
    """Return what providers and auditors must show."""
    providers = (
        Credential("provider", name, f"config:{n + 1}", digest, frozenset(provider.targets))
        for name, provider in settings.providers.items()
        for n, digest in enumerate(provider.digests)
    )
    auditors = (
        Credential("auditor", name, f"config:{n + 1}", digest, frozenset())
        for name, auditor in settings.auditors.items()
        for n, digest in enumerate(auditor.digests)
    )
    return (*providers, *auditors)
