"""The plug is pulled: what was not synced is gone; what was acknowledged is not."""

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.support.lives import House, Kind, house
from tests.support.storm import LONG, ends, storm
from tests.support.verdicts import unaccounted
from tests.support.workers import Ack, Person, Provider, Worker

pytestmark = pytest.mark.long

PULLS: Final = 28 if LONG else 3  # of each kind
KINDS: Final = [
    pytest.param(Kind(True, True, forgets=True, seed="plug, unique names"), id="unique names"),
    pytest.param(Kind(False, False, forgets=True, seed="plug, any names"), id="any names"),
]


@pytest.mark.parametrize("kind", KINDS if LONG else KINDS[:1])
async def test_a_power_cut_loses_and_doubles_nothing(kind: Kind, nursery: Path, tmp_path: Path) -> None:
    assert await storm(tmp_path, nursery, kind, ends(PULLS, kind.seed)) == []


async def test_this_harness_sees_what_normal_durability_loses(nursery: Path, tmp_path: Path) -> None:
    async with house(tmp_path, nursery, Kind(durability="normal", forgets=True, sick=0.0)) as place:
        acks = await acknowledged(place, 5)
        place.disk.pull_the_plug()
        async with place.living():  # reads what is left of the log
            pass

    lost = list(unaccounted(place.ledger(), acks, place.journal))
    assert len(lost) == 5 + 5  # each write without its operation, each change without its event


async def acknowledged(place: House, count: int) -> list[Ack]:
    """Have people created, then the gateway killed."""
    provider = Provider(place.entrance, place.session, place.token, "1")
    life = asyncio.create_task(place.live())
    await place.entrance.up.wait()
    for n in range(count):
        person = Person(str(n))
        await Worker(provider, 1).push(person, person.next("join"))
    place.signal(signal.SIGKILL)
    await life
    return provider.acks
