"""The set-up page for Okta's Provisioning Agent, which calls the gateway from inside the network. Pure."""

from typing import Final

from gateway.mapping.guide_markdown import bullets, code, paragraphs, steps, table
from gateway.mapping.guide_okta import SETTINGS
from gateway.mapping.guide_parts import Page, Section

VERSIONS: Final = (
    "**The agent must speak SCIM 2.0.** Okta's pages disagree on whether it does: the one on connectors says "
    "that from version 2.1.0 on, `/v2` in the base URL asks for SCIM 2.0; others say that on-premises "
    "provisioning knows SCIM 1.1 only, which an older agent speaks whatever the address is. This gateway "
    "speaks 2.0 alone. An agent that asks it for `/ServiceProviderConfigs` speaks 1.1 and gets 404: bring it "
    "up to date, or let Okta's cloud call the gateway (`--provider okta`)."
)
INSIDE: Final = (
    "The base URL need not be public, but the agent must reach it, and what goes over `http://` can be read "
    "on its way. A certificate of your own authority has to be in the trust store of the agent's Java."
)


def prepare(page: Page) -> str:
    """Return what differs from the cloud, and the agent's own needs."""
    return paragraphs(
        VERSIONS,
        INSIDE,
        bullets(
            (
                "Install the Okta Provisioning Agent on a Windows or Linux server that reaches both Okta and "
                "the gateway; a second one keeps working when the first does not.",
                "Okta supports on-premises provisioning that its Professional Services or a certified "
                "partner have set up.",
            )
        ),
    )


def add_app(page: Page) -> str:
    """Return which app to make."""
    return paragraphs(
        steps(
            (
                "In Okta's Admin Console open **Applications › Applications** and click **Create App "
                "Integration**.",
                "Make an app with any way to sign in; people need not use it. The generic test apps of the "
                "catalogue are for the cloud: the agent does not serve them.",
                "On its **General** tab edit the app's settings and choose **On-Premises Provisioning**.",
            )
        ),
        f"An app of {page.name}'s own from the catalogue cannot be pointed at this gateway.",
    )


def connect(page: Page) -> str:
    """Return what to type so that the agent reaches the gateway."""
    fields = (
        ("SCIM connector base URL", code(page.subject.base_url)),
        ("Authorization type", "HTTP Header"),
        ("HTTP header name", "`Authorization`; since Okta's release 2026.01.1 no other is taken"),
        ("HTTP header value", "`Bearer TOKEN`: the word, a space, the token"),
        ("Unique user field name", "`userName`"),
        ("Timeout for API calls", "a minute or more: the gateway may wait for the target that long"),
    )
    return paragraphs(
        "On the **Provisioning** tab click **Configure SCIM Connector**, and fill in:",
        table(("field", "value"), fields),
        "Choose the agent below, click **Test Connector Configuration**, and then **Save**.",
    )


AGENT: Final[tuple[Section, ...]] = (
    ("Prepare the agent", prepare),
    ("Make the app", add_app),
    ("Connect it", connect),
    *SETTINGS,
)
