"""Dialpad's API in memory, over HTTP, or as a process: all that is said is held against its OpenAPI file.

`python -m tests.support.dialpad` serves it, prints its address, and shows at `/` what it has and was asked.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs
import pytest
from aiohttp import web

from gateway.targets.transport import Call, HttpReply

OPENAPI: Final = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "dialpad_openapi.json"
INT64: Final = re.compile(r"-?[0-9]+")
LINES: Final = {"talk": "talk_lines", "agents": "sell_lines"}

Answer = tuple[int, Any]


def needs_openapi() -> pytest.MarkDecorator:
    """Skip where the published file is not at hand: without it nothing would be held."""
    is_missing = not OPENAPI.exists() and "CI" not in os.environ  # there, that is a failure
    return pytest.mark.skipif(is_missing, reason="no folder `shared` beside the checkout")


@dataclass
class Dialpad:
    """A company at Dialpad; what breaks the published file is written down in `violations`."""

    url: str = ""
    offices: dict[int, str] = field(default_factory=lambda: {124: "London"})
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    seats: dict[str, int] = field(default_factory=lambda: {"talk_lines": 1000, "sell_lines": 1000})
    page: int = 100  # items
    writes_numbers: bool = False  # ids as numbers, else as texts
    keeps_lower: bool = False  # addresses are kept in lower case and found by no other
    refused: dict[str, str] = field(default_factory=dict)  # field of a change -> what is said of it
    calls: list[tuple[str, str]] = field(default_factory=list)  # method, path with query
    changes: list[dict[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, body: Any = None) -> Answer:
        """Do what is asked; return the status and the JSON of the answer."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        self.calls.append((method, target))
        if method != "GET":
            self.changes.append({"method": method, "path": path, "body": body})
        operation = spec().find(method, path)
        if operation is None:
            return 404, {"error": {"code": 404, "message": "no such path"}}
        wrong = operation.wrong_request(query, body)
        if wrong:
            self.violations += wrong
            return 400, {"error": {"code": 400, "message": wrong[0]}}
        status, document = getattr(self, operation.name)(*operation.arguments(path), query, body)
        written = _with_ids(document, int if self.writes_numbers else str)
        if status == 200:
            self.violations += operation.wrong_answer(written)
        return status, written

    def _users_list(self, query: Mapping[str, str], body: Any) -> Answer:
        found = list(self.users.values())
        if query.get("state", "active") != "all":
            found = [user for user in found if user["state"] == query.get("state", "active")]
        if (email := query.get("email")) is not None:
            email = email if self.keeps_lower else email.casefold()
            folded = str if self.keeps_lower else str.casefold
            found = [user for user in found if email in map(folded, user.get("emails", ()))]
        if (number := query.get("number")) is not None:
            found = [user for user in found if number in user.get("phone_numbers", ())]
        return 200, self._paged(found, query)

    def _users_create(self, query: Mapping[str, str], body: Any) -> Answer:
        if body["office_id"] not in self.offices:
            return 400, _error(400, "no such office")
        if self._taken([body["email"]]):
            return 409, _error(409, "there is such a user already")
        licence, id = body.get("license", "talk"), 5137304475768569 + len(self.users)
        self._take_seat(licence)
        user = {"id": id, "state": "active", "license": licence, "office_id": body["office_id"]}
        user |= {"emails": self._kept([body["email"]]), "country": "us", "company_id": 4508591728425653}
        user |= {"is_admin": False, "is_super_admin": False, "language": "en", "timezone": "US/Pacific"}
        if body.get("auto_assign"):
            user["phone_numbers"] = [f"+1415555{1000 + len(self.users)}"]
        self.users[id] = _named(user | {n: body[n] for n in ("first_name", "last_name") if n in body})
        return 200, self.users[id]

    def _users_get(self, id: int, query: Mapping[str, str], body: Any) -> Answer:
        return (200, self.users[id]) if id in self.users else (404, _error(404, "no such user"))

    def _users_update(self, id: int, query: Mapping[str, str], body: Any) -> Answer:
        user = self.users.get(id)
        if user is None or user["state"] == "deleted":
            return 404, _error(404, "no such user")
        for name in body.keys() & self.refused.keys():
            return 400, _error(400, self.refused[name])
        if self._taken(body.get("emails", ()), but=id):
            return 409, _error(409, "there is such a user already")
        if body.get("office_id", 124) not in {*self.offices, 124}:
            return 400, _error(400, "no such office")
        changed = body | ({"emails": self._kept(body["emails"])} if "emails" in body else {})
        merged = {name: value for name, value in (user | changed).items() if value not in ("", None)}
        self.users[id] = _named(merged)
        return 200, self.users[id]

    def _users_delete(self, id: int, query: Mapping[str, str], body: Any) -> Answer:
        user = self.users.get(id)
        if user is None or user["state"] == "deleted":
            return 404, _error(404, "no such user")
        left = {name: value for name, value in user.items() if name not in ("emails", "phone_numbers")}
        name = f"{user.get('display_name', '')} (deactivated)"
        self.users[id] = left | {"state": "deleted", "display_name": name}
        return 200, self.users[id]

    def _offices_list(self, query: Mapping[str, str], body: Any) -> Answer:
        offices = [
            {"id": id, "office_id": id, "name": name, "state": "active", "country": "us"}
            for id, name in self.offices.items()
        ]
        return 200, self._paged(offices, query)

    def _plan_available_licenses_get(self, office: int, query: Mapping[str, str], body: Any) -> Answer:
        return 200, {"room_lines": 5, **self.seats}

    def _take_seat(self, licence: str) -> None:
        if licence in LINES:
            self.seats[LINES[licence]] -= 1

    def _paged(self, found: list[Any], query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page; an empty list has no items, as an API that leaves out what is empty writes it."""
        first = int(query.get("cursor", "c0").removeprefix("c"))
        more = {"cursor": f"c{first + self.page}"} if first + self.page < len(found) else {}
        shown = found[first : first + self.page]
        return ({"items": shown} if shown else {}) | more

    def _taken(self, emails: Any, but: int | None = None) -> bool:
        folded = {email.casefold() for email in emails}
        others = (user.get("emails", ()) for id, user in self.users.items() if id != but)
        return any(email.casefold() in folded for held in others for email in held)

    def _kept(self, emails: list[str]) -> list[str]:
        return [email.lower() for email in emails] if self.keeps_lower else emails

    async def send(self, call: Call) -> HttpReply:
        """Answer as a transport does."""
        parts = urlsplit(call.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        status, document = self.answer(call.method, target, json.loads(call.body) if call.body else None)
        return HttpReply(status, {}, json.dumps(document).encode())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer over HTTP."""
        self.authorizations.add(request.headers.get("Authorization", ""))
        body = await request.json() if request.can_read_body else None
        status, document = self.answer(request.method, request.raw_path, body)
        return web.json_response(document, status=status)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self._state)
        application.router.add_route("*", "/{path:.*}", self.handle)
        return application

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response({k: v for k, v in asdict(self).items() if k != "authorizations"})


