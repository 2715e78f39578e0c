"""What may be written where: the tables of config.toml, one model each; targets' are next door. Pure.

Defaults are in `model`; None here means "not written". `Any` is read by who owns that part, to give
its faults their own paths.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.settings.fields import (
    RETENTION,
    TOKEN_EXPIRY,
    AlertFormat,
    Dialect,
    Durability,
    ListenAddress,
    Locale,
    MailSecurity,
    PhonebookSort,
    PhoneFormat,
    ReaderRole,
    Seconds,
    Share,
    SomeSeconds,
    TokenUrl,
    WebUrl,
    Word,
)

Positive = Annotated[int, Field(ge=1, le=100_000)]
SomeText = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A TOML table: unknown keys and wrong types are faults."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        arbitrary_types_allowed=True,
        defer_build=True,  # most files have few of the tables
    )


class RootTable(Table):
    """The whole file."""

    server: dict[str, Any] = Field(
        default={}, description="Where the gateway listens, and how it is reached."
    )
    journal: dict[str, Any] = Field(
        default={},
        description="Where the gateway keeps what must survive: every change, and the audit trail.",
    )
    providers: dict[str, Any] = Field(
        default={}, description="The identity providers that send people, each under a name of its own."
    )
    auditors: dict[str, Any] = Field(
        default={},
        description="Those who may read the audit trail at `/audit/v1/events` and the set-up pages at "
        "`/guide/TARGET`, and look at the console, each under a name of their own.",
    )
    operators: dict[str, Any] = Field(
        default={},
        description="Those who may do what auditors may, and act in the console besides, each under a name "
        "of their own.",
    )
    console: Any = Field(
        default=None,
        description="The pages for people with a browser; without the table there are none. "
        "[The console](console.md) tells what they show.",
    )
    alerts: dict[str, Any] = Field(
        default={}, description="Where an administrator hears of what only they can mend."
    )
    phonebooks: dict[str, Any] = Field(
        default={},
        description="The phone books for desk phones; the name of each stands in its address, "
        "`/phonebook/NAME`.",
    )
    targets: dict[str, Any] = Field(
        default={},
        description="The systems that get the people; the name of each stands in its address, "
        "`/scim/NAME/v2`.",
    )
    routes: dict[str, Any] = Field(
        default={},
        description="Several targets behind one address, `/scim/NAME/v2`: what a provider sends there "
        "reaches each of them.",
    )


class ServerTable(Table):
    """[server]"""

    listen: ListenAddress | None = Field(
        default=None, description="The address and port that requests come in on; port 0 takes any free one."
    )
    public_url: WebUrl | None = Field(
        default=None,
        description="How providers reach the gateway, as `meta.location` says it; unless you say, "
        "what `listen` says, with https where there is `tls`.",
    )
    tls: Any = Field(
        default=None,
        description="The certificate to serve https with; without it http is served, and a proxy "
        "with TLS belongs before it.",
    )
    trusted_proxies: list[str] = Field(
        default=[],
        description="The proxies, as addresses or networks, whose `X-Forwarded-For` says for which client "
        "they speak; nobody else's does.",
    )
    max_connections: Positive = Field(
        default=1000,
        description="How many connections may be open at once; where the system lets the process open fewer "
        "files than twice as many, it is fewer.",
    )
    max_connections_per_client: Positive = Field(
        default=250,
        description="How many of them one address may have (of IPv6, one /64 network): where it opens more, "
        "one that waits for a request is closed. Of those for whom a trusted proxy speaks, how many requests "
        "may be under way; more are answered 429.",
    )


class TlsTable(Table):
    """[server] tls"""

    cert: SomeText = Field(description="The PEM file with the certificate and its chain.")
    key: SomeText = Field(
        description="The PEM file with its private key, without a passphrase; `check` warns where "
        "others can read it.",
    )


class JournalTable(Table):
    """[journal]"""

    url: str = Field(
        default="sqlite:var/gateway.db",
        description="The SQLite file of the journal, which no target may share; a lock and a socket "
        "stand beside it while the gateway runs. Or a PostgreSQL database, `postgresql://…`, that several "
        "gateways may share.",
    )
    password: Any = Field(
        default=None,
        description="What the database must be shown, as `{ file = … }` or `{ env = … }`.",
    )
    durability: Durability = Field(
        default="full",
        description="What a recorded change survives: `full` a power cut, `normal` the crash of the "
        "gateway alone, and is faster.",
    )
    retention: Seconds = Field(
        default=RETENTION,
        description="How long the journal itself keeps the audit trail: a month that ended longer ago leaves "
        "for a read-only file beside it, which `audit` still reads; a database by `journal archive` alone.",
    )
    audit_key: SomeText | None = Field(
        default=None,
        description="The file with the key for targets whose `audit` is `hashed`, made where there is none; "
        "unless you say, it stands beside the journal and ends in `.key`.",
    )


class ProviderTable(Table):
    """[providers.NAME]"""

    dialect: Dialect = Field(
        default="rfc",
        description="How this provider deviates from the standard: `okta` and `entra` as those two do, "
        "`rfc` as little as OneLogin, Ping, JumpCloud, SailPoint, Rippling and most others.",
    )
    token: Any = Field(
        default=None,
        description="What the provider must show; a list lets the old and the new one in while you "
        "rotate, and without the key only tokens of `token new` open anything.",
    )
    targets: list[str] | None = Field(
        default=None,
        description="The targets and routes this provider may write; unless you say, all of them.",
    )


class AuditorTable(Table):
    """[auditors.NAME]"""

    token: Any = Field(
        default=None,
        description="What the auditor must show; a list lets the old and the new one in while you rotate.",
    )
    role: ReaderRole = Field(
        default="auditor",
        description="What they may read: `helpdesk` only the console, and people's values masked there.",
    )


class PhonebookTable(Table):
    """[phonebooks.NAME]"""

    target: str = Field(default="", description="The target whose people are in it: any that can list them.")
    format: PhoneFormat | None = Field(default=None, description="What the phones read.")
    token: Any = Field(
        default=None,
        description="What a phone must show: as the password of HTTP Basic, whatever the user, or as the "
        "last part of the address, `/phonebook/NAME/TOKEN`; a list lets the old and the new one in while "
        "you rotate.",
    )
    title: SomeText | None = Field(
        default=None, description="What Cisco and Snom phones show above it; unless you say, its name."
    )
    locale: Locale = Field(
        default="en",
        description="The language of its readers, in whose alphabet names and departments stand.",
    )
    sort: PhonebookSort = Field(
        default="name",
        description="What people are ordered by: the name that is shown, the family name, or the department "
        "and then the name.",
    )
    trust: Seconds = Field(
        default=300.0,
        description="How old the phone book may be before the target is read for it again; 0 reads it each "
        "time.",
    )


class RouteTable(Table):
    """[routes.NAME]"""

    targets: list[str] = Field(
        min_length=1,
        description="The targets of the route. The first answers the provider; the others are brought to "
        "hold the same people and groups, each by rules of its own. A target may be in one route, and has "
        "then no address of its own.",
    )


class AlertsTable(Table):
    """[alerts]"""

    webhook: Any = Field(
        default=None,
        description="The web address that gets each alert; a secret where the address alone lets anybody "
        "post, else it may be written as it is.",
    )
    format: AlertFormat = Field(
        default="json",
        description="What is posted there: `json` has a field for each part of an alert, `slack` one `text` "
        "for people, which Slack, Mattermost and others of their kind show.",
    )
    mail: Any = Field(default=None, description="Who gets each alert by e-mail, and by which server.")
    token_expiry: SomeSeconds = Field(
        default=TOKEN_EXPIRY,
        description="How long before its end you hear of a token of `token new`; of one with a short life in "
        "its last fifth.",
    )
    refused_share: Share = Field(
        default=0.5,
        description="Which share of the changes for a target, of twenty at least within 15 minutes, may be "
        "refused or fail before you hear of it; 1: you never do.",
    )


class MailTable(Table):
    """[alerts.mail]"""

    host: SomeText = Field(description="The name or address of the SMTP server.")
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="Its port; unless you say 587, with `tls` 465, without TLS 25."
    )
    tls: MailSecurity = Field(
        default="starttls",
        description="How it is spoken to: `starttls`, which it must take; `tls` from the start; `none`: "
        "everything goes in clear, so without `password` but on this machine.",
    )
    user: SomeText | None = Field(default=None, description="The user to sign in as, where it asks for one.")
    password: Any = Field(default=None, description="The user's password.")
    sender: SomeText = Field(alias="from", description="The address that the e-mail comes from.")
    to: list[SomeText] = Field(min_length=1, description="The addresses that get it.")


class SecretTable(Table):
    """Where a secret is found."""

    env: SomeText | None = Field(default=None, description="The environment variable that holds the secret.")
    file: SomeText | None = Field(
        default=None,
        description="The file that holds the secret, with or without a line break at its end; nobody "
        "but its owner should be able to read it.",
    )
    sha256: str | None = Field(
        default=None,
        description="The SHA-256 of the token, in hex; only for what others show to the gateway, as "
        "a target needs the secret itself.",
    )


class FileTable(Table):
    """A table that stands in a file"""

    file: SomeText = Field(
        description="The CSV file, with commas, semicolons or tabs, in UTF-8, relative to the configuration."
    )
    columns: list[SomeText] | None = Field(
        default=None,
        description="The titles of the columns that are meant, in this order; unless you say, the file has "
        "no titles, and its columns are meant as they stand.",
    )


def is_in_file(raw: object) -> bool:
    """Say whether a table is not written here but in a file: it is `{ file = "…" }`, maybe with `columns`."""
    if not isinstance(raw, dict) or not isinstance(raw.get("file"), str):
        return False
    return set(raw) == {"file"} or (set(raw) == {"file", "columns"} and isinstance(raw["columns"], list))


class AuthTable(Table):
    """[targets.NAME] auth"""

    bearer: Any = Field(default=None, description="The token that goes out as `Authorization: Bearer TOKEN`.")
    basic: Any = Field(default=None, description="The user and password that go out as HTTP Basic.")
    header: Any = Field(default=None, description="A header of the target's own that carries the secret.")
    oauth2: Any = Field(
        default=None,
        description="A client that fetches its tokens itself, by the OAuth 2.0 client credentials grant.",
    )
    external: Any = Field(
        default=None,
        description="For `ldap`: whoever the connection says we are, by a client's certificate or "
        "over `ldapi`; `{}` where there is nothing to say.",
    )
    session: Any = Field(
        default=None,
        description="For `rest`: a call of the target's own that gives a token, made again where that is "
        "refused.",
    )
    scheme: Word = Field(
        default="Bearer",
        description="The word before a `bearer` or `oauth2` token, for targets that are particular about "
        "it; a preset may say it.",
    )


class BasicTable(Table):
    """auth basic"""

    user: SomeText = Field(description="The user's name.")
    password: Any = Field(description="The user's password.")


class HeaderTable(Table):
    """auth header"""

    name: Word = Field(description="The header's name, such as `X-Api-Key`.")
    value: Any = Field(description="The header's whole value.")


class OAuth2Table(Table):
    """auth oauth2"""

    token_url: TokenUrl = Field(description="The address that gives tokens.")
    client_id: SomeText = Field(description="The client's name there.")
    client_secret: Any = Field(description="The client's secret, which goes there as HTTP Basic.")
    scope: SomeText | None = Field(
        default=None,
        description="What the tokens are asked to open, with a space between; unless you say, what the "
        "client may have.",
    )
    account_id: SomeText | None = Field(
        default=None,
        description="The account whose tokens are asked for, by the grant `account_credentials` that Zoom "
        "has in place of client credentials.",
    )


class ExternalTable(Table):
    """auth external"""

    cert: SomeText | None = Field(default=None, description="The PEM file with the client's certificate.")
    key: SomeText | None = Field(default=None, description="The PEM file with its private key.")


class SessionTable(Table):
    """auth session"""

    request: SomeText = Field(description="The method and the path below `url` of the login.")
    body: Any = Field(default=None, description="The JSON that is sent; any text in it may be a secret.")
    token: Any = Field(default="token", description="Where in the answer the token is.")
    header: Word = Field(default="Authorization", description="The header that carries it.")
    value: str = Field(default="Bearer {token}", description="The header's value.")
    expired: list[int] = Field(
        default=[401], description="The statuses of calls that mean that the token is of no use any more."
    )
