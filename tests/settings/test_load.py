"""The whole file: defaults, faults with their paths, providers and auditors."""

import hashlib
import re
from dataclasses import FrozenInstanceError
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings, load_settings
from gateway.settings.load import LARGEST

SHIPPED = Path(__file__).resolve().parents[2] / "config.toml"
DIGEST = hashlib.sha256(b"gw_a-token").hexdigest()
PHONEBOOK = '[targets.phonebook]\nconnector = "embedded"\nurl = "sqlite:p.db"\n'


def test_an_empty_file_gives_every_default(load, tmp_path):
    settings = load("")

    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.server.public_url == "http://127.0.0.1:8080"
    assert (settings.server.tls, settings.server.trusted_proxies) == (None, ())
    assert settings.journal.path == tmp_path / "var/gateway.db"
    assert settings.journal.durability == "full"
    assert (settings.providers, settings.auditors, settings.targets) == ({}, {}, {})
    assert settings.warnings == (
        "providers: there is none, so there is nothing to do",
        "targets: there is none, so there is nothing to do",
    )


def test_settings_are_frozen(load):
    settings = load(PHONEBOOK)

    with pytest.raises(FrozenInstanceError):
        settings.targets["phonebook"].name = "other"
    with pytest.raises(TypeError):
        settings.targets["other"] = settings.targets["phonebook"]


def test_the_digest_is_that_of_the_file(load):
    assert load(PHONEBOOK).digest == hashlib.sha256(PHONEBOOK.encode()).hexdigest()


def test_a_byte_order_mark_is_forgiven(load):
    assert list(load(b"\xef\xbb\xbf" + PHONEBOOK.encode()).targets) == ["phonebook"]


def test_the_server_is_as_the_file_says(load, tmp_path):
    (tmp_path / "cert.pem").write_text("cert")
    (tmp_path / "key.pem").touch(mode=0o600)
    settings = load(
        '[server]\nlisten = "[::1]:9000"\ntls = { cert = "cert.pem", key = "key.pem" }\n'
        'trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]\n'
    )

    assert (settings.server.host, settings.server.port) == ("::1", 9000)
    assert settings.server.public_url == "https://[::1]:9000"
    assert settings.server.tls.cert == tmp_path / "cert.pem"
    assert settings.server.tls.key == tmp_path / "key.pem"
    assert settings.server.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"))


def test_a_public_url_loses_its_slash(load):
    settings = load('[server]\npublic_url = "https://gateway.example.com/"')

    assert settings.server.public_url == "https://gateway.example.com"


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        pytest.param("[sever]", "sever", 'did you mean "server"?', id="unknown section"),
        pytest.param("[consoles]", "consoles", "unknown key", id="section of a later release"),
        pytest.param("server = 3", "server", "must be a table", id="section of the wrong type"),
        pytest.param('[server]\nlissen = ""', "server.lissen", 'did you mean "listen"?', id="near miss"),
        pytest.param('[server]\n"a b" = 1', 'server."a b"', "unknown key; known: ", id="quoted key"),
        pytest.param('[server]\nlisten = ":8080"', "server.listen", "HOST:PORT", id="no host"),
        pytest.param('[server]\nlisten = "a:70000"', "server.listen", "HOST:PORT", id="no such port"),
        pytest.param("[server]\nlisten = 8080", "server.listen", "HOST:PORT", id="port alone"),
        pytest.param('[server]\npublic_url = "x"', "server.public_url", "web address", id="public url"),
        pytest.param("[server]\ntls = true", "server.tls", "must be a table", id="tls type"),
        pytest.param('[server]\ntls = { cert = "c" }', "server.tls.key", "is required", id="no key"),
        pytest.param(
            '[server]\ntls = { cert = "c", key = "k" }', "server.tls.cert", "no such file", id="no file"
        ),
        pytest.param(
            '[server]\ntls = { cert = "c\\u0000", key = "k" }', "server.tls.cert", "no such file", id="NUL"
        ),
        pytest.param(
            f'[server]\ntls = {{ cert = "{"c" * 300}", key = "k" }}',
            "server.tls.cert",
            "no such file",
            id="long",
        ),
        pytest.param(
            '[server]\ntrusted_proxies = ["10.0.0.0/8", "home"]',
            "server.trusted_proxies[1]",
            "must be a network",
            id="network",
        ),
        pytest.param("[server]\ntrusted_proxies = [7]", "server.trusted_proxies[0]", "text", id="element"),
        pytest.param('[journal]\nurl = "gateway.db"', "journal.url", 'must be "sqlite:"', id="journal url"),
        pytest.param('[journal]\nurl = "sqlite::memory:"', "journal.url", "sqlite:", id="journal in memory"),
        pytest.param(
            '[journal]\ndurability = "half"', "journal.durability", '"full" or "normal"', id="durability"
        ),
        pytest.param('[journal]\nretention = "long"', "journal.retention", "a duration", id="retention"),
        pytest.param("[providers]\nokta = 1", "providers.okta", "must be a table", id="provider type"),
        pytest.param("[providers.Okta_1]", "providers.Okta_1", "only a-z, 0-9 and -", id="provider name"),
        pytest.param('[providers.o]\ndialect = "ockta"', "providers.o.dialect", '"okta"', id="dialect"),
        pytest.param("[auditors.alice]\ntargets = []", "auditors.alice.targets", "unknown key", id="auditor"),
        pytest.param("[targets.a_b]", "targets.a_b", "only a-z, 0-9 and -", id="target name"),
        pytest.param("[targets]\na = 7", "targets.a", "must be a table", id="target type"),
    ],
)
def test_a_fault_has_its_path_and_says_what_to_do(faults_of, text, path, words):
    assert words in faults_of(text)[path]


