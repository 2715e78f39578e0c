"""The set-up page for Microsoft Entra ID: an enterprise application with provisioning. Pure."""

from typing import Final

from gateway.guide.parts import (
    UNKNOWN,
    Section,
    SetupPage,
    allowed_values,
    bullets,
    code,
    paragraphs,
    steps,
    table,
)
from gateway.guide.rows import AttributeRow

FLAG: Final = "?aadOptscim062020"
ACTIVE: Final = 'Switch([IsSoftDeleted], , "False", "True", "True", "False")'
ACTIVE_ROW: Final = ("`active`", "Expression", code(ACTIVE), "", "whether they may be there")
MATCHING: Final = "userName"
ADD: Final = (
    "Tick **Show advanced options**, open **Edit attribute list for customappsso**, and add these with the "
    "type *String*:"
)
DEACTIVATE: Final = {"send": "becomes inactive at {name}", "delete": "is removed from {name}"}


def add_app(page: SetupPage) -> str:
    """Return which application to make, and why not another one."""
    return paragraphs(
        steps(
            (
                "In the Entra admin center open **Enterprise applications** and click **New application**, "
                "then **Create your own application**.",
                "Name it, choose **Integrate any other application you don't find in the gallery "
                "(Non-gallery)**, and click **Create**.",
            )
        ),
        f"Do not take an application of {page.name}'s own from the gallery: its attributes are fixed for "
        f"{page.name} itself, not for this gateway.",
    )


def connect(page: SetupPage) -> str:
    """Return what to type so that Entra ID reaches the gateway."""
    url = page.subject.base_url
    fields = (
        ("Tenant URL", f"{code(url + FLAG)} or {code(url)}"),
        ("Secret Token", "`TOKEN` alone; Entra ID adds the word before it"),
    )
    return paragraphs(
        "Open **Provisioning**, set the mode to **Automatic**, and fill in below **Admin Credentials**:",
        table(("field", "value"), fields),
        f"With {code(FLAG)} Entra ID writes changes as the standard does; without it, in its older manner. "
        "The gateway takes both. Provisioning on demand works without the flag only: leave it out while you "
        "try single people.",
        "Click **Test Connection**, and, when it succeeds, **Save**.",
    )


def mappings(page: SetupPage) -> str:
    """Return the attribute mappings, and how to get attributes into the list."""
    missing = [row for row in page.rows if not row.is_there]
    return paragraphs(
        "Below **Mappings** set **Provision Microsoft Entra ID Groups** to *No*, unless groups are wanted, "
        "and open **Provision Microsoft Entra ID Users**. Tick the target object actions *Create*, *Update* "
        "and *Delete*.",
        paragraphs(ADD, bullets(code(row.scim_name) for row in missing)) if missing else "",
        "Set these mappings:",
        table(
            ("Application attribute", "Type", "Microsoft Entra ID attribute", "Matching", page.at_target),
            (*map(_mapping, page.rows), ACTIVE_ROW),
        ),
        "Delete every other mapping. `active` stays: without it nobody is ever deactivated.",
        allowed_values(page),
    )


def _mapping(row: AttributeRow) -> tuple[str, ...]:
    how = "Expression" if "(" in row.value else "Direct"
    matching = "precedence 1" if row.where.text == MATCHING else ""
    return code(row.scim_name), how, code(row.value) if row.value else UNKNOWN, matching, row.note


def start(page: SetupPage) -> str:
    """Return how people get the application, and when they arrive."""
    gone = DEACTIVATE[page.subject.on_deactivate].format(name=page.name)
    return paragraphs(
        steps(
            (
                "Below **Settings** leave the scope at *Sync only assigned users and groups*, and assign "
                "people or a group under **Users and groups**.",
                "Set **Provisioning Status** to *On* and save. The first cycle begins at once, later ones "
                "about every 40 minutes.",
                "**Provisioning logs** show the gateway's sentence for whoever was refused. `python "
                "gateway.py audit show ID` shows what happened: the ID stands at the sentence's end.",
            )
        ),
        f"Whoever is unassigned, out of scope, disabled or deleted {gone}; 30 days after a deletion Entra ID "
        "deletes the person here, too. Where more than four in ten fail, it puts the application into "
        "quarantine and tries less and less often.",
    )


ENTRA: Final[tuple[Section, ...]] = (
    ("Add the application", add_app),
    ("Connect it", connect),
    ("Map the attributes", mappings),
    ("Start", start),
)
