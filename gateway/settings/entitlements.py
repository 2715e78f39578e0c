"""The [[targets.NAME.entitlements]] tables: types of entitlement, and their values or where those are."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from gateway.flow.target_port import EntitlementSource
from gateway.scim.entitlements import LONGEST, Entitlement, EntitlementType
from gateway.settings.faults import Faults, at, read
from gateway.settings.fields import SomeSeconds, parse_text_filter
from gateway.settings.model import EntitlementSettings
from gateway.settings.tables import SomeText, Table, is_in_file

if TYPE_CHECKING:
    from gateway.settings.rules import TableFiles

REFRESH: Final = 300.0  # seconds
TAKEN: Final = frozenset(
    {"users", "groups", "serviceproviderconfig", "resourcetypes", "schemas", "me", "bulk"}
)
SOURCES: Final = ("groups", "endpoint", "query")

_SELECT: Final = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
_ENDPOINT: Final = re.compile(r"/([A-Za-z][A-Za-z0-9_-]*)")


class EntitlementTable(Table):
    """[[targets.NAME.entitlements]]"""

    type: SomeText = Field(description="What this kind of entitlement is called, such as `License`.")
    endpoint: str | None = Field(
        default=None,
        description="Where its values are served, such as `/Licenses`; unless you say, the type with an s.",
    )
    attribute: Literal["entitlements", "roles"] | None = Field(
        default=None,
        description="Where people carry its values; unless you say, `roles` for the type `Role`, else "
        "`entitlements`.",
    )
    schema_: Literal["okta", "rfc"] = Field(
        default="okta",
        alias="schema",
        description="Whose schema the values are served in: that of Okta Identity Governance, or the one "
        "that the IETF drafts for the standard, `urn:ietf:params:scim:schemas:core:2.0:Entitlement`.",
    )
    description: str = Field(default="", description="What it is, for people.")
    values: Any = Field(description="Its values, or where they are.")
    refresh: SomeSeconds = Field(
        default=REFRESH,
        description="How long values count that were read from groups or an endpoint.",
    )


class EntitlementValueTable(Table):
    """an entry of `values`"""

    id: SomeText = Field(description="What people carry as the value.")
    display: SomeText | None = Field(
        default=None, description="What people read; unless you say, what `id` says."
    )
    description: str = Field(default="", max_length=LONGEST, description="What it means.")


class EntitlementSourceTable(Table):
    """[targets.NAME.entitlements] values"""

    groups: Any = Field(
        default=None,
        description="The target's groups, `true` for all of them, or those that a filter matches: the id of "
        "each is a value, and its displayName what people read.",
    )
    endpoint: str | None = Field(
        default=None,
        description="For `scim`: an endpoint of the target's own, such as `/Licenses`, that lists them.",
    )
    query: str | None = Field(
        default=None,
        description="For `sql`: a SELECT in the target's own database, of an id, a name and maybe a "
        "description.",
    )


class Entitlements:
    """Reads the tables of one target."""

    def __init__(self, connector: str | None, faults: Faults, files: "TableFiles") -> None:
        self._connector = connector
        self._faults = faults
        self._files = files

    def load(self, written: Sequence[Any], path: str) -> tuple[EntitlementSettings, ...]:
        """Return them all; two never share a type or an endpoint."""
        found = list(self._each(written, path))
        for key in ("type", "endpoint"):
            seen: dict[str, str] = {}
            for where, one in found:
                name = one.type.name if key == "type" else one.type.endpoint
                if (first := seen.setdefault(name.casefold(), where)) != where:
                    self._faults.add(at(where, key), f"is that of {self._faults.name(first)}, too")
        return tuple(one for _, one in found)

    def _each(self, written: Sequence[Any], path: str) -> Iterator[tuple[str, EntitlementSettings]]:
        for index, raw in enumerate(written):
            where = at(path, index)
            if (table := read(EntitlementTable, raw, where, self._faults)) is None:
                continue
            endpoint = self._endpoint(table, at(where, "endpoint"))
            attribute = table.attribute or ("roles" if table.type.casefold() == "role" else "entitlements")
            kind = EntitlementType(table.type, endpoint, attribute, table.schema_, table.description)
            values, source = self._values(table.values, at(where, "values"))
            yield where, EntitlementSettings(kind, values, source and replace(source, refresh=table.refresh))

    def _endpoint(self, table: EntitlementTable, path: str) -> str:
        written = f"/{table.type}s" if table.endpoint is None else table.endpoint
        found = _ENDPOINT.fullmatch(written)
        if found is None:
            self._faults.add(path, 'must be a path of one part, such as "/Licenses"')
        elif found[1].casefold() in TAKEN:
            self._faults.add(path, f"{written} is served already, for what the standard has there")
        return written.removeprefix("/")

    def _values(self, raw: object, path: str) -> tuple[tuple[Entitlement, ...], EntitlementSource | None]:
        if isinstance(raw, list):
            return tuple(self._listed(raw, path)), None
        if is_in_file(raw):
            rows = self._files.rows(raw, path, 3, _check_row)
            return tuple(Entitlement(id, *cells) for id, cells in rows.items()), None
        table = read(EntitlementSourceTable, raw, path, self._faults)
        if table is None:
            return (), None
        said = [name for name in SOURCES if getattr(table, name) is not None]
        if len(said) != 1:
            self._faults.add(path, "must be a list, or a table with one of file, groups, endpoint and query")
            return (), None
        return (), self._source(table, path)

    def _source(self, table: EntitlementSourceTable, path: str) -> EntitlementSource:
        if table.query is not None:
            return EntitlementSource(query=self._query(table.query, at(path, "query")))
        if table.endpoint is None:
            asked, where = table.groups, at(path, "groups")
            meant = None if asked is True else self._faults.attempt(parse_text_filter, asked, where)
            return EntitlementSource(groups=meant)
        if self._connector != "scim":
            self._faults.add(at(path, "endpoint"), "is for the connector scim only")
        elif not _ENDPOINT.fullmatch(table.endpoint):
            self._faults.add(at(path, "endpoint"), 'must be a path of one part, such as "/Licenses"')
        return EntitlementSource(endpoint=table.endpoint.removeprefix("/"))

    def _query(self, query: str, path: str) -> str:
        if self._connector != "sql":
            self._faults.add(path, "is for the connector sql only")
        elif _SELECT.match(query) is None:
            self._faults.add(path, "must be a SELECT of an id, a name and maybe a description")
        return query

    def _listed(self, written: Sequence[Any], path: str) -> Iterator[Entitlement]:
        seen: dict[str, str] = {}
        if not written:
            self._faults.add(path, "must not be empty")
        for index, raw in enumerate(written):
            where = at(path, index)
            entry = {"id": raw} if isinstance(raw, str) else raw
            if (table := read(EntitlementValueTable, entry, where, self._faults)) is None:
                continue
            if (first := seen.setdefault(table.id, where)) != where:
                self._faults.add(where, f"is {self._faults.name(first)}, too")
            yield Entitlement(table.id, table.display or table.id, table.description)


def _check_row(row: Sequence[str]) -> None:
    if len(row) > 2 and len(row[2]) > LONGEST:
        raise ValueError(f"the description is longer than {LONGEST} characters")
