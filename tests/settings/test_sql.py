"""Databases: every key, and every fault."""

from pathlib import Path

import pytest

from gateway.address import Basic, Secret, SqlActive, SqlList, SqlMembers
from gateway.settings.faults import Faults
from gateway.settings.sql import SqlWay, load_sql

AUTH = 'auth = { basic = { user = "gateway", password = { env = "DIALPAD_TOKEN" } } }\n'
HEAD = f'[targets.t]\nconnector = "sql"\nurl = "postgresql://db.example.com/x"\n{AUTH}'
USERS = '[targets.t.sql.users]\ntable = "hr.person"\n'
COLUMNS = 'columns = { login = "{userName}", on = "{active}" }\n'
GROUPS = '[targets.t.sql.groups]\ntable = "team"\ncolumns = { name = "{displayName}" }\n'


def test_every_key_is_read(load):
    text = f"""{HEAD}{USERS}id = "no"
sequence = "hr.person_no"
version = "changes"
active = {{ column = "state", yes = "A", no = "L" }}
constants = {{ source = "okta" }}
columns = {{ login = "{{userName}}" }}
[targets.t.sql.users.lists.phoneNumbers]
table = "phone"
owner = "person"
value = "number"
type = "kind"
types = {{ work = 1 }}
primary = "main"
[targets.t.sql.users.statements]
create = ["SELECT 1", "SELECT 2"]
{GROUPS}members = {{ table = "membership", group = "team", member = "person" }}
"""
    found = load(text).targets["t"].sql

    assert (found.users.table, found.users.id, found.users.sequence) == ("hr.person", "no", "hr.person_no")
    assert (found.users.version, found.users.active) == ("changes", SqlActive("state", "A", "L"))
    assert found.users.lists == {
        "phoneNumbers": SqlList("phone", "person", "number", "kind", {"work": 1}, "main")
    }
    assert found.users.statements == {"create": ("SELECT 1", "SELECT 2")}
    assert found.groups.members == SqlMembers("membership", "team", "person")
    assert (found.tls, found.ca) == (True, None)


@pytest.mark.parametrize(
    ("url", "tls", "says"),
    [
        ("postgresql://db.example.com/x", None, None),
        ("postgresql://db.example.com/x", False, "in the clear"),
        ("postgresql://127.0.0.1/x", False, None),
        ("mssql://db.example.com/x", None, "does not reach the driver"),
        ("oracle://db.example.com/x", True, "does not reach the driver"),
    ],
)
def test_a_connection_that_may_not_be_secured_is_a_warning(url, tls, says):
    faults, auth = Faults(), Basic("gateway", Secret("word"))
    users = {"table": "person", "columns": {"login": "{userName}", "on": "{active}"}}

    load_sql({"users": users, "tls": tls}, "sql", faults, SqlWay(url, auth, (), True, Path()))

    assert [path for path in faults.doubts if path == "sql.tls"] == ["sql.tls"] * (says is not None)
    assert (says or "") in faults.doubts.get("sql.tls", "")


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (HEAD, "sql.users", "is required"),
        (HEAD.replace("/x", "") + USERS + COLUMNS, "url", "must be a database"),
        (HEAD.replace("db.", "me:pw@db.") + USERS + COLUMNS, "url", "must not hold a user"),
        (HEAD + USERS, "sql.users.columns", "is required"),
        (
            HEAD + USERS + 'columns = { a = "{title}", b = "{active}" }',
            "sql.users.columns",
            '"{userName}" alone',
        ),
        (HEAD + USERS + 'columns = { login = "{userName}" }', "sql.users.active", "is required"),
        (
            HEAD + USERS + COLUMNS.replace("login", 'm = "{emails.value}", login'),
            "sql.users.columns.m",
            "pick one",
        ),
        (
            HEAD + USERS + COLUMNS.replace("login", 'm = "{nonsense}", login'),
            "sql.users.columns.m",
            "no attribute",
        ),
        (
            HEAD + USERS + COLUMNS + 'statements = { creat = "x" }',
            "sql.users.statements.creat",
            "no such operation",
        ),
        (HEAD + USERS + COLUMNS + 'statements = { deactivate = "x" }', "sql.users.statements", "neither"),
        (HEAD + "[targets.t.sql.users]\n" + COLUMNS, "sql.users.table", "statements for change, create"),
        (HEAD + USERS + COLUMNS + GROUPS, "sql.groups.members", "is required"),
        (HEAD + "[targets.t.sql]\nca = 'none.pem'\n" + USERS + COLUMNS, "sql.ca", "no such file"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else None,
)
def test_a_fault_names_its_key(faults_of, text, key, says):
    found = faults_of(text)

    assert says in found[f"targets.t.{key}"]


def test_a_connection_on_this_machine_needs_no_certificate(load):
    text = HEAD.replace("db.example.com", "127.0.0.1") + USERS + COLUMNS

    assert load(text).targets["t"].sql.tls is False
