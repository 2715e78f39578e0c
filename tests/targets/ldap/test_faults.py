"""What breaks between the gateway and a directory, at any request: nothing is lost or done twice."""

import asyncio
import os

import pytest

from tests.support.ldap_faults import FAULTS, STOP, faulty, ticking
from tests.support.ldap_scene import GROUPS, USERS, person, scenes, work

QUICK = 'timeout = "1200ms"\nsettle = "20ms"\ndeadline = "5s"\nconcurrency = 2'
LONGEST_GAP = 0.25  # seconds
ANN, BOB = "uid=ann@example.com,ou=people", "uid=bob@example.com,ou=people"


@pytest.fixture
async def scene(request, slapd_server, tmp_path):
    keys = getattr(request, "param", QUICK)
    async with faulty(slapd_server) as proxy, scenes(slapd_server, tmp_path, proxy.url, keys=keys) as opened:
        opened.proxy = proxy
        yield opened


class Life:
    """What is done to Ann while something breaks, by name; each returns a request."""

    def __init__(self, ann, sales) -> None:
        self._ann, self._sales = f"{USERS}/{ann['id']}", f"{GROUPS}/{sales['id']}"
        self._member = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}

    def create(self):
        return "POST", USERS, person("bob@example.com", phoneNumbers=work("020 7946 0018"))

    def change(self):
        return "PUT", self._ann, person(title="Agent")

    def rename(self):
        return "PUT", self._ann, person(title="Boss") | {"userName": "anna@example.com"}

    def member(self):
        return "PATCH", self._sales, {"Operations": [self._member]}

    def delete(self):
        return "DELETE", self._ann, None

    def read(self):
        return "GET", f"{USERS}?filter=userName%20eq%20%22ann@example.com%22", None


# what is done -> the request to the directory that breaks, what that has done to people, who is there then
DONE = {
    "create": ("add", ["add"], {ANN, BOB}),
    "change": ("modify", ["modify"], {ANN}),
    "rename": ("rename", ["modify", "rename"], {"uid=anna@example.com,ou=people"}),
    "member": ("modify", [], {ANN}),
    "delete": ("delete", ["delete"], set()),
    "read": ("search", [], {ANN}),
}
ROWS = [pytest.param(what, fault, id=f"{what}: {fault}") for what in DONE for fault in FAULTS]


@pytest.mark.parametrize(("what", "fault"), ROWS if os.environ.get("FAULTS") else ROWS[::3])
async def test_nothing_is_lost_or_done_twice(scene, what, fault):
    ann = await scene.ask("POST", USERS, person())
    sales = await scene.join("Sales", ann)
    (at, done, there), gaps = DONE[what], [0.0]
    scene.proxy.strike(fault, at)

    async with ticking(gaps):
        answers = await _asked(scene, getattr(Life(ann.body, sales.body), what)())

    assert answers[-1].status < 300
    assert scene.proxy.has_struck
    assert set(scene.there()) == there
    assert sorted(name for name, dn in scene.proxy.done if "ou=people" in dn) == done
    assert max(gaps) < LONGEST_GAP
    await _is_settled(scene, what, answers)


async def _asked(scene, request):
    """Ask until the provider is told that it is done, a few times at most."""
    answers = []
    while not answers or (answers[-1].status >= 400 and len(answers) < 3):
        answers.append(await scene.ask(*request))
    return answers


async def _is_settled(scene, what, answers):
    """Assert that nothing is open, the trail says how it ended, and every connection is of use again."""
    group = scene.there("(objectClass=groupOfNames)")["cn=Sales,ou=groups"]["member"]
    people = {f"{name},{scene.base}".encode() for name in set(scene.there()) - {BOB}}
    reads = await asyncio.gather(*(scene.ask("GET", f"{USERS}?count=1") for _ in range(4)))
    events = await scene.served.events()

    assert set(group) == people | {b"cn=nobody"}
    assert await scene.served.gateway.services.operations.open("phonebook", ()) == ()
    assert {answer.status for answer in reads} == {200}
    if what != "read":
        assert {answer.headers["X-Correlation-Id"] for answer in answers} <= {
            event["correlation_id"] for event in events
        }
        assert events[-1]["outcome"]["result"] == "applied"


@pytest.mark.parametrize("scene", [QUICK.replace("5s", "700ms")], indirect=True)
@pytest.mark.parametrize("what", ["change", "rename", "delete"])
async def test_what_the_provider_could_not_be_told_is_settled_once_the_directory_is_back(scene, what):
    ann = await scene.ask("POST", USERS, person())
    sales = await scene.join("Sales", ann)
    at, _, there = DONE[what]
    scene.proxy.strike(STOP, at)

    answer = await scene.ask(*getattr(Life(ann.body, sales.body), what)())
    scene.server.start()
    gateway = scene.served.gateway
    async with asyncio.timeout(10):
        while not await _swept(gateway):
            pass

    assert answer.status == 429
    assert set(scene.there()) == there
    assert (await scene.last())["event"] == "operation.recovered"
    await _is_settled(scene, what, [answer])


async def _swept(gateway):
    """Have what is due settled; say whether nothing is open any more."""
    await gateway.recovery.sweep(gateway.targets["phonebook"])
    return not await gateway.services.operations.open("phonebook", ())
