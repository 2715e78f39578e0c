"""How much of a person's values the trail keeps: all, enough to recognise them, or a keyed digest. Pure."""

import hmac
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from html import unescape
from itertools import islice
from types import MappingProxyType
from typing import Any, Final
from unicodedata import category, normalize
from urllib.parse import unquote

from gateway.audit.event import Event, Personal, Remark
from gateway.audit.fields import FIELDS
from gateway.scim.difference import Lines, parts_of
from gateway.scim.names import SPELLED
from gateway.values import frozen

LABELS: Final = frozenset({"type"})  # says which of several values it is, not whose
MASK: Final = "***"
MOST_VALUES: Final = 20_000  # looked for in a text; where there are more, nothing of it is told
BARE: Final = 3  # a text so short shows nothing but its length

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_LITERALS: Final = re.compile(r'(?<=").*(?=")', re.DOTALL)  # of a path: from its first quote to its last
_SUSPECT: Final = re.compile(
    # an address, a number or a directory's name of somebody; not that of a rule, as in dialpad@1:title
    r"(?<![\w.+-])(?![\w-]+@\d+:)[^\s@\"'<>]+@[^\s@\"'<>]+|\+?\d[\d ()./-]{5,}\d"
    r"|(?:(?<=\bcn=)|(?<=\buid=))[^\s,+;()\"'][^,+;()\"']*",
    re.IGNORECASE,
)

Mask = Callable[[str], str]
Cover = Callable[[Any, bool], Any]  # covers a value, or, where that is said, what a path quotes


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
    # those that are personal are numbers: where their texts stand among the values
    paths = {path for path, *_ in parts_of(lines.labels)}
    values = [
        covered_path(value, mask) if number in paths else covered(value, mask)
        for number, value in enumerate(lines.values)
    ]
    return Lines(lines.labels, values)


def covered_path(path: str, mask: Mask) -> str:
    """Return a path with the literals covered that it quotes."""
    return _LITERALS.sub(lambda found: mask(found[0]), path)


def covering(mask: Mask) -> Cover:
    """Return what covers values by a mask."""
    return lambda value, is_path: covered_path(value, mask) if is_path else covered(value, mask)


def nothing_covered(value: Any, is_path: bool) -> Any:
    """Return a value as it is."""
    return value


def _masked_value(value: Any, name: str, mask: Mask) -> Any:
    """Return a part of an event; `name` is what it stands under."""
    if isinstance(value, Remark):
        return Personal(_quoted(value, mask))
    if isinstance(value, Personal) and name == "path":
        return Personal(covered_path(value.value, mask))
    if isinstance(value, Personal):
        return Personal(covered(value.value, mask))
    if isinstance(value, Mapping):
        return {inner: _masked_value(part, inner, mask) for inner, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked_value(part, name, mask) for part in value]
    return value


# fields of an event that hold no value of a person, or that `masked_answer` looks into
PLAIN: Final = frozenset({name.partition(".")[0] for name in FIELDS})


