"""[console] and [operators]: the pages for people with a browser, and who may act there."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from gateway.settings.faults import Faults, at, read
from gateway.settings.fields import (
    Language,
    ListenAddress,
    PersonRole,
    SomeSeconds,
    TokenUrl,
    WebUrl,
    is_in_clear,
)
from gateway.settings.model import ConsoleSettings, OidcSettings, OperatorSettings, ServerSettings, frozen
from gateway.settings.secrets import Secrets
from gateway.settings.tables import SomeText, Table

PACKAGES: Final = ("aiohttp_jinja2", "cryptography", "jinja2", "joserfc")
NEEDED: Final = (
    "needs packages that are not installed: `make setup`, or `pip install 'scim-gateway[console]'`; "
    "without the table there is no console"
)


class OperatorTable(Table):
    """[operators.NAME]"""

    token: Any = Field(
        default=None,
        description="What the operator must show; a list lets the old and the new one in while you rotate.",
    )


class ConsoleTable(Table):
    """[console]"""

    listen: ListenAddress | None = Field(
        default=None,
        description="An address and port of its own, with the certificate of `[server] tls` where there is "
        "one; unless you say, the console is at `/console` beside everything else, and `/` leads there.",
    )
    public_url: WebUrl | None = Field(
        default=None,
        description="How browsers reach it, without `/console`; unless you say, as providers reach the "
        "gateway, or what `listen` says.",
    )
    language: Language | None = Field(
        default=None,
        description="The language of its pages; unless you say, each browser's own, English where that is "
        "none of them.",
    )
    idle: SomeSeconds = Field(
        default=1800.0, description="How long somebody stays signed in who does nothing."
    )
    lifetime: SomeSeconds = Field(
        default=36_000.0, description="How long somebody stays signed in at most, whatever they do."
    )
    oidc: Any = Field(
        default=None,
        description="Sign-in by OpenID Connect, beside the tokens of `auditors` and `operators`.",
    )


class OidcTable(Table):
    """[console.oidc]"""

    issuer: TokenUrl = Field(
        description="The provider's issuer, exactly as its discovery document says it, with https."
    )
    client_id: SomeText = Field(description="The console's name there.")
    client_secret: Any = Field(
        default=None,
        description="The console's secret there, which goes as HTTP Basic; a client without one has its "
        "codes protected by PKCE alone, as all have.",
    )
    roles: dict[str, PersonRole] = Field(
        min_length=1,
        description="What the claim may hold, and the role that gives: `operator` reads and acts, `auditor` "
        "reads, `helpdesk` reads with people's values masked. Who has several gets the one that may most; "
        "who has none is refused.",
    )
    claim: SomeText = Field(
        default="groups", description="The claim that is looked at: a text, or a list of them."
    )
    name: SomeText = Field(
        default="preferred_username",
        description="The claim with the name under which the audit trail has the person; where it is absent, "
        "`email` or `sub`.",
    )
    scope: SomeText = Field(
        default="openid profile email", description="What the provider is asked for, with spaces between."
    )


Tokens = Callable[[str, object, str], tuple[bytes, ...]]  # TOML path, what stands there, whose -> digests


def load_operator(faults: Faults, tokens: Tokens, name: str, raw: object) -> OperatorSettings | None:
    """Return somebody who may act; None where their table has faults."""
    path = at("operators", name)
    table = read(OperatorTable, raw, path, faults)
    return None if table is None else OperatorSettings(name, tokens(path, table.token, name))


def load_console(
    raw: object, server: ServerSettings, secrets: Secrets, faults: Faults
) -> ConsoleSettings | None:
    """Return how the console is served; None where there is none, or its table has faults."""
    if raw is None:
        return None
    table = read(ConsoleTable, raw, "console", faults)
    if not all(map(find_spec, PACKAGES)):
        faults.add("console", NEEDED)
    if table is None:
        return None
    if table.listen is not None and table.listen.port == 0:
        faults.add("console.listen", "must name a port: browsers have to find it")
    scheme = "http" if server.tls is None else "https"
    own = None if table.listen is None else f"{scheme}://{table.listen}"
    url = table.public_url or own
    if is_in_clear(url or server.public_url):
        faults.warn("console", "is served in the clear: tokens and what it shows can be read on their way")
    oidc = None if table.oidc is None else _oidc(table.oidc, secrets, faults)
    return ConsoleSettings(table.listen, url, table.language, table.idle, table.lifetime, oidc)


def _oidc(raw: object, secrets: Secrets, faults: Faults) -> OidcSettings | None:
    path = "console.oidc"
    table = read(OidcTable, raw, path, faults)
    if table is None:
        return None
    if is_in_clear(table.issuer) or urlsplit(table.issuer).query:
        faults.add(at(path, "issuer"), "must be an https address without a query (OpenID Connect Discovery)")
    if "openid" not in table.scope.split():
        faults.add(at(path, "scope"), 'must hold "openid"')
    secret = None
    if table.client_secret is not None:
        secret = secrets.outbound(table.client_secret, at(path, "client_secret"))
    roles: Mapping[str, PersonRole] = frozen(table.roles)
    return OidcSettings(table.issuer, table.client_id, roles, secret, table.claim, table.name, table.scope)
