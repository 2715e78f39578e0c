"""What rules that are tried would become of the people who came last: counted aside, one count at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.admin.explained import Tally
from gateway.admin.simulate import Effect, foresee, rows_of
from gateway.audit.masking import Cover
from gateway.errors import JournalUnavailable
from gateway.flow.model import Target
from gateway.journal.reader import reading
from gateway.settings.model import Settings, TargetSettings
from gateway.values import frozen

MOST: Final = 1_000  # people
STEP: Final = 10  # people
REST: Final = 0.002  # seconds after each so many, in which the gateway has the processor to itself
MOST_ROWS: Final = 100  # of what would change, told apart


@frozen
class Trial:
    """One target by the rules in force, and by those that are tried; nobody can call it."""

    now: Target
    then: Target
    tried: TargetSettings
    cover: Cover


@dataclass(slots=True)
class Count:
    """What came of the people so far."""

    key: str  # which rules it is about
    begun: str  # RFC 3339, UTC
    is_running: bool = True
    seen: int = 0
    most: int = MOST
    now: Counter[str] = field(default_factory=Counter)  # of effects, by the rules in force
    then: Counter[str] = field(default_factory=Counter)  # by those that are tried
    changes: list[dict[str, Any]] = field(default_factory=list)  # that the rules in force do not make
    reason: str | None = None  # why it did not come to its end

    @property
    def effects(self) -> list[tuple[str, int, int]]:
        """Return how many people come to what: by the rules in force, and by those that are tried."""
        met = (effect.value for effect in Effect if self.now[effect.value] or self.then[effect.value])
        return [(name, self.now[name], self.then[name]) for name in met]


class Counting:
    """Has one run, and remembers the last."""

    def __init__(self, settings: Callable[[], Settings], utc: Callable[[], str]) -> None:
        self._settings = settings
        self._utc = utc
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self.latest: Count | None = None

    def begin(self, key: str, trial: Trial) -> bool:
        """Begin one; False while another is under way."""
        if self.latest is not None and self.latest.is_running:
            return False
        self.latest = Count(key, self._utc())
        self._task = asyncio.create_task(self._run(self.latest, trial))
        return True

    async def close(self) -> None:
        """End the one that is under way."""
        self._is_closing = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self, count: Count, trial: Trial) -> None:
        try:
            await asyncio.to_thread(self._count, count, trial)
        except (JournalUnavailable, _Closing) as error:
            count.reason = str(error)
        finally:
            count.is_running = False

    def _count(self, count: Count, trial: Trial) -> None:
        tally = Tally("what", "path", "rule", "reason")
        with reading(self._settings().journal) as reader:
            people = reader.newest_people(trial.now.name, MOST)
            count.most = len(people)
            for resource, standing in people:
                found = [foresee(target, resource, standing) for target in (trial.now, trial.then)]
                for effects, foreseen in zip((count.now, count.then), found, strict=True):
                    effects[foreseen.effect.value] += 1
                known = list(rows_of(trial.now, found[0], trial.cover))
                for row in rows_of(trial.then, found[1], trial.cover):
                    if row not in known:
                        who = {name: row[name] for name in ("userName", "externalId")}
                        tally.add((row["what"], row["path"], row["rule"], row["reason"]), who)
                count.seen += 1
                self._rest(count)
        count.changes = tally.rows()[:MOST_ROWS]

    def _rest(self, count: Count) -> None:
        if self._is_closing:
            raise _Closing("the gateway stops")
        if count.seen % STEP == 0:
            time.sleep(REST)


class _Closing(Exception):
    """The gateway ends before the count does."""
