"""An account that may call procedures and functions, and nothing else: not even read a table."""

from dataclasses import replace

import pytest

from gateway.flow.target_port import Denied, Query, ResourceType, Update
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.targets.registry import open_connector
from tests.support.real_mariadb import DATABASE
from tests.support.sql_tables import CONFIG, Tables

USER = ResourceType.USER
CALLER, WORD = "caller", "what-the-caller-is-told"
COLUMNS = """[users.columns]
login = "{userName}"
okta_id = "{externalId}"
first_name = "{name.givenName}"
enabled = "{active}"
"""
DEFINED = {  # dialect -> what its owner offers to the account
    "postgresql": [
        """CREATE OR REPLACE FUNCTION people() RETURNS
          TABLE (id integer, login varchar, okta_id varchar, first_name varchar, enabled boolean)
          LANGUAGE sql STABLE SECURITY DEFINER AS
          $$ SELECT id, login, okta_id, first_name, enabled FROM person $$""",
        """CREATE OR REPLACE FUNCTION join_in(text, text, text) RETURNS integer
          LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO person (login, okta_id, first_name, source, enabled)
          VALUES ($1, $2, $3, 'fn', true) RETURNING id $$""",
        """CREATE OR REPLACE PROCEDURE call_them(integer, text) LANGUAGE sql SECURITY DEFINER AS
          $$ UPDATE person SET first_name = $2 WHERE id = $1 $$""",
        """CREATE OR REPLACE PROCEDURE switch(integer, boolean) LANGUAGE sql SECURITY DEFINER AS
          $$ UPDATE person SET enabled = $2 WHERE id = $1 $$""",
        """CREATE OR REPLACE PROCEDURE forget(integer) LANGUAGE sql SECURITY DEFINER AS
          $$ DELETE FROM person WHERE id = $1 $$""",
    ],
    "mysql": [
        """CREATE OR REPLACE FUNCTION people() RETURNS longtext CHARSET utf8mb4 READS SQL DATA RETURN (
          SELECT json_arrayagg(json_object('id', id, 'login', login, 'okta_id', okta_id,
          'first_name', first_name, 'enabled', enabled)) FROM person)""",
        """CREATE OR REPLACE PROCEDURE join_in(a text, b text, c text) MODIFIES SQL DATA BEGIN
          INSERT INTO person (login, okta_id, first_name, source, enabled) VALUES (a, b, c, 'fn', true);
          SELECT last_insert_id(); END""",
        """CREATE OR REPLACE PROCEDURE call_them(a integer, b text) MODIFIES SQL DATA
          UPDATE person SET first_name = b WHERE id = a""",
        """CREATE OR REPLACE PROCEDURE switch(a integer, b boolean) MODIFIES SQL DATA
          UPDATE person SET enabled = b WHERE id = a""",
        """CREATE OR REPLACE PROCEDURE forget(a integer) MODIFIES SQL DATA DELETE FROM person WHERE id = a""",
    ],
}
LISTED = {
    "postgresql": "SELECT * FROM people()",
    "mysql": """SELECT * FROM json_table(people(), '$[*]' COLUMNS (id integer PATH '$.id',
      login varchar(128) PATH '$.login', okta_id varchar(64) PATH '$.okta_id',
      first_name varchar(64) PATH '$.first_name', enabled boolean PATH '$.enabled')) AS person""",
}
MAKES = {"postgresql": "SELECT", "mysql": "CALL"}


def calls(dialect: str) -> str:
    return f"""[users]
{COLUMNS}[users.statements]
list = '''{LISTED[dialect]}'''
create = "{MAKES[dialect]} join_in(:login, :okta_id, :first_name)"
change = "CALL call_them(:id, :first_name)"
deactivate = "CALL switch(:id, false)"
reactivate = "CALL switch(:id, true)"
delete = "CALL forget(:id)"
"""


@pytest.fixture(params=["postgresql", "mariadb"])
def called(request: pytest.FixtureRequest) -> Tables:
    """Tables behind procedures, and who may call them."""
    tables: Tables = request.getfixturevalue(f"{request.param}_tables")
    for statement in DEFINED[tables.dialect]:
        tables.run(statement)
    if tables.dialect == "postgresql":
        say = request.getfixturevalue("postgres").execute
        if not say(f"SELECT 1 FROM pg_roles WHERE rolname = '{CALLER}'"):
            say(f"CREATE ROLE {CALLER} LOGIN PASSWORD '{WORD}'")
    else:
        tables.run(f"CREATE OR REPLACE USER {CALLER}@127.0.0.1 IDENTIFIED BY '{WORD}'")
        tables.run(f"GRANT EXECUTE ON {DATABASE}.* TO {CALLER}@127.0.0.1")
    return replace(tables, user=CALLER, password=WORD)


async def test_an_account_that_may_only_call_makes_reads_changes_and_removes_people(called, around):
    target = await open_connector("sql", called.address(calls(called.dialect)), around)

    made = await target.create(
        USER, {"userName": "ann", "externalId": "1", "name": {"givenName": "Ann"}, "active": True}
    )
    await target.create(USER, {"userName": "ben", "externalId": "2", "active": True})
    read = await target.get(USER, made["id"])
    found = [await target.query(USER, Query(parse_filter(text))) for text in LOOKUPS]
    pages = [await target.query(USER, Query(start=start, count=1)) for start in (1, 2)]
    wanted = made | {"name": {"givenName": "Anna"}, "active": False}
    left = await target.change(USER, made["id"], Update(made, wanted, compare(made, wanted)))
    (row, _) = called.people()
    back = await target.change(USER, made["id"], Update(left, made, compare(left, made)))
    checked = await target.check()
    await target.delete(USER, made["id"])
    await target.close()

    assert read == made
    assert [[entry["id"] for entry in page.entries] for page in found] == [[made["id"]]] * len(LOOKUPS)
    assert [(page.total, page.entries[0]["userName"]) for page in pages] == [(2, "ann"), (2, "ben")]
    assert (row["first_name"], bool(row["enabled"]), left["active"]) == ("Anna", False, False)
    assert (back["active"], back["name"]["givenName"]) == (True, "Ann")
    assert [finding.says for finding in checked if finding.fix] == []
    assert [row["login"] for row in called.people()] == ["ben"]


LOOKUPS = ['userName eq "ANN"', 'externalId eq "1"', 'name.givenName eq "ann"']


async def test_an_account_that_may_only_call_is_told_what_it_may_not_do(called, around):
    target = await open_connector("sql", called.address(CONFIG), around)

    with pytest.raises(Denied, match=r"may not do this: .*person"):
        await target.query(USER, Query())
    await target.close()
