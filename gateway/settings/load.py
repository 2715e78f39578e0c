"""Reads config.toml: every fault at once, or frozen settings."""

import hashlib
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.address import Secret
from gateway.errors import ConfigError, Fault
from gateway.mapping.rule_test import RuleTest
from gateway.settings.faults import Faults, TomlLines, at, read, unknown
from gateway.settings.fields import (
    Address,
    Network,
    parse_name,
    parse_network,
    parse_token_url,
)
from gateway.settings.journal import load_journal
from gateway.settings.model import (
    AlertSettings,
    AuditorSettings,
    JournalSettings,
    People,
    PhonebookSettings,
    ProviderSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    Source,
    Stamp,
    TargetSettings,
    Tls,
    frozen,
)
from gateway.settings.rules import TableFiles
from gateway.settings.secrets import Secrets, is_file, load_mail, stamp_of
from gateway.settings.tables import (
    AlertsTable,
    AuditorTable,
    PhonebookTable,
    ProviderTable,
    RootTable,
    RouteTable,
    ServerTable,
    TlsTable,
)
from gateway.settings.targets import World, load_target, load_tests
from gateway.users import why

S = TypeVar("S")

LARGEST: Final = 4 * 1024 * 1024  # bytes of a configuration
_LISTED: Final = re.compile(r'targets\.(?P<name>"[^"]*"|[^.]+)\.(?P<list>rules|tests)\[(?P<index>\d+)\]')
_TOML_FAULT: Final = re.compile(r"(?P<what>.*) \(at (?P<where>.*)\)", re.DOTALL)


def load_settings(
    path: Path,
    connectors: Collection[str],
    *,
    make_tokens: bool = False,
    read_secrets: bool = True,
    content: bytes | None = None,
) -> Settings:
    """Read the file, or what it had as `content`; raises ConfigError with every fault.

    `make_tokens` makes inbound token files that are missing; else they are only named. Without
    `read_secrets` no secret has to be there, and `auth` and digests are left out: enough to explain, or to
    read the trail.
    """
    content = _read_file(path) if content is None else content
    raw = _parse(content, path)
    faults = Faults(*_places(raw, content))
    base = path.absolute().parent
    secrets = Secrets(base, faults, make_tokens=make_tokens, read=read_secrets)
    loader = Loader(World(base, connectors, faults, secrets, TableFiles(base, faults)))
    try:
        settings = loader.load(raw, hashlib.sha256(content).hexdigest())
    except RecursionError:  # a dotted key of a thousand parts
        raise _broken(path, "is nested too deep") from None
    return replace(settings, source=Source(path.absolute(), content, loader.files))


def load_tests_of(path: Path, targets: Collection[str]) -> Mapping[str, tuple[RuleTest, ...]]:
    """Return the tests of a file of their own, by target; raises ConfigError with every fault."""
    content = _read_file(path)
    raw = _parse(content, path)
    faults = Faults(*_places(raw, content))
    found: dict[str, tuple[RuleTest, ...]] = {}
    tables = raw.get("targets", {})
    for name in raw.keys() - {"targets"}:
        faults.add(at("", name), "a file of tests has `[[targets.NAME.tests]]` only")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        here = at("targets", name)
        if name not in targets:
            faults.add(here, unknown("target", name, targets))
        elif not isinstance(table, dict) or table.keys() != {"tests"} or not isinstance(table["tests"], list):
            faults.add(here, "a file of tests has `[[targets.NAME.tests]]` only")
        else:
            found[name] = tuple(load_tests(table["tests"], at(here, "tests"), faults))
    faults.raise_all()
    return found


