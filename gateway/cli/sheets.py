"""Resources from CSV: which delimiter, which column is which attribute, and a row made a resource."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import chain
from typing import Any, Final

from gateway.errors import InvalidPath
from gateway.mapping.precedence import target_key
from gateway.mapping.rules import is_many
from gateway.mapping.specs import nearest
from gateway.scim.names import ENTERPRISE_USER, resource
from gateway.scim.paths import Place, place, put
from gateway.settings.faults import hint
from gateway.values import frozen

Knows = Callable[[Place], bool]  # says whether the target has an attribute

DELIMITERS: Final = (",", ";", "\t", "|")  # of as many columns, the first
NAMED: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # the first line of a sheet that says it
MAIL: Final = 'emails[type eq "work" and primary eq true].value'
PHONE: Final = 'phoneNumbers[type eq "work" and primary eq true].value'
MOBILE: Final = 'phoneNumbers[type eq "mobile"].value'
HOME: Final = 'addresses[type eq "work" and primary eq true]'
WORK: Final = 'addresses[type eq "work"]'

# Headings of sheets that providers write -> the attribute that the provider sends it as. Those that are an
# attribute's own name are not here, nor are those of which it is not known.
# Okta: the names of its profile's attributes, as in the template of its import
# (help.okta.com, "Import users from a CSV file").
OKTA: Final[Mapping[str, str]] = {
    "login": "userName",
    "firstname": "name.givenName",
    "lastname": "name.familyName",
    "middlename": "name.middleName",
    "honorificprefix": "name.honorificPrefix",
    "honorificsuffix": "name.honorificSuffix",
    "email": MAIL,
    "primaryphone": PHONE,
    "mobilephone": MOBILE,
    "streetaddress": f"{HOME}.streetAddress",
    "city": f"{HOME}.locality",
    "state": f"{HOME}.region",
    "zipcode": f"{HOME}.postalCode",
    "countrycode": f"{HOME}.country",
    **{
        name.casefold(): f"{ENTERPRISE_USER}:{name}"
        for name in ("employeeNumber", "costCenter", "organization", "division", "department")
    },
    "managerid": f"{ENTERPRISE_USER}:manager.value",
}
# Entra ID: "Download users", whose columns have had two sets of names
# (learn.microsoft.com/entra/identity/users/users-bulk-download).
ENTRA: Final[Mapping[str, str]] = {
    "userprincipalname": "userName",
    "objectid": "externalId",
    "id": "externalId",
    "surname": "name.familyName",
    "givenname": "name.givenName",
    "mail": 'emails[type eq "work"].value',
    "jobtitle": "title",
    "department": f"{ENTERPRISE_USER}:department",
    "accountenabled": "active",
    "streetaddress": f"{WORK}.streetAddress",
    "city": f"{WORK}.locality",
    "state": f"{WORK}.region",
    "postalcode": f"{WORK}.postalCode",
    "country": f"{WORK}.country",
    "telephonenumber": 'phoneNumbers[type eq "work"].value',
    "mobile": MOBILE,
    "mobilephone": MOBILE,
}
EXPORTS: Final = (("login", OKTA), ("userprincipalname", ENTRA))  # by the heading that each has


@frozen
class FoundResource:
    """One resource of a file, and its row: of a sheet as a spreadsheet counts, else its line or number."""

    row: int
    document: dict[str, Any]
    ignored: tuple[str, ...] = ()  # headings, as they are written, of values that no attribute is for


@frozen
class Sheet:
    """How a sheet is to be read."""

    knows: Knows
    delimiter: str | None = None  # None: it is told from the headings
    headings: Mapping[str, Place | None] = field(default_factory=dict)  # folded; None: leave it out


NO_SHEET: Final = Sheet(lambda where: True)


@frozen
class _Heading:
    title: str
    where: Place | None  # None: no attribute is for it


def read_sheet(lines: Iterable[str], sheet: Sheet) -> Iterator[FoundResource]:
    """Yield the resources of a sheet, a row each; raises ValueError, which names line or column."""
    numbered = enumerate(lines, 1)
    number, first = next((n, line) for n, line in numbered if line.strip())
    delimiter = sheet.delimiter
    if named := NAMED.fullmatch(first):
        delimiter = delimiter or named[1]
        number, first = next(numbered, (number + 1, ""))
    delimiter = delimiter or _delimiter(first, sheet)
    rest = (line for _, line in numbered)
    rows = csv.reader(chain([first], rest), delimiter=delimiter, strict=True)
    try:
        headings = _headings(next(rows, []), sheet)
        for row, cells in enumerate(rows, number + 1):
            if any(cell.strip() for cell in cells):
                yield _of_row(row, headings, cells)
    except (csv.Error, _TooLong) as error:
        raise ValueError(f"line {number + rows.line_num - 1}: {error}") from error


def read_headings(rows: Iterable[str]) -> dict[str, Place | None]:
    """Return which heading is which attribute, of a sheet of two columns; raises ValueError."""
    numbered = enumerate(rows, 1)
    lines = [(n, line) for n, line in numbered if line.strip()]
    if not lines:
        raise ValueError("holds no headings")
    mark = max(DELIMITERS, key=lambda mark: min(lines[0][1].count(mark), 1))
    found: dict[str, Place | None] = {}
    for (n, _), cells in zip(lines, csv.reader((line for _, line in lines), delimiter=mark), strict=False):
        if len(cells) != 2:
            raise ValueError(f"line {n}: must be a heading and an attribute, and has {len(cells)} cells")
        title, path = cells[0].strip().casefold(), cells[1].strip()
        if path.casefold() == "path":  # headings of its own
            continue
        if title in found:
            raise ValueError(f'line {n}, "{cells[0].strip()}": stands there twice')
        try:
            found[title] = place(path) if path else None
        except InvalidPath as error:
            raise ValueError(f'line {n}, "{path}": {error}') from error
    return found


def note_on(title: str) -> str:
    """Return what is said of a heading that no attribute is for."""
    near = nearest(title, _names())
    return f'"{title}" is no attribute of the target' + (f'; did you mean "{near}"?' if near else "")


class _TooLong(Exception):
    """A row has more cells than there are columns."""


def _of_row(number: int, headings: list[_Heading], cells: list[str]) -> FoundResource:
    if len(cells) > len(headings):
        raise _TooLong(f"{len(cells)} cells, but only {len(headings)} columns")
    document: dict[str, Any] = {}
    ignored = list[str]()
    for heading, cell in zip(headings, cells, strict=False):
        if not cell.strip():
            continue
        if heading.where is None:
            ignored.append(heading.title)
        else:
            document = put(document, heading.where, cell, many=is_many(heading.where))
    return FoundResource(number, document, tuple(ignored))


def _delimiter(line: str, sheet: Sheet) -> str:
    """Return the delimiter that makes the most attributes of a line, else the most columns."""

    def worth(mark: str) -> tuple[int, int]:
        titles = next(csv.reader([line], delimiter=mark), [])
        export = _export(titles)
        return sum(_where(title.strip(), export, sheet) is not None for title in titles), len(titles)

    return max(DELIMITERS, key=worth)


def _headings(titles: list[str], sheet: Sheet) -> list[_Heading]:
    stripped = [title.strip() for title in titles]
    export, found = _export(stripped), list[_Heading]()
    for n, title in enumerate(stripped, 1):
        heading = _Heading(title, _checked(f"column {n}", title, export, sheet))
        known = [target_key(one.where) for one in found if one.where is not None]
        if heading.where is not None and target_key(heading.where) in known:
            raise ValueError(f'column {n}, "{heading.where.text}": stands there twice')
        found.append(heading)
    if all(heading.where is None for heading in found):
        near = hint(stripped[0], _names())
        raise ValueError(f'column 1, "{stripped[0]}": no such attribute{near}; --columns says what is what')
    return found


def _export(titles: Iterable[str]) -> Mapping[str, str]:
    """Return the headings of the provider that writes such a sheet."""
    folded = {title.strip().casefold() for title in titles}
    return next((export for mark, export in EXPORTS if mark in folded), {})


def _checked(position: str, title: str, export: Mapping[str, str], sheet: Sheet) -> Place | None:
    where = _where(title, export, sheet)
    if not title:
        raise ValueError(f'{position}, "": path: is empty')
    if where is not None and where.where is not None and where.sub is None:
        raise ValueError(f'{position}, "{title}": name a sub-attribute, such as {title}.value')
    return where


def _where(title: str, export: Mapping[str, str], sheet: Sheet) -> Place | None:
    """Return the attribute of a heading: as it was said, else the provider's, else that of its name."""
    folded = title.casefold()
    if folded in sheet.headings:
        return sheet.headings[folded]
    if folded in export:
        return place(export[folded])
    try:
        where = place(title)
    except InvalidPath:
        where = None
    return where if where is not None and sheet.knows(where) else None


def _names() -> Iterator[str]:
    return (attribute.name for attribute in resource("User").sub.values())
