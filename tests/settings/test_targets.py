"""Targets: every default, every key, every fault."""

import pytest

from gateway.address import Basic, Bearer, Header, OAuth2
from gateway.mapping.specs import Office
from gateway.scim.grammar import parse_filter
from gateway.settings import TargetSettings
from gateway.settings.model import ScopeSettings

SCIM = '[targets.t]\nconnector = "scim"\nurl = "https://t.example.com/scim"\n'


def target(load, text: str) -> TargetSettings:
    return load(SCIM + text).targets["t"]


def test_a_target_without_more_has_every_default(load):
    assert target(load, "") == TargetSettings(
        name="t",
        connector="scim",
        url="https://t.example.com/scim",
        preset=None,
        auth=None,
        rules=(),
        offices={},
        options={},
        region=None,
        unlisted="send",
        require=(),
        on_deactivate="send",
        on_missing="recreate",
        adopt_by=("externalId", "userName"),
        reuse_name="refuse",
        protect=None,
        scope=ScopeSettings(),
        shared=False,
        unique_names=True,
        trust=5.0,
        timeout=10.0,
        deadline=50.0,
        settle=10.0,
        rate=None,
        concurrency=None,
        busy_status=None,
        patch=None,
        page_size=None,
        max_removals=(50, 3600.0),
    )


@pytest.mark.parametrize(
    ("connector", "line", "expected"),
    [
        pytest.param("scim", "max_removals = false", None, id="turned off"),
        pytest.param("scim", 'max_removals = { count = 5, per = "1d" }', (5, 86400.0), id="said"),
        pytest.param("embedded", "", None, id="off for embedded"),
        pytest.param("embedded", "max_removals = { count = 1, per = 60 }", (1, 60.0), id="on for embedded"),
    ],
)
def test_how_many_people_may_be_removed_at_once(load, connector, line, expected):
    url = "sqlite:book.db" if connector == "embedded" else "https://t.example.com/scim"
    text = f'[targets.t]\nconnector = "{connector}"\nurl = "{url}"\n{line}\n'

    assert load(text).targets["t"].max_removals == expected


