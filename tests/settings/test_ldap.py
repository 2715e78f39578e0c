"""Directories: every key, every fault, and what presets say."""

import sys

import pytest

from gateway.address import Directory, External
from gateway.settings import TargetSettings
from gateway.settings.ldap import missing_library

BASE = "ou=people,dc=example,dc=com"
AUTH = 'auth = { basic = { user = "cn=gateway", password = { env = "DIALPAD_TOKEN" } } }\n'
PLAIN = f'[targets.t]\nconnector = "ldap"\nurl = "ldaps://ldap.example.com"\n{AUTH}'
LEAVE = 'on_deactivate = "delete"\n'


def table(**keys: str) -> str:
    return f'{LEAVE}[targets.t.ldap]\nbase = "{BASE}"\n' + "".join(
        f"{key} = {text}\n" for key, text in keys.items()
    )


def target(load, text: str) -> TargetSettings:
    return load(text).targets["t"]


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The library is there, as far as settings look."""
    monkeypatch.setattr("gateway.settings.ldap.missing_library", lambda: None)


def test_a_directory_without_more_has_every_default(load):
    assert target(load, PLAIN + table()).ldap == Directory(
        base=BASE,
        dn="uid={userName},{base}",
        people="(objectClass=inetOrgPerson)",
        object_classes=("top", "person", "organizationalPerson", "inetOrgPerson"),
        id="entryUUID",
        user_name="uid",
        external_id="employeeNumber",
        password="userPassword",
        makes=("cn", "sn"),
        inactive=None,
        inactive_base=None,
        group_base=None,
        group_dn="cn={displayName},{group_base}",
        group_class="groupOfNames",
        group_external_id=None,
        start_tls=False,
        ca=None,
    )


def test_every_key_is_read(load, tmp_path):
    (tmp_path / "ca.pem").touch()
    text = f"""{PLAIN.replace("ldaps:", "ldap:")}[targets.t.ldap]
