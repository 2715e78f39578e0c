"""Makes what the pages say about keys, transforms and presets from the program itself: `make docs`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from gateway import address
from gateway.audit.fields import FIELDS
from gateway.flow.services import ALERTS
from gateway.mapping.specs import Office, OptionKind, OptionSpec, Person, TransformSpec, Unusable
from gateway.mapping.transforms import TRANSFORMS, compile_transform
from gateway.metrics import FAMILIES
from gateway.settings import console, entitlements, ldap, model, rest, sql, tables, target_tables
from gateway.settings import fields as forms
from gateway.settings.presets import preset_names
from gateway.targets.registry import CONNECTORS
from tools.docs import architecture, preset_pages, protocol
from tools.docs.markdown import code, grid, visible, words

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


TABLES: Final[Mapping[str, tuple[type[tables.Table], Any]]] = {  # block -> table, what it becomes
    "file": (tables.RootTable, None),
    "server": (tables.ServerTable, model.ServerSettings),
    "tls": (tables.TlsTable, None),
    "journal": (tables.JournalTable, model.JournalSettings),
    "provider": (tables.ProviderTable, model.ProviderSettings),
    "auditor": (tables.AuditorTable, model.AuditorSettings),
    "operator": (console.OperatorTable, None),
    "console": (console.ConsoleTable, model.ConsoleSettings),
    "oidc": (console.OidcTable, model.OidcSettings),
    "phonebook": (tables.PhonebookTable, model.PhonebookSettings),
    "route": (tables.RouteTable, None),
    "alerts": (tables.AlertsTable, model.AlertSettings),
    "mail": (tables.MailTable, None),
    "target": (target_tables.TargetTable, model.TargetSettings),
    "auth": (tables.AuthTable, None),
    "basic": (tables.BasicTable, None),
    "header": (tables.HeaderTable, None),
    "oauth": (tables.OAuth2Table, None),
    "external": (tables.ExternalTable, None),
    "ldap": (ldap.LdapTable, address.Directory),
    "scope": (target_tables.ScopeTable, None),
    "session": (tables.SessionTable, None),
    "rest": (target_tables.RestTable, None),
    "rest-people": (rest.RestCollectionTable, None),
    "rest-call": (rest.RestCallTable, None),
    "rest-list": (rest.RestListTable, None),
    "rest-active": (target_tables.RestActiveTable, None),
    "rest-errors": (target_tables.RestErrorsTable, None),
    "sql": (sql.SqlTable, None),
    "sql-people": (sql.SqlCollectionTable, None),
    "sql-active": (sql.SqlActiveTable, None),
    "sql-list": (sql.SqlListTable, None),
    "sql-members": (sql.SqlMembersTable, None),
    "office": (target_tables.OfficeTable, None),
    "entitlement": (entitlements.EntitlementTable, None),
    "entitlement-value": (entitlements.EntitlementValueTable, None),
    "entitlement-source": (entitlements.EntitlementSourceTable, None),
    "table-file": (tables.FileTable, None),
    "rule": (target_tables.RuleTable, None),
    "rule-test": (target_tables.RuleTestTable, None),
    "secret": (tables.SecretTable, None),
    "preset-file": (target_tables.PresetTable, None),
    "preset-rule": (target_tables.PresetRuleTable, None),
}

DURATION: Final = "[duration](#durations-and-rates)"
PATH: Final = "[path](#paths)"
HIDDEN: Final = "[secret](#secrets)"
CALL: Final = "[request](#targetsnamerestuserscreate)"
LIST: Final = "[request](#targetsnamerestuserslist)"
POINTER: Final = "path, or keys one inside the other"
KINDS: Final = (  # a key's type -> what to write
    (forms.Seconds, DURATION),
    (forms.SomeSeconds, f"{DURATION}, not 0"),
    (forms.Share, "number from 0 to 1"),
    (forms.Rate, "[rate](#durations-and-rates)"),
    (forms.PatchWay, '`true`, `false` or `"single"`'),
    (forms.RemovalLimit, "`{ count, per }` or `false`"),
    (forms.ListenAddress, '`"HOST:PORT"`'),
    (forms.WebUrl, "web address"),
    (forms.TokenUrl, "web address"),
    (forms.Region, "country, two letters"),
    (forms.TextFilter, "[filter](#filters)"),
    (forms.ScopeFilter, "[filter](#filters)"),
    (forms.Word, "one word"),
    (forms.Locale, "language tag"),
    (tables.Positive, "whole number from 1"),
    (tables.SomeText, "text"),
    (bool, "`true` or `false`"),
    (str, "text"),
    (int, "whole number"),
    (list[str], "list of texts"),
    (list[int], "list of whole numbers"),
    (list[Any], "list"),
    (list[tables.SomeText], "list of texts"),
    (dict[str, str], "table"),
    (dict[str, list[str]], "table of lists"),
    (dict[str, Any], "table"),
)


SPECIAL: Final[Mapping[str, str]] = {  # a key whose type says too little -> what to write
    "server.tls": "[table](#server-tls)",
    "journal.url": '`"sqlite:FILE"` or `"postgresql://…"`',
    "journal.password": HIDDEN,
    "provider.token": f"{HIDDEN}, or a list of them",
    "auditor.token": f"{HIDDEN}, or a list of them",
    "operator.token": f"{HIDDEN}, or a list of them",
    "file.console": "table",
    "console.oidc": "[table](#consoleoidc)",
    "oidc.client_secret": HIDDEN,
    "oidc.roles": 'table of `"operator"`, `"auditor"`, `"helpdesk"`',
    "phonebook.token": f"{HIDDEN}, or a list of them",
    "alerts.webhook": f"web address, or a {HIDDEN} that holds one",
    "alerts.mail": "[table](#alertsmail)",
    "mail.port": "whole number from 1",
    "mail.password": HIDDEN,
    "target.preset": words(preset_names()),
    "target.connector": words(CONNECTORS),
    "target.url": 'web address, `"sqlite:FILE"`, `"ldaps://HOST"`, or `"postgresql://HOST/NAME"`',
    "target.ldap": "[table](#targetsnameldap)",
    "target.rest": "[table](#targetsnamerest)",
    "target.sql": "[table](#targetsnamesql)",
    "target.auth": "[table](#targetsname-auth)",
    "target.rules": "[tables](#targetsnamerules)",
    "target.tests": "[tables](#targetsnametests)",
    "target.scope": "[table](#targetsnamescope)",
    "target.entitlements": "[tables](#targetsnameentitlements)",
    "entitlement.values": "list, or table",
    "entitlement-source.groups": "`true`, or a [filter](#filters)",
    "target.offices": "[table](#targetsnameoffices), or one [in a file](#tables-in-files)",
    "target.options": "table; see [presets](presets.md)",
    "target.require": "list of [paths](#paths), or of lists of them",
    "auth.bearer": HIDDEN,
    "auth.basic": "[table](#targetsname-auth)",
    "auth.header": "[table](#targetsname-auth)",
    "auth.oauth2": "[table](#targetsname-auth)",
    "auth.external": "[table](#targetsname-auth)",
    "auth.session": "[table](#targetsname-auth)",
    "session.body": f"JSON with a {HIDDEN} in it",
    "session.token": POINTER,
    **{f"rest.{name}": "[table](#targetsnamerestusers)" for name in ("users", "groups")},
    "rest.errors": "[table](#targetsnameresterrors)",
    "rest-people.id": POINTER,
    "rest-people.entry": "JSON with [templates](rest.md#templates)",
    "rest-people.active": "`{ yes, no }`",
    **{f"rest-people.{name}": CALL for name in rest.CHANGES},
    **{f"rest-people.{name}": LIST for name in rest.READS},
    "rest-people.find": f"table of {LIST}s",
    **{f"rest-{kind}.body": "JSON with [templates](rest.md#templates)" for kind in ("call", "list")},
    **{f"rest-{kind}.item": POINTER for kind in ("call", "list")},
    **{f"rest-list.{name}": POINTER for name in ("items", "total", "next", "id")},
    **{f"rest-active.{name}": "any value" for name in ("yes", "no")},
    **{f"rest-errors.{name}": POINTER for name in ("code", "reason")},
    **{f"sql.{name}": "[table](#targetsnamesqlusers)" for name in ("users", "groups")},
    "sql-people.columns": "table of [templates](rest.md#templates)",
    "sql-people.active": "[table](#targetsnamesqlusersactive)",
    "sql-people.lists": "[tables](#targetsnamesqluserslists)",
    "sql-people.members": "[table](#targetsnamesqlgroupsmembers)",
    "sql-people.statements": "table of texts, or of lists of them",
    **{f"sql-active.{name}": "any value" for name in ("yes", "no")},
    "basic.password": HIDDEN,
    "header.value": HIDDEN,
    "oauth.client_secret": HIDDEN,
    "rule.to": PATH,
    "rule.from": f"{PATH}, or a list of them",
    "rule.via": "list of [transforms](#transforms)",
    "rule.default": "any value",
}
SAID: Final[Mapping[str, str]] = {  # a default that no single field holds
    "server.listen": code(
        "{host}:{port}".format_map({f.name: f.default for f in fields(model.ServerSettings)})
    ),
    "provider.targets": "all",
    "phonebook.format": "required",
    "phonebook.token": "required",
    "phonebook.title": "the name",
    "target.scope": "–",
    "rest.users": "required",
    "session.token": code("token"),
    "rest-people.id": code("id"),
    **{f"rest-people.{name}": "required" for name in ("entry", *rest.NEEDED)},
    "rule.to": "required",
    "rule.from": "`to`",
}


def keys(block: str) -> str:
    """Return the keys of one table of the configuration."""
    table, settings = TABLES[block]
    hints = get_type_hints(table, include_extras=True)
    rows = []
    for name in table.__annotations__:
        field = table.model_fields[name]
        key = field.alias or name
        path = f"{block}.{key}"
        default = SAID.get(path) or _default(field, name, hints[name], settings)
        rows.append((f"`{key}`", SPECIAL.get(path) or kind(hints[name]), default, field.description or ""))
    return grid(("key", "values", "default", "meaning"), rows)


def kind(hint: Any) -> str:
    """Say what a type takes."""
    if NoneType in get_args(hint):
        hint, _ = get_args(hint)
    if get_origin(hint) is Literal:
        return words(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return words([member.value for member in hint])
    if get_origin(hint) is list and get_origin(get_args(hint)[0]) is Literal:
        return f"list of {words(get_args(get_args(hint)[0]))}"
    return next(text for known, text in KINDS if known == hint)


def _default(field: FieldInfo, name: str, hint: Any, settings: Any) -> str:
    """Return the default: what the settings hold, else the table's own; a key without any is required."""
    held = {held.name: held for held in fields(settings)}.get(name) if settings else None
    value = field.default if held is None or held.default is MISSING else held.default
    needed = held is not None and held.default is held.default_factory is MISSING
    if field.is_required() or (needed and not value):
        return "required"
    if value in (None, {}, (), [], ""):
        return "–"
    return code(_duration(value) if DURATION in kind(hint) else value)


