"""A gateway before tables of a database: what a provider sees, and what really stands there."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.served import CONFIG, Answer, Served, gateways
from tests.support.sql_tables import CONFIG as TABLES
from tests.support.sql_tables import Tables, sqlite_tables

USERS, GROUPS = "/scim/directory/v2/Users", "/scim/directory/v2/Groups"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def person(name: str = "ann@example.com", **more: Any) -> dict[str, Any]:
    return {"userName": name, "externalId": f"00u-{name}", "active": True, **more}


class Scene:
    """A served gateway and the tables that it writes."""

    def __init__(self, served: Served, tables: Tables) -> None:
        self.served, self.tables = served, tables
        self.ask = served.ask

    async def put(self, made: Answer, **changed: Any) -> Answer:
        return await self.ask("PUT", f"{USERS}/{made.body['id']}", made.body | changed)


@pytest.fixture
async def scene(request, tmp_path) -> AsyncIterator[Scene]:
    """A gateway; the parameter is what replaces what in the configuration."""
    tables, config = sqlite_tables(tmp_path), TABLES
    for old, new in getattr(request, "param", {}).items():
        assert old in config
        config = config.replace(old, new)
    async with gateways(tmp_path) as run:
        plain = CONFIG.replace('targets = ["phonebook"]', 'targets = ["directory"]').replace(
            'targets = ["other"]', "targets = []"
        )
        yield Scene(await run(tables.table(tmp_path, config), config=plain), tables)


async def test_a_person_is_made_read_changed_and_removed(scene):
    more = {
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "phoneNumbers": [{"type": "work", "value": "+442079460018"}],
        ENTERPRISE: {"department": "Sales"},
    }
    made = await scene.ask("POST", USERS, person() | more)
    read = await scene.ask("GET", f"{USERS}/{made.body['id']}")
    changed = await scene.put(read, title="Agent", phoneNumbers=[{"type": "work", "value": "+442079460019"}])
    (row,), phones = scene.tables.people(), scene.tables.phones()
    removed = await scene.ask("DELETE", f"{USERS}/{made.body['id']}")

    assert [answer.status for answer in (made, read, changed, removed)] == [201, 200, 200, 204]
    assert {name: read.body[name] for name in more} == more
    assert (row["login"], row["first_name"], row["title"], row["department"]) == (
        "ann@example.com",
        "Ann",
        "Agent",
        "Sales",
    )
    assert row["row_version"] == 1
    assert phones == [(row["id"], "W", "+442079460019")]
    assert (scene.tables.people(), scene.tables.phones()) == ([], [])


@pytest.mark.parametrize(
    ("wrong", "status", "says"),
    [
        pytest.param({"title": "T" * 65}, 400, "title: is longer than 64 characters", id="too long"),
        pytest.param({"extension": "12a"}, 400, "extension: is no whole number", id="no number"),
        pytest.param({"extension": str(2**70)}, 400, "extension: is too large a number", id="too large"),
        pytest.param({"hired": "soon"}, 400, "hired: is no day such as", id="no day"),
        pytest.param({"desk": "nowhere"}, 400, "desk", id="a foreign key"),
        pytest.param({"userName": "BEN@example.com"}, 409, "userName", id="a name that is taken"),
        pytest.param({"title": "\x00"}, 400, "title", id="a character that no database takes"),
        pytest.param(
            {"phoneNumbers": [{"type": "fax", "value": "1"}]}, 400, "phoneNumbers", id="a type without a row"
        ),
    ],
)
async def test_what_the_tables_cannot_hold_is_refused_with_its_attribute_and_nothing_is_written(
    scene, wrong, status, says
):
    await scene.ask("POST", USERS, person("ben@example.com"))

    made = await scene.ask("POST", USERS, person() | wrong)

    assert (made.status, says in made.body["detail"]) == (status, True), made.body["detail"]
    assert [row["login"] for row in scene.tables.people()] == ["ben@example.com"]


async def test_a_leaver_with_data_that_the_tables_refuse_leaves(scene):
    made = await scene.ask("POST", USERS, person(title="Agent"))

    gone = await scene.put(made, title="T" * 65, active=False)

    (row,) = scene.tables.people()
    assert (gone.status, gone.body["active"], row["enabled"], row["title"]) == (200, False, 0, "Agent")


async def test_somebody_who_is_there_already_is_adopted(scene):
    scene.tables.run(
        "INSERT INTO person (login, title, source, enabled) VALUES ('Ann@example.com', 'Old', 'hr', 1)"
    )

    made = await scene.ask("POST", USERS, person(title="New"))

    (row,) = scene.tables.people()
    assert (made.status, row["title"], row["okta_id"]) == (201, "New", "00u-ann@example.com")
    assert (await scene.served.events())[-1]["outcome"]["result"] == "adopted"


async def test_what_others_write_beside_a_change_stays(scene):
    made = await scene.ask("POST", USERS, person(title="Agent"))
    scene.tables.run("UPDATE person SET department = 'Support', row_version = row_version + 5")
    scene.tables.run("INSERT INTO phone VALUES (?, 'X', '999')", made.body["id"])

    changed = await scene.put(made, title="Boss", phoneNumbers=[{"type": "mobile", "value": "+447700900123"}])

    (row,) = scene.tables.people()
    assert (changed.status, row["title"], row["department"], row["row_version"]) == (
        200,
        "Boss",
        "Support",
        6,
    )
    assert [(kind, number) for _, kind, number in scene.tables.phones()] == [
        ("M", "+447700900123"),
        ("X", "999"),
    ]


async def test_a_group_has_its_members_and_a_person_who_is_removed_leaves_it(scene):
    ann, ben = [await scene.ask("POST", USERS, person(f"{name}@example.com")) for name in ("ann", "ben")]
    members = [{"value": one.body["id"]} for one in (ann, ben)]
    made = await scene.ask("POST", GROUPS, {"displayName": "Sales", "members": members})
    both = scene.tables.run("SELECT person_id FROM membership ORDER BY person_id")

    removed = await scene.ask("DELETE", f"{USERS}/{ann.body['id']}")

    assert (made.status, removed.status, len(both)) == (201, 204, 2)
    assert len(scene.tables.run("SELECT person_id FROM membership")) == 1
