"""How a directory is reached: connections, limits, trust, and what goes wrong on the way."""

import asyncio
import socket
import time

import pytest

from gateway.address import Basic, External, Secret
from gateway.flow.target_port import CannotFilter, Denied, Page, Query, Silent, TargetError, Unreachable
from gateway.scim.grammar import parse_filter
from gateway.targets.ldap import paging as rooms
from gateway.targets.ldap.session import PAGE, WORKERS
from tests.support.ldap import USER, Room, room
from tests.support.lossy import babbling, lossy
from tests.support.slapd import GATEWAY, PASSWORD, slapd

EVERYBODY = Query()


@pytest.fixture
async def here(slapd_server):
    async with room(slapd_server) as opened:
        yield opened


async def look(here: Room) -> Page:
    return await here.connector.query(USER, EVERYBODY)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lambda server: {"url": server.url}, id="password, in the clear"),
        pytest.param(lambda server: {"url": server.url, "start_tls": True, "ca": server.ca}, id="StartTLS"),
        pytest.param(lambda server: {"url": server.tls_url, "ca": server.ca}, id="ldaps"),
        pytest.param(lambda server: {"url": server.socket_url}, id="ldapi"),
        pytest.param(lambda server: {"url": server.socket_url, "auth": External()}, id="ldapi, EXTERNAL"),
        pytest.param(
            lambda server: {
                "url": server.tls_url,
                "ca": server.ca,
                "auth": External(server.folder / "cert.pem", server.folder / "key.pem"),
            },
            id="a client's certificate, EXTERNAL",
        ),
    ],
)
async def test_somebody_is_made_over(slapd_server, how):
    async with room(slapd_server, **how(slapd_server)) as here:
        assert await here.person("ann")


@pytest.mark.parametrize(
    ("how", "error"),
    [
        pytest.param(lambda server: {"auth": Basic(GATEWAY, Secret("wrong"))}, Denied, id="a wrong password"),
        pytest.param(
            lambda server: {"auth": Basic("gateway", Secret(PASSWORD))}, Denied, id="a user that is no DN"
        ),
        pytest.param(lambda server: {"url": server.tls_url}, Unreachable, id="a certificate nobody trusts"),
        pytest.param(lambda server: {"start_tls": True}, Unreachable, id="the same with StartTLS"),
        pytest.param(
            lambda server: {"url": server.tls_url.replace("127.0.0.1", "localhost"), "ca": server.ca},
            Unreachable,
            id="a certificate for another name",
        ),
        pytest.param(lambda server: {"url": "ldap://127.0.0.1:1"}, Unreachable, id="nobody listens"),
    ],
)
async def test_where_nobody_could_sign_in_nothing_was_sent(slapd_server, how, error):
    async with room(slapd_server, **how(slapd_server)) as here:
        with pytest.raises(error) as caught:
            await here.person("ann")

        assert not caught.value.maybe_applied
        assert PASSWORD not in caught.value.reason
        assert here.raw() == {}


async def test_whom_nobody_vouches_for_is_refused(slapd_server):
    async with room(slapd_server, auth=External()) as here:
        with pytest.raises(Denied):
            await look(here)


async def test_who_does_not_say_who_they_are_sees_no_base(slapd_server):
    async with room(slapd_server, auth=None) as here:
        with pytest.raises(Unreachable, match="may not see it"):
            await look(here)


async def test_a_long_list_is_shown_page_by_page(here: Room):
    root, people = here.server.root(), {f"p{number:04}" for number in range(PAGE + 20)}
    for name in people:
        values = {"objectClass": b"inetOrgPerson", "uid": name.encode(), "cn": b"x", "sn": b"x"}
        root.add_s(f"uid={name},{here.people}", [(key, [value]) for key, value in values.items()])

    first = await here.connector.query(USER, Query(count=300))
    gone = first.entries[250]["userName"]
    root.delete_s(f"uid={gone},{here.people}")
    second = await here.connector.query(USER, Query(start=301, count=300))
    again = await here.connector.query(USER, Query(start=201, count=100))

    assert (first.total, second.total, len(second.entries)) == (PAGE + 20, PAGE + 20, PAGE + 20 - 300)
    assert {entry["userName"] for page in (first, second) for entry in page.entries} == people
    assert again.total == PAGE + 19
    assert len({entry["id"] for entry in again.entries} | {gone}) == 101


