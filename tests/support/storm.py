"""Workers push people while the gateway's lives end in every way; then all is quiet, and judged."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from tests.support.lives import End, House, Kind, house
from tests.support.verdicts import crashes, verdict
from tests.support.workers import Provider, Worker

LONG: Final = bool(os.environ.get("FAULTS"))
WORKERS: Final = 64
QUIET: Final = 60.0  # seconds until all that is under way must be acknowledged
AGES: Final = (0.3, 1.0, 3.0) if LONG else (0.3, 1.0, 1.8)  # seconds, at most half as old again
MOMENTS: Final = ("age", "arrived", "write", "applied", "sync", "answered", "synced")


def ends(count: int, seed: str) -> Iterator[End]:
    """Yield how lives end: at each moment in turn, young and old."""
    chance = random.Random(seed)
    for moment in islice(cycle(MOMENTS), count):
        yield End(moment, chance.choice((1, 2, 5, 12, 30)), chance.choice(AGES) * (0.5 + chance.random()))


async def storm(folder: Path, nursery: Path, kind: Kind, how: Iterable[End]) -> list[str]:
    """Return what is wrong after these lives and a last one that ends well."""
    async with house(folder, nursery, kind) as place:
        provider = Provider(place.entrance, place.session, place.token, kind.seed)
        workers = [asyncio.create_task(Worker(provider, n).work()) for n in range(WORKERS)]
        problems = [problem for end in how for problem in await _lived(place, end)]
        async with place.living():
            provider.stopping = True
            await asyncio.wait_for(asyncio.gather(*workers), QUIET)
            await place.tell("quiet")
        _report(place, provider)
        return [*problems, *verdict(place, provider), *crashes(place.log)]


async def _lived(place: House, end: End) -> list[str]:
    status = await place.live(end)
    if place.kind.forgets:
        place.disk.pull_the_plug()
    return [] if status == -signal.SIGKILL else [f"a life ended with {status}"]


def _report(place: House, provider: Provider) -> None:
    done = Counter(place.ended)
    people = len({ack.external for ack in provider.acks})
    what = "plugs pulled" if place.kind.forgets else "kills"
    sys.stdout.write(
        f"\n{done.total()} {what} ({', '.join(f'{n} {moment}' for moment, n in sorted(done.items()))}): "
        f"{len(provider.acks)} changes of {people} people acknowledged, {len(place.ledger())} applied\n"
    )
