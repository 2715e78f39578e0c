"""`token`: inbound tokens made, listed and ended while the gateway runs, or when it does not."""

import hashlib
import secrets
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from gateway.cli.client import GatewayRequest, via_gateway_or_locally
from gateway.cli.output import (
    CONFIG,
    Column,
    ExitStatus,
    Format,
    Stop,
    check_name,
    columns,
    read_settings,
    second,
    write,
)
from gateway.cli.terminal.usage import Config

if TYPE_CHECKING:
    from gateway.admin.acts import Token
    from gateway.settings import Settings

token = typer.Typer(help="Inbound tokens beside those of the configuration.", no_args_is_help=True)

TABLE: Final = (
    Column("id", "id", rank=0),
    Column("provider", "provider"),
    Column("state", "state", rank=0),
    *(Column(name, name, second) for name in ("created", "expires", "revoked")),
)
CSV_COLUMNS: Final = columns(*(column.path for column in TABLE))

Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="Who will show the token.")]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="DURATION", help='How long it is valid, such as "90d".')
]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")]
Formatting = Annotated[Format, typer.Option("--format")]


@token.command()
def new(provider: Provider, expires: Expires = None, config: Config = CONFIG) -> None:
    """Make a token, valid at once, and print it once."""
    settings = read_settings(config)
    check_name("provider", provider, settings.providers)
    secret = f"gw_{secrets.token_urlsafe(32)}"
    made = _made(provider, secret, expires)
    via_gateway_or_locally(
        settings,
        GatewayRequest("POST", "/tokens", asdict(made)),
        lambda _: None,
        lambda: _issue(settings, made),
    )
    print(secret)
    until = f"until {made.expires}" if made.expires else "until it is revoked"
    print(f"{made.id} of {provider}, valid {until}; it is not shown again", file=sys.stderr)


@token.command("list")
def list_(format: Formatting = Format.TABLE, config: Config = CONFIG) -> None:
    """List the tokens, the oldest first; never what they are."""
    from gateway.journal.reader import reading

    now = _stamp(datetime.now(UTC))
    with reading(read_settings(config).journal) as reader:
        rows = [_row(found, now) for found in reader.tokens()]
    write(rows, format, TABLE, CSV_COLUMNS, empty="there are no tokens beside those of the configuration")


@token.command()
def revoke(id: Id, config: Config = CONFIG) -> None:
    """End a token at once."""
    settings = read_settings(config)
    request = GatewayRequest("DELETE", f"/tokens/{quote(id, safe='')}", absent=404)
    if not via_gateway_or_locally(
        settings, request, lambda answer: answer.is_ok, lambda: _revoke(settings, id)
    ):
        raise Stop(f'there is no live token "{id}"', ExitStatus.REFUSED)
    print(f"{id} is revoked")


def _made(provider: str, secret: str, expires: str | None) -> "Token":
    from gateway.admin.acts import Token

    now = datetime.now(UTC)
    end = None if expires is None else _stamp(now + timedelta(seconds=_seconds(expires)))
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return Token(f"tok_{secrets.token_hex(4)}", provider, digest, _stamp(now), end)


def _seconds(expires: str) -> float:
    from gateway.settings.fields import parse_some_seconds

    try:
        return parse_some_seconds(expires)
    except ValueError as error:
        raise Stop(f"--expires: {error}", ExitStatus.WRONG) from error


def _stamp(moment: datetime) -> str:
    from gateway.audit.chain import stamp

    return stamp(moment)


def _row(found: "Token", now: str) -> dict[str, Any]:
    over = "revoked" if found.revoked else "expired"
    row = {name: value for name, value in asdict(found).items() if name != "sha256"}
    return row | {"state": "active" if found.is_active(now) else over}


async def _issue(settings: "Settings", made: "Token") -> None:
    from gateway.admin.acts import issue_token
    from gateway.build import open_journal
    from gateway.ids import new_id

    async with open_journal(settings) as journal:
        await issue_token(journal, made, new_id())


async def _revoke(settings: "Settings", id: str) -> bool:
    from gateway.admin.acts import revoke_token
    from gateway.build import open_journal
    from gateway.ids import new_id

    async with open_journal(settings) as journal:
        return await revoke_token(journal, id, new_id())