async def test_a_long_list_that_cannot_be_asked_for_exactly_is_searched_for_elsewhere(
    here: Room, monkeypatch
):
    monkeypatch.setattr(rooms, "PAGE", 1)
    await here.person("ann", externalId="x")

    with pytest.raises(CannotFilter):
        await here.connector.query(USER, Query(parse_filter('externalId eq "x"')))


async def test_many_at_once_share_a_few_connections(here: Room):
    people = await asyncio.gather(*(here.person(f"p{number}") for number in range(5 * WORKERS)))

    assert (await look(here)).total == len(people) == 5 * WORKERS
    assert len(here.connector._pool._sessions) <= WORKERS


async def test_a_directory_that_was_started_again_is_reached_again(tmp_path):
    with slapd(tmp_path) as server:
        async with room(server) as here:
            ann = await here.person("ann")
            server.stop()
            with pytest.raises(Unreachable):
                await here.change(ann, title="Agent")
            server.start()

            assert (await here.change(ann, title="Agent"))["title"] == "Agent"
            server.stop()
            server.start()
            assert await here.person("bob")


@pytest.fixture
def silent():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
async def test_a_silent_directory_stops_nobody_else(slapd_server, silent, scheme):
    async with room(slapd_server, url=f"{scheme}://127.0.0.1:{silent}", timeout=0.5) as here:
        gaps, looking = [0.0], asyncio.ensure_future(look(here))
        while not looking.done():
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - begun)

        assert isinstance(looking.exception(), Unreachable | Silent)
        assert max(gaps) < 0.25


@pytest.fixture
async def through(slapd_server):
    """A proxy before the directory, and a room behind it."""
    with lossy(slapd_server.port) as proxy:
        async with room(slapd_server, url=proxy.url, timeout=2.0) as here:
            yield proxy, here


@pytest.mark.parametrize("keeps", [0, 5], ids=["no answer", "half an answer"])
@pytest.mark.parametrize(
    ("loses", "work", "there"),
    [
        pytest.param("add", lambda here, ann: here.person("bob"), {"ann", "bob"}, id="add"),
        pytest.param("modify", lambda here, ann: here.change(ann, title="x"), {"ann"}, id="modify"),
        pytest.param("rename", lambda here, ann: here.change(ann, userName="anna"), {"anna"}, id="rename"),
        pytest.param("delete", lambda here, ann: here.connector.delete(USER, ann["id"]), set(), id="delete"),
    ],
)
async def test_a_lost_answer_leaves_a_change_in_doubt(through, loses, work, there, keeps):
    proxy, here = through
    ann = await here.person("ann")
    proxy.loses, proxy.keeps = loses, keeps

    with pytest.raises(TargetError) as caught:
        await work(here, ann)

    assert caught.value.maybe_applied
    names = {entry["uid"][0].decode() for entry in here.raw().values()}
    assert (names, proxy.lost) == (there, [loses])


async def test_what_is_refused_after_a_rename_and_cannot_be_taken_back_is_in_doubt(through):
    proxy, here = through
    ann = await here.person("ann")
    proxy.loses = "modify"

    with pytest.raises(TargetError) as caught:
        await here.change(ann, userName="anna", mail="é")

    assert caught.value.maybe_applied
    assert list(here.raw()) == [f"uid=anna,{here.people}"]


async def test_what_no_directory_says_is_not_taken_for_an_answer(slapd_server):
    with babbling(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        async with room(slapd_server, url=url, timeout=1.0) as here:
            with pytest.raises(Unreachable):
                await look(here)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(
            b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00", "does not do StartTLS", id="no"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n" * 300, "is not LDAP", id="nonsense"),
        pytest.param(b"", "is not LDAP", id="nothing"),
    ],
)
async def test_a_directory_that_does_not_do_start_tls_is_told_so(slapd_server, answer, says):
    with babbling(answer) as url:
        async with room(slapd_server, url=url, start_tls=True, timeout=1.0) as here:
            with pytest.raises(Unreachable, match=says):
                await look(here)


async def test_a_long_value_goes_through_tls_both_ways(slapd_server):
    async with room(slapd_server, url=slapd_server.tls_url, ca=slapd_server.ca) as here:
        ann = await here.person("ann", description="ä" * 300_000)

        assert len((await here.connector.get(USER, ann["id"]))["description"]) == 300_000
