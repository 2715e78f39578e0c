"""A gateway before a real 389 Directory Server, with the preset `389ds`."""

import pytest

from tests.support.ldap_faults import FAULTS, faulty
from tests.support.ldap_scene import GROUPS, USERS, person, work
from tests.support.ns_slapd import STRICT, ns_slapd
from tests.support.real_scene import real_scenes


@pytest.fixture
async def scene(request, directory_389, tmp_path):
    """A gateway before a server with the usual plug-ins; the parameter is what its target says besides."""
    async with real_scenes(directory_389, tmp_path, **getattr(request, "param", {})) as opened:
        yield opened


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory, ns_slapd_needed):
    """A server that takes ASCII only, and each address once."""
    with ns_slapd(tmp_path_factory.mktemp("strict"), STRICT) as server:
        yield server


@pytest.fixture
async def strict(strict_server, tmp_path):
    """A gateway before it."""
    strict_server.empty()
    async with real_scenes(strict_server, tmp_path) as opened:
        yield opened


def mail(address: str) -> list[dict[str, str]]:
    return [{"type": "work", "value": address}]


async def test_somebody_is_made_locked_and_unlocked(scene):
    made = await scene.ask("POST", USERS, person(phoneNumbers=work("+44 (0)20 7946 0018")))
    gone = await scene.put(made, active=False)
    locked = scene.one()
    back = await scene.put(made, active=True)

    assert [answer.body["active"] for answer in (made, gone, back)] == [True, False, True]
    assert (locked["nsAccountLock"], locked["telephoneNumber"]) == ([b"true"], [b"+442079460018"])
    assert "nsAccountLock" not in scene.one()


@pytest.mark.parametrize("literal", ["TRUE", "false"])
async def test_a_lock_of_an_administrator_is_understood(scene, literal):
    made = await scene.ask("POST", USERS, person())
    scene.modify("uid=ann@example.com,OU=people", nsAccountLock=literal)

    seen = await scene.ask("GET", f"{USERS}/{made.body['id']}")

    assert seen.body["active"] is (literal == "false")


@pytest.mark.parametrize("scene", [{}, {"more": 'group_class = "groupOfNames"'}], indirect=True)
async def test_who_is_in_groups_is_renamed_where_the_server_renames_members_too(scene):
    ann, bob = [await scene.ask("POST", USERS, person(name)) for name in ("ann", "bob")]
    await scene.join("Sales", ann, bob)
    await scene.join("All", ann)

    renamed = await scene.put(ann, userName="anna")
    later = await scene.put(ann, userName="anna", title="Agent")

    assert [answer.status for answer in (renamed, later)] == [200, 200]
    assert scene.members("Sales") == ["uid=anna,ou=people", "uid=bob,ou=people"]
    assert scene.members("All") == ["uid=anna,ou=people"]
    assert scene.one("(uid=anna)").get("title") == [b"Agent"]


async def test_a_name_that_is_refused_in_the_end_leaves_the_groups_as_they_were(strict):
    ann = await strict.ask("POST", USERS, person("ann"))
    await strict.ask("POST", USERS, person("bob", emails=mail("bob@example.com")))
    await strict.join("Sales", ann)

    refused = await strict.put(ann, userName="anna", emails=mail("bob@example.com"))

    assert refused.status == 400
    assert strict.members("Sales") == ["uid=ann,ou=people"]
    assert list(strict.there("(uid=ann)")) == ["uid=ann,OU=people"]


@pytest.mark.parametrize("operation", ["PUT", "PATCH"])
async def test_an_address_that_is_taken_is_refused_by_name_and_keeps_no_leaver_in(strict, operation):
    await strict.ask("POST", USERS, person("bob", emails=mail("bob@example.com")))
    ann = await strict.ask("POST", USERS, person("ann"))
    send = strict.put if operation == "PUT" else strict.patch

    refused = await send(ann, emails=mail("bob@example.com"))
    gone = await send(ann, emails=mail("bob@example.com"), active=False)

    assert (refused.status, refused.body["detail"].partition("mail: ")[1]) == (400, "mail: ")
    assert (gone.status, gone.body["active"]) == (200, False)
    assert strict.one("(uid=ann)")["nsAccountLock"] == [b"true"]


