"""A SCIM service that costs next to nothing: it keeps what it gets and shows it again. Prints its port."""

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote

from bench.processes import run
from bench.wire import Buffer, answer

LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
NO: Final = {"supported": False}
ABILITIES: Final = json.dumps(
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": NO,
        "bulk": {**NO, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": 200},
        "sort": NO,
        "etag": NO,
        "changePassword": NO,
        "authenticationSchemes": [],
    }
).encode()
TYPES: Final = json.dumps(
    {
        "schemas": [LIST],
        "totalResults": 2,
        "Resources": [
            {"name": name, "endpoint": f"/{name}s", "schema": f"urn:ietf:params:scim:schemas:core:2.0:{name}"}
            for name in ("User", "Group")
        ],
    }
).encode()
NOT_FOUND: Final = json.dumps({"schemas": [ERROR], "status": "404", "detail": "there is none"}).encode()
STATIC: Final[Mapping[str, bytes]] = {"ServiceProviderConfig": ABILITIES, "ResourceTypes": TYPES}

Reply = tuple[bytes, bytes]  # status, body
MISSING: Final[Reply] = (b"404 Not Found", NOT_FOUND)


class Directory:
    """People as the bytes that were sent, groups with their members by id."""

    def __init__(self) -> None:
        self.people: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)

    def reply(self, method: str, path: str, query: str, body: bytes) -> Reply:
        """Answer a request; the path is read from its end, so any prefix will do."""
        parts = path.split("/")
        if parts[-1] in STATIC:
            return b"200 OK", STATIC[parts[-1]]
        if parts[-1] in ("Users", "Groups"):
            made = {"Users": self._create, "Groups": self._create_group}
            return made[parts[-1]](body) if method == "POST" else self._search(query)
        of = {"Users": self._person, "Groups": self._group}.get(parts[-2])
        return MISSING if of is None else of(method, unquote(parts[-1]), query, body)

    def _create(self, body: bytes) -> Reply:
        id = f"t{next(self._ids):08d}"
        self.people[id] = with_id(body, id)
        self._index(id, body)
        return b"201 Created", self.people[id]

    def _person(self, method: str, id: str, _: str, body: bytes) -> Reply:
        if id not in self.people:
            return MISSING
        if method == "PUT":
            self.people[id] = with_id(body, id)
        elif method == "PATCH":
            document = json.loads(self.people[id])
            document |= {one["path"]: one["value"] for one in json.loads(body)["Operations"]}
            self.people[id] = json.dumps(document).encode()
        return b"200 OK", self.people[id]

    def _create_group(self, body: bytes) -> Reply:
        id = f"g{next(self._ids):08d}"
        document = json.loads(body)
        members = {one["value"]: one for one in document.pop("members", ())}
        self.groups[id] = {**document, "id": id, "members": members}
        return b"201 Created", self._shown(id)

    def _group(self, method: str, id: str, query: str, body: bytes) -> Reply:
        if id not in self.groups:
            return MISSING
        if method == "PATCH":
            for one in json.loads(body)["Operations"]:
                self._join(id, one)
            return b"204 No Content", b""
        if method == "PUT":
            self.groups[id] |= {name: v for name, v in json.loads(body).items() if name != "members"}
        return b"200 OK", self._shown(id, members="excludedAttributes=members" not in query)

    def _join(self, id: str, operation: Mapping[str, Any]) -> None:
        if operation["op"].lower() != "add" or operation.get("path") != "members":
            raise ValueError("only members are added here")
        self.groups[id]["members"].update({one["value"]: one for one in operation["value"]})

    def _shown(self, id: str, *, members: bool = True) -> bytes:
        found = self.groups[id]
        shown = {"members": list(found["members"].values())} if members else {}
        return json.dumps({**{n: v for n, v in found.items() if n != "members"}, **shown}).encode()

    def _index(self, id: str, body: bytes) -> None:
        name = body.partition(b'"userName":')[2].partition(b'"')[2].partition(b'"')[0]
        self.names[name.decode().casefold()] = id

    def _search(self, query: str) -> Reply:
        asked = parse_qs(query).get("filter", [""])[0]
        name = asked.partition('"')[2].rpartition('"')[0] if asked.startswith("userName eq ") else ""
        found = self.people.get(self.names.get(name.casefold(), ""))
        head = (
            f'{{"schemas":["{LIST}"],"totalResults":{int(found is not None)},"startIndex":1,"itemsPerPage":'
        )
        return b"200 OK", b'%s%d,"Resources":[%s]}' % (head.encode(), int(found is not None), found or b"")


def with_id(body: bytes, id: str) -> bytes:
    """Return a document with its id, unless it has one."""
    return body if b'"id":' in body else b'{"id":"%s",' % id.encode() + body[1:]


class Connection(asyncio.Protocol):
    """Answers in order what comes in on one connection."""

    def __init__(self, reply: Callable[[str, str, str, bytes], Reply]) -> None:
        self.reply = reply
        self._buffer = Buffer()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer.feed(data)
        while (message := self._buffer.take()) is not None:
            method, target, _ = message.first_line.decode("latin1").split(" ", 2)
            path, _, query = target.partition("?")
            self.take(self._transport, method, path, query, message.body)

    def take(self, transport: asyncio.Transport, method: str, path: str, query: str, body: bytes) -> None:
        """Do what was asked, and say so."""
        transport.write(answer(*self.reply(method, path, query, body)))


async def opened(connection: Callable[[], Connection]) -> tuple[asyncio.Server, int]:
    """Serve on the loopback; return the server, and its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0, backlog=512)
    return server, server.sockets[0].getsockname()[1]


async def main() -> None:
    """Serve on the loopback."""
    directory = Directory()
    server, port = await opened(lambda: Connection(directory.reply))
    print(port, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    run(main())
