"""Whether an original is whom somebody means who typed a number, an address, or some words. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.mapping.phone import is_same_number

Match = Callable[[str], bool]  # of an original, as JSON text

LEAST_DIGITS: Final = 4
TAIL: Final = 6  # digits by which a number is looked for before it is compared
_NUMBER: Final = re.compile(
    r"\s*(?:tel:)?[+(\d０-９٠-٩۰-۹][\s\d+()./\-‐-―]*(?:(?:ext\.?|x|#|;ext=)\s*\d+)?\s*", re.I
)
_EXTENSION: Final = re.compile(r"(?:ext|x|#|;).*", re.I | re.DOTALL)
_BETWEEN: Final = r"[^\d\"]{0,4}"
_SPELLED: Final = {
    str(digit): f"[{''.join(chr(zero + digit) for zero in (48, 0xFF10, 0x660, 0x6F0))}]"
    for digit in range(10)
}


def match_of(text: str, *, whole: bool) -> Match | None:
    """Return what finds whom a text means; None where it could be anybody.

    `whole`: only by a whole address or number, for who may not find values out by asking for their parts.
    """
    found = [
        match
        for match in (_by_number(text, whole), _by_address(text), None if whole else _by_words(text))
        if match
    ]
    if not found:
        return None
    return lambda original: any(match(original) for match in found)


def _by_number(text: str, whole: bool) -> Match | None:
    digits = [str(int(digit)) for digit in _EXTENSION.sub("", text) if digit.isdecimal()]
    if not _NUMBER.fullmatch(text) or len(digits) < LEAST_DIGITS:
        return None
    likely = re.compile(_BETWEEN.join(_SPELLED[digit] for digit in digits[-TAIL:]))

    def match(original: str) -> bool:
        if likely.search(original) is None:
            return False
        numbers = _values_of(original, "phoneNumbers")
        return any(is_same_number(text, number, in_part=not whole) for number in numbers)

    return match


def _by_address(text: str) -> Match | None:
    address = text.strip().casefold()
    if "@" not in address:
        return None
    return lambda original: (
        address in original.casefold()
        and any(address == value.casefold() for value in _values_of(original, "emails"))
    )


def _by_words(text: str) -> Match | None:
    words = text.casefold().split()
    spelled = [orjson.dumps(word).decode()[1:-1] for word in words]
    if not words:
        return None

    def match(original: str) -> bool:
        folded = original.casefold()
        if not all(word in folded for word in spelled):
            return False
        values = [value.casefold() for value in _texts(orjson.loads(original))]
        return all(any(word in value for value in values) for word in words)

    return match


def _values_of(original: str, name: str) -> Iterator[str]:
    """Yield the values of a list of an original."""
    elements = orjson.loads(original).get(name)
    for element in elements if isinstance(elements, list) else ():
        value = element.get("value") if isinstance(element, dict) else element
        if isinstance(value, str):
            yield value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = [inner for name, inner in value.items() if name != "schemas"]
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
