"""What a transform is: what it sees and may say, its options, and how it is made on each value. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

from gateway.scim.names import EMPTY
from gateway.values import frozen

_REGIONS: Final = (
    "AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS "
    "BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG "
    "EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT "
    "HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR "
    "LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF "
    "NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD "
    "SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "
)
REGIONS: Final = frozenset(_REGIONS.split())  # whose phone numbers phonenumbers knows: it takes long to load


class Person:
    """What a transform may know besides the value: the resource as the provider sent it, and its country."""

    __slots__ = ("_region", "original")

    def __init__(
        self,
        original: Mapping[str, Any] = MappingProxyType({}),
        region: str | Callable[[], str | None] | None = None,
    ) -> None:
        self.original = original
        self._region = region

    @property
    def region(self) -> str | None:
        """ISO 3166 alpha-2, for national phone numbers; looked for when it is first asked for."""
        if callable(self._region):
            self._region = self._region()
        return self._region


@frozen
class Office:
    """An office of a target: its name there, and its country for phone numbers."""

    name: str
    country: str | None = None


class Unusable(Exception):
    """The value cannot be used; the text says why, without the value."""


@frozen
class Transform:
    """One compiled step of a rule.

    `apply` takes a value that is present and returns the new one, or None for absent; raises `Unusable`.
    `invert` turns a target's value back, where that is possible; it never raises.
    """

    name: str
    apply: Callable[[Any, Person], Any]
    invert: Callable[[Any], Any] | None = None


Options = Mapping[str, Any]
Offices = Mapping[str, Office]
Build = Callable[[Options, Offices], Transform]


class BadTransform(Exception):
    """An entry of `via` is wrong. `where` is "" or the option's key, `faults` holds every (where, reason)."""

    def __init__(self, where: str, reason: str, *more: tuple[str, str]) -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where
        self.reason = reason
        self.faults = ((where, reason), *more)


class OptionKind(StrEnum):
    """What an option takes."""

    TEXT = "text"  # maybe empty
    SOME_TEXT = "non-empty text"
    COUNT = "count"  # a whole number from 1
    BOOLEAN = "boolean"
    TEXTS = "list of texts"
    TABLE = "table"  # text to text, number or boolean
    ANY = "any value"


@frozen
class OptionSpec:
    """One option of a transform; where there are choices it takes nothing else."""

    doc: str
    kind: OptionKind = OptionKind.TEXT
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False

    def fault(self, value: Any) -> str | None:
        """Say what is wrong with a value, or None."""
        if not self.choices:
            is_good, sentence = _KINDS[self.kind]
            return None if is_good(value) else sentence
        if isinstance(value, str) and value in self.choices:
            return None
        return f"must be one of {', '.join(self.choices)}{meant(str(value), self.choices)}"


@frozen
class TransformSpec:
    """One transform that a rule may name.

    `idempotent` says that twice is once, as built without options that have a default.
    """

    name: str
    doc: str
    build: Build  # takes complete options; raises BadTransform
    options: Mapping[str, OptionSpec] = field(default_factory=dict)
    idempotent: bool = True

    def complete(self, given: Options) -> Options:
        """Return the options with their defaults; raises BadTransform with every fault of them."""
        if faults := [*self._unknown(given), *self._wrong(given), *self._missing(given)]:
            (where, reason), *more = faults
            raise BadTransform(where, reason, *more)
        return {name: option.default for name, option in self.options.items()} | dict(given)

    def _unknown(self, given: Options) -> list[tuple[str, str]]:
        reason = f"is not an option of {self.name}"
        return [(name, reason + meant(str(name), self.options)) for name in given if name not in self.options]

    def _wrong(self, given: Options) -> list[tuple[str, str]]:
        known = [
            (name, self.options[name].fault(value)) for name, value in given.items() if name in self.options
        ]
        return [(name, reason) for name, reason in known if reason is not None]

    def _missing(self, given: Options) -> list[tuple[str, str]]:
        required = [name for name, option in self.options.items() if option.required]
        return [(name, "is required") for name in required if name not in given]


