"""The set-up page for Okta: its generic SCIM apps, in the cloud and behind the Provisioning Agent. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from gateway.guide.parts import (
    UNKNOWN,
    Section,
    SetupPage,
    allowed_values,
    bullets,
    code,
    paragraphs,
    plain,
    steps,
    table,
)
from gateway.guide.rows import AttributeRow

HEADER_AUTH: Final = "**SCIM 2.0 Test App (Header Auth)**"
BEARER: Final = "**SCIM 2.0 Test App (OAuth Bearer Token)**"
CATALOGUE: Final = (
    "Do not take an app of {name}'s own from the catalogue: it calls {name} itself, and cannot be pointed at "
    "this gateway."
)
BY_ITSELF: Final = {  # what Okta sends without a mapping
    "userName": ("*Sign On* tab", "Application username format"),
    "externalId": ("nothing to map", "Okta sends its own user ID"),
}
DEACTIVATE: Final = {
    "send": "somebody who loses the app, or is deactivated in Okta, becomes inactive at {name}",
    "delete": "somebody who loses the app, or is deactivated in Okta, is removed from {name}",
}
SYNC_PASSWORD: Final = {
    True: "Tick **Sync Password** too if passwords are meant to be sent; a rule takes them.",
    False: "Leave **Sync Password** unticked: no rule takes a password, so none is ever sent on.",
}
NAMESPACE: Final = (
    "Every attribute needs its external namespace: without one Okta saves it, shows it and never sends it."
)
ROLES: Final = "First delete the app's attribute `roles`: it sends a plain list, which nothing here reads."
ADD: Final = (
    "Then add these with **Add Attribute**, each with the attribute type *Personal* and all else as it is. "
    "Save one at a time: several in a row may fail. If an error is shown, click **Save** again."
)
COMPARE: Final = "The app has these by itself. Compare them, and add what is missing:"

_PROFILE: Final = re.compile(r"user\.(\w+)")


def add_app(page: SetupPage) -> str:
    """Return which app to add, and why not another one."""
    why = page.subject.guide.catalogue or CATALOGUE.format(name=page.name)
    return paragraphs(
        steps(
            (
                "In Okta's Admin Console open **Applications › Applications** and click **Browse App "
                "Catalog**.",
                f"Search for `SCIM 2.0 Test App` and choose {HEADER_AUTH} or {BEARER}. They differ only in "
                "how the token is typed.",
                "Click **Add Integration**, name it, accept the defaults of the sign-on options, and click "
                "**Done**.",
            )
        ),
        why,
    )


def connect(page: SetupPage) -> str:
    """Return what to type so that Okta reaches the gateway."""
    fields = (
        ("both", "Base URL (SCIM 2.0 Base Url)", code(page.base_url)),
        ("Header Auth", "API Token", "`Bearer TOKEN`: the word, a space, the token; Okta sends it as typed"),
        ("OAuth Bearer Token", "OAuth Bearer Token", "`TOKEN` alone; Okta adds the word"),
    )
    return paragraphs(
        "On the app's **Provisioning** tab click **Configure API Integration**, tick **Enable API "
        "integration**, and fill in:",
        table(("app", "field", "value"), fields),
        "Untick **Import Groups**. Click **Test API Credentials**, and, when the test succeeds, **Save**.",
    )


def tick(page: SetupPage) -> str:
    """Return which operations to enable."""
    gone = DEACTIVATE[page.subject.on_deactivate].format(name=page.name)
    boxes = (
        f"**Create Users**: whoever gets the app is made at {page.name}",
        "**Update User Attributes**: later changes follow",
        f"**Deactivate Users**: {gone}",
    )
    takes_passwords = any(rule.to.attribute == "password" for rule in page.subject.rules)
    return paragraphs(
        "On **Provisioning › To App** click **Edit**, tick these three, and save:",
        bullets(boxes),
        SYNC_PASSWORD[takes_passwords],
    )


def profile(page: SetupPage) -> str:
    """Return the attributes as the Profile Editor takes them."""
    rows = [row for row in page.rows if row.external_name is not None]
    return paragraphs(
        "Open **Directory › Profile Editor** and choose the app.",
        "" if any(row.external_name == "roles" for row in rows) else ROLES,
        _table(ADD, [row for row in rows if not row.is_there]),
        _table(COMPARE, [row for row in rows if row.is_there and row.where.text != "externalId"]),
        NAMESPACE,
        _unnameable(page.rows),
    )


def _table(sentence: str, rows: Sequence[AttributeRow]) -> str:
    titles = ("Display name", "Variable name", "External name", "External namespace", "Type")
    found = table(titles, map(_attribute, rows))
    return paragraphs(sentence, found) if found else ""


def _attribute(row: AttributeRow) -> tuple[str, ...]:
    name = row.external_name or ""
    return plain(row.name), code(row.variable), code(name), code(row.namespace), row.type


def _unnameable(rows: Sequence[AttributeRow]) -> str:
    left = [code(row.where.text) for row in rows if row.external_name is None]
    return f"Okta has no external name for {', '.join(left)}, so it cannot send that." if left else ""


def mappings(page: SetupPage) -> str:
    """Return what is mapped to each attribute."""
    titles = ("Attribute", "Mapping", "Value", "Apply on", page.at_target)
    return paragraphs(
        "On **Provisioning › To App**, below **Attribute Mappings**, set these:",
        table(titles, (_mapping(row) for row in page.rows if row.external_name is not None)),
        "Delete every other mapping there with its **×**: what is not in the table is not meant for "
        f"{page.name}.",
        allowed_values(page),
    )


def _mapping(row: AttributeRow) -> tuple[str, ...]:
    if row.where.text in BY_ITSELF:
        how, value, when = *BY_ITSELF[row.where.text], "–"
    elif found := _PROFILE.fullmatch(row.value):
        how, value, when = "Map from Okta Profile", code(found[1]), "Create and update"
    else:
        how = "Expression" if row.value else "Map from Okta Profile"
        value, when = code(row.value) if row.value else UNKNOWN, "Create and update"
    return f"{plain(row.name)} ({code(row.variable)})", how, value, when, row.note


def to_okta(page: SetupPage) -> str:
    """Return what to delete of the way back."""
    return (
        "On **Provisioning › To Okta** delete every attribute mapping but **Username**: Okta is where people "
        "are kept, and nothing comes back from here."
    )


def assign(page: SetupPage) -> str:
    """Return how people get the app."""
    return steps(
        (
            "On the **Assignments** tab click **Assign** and choose people or, better, a group. Okta sends "
            "them at once.",
            "Whoever was assigned before provisioning was enabled is not sent: click **Provision User** "
            "beside them, once for all of them.",
            "Open one assignment. When it shows an **External ID**, that person has arrived. If it shows "
            "none, remove the assignment and assign again; without it a later removal is never sent.",
            "If something failed, Okta's **Reports › System Log** shows the gateway's sentence. "
            "`python gateway.py audit show ID` shows what happened: the ID stands at the sentence's end.",
        )
    )


def push_groups(page: SetupPage) -> str:
    """Return how groups come after the people."""
    return paragraphs(
        f"Only where {page.name} is to have Okta's groups, too; `python gateway.py check --online` says "
        "whether it can.",
        steps(
            (
                "On the **Push Groups** tab click **Push Groups**, find each group by its name, leave **Push "
                "group memberships immediately** ticked, and save.",
                "Push other groups than those that give people the app: Okta does not support one for both.",
                "Only members who have the app themselves are sent.",
            )
        ),
    )


def governance(page: SetupPage) -> str:
    """Return how Okta Identity Governance learns of entitlements, nothing where there are none."""
    if not (said := ", ".join(map(code, page.subject.entitlements))):
        return ""
    return (
        f"The gateway offers Okta Identity Governance what people may be given: {said}. "
        "The app needs entitlement management and user schema discovery, which Okta Support turns on. From "
        "then on its profile is what the gateway says of people, and the Profile Editor adds nothing to it."
    )


SETTINGS: Final[tuple[Section, ...]] = (
    ("Tick what Okta may do", tick),
    ("Set up the attributes", profile),
    ("Map them", mappings),
    ("Delete the mappings to Okta", to_okta),
    ("Assign people", assign),
    ("Push groups", push_groups),
)
OKTA: Final[tuple[Section, ...]] = (("Add the app", add_app), ("Connect it", connect), *SETTINGS)


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


def prepare(page: SetupPage) -> str:
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


def add_agent_app(page: SetupPage) -> str:
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


def connect_agent(page: SetupPage) -> str:
    """Return what to type so that the agent reaches the gateway."""
    fields = (
        ("SCIM connector base URL", f"{code(page.base_url)}, with the slash at its end"),
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
    ("Make the app", add_agent_app),
    ("Connect it", connect_agent),
    *SETTINGS,
)