def test_all_faults_are_told_at_once(faults_of):
    found = faults_of(
        '[server]\nlisten = 1\n[journal]\nurl = "x"\n[providers.p]\ntoken = "plain"\n'
        '[targets.a]\nconnector = "scim"\ntimeout = "soon"\nregion = "XX"\n'
        '[[targets.a.rules]]\nto = "a..b"\nvia = ["phonne"]\n'
    )

    assert set(found) == {
        "server.listen",
        "journal.url",
        "providers.p.token",
        "targets.a.url",
        "targets.a.timeout",
        "targets.a.region",
        "targets.a.rules[0].to",
        "targets.a.rules[0].via[0]",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b'[server]\nlisten "x"', "line 2, column 8", id="syntax"),
        pytest.param(b"a = 1\nb = '\xff'", "line 2: is not UTF-8", id="encoding"),
        pytest.param(b"a = " + b"[" * 5000, "nested too deep", id="depth"),
        pytest.param(
            b"[[targets.t.rules]]\nto = 'a'\ndefault" + b".a" * 5000 + b" = 1", "nested too deep", id="key"
        ),
        pytest.param(b"#" * (LARGEST + 1), "is larger than 4 MiB", id="large"),
        pytest.param(b"a = " + b"9" * 5000, "is no TOML", id="digits"),
    ],
)
def test_a_broken_file_is_a_fault_that_says_where(faults_of, content, words):
    assert words in faults_of(content)["config.toml"]


def test_a_missing_file_is_a_fault(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "none.toml", ["scim"])

    assert [(fault.path, fault.reason) for fault in caught.value.faults] == [
        ("none.toml", "there is no such file")
    ]


def test_a_folder_in_place_of_the_file_is_a_fault(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, ["scim"])

    assert "cannot be read" in caught.value.faults[0].reason


def test_a_provider_writes_every_target_unless_it_names_some(load):
    settings = load(
        PHONEBOOK + '[targets.other]\nconnector = "embedded"\nurl = "sqlite:o.db"\nshared = true\n'
        '[providers.all]\n[providers.one]\ntargets = ["other", "other"]\n'
    )

    assert settings.providers["all"].targets == ("phonebook", "other")
    assert settings.providers["one"].targets == ("other",)
    assert settings.providers["one"].dialect == "rfc"


def test_a_provider_of_an_unknown_target_is_a_fault(faults_of):
    found = faults_of(PHONEBOOK + '[providers.okta]\ntargets = ["phonebook", "fonebook"]')

    assert found["providers.okta.targets[1]"] == 'there is no target "fonebook"; did you mean "phonebook"?'


