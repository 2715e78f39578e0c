"""One [targets.NAME.sql] table, what is below it, and the URL of a database."""

import re
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from gateway.address import Signing, SqlActive, SqlCollection, SqlDatabase, SqlList, SqlMembers
from gateway.mapping.rules import Rule
from gateway.mapping.templates import faults_of
from gateway.scim.names import NAMES
from gateway.scim.paths import Place
from gateway.settings.faults import Faults, at, hint, read
from gateway.settings.fields import attributes_of, is_loopback, parse_sqlite_url
from gateway.settings.tables import SomeText, Table
from gateway.values import sealed


class SqlTable(Table):
    """[targets.NAME.sql]"""

    users: Any = Field(default=None, description="How people stand in the database.")
    groups: Any = Field(default=None, description="How groups do; without it the target has none.")
    tls: bool | None = Field(
        default=None,
        description="Whether the connection is secured, with the server's certificate and name verified; "
        "unless you say, wherever the server is not on this machine.",
    )
    ca: SomeText | None = Field(
        default=None,
        description="The PEM file with the authorities that may have signed the server's certificate; "
        "unless you say, those that the system trusts.",
    )


class SqlCollectionTable(Table):
    """[targets.NAME.sql.users], and groups"""

    table: SomeText | None = Field(
        default=None,
        description="The table, or `schema.table`, with a row for each; else there are `statements` only.",
    )
    id: SomeText = Field(default="id", description="The column with the key, which is the entry's id.")
    sequence: SomeText | None = Field(
        default=None,
        description="The sequence that gives new rows their keys, where the column does not do that itself.",
    )
    columns: dict[str, SomeText] = Field(
        default={},
        description="What columns hold, with `{path}` for the value of an attribute as the rules leave it; a "
        "column that holds one value alone is read back, too.",
    )
    constants: dict[str, Any] = Field(
        default={}, description="What further columns of rows hold that the gateway makes."
    )
    active: Any = Field(
        default=None,
        description="Of people: the column that says who is active, where that is not `{active}` in "
        "`columns`; without either whoever has a row is active.",
    )
    version: SomeText | None = Field(
        default=None,
        description="The column with a number that grows by one with each change, so that others who began "
        "from the row as it was notice.",
    )
    lists: dict[str, Any] = Field(
        default={}, description="Of people: tables with a row for each element, by attribute."
    )
    members: Any = Field(default=None, description="Of groups: the table that says who is in which.")
    statements: dict[str, Any] = Field(
        default={},
        description="SQL of your own, a text or a list of them, instead of what is made for an operation: "
        "`list` (a SELECT that shows the columns), `create`, `change`, `deactivate`, `reactivate`, "
        "`delete`, of groups `add` and `remove`; `:column`, `:attribute`, `:{path}`, `:id` and `:member` "
        "stand for values.",
    )


class SqlActiveTable(Table):
    """[targets.NAME.sql.users.active]"""

    column: SomeText = Field(description="The column.")
    yes: Any = Field(description="What stands there for an active person.")
    no: Any = Field(description="What stands there for an inactive one.")


class SqlListTable(Table):
    """[targets.NAME.sql.users.lists] ATTRIBUTE"""

    table: SomeText = Field(description="The table, or `schema.table`.")
    owner: SomeText = Field(description="The column with the key of the person whose they are.")
    value: SomeText = Field(description="The column with the value.")
    type: SomeText | None = Field(default=None, description="The column with the type.")
    types: dict[str, Any] = Field(
        default={},
        description="What the column holds for each type; rows of other types are left alone; unless you "
        "say, the type itself.",
    )
    primary: SomeText | None = Field(
        default=None, description="The column that says which of them is the primary one."
    )


class SqlMembersTable(Table):
    """[targets.NAME.sql.groups.members]"""

    table: SomeText = Field(description="The table, or `schema.table`.")
    group: SomeText = Field(description="The column with the key of the group.")
    member: SomeText = Field(description="The column with the key of the person.")


