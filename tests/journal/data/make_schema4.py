"""Makes `schema4.json.gz`: a journal of schema 4 with an archive, as SQL, and what its release reads in it.

Run it in a checkout of a release with that schema: python make_schema4.py FILE [EVENTS]. With a number of
events it leaves a journal of that length in FILE instead.
"""

import asyncio
import gzip
import json
import random
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from gateway.flow.erasure import ErasureDesk
from gateway.flow.tokens import Token
from gateway.flow.trail import Question
from gateway.journal.levels import Veil, masked
from gateway.journal.reading import reading
from gateway.journal.sqlite import SqliteJournal

from gateway.flow.journal_port import (
    Event,
    Intent,
    Key,
    Link,
    Mark,
    MemberRow,
    MemberRows,
    Outcome,
    Personal,
    Resource,
    Settlement,
    Standing,
    State,
)
from gateway.flow.target_port import ResourceType
from gateway.scim.members import Delta

USER, GROUP = ResourceType.USER, ResourceType.GROUP
STARTED = datetime(2026, 3, 20, tzinfo=UTC)
chance = random.Random(4)
ids = count(1)


def new_id():
    return f"{chance.getrandbits(128):032x}"


def person(n):
    name = f"p{n:04}@people.example"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "externalId": f"x-{n:04}",
        "name": {"givenName": "Zoë", "familyName": f"Example {n}"},
        "emails": [{"type": "work", "value": name, "primary": True}],
        "title": chance.choice(["Agent", "Boss", "Größe 7"]),
    }


def event(name, document, *, target="cx", id="", result=Outcome.APPLIED, kind=USER, lines=None, **more):
    """Return an event as a change makes it."""
    shown = document.get("userName") or document.get("displayName")
    values = document if lines is None else lines
    diff = [
        {"path": path, "op": "add", "before": None, "after": Personal(value), "rule": None}
        for path, value in values.items()
        if path != "schemas"
    ]
    outcome = {"result": result, "status": 201, "reason": more.pop("reason", None)}
    fields = {
        "event": name,
        "outcome": outcome,
        "actor": {"type": "provider", "name": chance.choice(["okta", "entra"]), "token": "config:1"},
        "client": {"ip": "192.0.2.7", "user_agent": "Example 1.0"},
        "target": {"name": target, "type": kind.value, "id": id or None, "user_name": Personal(shown)},
        "diff": diff,
        "held": [],
        "dropped": ["groups"],
        "attempts": [{"n": 1, "status": 201, "ms": 1.5}],
        "correlation_id": new_id(),
        "timing": {"total_ms": 3.25},
    }
    return Event(new_id(), {**fields, **more})


