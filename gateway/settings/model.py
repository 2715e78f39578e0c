"""What a configuration says, as frozen values with every default. Pure."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from gateway.address import Directory, MailServer, RestService, Secret, Signing, SqlDatabase
from gateway.flow.target_port import EntitlementSource
from gateway.guide.data import Guide
from gateway.mapping.rule_test import RuleTest
from gateway.mapping.rules import Rule, Unlisted
from gateway.mapping.specs import Office
from gateway.scim.entitlements import Entitlement, EntitlementType
from gateway.scim.grammar import Filter
from gateway.settings.fields import (
    RETENTION,
    TOKEN_EXPIRY,
    Address,
    AdoptKey,
    AlertFormat,
    AuditLevel,
    BusyStatus,
    Dialect,
    Durability,
    Language,
    Network,
    OnDeactivate,
    OnMissing,
    PersonRole,
    PhonebookSort,
    PhoneFormat,
    ReaderRole,
    ReuseName,
)
from gateway.values import sealed

V = TypeVar("V")


def frozen(table: Mapping[str, V]) -> Mapping[str, V]:
    """Return a read-only copy."""
    return MappingProxyType(dict(table))


@sealed
class Tls:
    """PEM files of the server's certificate and key."""

    cert: Path
    key: Path


@sealed
class ServerSettings:
    """Where the gateway listens, and how it is called from outside."""

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free one
    public_url: str = "http://127.0.0.1:8080"  # without a slash at its end
    tls: Tls | None = None
    trusted_proxies: tuple[Network, ...] = ()
    max_connections: int = 1000
    max_connections_per_client: int = 250


@sealed
class JournalSettings:
    """Where the journal is, and what a write must survive."""

    path: Path  # its file; with a database, what stands beside the gateway is named after it
    durability: Durability = "full"
    retention: float = RETENTION  # seconds
    audit_key: Path | None = None  # None: beside the journal
    database: Secret | None = None  # the url of one that several gateways share

    @property
    def place(self) -> str:
        """Where the journal is, without who signs in there."""
        if self.database is None:
            return str(self.path)
        said = urlsplit(self.database.reveal())
        return f"postgresql://{said.netloc.rpartition('@')[2]}{said.path}"

    @property
    def key_file(self) -> Path:
        """Where the key is for targets whose trail is hashed."""
        return self.audit_key or self.path.with_name(f"{self.path.name}.key")

    @property
    def socket(self) -> Path:
        """Where the running gateway listens for commands."""
        return self.path.with_name(f"{self.path.name}.sock")


@sealed
class ProviderSettings:
    """An identity provider: SHA-256 digests of its tokens, and the targets and routes it may write."""

    name: str
    dialect: Dialect
    digests: tuple[bytes, ...]
    targets: tuple[str, ...]


@sealed
class AuditorSettings:
    """Somebody who may read the audit trail: SHA-256 digests of their tokens."""

    name: str
    digests: tuple[bytes, ...]
    role: ReaderRole = "auditor"  # helpdesk: in the console alone, with values masked


@sealed
class OperatorSettings:
    """Somebody who may read the audit trail and act in the console: SHA-256 digests of their tokens."""

    name: str
    digests: tuple[bytes, ...]


@sealed
class OidcSettings:
    """How people sign in to the console by OpenID Connect, and what they may then."""

    issuer: str
    client_id: str
    roles: Mapping[str, PersonRole]  # what the claim holds -> what that lets do
    client_secret: Secret | None = None  # None: a public client
    claim: str = "groups"
    name: str = "preferred_username"  # the claim that the audit trail takes
    scope: str = "openid profile email"


@sealed
class ConsoleSettings:
    """Where the console is served, and how long a sign-in lasts. Times are seconds."""

    listen: Address | None = None  # None: beside everything else
    public_url: str | None = None  # None: the server's
    language: Language | None = None  # None: the browser's
    idle: float = 1800.0
    lifetime: float = 36_000.0
    oidc: OidcSettings | None = None


@sealed
class PhonebookSettings:
    """A phone book: whose people it has, for which phones, and SHA-256 digests of its tokens."""

    name: str
    target: str
    format: PhoneFormat
    digests: tuple[bytes, ...]
    title: str
    locale: str = "en"
    sort: PhonebookSort = "name"
    trust: float = 300.0  # seconds


@sealed
class PresetPin:
    """A preset and the revision of its rules."""

    name: str
    revision: int

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


@sealed
class ScopeSettings:
    """Which originals a target is to have; None: all of them."""

    people: Filter | None = None
    groups: Filter | None = None


@sealed
class EntitlementSettings:
    """One type, and its values or where they are read."""

    type: EntitlementType
    values: tuple[Entitlement, ...] = ()
    source: EntitlementSource | None = None