@pytest.mark.parametrize(("deadline", "is_warned"), [("59s", False), ("60s", True), ("2m", True)])
def test_a_deadline_beyond_what_okta_waits_is_warned_of(load, deadline, is_warned):
    text = f'[targets.t]\nconnector = "embedded"\nurl = "sqlite:book.db"\ndeadline = "{deadline}"\n'

    found = [line for line in load(text).warnings if line.startswith("targets.t.deadline: Okta waits")]
    assert bool(found) is is_warned


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        pytest.param('region = "jp"', "region", "JP", id="region"),
        pytest.param('unlisted = "drop"', "unlisted", "drop", id="unlisted"),
        pytest.param('on_deactivate = "delete"', "on_deactivate", "delete", id="on_deactivate"),
        pytest.param('on_missing = "error"', "on_missing", "error", id="on_missing"),
        pytest.param('adopt_by = ["userName"]', "adopt_by", ("userName",), id="adopt_by"),
        pytest.param("adopt_by = []", "adopt_by", (), id="adopt_by nothing"),
        pytest.param('reuse_name = "take"', "reuse_name", "take", id="reuse_name"),
        pytest.param("shared = true", "shared", True, id="shared"),
        pytest.param("unique_names = false", "unique_names", False, id="unique_names"),
        pytest.param("trust = 0", "trust", 0.0, id="trust"),
        pytest.param('timeout = "500ms"', "timeout", 0.5, id="timeout"),
        pytest.param('timeout = "3s"', "settle", 3.0, id="settle follows timeout"),
        pytest.param('timeout = "3s"\nsettle = "1m"', "settle", 60.0, id="settle"),
        pytest.param('deadline = "1h"', "deadline", 3600.0, id="deadline"),
        pytest.param('rate = "120/m"', "rate", 2.0, id="rate"),
        pytest.param("concurrency = 8", "concurrency", 8, id="concurrency"),
        pytest.param("busy_status = 429", "busy_status", 429, id="busy_status"),
        pytest.param("patch = false", "patch", False, id="patch"),
        pytest.param('patch = "single"', "patch", "single", id="patch, one attribute at a time"),
        pytest.param("filter = false", "filter", False, id="filter"),
        pytest.param("totals = false", "totals", False, id="totals"),
        pytest.param("members = false", "members", False, id="members"),
        pytest.param("page_size = 50", "page_size", 50, id="page_size"),
        pytest.param(
            'protect = "userType eq \\"svc\\""', "protect", parse_filter('userType eq "svc"'), id="protect"
        ),
        pytest.param(
            'require = ["userName", ["name.givenName", "emails.^[type==\'work\'].value"]]',
            "require",
            (("userName",), ("name.givenName", 'emails[type eq "work"].value')),
            id="require",
        ),
        pytest.param(
            'offices = { LDN = { name = "London", country = "gb" }, "X Y" = { name = "X" } }',
            "offices",
            {"LDN": Office("London", "GB"), "X Y": Office("X")},
            id="offices",
        ),
    ],
)
def test_a_key_says_what_it_says(load, line, key, value):
    assert getattr(target(load, line), key) == value


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        pytest.param('regoin = "GB"', "regoin", 'did you mean "region"?', id="near miss"),
        pytest.param('audit = "some"', "audit", '"full", "masked" or "hashed"', id="audit"),
        pytest.param('region = "UK"', "region", '"GB"', id="region"),
        pytest.param("max_removals = true", "max_removals", "false", id="removals"),
        pytest.param("max_removals = { count = 5 }", "max_removals", "per", id="removals without a time"),
        pytest.param("max_removals = { count = 0, per = 60 }", "max_removals", "1 or more", id="no removal"),
        pytest.param("region = 44", "region", '"GB"', id="region type"),
        pytest.param('unlisted = "keep"', "unlisted", '"send", "hold" or "drop"', id="unlisted"),
        pytest.param('shared = "yes"', "shared", "true or false", id="boolean"),
        pytest.param("concurrency = 0", "concurrency", "at least 1", id="too small"),
        pytest.param("page_size = 1000000", "page_size", "at most 100000", id="too large"),
        pytest.param("concurrency = 1.5", "concurrency", "whole number", id="fraction"),
        pytest.param("busy_status = 500", "busy_status", "429 or 503", id="busy status"),
        pytest.param('patch = "true"', "patch", 'must be true, false or "single"', id="patch"),
        pytest.param('timeout = "10 parsecs"', "timeout", "must be a duration", id="duration"),
        pytest.param("timeout = -1", "timeout", "must be a duration", id="negative"),
        pytest.param("timeout = 0", "timeout", "longer than 0", id="no time"),
        pytest.param("trust = nan", "trust", "must be a duration", id="nan"),
        pytest.param("trust = true", "trust", "must be a duration", id="duration type"),
        pytest.param('trust = "9999d"', "trust", "must be a duration", id="too long"),
        pytest.param("trust = 1" + "0" * 400, "trust", "must be a duration", id="huge"),
        pytest.param('rate = "20"', "rate", "must be a rate", id="rate"),
        pytest.param('rate = "0/s"', "rate", "must be a rate", id="no rate"),
        pytest.param("rate = 20", "rate", "must be a rate", id="rate type"),
        pytest.param('adopt_by = ["userName", "mail"]', "adopt_by[1]", '"externalId"', id="adopt_by"),
        pytest.param('protect = "userType eq"', "protect", "filter", id="filter"),
        pytest.param("protect = 1", "protect", "filter", id="filter type"),
        pytest.param('require = "userName"', "require", "must be a list", id="require type"),
        pytest.param('require = ["a", ["b", "c..d"]]', "require[1][1]", "path", id="require path"),
        pytest.param("require = [[]]", "require[0]", "must not be empty", id="require nothing"),
        pytest.param("require = [7]", "require[0]", "path in quotes", id="require element"),
        pytest.param("offices = { LDN = 1 }", "offices.LDN", "must be a table", id="office type"),
        pytest.param("offices = { LDN = {} }", "offices.LDN.name", "is required", id="office name"),
        pytest.param(
            'offices = { "St. Ives" = { name = "S", country = "England" } }',
            'offices."St. Ives".country',
            "two letters",
            id="office country",
        ),
        pytest.param("options = { a = 1 }", "options.a", "with a preset only", id="options"),
        pytest.param('preset = "dialpat"', "preset", 'did you mean "dialpad"?', id="preset"),
        pytest.param('preset = "dialpad@x"', "preset", 'no preset "dialpad@x"', id="preset revision"),
        pytest.param('preset = "dialpad@99"', "preset", "known: dialpad@1", id="unknown revision"),
        pytest.param("auth = 1", "auth", "must be a table", id="auth type"),
        pytest.param("auth = {}", "auth", "needs one of", id="auth nothing"),
        pytest.param(
            'auth = { bearer = { env = "A" }, header = {} }', "auth", "only one", id="auth two kinds"
        ),
        pytest.param("auth = {}", "auth", "bearer, basic, header, oauth2", id="auth kinds"),
        pytest.param("auth = { oauth2 = 1 }", "auth.oauth2", "must be a table", id="oauth2 type"),
        pytest.param('auth = { baerer = "x" }', "auth.baerer", 'did you mean "bearer"?', id="auth near miss"),
        pytest.param('auth = { scheme = "a b" }', "auth.scheme", "one word", id="scheme"),
        pytest.param('auth = { basic = { user = "u" } }', "auth.basic.password", "is required", id="basic"),
        pytest.param(
            'auth = { basic = { user = "u", password = "p" } }',
            "auth.basic.password",
            "never stand in this file",
            id="password",
        ),
        pytest.param(
            'auth = { header = { name = "X Y", value = { env = "DIALPAD_TOKEN" } } }',
            "auth.header.name",
            "one word",
            id="header name",
        ),
    ],
)
def test_a_fault_of_a_target_has_its_path(faults_of, line, path, words):
    assert words in faults_of(SCIM + line)[f"targets.t.{path}"]