class Loader:
    """Makes settings of one parsed file."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = world.faults

    @property
    def files(self) -> Mapping[Path, Stamp]:
        """Return which other files were read, each as it was then."""
        return self._world.tables.files | self._world.secrets.files

    def load(self, raw: dict[str, Any], digest: str) -> Settings:
        root = read(RootTable, raw, "", self._faults) or RootTable()
        server = self._server(root.server)
        journal = load_journal(root.journal, self._world.base, self._faults, self._world.secrets)
        targets = self._named("targets", root.targets, lambda name, raw: load_target(name, raw, self._world))
        routes = self._routes(root.routes, root.targets)
        providers = self._named(
            "providers", root.providers, lambda name, table: self._provider(name, table, root.targets, routes)
        )
        auditors = self._named("auditors", root.auditors, self._auditor)
        operators, console = self._people(root, server)
        phonebooks = self._named(
            "phonebooks", root.phonebooks, lambda name, table: self._phonebook(name, table, root.targets)
        )
        alerts = self._alerts(root.alerts)
        self._check_writers(providers, targets, routes)
        self._check_files(journal, targets)
        self._faults.raise_all()
        self._warn_of_nothing(providers, targets)
        made = self._world.secrets.make()
        warnings, digest = self._faults.warnings, self._world.tables.digest(digest)
        rest = (warnings, made, digest, alerts, phonebooks, routes, operators, console)
        return Settings(server, journal, providers, auditors, targets, *rest)

    def _people(self, root: RootTable, server: ServerSettings) -> People:
        if root.console is None and not root.operators:
            return frozen({}), None
        from gateway.settings.console import load_console, load_operator

        load = partial(load_operator, self._faults, self._tokens)
        operators = self._named("operators", root.operators, load)
        return operators, load_console(root.console, server, self._world.secrets, self._faults)

    def _named(
        self, section: str, tables: Mapping[str, Any], load: Callable[[str, object], S | None]
    ) -> Mapping[str, S]:
        found: dict[str, S] = {}
        for name, raw in tables.items():
            self._faults.attempt(parse_name, name, at(section, name))
            if (loaded := load(name, raw)) is not None:
                found[name] = loaded
        return frozen(found)

    def _server(self, raw: object) -> ServerSettings:
        table = read(ServerTable, raw, "server", self._faults) or ServerTable()
        listen = table.listen or Address("127.0.0.1", 8080)
        scheme = "http" if table.tls is None else "https"
        return ServerSettings(
            host=listen.host,
            port=listen.port,
            public_url=table.public_url or f"{scheme}://{listen}",
            tls=None if table.tls is None else self._tls(table.tls),
            trusted_proxies=tuple(self._networks(table.trusted_proxies, "server.trusted_proxies")),
            max_connections=table.max_connections,
            max_connections_per_client=table.max_connections_per_client,
        )

    def _networks(self, texts: list[str], path: str) -> Iterator[Network]:
        for index, text in enumerate(texts):
            if network := self._faults.attempt(parse_network, text, at(path, index)):
                yield network

    def _tls(self, raw: object) -> Tls | None:
        table = read(TlsTable, raw, "server.tls", self._faults)
        if table is None:
            return None
        cert, key = self._file(table.cert, "server.tls.cert"), self._file(table.key, "server.tls.key")
        if key is not None:
            self._world.secrets.warn_of_readers(key, "server.tls.key")
        self._world.secrets.files.update((file, stamp_of(file.stat())) for file in (cert, key) if file)
        return Tls(cert, key) if cert and key else None

    def _file(self, name: str, path: str) -> Path | None:
        file = self._world.base / name
        if not is_file(file):
            self._faults.add(path, "there is no such file")
            return None
        return file

    def _alerts(self, raw: object) -> AlertSettings:
        table = read(AlertsTable, raw, "alerts", self._faults)
        if table is None:
            return AlertSettings()
        mail = None if table.mail is None else load_mail(table.mail, self._faults, self._world.secrets)
        shared = (table.token_expiry, table.refused_share)
        return AlertSettings(self._webhook(table.webhook), table.format, mail, *shared)

    def _webhook(self, raw: object) -> Secret | None:
        path = "alerts.webhook"
        if raw is None:
            return None
        address = Secret(raw) if isinstance(raw, str) else self._world.secrets.outbound(raw, path)
        if address is not None:
            self._faults.attempt(parse_token_url, address.reveal(), path)
        return address

    def _routes(self, tables: Mapping[str, Any], targets: Collection[str]) -> Mapping[str, RouteSettings]:
        places: dict[str, str] = {}  # target -> where it stands in a route
        routes = self._named("routes", tables, lambda name, raw: self._route(name, raw, targets, places))
        for name in tables:
            if name in targets:
                self._faults.add(at("routes", name), "is the name of a target, too; give the route another")
        return routes

    def _route(
        self, name: str, raw: object, targets: Collection[str], places: dict[str, str]
    ) -> RouteSettings | None:
        path = at("routes", name)
        table = read(RouteTable, raw, path, self._faults)
        if table is None:
            return None
        for index, target in enumerate(table.targets):
            here = at(path, "targets", index)
            if target not in targets:
                self._faults.add(here, unknown("target", target, targets))
            elif target in places:
                self._faults.add(
                    here, f"is in a route already, at {places[target]}; a target is in one, once"
                )
            places.setdefault(target, here)
        return RouteSettings(name, tuple(dict.fromkeys(table.targets)))

    def _provider(
        self, name: str, raw: object, targets: Collection[str], routes: Mapping[str, RouteSettings]
    ) -> ProviderSettings | None:
        path = at("providers", name)
        table = read(ProviderTable, raw, path, self._faults)
        if table is None:
            return None
        within = {target: route.name for route in routes.values() for target in route.targets}
        known = [*(target for target in targets if target not in within), *routes]
        named = known if table.targets is None else dict.fromkeys(table.targets)
        for index, target in enumerate(table.targets or ()):
            if target in within:
                reason = f'is reached by its route only: say "{within[target]}"'
                self._faults.add(at(path, "targets", index), reason)
            elif target not in known:
                reason = unknown("target or route" if routes else "target", target, known)
                self._faults.add(at(path, "targets", index), reason)
        return ProviderSettings(name, table.dialect, self._tokens(path, table.token, name), tuple(named))

    def _auditor(self, name: str, raw: object) -> AuditorSettings | None:
        path = at("auditors", name)
        table = read(AuditorTable, raw, path, self._faults)
        if table is None:
            return None
        return AuditorSettings(name, self._tokens(path, table.token, name), table.role)

    def _phonebook(self, name: str, raw: object, targets: Collection[str]) -> PhonebookSettings | None:
        path = at("phonebooks", name)
        table = read(PhonebookTable, raw, path, self._faults)
        if table is None:
            return None
        for key in ("target", "format", "token"):
            if not getattr(table, key):
                self._faults.add(at(path, key), "is required")
        if table.target and table.target not in targets:
            reason = unknown("target", table.target, targets)
            self._faults.add(at(path, "target"), reason)
        digests = self._world.secrets.inbound(table.token, at(path, "token"))
        if table.format is None:
            return None
        return PhonebookSettings(
            name,
            table.target,
            table.format,
            digests,
            table.title or name,
            table.locale,
            table.sort,
            table.trust,
        )

    def _tokens(self, path: str, raw: object, name: str) -> tuple[bytes, ...]:
        if raw is None:
            self._faults.warn(path, f"no token here; only those of `token new {name}` are taken")
            return ()
        return self._world.secrets.inbound(raw, at(path, "token"))

    def _check_writers(
        self,
        providers: Mapping[str, ProviderSettings],
        targets: Mapping[str, TargetSettings],
        routes: Mapping[str, RouteSettings],
    ) -> None:
        """Two providers would undo each other's changes, unless a target says that they may."""
        within = {target: route.name for route in routes.values() for target in route.targets}
        for name, target in targets.items():
            address = within.get(name, name)
            writers = [provider.name for provider in providers.values() if address in provider.targets]
            if len(writers) > 1 and not target.shared:
                reason = f"written by {' and '.join(writers)}; if that is meant, say shared = true"
                self._faults.add(at("targets", name, "shared"), reason)

    def _check_files(self, journal: JournalSettings, targets: Mapping[str, TargetSettings]) -> None:
        for name, target in targets.items():
            if target.url == f"sqlite:{journal.path}":
                self._faults.add(at("targets", name, "url"), "is the journal's file; give it one of its own")

    def _warn_of_nothing(self, *sections: Mapping[str, object]) -> None:
        for section, what in zip(sections, ("providers", "targets"), strict=True):
            if not section:
                self._faults.warn(what, "there is none, so there is nothing to do")


