"""A procedure that ends the transaction itself: its change is in force before the gateway knows."""

import asyncio
import shutil

import pytest

from gateway.flow.target_port import ResourceType, Unreachable, Update
from gateway.scim.difference import compare
from gateway.targets.registry import open_connector
from tests.support.served import CONFIG as PLAIN
from tests.support.served import gateways
from tests.support.sql_tables import CONFIG
from tests.support.waiting import until

USER = ResourceType.USER
QUICK = 'settle = "1ms"'
USERS = "/scim/directory/v2/Users"
OKTA = PLAIN.replace('targets = ["phonebook"]', 'targets = ["directory"]').replace(
    'targets = ["other"]', "targets = []"
)
CALLS = '[users.statements]\ndeactivate = "CALL leave_now(:id)"\nreactivate = "CALL leave_now(:id)"\n[groups]'
TABLES = CONFIG.replace("[groups]", CALLS)
IN_MARIADB = """CREATE OR REPLACE PROCEDURE leave_now(a integer) MODIFIES SQL DATA BEGIN
  UPDATE person SET enabled = false, row_version = row_version + 1 WHERE id = a; COMMIT;
  DO get_lock('held', 9); DO release_lock('held'); END"""
IN_POSTGRESQL = "CREATE OR REPLACE PROCEDURE leave_now(integer) LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$"


async def test_a_gateway_that_ends_behind_a_procedure_s_own_commit_looks_at_the_row_when_it_starts(
    mariadb_tables, tmp_path
):
    mariadb_tables.run(IN_MARIADB)
    ann, after = {"userName": "ann@example.com", "externalId": "1", "active": True}, tmp_path / "after"
    after.mkdir()
    async with gateways(tmp_path) as run:
        served = await run(mariadb_tables.table(tmp_path, TABLES, QUICK), config=OKTA)
        made = (await served.ask("POST", USERS, ann)).body
        with mariadb_tables.session() as say:
            say("SELECT get_lock('held', 9)")
            leaves = served.ask("PUT", f"{USERS}/{made['id']}", made | {"active": False})
            leaving = asyncio.create_task(leaves)
            await until(lambda: not mariadb_tables.people()[0]["enabled"])
            shutil.copytree(
                tmp_path / "var", after / "var", ignore=shutil.ignore_patterns("*.lock", "*.sock")
            )
            say("SELECT release_lock('held')")
        await leaving

    async with gateways(after) as run:
        again = await run(mariadb_tables.table(after, TABLES, QUICK), config=OKTA)
        await again.gateway.recovery.sweep(again.gateway.targets["directory"])
        event = (await again.events())[-1]

    (row,) = mariadb_tables.people()
    assert (event["event"], event["outcome"]["result"]) == ("operation.recovered", "applied")
    assert (bool(row["enabled"]), row["row_version"]) == (False, 1)  # it was called once


async def test_where_a_database_lets_no_procedure_end_a_transaction_that_is_told(postgresql_tables, around):
    postgresql_tables.run(IN_POSTGRESQL)
    target = await open_connector("sql", postgresql_tables.address(TABLES), around)
    made = await target.create(USER, {"userName": "ann", "active": True})
    gone = made | {"active": False}

    with pytest.raises(Unreachable, match="a procedure may not end the transaction here"):
        await target.change(USER, made["id"], Update(made, gone, compare(made, gone)))
    await target.close()

    assert [row["enabled"] for row in postgresql_tables.people()] == [True]