@pytest.mark.parametrize(
    ("auth", "kind", "header"),
    [
        pytest.param(
            'bearer = { env = "DIALPAD_TOKEN" }', Bearer, ("Authorization", "Bearer dp-secret-1"), id="bearer"
        ),
        pytest.param(
            'bearer = { env = "DIALPAD_TOKEN" }, scheme = "token"',
            Bearer,
            ("Authorization", "token dp-secret-1"),
            id="scheme",
        ),
        pytest.param(
            'basic = { user = "gw", password = { env = "DIALPAD_TOKEN" } }',
            Basic,
            ("Authorization", "Basic Z3c6ZHAtc2VjcmV0LTE="),
            id="basic",
        ),
        pytest.param(
            'header = { name = "X-Key", value = { env = "DIALPAD_TOKEN" } }',
            Header,
            ("X-Key", "dp-secret-1"),
            id="header",
        ),
    ],
)
def test_calls_are_signed_as_auth_says(load, auth, kind, header):
    found = target(load, f"auth = {{ {auth} }}").auth

    assert isinstance(found, kind)
    assert found.header() == header
    assert "dp-secret-1" in found.secrets()


OAUTH2 = (
    'token_url = "https://login.example.com/t/?a=b", client_id = "me", '
    'client_secret = {env = "DIALPAD_TOKEN"}'
)


@pytest.mark.parametrize(
    ("more", "scheme", "scope"),
    [
        pytest.param("", "Bearer", "", id="as little as can be"),
        pytest.param(', scope = "scim users"', "Bearer", "scim users", id="scope"),
    ],
)
def test_tokens_are_fetched_as_auth_says(load, more, scheme, scope):
    found = target(load, f"auth = {{ oauth2 = {{ {OAUTH2}{more} }} }}").auth

    assert isinstance(found, OAuth2)
    assert (found.client_id, found.client_secret.reveal()) == ("me", "dp-secret-1")
    assert (found.token_url, found.scope) == ("https://login.example.com/t/?a=b", scope)
    assert (found.scheme, found.account_id) == (scheme, "")


def test_tokens_of_an_account_are_fetched_where_auth_names_one(load):
    assert target(load, f'auth = {{ oauth2 = {{ {OAUTH2}, account_id = "a1" }} }}').auth.account_id == "a1"


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        pytest.param('client_id = "me", ', "", "client_id", "is required", id="no id"),
        pytest.param('"me"', '""', "client_id", "must not be empty", id="empty id"),
        pytest.param(
            '{env = "DIALPAD_TOKEN"}', '"s"', "client_secret", "never stand in this file", id="bare secret"
        ),
        pytest.param("env", "sha256", "client_secret.sha256", "use env or file", id="a digest"),
        pytest.param("DIALPAD", "NO", "client_secret.env", "has no NO_TOKEN", id="missing secret"),
        pytest.param("client_id", "client", "client", 'did you mean "client_id"?', id="near miss"),
        pytest.param("https://login", "login", "token_url", "web address", id="no address"),
        pytest.param("https://", "https://u:p@", "token_url", "what auth is for", id="password"),
        pytest.param("?a=b", "#a", "token_url", "must not have a #", id="fragment"),
    ],
)
def test_a_fault_of_oauth2_has_its_path(faults_of, old, new, path, words):
    found = faults_of(f"{SCIM}auth = {{ oauth2 = {{ {OAUTH2.replace(old, new)} }} }}")

    assert words in found[f"targets.t.auth.oauth2.{path}"]


@pytest.mark.parametrize(
    ("host", "is_warned"),
    [
        pytest.param("http://login.example.com", True, id="http"),
        pytest.param("http://10.0.0.1", True, id="an address"),
        pytest.param("https://login.example.com", False, id="https"),
        pytest.param("http://127.0.0.1:9", False, id="loopback"),
        pytest.param("http://[::1]:9", False, id="loopback in IPv6"),
        pytest.param("http://localhost", False, id="localhost"),
    ],
)
def test_a_secret_that_would_go_out_in_the_clear_is_warned_about(load, host, is_warned):
    text = OAUTH2.replace("https://login.example.com", host)
    warning = "targets.t.auth.oauth2.token_url: sends client_secret in the clear; use https"

    assert (warning in load(f"{SCIM}auth = {{ oauth2 = {{ {text} }} }}").warnings) is is_warned


