"""How much of a person's values the trail keeps: all, enough to recognise them, or a keyed digest. Pure."""

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any, Final

from gateway.audit.event import Event, Personal, Remark
from gateway.scim.difference import Lines, parts_of
from gateway.values import frozen

LABELS: Final = frozenset({"type"})  # says which of several values it is, not whose
MASK: Final = "***"
BARE: Final = 3  # a text so short shows nothing but its length

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_LITERALS: Final = re.compile(r'(?<=").*(?=")', re.DOTALL)  # of a path: from its first quote to its last
_SUSPECT: Final = (
    # an address or a number, as a target writes it; not the name of a rule, as in dialpad@1:title
    r"(?<![\w.+-])(?![\w-]+@\d+:)[^\s@\"'<>]+@[^\s@\"'<>]+|\+?\d[\d ()./-]{5,}\d"
)

Mask = Callable[[str], str]


@frozen
class Masking:
    """A level other than `full`, and what it makes of a text."""

    level: str
    mask: Mask = field(repr=False)


NO_MASKING: Final[Mapping[str, Masking]] = MappingProxyType({})  # of any target


def masked(text: str) -> str:
    """Return the first character, the domain of an e-mail address, and the length."""
    local, at, domain = text.rpartition("@") if _EMAIL.fullmatch(text) else (text, "", "")
    first = local[0] if len(local) > BARE else ""
    return f"{first}{MASK}{at}{domain} ({len(text)})"


def hashing(key: bytes) -> Mask:
    """Return what makes texts into keyed digests, the same for the same text."""
    return lambda text: f"hmac:{hmac.digest(key, text.encode(), 'sha256').hex()}"


def masked_event(event: Event, masking: Masking, subject: str | None) -> Event:
    """Return the event with every personal value covered, its level, and by what `history` finds it."""
    fields = {name: _masked_value(value, name, masking.mask) for name, value in event.fields.items()}
    known = {"subject": Personal(subject)} if subject is not None else {}
    lines = _masked_lines(event.lines, masking.mask)
    return replace(event, fields={**fields, "level": masking.level, **known}, lines=lines)


def _masked_lines(lines: Lines, mask: Mask) -> Lines:
    paths = {
        path for path, *_ in parts_of(lines.labels)
    }  # the numbers among them: of those that are personal
    values = [
        _masked_path(value, mask) if number in paths else _covered(value, mask)
        for number, value in enumerate(lines.values)
    ]
    return Lines(lines.labels, values)


def _masked_path(path: str, mask: Mask) -> str:
    return _LITERALS.sub(lambda found: mask(found[0]), path)


def _masked_value(value: Any, name: str, mask: Mask) -> Any:
    """Return a part of an event; `name` is what it stands under."""
    if isinstance(value, Remark):
        return Personal(_quoted(value, mask))
    if isinstance(value, Personal) and name == "path":
        return Personal(_masked_path(value.value, mask))
    if isinstance(value, Personal):
        return Personal(_covered(value.value, mask))
    if isinstance(value, Mapping):
        return {inner: _masked_value(part, inner, mask) for inner, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked_value(part, name, mask) for part in value]
    return value


def _covered(value: Any, mask: Mask) -> Any:
    """Return a value with its texts and numbers covered; names, labels, booleans and null stay."""
    if isinstance(value, Mapping):
        return {
            name: inner if name in LABELS and isinstance(inner, str) else _covered(inner, mask)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_covered(inner, mask) for inner in value]
    return value if value is None or isinstance(value, bool) else mask(str(value))


def _quoted(remark: Remark, mask: Mask) -> str:
    """Return a remark with the values covered that it quotes, and all that looks like one."""
    text = str(remark.value)
    folded = text.casefold()
    quoted = {quote for quote in _texts(remark.quotes) if quote.casefold() in folded}
    words = [rf"(?<!\w){re.escape(quote)}(?!\w)" for quote in sorted(quoted, key=len, reverse=True)]
    return re.sub("|".join([*words, _SUSPECT]), lambda found: mask(found[0]), text, flags=re.IGNORECASE)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text and number in documents that could be recognised in a sentence."""
    if isinstance(value, Mapping):
        value = [inner for name, inner in value.items() if name not in LABELS and name != "schemas"]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value).strip()) > 1:
        yield str(value).strip()