def _duration(seconds: float) -> str:
    days, rest = divmod(seconds, 86400)
    return f"{days:g}d" if days and not rest else f"{seconds:g}s"


PERSON: Final = Person({"name": {"givenName": "Ava", "familyName": "Phone"}}, "GB")
OFFICES: Final = {"LDN": Office("London", "GB")}
EXAMPLES: Final[Mapping[str, tuple[tuple[Any, Any], ...]]] = {  # transform -> (entry of `via`, value)
    "strip_spaces": (("strip_spaces", "+44 20\u00a07946\u20090018\u200b"),),
    "trim": (("trim", "\u00a0Ava Phone "),),
    "lower": (("lower", "Ava@Example.com"),),
    "upper": (("upper", "gb"),),
    "nfkc": (("nfkc", "０２０ ７９４６"),),
    "digits": (("digits", "+44 (20) 7946-0018"),),
    "phone": (
        ("phone", "020 7946 0018"),
        ("phone", "+44 (0)20 7946 0018 ext. 123"),
        ({"name": "phone", "extension": "append"}, "+44 20 7946 0018 x123"),
        ({"name": "phone", "format": "national"}, "+442079460018"),
        ("phone", "ask reception"),
    ),
    "map": (
        ({"name": "map", "table": {"CSR": "Agent"}}, "CSR"),
        ({"name": "map", "table": {"CSR": "Agent"}, "otherwise": "drop"}, "Boss"),
    ),
    "office": (("office", "LDN"), ("office", "Atlantis")),
    "split": (("split", "admin; user"), ("split", '["admin", "user"]')),
    "join": (("join", ["admin", "user"]),),
    "allow": (
        ({"name": "allow", "values": ["admin", "user"], "ignore_case": True}, "Admin"),
        ({"name": "allow", "values": ["admin", "user"]}, "guest"),
    ),
    "primary": (
        ("primary", [{"value": "a"}, {"value": "b"}]),
        ({"name": "primary", "mode": "only"}, [{"value": "a"}, {"value": "b", "primary": True}]),
    ),
    "objects": (("objects", ["admin", "user"]),),
    "language": (("language", "en_US"), ({"name": "language", "format": "bcp47"}, "en_US")),
    "country": (("country", "Germany"), ({"name": "country", "format": "alpha3"}, "DE")),
    "template": (("template", "anything"),),
    "truncate": (({"name": "truncate", "length": 5}, "reception"),),
    "replace": (({"name": "replace", "pattern": "(.*)@.*", "by": r"\1@example.com"}, "ava@old.example"),),
    "match": (({"name": "match", "pattern": "[0-9]{4}"}, "12345"),),
    "boolean": (("boolean", "True"),),
    "constant": (({"name": "constant", "value": "Agent"}, "anything"),),
}


