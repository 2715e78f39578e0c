"""What breaks between the gateway and Active Directory or 389: nothing is lost or done twice."""

import asyncio
import os

import pytest

from tests.support.ldap_faults import FAULTS, STOP, faulty
from tests.support.ldap_scene import GROUPS, USERS, person
from tests.support.real_scene import real_scenes

QUICK = 'timeout = "1s"\nsettle = "20ms"\ndeadline = "8s"\nconcurrency = 2'
SERVERS = ["domain", "directory_389"]
ANN, BOB, ANNA = "ann@example.com", "bob@example.com", "anna@example.com"
# what is done -> the request to the directory that breaks, and who is there then
DONE = {
    "create": ("add", {ANN, BOB}),
    "change": ("modify", {ANN}),
    "rename": ("rename", {ANNA}),
    "member": ("modify", {ANN}),
    "delete": ("delete", set()),
}
CUTS = [fault for fault in FAULTS if "restart" not in fault]  # a server that starts for seconds is a sick one
ROWS = [
    pytest.param(server, what, fault, id=f"{server}, {what}: {fault}")
    for server in SERVERS
    for what in DONE
    for fault in CUTS
]
LONG = bool(os.environ.get("FAULTS"))
TRIES = 4  # of a provider


@pytest.fixture
async def scene(request, tmp_path):
    """A gateway before a proxy before the server that the test names."""
    server = request.getfixturevalue(request.param)
    async with faulty(server) as proxy, real_scenes(server, tmp_path, url=proxy.url, keys=QUICK) as opened:
        opened.proxy = proxy
        yield opened


async def two(scene):
    """Have Ann, and a group that is empty."""
    ann = await scene.ask("POST", USERS, person(ANN))
    assert ann.status == 201, ann.body
    return ann.body, (await scene.join("Sales")).body


def request_of(what, ann, sales):
    here = f"{USERS}/{ann['id']}"
    member = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
    return {
        "create": ("POST", USERS, person(BOB)),
        "change": ("PUT", here, person(ANN, title="Agent")),
        "rename": ("PUT", here, person(ANN, title="Boss") | {"userName": ANNA}),
        "member": ("PATCH", f"{GROUPS}/{sales['id']}", {"Operations": [member]}),
        "delete": ("DELETE", here, None),
    }[what]


def names(scene):
    """Return who really is there."""
    return {dn.partition(",")[0].partition("=")[2] for dn in scene.there()}


async def is_settled(scene, what):
    """Assert that nothing is open or was done twice."""
    at, there = DONE[what]
    assert names(scene) == there
    assert await scene.served.gateway.services.operations.open("phonebook", ()) == ()
    done = [dn for name, dn in scene.proxy.done if name == at and "people" in dn.casefold()]
    assert len(done) == len(set(done))
    if what == "member":
        assert len(scene.members("Sales")) == 1
    if what == "change":
        assert scene.one()["title"] == [b"Agent"]


@pytest.mark.parametrize(("scene", "what", "fault"), ROWS if LONG else ROWS[1::9], indirect=["scene"])
async def test_nothing_is_lost_or_done_twice(scene, what, fault):
    request = request_of(what, *await two(scene))
    scene.proxy.strike(fault, DONE[what][0])
    answers = []
    while not answers or (answers[-1].status >= 400 and len(answers) < TRIES):
        answers.append(await scene.ask(*request))

    assert answers[-1].status < 300, answers[-1].body
    assert scene.proxy.has_struck
    await is_settled(scene, what)


STOPS = [
    pytest.param("domain", "change", id="domain, change"),
    pytest.param("directory_389", "rename", id="directory_389, rename"),
    pytest.param("directory_389", "create", id="directory_389, create"),
]


@pytest.mark.long
@pytest.mark.parametrize(("scene", "what"), STOPS, indirect=["scene"])
async def test_a_directory_that_is_started_anew_in_the_middle_has_all_of_it_once(scene, what):
    request = request_of(what, *await two(scene))
    scene.proxy.strike(STOP, DONE[what][0])
    answer = await scene.ask(*request)
    await asyncio.to_thread(scene.server.start)
    gateway = scene.served.gateway
    async with asyncio.timeout(20):
        while await gateway.services.operations.open("phonebook", ()):
            await gateway.recovery.sweep(gateway.targets["phonebook"])

    assert answer.status in (200, 429)
    await is_settled(scene, what)
