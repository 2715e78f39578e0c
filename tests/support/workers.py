"""Many providers at once, each pushing its own people as Okta does: come again until it is acknowledged."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from gateway.scim.names import CORE_USER, PATCH_OP

SCIM_JSON: Final = "application/scim+json"
MOST: Final = 40.0  # seconds until a change must be acknowledged
SCALE: Final = 0.02  # of what Retry-After says; it is for hours, this for seconds
LONGEST: Final = 0.4  # seconds
IMPATIENT: Final = 0.03  # of all requests are hung up on
STEPS: Final = ("join", "update", "rename", "leave", "return", "update", "update")


@dataclass(frozen=True)
class Ack:
    """One acknowledged state of a person."""

    external: str
    version: int
    wanted: dict[str, Any]
    at: float  # monotonic seconds, as in the ledger
    cid: str


@dataclass
class Entrance:
    """Where the gateway is, as long as it is there."""

    base: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Provider:
    """All workers of one provider, what they were told, and what went wrong."""

    entrance: Entrance
    session: aiohttp.ClientSession
    token: str
    seed: str
    impatient: float = IMPATIENT
    stopping: bool = False
    acks: list[Ack] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, patience: float | None, **arguments: Any) -> "Answer":
        """Send one request; raises ClientError or TimeoutError where nothing came back."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": SCIM_JSON}
        timeout = aiohttp.ClientTimeout(total=patience or 30.0)
        url = f"{self.entrance.base}/scim/people/v2/Users{path}"
        async with self.session.request(method, url, headers=headers, timeout=timeout, **arguments) as answer:
            document = await answer.json(content_type=None)
            return Answer(answer.status, document, answer.headers)


@dataclass(frozen=True)
class Answer:
    status: int
    document: Any
    headers: Any


class Worker:
    """Pushes one person after another through its working life, one change at a time."""

    def __init__(self, provider: Provider, number: int) -> None:
        self._provider = provider
        self._number = number
        self._chance = random.Random(f"{provider.seed}/{number}")
        self._by_patch = number % 2 == 0
        self._tries = 1
        self._looks = number % 4 < 2

    async def work(self) -> None:
        for n in range(1000):
            person = Person(f"{self._number}-{n}")
            for step in STEPS:
                if self._provider.stopping:
                    return
                await self.push(person, person.next(step))
                await asyncio.sleep(self._chance.random() * 0.1)

    async def push(self, person: "Person", wanted: dict[str, Any]) -> None:
        """Come again until it is acknowledged."""
        asked, self._tries = time.monotonic(), 0
        while time.monotonic() < asked + MOST:
            self._tries += 1
            try:
                answer = await self.send(person, wanted)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.02)
                await asyncio.wait_for(self._provider.entrance.up.wait(), MOST)
                continue
            if answer.status in (200, 201):
                return self.note(person, wanted, answer)
            if answer.status in (429, 503):
                await asyncio.sleep(min(LONGEST, SCALE * int(answer.headers["Retry-After"])))
            elif answer.status != 409 or person.id:
                return self._complain(person, f"{wanted['title']}: {answer.status} {answer.document}")
        return self._complain(person, f"{wanted['title']}: gave up after {self._tries} tries")

    async def send(self, person: "Person", wanted: dict[str, Any]) -> Answer:
        patience = self._chance.random() * 0.2 if self._chance.random() < self._provider.impatient else None
        ask = self._provider.ask
        if not person.id:
            if self._looks or self._tries > 1:
                query = {"filter": f'userName eq "{wanted["userName"]}"'}
                found = await ask("GET", "", patience, params=query)
                if found.status != 200:
                    return _as_busy(found)
                if found.document["Resources"]:
                    id = found.document["Resources"][0]["id"]
                    return await ask("PUT", f"/{id}", patience, json={**wanted, "id": id})
            return await ask("POST", "", patience, json=wanted)
        if self._by_patch:
            operation = {"op": "replace", "value": person.changed(wanted)}
            body = {"schemas": [PATCH_OP], "Operations": [operation]}
            return await ask("PATCH", f"/{person.id}", patience, json=body)
        read = await ask("GET", f"/{person.id}", patience)
        if read.status != 200:
            return _as_busy(read)
        if self._tries == 1 and not person.is_in(read.document):
            self._complain(person, f"reads {read.document}, acknowledged was {person.acknowledged}")
        return await ask("PUT", f"/{person.id}", patience, json={**read.document, **wanted})

    def note(self, person: "Person", wanted: dict[str, Any], answer: Answer) -> None:
        document, cid = answer.document, answer.headers["X-Correlation-Id"]
        if person.id and document["id"] != person.id:
            self._complain(person, f"its id was {person.id} and is {document['id']}")
        person.id, person.acknowledged = document["id"], wanted
        if not person.is_in(document):
            self._complain(person, f"acknowledged {wanted} with {document}")
        ack = Ack(person.external, person.version, wanted, time.monotonic(), cid)
        self._provider.acks.append(ack)

    def _complain(self, person: "Person", what: str) -> None:
        self._provider.problems.append(f"{person.external}: {what}")


@dataclass
class Person:
    """Somebody whose `title` counts the changes."""

    external: str
    version: int = 0
    name: str = ""
    active: bool = True
    id: str = ""
    acknowledged: dict[str, Any] = field(default_factory=dict)

    def next(self, step: str) -> dict[str, Any]:
        """Return the state that the next change shall bring."""
        self.version += 1
        if step in ("join", "rename"):
            self.name = f"{step}-{self.external}@example.com"
        self.active = step != "leave" and (step == "return" or self.active)
        return {
            "schemas": [CORE_USER],
            "userName": self.name,
            "externalId": self.external,
            "name": {"givenName": "Ann", "familyName": "Lee"},
            "title": f"{self.version}",
            "active": self.active,
        }

    def changed(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in wanted.items() if self.acknowledged.get(name) != value}

    def is_in(self, document: dict[str, Any]) -> bool:
        return all(
            document.get(name) == value for name, value in self.acknowledged.items() if name != "schemas"
        )


def _as_busy(answer: Answer) -> Answer:
    """A read that failed is read again, as Okta does."""
    return Answer(503, answer.document, {"Retry-After": "1"}) if answer.status >= 500 else answer