@asynccontextmanager
async def dialpad(company: Dialpad | None = None) -> AsyncIterator[Dialpad]:
    """Serve a company on a free port; in the end nothing was said that the published file does not allow."""
    company = company or Dialpad()
    runner = web.AppRunner(company.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        company.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield company
    finally:
        await runner.cleanup()
    assert company.violations == []


def _named(user: dict[str, Any]) -> dict[str, Any]:
    return user | {"display_name": f"{user.get('first_name', '')} {user.get('last_name', '')}".strip()}


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message}}


def _with_ids(value: Any, written: type) -> Any:
    """Return JSON with its 64-bit integers as the API writes them: in its own examples they are texts."""
    if isinstance(value, dict):
        return {name: _with_ids(inner, written) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_ids(inner, written) for inner in value]
    return written(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True)
class Operation:
    """One operation of the published file."""

    name: str  # of the method that does it
    pattern: re.Pattern[str]
    parameters: Mapping[str, Any]
    request: Any  # its validator, None where there is no body
    response: Any

    def arguments(self, path: str) -> Iterator[int]:
        found = self.pattern.fullmatch(path)
        return map(int, found.groups() if found else ())

    def wrong_request(self, query: Mapping[str, str], body: Any) -> list[str]:
        wrong = [
            f"{self.name}: there is no parameter {name}" for name in query.keys() - self.parameters.keys()
        ]
        for name in query.keys() & self.parameters.keys():
            allowed = self.parameters[name]["schema"].get("enum", [query[name]])
            wrong += [] if query[name] in allowed else [f"{self.name}: {name} is none of {allowed}"]
        if (body is not None) != (self.request is not None):
            return [*wrong, f"{self.name}: a body where there is none, or none where there is one"]
        return wrong if body is None else wrong + _faults(self.name, self.request, body)

    def wrong_answer(self, document: Any) -> list[str]:
        return _faults(f"{self.name}, answer", self.response, document)


