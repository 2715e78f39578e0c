"""Statements of one's own, and those that are made: what is run, and with which values beside it."""

import pytest

from gateway.address import TargetAddress
from gateway.cli import main
from gateway.flow.target_port import Conflict, Query, Refused, ResourceType, Update
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.targets.registry import open_connector
from gateway.targets.sql.rows import Written
from gateway.targets.sql.statements import creation
from tests.support.sql_tables import CONFIG, database_of, sqlite_tables

USER = ResourceType.USER
PROVIDER = """
[providers.okta]
dialect = "okta"
token = { file = "okta.token" }
targets = ["directory"]
"""
ANN = {
    "userName": "ann'; DROP TABLE person; --",
    "externalId": "1",
    "name": {"givenName": "Ann"},
    "phoneNumbers": [{"type": "work", "value": "+442079460018"}],
    "active": True,
}
COLUMNS = """
id = "id"
[users.columns]
login = "{userName}"
okta_id = "{externalId}"
first_name = "{name.givenName}"
enabled = "{active}"
"""
PROCEDURES = (
    "[users]"
    + COLUMNS
    + """
[users.statements]
list = "SELECT id, login, okta_id, first_name, enabled FROM person WHERE source <> 'other: x'"
create = [
  '''INSERT INTO person (login, okta_id, first_name, source, enabled)
    VALUES (:login, :okta_id, :first_name, 'a:b', 1)''',
  '''INSERT INTO phone SELECT id, 'W', :{phoneNumbers[type eq "work"].value} FROM person
    WHERE login = :userName''',
]
change = "UPDATE person SET login = :login, first_name = :first_name WHERE id = :id"
deactivate = "UPDATE person SET enabled = 0, title = 'left' WHERE id = :id"
reactivate = "UPDATE person SET enabled = 1, title = NULL WHERE id = :id"
delete = "DELETE FROM person WHERE id = :id"
"""
)


@pytest.mark.parametrize(
    ("text", "run", "parameters"),
    [
        pytest.param("CALL p(:userName, :id)", "CALL p(:userName , :id )", ["userName", "id"], id="words"),
        pytest.param("SELECT :a::int", "SELECT :a ::int", ["a"], id="a cast"),
        pytest.param("SELECT ':a', \"b:c\" -- :d", "SELECT '\\:a', \"b\\:c\" -- \\:d", [], id="quoted"),
        pytest.param("SELECT '12:30', :a", "SELECT '12\\:30', :a ", ["a"], id="a time"),
        pytest.param(
            'X :{emails[type eq "work"].value}', "X :p1 ", ['emails[type eq "work"].value'], id="a path"
        ),
        pytest.param("X :a, :a", "X :a , :a ", ["a"], id="twice"),
    ],
)
def test_a_parameter_is_what_looks_like_one_outside_of_quotes(text, run, parameters):
    written = Written([text])

    assert written.plain == run
    assert [one.name for one in written.parameters] == parameters


def test_the_statements_of_a_create_have_every_value_apart():
    made, unsent = creation(database_of(CONFIG), "postgresql://db/x", ANN | {"nickName": "A", "title": "T"})

    assert [one["sql"].partition(" VALUES")[0] for one in made] == [
        "INSERT INTO person (login, okta_id, first_name, title, enabled, row_version, source)",
        "INSERT INTO phone (person_id, number, kind)",
    ]
    assert made[0]["parameters"]["login"] == ANN["userName"]
    assert "DROP" not in made[0]["sql"]
    assert made[1]["parameters"] == {"person_id": "(the new key)", "number": "+442079460018", "kind": "W"}
    assert unsent == ["nickName"]


@pytest.mark.parametrize(
    ("dialect", "quoted"),
    [
        ("postgresql://db/x", 'INSERT INTO "Sales-People" ("order"'),
        ("mariadb://db/x", "INSERT INTO `Sales-People` (`order`"),
        ("sqlite:x", 'INSERT INTO "Sales-People" ("order"'),
    ],
)
def test_names_are_quoted_as_the_database_does(dialect, quoted):
    config = '[users]\ntable = "Sales-People"\ncolumns = { order = "{userName}", enabled = "{active}" }\n'

    (made, *_), _ = creation(database_of(config), dialect, {"userName": "ann", "active": True})

    assert made["sql"].startswith(quoted)


async def test_statements_of_ones_own_make_change_deactivate_and_remove(tmp_path, around):
    tables = sqlite_tables(tmp_path)
    target = await open_connector("sql", tables.address(PROCEDURES), around)

    made = await target.create(USER, ANN)
    numbers = [number for _, _, number in tables.phones()]
    wanted = made | {"active": False}
    left = await target.change(USER, made["id"], Update(made, wanted, compare(made, wanted)))
    titles = [row["title"] for row in tables.people()]
    again = made | {"name": {"givenName": "Anna"}}
    back = await target.change(USER, made["id"], Update(left, again, compare(left, again)))
    found = await target.query(USER, Query(parse_filter('externalId eq "1"')))
    tables.run("DELETE FROM phone")
    await target.delete(USER, made["id"])
    await target.close()

    assert made["userName"] == ANN["userName"]
    assert (numbers, titles) == (["+442079460018"], ["left"])
    assert (left["active"], back["active"], back["name"]["givenName"]) == (False, True, "Anna")
    assert [entry["id"] for entry in found.entries] == [made["id"]]
    assert tables.people() == []


