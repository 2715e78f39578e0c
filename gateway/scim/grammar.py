"""Filter and path texts to syntax trees, and back (RFC 7644 sections 3.4.2.2 and 3.5.2). Pure.

Errata 4670, 4690, 7122, 7322, 8415 and 8924 are applied: brackets hold whole filters, but none with
brackets of its own; a path may be a test; names end after one sub-attribute and may hold a `$`. Not in
the standard, but sent by Microsoft Entra: `emails[type eq "work"].value eq "x"` in a filter, which is
`emails[type eq "work" and value eq "x"]`.
"""

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from math import isfinite
from typing import Final, NoReturn, TypeAlias

from gateway.errors import InvalidFilter, InvalidPath
from gateway.values import frozen

MAX_LENGTH: Final = 2048  # characters of a filter or path
MAX_TERMS: Final = 16
MAX_DEPTH: Final = 32  # brackets within brackets: every walk over a tree is a recursion

_NAME: Final = r"\$?[A-Za-z][A-Za-z0-9$_-]*"
_URN: Final = r"(?i:urn):[A-Za-z0-9][A-Za-z0-9._-]*(?::[A-Za-z0-9][A-Za-z0-9._-]*)*"
_IS_NAME: Final = re.compile(_NAME)
_IS_URN: Final = re.compile(_URN)

Literal: TypeAlias = str | int | float | bool | None


class CompareOperator(StrEnum):
    """How an attribute is compared with a literal."""

    eq = "eq"  # equal
    ne = "ne"  # not equal
    co = "co"  # contains
    sw = "sw"  # starts with
    ew = "ew"  # ends with
    gt = "gt"  # greater than
    ge = "ge"  # greater than or equal to
    lt = "lt"  # less than
    le = "le"  # less than or equal to


class LogicalOperator(StrEnum):
    """How filters are joined; `and` binds closer."""

    and_ = "and"  # every one
    or_ = "or"  # at least one


@frozen
class AttrPath:
    """A name, maybe of a sub-attribute, maybe under a URN; raises ValueError for what no grammar reads."""

    attr: str
    sub_attr: str | None = None
    uri: str | None = None

    def __post_init__(self) -> None:
        for name in (self.attr, self.sub_attr):
            if name is not None and not _IS_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not an attribute name")
        if self.uri is not None and not _IS_URN.fullmatch(self.uri):
            raise ValueError(f"{self.uri!r} is not a schema URN")

    def __str__(self) -> str:
        name = self.attr if self.sub_attr is None else f"{self.attr}.{self.sub_attr}"
        return name if self.uri is None else f"{self.uri}:{name}"


@frozen
class Comparison:
    """An attribute compared with a literal: `userName eq "ann"`."""

    attr_path: AttrPath
    op: CompareOperator
    value: Literal

    def __str__(self) -> str:
        return f"{self.attr_path} {self.op} {json.dumps(self.value, allow_nan=False)}"


@frozen
class Present:
    """Whether an attribute has a value: `title pr`."""

    attr_path: AttrPath

    def __str__(self) -> str:
        return f"{self.attr_path} pr"


@frozen
class Not:
    """The opposite of a filter: `not (title pr)`."""

    expr: "Filter"

    def __str__(self) -> str:
        return f"not ({self.expr})"


@frozen
class LogicalExpr:
    """Two filters or more, joined by one operator: `a pr and b pr and c pr`."""

    op: LogicalOperator
    terms: tuple["Filter", ...] = ()

    def __str__(self) -> str:
        return f" {self.op} ".join(f"({term})" if self._encloses(term) else str(term) for term in self.terms)

    def _encloses(self, term: "Filter") -> bool:
        """Say whether a term would fall apart without parentheses."""
        is_looser = isinstance(term, LogicalExpr) and term.op is LogicalOperator.or_
        return is_looser and self.op is LogicalOperator.and_


@frozen
class ValuePath:
    """Those values of an attribute that a filter picks: `emails[type eq "work"]`, in a path with `.value`."""

    attr_path: AttrPath
    val_filter: "Filter"
    sub_attr: str | None = None  # of a path alone

    def __str__(self) -> str:
        picked = f"{self.attr_path}[{self.val_filter}]"
        return picked if self.sub_attr is None else f"{picked}.{self.sub_attr}"


