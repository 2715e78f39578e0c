"""The attributes that people set up for a target: what its preset tells of, and what its rules read. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.mapping.guide_data import GuideRow, ProviderKind, Subject
from gateway.mapping.guide_known import USUAL, is_there, known, reads, somewhere
from gateway.mapping.rules import Rule
from gateway.scim.names import CORE_USER, is_multi_valued
from gateway.scim.paths import Place, place

ALWAYS: Final = (("userName",), ("externalId",))

_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Row:
    """An attribute as a page shows it."""

    where: Place
    name: str
    variable: str
    value: str  # what is mapped to it; "" where people must know
    is_there: bool  # the provider's app has it by itself
    note: str
    values: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return self.where.urn or CORE_USER

    @property
    def external_name(self) -> str | None:
        """The path as Okta writes it; None where it has no way to."""
        where = self.where
        if where.where is None:
            return None if where.sub and is_multi_valued(where.attribute) else _dotted(where.attribute, where)
        terms = [_term(name, value) for name, value in where.where]
        if len(terms) != 1 or terms[0] is None:
            return None
        return _dotted(f"{where.attribute}.^[{terms[0]}]", where)

    @property
    def type(self) -> str:
        """The data type in Okta's Profile Editor."""
        whole = self.where.where is None and self.where.sub is None
        return "string array" if whole and is_multi_valued(self.where.attribute) else "string"

    @property
    def scim_name(self) -> str:
        """The path as Entra ID writes it."""
        where = self.where
        terms = " and ".join(f'{name} eq "{value}"' for name, value in where.where or ())
        path = _dotted(f"{where.attribute}[{terms}]" if terms else where.attribute, where)
        return path if where.urn is None else f"{where.urn}:{path}"


def rows_of(subject: Subject, kind: ProviderKind) -> list[Row]:
    """Return every attribute that the target takes from a provider, the preset's first."""
    sources = [[place(path) for path in group] for group in _groups(subject)]
    found = list(_applying(subject, [source for group in sources for source in group]))
    for group in _groups(subject):
        if not any(_is_read(path, map(place, group)) for row in found for path in row.paths):
            found.extend(GuideRow(paths) for paths in _spelled_out(group))
    return [_row(row, kind) for row in found]


def _groups(subject: Subject) -> Iterator[tuple[str, ...]]:
    """Yield the paths that the target reads, alternatives together."""
    yield from ALWAYS
    if subject.unlisted == "send":
        yield from USUAL
    yield from ((path,) for group in subject.require for path in group)
    yield from (tuple(source.text for source in rule.sources) for rule in subject.rules if _is_read_in(rule))


def _is_read_in(rule: Rule) -> bool:
    return rule.to.attribute != "password"  # what no profile holds


def _applying(subject: Subject, sources: list[Place]) -> Iterator[GuideRow]:
    """Yield the preset's rows that the target's rules still read."""
    for row in subject.guide.rows:
        paths = tuple(path for path in row.paths if _is_read(path, sources))
        if paths or subject.unlisted == "send":
            yield replace(row, paths=paths or row.paths)


def _is_read(path: str, sources: Iterable[Place]) -> bool:
    where = somewhere(path)
    return any(reads(source, where) for source in sources)


def _spelled_out(group: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a group, or, where it means every element of a list, the usual ones one by one."""
    source = place(group[0])
    usual = [paths for paths in USUAL if source.where is None and reads(source, place(paths[0]))]
    yield from usual or [group]


def _row(row: GuideRow, kind: ProviderKind) -> Row:
    spots = [somewhere(path) for path in row.paths]
    where = next((spot for spot in spots if is_there(spot, kind)), spots[0])
    facts, there = known(where), is_there(where, kind)
    value = (row.entra or facts.entra) if kind is ProviderKind.ENTRA else (row.okta or facts.okta)
    name = row.name or facts.name or _words(where)
    variable = (facts.variable if there else row.variable) or facts.variable or _variable(name)
    return Row(where, name, variable, value, there, row.note, row.values)


def _words(where: Place) -> str:
    """Return a path in words: phoneNumbers[type eq "home"].value is "Phone numbers home"."""
    parts = [where.attribute, *(str(value) for _, value in where.where or () if value is not True)]
    if where.sub not in (None, "value"):
        parts.append(str(where.sub))
    return " ".join(_CAPITAL.sub(" ", part) for part in parts).lower().capitalize()


def _variable(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "attribute"


def _dotted(attribute: str, where: Place) -> str:
    return attribute if where.sub is None else f"{attribute}.{where.sub}"


def _term(name: str, value: object) -> str | None:
    if isinstance(value, bool):
        return f"{name}=={str(value).lower()}"
    text = str(value)
    quote = next((mark for mark in "'\"" if mark not in text), None)
    return None if quote is None else f"{name}=={quote}{text}{quote}"
