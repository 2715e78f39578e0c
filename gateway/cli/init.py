"""`init`: five answers make a configuration; `guide`: what the provider is set up with for it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.output import CONFIG, ExitStatus, Stop, check_name, read_settings, targets_of
from gateway.cli.terminal.usage import Config
from gateway.errors import ConfigError
from gateway.guide.data import ProviderKind
from gateway.users import why
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.settings.target_tables import PresetTable

PROVIDERS: Final = {"okta": "okta", "entra": "entra", "other": "rfc"}  # answer -> dialect
DIRECTORY: Final = "directory"  # the answer for one of our own, in a file
SERVICE: Final = "scim"  # any SCIM 2.0 service
LISTEN: Final = "127.0.0.1:8080"

Provider = Annotated[str | None, typer.Option("--provider", help="Who sends people: okta, entra or other.")]
Target = Annotated[
    str | None,
    typer.Option("--target", help="Who gets them: directory (in a file), scim, or the name of a preset."),
]
Url = Annotated[str | None, typer.Option("--url", help="The target's address.")]
Credentials = Annotated[
    str | None,
    typer.Option("--credentials", help="Where the target's secret is: env:NAME, or a file."),
]
Secret = Annotated[
    bool, typer.Option("--secret-stdin", help="Read the secret from standard input into that file.")
]
PublicUrl = Annotated[str | None, typer.Option("--public-url", help="How the provider reaches the gateway.")]
Listen = Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where the gateway listens.")]
User = Annotated[str | None, typer.Option("--user", help="The DN that signs in, for an LDAP directory.")]
Base = Annotated[str | None, typer.Option("--base", help="The DN above people, for an LDAP directory.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing: what is not said is the default.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")]


def init(  # noqa: PLR0913, PLR0917 - one parameter for each option
    provider: Provider = None,
    target: Target = None,
    url: Url = None,
    credentials: Credentials = None,
    public_url: PublicUrl = None,
    listen: Listen = LISTEN,
    user: User = None,
    base: Base = None,
    secret_stdin: Secret = False,
    yes: Yes = False,
    force: Force = False,
    config: Config = CONFIG,
) -> None:
    """Write a first configuration, by answers to five questions; two more for an LDAP directory."""
    from gateway.settings.presets import preset_names

    if config.exists() and not force:
        cure = "--force replaces it, --config FILE writes another"
        raise Stop(f"{config} is there already: {cure}", ExitStatus.WRONG)
    if config.exists() and not config.is_file():  # a folder or a device would be replaced
        raise Stop(f"{config} cannot be written: it is not a file", ExitStatus.WRONG)
    ask = Questions(yes or secret_stdin)
    who = ask.one_of("provider", provider, "Who sends people?", "okta", tuple(PROVIDERS))
    kind = ask.one_of("target", target, "Who gets them?", DIRECTORY, (DIRECTORY, SERVICE, *preset_names()))
    found = _target(ask, kind, url, credentials, (user, base))
    near = f"http://{listen}"
    public = ask.text("public-url", public_url, "How does the provider reach the gateway?", near)
    server = NewServer(listen, None if public.rstrip("/") == near else public)
    secret = _secret(found, config, secret_stdin, ask.is_silent)
    _write(config, rendered(who, found, server), found, secret)
    if secret_stdin and secret is None:
        kept = f"{found.file} stays as it is" if found.file else "no file is named for it"
        print(f"not used: what standard input has, as {kept}")
    _report(config, found)


@frozen
class NewTarget:
    """The target as it was answered."""

    name: str
    kind: str
    url: str | None = None  # None: the preset's own
    env: str | None = None
    file: str | None = None  # of the secret
    user: str | None = None  # of an LDAP directory, and where its people are
    base: str | None = None


@frozen
class NewServer:
    """Where the gateway is."""

    listen: str
    public_url: str | None  # None: where it listens


class Questions:
    """Asks for what no option says, on a terminal or of whatever standard input is."""

    def __init__(self, is_silent: bool) -> None:
        self.is_silent = is_silent

    def text(self, option: str, given: str | None, question: str, default: str | None = None) -> str:
        """Return an answer; raises Stop where there is none."""
        if given is not None:
            return given
        if not self.is_silent:
            print(f"{question} {f'[{default}] ' if default else ''}", end="", file=sys.stderr, flush=True)
            line = sys.stdin.readline()
            if answer := line.strip():
                return answer
            if not line:
                raise Stop(f"no answer: say --{option}, or --yes for what is usual", ExitStatus.WRONG)
        if default is None:
            raise Stop(f"--{option} is needed: {question}", ExitStatus.WRONG)
        return default

    def one_of(
        self, option: str, given: str | None, question: str, default: str, known: tuple[str, ...]
    ) -> str:
        """Return one of these answers; raises Stop for another."""
        answer = self.text(option, given, f"{question} ({', '.join(known)})", default)
        check_name(option, answer, known, f"--{option}: ")
        return answer


def _target(
    ask: Questions, kind: str, url: str | None, credentials: str | None, entry: tuple[str | None, str | None]
) -> NewTarget:
    if kind == DIRECTORY:
        return NewTarget("phonebook", kind, ask.text("url", url, "In which file?", "sqlite:var/phonebook.db"))
    table = _preset(kind)
    name = kind.replace("_", "-")
    own = None if table is None else table.url
    address = ask.text("url", url, "What is its address?", own)
    where = ask.text(
        "credentials", credentials, "Where is its secret? (env:NAME, or a file)", f"var/{name}.secret"
    )
    env = where.removeprefix("env:") if where.startswith("env:") else None
    place = NewTarget(name, kind, None if address == own else address, env, None if env else where)
    if table is None or table.connector != "ldap":
        return place
    user = ask.text("user", entry[0], "Which DN signs in?")
    base = ask.text("base", entry[1], 'Which DN is above people? (such as "ou=people,dc=example,dc=com")')
    return NewTarget(place.name, kind, place.url, env, place.file, user, base)


def _preset(kind: str) -> "PresetTable | None":
    from gateway.settings.faults import Faults
    from gateway.settings.presets import load_preset

    found = None if kind == SERVICE else load_preset(kind, "preset", Faults())
    return None if found is None else found.table


def rendered(provider: str, target: NewTarget, server: NewServer) -> str:
    """Return a configuration as TOML."""
    return "\n".join(_lines(provider, target, server)) + "\n"


def _lines(provider: str, target: NewTarget, server: NewServer) -> Iterator[str]:
    yield "# Made by `init`. Every key: docs/configuration.md. `check` names every fault at once."
    yield "\n[server]"
    yield f"listen = {_toml(server.listen)}"
    if server.public_url is not None:
        yield f"public_url = {_toml(server.public_url)}"
    yield "\n[journal]"
    yield 'url = "sqlite:var/gateway.db"'
    yield f"\n[providers.{provider}]"
    yield f"dialect = {_toml(PROVIDERS[provider])}"
    yield f'token = {{ file = "var/{provider}.token" }}  # `serve` makes it; the provider shows it'
    yield f"\n[targets.{target.name}]"
    key = "connector" if target.kind in (DIRECTORY, SERVICE) else "preset"
    yield f"{key} = {_toml('embedded' if target.kind == DIRECTORY else target.kind)}"
    if target.url is not None:
        yield f"url = {_toml(target.url)}"
    if target.env or target.file:
        secret = f"{{ env = {_toml(target.env)} }}" if target.env else f"{{ file = {_toml(target.file)} }}"
        who = f"basic = {{ user = {_toml(target.user)}, password = {secret} }}"
        yield f"auth = {{ {who if target.user else f'bearer = {secret}'} }}"
    if target.base:
        yield f"ldap = {{ base = {_toml(target.base)} }}"


def _toml(text: str | None) -> str:
    """Return a text as TOML has it in quotes, which is as JSON has it, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _secret(target: NewTarget, config: Path, from_stdin: bool, is_silent: bool) -> str | None:
    """Return the secret that is to be put into its file; None where it is there, or comes later.

    Raises Stop for a file that is for something else.
    """
    if target.file is None:
        return None
    file = config.absolute().parent / target.file
    if file.is_dir() or os.path.realpath(file) == os.path.realpath(config):
        what = "a folder" if file.is_dir() else "the configuration itself"
        raise Stop(f"--credentials: {file} is {what}: name a file for the secret alone", ExitStatus.WRONG)
    if file.exists():
        return None
    if from_stdin:
        return sys.stdin.readline().strip() or None
    if is_silent or not sys.stdin.isatty():
        return None
    from getpass import getpass

    with suppress(EOFError):
        return getpass(f"Its secret, which goes to {target.file} (not shown; empty: later): ").strip() or None
    return None