def test_calls_without_credentials_are_warned_about(load):
    assert "targets.t.auth: not set, so calls carry no credentials" in load(SCIM).warnings


@pytest.mark.parametrize(
    ("connector", "url", "words"),
    [
        pytest.param("embedded", "https://t.example.com", 'must be "sqlite:"', id="embedded over http"),
        pytest.param("embedded", "sqlite:", 'must be "sqlite:"', id="no file"),
        pytest.param("scim", "sqlite:x.db", "web address", id="scim in a file"),
        pytest.param("scim", "https://", "web address", id="no host"),
        pytest.param("scim", "https://a:99999", "web address", id="bad port"),
        pytest.param("scim", "https://[::1", "web address", id="bad IPv6"),
        pytest.param("scim", "https://a/b c", "web address", id="space"),
        pytest.param("scim", "https://u:p@a", "what auth is for", id="password"),
        pytest.param("scim", "https://a?x=1", "without ? and #", id="query"),
    ],
)
def test_an_address_that_a_connector_cannot_use_is_a_fault(faults_of, connector, url, words):
    found = faults_of(f'[targets.t]\nconnector = "{connector}"\nurl = "{url}"')

    assert words in found["targets.t.url"]


def test_addresses_lose_their_slash_and_files_are_beside_the_configuration(load, tmp_path):
    targets = load(
        '[targets.a]\nconnector = "scim"\nurl = "https://a.example.com/scim/"\n'
        '[targets.b]\nconnector = "embedded"\nurl = "sqlite:var/b.db"\n'
        '[targets.c]\nconnector = "ldap"\nurl = "ldaps://c.example.com/"\non_deactivate = "delete"\n'
        '[targets.c.ldap]\nbase = "dc=example"\n'
    ).targets

    assert targets["a"].url == "https://a.example.com/scim"
    assert targets["b"].url == f"sqlite:{tmp_path}/var/b.db"
    assert targets["c"].url == "ldaps://c.example.com"


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        pytest.param('connector = "sciim"', "connector", 'did you mean "scim"?', id="unknown"),
        pytest.param('url = "x"', "connector", "known: dialpad, embedded, ldap, rest, scim, sql", id="none"),
        pytest.param('connector = "scim"', "url", "is required", id="no url"),
        pytest.param('preset = "cx"', "url", "is required", id="preset without url"),
        pytest.param('preset = "c_x"', "preset", 'did you mean "cx"?', id="unknown preset alone"),
        pytest.param("connector = 1", "connector", "text in quotes", id="type"),
    ],
)
def test_a_target_needs_a_connector_and_an_address(faults_of, text, path, words):
    assert words in faults_of(f"[targets.t]\n{text}")[f"targets.t.{path}"]


def test_a_scope_is_two_filters(load):
    people, groups = 'department ne "Board"', 'displayName sw "tel-"'

    both = target(load, f"scope = {{ people = '{people}', groups = '{groups}' }}")
    one = target(load, f"[targets.t.scope]\ngroups = '{groups}'")

    assert both.scope == ScopeSettings(parse_filter(people), parse_filter(groups))
    assert one.scope == ScopeSettings(None, parse_filter(groups))


@pytest.mark.parametrize(
    ("written", "path", "reason"),
    [
        pytest.param("{ people = 'department is \"B\"' }", ".people", "filter: ", id="no filter"),
        pytest.param("{ groups = '' }", ".groups", "filter: ", id="empty"),
        pytest.param("{ people = 7 }", ".people", "must be a SCIM filter in quotes", id="a number"),
        pytest.param("{ peple = 'title pr' }", ".peple", 'did you mean "people"?', id="an unknown key"),
        pytest.param("'title pr'", "", "must be a table", id="no table"),
        pytest.param("{ people = 'groups.value eq \"g\"' }", ".people", "groups is no part", id="groups"),
        pytest.param("{ groups = 'members pr' }", ".groups", "members is no part", id="members"),
        pytest.param("{ people = 'meta.created gt \"2026\"' }", ".people", "meta is no part", id="meta"),
    ],
)
def test_a_scope_that_cannot_be_used_is_a_fault(faults_of, written, path, reason):
    faults = faults_of(f"{SCIM}scope = {written}\n")

    assert list(faults) == [f"targets.t.scope{path}"]
    assert reason in faults[f"targets.t.scope{path}"]


def test_a_scope_may_name_what_no_standard_knows_and_says_nothing_about_it(load):
    loaded = load(f"{SCIM}scope = {{ people = 'shoeSize gt 40 and department pr' }}\n")

    assert loaded.targets["t"].scope.people == parse_filter("shoeSize gt 40 and department pr")
    assert not any("scope" in warning for warning in loaded.warnings)
