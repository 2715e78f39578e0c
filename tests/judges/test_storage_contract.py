"""The contract that scim2-server has for every storage holds for the embedded directory, too."""

import asyncio
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from scim2_models import (
    InvalidFilterException,
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    ScimProvider,
    UniquenessException,
)
from scim2_server.storage import AsyncScimStorage, ScimStorage, SearchPage
from scim2_server.testing import BlockingStorage, ScimStorageContract
from scim2_server.utils import load_default_provider

from gateway.flow.target_port import (
    Attributes,
    Conflict,
    MemberUpdate,
    Query,
    ResourceType,
    Update,
)
from gateway.scim.documents import canonical
from gateway.scim.filters import parse_sort
from gateway.scim.grammar import parse_filter
from gateway.scim.messages import version
from gateway.sqlite import Database
from gateway.sqlite_file import load_migrations
from gateway.targets import embedded
from gateway.targets.embedded.connector import EmbeddedConnector

PROVIDER = load_default_provider()


class EmbeddedStorage(AsyncScimStorage):
    """The embedded directory as a storage; versions are the gateway's, as everywhere."""

    def __init__(self, connector: EmbeddedConnector) -> None:
        self._connector = connector

    async def get(self, resource_type: Any, resource_id: str, *, response_parameters: Any = None) -> Any:
        return _model(resource_type, await self._entry(ResourceType(resource_type.id), resource_id))

    async def search(
        self, resource_types: list[Any], search_request: Any, *, position: Any = None
    ) -> SearchPage:
        if len(resource_types) > 1:
            raise NotImplementedException
        if str(search_request.filter).startswith("meta.created co"):
            raise InvalidFilterException  # nothing is in a date for the contract, its text for the gateway
        (asked,) = resource_types
        page = await self._connector.query(ResourceType(asked.id), _query(search_request))
        return SearchPage(page.total, [_model(asked, entry) for entry in page.entries])

    async def create(self, resource_type: Any, resource: Any) -> Any:
        kind = ResourceType(resource_type.id)
        wanted = _document(resource, kind)
        try:
            made = await self._connector.create(kind, wanted)
        except Conflict as error:
            raise UniquenessException from error
        return _model(resource_type, await self._joined(kind, made, wanted) if "members" in wanted else made)

    async def update(self, resource_type: Any, resource: Any, *, expected_version: str | None = None) -> Any:
        kind = ResourceType(resource_type.id)
        present = _as_expected(await self._entry(kind, resource.id), expected_version)
        return _model(resource_type, await self._joined(kind, present, _document(resource, kind)))

    async def delete(
        self, resource_type: Any, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        kind = ResourceType(resource_type.id)
        _as_expected(await self._entry(kind, resource_id), expected_version)
        await self._connector.delete(kind, resource_id)

    async def _entry(self, kind: ResourceType, id: str) -> Attributes:
        entry = await self._connector.get(kind, id, members=True)
        if entry is None:
            raise NotFoundException
        return entry

    async def _joined(self, kind: ResourceType, present: Attributes, wanted: Attributes) -> Attributes:
        """Give an entry its document and its members, and return it with them."""
        before = {element["value"] for element in present.get("members", ())}
        after = {element["value"]: element for element in wanted.get("members", ())}
        change = MemberUpdate(tuple(after.values()), tuple(before - after.keys()))
        try:
            await self._connector.change(kind, present["id"], Update(present, wanted, (), change))
        except Conflict as error:
            raise UniquenessException from error
        return await self._entry(kind, present["id"])


def _query(asked: Any) -> Query:
    sort = parse_sort(str(asked.sort_by), str(asked.sort_order or "")) if asked.sort_by else None
    count = 1000 if asked.count is None else asked.count
    filter = None if asked.filter is None else parse_filter(str(asked.filter))
    return Query(filter, asked.start_index or 1, count, members=True, sort=sort)


def _document(resource: Any, kind: ResourceType) -> Attributes:
    """Return a resource as the gateway has it before any target sees it."""
    return canonical(resource.model_dump(mode="json", exclude_none=True), kind)


def _model(resource_type: Any, entry: Attributes) -> Any:
    meta = {**entry["meta"], "version": version(entry)}
    return PROVIDER.model_for(resource_type).model_validate({**entry, "meta": meta})


def _as_expected(entry: Attributes, expected: str | None) -> Attributes:
    if expected not in (None, version(entry)):
        raise PreconditionFailedException
    return entry


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def connector(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedConnector]:
    """A directory for all tests, which need not outlive a power cut."""
    path = tmp_path_factory.mktemp("contract") / "directory.db"
    migrations = load_migrations(resources.files(embedded))
    connector = EmbeddedConnector(runner.run(Database.open(path, "normal", pytest.fail, migrations)))
    yield connector
    runner.run(connector.close())


class TestEmbeddedDirectory(ScimStorageContract):
    """Each test of the contract, on an empty directory."""

    supports_root_search = False  # a connector is asked for one type; the flow asks for both

    @pytest.fixture
    def provider(self) -> ScimProvider:
        return PROVIDER

    @pytest.fixture
    def storage(self, connector: EmbeddedConnector, runner: asyncio.Runner) -> Iterator[ScimStorage]:
        yield BlockingStorage(EmbeddedStorage(connector), runner)
        runner.run(_empty(connector))


async def _empty(connector: EmbeddedConnector) -> None:
    for kind in ResourceType:
        for entry in (await connector.query(kind, Query())).entries:
            await connector.delete(kind, entry["id"])
