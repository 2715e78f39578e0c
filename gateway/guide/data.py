"""What a set-up page is made from: a target, its rules, and what its preset knows beside them. Pure."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.mapping.rules import Rule


class ProviderKind(StrEnum):
    """Whose app a page sets up."""

    OKTA = "okta"  # the cloud calls the gateway
    OKTA_AGENT = "okta-agent"  # Okta's Provisioning Agent calls it, inside the network
    ENTRA = "entra"

    @property
    def dialect(self) -> str:
        """The dialect that its requests are read in."""
        return self.value.partition("-")[0]


@frozen
class GuideRow:
    """One attribute to set up; what is left empty is known of the attribute, or made of its path."""

    paths: tuple[str, ...]  # at the provider; the first that its app has by itself, else the first
    name: str = ""
    variable: str = ""  # in Okta's profile
    okta: str = ""  # what to map to it: an expression
    entra: str = ""
    note: str = ""  # what it is at the target; Markdown
    values: Mapping[str, str] = field(default_factory=dict)  # what may stand in it, and what each means


@frozen
class Guide:
    """What a preset tells people, which its rules cannot; its sentences are Markdown."""

    name: str = ""  # the target's, as people say it
    catalogue: str = ""  # why not the app of its own in Okta's catalogue
    before: tuple[str, ...] = ()  # what is done at the target first, in this order
    rows: tuple[GuideRow, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)  # a step of its own guide -> why no more
    notes: tuple[str, ...] = ()


@frozen
class Subject:
    """The target that a page is about, and how it is reached."""

    target: str
    public_url: str
    rules: tuple["Rule", ...] = ()
    require: tuple[tuple[str, ...], ...] = ()  # of each group one must be present
    unlisted: str = "send"
    on_deactivate: str = "send"
    writers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # dialect -> who may write it
    guide: Guide = field(default_factory=Guide)
    entitlements: tuple[str, ...] = ()  # the types of what people may be given

    @property
    def base_url(self) -> str:
        return f"{self.public_url}/scim/{self.target}/v2"
