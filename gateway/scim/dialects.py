"""How a provider deviates from the RFC; what all of them need lives in documents and patch. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.scim.documents import as_object, booleans
from gateway.scim.names import ENTERPRISE_USER, UNKNOWN, key_of, resource

Body = dict[str, Any]
_USER: Final = resource("User")
Habit = Callable[[Mapping[str, Any]], Body]


def _as_sent(body: Mapping[str, Any]) -> Body:
    return dict(body)


def _text_as_sent(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is done to a provider's documents, PATCH messages and filters before they are read as standard."""

    document: Habit = _as_sent
    patch: Habit = _as_sent
    filter: Callable[[str], str] = _text_as_sent


def _chain(*habits: Habit) -> Habit:
    def chained(body: Mapping[str, Any]) -> Body:
        for habit in habits:
            body = habit(body)
        return dict(body)

    return chained


def boolean_texts(body: Mapping[str, Any]) -> Body:
    """Return the body with "True" and "false" as booleans in `active` and in every element's `primary`."""
    return {name: booleans(value, _USER.find(name) or UNKNOWN) for name, value in body.items()}


def lists(body: Mapping[str, Any]) -> Body:
    """Return the body with a single object wrapped where emails or phoneNumbers must be a list."""
    return {
        name: [value] if name.casefold() in _LISTS and isinstance(value, dict) else value
        for name, value in body.items()
    }


_LISTS: Final = frozenset({"emails", "phonenumbers"})


def manager(body: Mapping[str, Any]) -> Body:
    """Return the body with a manager given as text, or as a list of one, as the object it means."""
    key = key_of(body, ENTERPRISE_USER)
    extension = body[key] if key is not None else None
    name = key_of(extension, "manager") if isinstance(extension, dict) else None
    if key is None or not isinstance(extension, dict) or name is None:
        return dict(body)
    return {**body, key: {**extension, name: as_object(extension[name])}}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "okta": Dialect(document=_chain(lists, boolean_texts)),
    "entra": Dialect(document=_chain(boolean_texts, manager)),
    "rfc": Dialect(),
}
