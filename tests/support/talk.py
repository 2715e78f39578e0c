"""What an identity provider says to a gateway, and hears."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from tests.support.served import Answer, Served

NUMBERS = count(1)  # so that people of one gateway do not meet


@dataclass(frozen=True)
class Talk:
    """One provider and one target, one person and one group of its own."""

    served: Served
    provider: str = "okta"
    target: str = "people"
    number: int = field(default_factory=lambda: next(NUMBERS))

    @property
    def person(self) -> dict[str, Any]:
        names = {"userName": f"Ann.{self.number}@example.com", "externalId": f"00u{self.number}"}
        return names | {"name": {"givenName": "Ann", "familyName": "Lee"}, "active": True}

    @property
    def group(self) -> dict[str, Any]:
        return {"displayName": f"Sales {self.number}"}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.served.ask(method, f"/scim/{self.target}/v2{path}", body, self.provider, **headers)

    async def create(self, **attributes: Any) -> str:
        """Create the person and return the path."""
        answer = await self.ask("POST", "/Users", self.person | attributes)
        assert answer.status == 201, answer.body
        return f"/Users/{answer.body['id']}"

    async def gather(self, *people: str) -> str:
        """Create the group with these people, by their paths, and return its own path."""
        answer = await self.ask("POST", "/Groups", self.group | {"members": members(*people)})
        assert answer.status == 201, answer.body
        return f"/Groups/{answer.body['id']}"

    async def patch(self, path: str, *operations: dict[str, Any]) -> Answer:
        return await self.ask("PATCH", path, {"Operations": list(operations)})

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    async def look_up(self, filter: str, path: str = "/Users") -> list[Any]:
        page = await self.get(f"{path}?filter={quote(filter, safe='')}&startIndex=1&count=100")
        assert page["totalResults"] == len(page["Resources"])
        return list(page["Resources"])

    async def members(self, group: str) -> set[str]:
        """Return the paths of a group's members."""
        return {f"/Users/{element['value']}" for element in (await self.get(group)).get("members", ())}

    async def at_once(self, method: str, path: str, *bodies: Any) -> list[Answer]:
        return await asyncio.gather(*(self.ask(method, path, body) for body in bodies))


def op(op: str, path: str | None = None, *value: Any) -> dict[str, Any]:
    """Return one operation of a PATCH, with a value or without."""
    return {"op": op, **({} if path is None else {"path": path}), **({"value": value[0]} if value else {})}


def members(*people: str) -> list[dict[str, str]]:
    """Return people, by their paths, as a group's members."""
    return [{"value": path.removeprefix("/Users/")} for path in people]
