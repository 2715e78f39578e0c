"""What may be written where: the tables of config.toml and of presets, one model each. Pure.

Defaults are in `model`; None here means "not written". `Any` is read by who owns that part, to give
its faults their own paths.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.settings.fields import (
    ListenAddress,
    Rate,
    Region,
    RemovalLimit,
    Seconds,
    SomeSeconds,
    TextFilter,
    WebUrl,
    Word,
)
from gateway.settings.model import (
    AdoptKey,
    BusyStatus,
    Dialect,
    Durability,
    OnDeactivate,
    OnInvalid,
    OnMissing,
    ReuseName,
    Unlisted,
)

Positive = Annotated[int, Field(ge=1, le=100_000)]
SomeText = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A TOML table: unknown keys and wrong types are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class RootTable(Table):
    """The whole file."""

    server: dict[str, Any] = {}
    journal: dict[str, Any] = {}
    providers: dict[str, Any] = {}
    auditors: dict[str, Any] = {}
    targets: dict[str, Any] = {}


class ServerTable(Table):
    """[server]"""

    listen: ListenAddress | None = None
    public_url: WebUrl | None = None
    tls: Any = None
    trusted_proxies: list[str] = []


class TlsTable(Table):
    """[server] tls"""

    cert: SomeText
    key: SomeText


class JournalTable(Table):
    """[journal]"""

    url: str = "sqlite:var/gateway.db"
    durability: Durability = "full"


class ProviderTable(Table):
    """[providers.NAME]"""

    dialect: Dialect = "rfc"
    token: Any = None
    targets: list[str] | None = None


class AuditorTable(Table):
    """[auditors.NAME]"""

    token: Any = None


class SecretTable(Table):
    """Where a secret is found."""

    env: SomeText | None = None
    file: SomeText | None = None
    sha256: str | None = None


class AuthTable(Table):
    """[targets.NAME] auth"""

    bearer: Any = None
    basic: Any = None
    header: Any = None
    oauth2: Any = None
    scheme: Word = "Bearer"


class BasicTable(Table):
    """auth basic"""

    user: SomeText
    password: Any


class HeaderTable(Table):
    """auth header"""

    name: Word
    value: Any


class OfficeTable(Table):
    """[targets.NAME.offices] KEY"""

    name: SomeText
    country: Region | None = None


class RuleTable(Table):
    """[[targets.NAME.rules]]"""

    to: str = ""
    from_: Any = Field(None, alias="from")
    via: list[Any] = []
    when: TextFilter | None = None
    default: Any = None
    on_invalid: OnInvalid = "reject"
    off: bool = False


class PresetRuleTable(RuleTable):
    """[[rules]] of a preset"""

    if_option: dict[str, str] = {}


class TargetTable(Table):
    """[targets.NAME]"""

    preset: str | None = None
    connector: str | None = None
    url: str | None = None
    auth: dict[str, Any] | None = None
    rules: list[Any] = []
    offices: dict[str, Any] = {}
    options: dict[str, Any] = {}
    region: Region | None = None
    unlisted: Unlisted | None = None
    require: list[Any] = []
    on_deactivate: OnDeactivate | None = None
    on_missing: OnMissing | None = None
    adopt_by: list[AdoptKey] | None = None
    reuse_name: ReuseName | None = None
    protect: TextFilter | None = None
    shared: bool | None = None
    unique_names: bool | None = None
    trust: Seconds | None = None
    timeout: SomeSeconds | None = None
    deadline: SomeSeconds | None = None
    settle: Seconds | None = None
    rate: Rate | None = None
    concurrency: Positive | None = None
    busy_status: BusyStatus | None = None
    patch: bool | None = None
    page_size: Positive | None = None
    max_removals: RemovalLimit | None = None


class PresetTable(TargetTable):
    """A file of gateway/presets."""

    revision: Positive
    options: dict[str, list[str]] = {}  # allowed values, the default first