def _places(raw: Mapping[str, Any], content: bytes) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Return what says of the path of a rule or a test where it is, and of any path at which line it is."""

    @cache
    def lines() -> TomlLines:
        return TomlLines(content.decode("utf-8-sig"))

    def place(path: str) -> str:
        if (found := _LISTED.match(path)) is None:
            return ""
        name = found["name"].strip('"')
        try:
            entry = raw["targets"][name][found["list"]][int(found["index"])]
            called = entry.get("to" if found["list"] == "rules" else "name")
        except (LookupError, TypeError, AttributeError):
            called = None
        told = (line(found[0]), f'"{called[:80]}"' if isinstance(called, str) else "")
        return ", ".join(filter(None, told))

    def line(path: str) -> str:
        number = lines().nearest(path)
        return f"line {number}" if number else ""

    return place, line


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise _broken(path, "there is no such file") from None
    except OSError as error:
        raise _broken(path, f"cannot be read: {why(error, path)}") from error
    if len(content) > LARGEST:
        raise _broken(path, f"is larger than {LARGEST // 1024 // 1024} MiB")
    return content


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _broken(path, f"line {line}: is not UTF-8 text") from error
    except RecursionError:
        raise _broken(path, "is nested too deep") from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        found = _TOML_FAULT.fullmatch(str(error))
        what = f"{found['where']}: {found['what']}" if found else str(error)
        raise _broken(path, f"is no TOML: {what}") from error


def _broken(path: Path, reason: str) -> ConfigError:
    return ConfigError([Fault(path.name, reason)])