SERVERS: Final = {  # scheme -> the package that its driver is in, and its module
    "postgresql": ("psycopg", "psycopg"),
    "mysql": ("aiomysql", "aiomysql"),
    "mariadb": ("aiomysql", "aiomysql"),
    "mssql": ("aioodbc", "aioodbc"),
    "oracle": ("oracledb", "oracledb"),
}
UNTOLD: Final = ("mssql", "oracle")  # whose drivers are not told of tls and ca
OPERATIONS: Final = {  # kind -> what may have statements
    "User": ("list", "create", "change", "deactivate", "reactivate", "delete"),
    "Group": ("list", "create", "change", "delete", "add", "remove"),
}
NEEDED: Final = "needs SQLAlchemy: make setup SQL=1, or pip install 'scim-gateway[sql]'"

_NAME: Final = re.compile(r"[^\x00-\x1f.]+(\.[^\x00-\x1f.]+)?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f]")


@sealed
class SqlWay:
    """What else of a target decides whether its [sql] is right."""

    url: str
    auth: Signing | None
    rules: tuple[Rule, ...]
    sends_inactive: bool  # else who leaves is removed
    base: Path  # what relative paths are relative to


def missing_driver(url: str) -> str | None:
    """Return what is to be done where what a database needs is not installed."""
    if find_spec("sqlalchemy") is None:
        return NEEDED
    package, module = SERVERS.get(url.partition(":")[0], ("aiosqlite", "aiosqlite"))
    return None if find_spec(module) else f"needs {package} for such a database: pip install {package}"


def parse_sql_url(value: str, base: Path) -> str:
    """Return the address of a database; raises ValueError."""
    if value.startswith("sqlite:"):
        return f"sqlite:{parse_sqlite_url(value, base)}"
    try:
        parts = urlsplit(value)
        is_right = parts.scheme in SERVERS and bool(parts.netloc) and parts.port != 0
    except ValueError:  # a bad port or IPv6 address
        is_right = False
    if not is_right or _UNPRINTABLE.search(value) or not parts.path.strip("/"):
        raise ValueError(
            'must be a database: "postgresql://host/name", "mysql://host/name", "mariadb://host/name" or '
            '"sqlite:FILE"'
        )
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; that is what auth is for")
    return value


def load_sql(raw: Mapping[str, Any], path: str, faults: Faults, way: SqlWay) -> SqlDatabase | None:
    """Return how people and groups stand in a database; None where nothing can be made of it."""
    table = read(SqlTable, dict(raw), path, faults)
    if table is None:
        return None
    if table.users is None:
        faults.add(at(path, "users"), "is required: how people stand in the database")
    readers = {name: _Reader(kind, at(path, name), faults, way) for kind, name in KINDS.items()}
    users, groups = (
        None if said is None else readers[name].collection(said)
        for name, said in (("users", table.users), ("groups", table.groups))
    )
    host = urlsplit(way.url).hostname or ""
    is_near = way.url.startswith("sqlite:") or is_loopback(host)
    tls = not is_near if table.tls is None else table.tls
    if not tls and not is_near and way.auth is not None:
        faults.warn(at(path, "tls"), "passwords and people go over the network in the clear")
    elif not is_near and way.url.partition(":")[0] in UNTOLD:
        faults.warn(
            at(path, "tls"), "does not reach the driver, which secures the connection or not by itself"
        )
    ca = None if table.ca is None else way.base / table.ca
    if ca is not None and not ca.is_file():
        faults.add(at(path, "ca"), "there is no such file")
    return None if users is None else SqlDatabase(users, groups, tls, ca)


KINDS: Final = {"User": "users", "Group": "groups"}