class Scene:
    """A journal in which things happen, each a while after the one before."""

    def __init__(self, journal, clock):
        self.journal, self.clock = journal, clock

    def intent(self, n, operation="create", target="cx", kind=USER, removes=False, members=None, **other):
        document = person(n) if kind is USER else {"displayName": f"Group {n}"}
        name = document.get("userName") or document["displayName"].lower()
        keys = (
            (Key("external", document["externalId"]), Key("name", name))
            if kind is USER
            else (Key("name", name),)
        )
        said = {"resource_id": "", "target_id": None, "state": State.ACTIVE} | other
        delta = members or Delta()
        return Intent(
            new_id(),
            target,
            target,
            kind,
            operation,
            keys,
            said["resource_id"],
            said["target_id"],
            document,
            document,
            said["state"],
            new_id(),
            removes,
            delta,
        )

    async def create(self, n, target="cx", *, own=True, seen=True, replied=True):
        """Have a person made."""
        self.clock.turn()
        operation = await self.journal.operations.claim(self.intent(n, target=target))
        document = person(n)
        id = f"t-{n:04}"
        entry = {**document, "id": id, "title": "shown otherwise"} if seen else None
        link = Link(target, id if own else f"e-{n:04}", document, entry)
        now = self.clock.text()
        made = Resource(target, USER, id, document, State.ACTIVE, now, now, replied, {target: link})
        told = event("user.create", document, target=target, id=id)
        await self.journal.operations.settle(operation, Settlement(Outcome.APPLIED, told, made))
        return made

    async def end(self, known, state, outcome=Outcome.APPLIED):
        """Have a person deactivated or deleted."""
        self.clock.turn()
        n = int(known.id[2:])
        intent = self.intent(
            n,
            "delete" if state is State.DELETED else "replace",
            known.base,
            removes=True,
            state=state,
            resource_id=known.id,
        )
        operation = await self.journal.operations.claim(intent)
        name = "user.delete" if state is State.DELETED else "user.replace"
        told = event(name, person(n), target=known.base, id=known.id, result=outcome, lines={"active": False})
        left = Resource(
            known.base,
            USER,
            known.id,
            known.original,
            state,
            known.created,
            self.clock.text(),
            True,
            {known.base: Link(known.base, None if state is State.DELETED else f"t-{n:04}", {}, None)},
        )
        await self.journal.operations.settle(operation, Settlement(outcome, told, left))

    async def group(self, n, members):
        """Have a group with these members."""
        self.clock.turn()
        document = {"displayName": f"Group {n}"}
        link = Link("cx", f"g-{n}", document, {**document, "id": f"g-{n}"})
        now = self.clock.text()
        made = Resource("cx", GROUP, f"g-{n}", document, State.ACTIVE, now, now, True, {"cx": link})
        rows = {id: MemberRow({"value": id, "display": id.upper()}, n % 2 == 0, True) for id in members}
        told = event("group.create", document, id=f"g-{n}", kind=GROUP)
        kept = MemberRows("cx", rows, entries={id: id for id in members})
        await self.journal.operations.settle(None, Settlement(Outcome.APPLIED, told, made, kept))

    async def stand(self, n, standing, **other):
        """Leave an operation that is not settled."""
        self.clock.turn()
        operation = await self.journal.operations.claim(self.intent(n, **other))
        if standing is not Standing.OPEN:
            mark = Mark(standing, f"p{n:04} is why", "2026-06-01T00:00:00.000000Z", 3)
            told = event("user.create", person(n), result=Outcome.PENDING, reason=Personal("later"))
            await self.journal.operations.mark(operation, mark, told)


class Clock:
    def __init__(self):
        self.now = STARTED

    def __call__(self):
        return self.now

    def turn(self, seconds=17_000.0):
        self.now += timedelta(seconds=seconds)

    def text(self):
        return self.now.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def opened(path, clock):
    veils = {"masked": Veil("masked", masked)}
    return await SqliteJournal.open(path, "normal", clock, print, new_id(), veils=veils)


async def fill(path):
    """Play everything that a journal can hold."""
    clock = Clock()
    journal = await opened(path, clock)
    scene = Scene(journal, clock)
    people = [await scene.create(n, own=n % 3 > 0, seen=n % 4 > 0, replied=n % 5 > 0) for n in range(60)]
    people += [await scene.create(n, "masked") for n in range(60, 90)]
    for known in people[:6]:
        await scene.end(known, State.DELETED)
    for known in people[6:12]:
        await scene.end(known, State.INACTIVE)
    await scene.end(people[12], State.INACTIVE, Outcome.FAILED)
    for n in range(4):
        await scene.group(n, [known.id for known in people[20 + n : 26 + n]])
    for n, standing in enumerate(Standing):
        await scene.stand(900 + n, standing)
    await scene.stand(
        910, Standing.HELD, operation="delete", removes=True, resource_id="t-0013", state=State.DELETED
    )
    await scene.stand(
        911, Standing.PENDING, removes=True, members=Delta({"t-0020": {"value": "t-0020"}}, ("t-0021",))
    )
    for n in range(3):
        token = Token(f"tok-{n}", "okta", f"{n}" * 64, clock.text(), "2027-01-01T00:00:00Z" if n else None)
        await journal.tokens.add(token)
    await journal.tokens.revoke("tok-1")
    await journal.removals.trip("cx", clock.text())
    await journal.removals.trip("masked", clock.text())
    await journal.removals.release("masked", clock.text())
    await journal.pauses.note("masked", clock.text(), Event(new_id(), {"event": "target.paused"}))
    await journal.trail.append([Event(new_id(), {"event": "config.loaded", "config": {"digest": "ab"}})])
    desk = ErasureDesk(journal.keeper, new_id)
    await desk.erase("p0001@people.example")
    await desk.erase("p0007@people.example")
    assert await journal.keeper.retire(3 * 86400) == ("2026-03",)
    clock.turn()
    for n in range(40):
        clock.turn(60)
        told = event(
            "user.replace", person(n), id=f"t-{n:04}", lines={"title": "Boss"}, result=Outcome.REJECTED
        )
        await journal.trail.append([told])
    await desk.erase("p0030@people.example")
    await journal.close()