def _faults(name: str, validator: Any, document: Any) -> list[str]:
    return [f"{name}: {error.message}" for error in validator.iter_errors(document)]


class Spec:
    """The published file."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._found = [
            (method.upper(), self._operation(path, operation, document["components"]))
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]

    def find(self, method: str, path: str) -> Operation | None:
        """Return the operation of a request, None where the stub has none."""
        found = (o for m, o in self._found if m == method and o.pattern.fullmatch(path))
        return next((operation for operation in found if hasattr(Dialpad, operation.name)), None)

    def _operation(self, path: str, operation: Mapping[str, Any], components: Any) -> Operation:
        content = operation.get("requestBody", {}).get("content", {})
        asked = content.get("application/json", {}).get("schema")
        told = operation["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
        return Operation(
            "_" + operation["operationId"].replace(".", "_"),
            re.compile(re.sub(r"\\\{\w+\\\}", "([1-9][0-9]*)", re.escape(path))),
            {p["name"]: p for p in operation["parameters"] if p["in"] == "query"},
            None if asked is None else _validator(asked, components, is_request=True),
            _validator(told, components, is_request=False),
        )


@cache
def spec() -> Spec:
    """Return the published file, read once."""
    return Spec(json.loads(OPENAPI.read_text("utf-8")))


def _validator(schema: Any, components: Any, *, is_request: bool) -> Any:
    whole = {"components": components, **schema}
    return jsonschema_rs.Draft202012Validator(_as_json_schema(whole, is_request=is_request))


def _as_json_schema(schema: Any, *, is_request: bool) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: null where it may be, no field of a request unknown.

    The API answers with texts where its own file says 64-bit integers; so do its examples.
    """
    if isinstance(schema, list):
        return [_as_json_schema(inner, is_request=is_request) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:  # what stands beside it is ignored
        return (
            {"$ref": schema["$ref"]}
            | {k: v for k, v in schema.items() if k == "components"}
            | (
                {"components": _as_json_schema(schema["components"], is_request=is_request)}
                if "components" in schema
                else {}
            )
        )
    made = {name: _as_json_schema(inner, is_request=is_request) for name, inner in schema.items()}
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else []
    if schema.get("format") == "int64" and not is_request:
        kinds, made["pattern"] = ["integer", "string"], f"^{INT64.pattern}$"
    if schema.get("nullable") is True and kinds:
        kinds = [*kinds, "null"]
        made |= {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    if kinds:
        made["type"] = kinds
    if is_request and isinstance(schema.get("properties"), dict) and "type" in schema:
        made["additionalProperties"] = False
    made.pop("nullable", None)
    made.pop("format", None)
    return made


async def _serve() -> None:
    async with dialpad() as company:
        sys.stdout.write(f"{company.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)  # until whoever started it goes


if __name__ == "__main__":
    asyncio.run(_serve())