def transforms() -> str:
    """Return every transform with its options and examples."""
    return "\n".join("".join(_transform(spec)) for spec in TRANSFORMS.values())


def _transform(spec: TransformSpec) -> Iterator[str]:
    (entry, _), *_ = EXAMPLES[spec.name]
    turned = compile_transform(entry, OFFICES).invert is not None
    back = "It can be turned back." if turned else "It cannot be turned back."
    yield f"## {spec.name}\n\n{spec.doc} {back}\n\n"
    if spec.options:
        rows = ((f"`{name}`", *_option(option)) for name, option in spec.options.items())
        yield grid(("option", "values", "default", "meaning"), rows) + "\n"
    titles = ("in `via`", "before", "after", *(["back"] if turned else []))
    yield grid(titles, (_example(entry, value) for entry, value in EXAMPLES[spec.name]))


TAKES: Final[Mapping[str, str]] = {
    OptionKind.COUNT: "whole number from 1",
    OptionKind.BOOLEAN: "`true` or `false`",
}


def _option(option: OptionSpec) -> tuple[str, str, str]:
    default = "required" if option.required else code(option.default)
    return words(option.choices) or TAKES.get(option.kind, option.kind.value), default, option.doc


def _example(entry: Any, value: Any) -> Iterator[str]:
    """Yield an example by running it."""
    transform = compile_transform(entry, OFFICES)
    yield from (code(entry), _json(value))
    try:
        after = transform.apply(value, PERSON)
    except Unusable as unusable:
        after = None
        yield f"*unusable: {unusable}*"
    else:
        yield "*absent*" if after is None else _json(after)
    if transform.invert is not None:
        yield "" if after is None else _json(transform.invert(after))