def masked_answer(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as it is read, with every personal value covered, and each field that is not known."""
    target, diff = event.get("target") or {}, event.get("diff") or ()
    whose = [target.get("user_name"), target.get("external_id")]
    quotes = (*whose, *(line.get(side) for line in diff for side in ("before", "after")))

    def quoted(text: str) -> str:
        return _without(text, quotes, masked)

    answer = {name: value if name in PLAIN else covered(value, masked) for name, value in event.items()}
    tables: tuple[tuple[str, str, Mask], ...] = (
        ("target", "user_name", masked),
        ("target", "external_id", masked),
        ("outcome", "reason", quoted),
        ("export", "filter", masked),
        ("export", "q", masked),
    )
    for name, inner, cover in tables:
        if isinstance(table := answer.get(name), Mapping):
            answer[name] = _with(table, inner, cover)
    if diff:
        answer["diff"] = [_masked_line(line) for line in diff]
    for name in ("held", "dropped"):
        if event.get(name):
            answer[name] = [covered_path(str(path), masked) for path in event[name]]
    parts: tuple[tuple[str, str, Mask], ...] = (
        ("attempts", "reason", quoted),
        ("reasons", "path", _masked_literals),
    )
    for name, inner, cover in parts:
        if event.get(name):
            answer[name] = [_with(part, inner, cover) for part in event[name]]
    return answer


def _masked_literals(path: str) -> str:
    return covered_path(path, masked)


def _masked_line(line: Mapping[str, Any]) -> dict[str, Any]:
    values = {side: covered(line.get(side), masked) for side in ("before", "after")}
    return {**line, **values, "path": covered_path(str(line.get("path")), masked)}


def _with(table: Mapping[str, Any], name: str, cover: Mask) -> dict[str, Any]:
    """Return a part of an event with one of its values covered, where it has that."""
    return {**table, name: cover(str(table[name]))} if table.get(name) is not None else dict(table)


def covered(value: Any, mask: Mask) -> Any:
    """Return a value with its texts and numbers covered; names, labels, booleans and null stay."""
    if isinstance(value, Mapping):
        return {
            name: inner if name in LABELS and isinstance(inner, str) else covered(inner, mask)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [covered(inner, mask) for inner in value]
    return value if value is None or isinstance(value, bool) else mask(str(value))


def _quoted(remark: Remark, mask: Mask) -> str:
    """Return a remark with the values covered that it quotes, and all that looks like one."""
    return _without(str(remark.value), remark.quotes, mask)


def blotted(text: str, quotes: Iterable[Any]) -> str:
    """Return what a target said as anybody may read it: without values that it quotes of these documents."""
    return _without(text, quotes, lambda _: MASK)


def without_values(text: str, quotes: Iterable[Any]) -> str:
    """Return a text without these values, whoever else it tells of."""
    return _covered_at(text, _quotations(text, _readings(text), quotes), lambda _: MASK)


def _without(text: str, quotes: Iterable[Any], mask: Mask) -> str:
    readings = _readings(text)
    return _covered_at(text, [*_quotations(text, readings, quotes), *_suspects(readings)], mask)


Span = tuple[int, int]  # of a text: from, and up to


def _covered_at(text: str, spans: Iterable[Span], mask: Mask) -> str:
    """Return a text with these spans covered; those that overlap are one."""
    parts, end = list[str](), 0
    for start, stop in _merged(spans):
        parts += (text[end:start], mask(text[start:stop]))
        end = stop
    return "".join((*parts, text[end:]))


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged = list[Span]()
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


@frozen
class _Reading:
    """A text as somebody reads it, folded, and where in it each character stands."""

    letters: str
    places: Sequence[Span]

    def span(self, start: int, stop: int) -> Span:
        return self.places[start][0], self.places[stop - 1][1]


def _quotations(text: str, readings: Sequence[_Reading], quotes: Iterable[Any]) -> Iterator[Span]:
    """Yield where a text has values of documents: in any case, escaped, without blanks, or cut short.

    What is spelled as an attribute is stays, even where somebody's value is the same word.
    """
    names = set(SPELLED)
    most = len(text) + 1  # of a longer value only the beginning can be there
    values = list(islice(_texts(tuple(quotes), names), MOST_VALUES + 1))
    if len(values) > MOST_VALUES:
        yield 0, len(text)
        return
    needles = _Needles({needle for value in set(values) for needle in _needles(value[:most])})
    for reading in readings:
        for found in needles.occurrences(reading.letters):
            start, stop = reading.span(*found)
            if text[start:stop] not in names:
                yield start, stop


def _suspects(readings: Sequence[_Reading]) -> Iterator[Span]:
    for reading in readings:
        for found in _SUSPECT.finditer(reading.letters):
            yield reading.span(*found.span())


def _texts(documents: Sequence[Any], names: set[str]) -> Iterator[str]:
    """Yield every text and number in documents that could be recognised in a sentence; note their names."""
    waiting = list(documents)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, Mapping):
            names.update(value)
            waiting += [inner for name, inner in value.items() if name not in LABELS and name != "schemas"]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield str(value)


_BOOLEANS: Final = frozenset({"true", "false"})
_UNSPACED: Final = "\u0e00"  # from here on are the scripts that do not part words by blanks


def _needles(value: str) -> tuple[str, ...]:
    """Return what is looked for of a value: itself folded, and without its blanks."""
    folded = " ".join((value.lower() if value.isascii() else _plain(value)).split())
    is_letter = len(value.strip()) < 2 and folded < _UNSPACED
    if not folded or is_letter or folded in _BOOLEANS:
        return ()
    return (folded, folded.replace(" ", "")) if " " in folded else (folded,)


_CUT: Final = "..."  # an ellipsis as it is folded, behind a value that is cut short
_HEAD: Final = 3  # characters by which a value that is cut short is known


class _Needles:
    """Values to be looked for: what that takes grows with the text, and hardly with how many they are."""

    def __init__(self, needles: set[str]) -> None:
        self._needles = needles
        self._in_order = sorted(needles)
        self._sizes: dict[str, set[int]] = defaultdict(set)  # by what they begin with
        for needle in needles:
            self._sizes[needle[:_HEAD]].add(len(needle))

    def occurrences(self, text: str) -> Iterator[Span]:
        """Yield where a value stands as a word of its own, or its beginning where it is cut short."""
        for at in range(len(text)):
            if at and _are_one_word(text[at - 1], text[at]):
                continue
            for head in range(1, _HEAD + 1):
                for size in self._sizes.get(text[at : at + head], ()):
                    end = at + size
                    if text[at:end] in self._needles and _is_word_end(text, end):
                        yield at, end
            cut = text.find(_CUT, at + _HEAD)
            if cut > 0 and self._is_beginning(text[at:cut]):
                yield at, cut

    def _is_beginning(self, text: str) -> bool:
        at = bisect_right(self._in_order, text)
        return at < len(self._in_order) and self._in_order[at].startswith(text)


def _is_word_end(text: str, end: int) -> bool:
    return end == len(text) or (end < len(text) and not _are_one_word(text[end - 1], text[end]))


def _are_one_word(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and max(left, right) < _UNSPACED


_ESCAPES: Final = (  # how a target may have written it: as JSON, a URL or HTML, as LDAP, backslashes doubled
    r"(?:\\+u[0-9a-f]{4})+|\\+[nrtbf]|\\+[^\w\s\\]|(?:%(?:25)*[0-9a-f]{2})+|&#?\w+;",
    r"(?:\\+[0-9a-f]{2})+|\\+[^\w\s\\]|(?:%(?:25)*[0-9a-f]{2})+",
    r"\\+",
)
_FORMS: Final = tuple(
    re.compile(f"{form}.", re.IGNORECASE | re.DOTALL) for form in ("", *(f"{e}|" for e in _ESCAPES))
)


def _readings(text: str) -> list[_Reading]:
    """Return a text as it is, and, where there may be escapes in it, as it is without them."""
    forms = _FORMS if any(mark in text for mark in "\\%&") else _FORMS[:1]
    return [_reading(text, form) for form in forms]


def _reading(text: str, form: re.Pattern[str]) -> _Reading:
    """Fold a text piece by piece; blanks are one, and what folds to nothing goes with what is before it."""
    letters, places = list[str](), list[Span]()
    for found in form.finditer(text):
        start, stop = found.span()
        plain = _plain(found[0] if stop - start == 1 else _meant(found[0]))
        if places and plain in ("", " ") and (not plain or letters[-1] == plain):
            places[-1] = (places[-1][0], stop)
        else:
            letters += plain
            places += [(start, stop)] * len(plain)
    return _Reading("".join(letters), places)


def _plain(text: str) -> str:
    """Return letters without case, marks and width."""
    folded = text.lower() if text.isascii() else normalize("NFKD", text).casefold()
    return "".join(" " if c.isspace() else c for c in folded if category(c) not in ("Mn", "Cf"))


def _meant(escape: str) -> str:
    """Return what an escape stands for."""
    if escape[0] == "&":
        return unescape(escape)
    if escape[0] == "%":
        return unquote(re.sub("%(25)+", "%", escape))
    first, *rest = escape.replace("\\", " ").split() or ("\\",)
    if len(first) == 1:
        return " " if first.isalnum() else first
    if first[0] in "uU":
        units = bytes.fromhex("".join(unit[1:] for unit in (first, *rest)))
        return units.decode("utf-16-be", "replace")
    return bytes.fromhex("".join((first, *rest))).decode("utf-8", "replace")