async def fill_long(path, events):
    """Play so many creates."""
    clock = Clock()
    journal = await opened(path, clock)
    scene = Scene(journal, clock)
    await asyncio.gather(*(scene.stand(900_000 + n, standing) for n, standing in enumerate(Standing)))
    clock.turn = lambda seconds=0: None
    for start in range(0, events, 200):
        clock.now += timedelta(seconds=60)
        await asyncio.gather(
            *(scene.create(n, own=n % 3 > 0) for n in range(start, min(start + 200, events)))
        )
    await journal.close()


async def told(path):
    """Return all that this release reads in a journal."""
    with reading(path) as reader:
        events = list(reader.answers(Question(newest_first=False)))
        verdict = reader.verify()
    with reading(path) as reader:
        tokens = [asdict(token) for token in reader.tokens()]
        waiting = [asdict(one) for one in reader.waiting(None, "2999")]
        salt = reader.connection.execute("SELECT hex(value) FROM meta WHERE name = 'salt'").fetchone()[0]
        resources = reader.connection.execute(
            "SELECT base, type, id FROM resource ORDER BY 1, 2, 3"
        ).fetchall()
    clock = Clock()
    journal = await opened(path, clock)
    kept = [
        (await journal.resources.find(base, ResourceType(kind), [Key("id", id)]))[0]
        for base, kind, id in resources
    ]
    members = {
        group.id: {
            id: asdict(row) for id, row in (await journal.memberships.rows("cx", group.id, "cx")).items()
        }
        for group in kept
        if group.type is GROUP
    }
    operations = await journal.operations.open(None, ())
    removed = {name: await journal.removals.count(name, "2026") for name in ("cx", "masked")}
    brakes = {name: await journal.removals.brake(name) for name in ("cx", "masked")}
    pauses = await journal.pauses.read()
    await journal.close()
    return {
        "verdict": str(verdict.state),
        "events": events,
        "resources": [asdict(one) for one in kept],
        "members": members,
        "operations": [asdict(one) for one in operations],
        "removed": removed,
        "brakes": brakes,
        "pauses": pauses,
        "tokens": tokens,
        "waiting": waiting,
        "salt": salt,
    }


def dump(file):
    with closing(sqlite3.connect(file)) as connection:
        connection.text_factory = bytes
        return "\n".join(connection.iterdump())


def main():
    target = Path(sys.argv[1])
    if len(sys.argv) > 2:
        asyncio.run(fill_long(target, int(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        asyncio.run(fill(path))
        with closing(sqlite3.connect(path)) as connection:
            files = {"gateway.db": "\n".join(connection.iterdump())}
        for archive in path.parent.glob("*.archive"):
            with closing(sqlite3.connect(f"file:{archive}?mode=ro", uri=True)) as connection:
                files[archive.name] = "\n".join(connection.iterdump())
        found = {"files": files, **asyncio.run(told(path))}
    target.write_bytes(gzip.compress(json.dumps(found).encode(), mtime=0))


if __name__ == "__main__":
    main()
