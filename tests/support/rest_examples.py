"""The two services of docs/rest.md, live on loopback, and their tables as the page has them."""

import re
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from aiohttp import web

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "rest.md"
_BLOCK: Final = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_URL: Final = re.compile(r'^url = "[^"]+"$', re.MULTILINE)


def example(number: int, url: str, more: str = "") -> str:
    """Return a table of the page, for a service at `url`, with `more` lines below its `url`."""
    return _URL.sub(f'url = "{url}"\n{more}', _BLOCK.findall(PAGE.read_text())[number])


@dataclass
class Contacts:
    """A phone book of a contact centre; it knows who is VIP, which nobody else does."""

    url: str = ""
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._signed_in])
        routes = application.router
        routes.add_get("/contacts", self._list)
        routes.add_post("/contacts", self._create)
        for method in ("GET", "PATCH", "DELETE"):
            routes.add_route(method, "/contacts/{id}", self._one)
        return application

    @web.middleware
    async def _signed_in(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, body))
        if request.headers.get("X-Api-Key") != "canary-CONTACTS_KEY":
            return web.json_response({"message": "who are you?"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        found = [
            one
            for one in self.people.values()
            if one["email"].casefold() == asked.get("email", one["email"]).casefold()
            and one.get("ref") == asked.get("ref", one.get("ref"))
        ]
        page, size = int(asked["page"]), min(int(asked["per_page"]), 2)
        shown = found[(page - 1) * size : page * size]
        return web.json_response({"contacts": shown, "meta": {"total": len(found)}})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if any(one["email"].casefold() == wanted["email"].casefold() for one in self.people.values()):
            return web.json_response({"message": "there is such a contact"}, status=409)
        id = f"c{next(self.ids)}"
        self.people[id] = {"id": id, "vip": True, **wanted}
        return web.json_response({"contact": {"id": id}}, status=201)

    async def _one(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        if id not in self.people:
            return web.json_response({"message": "no such contact"}, status=404)
        if request.method == "DELETE":
            del self.people[id]
            return web.Response(status=204)
        if request.method == "PATCH":
            changed = self.people[id] | await request.json()
            self.people[id] = {name: value for name, value in changed.items() if value is not None}
        return web.json_response({"contact": self.people[id]})


@dataclass
class Hr:
    """A legacy HR service: POST for everything, a login, and errors inside of 200."""

    url: str = ""
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    units: dict[int, dict[str, Any]] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    keys: int = 0  # sessions that were opened
    ids: Any = field(default_factory=lambda: count(101))

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/session/open", self._open)
        application.router.add_post("/{thing}/{what}", self._do)
        return application

    async def _open(self, request: web.Request) -> web.Response:
        if await request.json() != {"user": "gateway", "password": "canary-HR_PASSWORD"}:
            return web.json_response({"result": {"code": "DENIED", "text": "no"}}, status=403)
        self.keys += 1
        return web.json_response({"session": {"key": f"canary-session-{self.keys}"}})

    async def _do(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Session") != f"canary-session-{self.keys}":
            return web.json_response(
                {"result": {"code": "DENIED", "text": "the session is over"}}, status=401
            )
        body = await request.json() if request.can_read_body else {}
        self.asked.append((request.path_qs, body))
        no = int(request.query["no"]) if "no" in request.query else body.get("no")
        assert no is None or isinstance(no, int)
        is_unit = request.match_info["thing"] == "unit"
        things = self.units if is_unit else self.people
        what = request.match_info["what"]
        if (
            what in ("read", "update", "leave", "return", "delete", "join", "part", "members")
            and no not in things
        ):
            return _says("NOT_FOUND", "there is nobody like that")
        return getattr(self, f"_{what.replace('-', '_')}")(things, no, body)

    def _add(self, things: Any, no: Any, body: Any) -> web.Response:
        if body.get("title") == "X":
            return _says("INVALID", "no such title")
        if "login" in body and any(one["login"] == body["login"] for one in things.values()):
            return _says("DUPLICATE", "there is such a login")
        no = next(self.ids)
        things[no] = {"no": no, **body}
        return self._read(things, no, body)

    def _read(self, things: Any, no: Any, body: Any) -> web.Response:
        return _says(**{"unit" if things is self.units else "employee": things[no]})

    def _update(self, things: Any, no: Any, body: Any) -> web.Response:
        things[no] = {"no": no, **body}
        return _says()

    def _leave(self, things: Any, no: Any, body: Any) -> web.Response:
        self.left.add(no)
        return _says()

    def _return(self, things: Any, no: Any, body: Any) -> web.Response:
        self.left.discard(no)
        return _says()

    def _delete(self, things: Any, no: Any, body: Any) -> web.Response:
        del things[no]
        return _says()

    def _by_login(self, things: Any, no: Any, body: Any) -> web.Response:
        found = [one for one in things.values() if one["login"].casefold() == body["login"].casefold()]
        return _says(employee=found[0]) if found else _says("NOT_FOUND", "nobody")

    def _by_code(self, things: Any, no: Any, body: Any) -> web.Response:
        return _says(employees=[one for one in things.values() if one.get("code") == body["code"]])

    def _all(self, things: Any, no: Any, body: Any) -> web.Response:
        found = list(things.values())
        return _says(units=found) if things is self.units else _says(employees=found, count=len(found))

    def _join(self, things: Any, no: Any, body: Any) -> web.Response:
        if body["employee"] not in self.people:
            return _says("NOT_FOUND", "nobody")
        self.members[no] = [*self.members.get(no, []), body["employee"]]
        return _says()

    def _part(self, things: Any, no: Any, body: Any) -> web.Response:
        self.members[no] = [one for one in self.members.get(no, []) if one != body["employee"]]
        return _says()

    def _members(self, things: Any, no: Any, body: Any) -> web.Response:
        return _says(employees=[{"no": one} for one in self.members.get(no, [])])


def _says(code: str = "OK", text: str = "", **more: Any) -> web.Response:
    return web.json_response({"result": {"code": code, "text": text}, **more})
