"""Where a target is, and how it is signed in to. Pure."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from gateway.values import sealed


class Secret:
    """A value that shows itself only to who calls `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(hidden)"


@sealed
class MailServer:
    """Who takes e-mail, and from whom to whom it goes."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    tls: str = "starttls"  # starttls | tls | none
    user: str | None = None
    password: Secret | None = None


class Auth(Protocol):
    """Says who we are, in one header."""

    def header(self) -> tuple[str, str]:
        """Return the header's name and value."""

    def secrets(self) -> tuple[str, ...]:
        """Return every text that must never be seen elsewhere."""


@sealed
class Bearer:
    """A token after a word; some targets want the word in lower case."""

    token: Secret
    scheme: str = "Bearer"

    def header(self) -> tuple[str, str]:
        return "Authorization", f"{self.scheme} {self.token.reveal()}"

    def secrets(self) -> tuple[str, ...]:
        return (self.token.reveal(),)


@sealed
class Basic:
    """A user and a password (RFC 7617, in UTF-8)."""

    user: str
    password: Secret

    def header(self) -> tuple[str, str]:
        return "Authorization", f"Basic {self._credentials()}"

    def secrets(self) -> tuple[str, ...]:
        return (self.password.reveal(), self._credentials())

    def _credentials(self) -> str:
        return b64encode(f"{self.user}:{self.password.reveal()}".encode()).decode("ascii")


@sealed
class Header:
    """A header of the target's own."""

    name: str
    value: Secret

    def header(self) -> tuple[str, str]:
        return self.name, self.value.reveal()

    def secrets(self) -> tuple[str, ...]:
        """Return the value, what is behind its first word, and of Basic the password in that."""
        word, _, rest = self.value.reveal().partition(" ")
        inner: tuple[str, ...] = ()
        if word.lower() == "basic":
            with suppress(ValueError):
                inner = tuple(b64decode(rest).decode().split(":", 1)[1:])
        return tuple(filter(None, (self.value.reveal(), rest.strip(), *inner)))


@sealed
class OAuth2:
    """A client that fetches its tokens itself (RFC 6749 section 4.4)."""

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    scheme: str = "Bearer"  # the word before the tokens
    account_id: str = ""  # whose tokens are asked for, by Zoom's grant for accounts


@sealed
class External:
    """Whoever the connection itself says: a client's certificate, or a process on this machine (RFC 4422)."""

    cert: Path | None = None
    key: Path | None = None


Pointer: TypeAlias = str | tuple[str, ...]  # a path of the mapping language, or keys one inside the other


@sealed
class SessionLogin:
    """A call of the target's own that gives a token."""

    request: str  # "POST /sessions"
    body: Any  # JSON, in which any text may be a Secret
    token: Pointer = "token"  # noqa: S105 - where in the answer it is
    header: str = "Authorization"
    value: str = "Bearer {token}"
    expired: tuple[int, ...] = (401,)  # statuses of a call whose token is of no use any more


Signing: TypeAlias = Auth | OAuth2 | External | SessionLogin  # every way to sign in

PERSON: Final = ("top", "person", "organizationalPerson", "inetOrgPerson")


@sealed
class Directory:
    """One LDAP directory as the configuration says it; DN templates hold `{attribute}` and `{base}`."""

    base: str
    dn: str = "uid={userName},{base}"
    longest_name: int | None = None  # characters that name a new person's entry; None: whatever fits
    make_ou: bool = False  # make the units that `dn` names and that are not there
    people: str = "(objectClass=inetOrgPerson)"  # who below `base` is a person
    object_classes: tuple[str, ...] = PERSON  # of new people, unless a rule says otherwise
    id: str = "entryUUID"
    user_name: str = "uid"
    external_id: str = "employeeNumber"
    password: str = "userPassword"  # noqa: S105 - an attribute's name
    makes: tuple[str, ...] = ("cn", "sn")  # made where absent
    inactive: str | None = None  # None: nothing says it | move | nsAccountLock | userAccountControl
    inactive_base: str | None = None
    group_base: str | None = None  # None: there are no groups
    group_dn: str = "cn={displayName},{group_base}"
    group_class: str = "groupOfNames"
    groups: str | None = None  # who below `group_base` is a group; None: whatever has that class
    group_external_id: str | None = None
    start_tls: bool = False
    ca: Path | None = None  # None: what the system trusts
    attributes: tuple[str, ...] = ()  # those that are looked at; (): all of them


@sealed
class RestCall:
    """One request to a JSON service, with `{path}` for values, and where in its answer things are."""

    request: str  # "POST /contacts/{id}"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    item: Pointer | None = None  # where the entry is in the answer; None: the answer itself
    sends: Literal["changes", "merged", "whole"] | None = None  # None: as its method has it
    items: Pointer | None = None  # where the list is; None: the answer itself
    total: Pointer | None = None
    next: Pointer | None = None  # a cursor, or an address; "link": the header
    page: str | None = None  # the parameter with the number of the page
    offset: str | None = None  # the parameter with how many entries come before
    cursor: str | None = None  # the parameter with what `next` said
    size: str | None = None  # the parameter with how many entries a page has
    first: int | None = None  # of pages 1, of offsets 0
    id: Pointer | None = None  # of members: whose id stands there


@sealed
class RestCollection:
    """People, or groups, of a JSON service."""

    entry: Mapping[str, Any]  # how an entry looks, with `{path}` for values
    calls: Mapping[str, RestCall]  # by operation
    id: Pointer = "id"
    number_ids: bool = False  # in bodies, ids are numbers
    active: tuple[Any, Any] | None = None  # what stands for it, and for its opposite; None: true and false
    find: Mapping[str, RestCall] = field(default_factory=dict)  # by the folded attribute that is looked for
    search: Mapping[str, str] = field(default_factory=dict)  # by that, parameters of `list`


@sealed
class RestErrors:
    """What a JSON service's statuses mean, and the codes in its answers."""

    code: Pointer | None = None
    reason: Pointer | None = None
    ok: tuple[Any, ...] = ()  # codes of answers that are no errors
    # exists, absent, busy, refused, denied -> statuses and codes
    meanings: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@sealed
class RestService:
    """A JSON service as the configuration says it."""

    users: RestCollection
    groups: RestCollection | None = None  # None: it has none
    errors: RestErrors = RestErrors()
    page_size: int = 100


@sealed
class SqlList:
    """The elements of a multi-valued attribute, each a row of a table of their own."""

    table: str
    owner: str  # the column with the key of the person whose they are
    value: str
    type: str | None = None
    types: Mapping[str, Any] = field(default_factory=dict)  # SCIM's type -> the column's; {}: the same
    primary: str | None = None


@sealed
class SqlMembers:
    """Who is in which group: a row for each."""

    table: str
    group: str  # the column with the key of the group
    member: str  # the column with the key of the person


@sealed
class SqlActive:
    """The column that says who is active."""

    column: str
    yes: Any
    no: Any


@sealed
class SqlCollection:
    """People, or groups, of a database."""

    columns: Mapping[str, str]  # column -> text with `{path}` for a value
    table: str | None = None
    id: str = "id"
    sequence: str | None = None  # None: the database, or a column's own value, makes the key
    constants: Mapping[str, Any] = field(default_factory=dict)  # of rows that are made here
    active: SqlActive | None = None  # None: a column has {active}, or whoever is there is active
    version: str | None = None
    lists: Mapping[str, SqlList] = field(default_factory=dict)  # by attribute
    members: SqlMembers | None = None
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by operation


@sealed
class SqlDatabase:
    """A database as the configuration says it."""

    users: SqlCollection
    groups: SqlCollection | None = None  # None: it has none
    tls: bool = True
    ca: Path | None = None  # None: what the system trusts


@sealed
class TargetAddress:
    """All that a connector needs to know of its target."""

    name: str
    url: str
    auth: Signing | None = None
    timeout: float = 10.0  # seconds for one attempt
    patch: bool | Literal["single"] | None = None  # None: ask the target once
    rate: float | None = None  # calls per second
    concurrency: int | None = None  # calls at a time
    options: Mapping[str, Any] = field(default_factory=dict)
    groups: bool | None = None  # None: ask the target once
    directory: Directory | None = None  # of `ldap`
    filter: bool | None = None  # None: ask the target once
    totals: bool | None = None  # None: found out
    members: bool | None = None  # None: found out
    rest: RestService | None = None  # of `rest`
    sql: SqlDatabase | None = None  # of `sql`
