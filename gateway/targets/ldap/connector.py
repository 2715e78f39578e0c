"""An LDAP directory as a target: the port's calls, each as one piece of work for a thread."""

from typing import TypeVar

from gateway.flow.target_port import Attributes, Page, Query, Refused, ResourceType, Update
from gateway.targets.address import TargetFinding
from gateway.targets.ldap.checks import checked
from gateway.targets.ldap.groups import Groups
from gateway.targets.ldap.paging import people_listing
from gateway.targets.ldap.people import People
from gateway.targets.ldap.pool import LISTS, Pool
from gateway.targets.ldap.session import undone
from gateway.targets.ldap.sign_in import SignIn

T = TypeVar("T")


class LdapConnector:
    """A `Connector` to an LDAP directory; entries are flat, under their names there.

    Four names are ours: `userName`, `externalId`, `active` and `password` stand for what the directory says
    them with.
    """

    def __init__(self, sign_in: SignIn, workers: int | None = None) -> None:
        directory = sign_in.directory
        people = people_listing(directory)
        base = directory.group_base
        self._pool = Pool(sign_in, workers)
        self._directory = directory
        self._groups = Groups(directory, base, people) if base else None
        self._people = People(directory, people, self._groups)

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        if kind is ResourceType.USER:
            return await self._pool.run(lambda session: self._people.get(session, id))
        groups = self._groups
        if groups is None:
            return None
        return await self._pool.run(lambda session: groups.get(session, id, members=members))

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if kind is ResourceType.USER:
            return await self._pool.run(lambda session: self._people.page(session, query), LISTS)
        groups = self._groups
        return (
            Page(0, ())
            if groups is None
            else await self._pool.run(lambda session: groups.page(session, query), LISTS)
        )

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes:
        return await self._pool.run(undone(lambda session: self._listing(kind).create(session, wanted)))

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes:
        return await self._pool.run(undone(lambda session: self._listing(kind).change(session, id, update)))

    async def delete(self, kind: ResourceType, id: str) -> None:
        await self._pool.run(undone(lambda session: self._listing(kind).delete(session, id)))

    async def has_groups(self) -> bool:
        return self._groups is not None

    async def check(self) -> tuple[TargetFinding, ...]:
        """Say what the directory can do and what is to be mended; raises TargetError."""
        return await self._pool.run(lambda session: checked(session, self._directory))

    async def close(self) -> None:
        await self._pool.close()

    def _listing(self, kind: ResourceType) -> People | Groups:
        if kind is ResourceType.USER:
            return self._people
        if self._groups is None:
            raise Refused("this directory has no groups: ldap.group_base is not set")
        return self._groups