@frozen
class Sort:
    """The attribute by whose value entries are ordered, and which way."""

    by: AttrPath
    descending: bool = False


Filter: TypeAlias = Comparison | Present | Not | LogicalExpr | ValuePath
Path: TypeAlias = AttrPath | ValuePath | Comparison | Present


def parse_filter(text: str) -> Filter:
    """Return the tree of a filter; raises InvalidFilter, which says where it is wrong."""
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(f"filter is longer than {MAX_LENGTH} characters")
    try:
        tree = _Reader(text, "filter").filter()
    except _Unreadable as error:
        raise InvalidFilter(f"filter: {error}") from error
    if terms(tree) > MAX_TERMS:
        raise InvalidFilter(f"filter has more than {MAX_TERMS} terms")
    if not is_storable(tree):
        raise InvalidFilter("filter: a value contains a NUL character or half a surrogate pair")
    return tree


def parse_path(text: str) -> Path:
    """Return the tree of a path in RFC notation or Okta's (`phoneNumbers.^[type=='work'].value`)."""
    if len(text) > MAX_LENGTH:
        raise InvalidPath(f"path is longer than {MAX_LENGTH} characters")
    try:
        path = _Reader(rfc_notation(text), "path").path()
    except _Unreadable as error:
        raise InvalidPath(f"path: {error}") from error
    if not isinstance(path, AttrPath) and not is_storable(path):
        raise InvalidPath("path: a value contains a NUL character or half a surrogate pair")
    return path


def rfc_notation(text: str) -> str:
    """Return Okta's external-name form of a path as RFC 7644 writes it; anything else as it is."""
    return _OKTA_FILTER.sub(lambda found: f"[{found[1]} eq {_okta_literal(found[2])}]", text)


def leaves(tree: Filter) -> Iterator[Comparison | Present]:
    """Yield the comparisons and presence tests of a filter, in its order."""
    match tree:
        case LogicalExpr():
            for term in tree.terms:
                yield from leaves(term)
        case Not():
            yield from leaves(tree.expr)
        case ValuePath():
            yield from leaves(tree.val_filter)
        case Comparison() | Present():
            yield tree


def terms(tree: Filter) -> int:
    """Count the comparisons of a filter."""
    return sum(1 for _ in leaves(tree))


def is_storable(tree: Filter) -> bool:
    """Say whether every literal can be kept in a database and sent on."""
    texts = (leaf.value for leaf in leaves(tree) if isinstance(leaf, Comparison))
    return all(_is_storable_text(text) for text in texts if isinstance(text, str))


def _is_storable_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


_OKTA_FILTER: Final = re.compile(r"\.\^\[([\w$-]+)\s*==\s*('[^']*'|\"[^\"]*\"|\w+)\]")
_OKTA_WORDS: Final = {"true": "true", "false": "false"}


def _okta_literal(text: str) -> str:
    bare = text.strip("'\"")
    return _OKTA_WORDS.get(bare.casefold()) or json.dumps(bare, ensure_ascii=False)


def _token(pattern: str) -> re.Pattern[str]:
    """Compile a token, its text as group 1, with the space behind it."""
    return re.compile(rf"({pattern})[ \t\f\r\n]*", re.ASCII)


def _word(choices: str) -> re.Pattern[str]:
    """Compile a word in any case; `never` is a name, not `ne` and more."""
    return _token(rf"(?i:{choices})(?![A-Za-z0-9$_-])")


# Possessive (`++`, `*+`), so that a text without an end is read once and not in every possible division.
_STRING: Final = r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*+"'
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_SPACE: Final = _token("")
_ATTR_PATH: Final = _token(rf"(?:({_URN}):)?({_NAME})(?:\.({_NAME}))?")
_SUB_ATTR: Final = _token(_NAME)
_OPERATOR: Final = _word("|".join(CompareOperator))
_PRESENT: Final = _word("pr")
_AND: Final = _word("and")
_OR: Final = _word("or")
_NOT: Final = _word("not")
_TEXT: Final = _token(_STRING)
_FIGURE: Final = _token(_NUMBER)
_CONSTANT: Final = _word("true|false|null")
_OPEN, _CLOSE, _FROM, _TO, _DOT = (_token(re.escape(mark)) for mark in "()[].")


class _Unreadable(Exception):
    """The text is not what the grammar has; says why."""