async def test_the_server_says_who_is_in_a_group(scene):
    ann = await scene.ask("POST", USERS, person("ann"))
    await scene.join("Sales", ann)

    assert scene.one("(uid=ann)")["memberOf"] == [f"cn=Sales,OU=groups,{scene.base}".encode()]


async def test_names_beyond_ascii_are_found_and_renamed(scene):
    made = await scene.ask("POST", USERS, person("müller.山田"))
    found = await scene.ask("GET", f"{USERS}?filter=userName%20eq%20%22M%C3%9CLLER.%E5%B1%B1%E7%94%B0%22")
    renamed = await scene.put(made, userName="müller.山")

    assert [answer.status for answer in (made, renamed)] == [201, 200]
    assert found.body["totalResults"] == 1


async def test_a_name_beyond_ascii_is_refused_with_the_cure_where_a_plug_in_takes_none(strict):
    made = await strict.ask("POST", USERS, person("müller"))

    assert made.status == 400
    assert "uid: breaks a rule of the directory: its plug-in `7-bit check`" in made.body["detail"]


async def test_a_limit_to_lists_is_told_with_its_cure(directory_389, tmp_path):
    directory_389.configure(directory_389.gateway_dn, nsPagedSizeLimit="2")  # of who signs in from now on
    try:
        async with real_scenes(directory_389, tmp_path) as scene:
            for number in range(4):
                await scene.ask("POST", USERS, person(f"p{number}"))
            listed = await scene.ask("GET", USERS)
            checked = await scene.served.gateway.targets["phonebook"].connector.check()
    finally:
        directory_389.configure(directory_389.gateway_dn, nsPagedSizeLimit="-1")

    assert (listed.status, "nsPagedSizeLimit" in listed.body["detail"]) == (502, True)
    assert [one.about for one in checked if one.fix] == ["people"]


async def test_somebody_removed_by_an_administrator_is_made_again_at_once(scene):
    made = await scene.ask("POST", USERS, person("ann"))
    scene.server.root().delete_s(f"uid=ann,OU=people,{scene.base}")

    seen = await scene.ask("GET", f"{USERS}/{made.body['id']}")
    again = await scene.put(made)

    assert (seen.status, again.status, list(scene.there())) == (404, 200, ["uid=ann,OU=people"])


async def test_a_group_of_people_whom_the_gateway_has_never_seen_has_all_of_them(scene):
    scene.fill(120)
    people = await scene.everybody()

    made = await scene.ask(
        "POST", GROUPS, {"displayName": "All", "members": [{"value": one["id"]} for one in people]}
    )
    for _ in range(5):  # some of them are told of later
        await scene.delivered()
    shown = await scene.ask("GET", f"{GROUPS}/{made.body['id']}")

    assert (len(people), made.status) == (120, 201)
    assert len(scene.members("All")) == len(shown.body["members"]) == 120


QUICK = 'timeout = "600ms"\nsettle = "20ms"\ndeadline = "5s"\nconcurrency = 2'
CUTS = [fault for fault in FAULTS if "restart" not in fault]  # a server that starts for seconds is a sick one
TRIES = 3  # of a provider


@pytest.mark.parametrize("at", ["rename", "modify"])
@pytest.mark.parametrize("fault", CUTS)
async def test_a_rename_that_is_cut_off_ends_once_and_in_the_right_groups(directory_389, tmp_path, at, fault):
    async with (
        faulty(directory_389) as proxy,
        real_scenes(directory_389, tmp_path, url=proxy.url, keys=QUICK) as scene,
    ):
        ann = await scene.ask("POST", USERS, person("ann"))
        await scene.join("Sales", ann)
        proxy.strike(fault, at)
        tries = 0
        while (await scene.put(ann, userName="anna", title="Agent")).status != 200:
            assert (tries := tries + 1) < TRIES

        assert proxy.has_struck
        assert list(scene.there()) == ["uid=anna,OU=people"]
        assert (scene.one()["title"], scene.members("Sales")) == ([b"Agent"], ["uid=anna,ou=people"])
        assert [name for name, _ in proxy.done].count("rename") == 1
        assert await scene.served.gateway.services.operations.open("phonebook", ()) == ()