class _Reader:
    """Reads the table of people, or of groups."""

    def __init__(self, kind: str, path: str, faults: Faults, way: SqlWay) -> None:
        self._kind, self._path, self._faults, self._way = kind, path, faults, way
        self._ruled = {rule.to.attribute.casefold() for rule in way.rules}

    def collection(self, raw: object) -> SqlCollection | None:
        """Return how they stand; None where nothing can be made of it."""
        table = read(SqlCollectionTable, raw, self._path, self._faults)
        if table is None:
            return None
        for keys, reason in (*self._faults_of_columns(table), *self._faults_of_names(table)):
            self._faults.add(at(self._path, *keys), reason)
        statements = dict(self._statements(table))
        active = self._part(SqlActiveTable, table.active, "active")
        lists = {
            name: SqlList(**one.model_dump())
            for name, said in table.lists.items()
            if (one := self._part(SqlListTable, said, "lists", name)) is not None
        }
        members = self._part(SqlMembersTable, table.members, "members")
        for key, reason in self._faults_of_way(table, statements):
            self._faults.add(at(self._path, key), reason)
        return SqlCollection(
            columns=table.columns,
            table=table.table,
            id=table.id,
            sequence=table.sequence,
            constants=table.constants,
            active=None if active is None else SqlActive(active.column, active.yes, active.no),
            version=table.version,
            lists=lists,
            members=None if members is None else SqlMembers(members.table, members.group, members.member),
            statements=statements,
        )

    def _part(self, model: Any, raw: Any, *keys: str) -> Any:
        return None if raw is None else read(model, raw, at(self._path, *keys), self._faults)

    def _statements(self, table: SqlCollectionTable) -> Iterator[tuple[str, tuple[str, ...]]]:
        known = OPERATIONS[self._kind]
        for name, said in table.statements.items():
            path = at(self._path, "statements", name)
            texts = [said] if isinstance(said, str) else said
            if name not in known:
                self._faults.add(path, f"there is no such operation{hint(name, known)}")
            elif not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
                self._faults.add(path, "must be a statement, or a list of them")
            elif name == "list" and len(texts) != 1:
                self._faults.add(path, "must be one SELECT")
            else:
                yield name, tuple(texts)

    def _faults_of_columns(self, table: SqlCollectionTable) -> Iterator[tuple[tuple[str, ...], str]]:
        if not table.columns:
            yield ("columns",), "is required: what the columns hold, with {path} for values"
            return
        for column, text in table.columns.items():
            for _, reason in faults_of(text, self._wrong, self._kind):
                yield ("columns", column), reason
        name = NAMES[self._kind]
        if f"{{{name}}}" not in table.columns.values():
            yield ("columns",), f'has no column with "{{{name}}}" alone, so nobody could be found'

    def _wrong(self, where: Place) -> str | None:
        """Say why a template does not name one value, None where it does."""
        attribute = attributes_of(where.urn).get(where.attribute.casefold())
        if attribute is None:
            is_ruled = where.attribute.casefold() in self._ruled or self._kind == "Group"
            return (
                None if is_ruled else f"has {{{where.text}}}, which is no attribute of the standard or a rule"
            )
        if where.sub is not None and attribute.find(where.sub) is None:
            return f"has {{{where.text}}}, and {attribute.name} has no {where.sub}"
        if attribute.multi_valued and where.where is None:
            pick = f'{where.attribute}[type eq "work"].value'
            return f"has {{{where.text}}}, which may be many: pick one, as in {pick}"
        return None

    def _faults_of_names(self, table: SqlCollectionTable) -> Iterator[tuple[tuple[str, ...], str]]:
        for key in ("table", "sequence"):
            text = getattr(table, key)
            if text is not None and not _NAME.fullmatch(text):
                yield (key,), "must be a name, or schema.name"

    def _faults_of_way(
        self, table: SqlCollectionTable, written: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        is_person, wanted = self._kind == "User", {"list", "create", "change", "delete"}
        if table.table is None and (lacking := sorted(wanted - set(written))):
            yield "table", f"is required, or statements for {', '.join(lacking)}"
        for key in ("active", "lists") if not is_person else ("members",):
            if getattr(table, key):
                yield key, f"is for {'groups' if is_person else 'users'} only"
        says = table.active or "{active}" in table.columns.values()
        if is_person and self._way.sends_inactive and not says and "deactivate" not in written:
            yield "active", "is required, or {active} in columns: nothing else says that somebody left"
        if ("deactivate" in written) != ("reactivate" in written):
            yield "statements", "needs deactivate and reactivate, or neither of them"
        if not is_person and table.members is None:
            yield "members", "is required: the table that says who is in which group"