@sealed
class TargetSettings:
    """A target with all that its preset and the file say about it. Times are seconds."""

    name: str
    connector: str
    url: str  # web addresses without a slash at the end; sqlite: with an absolute path
    preset: PresetPin | None = None
    auth: Signing | None = None
    rules: tuple[Rule, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    offices: Mapping[str, Office] = field(default_factory=lambda: frozen({}))
    options: Mapping[str, str] = field(default_factory=lambda: frozen({}))
    region: str | None = None
    unlisted: Unlisted = Unlisted.SEND  # with a preset: hold
    require: tuple[tuple[str, ...], ...] = ()  # of each group of paths one must be present
    on_deactivate: OnDeactivate = "send"
    on_missing: OnMissing = "recreate"
    adopt_by: tuple[AdoptKey, ...] = ("externalId", "userName")
    reuse_name: ReuseName = "refuse"
    protect: Filter | None = None
    scope: ScopeSettings = ScopeSettings()
    shared: bool = False
    unique_names: bool = True
    trust: float = 5.0
    timeout: float = 10.0  # of one attempt
    deadline: float = 50.0
    settle: float = 10.0  # unless said: timeout
    give_up: float = 86_400.0
    rate: float | None = None  # calls a second
    concurrency: int | None = None
    busy_status: BusyStatus | None = None  # None: what the provider's dialect understands
    patch: bool | Literal["single"] | None = None  # None: found out
    filter: bool | None = None  # None: found out
    groups: bool | None = None  # None: found out
    totals: bool | None = None  # None: found out
    members: bool | None = None  # None: found out
    page_size: int | None = None
    max_removals: tuple[int, float] | None = None  # people, seconds; unless said: 50 an hour, embedded: none
    audit: AuditLevel = "full"
    guide: Guide = field(default_factory=Guide)  # what its preset tells people
    ldap: Directory | None = None  # of the connector `ldap`
    rest: RestService | None = None  # of the connector `rest`
    entitlements: tuple[EntitlementSettings, ...] = ()
    sql: SqlDatabase | None = None  # of the connector `sql`


@sealed
class RouteSettings:
    """Targets behind one address, the one that answers first."""

    name: str
    targets: tuple[str, ...]


Stamp = tuple[int, int, int]  # of a file: when it was written (ns), its size, and its number on the disk


@sealed
class Source:
    """What a configuration was read from: its file, and the files of secrets, tables and certificates."""

    path: Path
    content: bytes = field(repr=False)
    files: Mapping[Path, Stamp]  # as they were when they were read


@sealed
class AlertSettings:
    """Where alerts go besides the log, and when some are raised."""

    webhook: Secret | None = None  # a web address
    format: AlertFormat = "json"
    mail: MailServer | None = None
    token_expiry: float = TOKEN_EXPIRY  # seconds
    refused_share: float = 0.5


People = tuple[Mapping[str, OperatorSettings], ConsoleSettings | None]


@sealed
class Settings:
    """A whole configuration without a fault."""

    server: ServerSettings
    journal: JournalSettings
    providers: Mapping[str, ProviderSettings]
    auditors: Mapping[str, AuditorSettings]
    targets: Mapping[str, TargetSettings]
    warnings: tuple[str, ...]
    made_tokens: tuple[Path, ...]  # token files that were missing: made where that was asked for
    digest: str  # SHA-256 of the file, in hex
    alerts: AlertSettings = AlertSettings()
    phonebooks: Mapping[str, PhonebookSettings] = field(default_factory=lambda: frozen({}))
    routes: Mapping[str, RouteSettings] = field(default_factory=lambda: frozen({}))
    operators: Mapping[str, OperatorSettings] = field(default_factory=lambda: frozen({}))
    console: ConsoleSettings | None = None  # None: there is none
    source: Source | None = None  # None: it was read nowhere

    @property
    def console_url(self) -> str:
        """Where browsers find the console."""
        own = None if self.console is None else self.console.public_url
        return f"{own or self.server.public_url}/console"

    @property
    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        """The names that stand in base URLs, each with its targets, the one that answers first."""
        alone = {name: (name,) for name in self.targets if self.route_of(name) is None}
        return alone | {route.name: route.targets for route in self.routes.values()}

    @property
    def followers(self) -> Mapping[str, tuple[str, ...]]:
        """The targets that answer in a route, each with the others that follow it."""
        return {route.targets[0]: route.targets[1:] for route in self.routes.values()}

    def route_of(self, target: str) -> str | None:
        """Return the route that a target is in."""
        return next((route.name for route in self.routes.values() if target in route.targets), None)