@pytest.mark.parametrize(
    ("config", "columns"),
    [
        pytest.param({'id = "id"\nversion': 'id = "login"\nversion'}, "userName", id="a column of the entry"),
    ],
)
async def test_a_key_that_is_an_attribute_never_changes(tmp_path, around, config, columns):
    text = CONFIG
    for old, new in config.items():
        text = text.replace(old, new)
    target = await open_connector("sql", sqlite_tables(tmp_path).address(text), around)
    made = await target.create(USER, {"userName": "ann", "active": True})

    wanted = made | {"userName": "anna"}
    with pytest.raises(Refused, match="userName is the key"):
        await target.change(USER, made["id"], Update(made, wanted, compare(made, wanted)))
    await target.close()

    assert made["id"] == "ann"


async def test_a_name_is_found_in_any_case_and_letters(tmp_path, around):
    tables = sqlite_tables(tmp_path)
    target = await open_connector("sql", tables.address(), around)
    await target.create(USER, {"userName": "ÄNN@example.com", "active": True})

    with pytest.raises(Conflict):
        await target.create(USER, {"userName": "änn@EXAMPLE.com", "active": True})
    await target.close()


async def test_check_tells_of_tables_their_columns_and_what_is_missing(tmp_path, around):
    tables = sqlite_tables(tmp_path)
    tables.run("ALTER TABLE person DROP COLUMN title")
    tables.run("ALTER TABLE person ADD COLUMN site varchar(9) NOT NULL DEFAULT 'x'")
    tables.run("DROP INDEX person_okta")
    tables.run("DROP TABLE membership")
    address: TargetAddress = tables.address()
    target = await open_connector("sql", address, around)

    found = await target.check()
    await target.close()

    says = [finding.says for finding in found]
    assert any(
        text.startswith("person: id INTEGER not null") or "login VARCHAR(128)" in text for text in says
    )
    assert [finding.says for finding in found if finding.fix] == [
        "there is no membership",
        "person has no title",
        "okta_id (externalId) has no index",
    ]


PROCEDURES_OF = {  # dialect -> what makes a person, and what refuses to let one go
    "postgresql": [
        """CREATE OR REPLACE FUNCTION join_up(text, text) RETURNS integer LANGUAGE sql AS $$
        INSERT INTO person (login, okta_id, source, enabled) VALUES ($1, $2, 'fn', true) RETURNING id $$""",
        """CREATE OR REPLACE PROCEDURE leave_us(integer) LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'ask the works council'; END $$""",
    ],
    "mysql": [
        """CREATE OR REPLACE PROCEDURE join_up(IN a text, IN b text) MODIFIES SQL DATA
        INSERT INTO person (login, okta_id, source, enabled) VALUES (a, b, 'fn', 1)""",
        """CREATE OR REPLACE PROCEDURE leave_us(IN a integer)
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'ask the works council'""",
    ],
}


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
async def test_procedures_are_called_and_told_of_in_their_own_words(request, around, server):
    tables = request.getfixturevalue(f"{server}_tables")
    for statement in PROCEDURES_OF[tables.dialect]:
        tables.run(statement)
    makes = "SELECT join_up" if tables.dialect == "postgresql" else "CALL join_up"
    said = {"create": f"{makes}(:login, :okta_id)", "delete": "CALL leave_us(:id)"}
    config = CONFIG.replace("[groups]", f"[users.statements]\n{_toml(said)}\n[groups]")
    target = await open_connector("sql", tables.address(config), around)

    made = await target.create(USER, {"userName": "ann", "externalId": "1", "active": True})
    with pytest.raises(Refused, match="ask the works council"):
        await target.delete(USER, made["id"])
    await target.close()

    assert [(row["id"], row["login"]) for row in tables.people()] == [(int(made["id"]), "ann")]


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
async def test_a_foreign_key_of_a_real_database_is_told_with_its_attribute(request, around, server):
    tables = request.getfixturevalue(f"{server}_tables")
    target = await open_connector("sql", tables.address(), around)

    with pytest.raises(Refused, match="desk names what is not there"):
        await target.create(USER, {"userName": "ann", "desk": "nowhere", "active": True})
    await target.close()

    assert tables.people() == []


def _toml(texts: dict[str, str]) -> str:
    return "\n".join(f'{name} = "{text}"' for name, text in texts.items())


def test_explain_shows_people_the_statements_with_their_values_apart(tmp_path, capsys):
    (tmp_path / "person.json").write_text('{"userName": "ann\'; --", "active": true}')
    config = '[users]\ntable = "person"\ncolumns = { login = "{userName}", enabled = "{active}" }\n'
    (tmp_path / "config.toml").write_text(PROVIDER + sqlite_tables(tmp_path).table(tmp_path, config))

    command = ["explain", "directory", "person.json", "--format", "text", "--config", "config.toml"]
    status = main([str(tmp_path / one) if one.endswith((".json", ".toml")) else one for one in command])

    assert status == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "statement: INSERT INTO person (login, enabled) VALUES (:login, :enabled) RETURNING id",
        '  :login = "ann\'; --"',
        "  :enabled = true",
    ]
