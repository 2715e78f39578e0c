"""Okta's day through a route of three connectors: a directory of our own, a SCIM service, and slapd."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.flow.target_port import Query, ResourceType
from tests.support.okta_day import CONFIG, Day, play_at
from tests.support.scim_target import scim_target
from tests.support.served import Served, deliver, gateways
from tests.support.slapd import GATEWAY, PASSWORD, Slapd, slapd

ROUTE = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
[targets.cloud]
connector = "scim"
url = "{cloud}"
auth = {{ bearer = {{ file = "cloud.token" }} }}
[targets.directory]
preset = "openldap"
url = "{ldap}"
auth = {{ basic = {{ user = "{user}", password = {{ file = "ldap.password" }} }} }}
[targets.directory.ldap]
base = "{base}"
dn = "uid={{userName}},ou=people,{{base}}"
group_base = "ou=groups,{base}"
[routes.everyone]
targets = ["phonebook", "cloud", "directory"]
"""
CASE: dict[str, Any] = {"sent": {"title": "Agent"}, "changes": {"title": "Lead"}, "wrong": {"title": "Chief"}}
FOLLOWERS = ("cloud", "directory")

People = dict[str, bool]  # by userName, whether active
Groups = dict[str, list[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd")) as running:
        yield running


async def followed(served: Served) -> None:
    """Wait until the other targets have been told all."""
    gateway = served.gateway
    async with asyncio.timeout(30):
        for name in FOLLOWERS:
            while (await gateway.services.mirrors.count("phonebook", name))[0]:
                await asyncio.sleep(0.02)
    await deliver(gateway)


async def held(served: Served, target: str) -> tuple[People, Groups]:
    """Return who and which groups a target has."""
    connector = served.gateway.targets[target].connector
    people = (await connector.query(ResourceType.USER, Query(count=100))).entries
    found = (await connector.query(ResourceType.GROUP, Query(count=100))).entries
    names = {entry["id"]: entry["userName"] for entry in people}
    groups = {}
    for group in found:
        whole = await connector.get(ResourceType.GROUP, group["id"], members=True)
        ids = [member["value"] for member in (whole or {}).get("members") or ()]
        groups[group["displayName"]] = sorted(names[id] for id in ids if id in names)
    return {entry["userName"]: entry.get("active", True) for entry in people}, groups


async def test_each_target_of_a_route_has_what_the_first_has_after_every_step_of_a_day(
    tmp_path: Path, server: Slapd
) -> None:
    base = server.room().base
    for name, secret in (("ldap.password", PASSWORD), ("cloud.token", "token-of-the-cloud")):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(secret)
    day, others = Day(CASE, tmp_path), list[dict[str, tuple[People, Groups]]]()
    async with scim_target() as cloud, gateways(tmp_path) as serve:
        table = ROUTE.format(cloud=cloud.url, ldap=server.url, user=GATEWAY, base=base)
        served = await serve(table, config=CONFIG)

        async def look(kind: str) -> list[Any]:
            await followed(served)
            connector = served.gateway.targets["phonebook"].connector
            page = await connector.query(ResourceType(kind[:-1]), Query(count=100, members=True))
            if kind == "Users":
                others.append({name: await held(served, name) for name in FOLLOWERS})
            return list(page.entries)

        await play_at(served, "everyone", look, day)
        refused = [await served.gateway.services.mirrors.refused("phonebook", name) for name in FOLLOWERS]

    assert [len(step.people) for step in day.steps.values()][-4:] == [2, 2, 1, 1]
    for (name, step), told in zip(day.steps.items(), others, strict=True):
        active = {who: entry["active"] for who, entry in step.people.items()}
        here = {group: sorted(members) for group, members in step.groups.items()}
        assert told["cloud"] == (active, here), name
        remaining = {who: True for who, is_active in active.items() if is_active}  # who leaves is removed
        in_groups = {group: [who for who in here[group] if who in remaining] for group in here}
        assert told["directory"] == (remaining, in_groups), name
    assert refused == [(), ()]
