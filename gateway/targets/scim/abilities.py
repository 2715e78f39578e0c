"""What a SCIM service may be unable to do, how that is known, and how it is made good. Pure."""

from enum import StrEnum
from typing import Any, Final

from gateway.scim.names import get
from gateway.values import frozen


class Patch(StrEnum):
    """How a service takes a change."""

    WHOLE = "whole"  # as one PATCH with all its operations
    SINGLE = "single"  # as a PATCH for each attribute
    NONE = "none"  # as PUT


@frozen
class Abilities:
    """What a service can do by itself; None: nobody says."""

    patch: Patch | None = None
    filter: bool | None = None
    groups: bool | None = None
    totals: bool | None = None  # its totalResults count everything there is
    members: bool | None = None  # groups show who is in them


@frozen
class Lack:
    """One thing that services may be unable to do."""

    name: str  # as the log says it
    about: str  # a word: changes, filters, lists, groups
    key: str  # what an administrator writes below [targets.NAME] to say it, "" where it need not be said
    found: str  # how it is found out where nobody says it, "" where it is not
    made_good: str  # as a check says it


IGNORED: Final = 200  # the status of a CannotFilter: the answer held others than were asked for
CONFIG: Final = "/ServiceProviderConfig"
NO_PATCH: Final = Lack(
    "patch",
    "changes",
    "patch = false",
    f"`patch` in its {CONFIG}, or a PATCH that is answered 405 or 501, or 404 of an entry that is there",
    "it takes no PATCH, so whole entries go as PUT, with the difference laid over what it shows",
)
ONE_AT_A_TIME: Final = Lack(
    "patch.several",
    "changes",
    'patch = "single"',
    "",
    "it takes PATCH for one attribute at a time, so a change goes as several",
)
NO_FILTER: Final = Lack(
    "filter",
    "filters",
    "filter = false",
    f"`filter` in its {CONFIG}",
    "it promises no filters, so they are evaluated here over all its pages",
)
REFUSES_FILTERS: Final = Lack(
    "filter.some",
    "filters",
    "filter = false",
    "a filter that is answered 400 or 501",
    "it refuses filters, so those are evaluated here over all its pages",
)
IGNORES_FILTERS: Final = Lack(
    "filter.heeded",
    "filters",
    "filter = false",
    "an answer that holds others than were asked for",
    "it ignores filters, so they are evaluated here over all its pages",
)
NO_MATCH: Final = Lack(
    "filter.none",
    "filters",
    "",
    "a search that is answered 404 as a SCIM Error",
    "it answers 404 where nobody matches, so that is an empty list",
)
NO_GROUPS: Final = Lack(
    "groups",
    "groups",
    "groups = false",
    "its /ResourceTypes, or else /Groups",
    "it has no groups, so none are listed and a new one is answered 501",
)
HIDES_MEMBERS: Final = Lack(
    "members",
    "groups",
    "members = false",
    "a group that was told of members and shows nobody, where none ever showed anybody",
    "it shows nobody's members, so whoever was delivered counts as there",
)
LAGS: Final = Lack(
    "reads",
    "reads",
    'trust = "5s"',
    "a read that shows what was there before a change of ours, less than `trust` after it",
    "its reads lag behind its changes, so for `trust` what it was told counts beside what it shows",
)
NO_TOTALS: Final = Lack(
    "totalResults",
    "lists",
    "totals = false",
    "`totalResults` that is missing, or less than what a look behind the last page finds",
    "its totalResults cannot be believed, so lists are counted here by reading all their pages",
)
TEXT_TOTALS: Final = Lack(
    "totalResults.type",
    "lists",
    "",
    "`totalResults` as a text of digits",
    "its totalResults are texts, so they are read as numbers",
)
HIDES: Final = Lack(
    "attributes",
    "changes",
    "",
    "an attribute that was sent and is in no answer",
    "it does not show all that it holds, so changes are made of what was sent to it before, too",
)
NO_START: Final = Lack(
    "startIndex",
    "lists",
    "",
    "a later page that begins with the first entry",
    "it ignores startIndex, so a later page is cut here from all entries before it and its own",
)
NO_COUNT: Final = Lack(
    "count",
    "lists",
    "",
    "more entries than `count` asks for",
    "it ignores count, so pages are cut here",
)
SHORT_PAGES: Final = Lack(
    "pages",
    "lists",
    "",
    "fewer entries than `count` asks for and totalResults promises",
    "its pages are shorter than they are asked for, so they are put together here",
)
LACKS: Final = (
    NO_PATCH,
    ONE_AT_A_TIME,
    HIDES,
    NO_FILTER,
    REFUSES_FILTERS,
    IGNORES_FILTERS,
    NO_MATCH,
    NO_GROUPS,
    HIDES_MEMBERS,
    LAGS,
    NO_TOTALS,
    TEXT_TOTALS,
    NO_START,
    NO_COUNT,
    SHORT_PAGES,
)

NEVER: Final = {  # what a service is not asked for -> what happens instead
    "sort": "entries come in the target's own order",
    "bulk": "requests come one by one",
}


def promises(config: dict[str, Any]) -> Abilities:
    """Return what a ServiceProviderConfig promises (RFC 7643 section 5); PATCH must be, filters need not."""
    patch, filter = _supported(config, "patch"), _supported(config, "filter")
    return Abilities(Patch.WHOLE if patch is True else Patch.NONE, None if filter is not False else False)


def _supported(config: dict[str, Any], name: str) -> Any:
    part = get(config, name)
    return get(part, "supported") if isinstance(part, dict) else None