def _write(config: Path, text: str, target: NewTarget, secret: str | None) -> None:
    """Write the secret and the configuration, once that has no fault; raises ConfigError and Stop."""
    draft = config.with_name(f".{config.name}.draft")
    try:
        _make(draft, text, 0o644)
        try:
            read_settings(draft)
        except ConfigError as error:  # nobody sees the lines of the draft
            raise ConfigError([replace(fault, place="") for fault in error.faults]) from error
        if secret is not None and target.file is not None:
            _make(config.absolute().parent / target.file, f"{secret}\n", 0o600)
        os.replace(draft, config)
    except OSError as error:  # such as one file that a container has mounted
        raise Stop(f"{config} cannot be written: {why(error, config)}", ExitStatus.WRONG) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _make(file: Path, content: str, mode: int) -> None:
    """Make a file that was not there, or anew; raises Stop."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            file.unlink()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content.encode())
    except UnicodeEncodeError as error:
        raise Stop("an answer is no text in UTF-8: nothing was written", ExitStatus.WRONG) from error
    except OSError as error:
        raise Stop(f"{file} cannot be made: {why(error, file)}", ExitStatus.WRONG) from error


def _report(config: Path, target: NewTarget) -> None:
    """Say what was made, and what comes next."""
    print(f"made: {config}")
    file = None if target.file is None else config.absolute().parent / target.file
    if file is not None and not file.exists():
        cure = f"for yourself alone: chmod 600 {quote(str(file))}"
        print(f"next: put the secret of {target.name} into {file}, {cure}")
    if target.env:
        print(f"next: have the secret of {target.name} in the environment, as {target.env}")
    named = "" if config == CONFIG else f" --config {quote(str(config))}"
    print(f"next: check{named}, guide {target.name}{named}, serve{named}")


Guided = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target, or of a route.")]
Kind = Annotated[ProviderKind, typer.Option("--provider", help="Whose app the page sets up.")]


def guide(target: Guided, provider: Kind = ProviderKind.OKTA, config: Config = CONFIG) -> int:
    """Print, as Markdown, how the provider is set up to send people to a target or a route."""
    from gateway.guide.page import guide as page
    from gateway.settings.compiled import subject_of

    settings = read_settings(config)
    targets_of(settings, target)
    if target not in settings.addresses:
        route = settings.route_of(target)
        raise Stop(f"{target} is reached by the route {route}: ask for `guide {route}`", ExitStatus.WRONG)
    print(page(subject_of(settings, target), provider), end="")
    return ExitStatus.DONE
