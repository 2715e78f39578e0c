"""What is known of a SCIM service: what the configuration says, what the service promises, what it did."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from gateway.flow.target_port import Broken, Denied, Silent, TargetError, Throttled, Unreachable
from gateway.log import get_logger
from gateway.targets.scim import abilities
from gateway.targets.scim.abilities import Abilities, Lack, Patch
from gateway.targets.transport import TargetFinding

ASK_AGAIN: Final = 30.0  # seconds until a service that could not say what it has is asked once more
PASSING: Final = (Unreachable, Silent, Broken, Throttled, Denied)  # says nothing about what is supported
NOT_OFFERED: Final = frozenset({405, 501})  # to a method: nothing was done
PROMISES: Final = {  # what the service says of PATCH -> what a check says of it
    Patch.WHOLE: "it promises PATCH",
    Patch.NONE: "it promises no PATCH, so whole entries go as PUT",
    None: "it does not say now whether it takes PATCH",
}
DIFFERS: Final = "`patch` in the configuration says otherwise: leave it out, unless you know better"
_OTHER: Final = {Patch.WHOLE: Patch.NONE, Patch.NONE: Patch.WHOLE}

log = get_logger()


class Discovered:
    """Answers from memory; the service is asked once, when it first matters."""

    def __init__(
        self,
        name: str,  # of the target
        told: Abilities,
        ask: Callable[[], Awaitable[Abilities]],  # raises TargetError
        ask_for_groups: Callable[[], Awaitable[bool]],  # raises TargetError
        now: Callable[[], float],  # POSIX seconds
    ) -> None:
        self._name = name
        self._told = told
        self._ask = ask
        self._ask_for_groups = ask_for_groups
        self._now = now
        self._promised: Abilities | None = None
        self._groups = told.groups
        self._is_refuted = False
        self._asking = asyncio.Lock()
        self._not_before = {"promises": 0.0, "groups": 0.0}  # POSIX seconds
        self._shows_members: set[str] = set()  # the ways in which members have been shown
        self._told_members = ""  # the last group that was told of members
        self.lacks: dict[str, Lack] = {}  # by name, in the order in which they were noted

    async def patch(self) -> Patch:
        """Return how changes go out; PUT until the service says more."""
        return self._told.patch or (await self._promises()).patch or Patch.NONE

    async def filters(self) -> bool:
        """Say whether a filter is worth sending."""
        filters = self._told.filter
        if filters is None:
            filters = (await self._promises()).filter
        if filters is False:
            self.note(abilities.NO_FILTER)
        return filters is not False

    async def has_groups(self) -> bool:
        """Say whether the service has groups; it is believed to until it says no. Raises nothing."""
        async with self._asking:
            if self._groups is None and self._is_due("groups"):
                try:
                    self._groups = await self._ask_for_groups()
                except PASSING:
                    self._wait("groups")
        if self._groups is False:
            self.note(abilities.NO_GROUPS)
        return self._groups is not False

    def told_members(self, group: str) -> None:
        """Note that a group is told of members."""
        self._told_members = group

    def shows_members(self, group: str, way: str, *, is_somebody_shown: bool) -> bool:
        """Say whether a group says who is in it; a service that never showed anybody says nothing."""
        if self._told.members is not None:
            return self._told.members
        if is_somebody_shown:
            self._shows_members.add(way)
        if way in self._shows_members:
            return True
        if group == self._told_members:
            self.note(abilities.HIDES_MEMBERS)
        return False

    async def promised(self) -> Abilities | None:
        """Ask the service now, and return what it promises; None where it cannot say now."""
        try:
            return await self._ask()
        except PASSING:
            return None
        except TargetError:
            return Abilities(Patch.NONE)

    def refuted(self, tried: Patch) -> bool:
        """Note that a way of changing is not offered after all; say whether the other is worth a try."""
        if self._told.patch is not None or tried not in _OTHER:
            return False
        if self._promised is None or self._promised.patch is tried:
            if self._is_refuted:
                return False
            self._is_refuted = True
            self._promised = replace(self._promised or Abilities(), patch=_OTHER[tried])
        return True

    def findings(self, promised: Abilities | None) -> tuple[TargetFinding, ...]:
        """Return what a check says of the service, where it promises this; None: it cannot say now."""
        told, said = self._told.patch, promised.patch if promised else None
        is_told = told is None or said is None or (told is Patch.NONE) is (said is Patch.NONE)
        single = f"; {abilities.ONE_AT_A_TIME.made_good}" if told is Patch.SINGLE else ""
        changes = TargetFinding("changes", PROMISES[said] + single, "" if is_told else DIFFERS)
        if self._told.filter is False or (promised is not None and promised.filter is False):
            self.note(abilities.NO_FILTER)
        lacks = (lack for lack in self.lacks.values() if lack.about in ("filters", "lists"))
        return changes, *(TargetFinding(lack.about, lack.made_good) for lack in lacks)

    def note(self, lack: Lack) -> None:
        """Remember what the service cannot do; the first time, the log has it."""
        if lack.name not in self.lacks:
            self.lacks[lack.name] = lack
            log.info("target.lacks", target=self._name, lack=lack.name, says=lack.made_good)

    async def _promises(self) -> Abilities:
        found = self._promised or await self._asked() or Abilities()
        if found.patch is Patch.NONE and self._told.patch is None:
            self.note(abilities.NO_PATCH)
        return found

    async def _asked(self) -> Abilities | None:
        async with self._asking:
            if self._promised is None and self._is_due("promises"):
                self._promised = await self.promised()
                if self._promised is None:
                    self._wait("promises")
            return self._promised

    def _is_due(self, question: str) -> bool:
        return self._now() >= self._not_before[question]

    def _wait(self, question: str) -> None:
        self._not_before[question] = self._now() + ASK_AGAIN
