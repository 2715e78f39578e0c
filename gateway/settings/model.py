"""What a configuration says, as frozen values with every default. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from gateway.guide.data import Guide
from gateway.mapping.rules import Rule, Unlisted
from gateway.mapping.specs import Office
from gateway.scim.grammar import Filter
from gateway.settings.fields import (
    RETENTION,
    AdoptKey,
    AuditLevel,
    BusyStatus,
    Dialect,
    Durability,
    GroupClass,
    Inactive,
    Network,
    OnDeactivate,
    OnMissing,
    ReuseName,
)

V = TypeVar("V")


def frozen(table: Mapping[str, V]) -> Mapping[str, V]:
    """Return a read-only copy."""
    return MappingProxyType(dict(table))


class Secret:
    """A value that shows itself only to who calls `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the server's certificate and key."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens, and how it is called from outside."""

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free one
    public_url: str = "http://127.0.0.1:8080"  # without a slash at its end
    tls: Tls | None = None
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """The file of the journal, and what a write must survive."""

    path: Path
    durability: Durability = "full"
    retention: float = RETENTION  # seconds
    audit_key: Path | None = None  # None: beside the journal

    @property
    def key_file(self) -> Path:
        """Where the key is for targets whose trail is hashed."""
        return self.audit_key or self.path.with_name(f"{self.path.name}.key")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An identity provider: SHA-256 digests of its tokens, and the targets it may write."""

    name: str
    dialect: Dialect
    digests: tuple[bytes, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditorSettings:
    """Somebody who may read the audit trail: SHA-256 digests of their tokens."""

    name: str
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How calls to a target are signed.

    `secret` is the token, the password, the header's value or the client's secret; `external` has none.
    """

    kind: Literal["bearer", "basic", "header", "oauth2", "external"]
    secret: Secret
    scheme: str = "Bearer"  # the word before a bearer token, and before one of oauth2
    user: str = ""  # of basic; of oauth2 the client's id
    header: str = "Authorization"
    token_url: str = ""  # of oauth2
    scope: str = ""  # of oauth2; "": what the client may have
    cert: Path | None = None  # of external
    key: Path | None = None  # of external


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """Where in a directory people and groups are, and its habits."""

    base: str
    dn: str = "uid={userName},{base}"
    people: str = "(objectClass=inetOrgPerson)"
    object_classes: tuple[str, ...] = ("top", "person", "organizationalPerson", "inetOrgPerson")
    id: str = "entryUUID"
    user_name: str = "uid"
    external_id: str = "employeeNumber"
    password: str = "userPassword"  # noqa: S105 - an attribute's name
    makes: tuple[str, ...] = ("cn", "sn")
    inactive: Inactive | None = None  # None: nothing says it
    inactive_base: str | None = None
    group_base: str | None = None  # None: there are no groups
    group_dn: str = "cn={displayName},{group_base}"
    group_class: GroupClass = "groupOfNames"
    group_external_id: str | None = None
    start_tls: bool = False
    ca: Path | None = None  # None: what the system trusts


@dataclass(frozen=True, slots=True)
class PresetPin:
    """A preset and the revision of its rules."""

    name: str
    revision: int

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """A target with all that its preset and the file say about it. Times are seconds."""

    name: str
    connector: str
    url: str  # web addresses without a slash at the end; sqlite: with an absolute path
    preset: PresetPin | None = None
    auth: AuthSettings | None = None
    rules: tuple[Rule, ...] = ()
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
    shared: bool = False
    unique_names: bool = True
    trust: float = 5.0
    timeout: float = 10.0  # of one attempt
    deadline: float = 50.0
    settle: float = 10.0  # unless said: timeout
    rate: float | None = None  # calls a second
    concurrency: int | None = None
    busy_status: BusyStatus | None = None  # None: what the provider's dialect understands
    patch: bool | Literal["single"] | None = None  # None: found out
    filter: bool | None = None  # None: found out
    groups: bool | None = None  # None: found out
    totals: bool | None = None  # None: found out
    page_size: int | None = None
    max_removals: tuple[int, float] | None = None  # people, seconds; unless said: 50 an hour, embedded: none
    audit: AuditLevel = "full"
    guide: Guide = field(default_factory=Guide)  # what its preset tells people
    ldap: LdapSettings | None = None  # of the connector `ldap`


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts go besides the log."""

    webhook: Secret | None = None  # a web address


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration without a fault."""

    server: ServerSettings
    journal: JournalSettings
    providers: Mapping[str, ProviderSettings]
    auditors: Mapping[str, AuditorSettings]
    targets: Mapping[str, TargetSettings]
    warnings: tuple[str, ...]
    made_tokens: tuple[Path, ...]  # token files that were missing and were made
    digest: str  # SHA-256 of the file, in hex
    alerts: AlertSettings = AlertSettings()