def choice(doc: str, *choices: str) -> OptionSpec:
    """Describe an option that takes one of several words, the first by default."""
    return OptionSpec(doc, choices=choices, default=choices[0])


def nearest(word: str, known: Iterable[str], closeness: float = 0.6) -> str | None:
    """Return the name most like a word, or None where none is."""
    folded = {name.casefold(): name for name in known}
    from difflib import get_close_matches  # asked of slips of the pen only

    near = get_close_matches(word[:80].casefold(), folded, n=1, cutoff=closeness)
    return folded[near[0]] if near else None


def meant(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the known name that is most like a word, or ""."""
    near = nearest(word, known, closeness=0.5)
    return f"; did you mean {near}?" if near else ""


def _is_scalar(value: Any) -> bool:
    match value:
        case float():
            return isfinite(value)
        case int():
            return abs(value) < 2**63  # what JSON carries safely
        case _:
            return isinstance(value, str)


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and _is_scalar(inner) for key, inner in value.items())
    )


def is_json(value: Any) -> bool:
    """Say whether JSON has such a value, and carries it safely."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(is_json(inner) for inner in value)
    return _is_scalar(value)


_KINDS: Final[Mapping[OptionKind, tuple[Callable[[Any], bool], str]]] = {
    OptionKind.TEXT: (lambda value: isinstance(value, str), "must be text"),
    OptionKind.SOME_TEXT: (
        lambda value: isinstance(value, str) and value != "",
        "must be text, and not empty",
    ),
    OptionKind.COUNT: (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
        "must be a whole number from 1",
    ),
    OptionKind.BOOLEAN: (lambda value: isinstance(value, bool), "must be true or false"),
    OptionKind.TEXTS: (
        lambda value: (
            isinstance(value, list) and value != [] and all(isinstance(item, str) for item in value)
        ),
        "must be a list of texts, and not empty",
    ),
    OptionKind.TABLE: (_is_table, "must be a table of texts, and not empty"),
    OptionKind.ANY: (is_json, "must be text, a number, true, false, a list or a table"),
}


Apply = Callable[[Any, Person], Any]
Invert = Callable[[Any], Any]


def each(change: Apply) -> Apply:
    """Return `change` made on every item; items that become absent leave the list."""

    def apply(value: Any, person: Person) -> Any:
        if isinstance(value, str):
            return change(value, person)
        if not isinstance(value, list):
            return _change_item(change, value, person)
        changed = [_change_item(change, item, person) for item in value if item not in EMPTY]
        return [item for item in changed if item not in EMPTY]

    return apply


def each_text(change: Callable[[str], Any]) -> Apply:
    """Return `change` made on every text; anything else is unusable."""
    general = each(lambda value, person: change(text_of(value)))
    return lambda value, person: change(value) if isinstance(value, str) else general(value, person)


def each_back(change: Callable[[str], Any]) -> Invert:
    """Return `change` made on every text a target may show, leaving all else as it is."""

    def invert(value: Any) -> Any:
        match value:
            case str():
                return change(value)
            case list():
                return [invert(item) for item in value]
            case {"value": str() as text}:
                return {**value, "value": change(text)}
            case _:
                return value

    return invert


def text_of(value: Any) -> str:
    """Return a value that is text; raises Unusable."""
    if not isinstance(value, str):
        raise Unusable(f"is not text, but {kind_of(value)}")
    return value


_KIND_NAMES: Final = {str: "text", bool: "true or false", list: "a list", dict: "an object"}
MOST_LISTED: Final = 20


def kind_of(value: Any) -> str:
    """Return what a value is, for a refusal, which never has the value itself."""
    return _KIND_NAMES.get(type(value), "a number")


def listed(names: Iterable[str]) -> str:
    """Return what a value may be, for a refusal."""
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return ", ".join(known[:MOST_LISTED]) + more


def _change_item(change: Apply, item: Any, person: Person) -> Any:
    if not isinstance(item, dict):
        return change(item, person)
    if item.get("value") in EMPTY:
        return None
    after = change(item["value"], person)
    return None if after in EMPTY else {**item, "value": after}
