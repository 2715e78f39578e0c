"""One [targets.NAME] table and its preset to settings."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from gateway.address import Basic, Bearer, Directory, Header, OAuth2, RestService, Signing, SqlDatabase
from gateway.guide.data import Guide
from gateway.mapping.rule_test import RuleTest
from gateway.mapping.rules import Rule, Unlisted
from gateway.mapping.specs import Office, is_json
from gateway.mapping.tables import fold_width
from gateway.scim.predicate import attributes_named
from gateway.settings.entitlements import Entitlements
from gateway.settings.faults import Faults, at, hint, parts, read
from gateway.settings.fields import is_in_clear, parse_region, parse_sqlite_url, parse_web_url, read_path
from gateway.settings.model import EntitlementSettings, ScopeSettings, TargetSettings, frozen
from gateway.settings.presets import Preset, load_guide, load_preset
from gateway.settings.rule_check import RuleCheck, warn_of_address
from gateway.settings.rules import Rules, TableFiles, warn_of_likes
from gateway.settings.secrets import Secrets, load_session
from gateway.settings.tables import AuthTable, BasicTable, HeaderTable, OAuth2Table, is_in_file
from gateway.settings.target_tables import OfficeTable, RuleTestTable, ScopeTable, TargetTable
from gateway.values import sealed


def _ldap_url(url: str, _: Path) -> str:
    from gateway.settings.ldap import parse_ldap_url

    return parse_ldap_url(url)


def _sql_url(url: str, base: Path) -> str:
    from gateway.settings.sql import parse_sql_url

    return parse_sql_url(url, base)


URLS: Final[Mapping[str, Callable[[str, Path], str]]] = {  # connector -> its form of `url`
    "embedded": lambda url, base: f"sqlite:{parse_sqlite_url(url, base)}",
    "scim": lambda url, _: parse_web_url(url),
    "ldap": _ldap_url,
    "rest": lambda url, _: parse_web_url(url),
    "dialpad": lambda url, _: parse_web_url(url),
    "sql": _sql_url,
}
AUTH_KINDS: Final = ("bearer", "basic", "header", "oauth2", "external", "session")
TAKEN: Final[Mapping[str, tuple[str, ...]]] = {  # connector -> the kinds of auth it can use
    "scim": ("bearer", "basic", "header", "oauth2"),
    "ldap": ("basic", "external"),
    "rest": ("bearer", "basic", "header", "oauth2", "session"),
    "sql": ("basic",),
    "dialpad": ("bearer",),  # its other way would put the key in every URL
}
SPELLED_OUT: Final = (
    "preset",
    "connector",
    "url",
    "auth",
    "rules",
    "tests",
    "offices",
    "options",
    "require",
    "adopt_by",
    "guide",
    "ldap",
    "scope",
    "rest",
    "entitlements",
    "sql",
)
OKTA_WAITS: Final = 60.0  # seconds for an answer
TOO_LONG: Final = "Okta waits for 60 seconds only, and then sends the change again: say less"
MAX_REMOVALS: Final = (50, 3600.0)  # people, seconds
PLAIN: Final = frozenset(field.name for field in fields(TargetSettings)) - {"name", *SPELLED_OUT}


@sealed
class World:
    """What every target is read with."""

    base: Path  # what relative paths are relative to
    connectors: Collection[str]
    faults: Faults
    secrets: Secrets
    tables: TableFiles
    looks_over: bool = True  # rules without a fault, for what is doubtful about them: that takes longest


def load_target(name: str, raw: object, world: World) -> TargetSettings | None:
    """Return the target; None where it has faults that leave nothing to return."""
    path = at("targets", name)
    table = read(TargetTable, raw, path, world.faults)
    if table is None:
        return None
    preset = None
    if table.preset is not None:
        preset = load_preset(table.preset, at(path, "preset"), world.faults)
    return TargetReader(path, table, preset, world).resolve(name)


class TargetReader:
    """A target's table over its preset's."""

    def __init__(self, path: str, table: TargetTable, preset: Preset | None, world: World) -> None:
        self._path = path
        self._table = table
        self._preset = preset
        self._world = world
        self._faults = world.faults
        self._keys = (_written(preset.table) if preset else {}) | _written(table)

    def resolve(self, name: str) -> TargetSettings | None:
        offices = self._offices()
        options = self._options()
        connector = self._connector()
        read: dict[str, Any] = {
            "preset": self._preset.pin if self._preset else None,
            "auth": self._auth(connector),
            "rules": self._rules(offices, options, connector),
            "tests": tuple(load_tests(self._table.tests, at(self._path, "tests"), self._faults)),
            "offices": frozen(offices),
            "options": options,
            "require": tuple(self._require()),
            "guide": self._guide(),
            "scope": self._scope(),
            "entitlements": self._entitlements(connector),
        }
        url = self._url(connector)
        read["ldap"] = self._ldap(connector, url or "", read["auth"])
        read["rest"] = self._rest(connector, read["rules"])
        read["sql"] = self._sql(connector, url or "", read)
        if connector is None or url is None:
            return None
        target = TargetSettings(name, connector, url, **self._plain(), **read)
        return target if target.ldap is None else replace(target, ldap=looked_at(target.ldap, target))

    def _plain(self) -> dict[str, Any]:
        """Return what is taken as written, and the defaults that depend on other keys."""
        plain = {key: value for key, value in self._keys.items() if key in PLAIN}
        if self._preset:
            plain.setdefault("unlisted", Unlisted.HOLD)
        if "timeout" in plain:
            plain.setdefault("settle", plain["timeout"])
        if "adopt_by" in self._keys:
            plain["adopt_by"] = tuple(self._keys["adopt_by"])
        if plain.get("deadline", 0.0) >= OKTA_WAITS:
            self._faults.warn(at(self._path, "deadline"), TOO_LONG)
        limit = plain.get("max_removals")
        if limit is None and self._keys.get("connector") != "embedded":
            limit = MAX_REMOVALS
        plain["max_removals"] = limit or None
        return plain

    def _connector(self) -> str | None:
        connector: str | None = self._keys.get("connector")
        path = at(self._path, "connector")
        if connector is None:
            if self._table.preset is None:
                self._faults.add(path, f"is required{hint('', self._world.connectors)}")
            return None
        if connector not in self._world.connectors:
            self._faults.add(path, f"there is no such connector{hint(connector, self._world.connectors)}")
        elif connector == "ldap":
            from gateway.settings.ldap import missing_library

            if reason := missing_library():
                self._faults.add(path, reason)
        return connector

    def _url(self, connector: str | None) -> str | None:
        url: str | None = self._keys.get("url")
        path = at(self._path, "url")
        if url is None:
            if connector is not None:
                self._faults.add(path, "is required")
            return None
        if connector == "scim":
            warn_of_address(url, path, self._faults)
        parse = URLS.get(connector or "")
        return self._faults.attempt(lambda text: parse(text, self._world.base), url, path) if parse else url

    def _ldap(self, connector: str | None, url: str, auth: Signing | None) -> Directory | None:
        path, written = at(self._path, "ldap"), self._table.ldap
        if connector != "ldap":
            if written is not None and connector is not None:
                self._faults.add(path, "is for the connector ldap only")
            return None
        from gateway.settings.ldap import Way, fault_of_external, load_ldap

        preset = (self._preset.table.ldap or {}) if self._preset else {}
        way = Way(url, auth, sends_inactive=self._keys.get("on_deactivate") != "delete")
        settings = load_ldap(preset | (written or {}), path, self._faults, self._world.base, way)
        if settings is not None and (reason := fault_of_external(settings, way)):
            self._faults.add(at(self._path, "auth", "external"), reason)
        return settings

    def _rest(self, connector: str | None, rules: tuple[Rule, ...]) -> RestService | None:
        path, written = at(self._path, "rest"), self._table.rest
        if connector != "rest":
            if written is not None and connector is not None:
                self._faults.add(path, "is for the connector rest only")
            return None
        from gateway.settings.rest import RestWay, load_rest, overlaid

        preset = (self._preset.table.rest or {}) if self._preset else {}
        way = RestWay(
            rules,
            sends_inactive=self._keys.get("on_deactivate") != "delete",
            page_size=self._keys.get("page_size") or 100,
        )
        return load_rest(overlaid(preset, written or {}), path, self._faults, way)

    def _sql(self, connector: str | None, url: str, said: Mapping[str, Any]) -> SqlDatabase | None:
        path, written = at(self._path, "sql"), self._table.sql
        if connector != "sql":
            if written is not None and connector is not None:
                self._faults.add(path, "is for the connector sql only")
            return None
        from gateway.settings.rest import overlaid
        from gateway.settings.sql import SqlWay, load_sql, missing_driver

        if reason := missing_driver(url):
            self._faults.add(at(self._path, "connector"), reason)
        preset = (self._preset.table.sql or {}) if self._preset else {}
        sends_inactive = self._keys.get("on_deactivate") != "delete"
        way = SqlWay(url, said["auth"], said["rules"], sends_inactive, self._world.base)
        return load_sql(overlaid(preset, written or {}), path, self._faults, way)

    def _offices(self) -> dict[str, Office]:
        written, path = self._table.offices, at(self._path, "offices")
        if is_in_file(written):
            rows = self._world.tables.rows(written, path, 3, lambda row: _country(row[1:]), fold_width)
            return {key: Office(cells[0], _country(cells)) for key, cells in rows.items()}
        warn_of_likes(written, fold_width, path, self._faults)
        offices = {}
        for key, raw in written.items():
            table = read(OfficeTable, raw, at(path, key), self._faults)
            if table is not None:
                offices[key] = Office(table.name, table.country)
        return offices

    def _options(self) -> Mapping[str, str]:
        path = at(self._path, "options")
        if self._preset is not None:
            return self._preset.choose(self._table.options, path, self._faults)
        for name in self._table.options if self._table.preset is None else ():
            self._faults.add(at(path, name), "there are options with a preset only")
        return frozen({})

    def _rules(
        self, offices: Mapping[str, Office], options: Mapping[str, str], connector: str | None
    ) -> tuple[Rule, ...]:
        rules = Rules(
            offices,
            self._faults,
            self._world.tables,
            flat=connector == "ldap",
            excuses=self._preset is not None and "require" not in self._table.model_fields_set,
        )
        if self._preset is not None:
            rules.add_preset(self._preset, options)
        rules.add_written(self._table.rules, at(self._path, "rules"))
        compiled = rules.compiled()
        if self._world.looks_over:
            check = RuleCheck(rules.written, [rule for rule in compiled if not rule.is_own], self._faults)
            check.run(names_targets=connector not in ("ldap", "rest", "sql"))
        return compiled

    def _guide(self) -> Guide:
        preset = self._preset
        return load_guide(preset.table.guide, f"{preset.pin}.guide", self._faults) if preset else Guide()

    def _scope(self) -> ScopeSettings:
        path, written = at(self._path, "scope"), self._keys.get("scope") or {}
        table = read(ScopeTable, written, path, self._faults) or ScopeTable()
        return ScopeSettings(table.people, table.groups)

    def _entitlements(self, connector: str | None) -> tuple[EntitlementSettings, ...]:
        reading = Entitlements(connector, self._faults, self._world.tables)
        return reading.load(self._table.entitlements, at(self._path, "entitlements"))

    def _require(self) -> Iterator[tuple[str, ...]]:
        """Yield groups of paths; one alone is a group of one."""
        for index, group in enumerate(self._keys.get("require", ())):
            path = at(self._path, "require", index)
            if group == []:
                self._faults.add(path, "must not be empty")
            found = [read_path(text, where, self._faults) for where, text in parts(group, path)]
            yield tuple(text for text in found if text is not None)

    def _auth(self, connector: str | None) -> Signing | None:
        written = self._table.auth
        path = at(self._path, "auth")
        if written is None:
            if connector in TAKEN and not (self._keys.get("url") or "").startswith("sqlite:"):
                self._faults.warn(path, "not set, so calls carry no credentials")
            return None
        preset_auth = (self._preset.table.auth or {}) if self._preset else {}
        table = read(AuthTable, preset_auth | written, path, self._faults) or AuthTable()
        kinds = [kind for kind in AUTH_KINDS if getattr(table, kind) is not None]
        if len(kinds) != 1:
            self._faults.add(path, f"needs one of {', '.join(AUTH_KINDS)}, and only one")
            return None
        if kinds[0] not in TAKEN.get(connector or "", AUTH_KINDS):
            taken = " or ".join(TAKEN[connector or ""])
            self._faults.add(at(path, kinds[0]), f"{connector} takes {taken}")
            return None
        return self._signing(kinds[0], table, at(path, kinds[0]))

    def _signing(self, kind: str, table: AuthTable, path: str) -> Signing | None:
        secrets = self._world.secrets
        match kind:
            case "bearer":
                secret = secrets.outbound(table.bearer, path)
                return Bearer(secret, table.scheme) if secret else None
            case "basic":
                basic = read(BasicTable, table.basic, path, self._faults)
                secret = secrets.outbound(basic.password, at(path, "password")) if basic else None
                return Basic(basic.user, secret) if basic and secret else None
            case "header":
                header = read(HeaderTable, table.header, path, self._faults)
                secret = secrets.outbound(header.value, at(path, "value")) if header else None
                return Header(header.name, secret) if header and secret else None
            case "external":
                from gateway.settings.ldap import load_external

                return load_external(table.external, path, self._faults, self._world.base, secrets)
            case "session":
                return load_session(table.session, path, self._faults, secrets)
            case _:
                return self._oauth2(table, path)

    def _oauth2(self, table: AuthTable, path: str) -> Signing | None:
        client = read(OAuth2Table, table.oauth2, path, self._faults)
        if client is None:
            return None
        if is_in_clear(client.token_url):
            self._faults.warn(at(path, "token_url"), "sends client_secret in the clear; use https")
        secret = self._world.secrets.outbound(client.client_secret, at(path, "client_secret"))
        if secret is None:
            return None
        asked, account = client.scope or "", client.account_id or ""
        return OAuth2(client.token_url, client.client_id, secret, asked, table.scheme, account)


def load_tests(written: Sequence[Any], path: str, faults: Faults) -> Iterator[RuleTest]:
    """Yield the tests of a target's rules."""
    for index, raw in enumerate(written):
        where = at(path, index)
        if (table := read(RuleTestTable, raw, where, faults)) is None:
            continue
        said = {key: getattr(table, key) for key in ("form", "held", "dropped", "problems")}
        if all(value is None for value in said.values()):
            faults.add(where, "says nothing that is expected: form, held, dropped or problems")
        for key, value in (("input", table.input), ("form", table.form)):
            if value is not None and not is_json(value):
                faults.add(at(where, key), "has a date or a time; SCIM has them as text")
        if table.form is not None and table.problems:
            faults.add(at(where, "form"), "nothing is sent of who is refused, as `problems` says")
        paths = {
            key: None if said[key] is None else tuple(said[key]) for key in ("held", "dropped", "problems")
        }
        yield RuleTest(table.name or f"test {index + 1}", where, table.input, table.form, **paths)


def looked_at(directory: Directory, target: TargetSettings) -> Directory:
    """Return the directory with what of it is looked at: attributes that a rule or `protect` names."""
    if target.unlisted is Unlisted.SEND:
        return directory
    ruled = (rule.to.attribute for rule in target.rules)
    named = (path.attr for path in attributes_named(target.protect)) if target.protect is not None else ()
    return replace(directory, attributes=tuple(dict.fromkeys((*ruled, *named))))


def _country(cells: Sequence[str]) -> str | None:
    """Return the country behind an office's name, where there is one; raises ValueError."""
    return parse_region(cells[1]) if len(cells) > 1 and cells[1] else None


def _written(table: TargetTable) -> dict[str, Any]:
    return {key: getattr(table, key) for key in table.model_fields_set}