def test_two_providers_of_one_target_are_a_fault_unless_it_is_shared(load, faults_of):
    text = PHONEBOOK + "shared = {}\n[providers.okta]\n[providers.entra]\n"

    assert "written by okta and entra" in faults_of(text.format("false"))["targets.phonebook.shared"]
    assert load(text.format("true")).targets["phonebook"].shared


def test_a_journal_by_a_symbolic_link_is_the_file_itself(load, tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")

    settings = load('[journal]\nurl = "sqlite:link.db"')

    assert settings.journal.path == tmp_path / "real.db"
    assert settings.journal.socket == tmp_path / "real.db.sock"


@pytest.mark.parametrize(
    ("name", "mode", "is_warned"),
    [
        pytest.param("x.db", 0o600, False, id="nobody else"),
        pytest.param("x.db", 0o640, True, id="its group reads"),
        pytest.param("x.db", 0o602, True, id="all may write"),
        pytest.param("x.db-wal", 0o604, True, id="all read the log beside it"),
    ],
)
def test_a_journal_that_others_can_use_is_warned_of(load, tmp_path, name, mode, is_warned):
    for file in ("x.db", "x.db-wal"):
        (tmp_path / file).touch(0o600)
    (tmp_path / name).chmod(mode)

    warnings = load('[journal]\nurl = "sqlite:x.db"').warnings

    told = f"journal.url: others can read {tmp_path / name}; close it with: chmod 600 {tmp_path / name}"
    assert (told in warnings) == is_warned


def test_a_target_in_the_journal_file_is_a_fault(faults_of):
    found = faults_of('[targets.p]\nconnector = "embedded"\nurl = "sqlite:var/gateway.db"')

    assert "the journal's file" in found["targets.p.url"]


def test_an_auditor_has_digests_only(load):
    settings = load(f'[auditors.alice]\ntoken = {{ sha256 = "{DIGEST}" }}')

    assert settings.auditors["alice"].digests == (bytes.fromhex(DIGEST),)


def test_who_has_no_token_is_warned_about(load):
    assert any(line.startswith("providers.okta: no token here") for line in load("[providers.okta]").warnings)


def shipped(folder: Path) -> Settings:
    file = folder / "config.toml"
    file.write_bytes(SHIPPED.read_bytes())
    return load_settings(file, ["embedded", "scim"], make_tokens=True)


def test_the_shipped_configuration_works_as_it_is(tmp_path):
    settings = shipped(tmp_path)

    assert settings.warnings == ()
    assert settings.providers["okta"].targets == ("phonebook",)
    assert settings.providers["okta"].dialect == "okta"
    assert {*settings.made_tokens} == {tmp_path / "var/okta.token", tmp_path / "var/admin.token"}


def test_the_shipped_phonebook_takes_whatever_comes(tmp_path):
    phonebook = shipped(tmp_path).targets["phonebook"]

    assert phonebook.url == f"sqlite:{tmp_path}/var/phonebook.db"
    assert (phonebook.connector, phonebook.region, phonebook.unlisted) == ("embedded", "GB", "send")
    assert (phonebook.preset, phonebook.require) == (None, ())
    assert [(rule.to.text, rule.on_invalid) for rule in phonebook.rules] == [("phoneNumbers.value", "drop")]


def test_the_examples_of_the_shipped_configuration_are_right(tmp_path, load, monkeypatch):
    monkeypatch.setenv("INTRANET_PASSWORD", "p")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/cx.token").touch(mode=0o600)
    (tmp_path / "var/cx.token").write_text("cx")
    (tmp_path / "tls.pem").touch()
    (tmp_path / "tls.key").touch(mode=0o600)

    text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", SHIPPED.read_text(), flags=re.MULTILINE)
    settings = load(text.replace('targets = ["phonebook"]', ""), make_tokens=True)

    assert (set(settings.targets), settings.warnings) == ({"phonebook", "dialpad", "cx", "intranet"}, ())


def test_every_fault_is_told_with_its_line(load):
    text = f"""{PHONEBOOK}[server]
lsten = "127.0.0.1:1"
[phonebooks.desk]
target = "phonebok"
format = "yealink"
"""

    with pytest.raises(ConfigError) as caught:
        load(text)

    assert {str(fault).partition(":")[0] for fault in caught.value.faults} == {
        "server.lsten (line 5)",
        "phonebooks.desk.target (line 7)",
        "phonebooks.desk.token (line 6)",
    }
