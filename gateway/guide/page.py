"""The set-up page of a target, as Markdown: from its rules, its preset and the provider's kind. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.guide.data import ProviderKind, Subject
from gateway.guide.entra import ENTRA
from gateway.guide.okta import AGENT, OKTA, governance
from gateway.guide.parts import AFTER, Section, SetupPage, before, code
from gateway.guide.rows import rows_of

TITLES: Final[Mapping[ProviderKind, str]] = {
    ProviderKind.OKTA: "Okta",
    ProviderKind.OKTA_AGENT: "Okta's Provisioning Agent",
    ProviderKind.ENTRA: "Microsoft Entra ID",
}
STEPS: Final[Mapping[ProviderKind, tuple[Section, ...]]] = {
    ProviderKind.OKTA: OKTA,
    ProviderKind.OKTA_AGENT: AGENT,
    ProviderKind.ENTRA: ENTRA,
}


def guide(subject: Subject, kind: ProviderKind) -> str:
    """Return the page that sets up a provider's generic SCIM app for a target."""
    page = SetupPage(subject, kind, tuple(rows_of(subject, kind)))
    return "\n\n".join(_parts(page)) + "\n"


def _parts(page: SetupPage) -> Iterator[str]:
    subject, provider = page.subject, TITLES[page.kind]
    yield f"# From {provider} to {page.name}"
    yield (
        f"How {provider} is set up to send people to the target {code(subject.target)} through this gateway, "
        f"at {code(page.base_url)}. The attributes are those that the target's rules read now; print this "
        "page again after they change."
    )
    yield f"## Before you begin\n\n{before(page)}"
    for number, (heading, content) in enumerate(STEPS[page.kind], 1):
        yield f"## {number}. {heading}\n\n{content(page)}"
    further = () if page.kind is ProviderKind.ENTRA else (("Offer entitlements", governance),)
    for heading, content in (*further, *AFTER):
        if text := content(page):
            yield f"## {heading}\n\n{text}"
