"""Who gives a new row its key: a sequence, the database, an attribute; it is the id that is told."""

from typing import Any

import pytest

from gateway.flow.target_port import ResourceType
from gateway.targets.registry import open_connector

USER = ResourceType.USER
COLUMNS = '[users.columns]\nlogin = "{userName}"\nenabled = "{active}"\n'
SEQUENCE = {  # dialect -> a sequence that somebody has begun
    "postgresql": ["CREATE SEQUENCE seat START WITH 4711 INCREMENT BY 10"],
    "mysql": ["CREATE SEQUENCE seat START WITH 4711 INCREMENT BY 10 CACHE 10"],
}
KEYS = {  # dialect -> the key that the database makes by itself
    "postgresql": "varchar(40) PRIMARY KEY DEFAULT 'db-' || gen_random_uuid()",
    "mysql": "varchar(40) PRIMARY KEY DEFAULT (concat('db-', uuid()))",
}


@pytest.fixture(params=["postgresql", "mariadb"])
def tables(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_tables")


def table_with(tables: Any, key: str) -> str:
    """Make a table with such a key; return how people stand in it."""
    for statement in ("DROP TABLE IF EXISTS keyed", f"CREATE TABLE keyed (id {key}, {REST})"):
        tables.run(statement)
    return f'[users]\ntable = "keyed"\n{COLUMNS}'


REST = "login varchar(64) NOT NULL UNIQUE, enabled boolean NOT NULL"


async def made_by(tables: Any, around: Any, config: str) -> tuple[list[str], list[Any]]:
    """Make two people; return the ids that are told and the keys that stand there."""
    target = await open_connector("sql", tables.address(config), around)
    made = [await target.create(USER, {"userName": name, "active": True}) for name in ("ann", "ben")]
    read = [await target.get(USER, one["id"]) for one in made]
    await target.close()
    assert read == made
    return [one["id"] for one in made], [row[0] for row in tables.run("SELECT id FROM keyed ORDER BY login")]


async def test_a_sequence_gives_new_rows_their_keys(tables, around):
    config = table_with(tables, "integer PRIMARY KEY").replace("\n", '\nsequence = "seat"\n', 1)
    for statement in ("DROP SEQUENCE IF EXISTS seat", *SEQUENCE[tables.dialect]):
        tables.run(statement)

    told, there = await made_by(tables, around, config)

    assert (told, there) == (["4711", "4721"], [4711, 4721])


async def test_the_database_gives_new_rows_their_keys(tables, around):
    told, there = await made_by(tables, around, table_with(tables, KEYS[tables.dialect]))

    assert told == [str(key) for key in there]
    assert [key[:3] for key in set(told)] == ["db-", "db-"]
