"""The connectors by name, and how each is opened."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from gateway.targets.address import Auth, Basic, Bearer, Header, OpenTarget, TargetAddress
from gateway.targets.embedded.connector import EmbeddedConnector
from gateway.targets.http import Carrier
from gateway.targets.limits import Limited, Limits
from gateway.targets.scim_connector import ScimConnector

__all__ = [
    "CONNECTORS",
    "Auth",
    "Basic",
    "Bearer",
    "ConnectorSpec",
    "Header",
    "OpenTarget",
    "Surroundings",
    "TargetAddress",
    "open_connector",
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all connectors share of the process."""

    session: aiohttp.ClientSession
    on_fatal: Callable[[str], None]  # called where a file is damaged and the process must end


@dataclass(frozen=True, slots=True)
class ConnectorSpec:
    """One kind of connector: which URLs it takes, and how it is opened."""

    needs_url_scheme: tuple[str, ...]
    open: Callable[[TargetAddress, Surroundings], Awaitable[OpenTarget]]


async def open_connector(name: str, address: TargetAddress, around: Surroundings) -> OpenTarget:
    """Open the connector `name` for a target, within the target's limits; raises `TargetError`."""
    target = await CONNECTORS[name].open(address, around)
    if address.rate is None and address.concurrency is None:
        return target
    return Limited(target, Limits(address.rate, address.concurrency))


async def _open_embedded(address: TargetAddress, around: Surroundings) -> OpenTarget:
    path = Path(address.url.partition(":")[2])
    return await EmbeddedConnector.open(path, around.on_fatal)


async def _open_scim(address: TargetAddress, around: Surroundings) -> OpenTarget:
    carrier = Carrier(around.session, address.auth, address.timeout)
    return ScimConnector(carrier, address.url, address.patch)


CONNECTORS: Final[Mapping[str, ConnectorSpec]] = {
    "embedded": ConnectorSpec(("sqlite",), _open_embedded),
    "scim": ConnectorSpec(("http", "https"), _open_scim),
}