class _Reader:
    """Reads one text from left to right, a method for each rule of the grammar."""

    def __init__(self, text: str, kind: str) -> None:
        self._text, self._kind = text, kind
        self._at = self._depth = 0
        self._is_in_element = False
        self._take(_SPACE)

    def filter(self) -> Filter:
        tree = self._any_of()
        self._end()
        return tree

    def path(self) -> Path:
        name = self._name()
        tree: Path = name
        if self._take(_FROM):
            picked = self._picked(name)
            sub = self._need(_SUB_ATTR)[1] if self._take(_DOT) else None
            tree = ValuePath(name, picked, sub)
        elif self._at < len(self._text):
            tree = self._test(name)
        self._end()
        return tree

    def _any_of(self) -> Filter:
        found = [self._all_of()]
        while self._take(_OR):
            found.append(self._all_of())
        return found[0] if len(found) == 1 else LogicalExpr(LogicalOperator.or_, tuple(found))

    def _all_of(self) -> Filter:
        found = [self._term()]
        while self._take(_AND):
            found.append(self._term())
        return found[0] if len(found) == 1 else LogicalExpr(LogicalOperator.and_, tuple(found))

    def _term(self) -> Filter:
        if self._take(_NOT):
            self._need(_OPEN)
            return Not(self._enclosed(_CLOSE))
        if self._take(_OPEN):
            return self._enclosed(_CLOSE)
        name = self._name()
        if self._is_in_element or not self._take(_FROM):
            return self._test(name)
        picked = self._picked(name)
        if not self._take(_DOT):
            return ValuePath(name, picked)
        test = self._test(AttrPath(self._need(_SUB_ATTR)[1]))
        return ValuePath(name, LogicalExpr(LogicalOperator.and_, (*_terms_of_and(picked), test)))

    def _picked(self, name: AttrPath) -> Filter:
        """Read what brackets hold; of a sub-attribute there is nothing to pick from."""
        if name.sub_attr is not None:
            raise _Unreadable(f"a value selection cannot apply to the sub-attribute {str(name)!r}")
        self._is_in_element = True
        picked = self._enclosed(_TO)
        self._is_in_element = False
        return picked

    def _enclosed(self, end: re.Pattern[str]) -> Filter:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Unreadable(f"the {self._kind} nests more than {MAX_DEPTH} expressions")
        tree = self._any_of()
        self._need(end)
        self._depth -= 1
        return tree

    def _test(self, name: AttrPath) -> Comparison | Present:
        if self._take(_PRESENT):
            return Present(name)
        return Comparison(name, _OPERATORS[self._need(_OPERATOR)[1].lower()], self._literal())

    def _name(self) -> AttrPath:
        _, urn, name, sub = self._need(_ATTR_PATH).groups()
        if urn and sub and name.casefold() in _TYPES:  # a dot behind the URN of a type is meant as its colon
            return AttrPath(sub, None, f"{urn}:{name}")
        return AttrPath(name, sub, urn)

    def _literal(self) -> Literal:
        if text := self._take(_TEXT):
            return str(json.loads(text[1])) if "\\" in text[1] else text[1][1:-1]
        if figure := self._take(_FIGURE):
            return _number(figure[1])
        return _CONSTANTS[self._need(_CONSTANT)[1].lower()]

    def _take(self, token: re.Pattern[str]) -> re.Match[str] | None:
        found = token.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _need(self, token: re.Pattern[str]) -> re.Match[str]:
        return self._take(token) or self._stop()

    def _end(self) -> None:
        if self._at < len(self._text):
            self._stop()

    def _stop(self) -> NoReturn:
        raise _Unreadable(f"invalid syntax at column {self._at + 1}")


def _terms_of_and(tree: Filter) -> tuple[Filter, ...]:
    return tree.terms if isinstance(tree, LogicalExpr) and tree.op is LogicalOperator.and_ else (tree,)


_TYPES: Final = frozenset({"user", "group"})
_OPERATORS: Final = {operator.value: operator for operator in CompareOperator}
_CONSTANTS: Final[dict[str, Literal]] = {"true": True, "false": False, "null": None}


def _number(text: str) -> int | float:
    if not {".", "e", "E"} & set(text):
        return int(text)
    value = float(text)
    if not isfinite(value):
        raise _Unreadable(f"number out of range: {text}")
    return value
