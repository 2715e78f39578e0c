"""What a read asks for, in a URL or in a search request (RFC 7644 sections 3.4.2, 3.4.3 and 3.9)."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from gateway.errors import InvalidValue
from gateway.flow.model import Target
from gateway.flow.read import Question
from gateway.scim.dialects import Dialect
from gateway.scim.grammar import parse_filter
from gateway.scim.names import get
from gateway.scim.order import Sort, parse_sort
from gateway.scim.projection import Projection, projection

MAX_COUNT: Final = 1000
LISTS: Final = ("attributes", "excludedAttributes")
TEXTS: Final = ("filter", "sortBy", "sortOrder")
NUMBERS: Final = ("startIndex", "count")

Parameters = Mapping[str, str]


def parse_query(raw: str) -> dict[str, str]:
    """Return the parameters of a URL, the first of each name.

    A plus sign is a space, as forms have it, unless the value has spaces as `%20`: then it is itself.
    """
    found: dict[str, str] = {}
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        found.setdefault(unquote(name), unquote(value if "%20" in value else value.replace("+", " ")))
    return found


def parse_search(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a search request; raises InvalidValue for one of another type."""
    given = {name: get(body, name) for name in (*LISTS, *TEXTS, *NUMBERS)}
    return {name: _text(name, value) for name, value in given.items() if value is not None}


def parse_projection(query: Parameters) -> Projection:
    """Return what an answer is to show; raises InvalidValue."""
    return projection(*(query.get(name, "").split(",") for name in LISTS))


def parse_question(query: Parameters, dialect: Dialect, target: Target, members: bool) -> Question:
    """Return the page asked for; raises InvalidFilter, InvalidPath and InvalidValue."""
    text = query.get("filter")
    found = parse_filter(dialect.filter(text)) if text is not None else None
    start = max(1, _whole(query, "startIndex", 1))
    count = max(0, _whole(query, "count", most(target)))
    return Question(found, start, min(count, most(target)), members, _sort(query, target))


def most(target: Target) -> int:
    """Return how many resources a page of a target holds at most."""
    return min(target.policy.page_size, MAX_COUNT)


def _sort(query: Parameters, target: Target) -> Sort | None:
    by = query.get("sortBy", "")
    return parse_sort(by, query.get("sortOrder", "")) if by and target.sorts else None


def _whole(query: Parameters, name: str, default: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidValue(f"{name} is not a whole number")
    return int(text)


def _text(name: str, value: Any) -> str:
    """Return a value of a search request as a URL would have it."""
    if name in LISTS and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    is_number = name in NUMBERS and isinstance(value, int) and not isinstance(value, bool)
    if is_number or isinstance(value, str):
        return str(value)
    raise InvalidValue(f"{name} must be {'a list of texts' if name in LISTS else _WANTED[name in NUMBERS]}")


_WANTED: Final = {True: "a whole number", False: "text"}
