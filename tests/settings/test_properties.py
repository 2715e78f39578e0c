"""Whatever stands in the file: settings or faults, nothing else."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.mapping.transforms import TRANSFORMS
from gateway.settings import Settings, load_settings
from gateway.settings.rest import RestCallTable, RestCollectionTable, RestListTable
from gateway.settings.tables import RootTable, ServerTable, SessionTable
from gateway.settings.target_tables import RestErrorsTable, RestTable, RuleTable, TargetTable

WORDS = [
    *("okta", "embedded", "scim", "dialpad", "cx@1", "sqlite:p.db", "https://h.example.com/", "10s", "20/s"),
    *(
        "title",
        "phoneNumbers.^[type=='work'].value",
        "a..b",
        'emails[type eq "work"]',
        "phone",
        "GB",
        "active pr",
    ),
    *("send", "hold", "127.0.0.1:0", "10.0.0.0/8", "a\0b", "x" * 300, ""),
]
REST = (RestTable, RestCollectionTable, RestCallTable, RestListTable, RestErrorsTable, SessionTable)
TABLES = (RootTable, ServerTable, TargetTable, RuleTable, *REST)
KEYS = sorted({field.alias or name for table in TABLES for name, field in table.model_fields.items()})
KEYS += [
    "env",
    "file",
    "sha256",
    "bearer",
    "basic",
    "user",
    "password",
    "name",
    "token",
    "dialect",
    "x y",
    "",
]


def written(value: object) -> str:
    """Write a value as TOML; the few types the strategy makes."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {written(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(written(inner) for inner in value) + "]"
        case str():
            return quoted(value)
        case _:
            return str(value)


def quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'


# without "/": a token file is made where the text says
texts = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=12
)
scalars = texts | st.booleans() | st.integers() | st.floats() | st.dates() | st.just(10**400)
keys = st.sampled_from(KEYS) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def table_of(model: type) -> st.SearchStrategy[dict[str, object]]:
    known = sorted(field.alias or name for name, field in model.model_fields.items())
    return st.dictionaries(st.sampled_from(known), values, max_size=8)


options = sorted({option for spec in TRANSFORMS.values() for option in spec.options})
steps = st.builds(
    lambda name, some: some | {"name": name},
    st.sampled_from(sorted(TRANSFORMS)),
    st.dictionaries(st.sampled_from(options), values, max_size=3),
)
rules = st.lists(
    st.builds(lambda table, via: table | {"via": via}, table_of(RuleTable), st.lists(steps, max_size=2)),
    max_size=3,
)
targets = st.builds(lambda table, some: table | {"rules": some}, table_of(TargetTable), rules)
line = st.sampled_from(
    ["GET /p", "GET /p/{id}", "PUT /p/{id}?a={userName}", "GET /{", "{userName}", "{a..b}"]
)
call = st.builds(lambda table, request: table | {"request": request}, table_of(RestListTable), line)
people = st.builds(
    lambda table, more: table | more,
    table_of(RestCollectionTable),
    st.dictionaries(
        st.sampled_from(["list", "get", "create", "change", "entry", "find"]), line | call | values
    ),
)
services = st.builds(lambda table, some: table | {"users": some, "groups": some}, table_of(RestTable), people)
rests = st.builds(
    lambda table, rest: table | {"connector": "rest", "url": "https://h.example.com", "rest": rest},
    table_of(TargetTable),
    services,
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "server": table_of(ServerTable),
        "targets": st.dictionaries(st.sampled_from(["a", "b"]), targets | rests, max_size=2),
        "providers": st.dictionaries(st.sampled_from(["okta", "P"]), values, max_size=2),
    },
)


def outcome(text: str, *, make_tokens: bool = False) -> Settings | ConfigError:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(text, encoding="utf-8")
        try:
            return load_settings(file, ["embedded", "scim", "rest"], make_tokens=make_tokens)
        except ConfigError as error:
            return error


def check(found: Settings | ConfigError) -> None:
    if isinstance(found, ConfigError):
        assert found.faults
        assert all(fault.path and fault.reason for fault in found.faults)
        assert not any("cannot be used here" in fault.reason for fault in found.faults)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, values, max_size=6) | likely, st.booleans())
def test_any_toml_gives_settings_or_faults(tree, make_tokens):
    text = "\n".join(f"{quoted(key)} = {written(value)}" for key, value in tree.items())

    check(outcome(text, make_tokens=make_tokens))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
@example("a = 99-99-99")
@example("[[targets]]")
@example("a.b = 1\na = 2")
def test_any_text_gives_settings_or_faults(text):
    check(outcome(text))