base = "{BASE}"
dn = "cn={{cn}},ou={{l}}, {{base}}"
people = "(&(a=b)(c=d))"
object_classes = ["top", "user"]
id = "objectGUID"
user_name = "mail"
external_id = "employeeID"
password = "unicodePwd"
makes = ["sAMAccountName", "password"]
inactive = "move"
inactive_base = "ou=Left, OU=People,dc=example,dc=com"
group_base = "ou=groups,dc=example,dc=com"
group_dn = "cn={{displayName}},{{group_base}}"
group_class = "group"
group_external_id = "description"
start_tls = true
ca = "ca.pem"
"""
    found = target(load, text).ldap

    assert (found.makes, found.object_classes) == (("sAMAccountName", "password"), ("top", "user"))
    assert (found.inactive, found.start_tls, found.ca) == ("move", True, tmp_path / "ca.pem")
    assert found.dn == "cn={cn},ou={l}, {base}"


@pytest.mark.parametrize(
    ("keys", "key", "reason"),
    [
        pytest.param({"base": '"people"'}, "base", "must be a DN", id="base"),
        pytest.param({"bas": '"x"'}, "bas", 'did you mean "base"', id="unknown"),
        pytest.param({"id": '"entry uuid"'}, "id", "name of an attribute", id="id"),
        pytest.param(
            {"group_external_id": '"a=b"'}, "group_external_id", "name of an attribute", id="group id"
        ),
        pytest.param({"people": '"objectClass=x"'}, "people", "filter in brackets", id="filter"),
        pytest.param({"people": '"((a=b)"'}, "people", "filter in brackets", id="open bracket"),
        pytest.param({"dn": '"{base}"'}, "dn", "in its first part", id="no name"),
        pytest.param({"dn": '"uid=x,{base}"'}, "dn", "in its first part", id="everybody alike"),
        pytest.param({"dn": '"uid={userName,{base}"'}, "dn", "in its first part", id="open brace"),
        pytest.param(
            {"dn": '"uid={user name},{base}"'}, "dn", "not the name of an attribute", id="no attribute"
        ),
        pytest.param({"dn": '"uid={userName},dc=x"'}, "dn", "must end with {base}", id="elsewhere"),
        pytest.param(
            {"group_dn": '"cn={displayName},{base}"'}, "group_dn", "must end with {group_base}", id="groups"
        ),
        pytest.param({"group_class": '"team"'}, "group_class", 'must be "groupOfNames"', id="class"),
        pytest.param({"makes": '["uid"]'}, "makes[0]", 'must be "cn"', id="what cannot be made"),
        pytest.param(
            {"inactive": '"move"'}, "inactive_base", "is needed with inactive", id="move to nowhere"
        ),
        pytest.param(
            {"inactive_base": f'"ou=left,{BASE}"'},
            "inactive_base",
            "is needed with inactive",
            id="nobody moves",
        ),
        pytest.param(
            {"inactive": '"move"', "inactive_base": '"ou=left,dc=example,dc=com"'},
            "inactive_base",
            "must be below",
            id="not looked for",
        ),
        pytest.param({"start_tls": "true"}, "start_tls", "is for ldap:// only", id="TLS twice"),
        pytest.param({"ca": '"nowhere.pem"'}, "ca", "no such file", id="no file"),
    ],
)
def test_a_fault_is_named_where_it_stands(faults_of, keys, key, reason):
    text = PLAIN + table(**keys)
    if "base" in keys:
        text = text.replace(f'base = "{BASE}"\n', "", 1)

    faults = faults_of(text)

    assert set(faults) == {f"targets.t.ldap.{key}"}
    assert reason in faults[f"targets.t.ldap.{key}"]


def test_a_directory_needs_a_base(faults_of):
    assert "is required" in faults_of(PLAIN + LEAVE)["targets.t.ldap.base"]


def test_where_nothing_says_that_somebody_is_inactive_they_must_be_removed(faults_of):
    faults = faults_of(PLAIN + table().removeprefix(LEAVE))

    assert "is required where on_deactivate" in faults["targets.t.ldap.inactive"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("https://x", "must be a directory", id="another scheme"),
        pytest.param("ldap://", "must be a directory", id="no host"),
        pytest.param("ldap://x:0", "must be a directory", id="port 0"),
        pytest.param("ldap://x:y", "must be a directory", id="no port"),
        pytest.param("ldap://a b", "must be a directory", id="a space"),
        pytest.param("ldap://me@x", "must not hold a user", id="a user"),
        pytest.param("ldaps://x:3269", "must not be the global catalogue", id="one that takes no changes"),
        pytest.param("ldap://x/dc=y", "must end with its host and port", id="a base"),
        pytest.param("ldap://x?uid", "must end with its host and port", id="a query"),
    ],
)
def test_an_address_that_is_none_is_a_fault(faults_of, url, reason):
    assert reason in faults_of(PLAIN.replace("ldaps://ldap.example.com", url) + table())["targets.t.url"]


@pytest.mark.parametrize("url", ["ldaps://[::1]:636/", "ldapi://%2Fvar%2Frun%2Fslapd"])
def test_an_address_is_kept_without_a_slash(load, url):
    assert target(load, PLAIN.replace("ldaps://ldap.example.com", url) + table()).url == url.rstrip("/")


@pytest.mark.parametrize(
    ("auth", "path", "reason"),
    [
        pytest.param(
            '{ bearer = { env = "X" } }', "auth.bearer", "ldap takes basic or external", id="bearer"
        ),
        pytest.param(
            "{ external = {} }", "auth.external", "needs cert and key with ldaps", id="nobody says who"
        ),
        pytest.param(
            '{ external = { cert = "c.pem" } }', "auth.external", "cert and key, or neither", id="half"
        ),
        pytest.param(
            '{ external = { cert = "x", key = "y" } }', "auth.external.cert", "no such file", id="no file"
        ),
        pytest.param(
            '{ external = { crt = "x" } }', "auth.external.crt", 'did you mean "cert"', id="unknown"
        ),
    ],
)
def test_a_sign_in_that_no_directory_takes_is_a_fault(faults_of, auth, path, reason):
    assert reason in faults_of(PLAIN.replace(AUTH, f"auth = {auth}\n") + table())[f"targets.t.{path}"]


def test_external_is_for_directories_only(faults_of):
    text = '[targets.t]\nconnector = "scim"\nurl = "https://x"\nauth = { external = {} }\n'

    assert "scim takes bearer or basic" in faults_of(text)["targets.t.auth.external"]


def test_a_certificate_signs_in(load, tmp_path):
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).touch(0o600)

    found = target(
        load, PLAIN.replace(AUTH, 'auth = { external = { cert = "c.pem", key = "k.pem" } }\n') + table()
    )

    assert found.auth == External(tmp_path / "c.pem", tmp_path / "k.pem")


def test_a_process_of_the_machine_signs_in_as_itself(load):
    text = PLAIN.replace(AUTH, "auth = { external = {} }\n").replace(
        "ldaps://ldap.example.com", "ldapi://%2Frun%2Fl"
    )

    found = target(load, text + table()).auth
    assert found == External()


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("ldap://ldap.example.com", True),
        ("ldap://127.0.0.1:3890", False),
        ("ldap://localhost", False),
        ("ldaps://ldap.example.com", False),
    ],
)
def test_passwords_in_the_clear_are_warned_of(load, url, warned):
    warnings = load(PLAIN.replace("ldaps://ldap.example.com", url) + table()).warnings

    assert any("in the clear" in warning for warning in warnings) is warned


def test_a_table_for_a_directory_is_for_directories_only(faults_of):
    text = '[targets.t]\nconnector = "scim"\nurl = "https://x"\n[targets.t.ldap]\nbase = "dc=x"\n'

    assert faults_of(text)["targets.t.ldap"] == "is for the connector ldap only"


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        pytest.param("name.familyName", "must be the name of an LDAP attribute", id="a part"),
        pytest.param('emails[type eq \\"work\\"]', "must be the name of an LDAP attribute", id="an element"),
        pytest.param("urn:x:User:department", "must be the name of an LDAP attribute", id="an extension"),
    ],
)
def test_a_rule_writes_attributes_of_a_directory(faults_of, to, reason):
    text = f'{PLAIN}{table()}[[targets.t.rules]]\nto = "{to}"\nfrom = "title"\n'

    assert faults_of(text)["targets.t.rules[0].to"] == reason


def test_an_attribute_of_a_directory_is_no_slip_of_the_pen(load):
    rule = '[[targets.t.rules]]\nto = "mail"\nfrom = "emails.value"\n[[targets.t.rules]]\nto = "department"\n'

    assert not any("mail" in warning for warning in load(PLAIN + table() + rule).warnings)


@pytest.mark.parametrize(
    ("preset", "inactive", "leaves", "id"),
    [
        pytest.param("openldap", None, "delete", "entryUUID", id="openldap"),
        pytest.param("389ds", "nsAccountLock", "send", "nsUniqueId", id="389ds"),
        pytest.param("active_directory", "userAccountControl", "send", "objectGUID", id="active_directory"),
    ],
)
def test_a_preset_has_the_habits_and_the_target_the_place(load, preset, inactive, leaves, id):
    text = PLAIN.replace('connector = "ldap"', f'preset = "{preset}@1"')

    found = target(load, text + f'[targets.t.ldap]\nbase = "{BASE}"\n')

    assert (found.ldap.inactive, found.on_deactivate, found.ldap.id) == (inactive, leaves, id)
    assert (found.unlisted, found.ldap.base) == ("hold", BASE)


def test_without_the_library_a_directory_is_a_fault_that_says_what_to_install(faults_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "ldap", None)
    monkeypatch.setattr("gateway.settings.ldap.missing_library", missing_library)

    assert faults_of(PLAIN + table()) == {
        "targets.t.connector": "needs python-ldap: make setup LDAP=1, or pip install 'scim-gateway[ldap]'"
    }