def _json(value: Any) -> str:
    return f"`{visible(value)}`".replace("|", r"\|")


def metrics() -> str:
    """Return every metric of /metrics with its labels."""
    rows = ((code_name(f.name), f.kind, ", ".join(map(code_name, f.labels)), f.doc) for f in FAMILIES)
    return grid(("metric", "kind", "labels", "says"), rows)


def alert_names() -> str:
    """Return every alert."""
    return grid(
        ("alert", "what is the matter, and what to do"), ((code_name(n), d) for n, d in ALERTS.items())
    )


def code_name(name: str) -> str:
    """Return a name of the program's own, for a cell."""
    return f"`{name}`"


def event_fields() -> str:
    """Return every field of an event."""
    return grid(("field", "what is there"), ((f"`{path}`", doc) for path, doc in FIELDS.items()))


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    **{block: partial(keys, block) for block in TABLES},
    "transforms": transforms,
    "event": event_fields,
    "presets": preset_pages.index,
    "metrics": metrics,
    "alert-names": alert_names,
    **protocol.BLOCKS,
    **architecture.BLOCKS,
}
MADE: Final = re.compile(r"(<!-- made: (?P<block>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: str) -> str:
    """Return a page with every block in it made again."""
    return MADE.sub(lambda found: f"{found[1]}\n{BLOCKS[found['block']]()}\n{found[3]}", page)


def main() -> None:
    """Make every page of docs/ again."""
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(fill(path.read_text("utf-8")), "utf-8")
    for name, page in preset_pages.pages().items():
        (DOCS / "presets" / name).write_text(page, "utf-8")


if __name__ == "__main__":
    main()
